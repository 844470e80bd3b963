# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a model is good for, class by class and view by view, from figures on real pictures.

validated: at least TRUTHS boxes of several places, ranked well and told surely at the working
score. weak: measured, and worse than that. unproven: too few real pictures, or next to nothing
found. A box makes leads of what rests on an unproven class (edge.rules.reporting).
"""

from __future__ import annotations

from collections.abc import Sequence

from tools.training.classes import CITY, COCO
from tools.training.figures import Row, row
from tools.training.judge_pictures import Judged

TRUTHS, GROUPS = 20, 3
AP50, PRECISION, RECALL = 0.7, 0.7, 0.5
LEAST_TRUTHS, LEAST_AP50, LEAST_RECALL = 5, 0.3, 0.1

# From where the pictures of a source were taken; a source that is not here is at eye level.
VIEWS = {
    "aerial_stalls": "top",
    "drone_trucks": "drone",
    "fire_smoke": "pole",
    "gantry_trucks": "pole",
    "pole_tippers": "pole",
    "street_cameras": "pole",
    "look_alikes": "pole",
    "clip_frames": "pole",
}
ALL_VIEWS = ("eye", "pole", "drone", "top")


def good_for(judged: Sequence[Judged]) -> dict[str, dict[str, str]]:
    """Of every class of our own: view to validated, weak or unproven."""
    told: dict[str, dict[str, str]] = {}
    for label, name in enumerate(CITY):
        if name in COCO:
            continue
        for view in ALL_VIEWS:
            seen = [one for one in judged if VIEWS.get(one.picture.item.source, "eye") == view]
            found = row(seen, label, name, view) if seen else None
            told.setdefault(name, {})[view] = _word(found, _groups(seen, label))
    return told


def _groups(seen: Sequence[Judged], label: int) -> int:
    return len({o.picture.item.group for o in seen if (o.seen.truth_labels == label).any()})


def _word(found: Row | None, groups: int) -> str:
    if found is None or found.truths < LEAST_TRUTHS:
        return "unproven"
    enough = found.truths >= TRUTHS and groups >= GROUPS
    well = found.ap50 >= AP50 and found.precision >= PRECISION and found.recall >= RECALL
    if enough and well:
        return "validated"
    return "weak" if found.ap50 >= LEAST_AP50 and found.recall >= LEAST_RECALL else "unproven"


def table(told: dict[str, dict[str, str]]) -> str:
    """Markdown, a row a class."""
    lines = ["| class | eye level | pole | drone | straight above |", "|---|---|---|---|---|"]
    for name, views in told.items():
        lines.append(f"| {name} | " + " | ".join(views[view] for view in ALL_VIEWS) + " |")
    return "\n".join(lines)

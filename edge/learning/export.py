# SPDX-License-Identifier: AGPL-3.0-or-later
"""Out of what a box kept for a labeller, the crops that teach most, within a budget."""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

DAY_S = 86_400.0
# A look that contradicts the track's other looks teaches more than one near the limit.
ORDER = {"disagreement": 0, "near_limit": 1}


@dataclass(frozen=True, slots=True)
class KeptCrop:
    """One crop on the box: its row, when, why, how far the score is from the middle."""

    path: Path
    camera: str
    at_s: float
    why: str
    doubt: float

    @property
    def rank(self) -> tuple[int, float, float]:
        return ORDER.get(self.why, len(ORDER)), self.doubt, -self.at_s


@dataclass(frozen=True, slots=True)
class Exported:
    """What left the box, and what did not."""

    copied: int
    cameras: int
    over: int
    unreadable: int


def export(folder: Path, out: Path, *, since_s: float, per_day: int, most: int) -> Exported:
    """Copy the most telling crops of `<state>/harvest` to `out`/harvest, as tools/dataset reads
    them. since_s: UTC; per_day: of one camera. Raises OSError."""
    kept, unreadable = [], 0
    for path in sorted(folder.glob("*/*.json")):
        one = _read(path)
        if one is None:
            unreadable += 1
        elif one.at_s >= since_s:
            kept.append(one)
    chosen = list(_within(sorted(kept, key=lambda one: one.rank), per_day, most))
    for one in chosen:
        target = out / "harvest" / one.camera
        target.mkdir(parents=True, exist_ok=True)
        for part in (one.path.with_suffix(".jpg"), one.path):
            shutil.copyfile(part, target / part.name)
    cameras = len({one.camera for one in chosen})
    return Exported(len(chosen), cameras, len(kept) - len(chosen), unreadable)


def _read(path: Path) -> KeptCrop | None:
    try:
        row = json.loads(path.read_bytes())
        doubt = abs(float(row["score"]) - 0.35)
        one = KeptCrop(path, path.parent.name, float(row["at_s"]), str(row["why"]), doubt)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s: %s; left out", path, error)
        return None
    return one if path.with_suffix(".jpg").is_file() else None


def _within(ranked: list[KeptCrop], per_day: int, most: int) -> Iterator[KeptCrop]:
    """Those that the budget allows, in order of rank."""
    days: Counter[tuple[str, int]] = Counter()
    for one in ranked:
        key = (one.camera, int(one.at_s // DAY_S))
        if days.total() < most and days[key] < per_day:
            days[key] += 1
            yield one

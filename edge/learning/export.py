# SPDX-License-Identifier: AGPL-3.0-or-later
"""Out of what a box kept for a labeller, the crops that teach most, within a budget."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.learning.labels import KeptCrop, read_kept, read_labels, worded
from edge.runtime import write_atomic

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Exported:
    """What left the box, and what did not; `labelled`: of those that did, how many had a word."""

    copied: int
    cameras: int
    over: int
    unreadable: int
    labelled: int


def export(state: Path, out: Path, *, since_s: float, per_day: int, most: int) -> Exported:
    """Copy the most telling crops of `state`/harvest to `out`/harvest, as tools/dataset reads
    them, with what people said of them; those that have a word come first. since_s: UTC; per_day:
    of one camera. Raises OSError."""
    labels = read_labels(state)
    kept, unreadable = read_kept(state / "harvest", since_s=since_s)
    ranked = sorted(kept, key=lambda one: (one.key not in labels, one.rank))
    chosen = list(_within(ranked, per_day, most))
    for one in chosen:
        target = out / "harvest" / one.camera
        target.mkdir(parents=True, exist_ok=True)
        row = worded(json.loads(one.path.read_bytes()), labels.get(one.key))
        shutil.copyfile(one.path.with_suffix(".jpg"), target / f"{one.path.stem}.jpg")
        text = json.dumps(row, ensure_ascii=False, indent=1)
        write_atomic(target / one.path.name, text.encode(), durable=False)
    cameras, labelled = len({c.camera for c in chosen}), sum(c.key in labels for c in chosen)
    return Exported(len(chosen), cameras, len(kept) - len(chosen), unreadable, labelled)


def _within(ranked: list[KeptCrop], per_day: int, most: int) -> Iterator[KeptCrop]:
    """Those that the budget allows, in order of rank."""
    days: Counter[tuple[str, int]] = Counter()
    for one in ranked:
        key = (one.camera, int(one.at_s // DAY_S))
        if days.total() < most and days[key] < per_day:
            days[key] += 1
            yield one

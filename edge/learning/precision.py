# SPDX-License-Identifier: AGPL-3.0-or-later
"""Confirmed precision: of what the box suspected and people judged, how much was right. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edge.learning.verdicts import Judged

# What bureaus hold such systems to: below the floor the category is a nuisance, above good it is
# trusted.
FLOOR, GOOD = 0.70, 0.90
Z95 = 1.959964

Grade = Literal["good", "fair", "poor", "too_few"]
LEAST = 10  # verdicts before a grade is given


@dataclass(frozen=True, slots=True)
class Precision:
    """`share` confirmed with its 95 % interval (Wilson 1927, which holds for small numbers)."""

    camera: str
    category: str
    confirmed: int
    rejected: int
    share: float | None
    low: float
    high: float
    grade: Grade


def wilson(right: int, total: int, z: float = Z95) -> tuple[float, float]:
    """Interval of a share; (0, 1) where nothing was counted."""
    if total == 0:
        return 0.0, 1.0
    share, square = right / total, z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    spread = share * (1 - share) / total + square / (4 * total * total)
    reach = z * math.sqrt(spread) / (1 + square / total)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def grade(right: int, total: int) -> Grade:
    if total < LEAST:
        return "too_few"
    share = right / total
    return "good" if share >= GOOD else "fair" if share >= FLOOR else "poor"


def precision(judged: Iterable[Judged], *, now_s: float, window_s: float) -> list[Precision]:
    """One row for each camera and category, and one with camera "*" for each category."""
    counts: dict[tuple[str, str], list[int]] = {}
    for one in judged:
        if now_s - one.judged_s > window_s:
            continue
        for camera in (one.camera, "*"):
            pair = counts.setdefault((one.category, camera), [0, 0])
            pair[one.verdict == "rejected"] += 1
    return [_row(camera, category, *pair) for (category, camera), pair in sorted(counts.items())]


def _row(camera: str, category: str, confirmed: int, rejected: int) -> Precision:
    total = confirmed + rejected
    low, high = wilson(confirmed, total)
    share = confirmed / total if total else None
    return Precision(
        camera, category, confirmed, rejected, share, low, high, grade(confirmed, total)
    )

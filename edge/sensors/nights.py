# SPDX-License-Identifier: AGPL-3.0-or-later
"""The quiet of each night: what a place returns to, and what a meter that drifts does not.

Between one and five in the morning a street falls to its own ground: the level exceeded 90 % of the
time. It differs from night to night by weather and traffic, but it does not walk one way.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

import msgspec

NIGHT_HOURS = (1, 5)
# Ten minutes of one value a second; less says nothing of a night.
VALUES_LEAST = 120
NIGHTS_LEAST = 7
ENDS = 3
# A walk: this much from the first nights to the last, and this share of all pairs in one order.
WALK_DB, WALK_TIMES, WALK_ORDER = 6.0, 2.5, 0.75
# Away from the neighbours, whose nights have the same weather and traffic.
APART_DB, APART_TIMES = 3.0, 1.6


class Night(msgspec.Struct, frozen=True, array_like=True):
    """One night of one channel: the local date and the value exceeded 90 % of the time."""

    KEPT: ClassVar[int] = 30

    date: str
    ground: float

    @staticmethod
    def of(date: str, values: Counter[float]) -> Night | None:
        """The ground of these values, None where they are too few."""
        total = values.total()
        if total < VALUES_LEAST:
            return None
        passed = 0
        for value in sorted(values):
            passed += values[value]
            if passed >= 0.1 * total:
                return Night(date, value)
        return None


def _scale(ground: float, level: bool) -> float:
    """Levels as they are; concentrations by their decade, so that shares add up."""
    return ground if level else 10.0 * math.log10(max(ground, 1e-6))


def drifting(nights: Sequence[Night], *, level: bool) -> bool:
    """Whether the ground walks one way, night after night, further than places do."""
    grounds = [_scale(night.ground, level) for night in nights]
    least = WALK_DB if level else 10.0 * math.log10(WALK_TIMES)
    return len(grounds) >= NIGHTS_LEAST and abs(_walk(grounds)) >= least and _one_way(grounds)


def drifting_apart(
    nights: Sequence[Night], beside: Sequence[Sequence[Night]], *, level: bool
) -> bool:
    """Whether this meter leaves its neighbours. Of two that part, it is the one that walks."""
    grounds, others = _common(nights, beside, level)
    if len(grounds) < NIGHTS_LEAST:
        return False
    apart = [own - statistics.median(rest) for own, rest in zip(grounds, others, strict=True)]
    least = APART_DB if level else 10.0 * math.log10(APART_TIMES)
    middle = [statistics.median(rest) for rest in others]
    walks_more = abs(_walk(grounds)) > abs(_walk(middle))
    return abs(_walk(apart)) >= least and _one_way(apart) and walks_more


def _common(
    nights: Sequence[Night], beside: Sequence[Sequence[Night]], level: bool
) -> tuple[list[float], list[list[float]]]:
    """Own ground and the neighbours', of the nights that both have."""
    known = [{night.date: _scale(night.ground, level) for night in other} for other in beside]
    rows = [
        (_scale(night.ground, level), [other[night.date] for other in known if night.date in other])
        for night in nights
    ]
    kept = [row for row in rows if row[1]]
    return [own for own, _ in kept], [rest for _, rest in kept]


def _walk(values: Sequence[float]) -> float:
    """From the middle of the first nights to that of the last."""
    return statistics.median(values[-ENDS:]) - statistics.median(values[:ENDS])


def _one_way(values: Sequence[float]) -> bool:
    """Kendall's order: how many of all pairs rise, or fall."""
    pairs = [later - earlier for earlier, later in combinations(values, 2)]
    rising, falling = sum(p > 0.0 for p in pairs), sum(p < 0.0 for p in pairs)
    return max(rising, falling) >= (1.0 + WALK_ORDER) / 2.0 * len(pairs)

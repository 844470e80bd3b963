# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many seconds each sample stands for: it counts by its duration, not by how often it came.

A meter that sends four values a second, or three copies of each, has not measured longer; one that
sends more when it is loud has not heard more noise.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

# A sample stands for the time to the next one, where that comes within so many of its intervals.
SLACK = 1.5
# So many steps alike are a pace of their own, not a row of gaps.
PACE_STEPS = 5
# A value so far above both of its neighbours is a spike of the electronics: F weighting alone
# falls by 35 dB in a second (GB/T 3785.1: 34.7 dB/s).
SPIKE_DB = 40.0
# A cloud of dust or fume comes and goes in seconds; one value of eight times as much between two
# others is none. LEAST, in mg/m³: near nought everything is many times its neighbour.
LEAP_TIMES, LEAP_LEAST = 8.0, 0.5


def spans(
    times_s: Sequence[float], every_s: float | Sequence[float], end_s: float = math.inf
) -> list[float]:
    """Seconds that each sample covers. `times_s` rise strictly.

    every_s: the usual interval, one for all or one for each sample; before a gap a sample covers
    no more than that. end_s: the end of the measuring period, beyond which nothing is covered.
    """
    if not times_s:
        return []
    usual = [every_s] * len(times_s) if isinstance(every_s, (int, float)) else list(every_s)
    found: list[float] = []
    for n, (here, following) in enumerate(pairwise([*times_s, math.inf])):
        step = following - here
        covered = step if step <= SLACK * usual[n] else usual[n]
        found.append(max(0.0, min(covered, end_s - here)))
    return found


def paces(times_s: Sequence[float]) -> list[float]:
    """The usual interval around each sample of a recording whose pace nobody has stated.

    The median step, and where at least `PACE_STEPS` steps in a row are alike, theirs: a recording
    may go from one value a second to eight.
    """
    steps = [later - earlier for earlier, later in pairwise(times_s)]
    if not steps:
        return [1.0] * len(times_s)
    median = statistics.median(steps)
    found: list[float] = []
    while len(found) < len(steps):
        run = _run(steps, len(found))
        own = statistics.median(run)
        other = len(run) >= PACE_STEPS and not median / SLACK <= own <= median * SLACK
        found += [own if other else median] * len(run)
    return [*found, found[-1]]


def _run(steps: Sequence[float], start: int) -> Sequence[float]:
    """The steps from `start` on that are like the first of them."""
    first = steps[start]
    end = start
    while end < len(steps) and first / SLACK <= steps[end] <= first * SLACK:
        end += 1
    return steps[start:end]


def spikes(levels_db: Sequence[float]) -> set[int]:
    """Places of single values that stand more than `SPIKE_DB` above both neighbours."""
    return {
        n
        for n in range(1, len(levels_db) - 1)
        if levels_db[n] - max(levels_db[n - 1], levels_db[n + 1]) > SPIKE_DB
    }


def leaps(values: Sequence[float]) -> set[int]:
    """Places of single concentrations that are `LEAP_TIMES` what both neighbours are."""
    return {
        n
        for n in range(1, len(values) - 1)
        if values[n] > LEAP_TIMES * max(abs(values[n - 1]), abs(values[n + 1]))
        and values[n] - max(values[n - 1], values[n + 1]) > LEAP_LEAST
    }


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of values by their seconds; `rest` is the mean without the highest of them."""

    value: float
    rest: float
    seconds: float

    def less(self, by: float) -> Mean:
        return replace(self, value=self.value - by, rest=self.rest - by)


def weighted_mean(values: Mapping[float, float], every_s: float) -> Mean | None:
    """Mean of `values` (instant in s -> mg/m³) without leaps, None where there is none."""
    every = sorted(values)
    wrong = leaps([values[at] for at in every])
    covered = spans(every, every_s)
    times = [at for n, at in enumerate(every) if n not in wrong]
    seconds = [s for n, s in enumerate(covered) if n not in wrong]
    total = math.fsum(seconds)
    if total <= 0.0:
        return None
    highest = max(times, key=values.__getitem__)
    rows = [(values[at], s, at != highest) for at, s in zip(times, seconds, strict=True)]
    rest_s = math.fsum(s for _, s, keep in rows if keep)
    rest = math.fsum(v * s for v, s, keep in rows if keep) / rest_s if rest_s > 0.0 else 0.0
    return Mean(math.fsum(v * s for v, s, _ in rows) / total, rest, total)

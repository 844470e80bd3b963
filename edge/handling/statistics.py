# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the cases of a period come to: counts, shares with their intervals, times, repeats. Pure.

Every figure carries the cases it was counted from. A share has its numbers and the Wilson score
interval at 95 % (Wilson 1927); two periods differ only where their intervals do not overlap.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from edge.handling.life import RUNNING, CaseLife
from edge.learning.precision import wilson

DAY_S = 86_400.0
# What counts as one place: so many parts of the picture's width and height.
CELLS = 12
# Normal quantile of a two-sided 95 % interval.
# A return is the next confirmed case at the same place (or of the same truck) within so many days.
RETURN_DAYS = (7, 30)


@dataclass(frozen=True, slots=True)
class Share:
    """`part` of `whole`; low and high: the 95 % interval of the share behind it."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's; (0, 1) where nothing was counted."""
        return wilson(self.part, self.whole)

    def differs(self, other: Share) -> bool:
        """Whether the intervals do not overlap: only then may a change be named."""
        (low, high), (other_low, other_high) = self.interval, other.interval
        return high < other_low or other_high < low


@dataclass(frozen=True, slots=True)
class Figures:
    """One group of cases found in a period. `cases` are their ids, by figure, for the way back.

    on_time: of the cases that were due, those settled by then; went: of the places where people
    were reminded, those that they left; to_review_h and to_settle_h are medians in hours, None
    where there are none.
    """

    found: int
    confirmed: int
    misdetected: int
    unreviewed: int
    outcomes: Mapping[str, int]
    settled: int
    overdue: int
    open: int
    self_corrected: int
    rechecks: int
    precision: Share
    on_time: Share
    went: Share
    to_review_h: float | None
    to_settle_h: float | None
    cases: Mapping[str, tuple[str, ...]]


def figures(lives: Iterable[CaseLife], until: float) -> Figures:
    """The figures of these cases as they stand; until: UTC seconds, for what is overdue by then."""
    groups: dict[str, list[CaseLife]] = defaultdict(list)
    for life in lives:
        for name, holds in _GROUPS.items():
            if holds(life):
                groups[name].append(life)
    due = [c for c in groups["was_due"] if c.due is not None and (c.settled_at or c.due <= until)]
    late = [c for c in due if c.overdue or (c.settled_at is None and (c.due or 0) <= until)]
    confirmed, wrong = groups["confirmed"], groups["misdetected"]
    return Figures(
        found=len(groups["found"]),
        confirmed=len(confirmed),
        misdetected=len(wrong),
        unreviewed=len(groups["unreviewed"]),
        outcomes=dict(sorted(Counter(c.outcome for c in groups["decided"]).items())),
        settled=len(groups["settled"]),
        overdue=len(late),
        open=len(groups["open"]),
        self_corrected=len(groups["self_corrected"]),
        rechecks=sum(c.rechecks for c in groups["found"]),
        precision=Share(len(confirmed), len(confirmed) + len(wrong)),
        on_time=Share(len(due) - len(late), len(due)),
        went=Share(
            len(groups["self_corrected"]), len(groups["self_corrected"]) + len(groups["stayed"])
        ),
        to_review_h=_median(c.reviewed_at - c.found_at for c in groups["found"] if c.reviewed_at),
        to_settle_h=_median(c.settled_at - c.found_at for c in groups["settled"] if c.settled_at),
        cases={name: tuple(c.case for c in group) for name, group in groups.items()}
        | {"overdue": tuple(c.case for c in late)}
        | _by_outcome(groups["decided"]),
    )


def _by_outcome(decided: Iterable[CaseLife]) -> dict[str, tuple[str, ...]]:
    """`outcome:filed` and so on: the cases behind each count of `outcomes`."""
    found: dict[str, list[str]] = defaultdict(list)
    for life in decided:
        found[f"outcome:{life.outcome}"].append(life.case)
    return {name: tuple(ids) for name, ids in found.items()}


_GROUPS: dict[str, Callable[[CaseLife], bool]] = {
    "found": lambda c: True,
    "confirmed": lambda c: c.confirmed_at is not None,
    "misdetected": lambda c: c.state == "misdetected",
    "unreviewed": lambda c: c.state == "suspected",
    "decided": lambda c: bool(c.outcome),
    "settled": lambda c: c.state == "settled",
    "open": lambda c: c.state in RUNNING,
    "was_due": lambda c: c.due is not None and c.state in (*RUNNING, "settled"),
    "self_corrected": lambda c: c.reminded and c.counts,
    "stayed": lambda c: c.head.get("reminded") == "stayed" and not c.reminded and c.counts,
}


def _median(seconds: Iterable[float]) -> float | None:
    found = [max(0.0, s) for s in seconds]
    return median(found) / 3600.0 if found else None


def within(lives: Iterable[CaseLife], start: float, end: float) -> list[CaseLife]:
    """The cases found in [start, end), oldest first."""
    return sorted((c for c in lives if start <= c.found_at < end), key=lambda c: c.found_at)


def grouped(lives: Iterable[CaseLife], by: str) -> dict[str, list[CaseLife]]:
    """By `category`, `grid`, `source` or `day` of the case's head; unknown is ''."""
    found: dict[str, list[CaseLife]] = defaultdict(list)
    for life in lives:
        found[str(getattr(life, by, ""))].append(life)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


@dataclass(frozen=True, slots=True)
class Quiet:
    """Dynamic zero (动态清零) of one grid and category: whole days since the last confirmed case,
    None where there never was one; `returns` by RETURN_DAYS."""

    grid: str
    category: str
    days: float | None
    confirmed: int
    returns: Mapping[int, int]


def quiet(lives: Sequence[CaseLife], now: float) -> list[Quiet]:
    """Every grid and category with cases, the longest quiet last."""
    groups: dict[tuple[str, str], list[CaseLife]] = defaultdict(list)
    for life in lives:
        groups[life.grid, life.category].append(life)
    rows = [_quiet(grid, category, group, now) for (grid, category), group in groups.items()]
    return sorted(rows, key=lambda row: (row.days is None, row.days or 0.0, row.grid, row.category))


def _quiet(grid: str, category: str, group: Sequence[CaseLife], now: float) -> Quiet:
    real = [c for c in group if c.confirmed_at is not None and c.counts]
    last = max((c.found_at for c in real), default=None)
    days = None if last is None else max(0.0, now - last) / DAY_S
    return Quiet(grid, category, days, len(real), {n: returns(real, n) for n in RETURN_DAYS})


def returns(lives: Iterable[CaseLife], days: int) -> int:
    """How many of these confirmed cases came within so many days after another one that had been
    settled or had left, at the same place or by the same truck."""
    places: dict[tuple[str, ...], list[CaseLife]] = defaultdict(list)
    for life in sorted(lives, key=lambda c: c.found_at):
        key = ("truck", life.subject) if life.subject else ("place", *_place_of(life))
        places[key].append(life)
    return sum(
        1
        for row in places.values()
        for before, after in itertools.pairwise(row)
        if (gap := after.found_at - (before.settled_at or before.left_at or before.found_at))
        <= days * DAY_S
        and gap >= 0
    )


def _place_of(life: CaseLife) -> tuple[str, ...]:
    """One place: the camera's picture in twelfths; without a picture, the source."""
    anchor = life.head.get("anchor") or ()
    cells = tuple(str(int(float(side) * CELLS)) for side in anchor)
    return (life.source, life.category, *cells)


def hot_spots(lives: Iterable[CaseLife], most: int = 10) -> list[tuple[str, str, int]]:
    """(source, category, confirmed cases) of the places with most of them, two at least."""
    real = [c for c in lives if c.confirmed_at is not None and c.counts]
    counted = Counter((c.source, c.category) for c in real)
    return [(source, category, n) for (source, category), n in counted.most_common(most) if n > 1]


def open_counts(lives: Iterable[CaseLife], now: float) -> dict[str, Any]:
    """For the status file and the metrics: cases by state, and those that are overdue."""
    every = list(lives)
    late = sorted(
        c.case for c in every
        if c.state in RUNNING and c.paused_at is None and c.due is not None and c.due < now
    )  # fmt: skip
    states = Counter(c.state for c in every)
    return {
        "states": dict(sorted(states.items())),
        "overdue": len(late),
        "overdue_cases": late[:50],
    }

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Events found against events that were: one-to-one, by category, time and place. Pure.

Definitions, for one recording:

- A violation is all lines of one id; its first revision says when it began and where.
- It may be of an event if their category is the same, it began within TOLERANCE_S of the event's
  start (of the start of the recording and within the dwell limit, if the thing was there before
  the recording), and its place lies within the event's radius, in fractions of the frame.
- Events and violations are paired one to one so that as many as possible are found, then with the
  least difference in time. An event that must not be found (`must: false`) takes what is left
  over, and counts neither way; so does everything that began in an ignored span.
- A violation left over that may be of an event which has its violation already is a duplicate.
  It is not a hit: it counts as a false one for precision, and is counted apart in `duplicates`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from edge.values import Json, Point

TOLERANCE_S = 20.0
# Seconds of disagreement in exchange for which a pair of events may never go unfound.
UNFOUND = 1e9


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """What happened. Seconds of presentation time; place and radius in fractions of the frame."""

    category: str
    start_s: float
    end_s: float
    place: Point
    radius: float
    must: bool = True
    dwell_s: float | None = None


@dataclass(frozen=True, slots=True)
class UnjudgedSpan:
    """Time that is not judged; `category` None: none of them."""

    start_s: float
    end_s: float
    category: str | None = None

    def holds(self, at_s: float, category: str) -> bool:
        return self.start_s <= at_s <= self.end_s and self.category in (None, category)


@dataclass(frozen=True, slots=True)
class Claim:
    """One violation as published."""

    id: str
    category: str
    began_s: float
    decided_s: float | None
    place: Point


@dataclass(slots=True)
class Score:
    """Counts of one category; `duplicates` are part of `fp`."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    duplicates: int = 0
    delays_s: list[float] | None = None

    def add(self, other: Score) -> None:
        self.tp, self.fp, self.fn = self.tp + other.tp, self.fp + other.fp, self.fn + other.fn
        self.duplicates += other.duplicates
        self.delays_s = [*(self.delays_s or ()), *(other.delays_s or ())]

    def row(self, hours: float | None = None) -> dict[str, Json]:
        """As printed. With nothing to find and nothing claimed all three shares are 1."""
        tp, fp, fn = self.tp, self.fp, self.fn
        row: dict[str, Json] = {
            "tp": tp,
            "fp": fp,
            "fn": fn,
            "precision": _share(tp, tp + fp, empty=1.0 if fn == 0 else 0.0),
            "recall": _share(tp, tp + fn, empty=1.0),
            "f1": _share(2 * tp, 2 * tp + fp + fn, empty=1.0),
            "delay_p50_s": round(median(self.delays_s), 3) if self.delays_s else None,
            "duplicates": self.duplicates,
        }
        if hours:
            row["false_alarms_per_hour"] = round((fp - self.duplicates) / hours, 4)
        return row


def _share(part: int, whole: int, *, empty: float) -> float:
    return round(part / whole, 4) if whole else empty


def claims(lines: Iterable[Mapping[str, Any]]) -> list[Claim]:
    """Violations of `edge watch --json` lines, in the order in which they began.

    Raises KeyError, TypeError or ValueError for a line without category, began_s or place.
    """
    first: dict[str, Mapping[str, Any]] = {}
    for n, line in enumerate(lines):
        name = str(line.get("id", f"line {n + 1}"))
        known = first.get(name)
        if known is None or _revision(line) < _revision(known):
            first[name] = line
    found = [_claim(name, line) for name, line in first.items()]
    return sorted(found, key=lambda claim: (claim.began_s, claim.id))


def _revision(line: Mapping[str, Any]) -> float:
    return float(line.get("revision") or 0)


def _claim(name: str, line: Mapping[str, Any]) -> Claim:
    x, y = line["place"]
    decided = line.get("decided_s")
    return Claim(
        id=name,
        category=str(line["category"]),
        began_s=float(line["began_s"]),
        decided_s=None if decided is None else float(decided),
        place=(float(x), float(y)),
    )


def evaluate(
    events: Sequence[TruthEvent],
    found: Sequence[Claim],
    *,
    ignore: Sequence[UnjudgedSpan] = (),
    dwell_limit_s: Callable[[str], float] = lambda category: 0.0,
) -> dict[str, Score]:
    """Scores by category, for every category that was there or was claimed."""
    names = sorted({e.category for e in events} | {c.category for c in found})
    return {
        name: _score(
            [_excused(e, ignore) for e in events if e.category == name],
            [c for c in found if c.category == name],
            ignore,
            dwell_limit_s(name),
        )
        for name in names
    }


def _excused(event: TruthEvent, ignore: Sequence[UnjudgedSpan]) -> TruthEvent:
    """An event that starts in a span not judged need not be found."""
    if not any(span.holds(max(0.0, event.start_s), event.category) for span in ignore):
        return event
    return TruthEvent(
        event.category, event.start_s, event.end_s, event.place, event.radius, False, event.dwell_s
    )


def off_by(event: TruthEvent, claim: Claim, limit_s: float) -> float | None:
    """Seconds between event and claim, or None where the claim cannot be of this event.

    What was there before the recording has no start in it: its clock runs from the first frame,
    and the claim may begin as late as the dwell limit.
    """
    before = event.start_s <= 0.0
    own = event.dwell_s if event.dwell_s is not None else limit_s
    tolerance = max(TOLERANCE_S, own) if before else TOLERANCE_S
    off = abs(claim.began_s - max(0.0, event.start_s))
    return off if off <= tolerance + 1e-9 and _near(event, claim) else None


def _score(
    events: list[TruthEvent], found: list[Claim], ignore: Sequence[UnjudgedSpan], limit_s: float
) -> Score:
    pairs = match(events, found, limit_s)
    score = Score(delays_s=[])
    for i, event in enumerate(events):
        if not event.must:
            continue
        if i not in pairs:
            score.fn += 1
            continue
        score.tp += 1
        decided = found[pairs[i]].decided_s
        if decided is not None and score.delays_s is not None:
            score.delays_s.append(decided - max(0.0, event.start_s))
    taken = set(pairs.values())
    for j, claim in enumerate(found):
        if j in taken or any(span.holds(claim.began_s, claim.category) for span in ignore):
            continue
        of = [i for i, event in enumerate(events) if _about(event, claim, limit_s)]
        if all(events[i].must for i in of):
            score.fp += 1
            score.duplicates += any(i in pairs for i in of)
    return score


def _about(event: TruthEvent, claim: Claim, limit_s: float) -> bool:
    """Whether a claim speaks of this event, be it too late to be its find."""
    if off_by(event, claim, limit_s) is not None:
        return True
    return event.start_s <= claim.began_s <= event.end_s and _near(event, claim)


def _near(event: TruthEvent, claim: Claim) -> bool:
    away = math.hypot(claim.place[0] - event.place[0], claim.place[1] - event.place[1])
    return away <= event.radius + 1e-9


def match(events: Sequence[TruthEvent], found: Sequence[Claim], limit_s: float) -> dict[int, int]:
    """Event index -> claim index: most required events first, then most others, then least
    seconds apart in all.

    Successive shortest augmenting paths; lists here are tens, not thousands.
    """
    cost: dict[int, dict[int, float]] = {}
    for i, event in enumerate(events):
        for j, claim in enumerate(found):
            off = off_by(event, claim, limit_s)
            if off is not None:
                prize = UNFOUND if event.must else UNFOUND**0.5
                cost.setdefault(i, {})[j] = off - prize
    pairs: dict[int, int] = {}
    while True:
        path = _cheapest_path(cost, pairs)
        if path is None:
            return pairs
        pairs.update(path)


def _cheapest_path(
    cost: Mapping[int, Mapping[int, float]], pairs: Mapping[int, int]
) -> list[tuple[int, int]] | None:
    """The augmenting path that lowers the total most, as (event, claim) pairs to set; or None.

    Bellman-Ford from all free events over claims; a claim in use leads back to its event.
    """
    owner = {j: i for i, j in pairs.items()}
    reach: dict[int, float] = {}
    came: dict[int, int] = {}
    spent = {i: 0.0 for i in cost if i not in pairs}
    for _ in range(len(cost) + 1):
        changed = False
        for i, so_far in list(spent.items()):
            for j, price in cost.get(i, {}).items():
                if so_far + price < reach.get(j, math.inf) - 1e-9:
                    reach[j], came[j], changed = so_far + price, i, True
                    if j in owner:
                        spent[owner[j]] = reach[j] - cost[owner[j]][j]
        if not changed:
            break
    ends = [(total, j) for j, total in reach.items() if j not in owner and total < 0.0]
    if not ends:
        return None
    path, j = [], min(ends)[1]
    while True:
        i = came[j]
        path.append((i, j))
        if i not in pairs:
            return path
        j = pairs[i]


def total(scores: Mapping[str, Score]) -> Score:
    """All categories together."""
    whole = Score(delays_s=[])
    for score in scores.values():
        whole.add(score)
    return whole

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recorded series of levels: measure and judge it. What `edge levels` does."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from edge.config import ConfigError
from edge.config.dated import NO_PACKS, Packs
from edge.sensors.acoustics import DaySums, Levels, levels_of
from edge.sensors.hours import LocalTime
from edge.sensors.limits import Limit, Period, Standard, limit_on, window_of
from edge.sensors.recorded import Point
from edge.sensors.recorded import read as read
from edge.sensors.verdict import PeriodVerdict, judge
from edge.sensors.weighting import paces, spans, spikes

# Above this a time is UTC seconds (2001 and later), below it seconds since the recording began.
UTC_FROM_S = 1e9
# What a window may lack at its end: less than any sample lasts.
EDGE_S = 1e-3
PERIODS: tuple[Period, Period] = ("day", "night")


@dataclass(frozen=True, slots=True)
class SeriesTerms:
    """By which standard the series is judged; `today`: of a recording without dates."""

    standard: Standard = "GB 12523"
    zone_class: str = "2"
    period: Period | None = None
    background_db: float | None = None
    frequent: bool = False
    day: str = "06:00-22:00"
    timezone: str = "Asia/Shanghai"
    packs: Packs = NO_PACKS
    today: date = date.min


def assess(points: tuple[Point, ...], terms: SeriesTerms) -> dict[str, Any]:
    """Levels of the whole series and the judgement of its worst measuring period."""
    rows = weighed(points)
    step_s = sample_step(points)
    length_s = points[-1].t_s - points[0].t_s + rows[-1].seconds
    levels = _levels(rows, length_s)
    whole = levels.as_json() if levels else {"leq_db": None, "valid_share": 0.0}
    days = _days(rows, terms) if points[0].t_s >= UTC_FROM_S else {}
    return {
        **whole,
        **days,
        "step_s": round(step_s, 4),
        "judgement": _judgement(rows, terms),
    }


@dataclass(frozen=True, slots=True)
class Weighed:
    """A point with the seconds that it stands for."""

    t_s: float
    db: float | None
    seconds: float


def weighed(points: tuple[Point, ...]) -> tuple[Weighed, ...]:
    """Every point with its seconds, by the recording's own pace; before a gap no more than that."""
    times = [point.t_s for point in points]
    covered = spans(times, paces(times))
    return tuple(Weighed(p.t_s, p.db, s) for p, s in zip(points, covered, strict=True))


def _days(rows: tuple[Weighed, ...], terms: SeriesTerms) -> dict[str, Any]:
    """Ld, Ln and Ldn of the whole series, where its times are UTC."""
    local, sums = LocalTime(terms.timezone), DaySums("")
    for row in rows:
        if row.db is not None:
            sums.add(local.period(row.t_s, terms.day), row.db, row.seconds)
    return {name: value for name, value in sums.as_json().items() if name.endswith("_db")}


def _day(t_s: float, terms: SeriesTerms) -> date:
    """The day of the recording, by its own times or else today: whose edition counts."""
    return LocalTime(terms.timezone).day(t_s) if t_s >= UTC_FROM_S else terms.today


def sample_step(points: tuple[Point, ...]) -> float:
    """The usual distance of two samples; 1 s where there is only one."""
    steps = [b.t_s - a.t_s for a, b in pairwise(points) if b.t_s > a.t_s]
    return statistics.median(steps) if steps else 1.0


def _levels(rows: tuple[Weighed, ...], length_s: float) -> Levels | None:
    """Of the valid ones; what lasts beyond the period's end does not count, a spike neither."""
    valid = [row for row in rows if row.db is not None]
    values = [row.db or 0.0 for row in valid]
    wrong, end_s = spikes(values), (rows[0].t_s + length_s if rows else 0.0)
    kept = [n for n in range(len(valid)) if n not in wrong]
    return levels_of(
        [values[n] for n in kept],
        expected=length_s,
        seconds=[min(valid[n].seconds, end_s - valid[n].t_s) for n in kept],
    )


def _judgement(points: tuple[Weighed, ...], terms: SeriesTerms) -> dict[str, Any]:
    day = _day(points[0].t_s, terms)
    limit = limit_on(terms.packs, terms.standard, terms.zone_class, day, frequent=terms.frequent)
    if limit is None:
        known = "not in" if terms.packs.at("noise", day, terms.standard) else f"on {day} no pack of"
        raise ConfigError(f"--class = {terms.zone_class!r}: {known} {terms.standard}")
    zone_class = "site" if terms.standard == "GB 12523" else terms.zone_class
    found: dict[str, Any] = {
        "standard": terms.standard,
        "edition": limit.method.name,
        "class": zone_class,
        "window_s": window_of(terms.packs, terms.standard, day),
        "background_db": terms.background_db,
    }
    asked = terms.period is not None or points[0].t_s >= UTC_FROM_S
    if asked:
        return found | _worst(points, terms, limit, terms.period)
    both = {p: _worst(points, terms, limit, p) for p in PERIODS}
    return found | {"result": "unknown", "reason": "day or night? give --period"} | both


def _worst(
    points: tuple[Weighed, ...], terms: SeriesTerms, limit: Limit, period: Period | None
) -> dict[str, Any]:
    """The loudest judged window by its excess; unknown only where all are."""
    verdicts = [
        _Judged(start_s, levels, judge(levels, limit, here, background_db=terms.background_db))
        for start_s, here, levels in _windows(points, terms, period)
    ]
    results = [row.verdict.result for row in verdicts]
    known = [row for row in verdicts if row.verdict.over_by_db is not None]
    worst = max(known or verdicts, key=_excess)
    row = worst.verdict.as_json()
    if worst.verdict.single and results.count("over") == 1:
        # Nothing is judged from a single value.
        row |= {"result": "unknown", "exceeds": [], "reason": "one single value above the limit"}
    return {
        **row,
        "steps": worst.verdict.steps_json(),
        "valid_share": round(worst.levels.valid_share, 4) if worst.levels else 0.0,
        "from_s": worst.start_s,
        "windows": len(verdicts),
        "over": results.count("over"),
        "within": results.count("within"),
    }


@dataclass(frozen=True, slots=True)
class _Judged:
    """One measuring period."""

    start_s: float
    levels: Levels | None
    verdict: PeriodVerdict


def _excess(row: _Judged) -> float:
    return -math.inf if row.verdict.over_by_db is None else row.verdict.over_by_db


def _windows(
    points: tuple[Weighed, ...], terms: SeriesTerms, period: Period | None
) -> Iterator[tuple[float, Period, Levels | None]]:
    """Consecutive windows of the standard's length; none runs from day into night."""
    local = LocalTime(terms.timezone)
    start_s = points[0].t_s
    length_s = window_of(terms.packs, terms.standard, _day(start_s, terms))
    last_s = points[-1].t_s + points[-1].seconds
    at = 0
    while at < len(points):
        if points[at].t_s - start_s >= length_s:
            # Nothing for longer than a period: the next one begins with what comes then.
            start_s += length_s * math.floor((points[at].t_s - start_s) / length_s)
        end_s = start_s + length_s
        if period is None:
            end_s = min(end_s, local.next_change(start_s, terms.day))
        stop = at
        while stop < len(points) and points[stop].t_s < end_s:
            stop += 1
        # What is left over at the end is a window only where it is the only one.
        if stop > at and (at == 0 or end_s <= last_s + EDGE_S):
            here = period or local.period(start_s, terms.day)
            yield start_s, here, _levels_from(points[at:stop], start_s, length_s)
        at, start_s = stop, end_s


def _levels_from(rows: tuple[Weighed, ...], start_s: float, length_s: float) -> Levels | None:
    """Levels of a period that may have begun before its first sample."""
    return _levels((Weighed(start_s, None, 0.0), *rows), length_s)


def text(found: dict[str, Any]) -> str:
    """The result for people: one line of levels, one of judgement for each period."""
    names = ("leq", "lmax", "lmin", "l5", "l10", "l50", "l90", "l95")
    levels = "  ".join(
        f"{n.capitalize()} {found[f'{n}_db']:.1f}"
        for n in names
        if found.get(f"{n}_db") is not None
    )
    lines = [f"{levels}  dB(A)   valid 有效 {found['valid_share']:.1%}"]
    judgement = found["judgement"]
    rows = [judgement[p] for p in PERIODS if p in judgement] or [judgement]
    lines += [_judgement_line(judgement, row) for row in rows]
    return "\n".join(lines)


WORDS = {"over": "over the limit 超标", "within": "within 未超标", "unknown": "unknown 无法判定"}


def _judgement_line(judgement: dict[str, Any], row: dict[str, Any]) -> str:
    period = {"day": "day 昼间", "night": "night 夜间"}[row["period"]]
    said = WORDS[row["result"]]
    by = f" by {row['over_by_db']:.1f} dB ({', '.join(row['exceeds'])})" if row["exceeds"] else ""
    why = f" ({row['reason']})" if row.get("reason") else ""
    place = f"{judgement['standard']} class {judgement['class']}"
    head = f"{place}, {period}, limit 限值 {row['limit_db']:.0f}: {said}{by}{why}"
    work = [f"  {s['clause']}: {s['zh']} · {s['en']}" for s in row.get("steps", ())]
    return "\n".join([head, *work])

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recorded series of levels: read, measure, judge. What `edge levels` does."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.sensors.acoustics import DaySums, Levels, levels_of
from edge.sensors.hours import LocalTime
from edge.sensors.limits import WINDOW_S, Limit, Period, Standard, limit_for
from edge.sensors.verdict import Verdict, judge

# Above this a time is UTC seconds (2001 and later), below it seconds since the recording began.
UTC_FROM_S = 1e9
PERIODS: tuple[Period, Period] = ("day", "night")


@dataclass(frozen=True, slots=True)
class Point:
    """One line of the file; `db` is None where the sample is not valid."""

    t_s: float
    db: float | None


@dataclass(frozen=True, slots=True)
class Terms:
    """By which standard the series is judged."""

    standard: Standard = "GB 12523"
    zone_class: str = "2"
    period: Period | None = None
    background_db: float | None = None
    day: str = "06:00-22:00"
    timezone: str = "Asia/Shanghai"


def read(name: str) -> tuple[Point, ...]:
    """Lines of {"t_s", "db"}, in order of time. Raises ConfigError naming file and line."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror or error}") from None
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if lines and not lines[0][1].lstrip().startswith("{"):
        lines = _from_table(lines, name)
    points = sorted((_point(line, f"{name}: line {n}") for n, line in lines), key=_time)
    if not points:
        raise ConfigError(f"{name}: no sample in it")
    return tuple(points)


# Columns of a table: our own export, or a meter's report with its headings renamed to these.
TIME_COLUMNS, LEVEL_COLUMNS = ("t_s", "wall"), ("db", "value")
LEVEL_CHANNEL = "LA"


def _from_table(lines: list[tuple[int, str]], name: str) -> list[tuple[int, str]]:
    """CSV rows as the JSON lines they stand for; of our export, the level channel only."""
    head = [cell.strip() for cell in lines[0][1].split(",")]
    time_at = next((head.index(c) for c in TIME_COLUMNS if c in head), None)
    level_at = next((head.index(c) for c in LEVEL_COLUMNS if c in head), None)
    if time_at is None or level_at is None:
        wanted = "JSON lines, or a table with columns t_s (or wall) and db (or value), wanted"
        raise ConfigError(f"{name}: line 1 = {lines[0][1][:40]!r}: {wanted}")
    found = []
    for n, text in lines[1:]:
        row = dict(zip(head, (cell.strip() for cell in text.split(",")), strict=False))
        if row.get("channel", LEVEL_CHANNEL) == LEVEL_CHANNEL:
            cells = (row.get(head[time_at]), row.get(head[level_at]) or "null")
            flag = row.get("flag") or "ok"
            found.append((n, f'{{"t_s": {cells[0]}, "db": {cells[1]}, "flag": "{flag}"}}'))
    return found


def _time(point: Point) -> float:
    return point.t_s


def _point(line: str, where: str) -> Point:
    wanted = 'an object such as {"t_s": 0, "db": 55.2} wanted'
    try:
        row = json.loads(line)
        t_s, db = row["t_s"], row["db"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{where} = {line[:40]!r}: {wanted}") from None
    if not _number(t_s) or not (db is None or isinstance(db, (int, float))):
        raise ConfigError(f"{where} = {line[:40]!r}: {wanted}")
    if db is None or not math.isfinite(db) or row.get("flag", "ok") != "ok":
        return Point(float(t_s), None)
    return Point(float(t_s), float(db))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def assess(points: tuple[Point, ...], terms: Terms) -> dict[str, Any]:
    """Levels of the whole series and the judgement of its worst measuring period."""
    step_s = sample_step(points)
    levels = _levels(points, step_s)
    whole = levels.as_json() if levels else {"leq_db": None, "valid_share": 0.0}
    days = _days(points, terms) if points[0].t_s >= UTC_FROM_S else {}
    return {
        **whole,
        **days,
        "step_s": round(step_s, 4),
        "judgement": _judgement(points, step_s, terms),
    }


def _days(points: tuple[Point, ...], terms: Terms) -> dict[str, Any]:
    """Ld, Ln and Ldn of the whole series, where its times are UTC."""
    local, sums = LocalTime(terms.timezone), DaySums("")
    for point in points:
        if point.db is not None:
            sums.add(local.period(point.t_s, terms.day), point.db)
    return {name: value for name, value in sums.as_json().items() if name.endswith("_db")}


def sample_step(points: tuple[Point, ...]) -> float:
    """The usual distance of two samples; 1 s where there is only one."""
    steps = [b.t_s - a.t_s for a, b in pairwise(points) if b.t_s > a.t_s]
    return statistics.median(steps) if steps else 1.0


def _levels(
    points: tuple[Point, ...], step_s: float, length_s: float | None = None
) -> Levels | None:
    valid = [point.db for point in points if point.db is not None]
    span_s = length_s or points[-1].t_s - points[0].t_s + step_s
    return levels_of(valid, expected=max(len(points), round(span_s / step_s)))


def _judgement(points: tuple[Point, ...], step_s: float, terms: Terms) -> dict[str, Any]:
    limit = limit_for(terms.standard, terms.zone_class)
    if limit is None:
        raise ConfigError(f"--class = {terms.zone_class!r}: not in {terms.standard}")
    zone_class = "site" if terms.standard == "GB 12523" else terms.zone_class
    found: dict[str, Any] = {
        "standard": terms.standard,
        "class": zone_class,
        "window_s": WINDOW_S[terms.standard],
        "background_db": terms.background_db,
    }
    asked = _period_known(points, terms)
    if asked:
        return found | _worst(points, step_s, terms, limit, terms.period)
    both = {p: _worst(points, step_s, terms, limit, p) for p in PERIODS}
    return found | {"result": "unknown", "reason": "day or night? give --period"} | both


def _period_known(points: tuple[Point, ...], terms: Terms) -> bool:
    return terms.period is not None or points[0].t_s >= UTC_FROM_S


def _worst(
    points: tuple[Point, ...], step_s: float, terms: Terms, limit: Limit, period: Period | None
) -> dict[str, Any]:
    """The loudest judged window by its excess; unknown only where all are."""
    verdicts = [
        (start_s, _window_verdict(window, step_s, terms, limit, period_here))
        for start_s, period_here, window in _windows(points, step_s, terms, period)
    ]
    counts = {name: sum(v.result == name for _, v in verdicts) for name in ("over", "within")}
    known = [row for row in verdicts if row[1].over_by_db is not None]
    start_s, worst = max(known or verdicts, key=lambda row: row[1].over_by_db or -1e9)
    return {**worst.as_json(), "from_s": start_s, "windows": len(verdicts), **counts}


def _window_verdict(
    window: tuple[Point, ...], step_s: float, terms: Terms, limit: Limit, period: Period
) -> Verdict:
    length_s = WINDOW_S[terms.standard]
    levels = _levels(window, step_s, length_s)
    return judge(levels, limit, period, background_db=terms.background_db)


def _windows(
    points: tuple[Point, ...], step_s: float, terms: Terms, period: Period | None
) -> Iterator[tuple[float, Period, tuple[Point, ...]]]:
    """Consecutive windows of the standard's length; none runs from day into night."""
    local = LocalTime(terms.timezone)
    length_s, start_s, last_s = WINDOW_S[terms.standard], points[0].t_s, points[-1].t_s
    at = 0
    while start_s <= last_s:
        end_s = start_s + length_s
        if period is None:
            end_s = min(end_s, local.next_change(start_s, terms.day))
        stop = at
        while stop < len(points) and points[stop].t_s < end_s - step_s / 1000.0:
            stop += 1
        # What is left over at the end is a window only where it is the only one.
        if stop > at and (at == 0 or end_s - step_s <= last_s + step_s / 1000.0):
            yield start_s, period or local.period(start_s, terms.day), points[at:stop]
        at, start_s = stop, end_s


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
    return f"{place}, {period}, limit 限值 {row['limit_db']:.0f}: {said}{by}{why}"

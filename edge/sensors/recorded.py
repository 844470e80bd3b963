# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recorded levels from a file: JSON lines, our own export, or a meter's report as a table."""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.sensors.plausible import possible

# The year 2100: above it a time is of another unit.
UTC_TO_S = 4_102_444_800.0


@dataclass(frozen=True, slots=True)
class Point:
    """One line of the file; `db` is None where the sample is not valid."""

    t_s: float
    db: float | None


def read(name: str, sensor: str | None = None) -> tuple[Point, ...]:
    """Lines of {"t_s", "db"}, in order of time. Raises ConfigError naming file and line.

    sensor: whose levels to take, where the file holds several meters'. A level that is none
    (-9999, 9999.9) and one that is flagged is a point without a level.
    """
    lines = [(n, line) for n, line in enumerate(_text(name).splitlines(), 1) if line.strip()]
    if not lines:
        raise ConfigError(f"{name}: no sample in it")
    table = not lines[0][1].lstrip().startswith("{")
    rows = _table_rows(lines, name) if table else _json_rows(lines, name)
    points = sorted((_point(row) for row in _of_one_sensor(rows, sensor, name)), key=_time)
    if not points:
        raise ConfigError(f"{name}: no sample in it")
    return _once(points, name)


def _text(name: str) -> str:
    """The file, or stdin; Excel's byte order mark is no part of it."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror or error}") from None


@dataclass(frozen=True, slots=True)
class _RecordedRow:
    """One line before it is believed; `where` names it in an error."""

    t_s: Any
    db: Any
    flag: str
    sensor: str
    where: str
    line: str


# Columns of a table: our own export, or a meter's report with its headings renamed to these.
TIME_COLUMNS, LEVEL_COLUMNS = ("t_s", "wall"), ("db", "value")
LEVEL_CHANNEL = "LA"


def _table_rows(lines: list[tuple[int, str]], name: str) -> list[_RecordedRow]:
    """Rows of a CSV table; of our export, the level channel only."""
    head = [cell.strip() for cell in _cells(lines[0][1], f"{name}: line 1")]
    time_name = next((c for c in TIME_COLUMNS if c in head), None)
    level_name = next((c for c in LEVEL_COLUMNS if c in head), None)
    if time_name is None or level_name is None:
        wanted = "JSON lines, or a table with columns t_s (or wall) and db (or value), wanted"
        raise ConfigError(f"{name}: line 1 = {lines[0][1][:40]!r}: {wanted}")
    found = []
    for n, text in lines[1:]:
        where = f"{name}: line {n}"
        cells = [cell.strip() for cell in _cells(text, where)]
        row = dict(zip(head, cells, strict=False))
        if row.get("channel", LEVEL_CHANNEL) != LEVEL_CHANNEL:
            continue
        level = row.get(level_name)
        found.append(
            _RecordedRow(
                _cell(row.get(time_name)),
                _cell(level) if level else None,
                row.get("flag") or "ok",
                row.get("sensor", ""),
                where,
                text,
            )
        )
    return found


def _cells(text: str, where: str) -> list[str]:
    try:
        return next(csv.reader([text]), [])
    except csv.Error as error:
        raise ConfigError(f"{where}: {error}") from None


def _cell(text: str | None) -> Any:
    """The number in a cell, else the text as it stands, to be named in the error."""
    try:
        return float(text or "")
    except ValueError:
        return text


def _json_rows(lines: list[tuple[int, str]], name: str) -> list[_RecordedRow]:
    found = []
    for n, line in lines:
        where = f"{name}: line {n}"
        try:
            row = json.loads(line)
            found.append(
                _RecordedRow(
                    row["t_s"],
                    row["db"],
                    str(row.get("flag", "ok")),
                    str(row.get("sensor", "")),
                    where,
                    line,
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConfigError(f"{where} = {line[:40]!r}: {WANTED}") from None
    return found


WANTED = 'an object such as {"t_s": 0, "db": 55.2} wanted'


def _of_one_sensor(rows: list[_RecordedRow], sensor: str | None, name: str) -> list[_RecordedRow]:
    """Levels of two places have no common Leq."""
    names = sorted({row.sensor for row in rows})
    if sensor is not None:
        if sensor not in names:
            raise ConfigError(f"--sensor = {sensor!r}: not in {name} (there: {', '.join(names)})")
        return [row for row in rows if row.sensor == sensor]
    if len(names) > 1:
        shown = ", ".join(n or "(none)" for n in names)
        raise ConfigError(f"{name}: levels of several sensors ({shown}): choose one with --sensor")
    return rows


def _time(point: Point) -> float:
    return point.t_s


def _point(row: _RecordedRow) -> Point:
    if not _number(row.t_s) or not (row.db is None or _level(row.db)):
        raise ConfigError(f"{row.where} = {row.line[:40]!r}: {WANTED}")
    if abs(row.t_s) >= UTC_TO_S:
        text = f"{row.where}: t_s = {row.t_s:.15g}: milliseconds? seconds wanted"
        raise ConfigError(text)
    if row.db is None or row.flag != "ok" or not possible(LEVEL_CHANNEL, float(row.db), "dB"):
        return Point(float(row.t_s), None)
    return Point(float(row.t_s), float(row.db))


def _level(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return _level(value) and math.isfinite(value)


def _once(points: list[Point], name: str) -> tuple[Point, ...]:
    """Copies dropped; two different levels of one instant are two meters, or a lost decimal."""
    found: list[Point] = []
    for point in points:
        if not found or point.t_s != found[-1].t_s:
            found.append(point)
        elif found[-1].db is None:
            found[-1] = point
        elif point.db is not None and point.db != found[-1].db:
            text = f"{found[-1].db:g} and {point.db:g} dB at t_s = {point.t_s:.15g}"
            raise ConfigError(f"{name}: {text}: two meters in one series, or times cut to seconds?")
    return tuple(found)

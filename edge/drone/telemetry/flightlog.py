# SPDX-License-Identifier: AGPL-3.0-or-later
"""Flight-log tables: Airdata exports and CsvView / Phantomhelp, by column name and unit. Pure."""

from __future__ import annotations

import csv
import itertools
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from edge.drone.telemetry import numbers
from edge.drone.telemetry.plausible import checked
from edge.drone.telemetry.pose import Pose, Telemetry, count, grade, sound_fix

# our name -> column names, lower case, without the unit; the first that is there is used. `lat`,
# `lon` and `alt` are what converters of PX4 logs (ulog2csv) write.
_COLUMNS = {
    "time": ("time", "osd.flytime", "offsettime", "timestamp"),
    "utc": ("datetime", "custom.updatetime", "gps.datetimestamp"),
    "date": ("custom.date",),
    "clock": ("custom.updatetime",),
    "lat": ("latitude", "osd.latitude", "lat"),
    "lon": ("longitude", "osd.longitude", "lon"),
    "rel": ("height_above_takeoff", "osd.height"),
    "abs": ("altitude_above_sealevel", "osd.altitude", "alt"),
    "speed": ("speed", "osd.hspeed"),
    "sats": ("satellites", "osd.gpsnum"),
    "heading": ("compass_heading", "osd.yaw"),
    "yaw": ("gimbal_heading", "gimbal.yaw"),
    "pitch": ("gimbal_pitch", "gimbal.pitch"),
    "roll": ("gimbal_roll", "gimbal.roll"),
    "video": ("isvideo", "custom.isvideo", "camera.isvideo", "camera.recordstate"),
}
_TIME = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "millisecond": 1e-3,
         "milliseconds": 1e-3, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6}  # fmt: skip
_LENGTH = {"m": 1.0, "meters": 1.0, "metres": 1.0, "meter": 1.0, "feet": 0.3048, "ft": 0.3048}
_SPEED = {"m/s": 1.0, "mph": 0.44704, "km/h": 1 / 3.6, "kph": 1 / 3.6, "kmh": 1 / 3.6,
          "knots": 1852 / 3600, "kn": 1852 / 3600, "ft/s": 0.3048}  # fmt: skip
_ANGLE = {"degrees": 1.0, "degree": 1.0, "deg": 1.0, "\u00b0": 1.0, "360": 1.0, "180": 1.0}
# our name -> factor to SI of each unit that fits it; a column in another unit is not it. Without a
# unit a column is in seconds, metres, metres a second or degrees.
_UNITS: dict[str, dict[str, float]] = {
    "time": _TIME,
    "rel": _LENGTH,
    "abs": _LENGTH,
    "speed": _SPEED,
    **dict.fromkeys(("lat", "lon", "heading", "yaw", "pitch", "roll"), _ANGLE),
}
_UNITLESS = {"timestamp": 1e-6}
# Columns of words, whose unit is a zone or nothing.
_WORDS = ("utc", "date", "clock", "video", "sats")
_HEADER = re.compile(r"^\s*([^(\[]*?)\s*(?:[(\[]\s*([^)\]]*?)\s*[)\]])?\s*$")
_FLOWN = re.compile(r"(?:(\d{1,4})h)?\s*(?:(\d{1,5})m)?\s*(\d{1,6}(?:\.\d{1,9})?)s")
_DELIMITERS = ",;\t"
# A log of more than a year is none, nor one of another century.
_LONGEST_S = 3.2e7
_YEARS = range(2000, 2100)
# Rows that are asked which of two columns of one name holds numbers.
_SAMPLE_ROWS = 50
_TRUE = {"1", "true", "yes", "recording", "starting"}
_FORMATS = (
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S.%f",
    "%Y/%m/%d %H:%M:%S",
    "%m/%d/%Y %I:%M:%S.%f %p",
    "%m/%d/%Y %I:%M:%S %p",
)


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a value stands, its factor to SI, its unit in lower case."""

    number: int
    factor: float
    unit: str


Columns = dict[str, list[_Column]]


def looks_like(header: str) -> bool:
    """Whether a first line is the header of a flight log: it names latitude and longitude."""
    return _delimiter(header) is not None


def _delimiter(header: str) -> str | None:
    """What separates the columns, of a header that names latitude and longitude."""
    for delimiter in _DELIMITERS:
        columns = _index(_cells(header, delimiter) or [])
        if "lat" in columns and "lon" in columns:
            return delimiter
    return None


def _cells(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return None


def _trimmed(cells: Sequence[str]) -> list[str]:
    """Without the empty cells at the end, which some writers add."""
    end = next((n for n in range(len(cells), 0, -1) if cells[n - 1].strip()), 0)
    return list(cells[:end])


def _fits(row: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a row has the header's columns; in one that has others a value is another's."""
    return len(row) >= len(header) and not any(cell.strip() for cell in row[len(header) :])


def parse(text: str, *, utc_offset_h: float | None = None) -> Telemetry:
    """Poses of a flight-log CSV, one for each row; the notes say when video ran.

    `utc_offset_h`: the zone of columns that are in local time.
    """
    lines = text.lstrip("\ufeff").replace("\x00", "").splitlines()
    # CsvView and Excel put a `sep=,` line above the header.
    if lines and lines[0].lower().startswith("sep="):
        lines = lines[1:]
    if not lines:
        return Telemetry("flight-log", (), 0, {}, ("empty",))
    delimiter = _delimiter(lines[0]) or ","
    header = _trimmed(_cells(lines[0], delimiter) or [])
    cells = [_cells(line, delimiter) for line in lines[1:] if line.strip(delimiter + " ")]
    sound = [row for row in cells if row is not None and _fits(row, header)]
    columns = _chosen(_index(header), sound[:_SAMPLE_ROWS])
    rows = [_Row(row, columns, decimal_comma=delimiter != ",") for row in sound]
    found = _telemetry(rows, columns, utc_offset_h)
    torn = len(cells) - len(sound)
    if torn:
        skipped = {**found.skipped, "row that does not fit the header": torn}
        found = replace(found, cues=found.cues + torn, skipped=skipped)
    return checked(found)


def _index(header: Sequence[str]) -> Columns:
    """our name -> its columns, those whose unit is given before those without one."""
    found: Columns = {}
    titles = [_HEADER.match(title) for title in header]
    for name, spellings in _COLUMNS.items():
        for spelling in spellings:
            fitting = [
                column
                for number, match in enumerate(titles)
                if match and match[1].lower() == spelling
                if (column := _column(name, spelling, number, (match[2] or "").lower()))
            ]
            fitting.sort(key=lambda column: not column.unit)
            if fitting:
                found.setdefault(name, []).extend(fitting)
    return found


def _column(name: str, spelling: str, number: int, unit: str) -> _Column | None:
    if name in _WORDS:
        return _Column(number, 1.0, unit)
    if not unit:
        return _Column(number, _UNITLESS.get(spelling, 1.0), unit)
    factor = _UNITS[name].get(unit)
    return None if factor is None else _Column(number, factor, unit)


def _chosen(columns: Columns, rows: Sequence[Sequence[str]]) -> dict[str, _Column]:
    """Of the columns of one name the first that holds a value in half of the rows or more."""
    return {name: _fullest(name, several, rows) for name, several in columns.items()}


def _fullest(name: str, several: list[_Column], rows: Sequence[Sequence[str]]) -> _Column:
    def held(column: _Column) -> int:
        cells = [row[column.number] for row in rows if column.number < len(row)]
        if name in _WORDS:
            return sum(bool(cell.strip()) for cell in cells)
        return sum(_value(cell, decimal_comma=True) is not None for cell in cells)

    return next((c for c in several if 2 * held(c) >= len(rows)), several[0])


def _value(cell: str, *, decimal_comma: bool) -> float | None:
    """A number, or a time as `12m 3.4s`."""
    flown = _FLOWN.fullmatch(cell.strip())
    if flown:
        hours, minutes, seconds = (float(part or 0) for part in flown.groups())
        return hours * 3600.0 + minutes * 60.0 + seconds
    return numbers.number(cell, decimal_comma=decimal_comma)


class _Row:
    """One row read by our names; an unreadable or missing cell is None."""

    def __init__(
        self, cells: Sequence[str], columns: dict[str, _Column], *, decimal_comma: bool
    ) -> None:
        self._cells, self._columns, self._decimal_comma = cells, columns, decimal_comma

    def text(self, name: str) -> str:
        column = self._columns.get(name)
        inside = column is not None and column.number < len(self._cells)
        return self._cells[column.number].strip() if column and inside else ""

    def number(self, name: str) -> float | None:
        value = _value(self.text(name), decimal_comma=self._decimal_comma)
        return None if value is None else value * self._columns[name].factor

    def moment(self) -> datetime | None:
        """The row's date and time by the first layout that fits, in the zone of its column."""
        joined = f"{self.text('date')} {self.text('clock')}".strip()
        for text in (self.text("utc"), joined):
            for layout in _FORMATS:
                try:
                    moment = datetime.strptime(text.rstrip("Z"), layout)
                except ValueError:
                    continue
                return moment if moment.year in _YEARS else None
        return None

    def is_utc(self) -> bool:
        """Whether the column says so; `[local]` and a silent one do not."""
        text, column = self.text("utc"), self._columns.get("utc")
        return text.endswith("Z") or (column is not None and column.unit in ("utc", "gmt"))


def _telemetry(
    rows: list[_Row], columns: dict[str, _Column], utc_offset_h: float | None
) -> Telemetry:
    times = [row.number("time") for row in rows]
    clock = _clock(rows, times, utc_offset_h)
    # A log of an aircraft without a gimbal writes zeros everywhere; that is not "level north".
    angles = any(row.number(name) for row in rows for name in ("yaw", "pitch", "roll"))
    poses = tuple(
        _pose(row, at, clock, angles) for row, at in zip(rows, times, strict=True) if at is not None
    )
    reasons = ["row without a time" for at in times if at is None]
    reasons += ["no position" for pose in poses if not pose.has_fix]
    clips = tuple(_clips(rows, times))
    notes = [f"video ran from {start:.1f} s to {end:.1f} s of the log" for start, end in clips]
    if not angles and rows:
        notes.append("no gimbal angles in it")
    if "time" not in columns and rows:
        notes.append("no column of flight time in seconds")
    if clock.origin is not None and clock.utc_shift_s is None:
        notes.append("local time without a zone (give --utc-offset)")
    return Telemetry("flight-log", poses, len(rows), count(reasons), tuple(notes), clips)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Date and time of the log's second 0 as written, and what is to be added to make it UTC."""

    origin: float | None
    utc_shift_s: float | None

    def utc(self, at: float) -> float | None:
        known = self.origin is not None and self.utc_shift_s is not None
        return (self.origin or 0.0) + (self.utc_shift_s or 0.0) + at if known else None

    def local(self, at: float) -> str | None:
        """As written, where its zone is not known to be UTC."""
        if self.origin is None or self.utc_shift_s == 0.0 or abs(at) > _LONGEST_S:
            return None
        moment = datetime.fromtimestamp(self.origin + at, timezone.utc).replace(tzinfo=None)
        return moment.isoformat(timespec="milliseconds")


def _clock(
    rows: Sequence[_Row], times: Sequence[float | None], utc_offset_h: float | None
) -> _Clock:
    """The log writes whole seconds, several rows to each; the rows at which the second changes
    carry the fraction, and their median forgives a late one."""
    stamped = [
        (moment.replace(tzinfo=timezone.utc).timestamp(), at, row.is_utc())
        for row, at in zip(rows, times, strict=True)
        if at is not None and abs(at) <= _LONGEST_S and (moment := row.moment()) is not None
    ]
    changes = [
        wall - at for (before, _, _), (wall, at, _) in itertools.pairwise(stamped) if wall != before
    ] or [wall - at for wall, at, _ in stamped[:1]]
    origin = statistics.median(changes) if changes else None
    if stamped and all(utc for _, _, utc in stamped):
        return _Clock(origin, 0.0)
    return _Clock(origin, None if utc_offset_h is None else -3600.0 * utc_offset_h)


def _pose(row: _Row, at: float, clock: _Clock, angles: bool) -> Pose:
    number: Callable[[str], float | None] = row.number
    lat, lon = number("lat"), number("lon")
    fix, sats = sound_fix(lat, lon), number("sats")
    yaw, pitch, roll = (number(name) if angles else None for name in ("yaw", "pitch", "roll"))
    relative = number("rel")
    return Pose(
        t_s=at,
        source="flight-log",
        quality=grade(fix=fix, angles=yaw is not None and pitch is not None),
        utc=clock.utc(at),
        local=clock.local(at),
        lat=lat if fix else None,
        lon=lon if fix else None,
        rel_alt_m=relative,
        abs_alt_m=number("abs"),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        heading_deg=number("heading"),
        sats=None if sats is None else round(sats),
        speed_mps=number("speed"),
        height_source="none" if relative is None else "relative",
    )


def _clips(rows: Sequence[_Row], times: Sequence[float | None]) -> Iterable[tuple[float, float]]:
    start: float | None = None
    last = 0.0
    for row, at in zip(rows, times, strict=True):
        if at is None:
            continue
        running = row.text("video").lower() in _TRUE
        if running and start is None:
            start = at
        elif not running and start is not None:
            yield start, at
            start = None
        last = at
    if start is not None:
        yield start, last

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Flight-log tables: Airdata exports and CsvView / Phantomhelp, by column name and unit. Pure."""

from __future__ import annotations

import csv
import itertools
import math
import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone

from edge.drone.telemetry.pose import Pose, Telemetry, count, grade, sound_fix

# our name -> column names, lower case, without the unit; the first that is there is used.
_COLUMNS = {
    "time": ("time", "osd.flytime", "offsettime"),
    "utc": ("datetime", "custom.updatetime", "gps.datetimestamp"),
    "date": ("custom.date",),
    "clock": ("custom.updatetime",),
    "lat": ("latitude", "osd.latitude"),
    "lon": ("longitude", "osd.longitude"),
    "rel": ("height_above_takeoff", "osd.height"),
    "abs": ("altitude_above_sealevel", "osd.altitude"),
    "speed": ("speed", "osd.hspeed"),
    "sats": ("satellites", "osd.gpsnum"),
    "heading": ("compass_heading", "osd.yaw"),
    "yaw": ("gimbal_heading", "gimbal.yaw"),
    "pitch": ("gimbal_pitch", "gimbal.pitch"),
    "roll": ("gimbal_roll", "gimbal.roll"),
    "video": ("isvideo", "custom.isvideo", "camera.isvideo", "camera.recordstate"),
}
_UNITS = {
    "feet": 0.3048,
    "ft": 0.3048,
    "mph": 0.44704,
    "km/h": 1 / 3.6,
    "kph": 1 / 3.6,
    "knots": 1852 / 3600,
    "millisecond": 1e-3,
    "ms": 1e-3,
}
_HEADER = re.compile(r"^\s*([^(\[]*?)\s*(?:[(\[]\s*([^)\]]*?)\s*[)\]])?\s*$")
_TRUE = {"1", "true", "yes", "recording", "starting"}
_FORMATS = (
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S.%f",
    "%Y/%m/%d %H:%M:%S",
    "%m/%d/%Y %I:%M:%S.%f %p",
    "%m/%d/%Y %I:%M:%S %p",
)


def looks_like(header: str) -> bool:
    """Whether a first line is the header of a flight log: it names latitude and longitude."""
    try:
        columns = _index(next(csv.reader([header]), []))
    except csv.Error:
        return False
    return "lat" in columns and "lon" in columns


def parse(text: str) -> Telemetry:
    """Poses of a flight-log CSV, one for each row; the notes say when video ran."""
    lines = text.lstrip("\ufeff").replace("\x00", "").splitlines()
    # CsvView and Excel put a `sep=,` line above the header.
    if lines and lines[0].lower().startswith("sep="):
        lines = lines[1:]
    if not lines:
        return Telemetry("flight-log", (), 0, {}, ("empty",))
    columns = _index(next(csv.reader(lines[:1])))
    rows = [row for row in csv.reader(lines[1:]) if any(cell.strip() for cell in row)]
    return _telemetry([_Row(row, columns) for row in rows])


def _index(header: Sequence[str]) -> dict[str, tuple[int, float, str]]:
    """our name -> (column, factor to SI, unit)."""
    found: dict[str, tuple[int, float, str]] = {}
    for name, spellings in _COLUMNS.items():
        for spelling in spellings:
            for number, title in enumerate(header):
                match = _HEADER.match(title)
                if match and match[1].lower() == spelling and name not in found:
                    unit = (match[2] or "").lower()
                    found[name] = (number, _UNITS.get(unit, 1.0), unit)
    return found


class _Row:
    """One row read by our names; an unreadable or missing cell is None."""

    def __init__(self, cells: Sequence[str], columns: dict[str, tuple[int, float, str]]) -> None:
        self._cells, self._columns = cells, columns

    def text(self, name: str) -> str:
        number = self._columns.get(name, (len(self._cells), 1.0, ""))[0]
        return self._cells[number].strip() if number < len(self._cells) else ""

    def number(self, name: str) -> float | None:
        try:
            value = float(self.text(name)) * self._columns[name][1]
        except (ValueError, KeyError):
            return None
        return value if math.isfinite(value) else None

    def utc(self) -> float | None:
        """The row's time in UTC s by the first layout that fits, or None. Logs write UTC here."""
        joined = f"{self.text('date')} {self.text('clock')}".strip()
        for text in (self.text("utc"), joined):
            for layout in _FORMATS:
                try:
                    moment = datetime.strptime(text.rstrip("Z"), layout)
                except ValueError:
                    continue
                return moment.replace(tzinfo=timezone.utc).timestamp()
        return None


def _telemetry(rows: list[_Row]) -> Telemetry:
    times = [row.number("time") for row in rows]
    origin = _utc_origin(rows, times)
    # A log of an aircraft without a gimbal writes zeros everywhere; that is not "level north".
    angles = any(row.number(name) for row in rows for name in ("yaw", "pitch", "roll"))
    poses = tuple(
        _pose(row, at, None if origin is None else origin + at, angles)
        for row, at in zip(rows, times, strict=True)
        if at is not None
    )
    reasons = ["row without a time" for at in times if at is None]
    reasons += ["no position" for pose in poses if not pose.has_fix]
    clips = tuple(_clips(rows, times))
    notes = [f"video ran from {start:.1f} s to {end:.1f} s of the log" for start, end in clips]
    if not angles and rows:
        notes.append("no gimbal angles in it")
    return Telemetry("flight-log", poses, len(rows), count(reasons), tuple(notes), clips)


def _utc_origin(rows: Sequence[_Row], times: Sequence[float | None]) -> float | None:
    """UTC of time 0. The log writes whole seconds, several rows to each; the rows at which the
    second changes carry the fraction, and their median forgives a late one."""
    stamped = [
        (utc, at)
        for row, at in zip(rows, times, strict=True)
        if at is not None and (utc := row.utc()) is not None
    ]
    changes = [
        utc - at for (before, _), (utc, at) in itertools.pairwise(stamped) if utc != before
    ] or [utc - at for utc, at in stamped[:1]]
    return statistics.median(changes) if changes else None


def _pose(row: _Row, at: float, utc: float | None, angles: bool) -> Pose:
    number: Callable[[str], float | None] = row.number
    lat, lon = number("lat"), number("lon")
    fix, sats = sound_fix(lat, lon), number("sats")
    yaw, pitch, roll = (number(name) if angles else None for name in ("yaw", "pitch", "roll"))
    relative = number("rel")
    return Pose(
        t_s=at,
        source="flight-log",
        quality=grade(fix=fix, angles=yaw is not None and pitch is not None),
        utc=utc,
        lat=lat if fix else None,
        lon=lon if fix else None,
        rel_alt_m=relative,
        abs_alt_m=number("abs"),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        heading_deg=number("heading"),
        sats=None if sats is None else int(sats),
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

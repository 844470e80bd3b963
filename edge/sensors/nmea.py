# SPDX-License-Identifier: AGPL-3.0-or-later
"""GNSS receivers, NMEA 0183: position and time from RMC, GGA and ZDA sentences.

`$...*hh` with the XOR of the characters between. A sentence without a fix gives no value at all.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timezone
from functools import reduce
from operator import xor

from edge.sensors.continuity import Continuity
from edge.sensors.frames import MORE, NOISE, Bad, DecodedFrame, InstrumentValue, Look, Scanner, Step

# The standard allows 82 characters; receivers with many satellites write somewhat more.
LENGTH_MAX = 120
KNOT_M_S = 1852.0 / 3600.0
_SENTENCE = re.compile(rb"\$([A-Z]{2})([A-Z]{3}),([\x20-\x23\x25-\x29\x2b-\x7e]*)\*([0-9A-F]{2})")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(\.\d+)?$")
_LAT = re.compile(r"(\d\d)([0-5]\d\.?(\d*))$")
_LON = re.compile(r"(\d\d\d)([0-5]\d\.?(\d*))$")
_SPEED = re.compile(r"\d{1,4}(\.\d{1,4})?$")
# GGA quality: 1 GNSS, 2 differential, 3 PPS, 4 and 5 RTK. 6 is dead reckoning, 7 typed in by hand,
# 8 a simulator: no place of anything.
MEASURED_QUALITIES = frozenset("12345")
# RMC mode (NMEA 2.3): autonomous, differential, RTK fixed and float, precise. E, M, S and N are the
# same three as above and "not valid".
MEASURED_MODES = frozenset("ADRFP")
# Dates before this are week counters that have rolled over, or a receiver without almanac.
DATE_FROM = datetime(2024, 1, 1, tzinfo=timezone.utc).timestamp()
# From one sentence to the next nothing at a box moves further; eight bits of sum are not enough to
# believe that it does, before the next sentence has said so too.
JUMP_DEG = 0.003
# Fields of each sentence without its name: NMEA 2.x and 3.x or 4.1.
COUNTS = {"RMC": (11, 12, 13), "GGA": (14,), "ZDA": (6,)}


def checksum(body: bytes) -> int:
    """XOR of the characters between `$` and `*`."""
    return reduce(xor, body, 0)


class Nmea(Scanner):
    """Sentences of one receiver; types other than RMC, GGA and ZDA are accepted and left."""

    kind = "nmea"
    mark = b"$"
    weak = True

    def __init__(self) -> None:
        super().__init__()
        # The bytes since the last line end or good sentence, as far as they are used up.
        self._since, self._good_to = b"", 0
        self._lat = Continuity(JUMP_DEG, 0.0)
        self._lon = Continuity(JUMP_DEG, 0.0)

    def decode(self, data: bytes, *, final: bool = False) -> Step:
        self._good_to = 0
        step = super().decode(data, final=final)
        self._since = self._torn(data, step.used)[-LENGTH_MAX:]
        return step

    def _torn(self, data: bytes, at: int) -> bytes:
        """What stands before `at` in the same line and belongs to no good sentence."""
        start = max(data.rfind(b"\n", 0, at) + 1, self._good_to)
        return data[start:at] if start else self._since + data[:at]

    def parse(self, data: bytes, at: int) -> Look:
        """One sentence with its sum right, of a known name with as many fields as it must have."""
        if data[at] != 0x24:
            return NOISE
        if b"$" in self._torn(data, at):
            # Run into the rest of a damaged sentence: eight bits of sum are not enough here.
            return Bad()
        end = _line_end(data, at)
        if end is None:
            if len(data) - at > LENGTH_MAX:
                return Bad()
            if not self.final:
                return MORE
            end = len(data)
        match = _SENTENCE.fullmatch(data[at:end].rstrip(b"\r\n"))
        if match is None or checksum(data[at + 1 : match.end(3) + at]) != int(match[4], 16):
            return Bad()
        name, fields = match[2].decode(), match[3].decode("ascii").split(",")
        reader = READERS.get(name)
        if len(fields) not in COUNTS.get(name, (len(fields),)):
            return Bad()
        try:
            found = DecodedFrame(end - at, self._continuous(reader(fields) if reader else ()))
        except (ValueError, IndexError, OverflowError):
            # A valid sum over nonsense, a year of ten digits: the sum has eight bits only.
            return Bad()
        self._good_to = end
        return found

    def _continuous(self, readings: tuple[InstrumentValue, ...]) -> tuple[InstrumentValue, ...]:
        """A place where neither the sentence before nor the one after lies is damage."""
        place = {r.channel: r.value for r in readings if r.channel in ("lat", "lon")}
        lat, lon = place.get("lat"), place.get("lon")
        if not isinstance(lat, float) or not isinstance(lon, float):
            return readings
        fits = [self._lat.fits(lat), self._lon.fits(lon)]
        if all(fits):
            return readings
        return tuple(replace(r, flag="suspect", why="jump") for r in readings)


def _line_end(data: bytes, at: int) -> int | None:
    """Offset after the line feed (or before the next `$`), None where it has not come yet."""
    newline, dollar = data.find(b"\n", at), data.find(b"$", at + 1)
    if dollar >= 0 and (newline < 0 or dollar < newline):
        return dollar
    return newline + 1 if newline >= 0 else None


def _rmc(fields: list[str]) -> tuple[InstrumentValue, ...]:
    if fields[1] != "A" or (len(fields) > 11 and fields[11] not in MEASURED_MODES):
        return ()
    when = _when(fields[0], fields[8])
    at = when if when >= DATE_FROM else None
    if fields[6] and not _SPEED.fullmatch(fields[6]):
        raise ValueError(fields[6])
    speed = [
        InstrumentValue(
            "speed", float(fields[6] or 0.0) * KNOT_M_S, "m/s", raw=fields[6], at_wall=at
        )
    ]
    course = [InstrumentValue("course", _course(fields[7]), "deg", raw=fields[7], at_wall=at)]
    return (
        *_position(fields[2:6], at),
        *(speed if fields[6] else ()),
        *(course if fields[7] else ()),
        _time(when, f"{fields[8]} {fields[0]}"),
    )


def _gga(fields: list[str]) -> tuple[InstrumentValue, ...]:
    if fields[5] not in MEASURED_QUALITIES:
        return ()
    _seconds(fields[0])
    rest = (("satellites", fields[6], ""), ("hdop", fields[7], ""), ("altitude", fields[8], "m"))
    return (
        *_position(fields[1:5], None),
        *(InstrumentValue(name, float(text), unit, raw=text) for name, text, unit in rest if text),
    )


def _zda(fields: list[str]) -> tuple[InstrumentValue, ...]:
    if not all(fields[:4]):
        return ()
    day, month, year = (int(text) for text in fields[1:4])
    at = datetime(year, month, day, tzinfo=timezone.utc).timestamp() + _seconds(fields[0])
    return (_time(at, " ".join(fields[:4])),)


def _time(at: float, raw: str) -> InstrumentValue:
    if at < DATE_FROM:
        return InstrumentValue("time", at, "s", "suspect", raw, why="clock")
    return InstrumentValue("time", at, "s", raw=raw, at_wall=at)


READERS = {"RMC": _rmc, "GGA": _gga, "ZDA": _zda}


def _position(fields: list[str], at: float | None) -> tuple[InstrumentValue, ...]:
    lat, lon = _LAT.fullmatch(fields[0]), _LON.fullmatch(fields[2])
    if lat is None or lon is None or len(lat[3]) != len(lon[3]):
        # Receivers write both with as many decimals; a lost or doubled digit breaks that.
        raise ValueError(fields)
    if not float(fields[0]) and not float(fields[2]):
        # Where the equator meets the prime meridian floats a buoy, and no receiver of ours.
        raise ValueError(fields)
    north = _degrees(lat, {"N": 1, "S": -1}[_one(fields[1], "NS")], 90.0)
    east = _degrees(lon, {"E": 1, "W": -1}[_one(fields[3], "EW")], 180.0)
    return (
        InstrumentValue("lat", north, "deg", raw=fields[0] + fields[1], at_wall=at),
        InstrumentValue("lon", east, "deg", raw=fields[2] + fields[3], at_wall=at),
    )


def _one(text: str, allowed: str) -> str:
    if len(text) != 1 or text not in allowed:
        raise ValueError(text)
    return text


def _degrees(match: re.Match[str], sign: int, limit: float) -> float:
    value = int(match[1]) + float(match[2]) / 60.0
    if value > limit:
        raise ValueError(match[0])
    return sign * value


def _course(text: str) -> float:
    value = float(text or 0.0)
    if not 0.0 <= value <= 360.0:
        raise ValueError(text)
    return value


def _seconds(text: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3]) + float(match[4] or 0.0)


def _when(time_text: str, date_text: str) -> float:
    """UTC seconds of `hhmmss.ss` and `ddmmyy`; years 80..99 are of the last century."""
    if not re.fullmatch(r"\d{6}", date_text):
        raise ValueError(date_text)
    day, month, short = (int(date_text[i : i + 2]) for i in (0, 2, 4))
    year = short + (1900 if short >= 80 else 2000)
    day_start = datetime(year, month, day, tzinfo=timezone.utc)
    return day_start.timestamp() + _seconds(time_text)

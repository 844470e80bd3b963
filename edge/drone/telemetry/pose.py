# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pose of an aircraft and its camera at one instant, whatever recorded it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Literal

from edge.values import Json

# rtk: position fixed by RTK; full: position, height and camera angles; position: no camera
# angles, so a pixel has no place; coarse: 4 decimals, 11 m steps; none: no fix at all.
Quality = Literal["rtk", "full", "position", "coarse", "none"]
HeightSource = Literal["relative", "derived", "undefined", "none"]


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the aircraft was and where its camera looked.

    `t_s` counts from the start of the recording (media time for subtitles, log time for logs),
    `utc` is Unix seconds or None where the file has only a local time without a zone (`local`).
    lat and lon are WGS-84. `rel_alt_m` counts from the take-off point, `abs_alt_m` is whatever
    the maker calls absolute and is never used for a height above ground. yaw is clockwise from
    true north, pitch 0 at the horizon and -90 straight down, roll right side down: the camera's.
    `ground_m` is the ground at the picture's centre in the datum of `abs_alt_m`, where the
    recorder measured it (MISB tag 25); `aim` is that centre's lat and lon (laser, frame centre).
    `shutter_s` is the time the picture was exposed.
    """

    t_s: float
    source: str
    quality: Quality = "none"
    utc: float | None = None
    local: str | None = None
    lat: float | None = None
    lon: float | None = None
    rel_alt_m: float | None = None
    abs_alt_m: float | None = None
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    heading_deg: float | None = None
    sats: int | None = None
    speed_mps: float | None = None
    zoom: float | None = None
    focal35_mm: float | None = None
    hfov_deg: float | None = None
    shutter_s: float | None = None
    ground_m: float | None = None
    aim: tuple[float, float] | None = None
    height_source: HeightSource = "none"

    @property
    def has_fix(self) -> bool:
        return self.lat is not None and self.lon is not None

    @property
    def has_angles(self) -> bool:
        return self.yaw_deg is not None and self.pitch_deg is not None


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One recording's poses in file order, and what was not sound in it.

    `cues` counts the records found, `skipped` those that gave no fix or were dropped, by reason;
    `notes` are sentences for a person, `clips` the (start, end) seconds of a flight log in which
    the aircraft was recording video.
    """

    kind: str
    poses: tuple[Pose, ...]
    cues: int
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    clips: tuple[tuple[float, float], ...] = ()

    @property
    def fixes(self) -> int:
        return sum(pose.has_fix for pose in self.poses)

    def summary(self) -> str:
        """One line for people: `srt: 468 cues, 468 fixes, skipped 0`."""
        total = sum(self.skipped.values())
        why = ", ".join(f"{reason} {count}" for reason, count in sorted(self.skipped.items()))
        line = f"{self.kind}: {self.cues} cues, {self.fixes} fixes, skipped {total}"
        return "; ".join([f"{line} ({why})" if why else line, *self.notes])


class ManyAircraft(ValueError):
    """A capture holds positions of several aircraft, and nobody said which is meant.

    `counts` holds the positions of each by its serial number or system.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.counts = dict(counts)
        rows = ", ".join(f"{name} ({count} positions)" for name, count in sorted(counts.items()))
        super().__init__(
            f"several aircraft in it: {rows}; say which with --serial or aircraft.serial"
        )


# A number that this small a share of the positions bears is a damaged one, no second aircraft.
_STRAY_SHARE, _LEAST_MOST = 0.05, 10


def only_aircraft(counts: Mapping[str, int]) -> str:
    """The aircraft that sends all positions but a stray few. Raises ManyAircraft."""
    most = max(counts, key=lambda name: counts[name])
    others = sum(counts.values()) - counts[most]
    if counts[most] < _LEAST_MOST or others > max(1.0, _STRAY_SHARE * counts[most]):
        raise ManyAircraft(counts)
    return most


def grade(*, fix: bool, angles: bool, coarse: bool = False, rtk: bool = False) -> Quality:
    """The quality word of a pose; the worst that applies wins, RTK only with camera angles."""
    if not fix:
        return "none"
    if coarse:
        return "coarse"
    if not angles:
        return "position"
    return "rtk" if rtk else "full"


def sound_fix(lat: float | None, lon: float | None) -> bool:
    """Whether the pair can be a place: in range, finite, and without the zero of "no fix yet".

    A coordinate of exactly 0 is what recorders write while they have none; a true one lasts for
    a record on the equator, which is no loss.
    """
    if lat is None or lon is None or not (math.isfinite(lat) and math.isfinite(lon)):
        return False
    near_zero = abs(lat) < 1e-5 and abs(lon) < 1e-5
    return abs(lat) <= 90.0 and abs(lon) <= 180.0 and lat != 0.0 and lon != 0.0 and not near_zero


# Clocks that were never set say 1970 or the year 580000; neither is a time of a flight.
_LAST_UTC = 253_402_300_799.0


def iso_utc(utc: float | None) -> str | None:
    """Unix seconds as `2012-09-19T20:50:45.798Z`; None stays None, as does what is no date."""
    if utc is None or not 0.0 <= utc <= _LAST_UTC:
        return None
    moment = datetime.fromtimestamp(utc, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record(pose: Pose) -> dict[str, Json]:
    """The line `edge telemetry --json` prints for a pose."""
    line: dict[str, Json] = {
        "t_s": round(pose.t_s, 6),
        "utc": iso_utc(pose.utc),
        "lat": pose.lat,
        "lon": pose.lon,
        "rel_alt_m": pose.rel_alt_m,
        "abs_alt_m": pose.abs_alt_m,
        "yaw_deg": pose.yaw_deg,
        "pitch_deg": pose.pitch_deg,
        "roll_deg": pose.roll_deg,
        "heading_deg": pose.heading_deg,
        "sats": pose.sats,
        "quality": pose.quality,
        "source": pose.source,
    }
    extra: dict[str, Json] = {
        "local": pose.local,
        "height_source": pose.height_source,
        "speed_mps": pose.speed_mps,
        "zoom": pose.zoom,
        "focal35_mm": pose.focal35_mm,
        "hfov_deg": pose.hfov_deg,
        "ground_m": pose.ground_m,
        "aim_lat": pose.aim[0] if pose.aim else None,
        "aim_lon": pose.aim[1] if pose.aim else None,
    }
    return {key: _plain(value) for key, value in {**line, **extra}.items()}


def _plain(value: Json) -> Json:
    """NaN and infinity, which floats on the wire may hold, are no JSON: absent."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def count(reasons: Sequence[str]) -> dict[str, int]:
    """How often each reason occurs."""
    return dict(Counter(reasons))

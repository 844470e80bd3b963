# SPDX-License-Identifier: AGPL-3.0-or-later
"""Photographs as telemetry: what each says of itself in XMP (drone-dji) and EXIF. Pure.

DJI writes position, gimbal and height above take-off into the XMP packet ("NED, order ZYX", as
here); other cameras leave EXIF's position, which is the aircraft's and no camera's angles.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone

from edge.camera import exif
from edge.drone.telemetry import numbers
from edge.drone.telemetry.plausible import checked
from edge.drone.telemetry.pose import Pose, Telemetry, count, grade, sound_fix

# As an attribute (name="value") or as an element (name>value<).
_ENTRY = re.compile(r"(?<!/)drone-dji:(\w{1,40})(?:\s*=\s*\"([^\"]{0,200})\"|>([^<]{0,200})<)")
# RtkFlag of DJI's manuals: 50 is fixed; 16 single point, 32 to 49 float.
_RTK_FIXED = 50.0
_LASER_GOOD = ("normal", "1")


def parse(shots: Sequence[tuple[float, bytes]], *, utc_offset_h: float | None = None) -> Telemetry:
    """One pose for each photograph. `shots`: (seconds of the recording, beginning of the file);
    `utc_offset_h`: the zone of the camera's clock where the file does not say it."""
    turned: list[str] = []
    poses = tuple(_pose(at, head, utc_offset_h, turned) for at, head in shots)
    reasons = ["no position" for pose in poses if not pose.has_fix]
    notes = [] if any(pose.has_angles for pose in poses) else ["no gimbal angles in it"]
    if turned:
        notes.append(f"{len(turned)} turned by their EXIF: their camera angles are not used")
    return checked(Telemetry("photos", poses, len(shots), count(reasons), tuple(notes)))


def entries(packet: str) -> dict[str, str]:
    """The drone-dji entries of an XMP packet, by their names."""
    return {name: (first or second).strip() for name, first, second in _ENTRY.findall(packet)}


def _pose(at: float, head: bytes, utc_offset_h: float | None, turned: list[str]) -> Pose:
    zone = timezone(timedelta(hours=utc_offset_h or 0.0))
    facts, xmp = exif.read(head, zone), entries(exif.xmp(head))
    lat, lon = _place(xmp, facts)
    fix = sound_fix(lat, lon)
    yaw, pitch, roll = (_number(xmp, f"Gimbal{axis}Degree") for axis in ("Yaw", "Pitch", "Roll"))
    if facts.orientation != 1 and yaw is not None:
        # The picture that is looked at stands otherwise than the one that these angles are of.
        turned.append("")
        yaw = pitch = roll = None
    relative = _number(xmp, "RelativeAltitude")
    exposed = _utc(xmp.get("UTCAtExposure", ""))
    by_clock = facts.taken if utc_offset_h is not None else None
    return Pose(
        t_s=at,
        source="photo/xmp" if xmp else "photo/exif",
        quality=grade(
            fix=fix,
            angles=yaw is not None and pitch is not None,
            rtk=_number(xmp, "RtkFlag") == _RTK_FIXED,
        ),
        utc=by_clock if exposed is None else exposed,
        lat=lat if fix else None,
        lon=lon if fix else None,
        rel_alt_m=relative,
        abs_alt_m=_number(xmp, "AbsoluteAltitude"),
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
        heading_deg=_number(xmp, "FlightYawDegree"),
        focal35_mm=facts.focal35_mm,
        hfov_deg=_hfov(xmp, facts),
        aim=_laser(xmp),
        height_source="none" if relative is None else "relative",
    )


def _number(xmp: Mapping[str, str], name: str) -> float | None:
    return numbers.number(xmp.get(name, ""))


def _place(xmp: Mapping[str, str], facts: exif.Exif) -> tuple[float | None, float | None]:
    """XMP's position, in either spelling of its longitude, else EXIF's."""
    lat = _number(xmp, "GpsLatitude")
    names = ("GpsLongitude", "GpsLongtitude", "GPSLongitude", "GPSLongtitude")
    lon = next((_number(xmp, name) for name in names if name in xmp), None)
    return (facts.lat, facts.lon) if lat is None or lon is None else (lat, lon)


def _hfov(xmp: Mapping[str, str], facts: exif.Exif) -> float | None:
    """The angle of the picture's width by the calibrated focal length, which is in its pixels."""
    focal_px = _number(xmp, "CalibratedFocalLength")
    if not focal_px or focal_px <= 0.0 or not facts.width or facts.orientation != 1:
        return None
    return math.degrees(2.0 * math.atan(facts.width / 2.0 / focal_px))


def _laser(xmp: Mapping[str, str]) -> tuple[float, float] | None:
    """Where the range-finder hit, where it says that it did."""
    if xmp.get("LRFStatus", "").lower() not in _LASER_GOOD:
        return None
    lat, lon = _number(xmp, "LRFTargetLat"), _number(xmp, "LRFTargetLon")
    return (lat, lon) if lat is not None and lon is not None and sound_fix(lat, lon) else None


def _utc(text: str) -> float | None:
    """Unix seconds of DJI's UTCAtExposure, `2026-05-01T02:00:00.120` or with colons in the date."""
    for layout in ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S", "%Y:%m:%d %H:%M:%S.%f",
                   "%Y:%m:%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f"):  # fmt: skip
        try:
            return (
                datetime.strptime(text.rstrip("Z"), layout).replace(tzinfo=timezone.utc).timestamp()
            )
        except ValueError:
            continue
    return None

# SPDX-License-Identifier: AGPL-3.0-or-later
"""DJI subtitle telemetry: sidecar .SRT files and the text of `mov_text` tracks. Pure.

Twelve families of text are in the field (F1..F12, docs/drone.md). They differ in the order of
latitude and longitude, in what the third value of GPS() is, in scales and in punctuation, so
fields are read by their own spelling, never by their position in the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from edge.drone.telemetry import numbers
from edge.drone.telemetry.plausible import checked
from edge.drone.telemetry.pose import HeightSource, Pose, Telemetry, count, grade, sound_fix

_TIME = r"(\d{1,3}):(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
# A cue starts at its index and timing lines, or (F7) at an index directly above a date. Blank
# lines do not end a cue: H20T writes one inside.
_HEAD = re.compile(
    rf"^[ \t]*(?:\d+[ \t]*\r?\n[ \t]*)?{_TIME}[ \t]*-->[^\n]*$"
    r"|^[ \t]*\d+[ \t]*\r?\n(?=[ \t]*\d{4}[.-]\d{1,2}[.-]\d{1,2}[ \t])",
    re.MULTILINE,
)
_TAG = re.compile(r"</?\w+[^<>\n]*>")
_DATE = re.compile(
    r"(\d{4})[.-](\d{1,2})[.-](\d{1,2})\s+(\d{1,2}):(\d{2}):(\d{2})"
    r"(?:[.,](\d{1,3})(?!\d))?(?:,(\d{3})(?!\d))?"
)
_N = r"([-+]?\d{1,15}(?:\.\d{1,15})?)"
_ANY = rf"({numbers.WRITTEN})"
_END = numbers.END
# A hemisphere's letter may follow, with or without a degree sign.
_SIDE = r"\s*°?\s*([NSEW]?)"
_GPS = re.compile(rf"\bGPS\s*\(\s*{_N}\s*,\s*{_N}\s*,\s*{_N}\s*(M?)\s*\)")
_PRY = r"\.PRY\s*\(\s*" + r"[^\d,)-]*\s*,\s*".join([_N] * 3) + r"[^\d,)]*\)"
_LAT = re.compile(rf"\blatitude\s*:\s*{_ANY}{_SIDE}{_END}")
_LON = re.compile(rf"\blong(?:t)?itude\s*:\s*{_ANY}{_SIDE}{_END}")
_FIELDS = {
    name: re.compile(pattern)
    for name, pattern in {
        "rel": rf"\brel_alt\s*:\s*{_ANY}{_END}",
        "abs": rf"\babs_alt\s*:\s*{_ANY}{_END}",
        "altitude": rf"\[altitude\s*:\s*{_ANY}{_END}",
        "baro": rf"\bBAROMETER\s*[:(]\s*{_ANY}(?:M\b|{_END})",
        "hb": rf"\bHb\s*:\s*{_ANY}{_END}",
        "height": rf"(?<![\w.])H[ :]\s*{_ANY}\s*m\b",
        "speed": rf"\bH\.S[ :]\s*{_ANY}\s*m/s",
        "yaw": rf"\bgb_yaw\s*:\s*{_ANY}{_END}",
        "pitch": rf"\bgb_pitch\s*:\s*{_ANY}{_END}",
        "roll": rf"\bgb_roll\s*:\s*{_ANY}{_END}",
        "heading": rf"(?:\bdrone_yaw\s*:|\[Drone\s*:\s*Yaw\s*:)\s*{_ANY}{_END}",
        "zoom": rf"(?:\bdzoom_ratio\s*:|\bDZOOM)\s*{_ANY}{_END}",
        "dzoom": rf"\bdzoom\s*:\s*{_ANY}{_END}",
        "focal_mm": rf"\bfocal_len:\s*{_ANY}{_END}",
        # A space before the colon goes with tenths of a millimetre (240 = 24 mm); tele lenses
        # reach 240 mm, so the size of the number proves nothing.
        "focal_tenths": rf"\bfocal_len\s+:\s*{_ANY}{_END}",
        "shutter": rf"\b[Ss]hutter\s*:\s*1/({numbers.WRITTEN}){_END}",
    }.items()
}
_F_PRY = re.compile(r"\bF" + _PRY)
_G_PRY = re.compile(r"\bG" + _PRY)

# First match names the family; only GPS() families need it to know their order.
_FAMILIES = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("F12", r"gb_yaw[\s\S]*drone_(?:yaw|speedx)|drone_(?:yaw|speedx)[\s\S]*gb_yaw"),
        ("F11", r"\bgb_yaw"),
        ("F5", r"\b[GF]\.PRY"),
        ("F8b", r"\[Drone\s*:"),
        ("F10", r"\brel_alt"),
        ("F9", r"\[longitude[\s\S]*\[altitude|\[altitude[\s\S]*\[longitude"),
        ("F8", r"longtitude[\s\S]*FrameCnt|FrameCnt[\s\S]*longtitude"),
        ("F7", r"longtitude"),
        ("F3", r"\bGPS\s*\([^)]*M\s*\)"),
        ("F4", r"^\s*F/\d"),
        ("F1", r"\bHb\s*:"),
        ("F2", r"\bBAROMETER"),
        ("F6", r"\[iso\s*:"),
    )
)
_CHINA_LAT, _CHINA_LON = (18.0, 54.0), (73.0, 136.0)


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: its start in media time (None where the file has no timecodes), its text."""

    start_s: float | None
    text: str


def split(text: str) -> list[Cue]:
    """Cues of an SRT text; everything from one header to the next, blank lines included."""
    text = text.lstrip("\ufeff").replace("\x00", "")
    heads = list(_HEAD.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return [
        Cue(_start_s(head), _TAG.sub("", text[head.end() : end]))
        for head, end in zip(heads, ends, strict=False)
    ]


def _start_s(head: re.Match[str]) -> float | None:
    if head[1] is None:
        return None
    hours, minutes, seconds, fraction = head.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def parse(text: str, *, utc_offset_h: float | None = None) -> Telemetry:
    """Poses of an SRT text. `utc_offset_h`: the zone of the aircraft's clock, which is local."""
    return read_cues(split(text), utc_offset_h=utc_offset_h)


def read_cues(
    cues: Sequence[Cue], *, kind: str = "srt", utc_offset_h: float | None = None
) -> Telemetry:
    """Poses of cues, one for each; a cue without a sound position keeps its other values."""
    raws = [_raw(cue) for cue in cues]
    _settle_order(raws)
    starts = _starts(raws)
    poses = tuple(
        _pose(raw, kind, start, utc_offset_h) for raw, start in zip(raws, starts, strict=True)
    )
    skipped = count(
        [raw.missing for raw, pose in zip(raws, poses, strict=True) if not pose.has_fix]
    )
    notes = tuple(_notes(raws, starts, utc_offset_h))
    return checked(Telemetry(kind, poses, len(cues), skipped, notes))


@dataclass(slots=True)
class _Raw:
    """A cue's values as written, before the order of GPS() is settled for its family."""

    cue: Cue
    family: str
    values: dict[str, float]
    local: datetime | None
    decimals: int
    lat_first: bool | None = None
    sats: int | None = None
    missing: str = "no position"


def _raw(cue: Cue) -> _Raw:
    text = cue.text
    family = next((name for name, pattern in _FAMILIES if pattern.search(text)), "unknown")
    raw = _Raw(cue, family, {}, _local(text), 9)
    comma = _take_degrees(raw)
    for name, pattern in _FIELDS.items():
        match = pattern.search(text)
        value = numbers.number(match[1], decimal_comma=comma) if match else None
        if value is not None:
            raw.values[name] = value
    _take_gps(raw)
    _take_pry(raw)
    return raw


def _take_degrees(raw: _Raw) -> bool:
    """`[latitude: ] [longitude: ]`; true where they are written with a decimal comma."""
    lat, lon = _LAT.search(raw.cue.text), _LON.search(raw.cue.text)
    if lat is None or lon is None:
        return False
    raw.decimals = numbers.decimals(lat[1])
    north = numbers.degrees(lat[1], lat[2], letters="NS")
    east = numbers.degrees(lon[1], lon[2], letters="EW")
    if north is None or east is None:
        raw.missing = "position that cannot be read"
    else:
        raw.values["lat"], raw.values["lon"] = north, east
    return "," in lat[1] and "." not in lat[1]


def _local(text: str) -> datetime | None:
    match = _DATE.search(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction_us = int((match[7] or "0").ljust(3, "0")) * 1000 + int(match[8] or 0)
    try:
        return datetime(year, month, day, hour, minute, second, fraction_us)
    except ValueError:
        return None


def _take_gps(raw: _Raw) -> None:
    """GPS(a, b, c): c is the number of satellites, an altitude in metres only where it says so."""
    match = _GPS.search(raw.cue.text)
    if not match or "lat" in raw.values:
        return
    first, second, third, metres = match.groups()
    raw.decimals = len(first.partition(".")[2])
    raw.values["first"], raw.values["second"] = float(first), float(second)
    # Written by hand or by a converter: DJI's own third value is a bare integer, or has an M.
    by_hand = not metres and "." in third
    raw.lat_first = bool(metres) or by_hand
    if not metres and not by_hand:
        raw.sats = int(third)
    elif float(third) != 0.0:
        raw.values["abs"] = float(third)


def _take_pry(raw: _Raw) -> None:
    """F.PRY (aircraft) and G.PRY (gimbal) are pitch, roll, yaw."""
    gimbal, aircraft = _G_PRY.search(raw.cue.text), _F_PRY.search(raw.cue.text)
    if gimbal:
        raw.values["pitch"], raw.values["roll"], raw.values["yaw"] = map(float, gimbal.groups())
    if aircraft:
        raw.values["heading"] = float(aircraft[3])


def _settle_order(raws: Iterable[_Raw]) -> None:
    """Decide latitude against longitude once for each family of the file, then fill both in."""
    groups: dict[tuple[str, bool], list[_Raw]] = {}
    for raw in raws:
        if raw.lat_first is not None:
            groups.setdefault((raw.family, raw.lat_first), []).append(raw)
    for (_, usual), group in groups.items():
        pairs = [(raw.values["first"], raw.values["second"]) for raw in group]
        lat_first = latitude_first([pair for pair in pairs if pair != (0.0, 0.0)], usual=usual)
        for raw, (first, second) in zip(group, pairs, strict=True):
            raw.lat_first = lat_first
            lat, lon = (first, second) if lat_first else (second, first)
            raw.values["lat"], raw.values["lon"] = lat, lon


def latitude_first(pairs: Sequence[tuple[float, float]], *, usual: bool) -> bool:
    """Whether the first of each pair is the latitude.

    A value beyond 90 can only be a longitude. In China latitudes (18..54) and longitudes
    (73..136) do not overlap. Otherwise the family's usual order stands.
    """
    first_over = any(abs(first) > 90.0 for first, _ in pairs)
    second_over = any(abs(second) > 90.0 for _, second in pairs)
    if first_over != second_over:
        return second_over
    if pairs and all(_in_china(first, second) for first, second in pairs):
        return True
    if pairs and all(_in_china(second, first) for first, second in pairs):
        return False
    return usual


def _in_china(lat: float, lon: float) -> bool:
    return _CHINA_LAT[0] <= lat <= _CHINA_LAT[1] and _CHINA_LON[0] <= lon <= _CHINA_LON[1]


def _starts(raws: Sequence[_Raw]) -> list[float]:
    """Media time of each cue; files without timecodes (F7) count from their first date."""
    origin = next((raw.local for raw in raws if raw.local is not None), None)
    starts: list[float] = []
    for raw in raws:
        if raw.cue.start_s is not None:
            starts.append(raw.cue.start_s)
        elif raw.local is not None and origin is not None:
            starts.append((raw.local - origin).total_seconds())
        else:
            starts.append(starts[-1] if starts else 0.0)
    return starts


def _pose(raw: _Raw, kind: str, start_s: float, utc_offset_h: float | None) -> Pose:
    value = raw.values.get
    lat, lon = value("lat"), value("lon")
    fix = sound_fix(lat, lon)
    if not fix and lat is not None and lon is not None:
        raw.missing = "0,0 before the fix" if 0.0 in (lat, lon) else "impossible position"
    relative = next(
        (value(name) for name in ("rel", "height", "baro", "hb") if name in raw.values), None
    )
    angles = "yaw" in raw.values and "pitch" in raw.values
    focal = value("focal_mm", value("focal_tenths", 0.0) / 10.0)
    return Pose(
        t_s=start_s,
        source=f"dji-{kind}/{raw.family}",
        quality=grade(fix=fix, angles=angles, coarse=raw.decimals <= 4),
        utc=_utc(raw.local, utc_offset_h),
        local=raw.local.isoformat(timespec="milliseconds") if raw.local else None,
        lat=lat if fix else None,
        lon=lon if fix else None,
        rel_alt_m=relative,
        abs_alt_m=value("abs", value("altitude")),
        yaw_deg=value("yaw"),
        pitch_deg=value("pitch"),
        roll_deg=value("roll"),
        heading_deg=value("heading"),
        sats=raw.sats,
        speed_mps=value("speed"),
        zoom=_zoom(raw.values),
        focal35_mm=focal or None,
        shutter_s=1.0 / value("shutter", 0.0) if value("shutter", 0.0) > 0.0 else None,
        height_source=_height_source(raw.values, relative),
    )


def _zoom(values: dict[str, float]) -> float | None:
    """dzoom_ratio is written as 1.79 or as 17871; nothing zooms digitally beyond 100."""
    ratio = values.get("zoom", values.get("dzoom"))
    if ratio is None or ratio <= 0.0:
        return None
    return ratio / 10_000.0 if ratio > 100.0 else ratio


def _height_source(values: dict[str, float], relative: float | None) -> HeightSource:
    if relative is not None:
        return "relative"
    return "undefined" if "altitude" in values else "none"


def _utc(local: datetime | None, utc_offset_h: float | None) -> float | None:
    if local is None or utc_offset_h is None:
        return None
    return local.replace(tzinfo=timezone(timedelta(hours=utc_offset_h))).timestamp()


def _notes(
    raws: Sequence[_Raw], starts: Sequence[float], utc_offset_h: float | None
) -> Iterable[str]:
    families = sorted({raw.family for raw in raws} - {"unknown"})
    if families:
        yield f"family {', '.join(families)}"
    if not raws:
        yield "no subtitle cue in it"
    back = next((n for n in range(1, len(starts)) if starts[n] < starts[n - 1]), None)
    if back is not None:
        yield f"time runs backwards at cue {back + 1}: recordings joined into one file"
    if any(raw.local for raw in raws) and utc_offset_h is None:
        yield "local time without a zone (give --utc-offset)"
    if any("altitude" in raw.values and "rel" not in raw.values for raw in raws):
        yield "[altitude] has no defined datum: no height above take-off"

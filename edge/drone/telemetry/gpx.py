# SPDX-License-Identifier: AGPL-3.0-or-later
"""GPX 1.0 and 1.1 tracks (topografix.com/GPX): positions and times, no camera angles. Pure.

Read to where the file is torn. `<ele>` is an altitude of whatever datum the writer has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timezone
from typing import Any
from xml.etree.ElementTree import ParseError, XMLPullParser

from edge.clock import instant
from edge.drone.telemetry import numbers
from edge.drone.telemetry.plausible import checked, origin_of
from edge.drone.telemetry.pose import Pose, Telemetry, count, grade, sound_fix

_CHUNK = 1 << 20
Parser = Any  # XMLPullParser, which is generic for the type checker only


@dataclass(frozen=True, slots=True)
class _Point:
    lat: float | None
    lon: float | None
    ele_m: float | None
    utc: float | None


def looks_like(text: str) -> bool:
    """Whether an XML text says early that it is a GPX."""
    return text.startswith("<") and "<gpx" in text[:4096]


def parse(text: str) -> Telemetry:
    """One pose for each track point that has a time; time runs from the first."""
    torn: list[str] = []
    points = list(_points(text, torn))
    first = origin_of([p.utc for p in points if p.utc is not None])
    poses = tuple(_pose(p, p.utc - first) for p in points if p.utc is not None)
    reasons = ["point without a time" for p in points if p.utc is None]
    reasons += ["no position" for pose in poses if not pose.has_fix]
    notes = (*torn, "no gimbal angles in it") if poses else (*torn, "no track point with a time")
    return checked(Telemetry("gpx", poses, len(points), count(reasons), notes))


def _points(text: str, torn: list[str]) -> Iterator[_Point]:
    # A document type is where an XML file brings entities that unfold without end; a GPX has none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        torn.append("an XML document type in it: not read")
        return
    parser: Parser = XMLPullParser(events=("end",))
    try:
        for start in range(0, len(text), _CHUNK):
            parser.feed(text[start : start + _CHUNK])
            yield from _ended(parser)
        parser.close()
    except ParseError as error:
        yield from _ended(parser)
        torn.append(f"damaged: read up to there ({error})")


def _ended(parser: Parser) -> Iterator[_Point]:
    events: Iterator[Any] = parser.read_events()
    while True:
        try:
            event = next(events, None)
        except ParseError:
            return
        if event is None:
            return
        element = event[1]
        if _name(element.tag) == "trkpt":
            yield _point(element)
            element.clear()


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


def _point(element: Any) -> _Point:
    children = {_name(child.tag): (child.text or "").strip() for child in element}
    return _Point(
        numbers.number(element.get("lat", "")),
        numbers.number(element.get("lon", "")),
        numbers.number(children.get("ele", "")),
        _utc(children.get("time", "")),
    )


def _utc(text: str) -> float | None:
    """Unix seconds of an xsd:dateTime, which GPX says is UTC even without its Z."""
    try:
        return instant(text, timezone.utc).timestamp()
    except (ValueError, OverflowError):
        return None


def _pose(point: _Point, at: float) -> Pose:
    fix = sound_fix(point.lat, point.lon)
    return Pose(
        t_s=at,
        source="gpx",
        quality=grade(fix=fix, angles=False),
        utc=point.utc,
        lat=point.lat if fix else None,
        lon=point.lon if fix else None,
        abs_alt_m=point.ele_m,
        height_source="undefined" if point.ele_m is not None else "none",
    )

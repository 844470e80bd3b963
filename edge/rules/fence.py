# SPDX-License-Identifier: AGPL-3.0-or-later
"""Places on Earth: whether a truck keeps to its two points and one line (装土点、倒土点、运输线路).
WGS-84 degrees in, metres out. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

import msgspec

from edge.config.site import Part
from edge.geometry import inside

LatLon = tuple[float, float]
EARTH_M = 6_371_008.8

Corners = Annotated[tuple[LatLon, ...], msgspec.Meta(min_length=3, max_length=2000)]


class Route(Part, frozen=True, kw_only=True):
    """One transport as permitted: where it loads, where it dumps, and the way between."""

    loading: Corners
    dumping: Corners
    line: Annotated[tuple[LatLon, ...], msgspec.Meta(min_length=2, max_length=5000)]
    width_m: Annotated[float, msgspec.Meta(gt=0, le=5000)] = 60.0


Station = Literal["loading", "dumping", "route", "off"]


def station_of(lat: float, lon: float, route: Route) -> tuple[Station, float]:
    """Where a point lies on a route, and how far off its line it is, in metres."""
    for name, polygon in (("loading", route.loading), ("dumping", route.dumping)):
        if inside((lon, lat), [(x, y) for y, x in polygon]):
            return ("loading" if name == "loading" else "dumping"), 0.0
    away = off_line_m(lat, lon, route.line)
    return ("route" if away <= route.width_m / 2 else "off"), away


def off_line_m(lat: float, lon: float, line: Sequence[LatLon]) -> float:
    """Distance to the nearest point of a polyline, on a plane that touches the Earth here: off by
    less than 0.1 % over the ten kilometres that matter."""
    points = [_metres(lat, lon, at) for at in line]
    return min(_to_segment(a, b) for a, b in pairwise(points))


def _metres(lat: float, lon: float, at: LatLon) -> tuple[float, float]:
    east = math.radians(at[1] - lon) * math.cos(math.radians(lat)) * EARTH_M
    return east, math.radians(at[0] - lat) * EARTH_M


def _to_segment(a: tuple[float, float], b: tuple[float, float]) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    part = 0.0 if length == 0.0 else min(1.0, max(0.0, -(a[0] * dx + a[1] * dy) / length))
    return math.hypot(a[0] + part * dx, a[1] + part * dy)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Places on Earth: whether a truck keeps to its two points and one line (装土点、倒土点、运输线路).
WGS-84 degrees in, metres out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from edge.config.site import Part
from edge.geometry import east_north, from_line, inside

LatLon = tuple[float, float]

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
    """Distance to the nearest point of a polyline (lat, lon)."""
    return from_line((0.0, 0.0), [east_north(*at, (lat, lon)) for at in line])

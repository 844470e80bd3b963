# SPDX-License-Identifier: AGPL-3.0-or-later
"""Positions on maps that shift them: GCJ-02 (AMap, Tencent) and BD-09 (Baidu). Pure.

Without numpy: the page, which links to such maps, has no other use for its fifteen megabytes.
"""

from __future__ import annotations

import math

# WGS-84 (NIMA TR8350.2): the semi-major axis.
A_M = 6_378_137.0
LatLon = tuple[float, float]

# GCJ-02 as published by eviltransform (BSD-2): the same series with a = 6378137.
_GCJ_EE = 0.00669342162296594323
_GCJ_BOX = (0.8293, 72.004, 55.8271, 137.8347)


def gcj02(lat: float, lon: float) -> LatLon:
    """The position to draw on a GCJ-02 map (AMap, Tencent) for a WGS-84 one.

    Outside the rectangle of the shift nothing moves. The rectangle also covers foreign land, so
    whether to shift is a setting of the map, never decided by the place.
    """
    south, west, north, east = _GCJ_BOX
    if not (south <= lat <= north and west <= lon <= east):
        return lat, lon
    d_lat, d_lon = _gcj_series(lon - 105.0, lat - 35.0)
    s = math.sin(math.radians(lat))
    magic = 1.0 - _GCJ_EE * s * s
    root = math.sqrt(magic)
    d_lat = math.degrees(d_lat / (A_M * (1.0 - _GCJ_EE) / (magic * root)))
    d_lon = math.degrees(d_lon / (A_M / root * math.cos(math.radians(lat))))
    return lat + d_lat, lon + d_lon


# Amplitudes and divisors of the series' sines, along y for the latitude and x for the longitude.
_GCJ_LAT = ((20.0, 1.0), (40.0, 3.0), (160.0, 12.0), (320.0, 30.0))
_GCJ_LON = ((20.0, 1.0), (40.0, 3.0), (150.0, 12.0), (300.0, 30.0))


def _gcj_series(x: float, y: float) -> tuple[float, float]:
    """Shift in metres north and east; x and y are degrees from 105 E, 35 N."""
    both = 20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)
    lat = both + sum(size * math.sin(y * math.pi / part) for size, part in _GCJ_LAT)
    lon = both + sum(size * math.sin(x * math.pi / part) for size, part in _GCJ_LON)
    root = math.sqrt(abs(x))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    return north + lat * 2.0 / 3.0, east + lon * 2.0 / 3.0


def wgs84(lat: float, lon: float) -> LatLon:
    """The WGS-84 position of a GCJ-02 one, by fixed-point iteration (below 0.001 mm in five)."""
    guess = (lat, lon)
    for _ in range(6):
        there = gcj02(*guess)
        guess = (guess[0] + lat - there[0], guess[1] + lon - there[1])
    return guess


_BD_TURN = math.pi * 3000.0 / 180.0


def wgs84_from_bd09(lat: float, lon: float) -> LatLon:
    """The WGS-84 position of a BD-09 (Baidu) one."""
    x, y = lon - 0.0065, lat - 0.006
    radius = math.hypot(x, y) - 0.00002 * math.sin(y * _BD_TURN)
    angle = math.atan2(y, x) - 0.000003 * math.cos(x * _BD_TURN)
    return wgs84(radius * math.sin(angle), radius * math.cos(angle))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Earth in a few formulas: WGS-84 to and from local metres, and the shifted maps of China.

Stored positions are always WGS-84. GCJ-02 and BD-09 are for showing a point on a map that is
shifted by them; CGCS2000 (EPSG:4490) differs from WGS-84 by centimetres and is a name here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
LatLon = tuple[float, float]

# WGS-84 (NIMA TR8350.2): semi-major axis and flattening.
A_M = 6_378_137.0
F = 1.0 / 298.257223563
E2 = F * (2.0 - F)
# Mean radius of the GRS-80 ellipsoid (IUGG).
MEAN_M = 6_371_008.8


def ecef(lat: float, lon: float, height_m: float) -> Vector:
    """Earth-centred x, y, z in metres of a geodetic position in degrees; float64 (3,)."""
    sin_lat, cos_lat = math.sin(math.radians(lat)), math.cos(math.radians(lat))
    n = A_M / math.sqrt(1.0 - E2 * sin_lat * sin_lat)
    flat = (n + height_m) * cos_lat
    return np.array(
        [
            flat * math.cos(math.radians(lon)),
            flat * math.sin(math.radians(lon)),
            (n * (1.0 - E2) + height_m) * sin_lat,
        ]
    )


def geodetic(point: Vector) -> tuple[float, float, float]:
    """lat, lon in degrees and ellipsoidal height in metres of an ECEF point near the surface."""
    x, y, z = (float(part) for part in point)
    p = math.hypot(x, y)
    lat = math.atan2(z, p * (1.0 - E2))
    for _ in range(6):  # contracts by e² = 0.0067 a step: below 1e-12 rad after five
        n = A_M / math.sqrt(1.0 - E2 * math.sin(lat) ** 2)
        lat = math.atan2(z + E2 * n * math.sin(lat), p)
    n = A_M / math.sqrt(1.0 - E2 * math.sin(lat) ** 2)
    height = p * math.cos(lat) + z * math.sin(lat) - n * (1.0 - E2 * math.sin(lat) ** 2)
    return math.degrees(lat), math.degrees(math.atan2(y, x)), height


def ned_axes(lat: float, lon: float) -> Vector:
    """Rows north, east, down as ECEF unit vectors; float64 (3, 3)."""
    sa, ca = math.sin(math.radians(lat)), math.cos(math.radians(lat))
    so, co = math.sin(math.radians(lon)), math.cos(math.radians(lon))
    return np.array([[-sa * co, -sa * so, ca], [-so, co, 0.0], [-ca * co, -ca * so, -sa]])


@lru_cache(maxsize=1024)
def _frame(lat: float, lon: float) -> tuple[Vector, Vector, Vector, Vector]:
    """Origin and the axes east, north, up of a place on the ellipsoid, in ECEF metres."""
    north, east, down = ned_axes(lat, lon)
    return ecef(lat, lon, 0.0), east, north, -down


@dataclass(frozen=True, slots=True)
class Local:
    """Metres east and north of an origin, on the ellipsoid's tangent plane: what tracks, polygons
    and distances of one flight are kept in.

    Exact (by way of ECEF) wherever on Earth, the date line and the poles included; a metre of the
    plane is a metre of the ground to 1 mm within 5 km.
    """

    lat: float
    lon: float

    def metres(self, lat: float, lon: float) -> tuple[float, float]:
        """East and north in metres of a place at the ellipsoid's height."""
        origin, east, north, _ = _frame(self.lat, self.lon)
        away = ecef(lat, lon, 0.0) - origin
        return float(away @ east), float(away @ north)

    def degrees(self, east_m: float, north_m: float) -> LatLon:
        """lat, lon; the inverse of `metres` up to half a hemisphere away."""
        origin, east, north, up = _frame(self.lat, self.lon)
        flat = origin + east_m * east + north_m * north
        reach = min(1.0, math.hypot(east_m, north_m) / A_M)
        fall = A_M * (1.0 - math.sqrt(1.0 - reach * reach))
        slope = math.sqrt(max(1e-6, 1.0 - reach * reach))
        for _ in range(20):  # onto the ellipsoid; one or two steps within 100 km
            lat, lon, height = geodetic(flat - fall * up)
            if abs(height) < 1e-5:
                break
            fall += height / slope
        return lat, lon


def distance_m(a: LatLon, b: LatLon) -> float:
    """Metres between two places: the chord, bent to an arc of the mean radius (1 cm in 100 km)."""
    chord = float(np.linalg.norm(ecef(*a, 0.0) - ecef(*b, 0.0)))
    return 2.0 * MEAN_M * math.asin(min(1.0, chord / (2.0 * MEAN_M)))


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

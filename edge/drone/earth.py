# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Earth in a few formulas: WGS-84 to and from local metres.

Stored positions are always WGS-84; shifted maps are in `edge/drone/shifted.py`. CGCS2000
(EPSG:4490) differs from WGS-84 by centimetres and is a name here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.drone.shifted import A_M, LatLon
from edge.geometry import EARTH_M

Vector = NDArray[np.float64]

# WGS-84 (NIMA TR8350.2): semi-major axis (beside the shifted maps) and flattening.
F = 1.0 / 298.257223563
E2 = F * (2.0 - F)


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
    return 2.0 * EARTH_M * math.asin(min(1.0, chord / (2.0 * EARTH_M)))

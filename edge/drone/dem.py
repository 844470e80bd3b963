# SPDX-License-Identifier: AGPL-3.0-or-later
"""Ground heights on a grid, and where a ray meets them. Pure but for reading the file.

Heights and take-off are in one datum, so ellipsoid and geoid cancel: the camera stands at
DEM(take-off) + rel_alt. Large DEMs are cut to the flight offline; formats: ESRI ASCII grid (.asc,
degrees) and .npz with `lat` (north to south), `lon`, `height`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.config import ConfigError
from edge.drone import earth, shifted
from edge.drone.georef import GroundPoint, GroundView, NoGround, Sigmas, locate, ray
from edge.drone.npz import read_arrays

STEP_M = 5.0
FAR_M = 5000.0
# The shore of the Dead Sea and Everest, with room for a datum.
LOWEST_M, HIGHEST_M = -500.0, 9000.0


@dataclass(frozen=True, slots=True, eq=False)
class Dem:
    """Heights in metres, float (rows, columns), row 0 in the north; degrees of the corners."""

    north: float
    west: float
    step_lat: float
    step_lon: float
    heights: NDArray[np.float64]

    def height(self, lat: float, lon: float) -> float:
        """Bilinear height. Raises NoGround outside the grid and where it has no data."""
        row, column = (self.north - lat) / self.step_lat, (lon - self.west) / self.step_lon
        rows, columns = self.heights.shape
        if not (0.0 <= row <= rows - 1 and 0.0 <= column <= columns - 1):
            raise NoGround(f"{lat:.5f}, {lon:.5f} lies outside the height grid")
        r, c = min(int(row), rows - 2), min(int(column), columns - 2)
        fr, fc = row - r, column - c
        cell = self.heights[r : r + 2, c : c + 2]
        value = float(
            (1 - fr) * ((1 - fc) * cell[0, 0] + fc * cell[0, 1])
            + fr * ((1 - fc) * cell[1, 0] + fc * cell[1, 1])
        )
        if not math.isfinite(value):
            raise NoGround(f"{lat:.5f}, {lon:.5f}: the height grid has no data")
        return value


def locate_on(
    dem: Dem, view: GroundView, camera_m: float, u: float, v: float, *, sigmas: Sigmas | None = None
) -> GroundPoint:
    """The first crossing of a pixel's ray with the grid. `camera_m` is the camera's height in the
    grid's datum; `view.h_m` is not used. Raises NoGround."""
    direction = ray(view, u, v)
    place = earth.Local(view.lat, view.lon)

    def above(t: float) -> float:
        lat, lon = place.degrees(float(direction[1]) * t, float(direction[0]) * t)
        fall = (t * math.hypot(float(direction[0]), float(direction[1]))) ** 2 / (2 * shifted.A_M)
        return camera_m - float(direction[2]) * t + fall - dem.height(lat, lon)

    if above(0.0) <= 0.0:
        raise NoGround("the camera is below the height grid: take-off height wrong?")
    low = 0.0
    while low < FAR_M:
        high = low + STEP_M
        if above(high) <= 0.0:
            t = _bisect(above, low, high)
            # The same projection, at the height that this point has: radius and marks with it.
            return locate(replace(view, h_m=float(direction[2]) * t), u, v, sigmas=sigmas)
        low = high
    raise NoGround(f"ray meets no ground within {FAR_M:g} m")


def _bisect(above: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(20):
        middle = (low + high) / 2.0
        low, high = (middle, high) if above(middle) > 0.0 else (low, middle)
    return (low + high) / 2.0


def read_dem(path: Path) -> Dem:
    """A grid from .npz or .asc. Raises ConfigError."""
    try:
        return _from_npz(path) if path.suffix == ".npz" else _from_asc(path)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ConfigError(
            f"{path}: no height grid (.npz or ESRI .asc in degrees): {error}"
        ) from None


def _without_voids(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights that no land has are the "no data" of their maker (-32768 of SRTM, -9999, 65535)."""
    heights[(heights < LOWEST_M) | (heights > HIGHEST_M)] = math.nan
    return heights


def _from_npz(path: Path) -> Dem:
    data = read_arrays(path)
    lat, lon, heights = (data[name].astype(float) for name in ("lat", "lon", "height"))
    if heights.shape != (len(lat), len(lon)) or len(lat) < 2 or len(lon) < 2 or lat[0] <= lat[-1]:
        raise ValueError("height must be (lat, lon) with lat from north to south")
    return Dem(
        float(lat[0]),
        float(lon[0]),
        float(lat[0] - lat[1]),
        float(lon[1] - lon[0]),
        _without_voids(heights),
    )


def _from_asc(path: Path) -> Dem:
    with path.open(encoding="ascii", errors="replace") as file:
        head = dict(file.readline().lower().split() for _ in range(6))
        heights = np.loadtxt(file, ndmin=2)
    cell = float(head["cellsize"])
    shift = 0.5 if "xllcorner" in head else 0.0
    west = float(head.get("xllcorner", head.get("xllcenter", "nan"))) + shift * cell
    south = float(head.get("yllcorner", head.get("yllcenter", "nan"))) + shift * cell
    if heights.shape != (int(head["nrows"]), int(head["ncols"])) or not math.isfinite(west + south):
        raise ValueError("header and rows do not agree")
    heights[heights == float(head.get("nodata_value", "-9999"))] = math.nan
    return Dem(south + cell * (len(heights) - 1), west, cell, cell, _without_voids(heights))

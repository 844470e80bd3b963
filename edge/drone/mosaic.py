# SPDX-License-Identifier: AGPL-3.0-or-later
"""The flown ground as one small north-up picture, so that the ledger's map needs no network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.drone.earth import Local
from edge.drone.georef import GroundView
from edge.drone.ground import FLAT_DEG, footprint, homography
from edge.drone.sites import Area
from edge.values import Image

MOST_PX = 1400
FINEST_M = 0.25
MARGIN_M = 20.0


@dataclass(frozen=True, slots=True)
class Extent:
    """West, south, east, north in metres of the flight's plane; metres for a pixel."""

    west: float
    south: float
    east: float
    north: float
    metre_px: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return (
            max(1, round((self.east - self.west) / self.metre_px)),
            max(1, round((self.north - self.south) / self.metre_px)),
        )

    def part(self, rows: slice, columns: slice) -> Extent:
        """The extent of some of its pixels."""
        return Extent(
            self.west + columns.start * self.metre_px,
            self.north - rows.stop * self.metre_px,
            self.west + columns.stop * self.metre_px,
            self.north - rows.start * self.metre_px,
            self.metre_px,
        )

    def matrix(self) -> NDArray[np.float64]:
        """(3, 3) from pixels of the mosaic to metres."""
        return np.array(
            [[self.metre_px, 0.0, self.west], [0.0, -self.metre_px, self.north], [0.0, 0.0, 1.0]]
        )


def extent_of(points: NDArray[np.float64], reach_m: float, areas: list[Area]) -> Extent:
    """The flown path with what the camera reaches, and the sites near it."""
    west, south = points.min(axis=0) - reach_m
    east, north = points.max(axis=0) + reach_m
    for area in areas:
        w, s, e, n = area.bounds()
        if w < east + 300 and e > west - 300 and s < north + 300 and n > south - 300:
            west, south = min(west, w - MARGIN_M), min(south, s - MARGIN_M)
            east, north = max(east, e + MARGIN_M), max(north, n + MARGIN_M)
    finest = max(FINEST_M, max(east - west, north - south) / MOST_PX)
    return Extent(float(west), float(south), float(east), float(north), float(finest))


class Mosaic:
    """Paints looks over each other, the steeper view of a place winning. Bounded by MOST_PX²."""

    def __init__(self, extent: Extent, plane: Local) -> None:
        self.extent, self._plane = extent, plane
        width, height = extent.size
        self.picture: Image = np.zeros((height, width, 3), np.uint8)
        self.steep: NDArray[np.uint8] = np.zeros((height, width), np.uint8)

    def paint(self, view: GroundView, small: Image) -> None:
        """Add a picture that is `small` of the view's size."""
        rows, columns = self._region(view)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return
        part = self.extent.part(rows, columns)
        scale = small.shape[1] / view.width
        to_small = np.diag([scale, scale, 1.0]) @ homography(view, self._plane) @ part.matrix()
        size = (columns.stop - columns.start, rows.stop - rows.start)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped: Any = cv2.warpPerspective(small, to_small, size, flags=flags)
        steep = _steepness(view, self._plane, part, size)
        inside: Any = cv2.warpPerspective(
            np.full(small.shape[:2], 255, np.uint8), to_small, size, flags=cv2.WARP_INVERSE_MAP
        )
        better = (steep > self.steep[rows, columns]) & (inside > 0)
        self.picture[rows, columns][better] = warped[better]
        self.steep[rows, columns][better] = steep[better]

    def _region(self, view: GroundView) -> tuple[slice, slice]:
        """Rows and columns that the inspected ground of a view touches."""
        outline = footprint(view, self._plane)
        if not len(outline):
            return slice(0, 0), slice(0, 0)
        width, height = self.extent.size
        xs = (outline[:, 0] - self.extent.west) / self.extent.metre_px
        ys = (self.extent.north - outline[:, 1]) / self.extent.metre_px
        return (
            slice(max(0, int(ys.min())), min(height, int(ys.max()) + 2)),
            slice(max(0, int(xs.min())), min(width, int(xs.max()) + 2)),
        )

    def state(self) -> dict[str, NDArray[Any]]:
        return {"mosaic": self.picture, "steep": self.steep}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        if arrays["mosaic"].shape == self.picture.shape:
            self.picture, self.steep = arrays["mosaic"].copy(), arrays["steep"].copy()


def _steepness(
    view: GroundView, plane: Local, part: Extent, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """1..255 by the depression at which each cell is seen; 0 below 20 degrees and behind."""
    east, north = plane.metres(view.lat, view.lon)
    xs = part.west + (np.arange(size[0], dtype=np.float32) + 0.5) * part.metre_px - east
    ys = part.north - (np.arange(size[1], dtype=np.float32) + 0.5) * part.metre_px - north
    sine = view.h_m / np.sqrt(xs[None, :] ** 2 + ys[:, None] ** 2 + view.h_m**2)
    yaw, pitch = math.radians(view.yaw_deg), math.radians(view.pitch_deg)
    ahead = math.cos(pitch) * (math.sin(yaw) * xs[None, :] + math.cos(yaw) * ys[:, None])
    seen = (sine > math.sin(math.radians(FLAT_DEG))) & (ahead - math.sin(pitch) * view.h_m > 0.0)
    return np.where(seen, 1 + sine * 254, 0).astype(np.uint8)


def patch(
    image: Image,
    view: GroundView,
    plane: Local,
    place: tuple[float, float],
    *,
    side_m: float = 30.0,
) -> Image:
    """A north-up square of ground around a place at 5 cm, the same in every flight."""
    pixels = round(side_m / 0.05)
    corner = Extent(
        place[0] - side_m / 2,
        place[1] - side_m / 2,
        place[0] + side_m / 2,
        place[1] + side_m / 2,
        0.05,
    )
    matrix = homography(view, plane) @ corner.matrix()
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(image, matrix, (pixels, pixels), flags=flags), np.uint8)

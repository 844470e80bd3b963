# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which camera sees a place on the ground, and where in its picture. Pure.

Three ways, best first: marks (points of the picture whose place is known: a plane homography, by
direct linear transformation, Hartley and Zisserman 2004, section 4.1), a polygon drawn on the map,
and where neither is given, whether the camera stands near by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edge.config import Camera
from edge.config.site import GroundMark
from edge.geometry import east_north, inside
from edge.values import Box, Point

# A camera without ground of its own may see what lies so near.
NEAR_M = 80.0
# Marks that miss their plane by more than this share of the picture were mixed up.
MISS_MOST = 0.05
# Two metres of ground that take less of the picture are too far away to be looked at.
TWO_M_LEAST = 0.015
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

CoveredBy = Literal["calibrated", "drawn", "position"]
_BEST: tuple[CoveredBy, ...] = ("calibrated", "drawn", "position")


@dataclass(frozen=True, slots=True)
class PlaceCover:
    """A camera that may see the place. `area`: where its foot is in the picture, in fractions;
    `rank`: the lower the better."""

    camera: str
    area: Box
    by: CoveredBy
    rank: float


class GroundPlane:
    """The ground of one camera as a plane: a place to a point of the picture."""

    def __init__(self, marks: Sequence[GroundMark]) -> None:
        """Raises ValueError for marks that fix no plane, or do not fit one."""
        if len(marks) < 4:
            raise ValueError(f"{len(marks)} marks; a plane needs four or more")
        self._origin = (marks[0].lat, marks[0].lon)
        ground = np.array([east_north(m.lat, m.lon, self._origin) for m in marks])
        self._scale = float(np.abs(ground).max()) or 1.0
        picture = np.array([mark.at for mark in marks], float)
        rows = [_equations(g / self._scale, p) for g, p in zip(ground, picture, strict=True)]
        _, sizes, base = np.linalg.svd(np.concatenate(rows))
        if sizes[7] < 1e-6 * sizes[0]:
            raise ValueError("three of the marks stand on one line, or two are the same")
        self._h = base[-1].reshape(3, 3)
        middle = self._h @ np.append(ground.mean(axis=0) / self._scale, 1.0)
        self._h = self._h / middle[2]
        misses = [self._miss(mark) for mark in marks]
        if max(misses) > MISS_MOST:
            worst = marks[int(np.argmax(misses))]
            raise ValueError(
                f"the mark at {list(worst.at)} misses the plane of the others by "
                f"{max(misses):.0%} of the picture"
            )

    def _miss(self, mark: GroundMark) -> float:
        found = self.picture_of(mark.lat, mark.lon)
        return math.inf if found is None else math.dist(found, mark.at)

    def picture_of(self, lat: float, lon: float) -> Point | None:
        """The point of the picture, in fractions, perhaps outside of it; None behind the camera."""
        return self._point(*east_north(lat, lon, self._origin))

    def _point(self, east: float, north: float) -> Point | None:
        x, y, w = self._h @ np.array([east / self._scale, north / self._scale, 1.0])
        return None if w <= 1e-9 else (float(x / w), float(y / w))

    def area_of(self, lat: float, lon: float, radius_m: float) -> Box | None:
        """The part of the picture that shows the ground round a place; None: not in the picture,
        or too far away."""
        middle = self.picture_of(lat, lon)
        if middle is None or not all(0.0 <= side <= 1.0 for side in middle):
            return None
        x1, y1, x2, y2 = self._round(lat, lon, 1.0)
        if max(x2 - x1, y2 - y1) < TWO_M_LEAST:
            return None
        x1, y1, x2, y2 = self._round(lat, lon, radius_m)
        return (max(0.0, x1), max(0.0, y1), min(1.0, x2), min(1.0, y2))

    def _round(self, lat: float, lon: float, radius_m: float) -> Box:
        """What bounds a circle on the ground, in the picture."""
        east, north = east_north(lat, lon, self._origin)
        turns = [math.tau * n / 16 for n in range(16)]
        circle = ((radius_m * math.cos(turn), radius_m * math.sin(turn)) for turn in turns)
        found = [self._point(east + dx, north + dy) for dx, dy in circle]
        seen = [self._point(east, north), *found]
        xs, ys = zip(*(point for point in seen if point is not None), strict=True)
        return min(xs), min(ys), max(xs), max(ys)


def _equations(ground: Any, picture: Any) -> Any:
    x, y = ground
    u, v = picture
    return np.array(
        [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]]
    )


def covering(
    cameras: Iterable[Camera], lat: float, lon: float, radius_m: float
) -> list[PlaceCover]:
    """The cameras that may see this place, best first."""
    found = [cover for c in cameras if c.enabled and (cover := _cover(c, lat, lon, radius_m))]
    return sorted(found, key=lambda cover: (_BEST.index(cover.by), cover.rank))


def _cover(camera: Camera, lat: float, lon: float, radius_m: float) -> PlaceCover | None:
    ground, position = camera.ground, camera.position
    if ground is not None and ground.covers and not inside((lat, lon), ground.covers):
        return None
    if ground is not None and ground.marks:
        area = GroundPlane(ground.marks).area_of(lat, lon, radius_m)
        size = 0.0 if area is None else (area[2] - area[0]) * (area[3] - area[1])
        return None if area is None else PlaceCover(camera.id, area, "calibrated", -size)
    away_m = _away_m(camera, lat, lon)
    if ground is not None and ground.covers:
        return PlaceCover(camera.id, WHOLE, "drawn", away_m)
    if position.lat is not None and away_m <= NEAR_M:
        return PlaceCover(camera.id, WHOLE, "position", away_m)
    return None


def _away_m(camera: Camera, lat: float, lon: float) -> float:
    position = camera.position
    if position.lat is None or position.lon is None:
        return math.inf
    return math.hypot(*east_north(lat, lon, (position.lat, position.lon)))

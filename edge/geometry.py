# SPDX-License-Identifier: AGPL-3.0-or-later
"""Plane geometry on fractions of the frame or metres of ground: polygons, lines, overlap. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Point

Polygon = Sequence[Point]
# Mean radius of the Earth (IUGG).
EARTH_M = 6_371_008.8


def inside(point: Point, polygon: Polygon) -> bool:
    """Whether the point lies in the polygon, by the even-odd rule; the left edge counts as in."""
    x, y = point
    hit = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            hit = not hit
    return hit


def area(polygon: Polygon) -> float:
    """Unsigned area (shoelace)."""
    pairs = zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2.0


def side(point: Point, start: Point, end: Point) -> float:
    """Positive on the right of the walk from start to end (y grows downwards), 0 on the line."""
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _crosses(a: Point, b: Point, c: Point, d: Point) -> bool:
    return side(c, a, b) * side(d, a, b) < 0 and side(a, c, d) * side(b, c, d) < 0


def self_crossing(polygon: Polygon) -> bool:
    """Whether two edges of the polygon cross each other."""
    n = len(polygon)
    edges = [(polygon[i], polygon[(i + 1) % n]) for i in range(n)]
    return any(_crosses(*edges[i], *edges[j]) for i in range(n) for j in range(i + 2, n))


def foot(box: Box) -> Point:
    """Where a boxed object stands: the middle of its lower edge."""
    return ((box[0] + box[2]) / 2.0, box[3])


def centre(box: Box) -> Point:
    return ((box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0)


def distance(a: Point, b: Point, aspect: float = 1.0) -> float:
    """Distance in frame heights: x fractions are stretched by width / height."""
    return math.hypot((a[0] - b[0]) * aspect, a[1] - b[1])


def from_line(point: Point, line: Sequence[Point]) -> float:
    """Distance of a point from the nearest point of a polyline, in its unit."""
    return min(_to_segment(point, a, b) for a, b in pairwise(line))


def _to_segment(p: Point, a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    share = 0.0 if length == 0 else ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length
    share = min(1.0, max(0.0, share))
    return math.hypot(p[0] - a[0] - share * dx, p[1] - a[1] - share * dy)


def east_north(lat: float, lon: float, origin: Point) -> Point:
    """Metres east and north of the origin (lat, lon), on a plane that touches the Earth there: off
    by less than 0.1 % within ten kilometres."""
    east = math.radians(lon - origin[1]) * EARTH_M * math.cos(math.radians(origin[0]))
    return east, math.radians(lat - origin[0]) * EARTH_M


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes; 0 where either is empty."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
    return w * h / union if union > 0 else 0.0


def iou_matrix(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """IoU of every pair: (n, 4) and (m, 4) to (n, m), float32."""
    # Column by column: the inner loops of numpy are then as long as the rows, not two numbers.
    ax1, ay1, ax2, ay2 = a.T[:, :, None]
    bx1, by1, bx2, by2 = b.T[:, None, :]
    both = np.minimum(ax2, bx2) - np.maximum(ax1, bx1)
    height = np.minimum(ay2, by2) - np.maximum(ay1, by1)
    both *= height
    both[height <= 0] = 0
    np.maximum(both, 0, out=both)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - both
    result: NDArray[np.float32] = np.zeros_like(both)
    np.divide(both, union, out=result, where=union > 0)
    return result


def contact_band(box: Box, share: float) -> Box:
    """The lowest `share` of a box: what touches the ground. A tall awning does not stand on it."""
    return (box[0], box[3] - (box[3] - box[1]) * share, box[2], box[3])


def size_of(box: Box, aspect: float = 1.0) -> float:
    """The side of the square as large as the box, in frame heights: how big the object looks."""
    return math.sqrt(max(0.0, (box[2] - box[0]) * aspect * (box[3] - box[1])))


def within(inner: Box, outer: Box) -> float:
    """Share of the inner box's area that lies in the outer one; 0 for an empty box."""
    w = min(inner[2], outer[2]) - max(inner[0], outer[0])
    h = min(inner[3], outer[3]) - max(inner[1], outer[1])
    whole = (inner[2] - inner[0]) * (inner[3] - inner[1])
    return w * h / whole if w > 0 and h > 0 and whole > 0 else 0.0


def around(a: Box, b: Box) -> Box:
    """The smallest box that holds both."""
    return (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))


def mixed(a: Box, b: Box, share: float) -> Box:
    """Between two boxes: a where share is 0, b where it is 1."""
    return (
        a[0] + (b[0] - a[0]) * share,
        a[1] + (b[1] - a[1]) * share,
        a[2] + (b[2] - a[2]) * share,
        a[3] + (b[3] - a[3]) * share,
    )


def apart(a: Box, b: Box, aspect: float = 1.0) -> float:
    """Gap between two boxes in frame heights; 0 where they touch or overlap."""
    dx = max(a[0] - b[2], b[0] - a[2], 0.0) * aspect
    dy = max(a[1] - b[3], b[1] - a[3], 0.0)
    return math.hypot(dx, dy)

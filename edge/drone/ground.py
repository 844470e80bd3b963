# SPDX-License-Identifier: AGPL-3.0-or-later
"""Many pixels to ground metres and back at once, footprints, ground sample distance. Pure.

Flat ground below the camera, in metres (east, north) of a flight's plane: for tiles, coverage,
footprints and tracks, where a curved Earth or a height grid would change centimetres.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge.drone import rotation
from edge.drone.earth import Local
from edge.drone.georef import GroundView

Floats = NDArray[np.float64]
# A footprint is cut where rays get flatter than this: what lies beyond is seen, not inspected.
FLAT_DEG = 20.0
_EDGE = np.concatenate(
    [
        np.stack([np.linspace(0, 1, 9)[:-1], np.zeros(8)], 1),
        np.stack([np.ones(8), np.linspace(0, 1, 9)[:-1]], 1),
        np.stack([np.linspace(1, 0, 9)[:-1], np.ones(8)], 1),
        np.stack([np.zeros(8), np.linspace(1, 0, 9)[:-1]], 1),
    ]
)


def _fy(view: GroundView) -> float:
    return view.fx if view.fy is None else view.fy


def to_ground(
    view: GroundView, pixels: Floats, plane: Local, *, flattest_deg: float = 0.5
) -> Floats:
    """Metres (n, 2) east and north of pixels (n, 2); NaN for rays flatter than `flattest_deg`."""
    turned = rotation.attitude(view.yaw_deg, view.pitch_deg, view.roll_deg)
    rays = np.column_stack(
        [
            np.ones(len(pixels)),
            (pixels[:, 0] - view.width / 2.0) / view.fx,
            (pixels[:, 1] - view.height / 2.0) / _fy(view),
        ]
    )
    ned = rays @ turned.T
    down = ned[:, 2] / np.linalg.norm(ned, axis=1)
    steep = down > math.sin(math.radians(flattest_deg))
    scale = np.where(steep, view.h_m / np.where(steep, ned[:, 2], 1.0), np.nan)
    east, north = plane.metres(view.lat, view.lon)
    return np.column_stack([east + ned[:, 1] * scale, north + ned[:, 0] * scale])


def to_pixels(view: GroundView, points: Floats, plane: Local) -> Floats:
    """Pixels (n, 2) of ground points (n, 2) in metres; NaN for points behind the camera."""
    east, north = plane.metres(view.lat, view.lon)
    down = np.full(len(points), view.h_m)
    ned = np.column_stack([points[:, 1] - north, points[:, 0] - east, down])
    body = ned @ rotation.attitude(view.yaw_deg, view.pitch_deg, view.roll_deg)
    ahead = body[:, 0] > 1e-6
    depth = np.where(ahead, body[:, 0], np.nan)
    return np.column_stack(
        [
            view.width / 2.0 + view.fx * body[:, 1] / depth,
            view.height / 2.0 + _fy(view) * body[:, 2] / depth,
        ]
    )


def homography(view: GroundView, plane: Local) -> Floats:
    """(3, 3) from ground metres to pixels, scaled to 1 at its last element where that is not 0."""
    east, north = plane.metres(view.lat, view.lon)
    turned = rotation.attitude(view.yaw_deg, view.pitch_deg, view.roll_deg).T
    # Body coordinates of (east, north, 1) on the plane, then the pinhole.
    to_ned = np.array([[0.0, 1.0, -north], [1.0, 0.0, -east], [0.0, 0.0, view.h_m]])
    body = turned @ to_ned
    pinhole = np.array(
        [[view.width / 2.0, view.fx, 0.0], [view.height / 2.0, 0.0, _fy(view)], [1.0, 0.0, 0.0]]
    )
    matrix: Floats = pinhole @ body
    return matrix / matrix[2, 2] if abs(matrix[2, 2]) > 1e-12 else matrix


def footprint(view: GroundView, plane: Local) -> Floats:
    """Outline (n, 2) in metres of the ground that is inspected: rays of 20 degrees and steeper.

    Empty (0, 2) where the camera looks too flat altogether.
    """
    edge = _EDGE * [view.width, view.height]
    outline = to_ground(view, edge, plane, flattest_deg=FLAT_DEG)
    if not np.isnan(outline).any():
        return outline
    top = _flattest_row(view)
    if top is None:
        return np.zeros((0, 2))
    edge[:, 1] = np.maximum(edge[:, 1], top)
    outline = to_ground(view, edge, plane, flattest_deg=FLAT_DEG)
    return outline[~np.isnan(outline).any(axis=1)]


def _flattest_row(view: GroundView) -> float | None:
    """The picture row below which every ray of the middle column is steep enough."""
    rows = np.linspace(0.0, view.height, 65)
    pixels = np.column_stack([np.full(65, view.width / 2.0), rows])
    here = to_ground(view, pixels, Local(view.lat, view.lon), flattest_deg=FLAT_DEG)
    steep = np.nonzero(~np.isnan(here[:, 0]))[0]
    return float(rows[steep[0]]) if len(steep) else None


def gsd_m(view: GroundView, u: float, v: float) -> float | None:
    """Metres of ground across one pixel (perpendicular to the ray); None above the horizon."""
    plane = Local(view.lat, view.lon)
    there = to_ground(view, np.array([[u, v]], float), plane)[0]
    if np.isnan(there[0]):
        return None
    slant = math.sqrt(float(there[0]) ** 2 + float(there[1]) ** 2 + view.h_m**2)
    across = math.hypot((u - view.width / 2.0) / view.fx, (v - view.height / 2.0) / _fy(view))
    return slant / view.fx / math.hypot(1.0, across)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The look that shows a place best, for all places in one walk through a flight's looks. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.drone.earth import Local
from edge.drone.ground import to_pixels
from edge.drone.look import KeyFrame

# Ground is shown only where it lies this far (share of the picture) from the picture's edge.
MARGIN = 0.08
# Where the whole patch round a place should be in the picture.
PATCH_M = 15.0

Key = TypeVar("Key", bound=Hashable)


def finest(
    looks: Iterable[KeyFrame],
    places: Mapping[Key, tuple[float, float]],
    plane: Local,
    *,
    coarsest_m: float,
) -> dict[Key, KeyFrame]:
    """For each place (metres) the look with the finest ground there, well inside the picture.

    Looks that show the ground around it too are preferred to finer ones that cut it. Places that
    no look shows at `coarsest_m` or finer are left out: they were not inspected.
    """
    if not places:
        return {}
    keys, points = list(places), np.array(list(places.values()), float)
    best: dict[Key, tuple[float, KeyFrame]] = {}
    for look in looks:
        if look.view is None or look.why is not None:
            continue
        costs = _costs(look, points, plane, coarsest_m)
        for number in np.flatnonzero(np.isfinite(costs)).tolist():
            cost = float(costs[number])
            if keys[number] not in best or cost < best[keys[number]][0]:
                best[keys[number]] = (cost, look)
    return {key: look for key, (_, look) in best.items()}


def _costs(
    look: KeyFrame, points: NDArray[np.float64], plane: Local, coarsest_m: float
) -> NDArray[np.float64]:
    """Ground sample distance, tripled where the patch is cut; infinite where it is not shown."""
    view = look.view
    assert view is not None
    east, north = plane.metres(view.lat, view.lon)
    slant = np.sqrt((points[:, 0] - east) ** 2 + (points[:, 1] - north) ** 2 + view.h_m**2)
    gsd = slant / view.fx
    shown = _inside(to_pixels(view, points, plane), view.width, view.height, MARGIN)
    whole = np.ones(len(points), bool)
    for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        corners = to_pixels(view, points + np.array([dx, dy]) * PATCH_M, plane)
        whole &= _inside(corners, view.width, view.height, 0.0)
    costs = np.where(whole, gsd, 3.0 * gsd)
    return np.where(shown & (gsd <= coarsest_m), costs, np.inf)


def _inside(
    pixels: NDArray[np.float64], width: int, height: int, margin: float
) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return (
            (pixels[:, 0] > margin * width)
            & (pixels[:, 0] < (1 - margin) * width)
            & (pixels[:, 1] > margin * height)
            & (pixels[:, 1] < (1 - margin) * height)
        )

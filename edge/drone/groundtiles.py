# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where in a picture to look, how closely: tiles from ground sample distance and sites. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.drone.earth import Local
from edge.drone.georef import GroundView
from edge.drone.ground import gsd_m, to_ground
from edge.drone.sites import Area
from edge.values import Box

# A detector finds half as many objects that are smaller than this at its input.
LEAST_PX = 16.0
OVERLAP = 0.2
MOST_TILES = 40
# A tile belongs to a site if one of its 5 x 5 sample points does.
_SAMPLES = np.stack(np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 1, 5)), -1).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Plan:
    """Regions (fractions of the picture) to look at, the whole picture first where it is asked
    for; the tile's side in picture pixels; how many tiles a plan without sites had."""

    regions: tuple[Box, ...]
    side_px: int
    all_tiles: int


def plan(
    view: GroundView,
    areas: Sequence[Area],
    plane: Local,
    *,
    input_px: int = 640,
    object_m: float = 0.8,
    everywhere: bool = False,
) -> Plan:
    """Tiles in which an object of `object_m` (its shorter side) gets at least 16 input pixels.

    Only tiles that show ground of one of the areas; with no areas (or `everywhere`) all of the
    ground. Pictures in which no area shows give no region at all.
    """
    gsd = gsd_m(view, view.width / 2.0, view.height * 0.6) or gsd_m(
        view, view.width / 2, view.height
    )
    if gsd is None:
        return Plan((), input_px, 0)
    side = _side(view, gsd, input_px, object_m)
    columns, rows = _starts(view.width, side), _starts(view.height, side)
    boxes = [
        (
            x / view.width,
            y / view.height,
            min(1.0, (x + side) / view.width),
            min(1.0, (y + side) / view.height),
        )
        for y in rows
        for x in columns
    ]
    kept = boxes if everywhere or not areas else [b for b in boxes if _shows(view, b, areas, plane)]
    if not kept:
        return Plan((), side, len(boxes))
    whole = [(0.0, 0.0, 1.0, 1.0)] if len(boxes) > 1 else []
    return Plan(tuple(whole + kept), side, len(boxes))


def _side(view: GroundView, gsd: float, input_px: int, object_m: float) -> int:
    """Tile side in picture pixels: native at the smallest, the whole picture at the largest."""
    wanted = input_px * (object_m / gsd) / LEAST_PX
    largest = max(view.width, view.height)
    side = min(largest, max(input_px, round(wanted)))
    while len(_starts(view.width, side)) * len(_starts(view.height, side)) > MOST_TILES:
        side = math.ceil(side * 1.1)
    return min(side, largest)


def _starts(length: int, side: int) -> list[float]:
    """Evenly spread starts that overlap by at least OVERLAP of the side."""
    if side >= length:
        return [0.0]
    count = math.ceil((length - side) / (side * (1.0 - OVERLAP)) - 1e-9) + 1
    return [index * (length - side) / (count - 1) for index in range(count)]


def _shows(view: GroundView, box: Box, areas: Sequence[Area], plane: Local) -> bool:
    corner = np.array([box[0], box[1]]) * [view.width, view.height]
    size = np.array([box[2] - box[0], box[3] - box[1]]) * [view.width, view.height]
    ground = to_ground(view, corner + _SAMPLES * size, plane, flattest_deg=5.0)
    points = ground[~np.isnan(ground[:, 0])]
    return any(area.holds(east, north) for area in areas for east, north in points.tolist())

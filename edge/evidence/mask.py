# SPDX-License-Identifier: AGPL-3.0-or-later
"""Hiding what a public copy must not show: heads of people, plates of vehicles, masked zones. Pure.

The original is kept apart and never altered; these functions return copies. There is no face
model on the box: a head is the upper part of a person's box, a plate the lower middle of a
vehicle's. Both are taken generously, since hiding too much is the smaller mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from edge.geometry import iou
from edge.values import Box, Image, Track

PEOPLE = frozenset({"person"})
VEHICLES = frozenset({"car", "truck", "bus", "motorcycle", "muck_truck"})
HEAD_SHARE = 0.28
PLATE_BAND = (0.45, 1.0)
MOSAIC_CELLS = 6
INVOLVED_IOU = 0.5


def blackened(image: Image, polygons: Iterable[Sequence[tuple[float, float]]]) -> Image:
    """A copy with the polygons (fractions) painted black: zones of kind `mask`."""
    out = image.copy()
    height, width = image.shape[:2]
    for polygon in polygons:
        corners = np.array([(x * width, y * height) for x, y in polygon])
        cv2.fillPoly(out, [corners.round().astype(np.int32)], (0, 0, 0))
    return out


def public_copy(image: Image, tracks: Iterable[Track], subject: Box | None) -> Image:
    """A copy fit for a notice or a newspaper: every head and every other vehicle's plate hidden."""
    out = image.copy()
    for track in tracks:
        if track.label in PEOPLE:
            _mosaic(out, head(track.box))
        elif track.label in VEHICLES and not _involved(track.box, subject):
            _mosaic(out, plate(track.box))
    return out


def head(box: Box) -> Box:
    x1, y1, x2, y2 = box
    margin = (x2 - x1) * 0.1
    return (x1 - margin, y1 - margin, x2 + margin, y1 + (y2 - y1) * HEAD_SHARE)


def plate(box: Box) -> Box:
    x1, y1, x2, y2 = box
    top, low = PLATE_BAND
    return (x1, y1 + (y2 - y1) * top, x2, y1 + (y2 - y1) * low)


def _involved(box: Box, subject: Box | None) -> bool:
    return subject is not None and iou(box, subject) >= INVOLVED_IOU


def _mosaic(image: Image, box: Box) -> None:
    """Replace the box by a few flat cells; too few to reconstruct a face or a plate from."""
    height, width = image.shape[:2]
    x1, x2 = max(0, int(box[0] * width)), min(width, int(box[2] * width) + 1)
    y1, y2 = max(0, int(box[1] * height)), min(height, int(box[3] * height) + 1)
    if x2 <= x1 or y2 <= y1:
        return
    part = image[y1:y2, x1:x2]
    cells = (min(MOSAIC_CELLS, x2 - x1), min(MOSAIC_CELLS, y2 - y1))
    small = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
    image[y1:y2, x1:x2] = cv2.resize(small, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)

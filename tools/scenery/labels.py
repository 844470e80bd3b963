# SPDX-License-Identifier: AGPL-3.0-or-later
"""Classes and boxes: what is labelled, from which pixels, and what is too little to label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tools.scenery.shapes import Floats

CLASSES = (
    "person",
    "vendor_stall",
    "muck_truck",
    "garbage",
    "dust",
    "smoke",
    "grill",
    "fire",
    "excavator",
    "spillage",
    "car",
    "truck",
    "bus",
    "bicycle",
    "motorcycle",
    "umbrella",
)
# A plume's box holds the pixels whose opacity is at least this: the definition of its extent.
PLUME_OPACITY = {"dust": 0.20, "smoke": 0.16, "fire": 0.25}
MIN_SIDE_PX = 5
MIN_AREA_PX = 40


@dataclass(frozen=True)
class Box:
    """Pixel corners, right and lower edge exclusive; `entity` ties it to a thing of the scene."""

    label: str
    x0: int
    y0: int
    x1: int
    y1: int
    entity: int = 0

    @property
    def area(self) -> int:
        return max(0, self.x1 - self.x0) * max(0, self.y1 - self.y0)


def extent(mask: np.ndarray[Any, Any]) -> tuple[int, int, int, int] | None:
    """Smallest (x0, y0, x1, y1) round the true pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def index_boxes(index: Floats, labels: dict[int, str]) -> list[Box]:
    """Boxes of the entities seen in an index picture (entity number per pixel)."""
    found, whole = [], np.rint(index).astype(np.int32)
    for entity in np.unique(whole):
        label = labels.get(int(entity))
        if label is None:
            continue
        mask = whole == entity
        corners = extent(mask)
        if corners and large_enough(corners, int(mask.sum())):
            found.append(Box(label, *corners, int(entity)))
    return found


def large_enough(corners: tuple[int, int, int, int], pixels: int) -> bool:
    x0, y0, x1, y1 = corners
    return min(x1 - x0, y1 - y0) >= MIN_SIDE_PX and pixels >= MIN_AREA_PX


def plume_box(opacity: Floats, label: str, entity: int = 0) -> Box | None:
    """Box of a plume from its opacity picture; wisps outside the main body do not count."""
    import cv2

    mask = (cv2.GaussianBlur(opacity, (0, 0), 1.5) >= PLUME_OPACITY[label]).astype(np.uint8)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return None
    areas = stats[1:, 4]
    keep = np.flatnonzero(areas >= 0.08 * areas.max()) + 1
    corners = extent(np.isin(parts, keep))
    if corners is None or not large_enough(corners, int(areas.sum())):
        return None
    return Box(label, *corners, entity)


def yolo_lines(boxes: Iterable[Box], width: int, height: int) -> str:
    """YOLO text: class, centre and size as fractions."""
    lines = []
    for box in boxes:
        numbers = (
            (box.x0 + box.x1) / 2 / width,
            (box.y0 + box.y1) / 2 / height,
            (box.x1 - box.x0) / width,
            (box.y1 - box.y0) / height,
        )
        lines.append(f"{CLASSES.index(box.label)} " + " ".join(f"{n:.6f}" for n in numbers) + "\n")
    return "".join(lines)


def as_json(boxes: Sequence[Box]) -> list[dict[str, object]]:
    return [asdict(box) for box in boxes]

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Real things seen from above as cut-outs: there are few of them, on few backgrounds."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Image
from tools.training.cutouts import Cutout
from tools.training.shots import Shot

LEAST_TRANSPLANT_PX = 20  # short side; smaller ones are smears
# Source, class: kind of the cut-out, and whether it is round (an umbrella) or fills its box.
TRANSPLANTS = {
    ("drone_trucks", "muck_truck"): ("real_truck", False),
    ("aerial_stalls", "vendor_stall"): ("real_stall", True),
}


def transplants(shots: list[Shot], names: tuple[str, ...]) -> Iterator[Cutout]:
    """Every whole box of the table above, large enough to be more than a smear."""
    for shot in shots:
        if shot.item.origin != "real":
            continue
        for box, label in zip(shot.boxes, shot.labels, strict=True):
            wanted = TRANSPLANTS.get((shot.item.source, names[label]))
            if wanted is None or not _whole(box):
                continue
            cutout = _transplant(shot.image, box, names[label], *wanted)
            if min(cutout.index.shape) >= LEAST_TRANSPLANT_PX:
                yield cutout


def _whole(box: NDArray[np.float32]) -> bool:
    """Not cut by the picture's edge."""
    return bool(box.min() > 0.005 and box.max() < 0.995)


def _transplant(
    image: Image, box: NDArray[np.float32], name: str, kind: str, is_round: bool
) -> Cutout:
    """The thing with a feathered border of its own ground."""
    size = np.array([image.shape[1], image.shape[0]] * 2)
    x1, y1, x2, y2 = (box * size).astype(int)
    margin = max(2, round(0.08 * max(x2 - x1, y2 - y1)))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    part = image[top : y2 + margin, left : x2 + margin]
    index = np.zeros(part.shape[:2], np.uint8)
    if is_round:
        middle = ((x1 + x2) // 2 - left, (y1 + y2) // 2 - top)
        cv2.ellipse(index, middle, ((x2 - x1) // 2, (y2 - y1) // 2), 0, 0, 360, 1, -1)
    else:
        index[y1 - top : y2 - top, x1 - left : x2 - left] = 1
    alpha = cv2.blur((index * 255), (2 * margin // 2 + 1,) * 2)[..., None]
    return Cutout(np.concatenate([part, alpha], 2), index, {1: name}, kind, "drone")

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Does a place look as it did while the object stood there? Small grey patches, compared."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image

SIDE = 12
# Grey levels: below this spread a patch is fog, glare or night and says nothing.
FLAT = 3.0
SAME = 0.75
CHANGED = 0.4

Patch = NDArray[np.float32]


def patch_of(image: Image, box: Box) -> Patch | None:
    """float32 (SIDE * SIDE,), mean 0 and length 1, so that brighter or darker light is the same.

    None where the box holds too few pixels or no structure.
    """
    height, width = image.shape[:2]
    x1, x2 = (int(np.clip(v, 0.0, 1.0) * width) for v in (box[0], box[2]))
    y1, y2 = (int(np.clip(v, 0.0, 1.0) * height) for v in (box[1], box[3]))
    if x2 - x1 < SIDE // 2 or y2 - y1 < SIDE // 2:
        return None
    # Every third pixel of a large crop is plenty for a 12 x 12 mean.
    stride = max(1, min(x2 - x1, y2 - y1) // (SIDE * 4))
    crop = np.ascontiguousarray(image[y1:y2:stride, x1:x2:stride])
    small = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = small.astype(np.float32).mean(axis=2) if small.ndim == 3 else small.astype(np.float32)
    grey -= grey.mean()
    if float(grey.std()) < FLAT:
        return None
    result: Patch = (grey / np.linalg.norm(grey)).ravel()
    return result


def alike(a: Patch, b: Patch) -> float:
    """Correlation of two patches, -1..1."""
    return float(np.dot(a, b))


def blended(old: Patch, new: Patch, share: float) -> Patch:
    """A slow average that stays of length 1: the light of the day changes, the object does not."""
    mixed = old + (new - old) * np.float32(share)
    norm = float(np.linalg.norm(mixed))
    result: Patch = (mixed / norm if norm > 0 else new).astype(np.float32)
    return result

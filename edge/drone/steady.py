# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the picture moved between two key frames, by what is in it. Owns the previous picture.

Poses predict where ground goes; noise of yaw and time makes that metres wrong. Corners followed
through both pictures (sparse optical flow, started at the predicted place) measure it.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Image

# 640 x 360 and 300 corners: 0.06 px of error at 6 ms of one core (docs/drone.md).
WIDTH = 640
CORNERS = 300
LEAST_CORNERS = 12
RANSAC_PX = 1.5

Matrix = NDArray[np.float64]


class Steady:
    """Gives the homography from the previous picture to this one, in pixels of the full picture."""

    def __init__(self) -> None:
        self._grey: NDArray[np.uint8] | None = None

    def step(self, image: Image, predicted: Matrix | None) -> Matrix | None:
        """(3, 3), or None where too few corners survive (then the poses alone are used)."""
        scale = WIDTH / image.shape[1]
        size = (WIDTH, max(1, round(image.shape[0] * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        grey: Any = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        before, self._grey = self._grey, grey
        if before is None or before.shape != grey.shape or predicted is None:
            return None
        shrink = np.diag([scale, scale, 1.0])
        moved = _follow(before, grey, shrink @ predicted @ np.linalg.inv(shrink))
        return None if moved is None else np.linalg.inv(shrink) @ moved @ shrink


def _follow(before: Any, after: Any, guess: Matrix) -> Matrix | None:
    corners = cv2.goodFeaturesToTrack(before, CORNERS, 0.01, 0, blockSize=5)
    if corners is None or len(corners) < LEAST_CORNERS:
        return None
    start: Any = cv2.perspectiveTransform(corners, guess).astype(np.float32)
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        corners,
        start,
        winSize=(21, 21),
        maxLevel=3,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    kept = status.ravel() == 1
    if int(kept.sum()) < LEAST_CORNERS:
        return None
    matrix, inliers = cv2.findHomography(corners[kept], found[kept], cv2.RANSAC, RANSAC_PX)
    if (
        matrix is None
        or inliers is None
        or int(inliers.sum()) < max(LEAST_CORNERS, 0.4 * kept.sum())
    ):
        return None
    return np.asarray(matrix, np.float64)

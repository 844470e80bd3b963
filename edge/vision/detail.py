# SPDX-License-Identifier: AGPL-3.0-or-later
"""Two pictures compared: what differs by more than noise, exposure, light on a part of the street
or a swaying pole. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Image
from edge.vision.yolo import as_bgr

Grey = NDArray[np.uint8]
Plane = NDArray[np.float32]

LONG_SIDE = 320
# Detail is what differs from its surroundings: a box mean of this side (of 320) is taken off, so
# that exposure steps, rolling flicker and cloud shadows, which are broad, leave no difference.
SURROUND = 31
# Grey levels by which detail must change, whatever the noise; and in standard deviations of it.
LEAST_CHANGE, NOISE_SHARE = 7.0, 5.0
# Least side of a changed blob, in pixels of 320: rain streaks and single noisy pixels are thinner.
LEAST_BLOB = 3
# Light (headlights at night) makes a part of the street at most so many times as bright, or as
# dark, between two pictures; a black picture is told by levels above this. Light has no edges: it
# is the mean of so many pixels of 320 each way. It makes the noise and the coarse steps of what was
# dark as many times as strong.
LIGHT_MOST, BLACK, LIGHT_SIDE = 6.0, 8.0, 15
# The median distance of two samples of normal noise, in standard deviations of it.
MEDIAN_OF_NORMAL = 0.954
# The brightest that a picture tells of.
WHITE = 255.0
# A camera sways by so many pixels of 320 at most, and all of the picture with it: by the median of
# tiles that have edges in both directions, so many at least. A thing is in a few of them.
SWAY_MOST, TILES_ACROSS, TILES_DOWN, TILES_LEAST, EDGES_LEAST = 1.0, 10, 6, 12, 2.0

_BLOB = np.ones((LEAST_BLOB, LEAST_BLOB), np.uint8)


@dataclass(frozen=True, slots=True)
class Detail:
    """A picture as it is compared: grey, small, lightly smoothed, float32 (about 180, 320). fine:
    without its broad part; broad: that part."""

    fine: Plane
    broad: Plane

    @property
    def shape(self) -> tuple[int, ...]:
        return self.fine.shape

    @property
    def whole(self) -> Plane:
        """The picture itself: broad and fine."""
        return np.asarray(self.fine + self.broad, np.float32)

    def copy(self) -> Detail:
        """One that may be changed by itself."""
        return Detail(self.fine.copy(), self.broad.copy())

    def follow(self, now: Detail, share: float) -> None:
        """Become more like `now`, in place."""
        cv2.accumulateWeighted(now.fine, self.fine, share)
        cv2.accumulateWeighted(now.broad, self.broad, share)


def detail_of(image: Image) -> Detail:
    """The detail of a picture (BGR or grey) of any size."""
    height, width = image.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(image, size)
    if small.ndim == 3:
        small = cv2.cvtColor(as_bgr(np.asarray(small, np.uint8)), cv2.COLOR_BGR2GRAY)
    smooth = cv2.blur(small, (3, 3))
    # Whole numbers are summed exactly, and faster.
    broad = np.asarray(cv2.boxFilter(smooth, cv2.CV_32F, (SURROUND, SURROUND)), np.float32)
    return Detail(np.asarray(smooth - broad, np.float32), broad)


def noise_level(now: Detail, before: Detail) -> float:
    """Grey levels by which pixels of these two must differ, by the noise between them."""
    return max(LEAST_CHANGE, NOISE_SHARE * noise_between(now, before))


def noise_between(now: Detail, before: Detail) -> float:
    """Standard deviation of the picture noise from the median change between two pictures: half of
    the pixels may move before it is touched."""
    step = np.asarray(cv2.absdiff(now.fine[::4, ::4], before.fine[::4, ::4]), np.float32)
    return _median(step) / MEDIAN_OF_NORMAL


def _median(values: Plane) -> float:
    """The same as numpy's, which takes four times as long to look for what is no number."""
    upper = values.size // 2
    lower = upper - 1 + values.size % 2
    parted = np.partition(values, (lower, upper), axis=None)
    return float((parted[lower] + parted[upper]) / np.float32(2.0))


def differing(now: Detail, before: Detail, level: float) -> Grey:
    """1 where the picture differs from an earlier one by more than so many grey levels, and not by
    the exposure."""
    return _beyond(cv2.absdiff(now.fine, before.fine * gain_of(now, before)), level)


def unexplained(mask: Grey, now: Detail, before: Detail, level: float) -> Grey:
    """What of `differing` neither light on a part of the street nor a swaying camera explains."""
    if not mask.any():
        return mask
    light = _light(now, before)
    expected = np.minimum(light * (before.whole + BLACK) - BLACK, np.float32(WHITE))
    across, down = _gradient(expected)
    dx, dy = _sway(now.whole - expected, across, down)
    difference = cv2.absdiff(now.whole, expected - dx * across - dy * down)
    left = _beyond(difference, np.asarray(level * np.maximum(light, 1.0), np.float32))
    return np.asarray(cv2.bitwise_and(mask, left), np.uint8)


def gain_of(now: Detail, before: Detail) -> float:
    """How much stronger all contrast has become: an exposure step scales detail as a whole."""
    strong, was = (cv2.norm(one.fine, cv2.NORM_L1) / one.fine.size for one in (now, before))
    return min(2.0, max(0.5, strong / was)) if was > 0.5 else 1.0


def _beyond(difference: Any, level: float | Plane) -> Grey:
    mask = cv2.morphologyEx((difference > level).astype(np.uint8), cv2.MORPH_OPEN, _BLOB)
    return np.asarray(mask, np.uint8)


def _light(now: Detail, before: Detail) -> Plane:
    """How much brighter each part of the street is. What comes changes the ratio of the pictures at
    its edges, where light does not."""
    ratio = (now.whole + BLACK) / (before.whole + BLACK)
    bounded = np.clip(ratio, 1.0 / LIGHT_MOST, LIGHT_MOST).astype(np.float32)
    return np.asarray(cv2.blur(bounded, (LIGHT_SIDE, LIGHT_SIDE)), np.float32)


def _gradient(plane: Plane) -> tuple[Plane, Plane]:
    """Grey levels a pixel, across and down."""
    step = np.array([[-0.5, 0.0, 0.5]], np.float32)
    across, down = cv2.filter2D(plane, -1, step), cv2.filter2D(plane, -1, step.T)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _sway(difference: Plane, across: Plane, down: Plane) -> tuple[float, float]:
    """By how many pixels all of the picture has moved (Lucas and Kanade 1981, tile by tile, and
    the median of the tiles); 0 where too few can tell, or it is too far."""

    def mean(values: Plane) -> Plane:
        size = (TILES_ACROSS, TILES_DOWN)
        return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)

    xx, yy, xy = mean(across * across), mean(down * down), mean(across * down)
    x, y = mean(across * difference), mean(down * difference)
    det = xx * yy - xy * xy
    clear = det > np.maximum(EDGES_LEAST**2, 0.1 * (xx + yy) ** 2 / 4.0)
    if int(clear.sum()) < TILES_LEAST:
        return 0.0, 0.0
    dx = float(np.median(-(yy * x - xy * y)[clear] / det[clear]))
    dy = float(np.median(-(xx * y - xy * x)[clear] / det[clear]))
    return (dx, dy) if max(abs(dx), abs(dy)) <= SWAY_MOST else (0.0, 0.0)

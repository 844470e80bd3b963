# SPDX-License-Identifier: AGPL-3.0-or-later
"""Did anything change between two key pictures, seconds apart, that does not change all the time?

Both were encoded alike, so what differs differs in the world. A tree in the wind or a lamp differs
every time: places that do are left out, place by place, and no others. What differs everywhere
(rain) is learnt as a whole. Pure: time is an argument.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Image
from edge.vision.gate import LEAST_BLOB, LEAST_CHANGE, NOISE_SHARE, detail_of, gain_of

# Sides of a place, in pixels of 320.
PLACE = 8
# A place is restless that differed in more than this share of the comparisons of the last
# RESTLESS_S, and calm again below half of it. A walker each minute makes none restless.
RESTLESS, RESTLESS_S = 0.25, 60.0
# So many pixels of 320 x 180 in calm places are a change: 1/60 of the picture's height each way.
LEAST_PIXELS = 9
# What is usual follows in so many comparisons; a change exceeds it by so many usual deviations.
# What exceeds it by more than this many times its limit came, and teaches nothing more.
COMPARISONS, DEVIATIONS, TEACHES_MOST = 15.0, 2.5, 3.0
_BLOB = np.ones((LEAST_BLOB, LEAST_BLOB), np.uint8)

Rates = NDArray[np.float32]


class KeyChange:
    """One camera's. Owned by the thread that reads."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._before_s = -math.inf
        self._rates: Rates = np.zeros((1, 1), np.float32)
        self._restless: NDArray[np.bool_] = np.zeros((1, 1), np.bool_)
        self._usual = self._spread = 0.0

    @property
    def restless(self) -> float:
        """Share of the picture in which a change is no news."""
        return float(self._restless.mean())

    def __call__(self, image: Image, now_s: float, fresh: bool) -> bool:
        """Whether this key picture differs from the one before. fresh: there is none before."""
        detail = detail_of(image)
        before, dt = self._before, now_s - self._before_s
        self._before, self._before_s = detail, now_s
        if before is None or before.shape != detail.shape:
            self._rates = np.zeros(_places(np.zeros(detail.shape, np.uint8)).shape, np.float32)
            self._restless = self._rates > 0.0
            return False
        if fresh:
            return False
        differing = _differing(detail, before)
        calm = int(differing[~self._restless].sum())
        self._learn(differing > 0.0, min(1.0, dt / RESTLESS_S))
        limit = max(float(LEAST_PIXELS), self._usual + DEVIATIONS * self._spread)
        self._learn_usual(min(calm, TEACHES_MOST * limit))
        return calm >= limit

    def _learn_usual(self, calm: float) -> None:
        self._spread += (abs(calm - self._usual) - self._spread) / COMPARISONS
        self._usual += (calm - self._usual) / COMPARISONS

    def _learn(self, changed: NDArray[np.bool_], share: float) -> None:
        self._rates += (changed - self._rates) * np.float32(share)
        limit = np.where(self._restless, RESTLESS / 2.0, RESTLESS)
        self._restless = self._rates > limit


def _differing(detail: NDArray[np.float32], before: NDArray[np.float32]) -> Rates:
    """Pixels of each place by which the pictures differ, beyond light and noise."""
    difference = np.asarray(cv2.absdiff(detail, before * gain_of(detail, before)), np.float32)
    noise = float(np.median(difference)) / 0.954
    level = max(LEAST_CHANGE, NOISE_SHARE * noise)
    mask = cv2.morphologyEx((difference > level).astype(np.uint8), cv2.MORPH_OPEN, _BLOB)
    return _places(np.asarray(mask, np.uint8))


def _places(mask: NDArray[np.uint8]) -> Rates:
    """Pixels set in each place; the last row and column may be cut short."""
    height, width = mask.shape
    wide = np.zeros((-(-height // PLACE) * PLACE, -(-width // PLACE) * PLACE), np.uint8)
    wide[:height, :width] = mask
    parts = wide.reshape(wide.shape[0] // PLACE, PLACE, wide.shape[1] // PLACE, PLACE)
    return np.asarray(parts.sum(axis=(1, 3)), np.float32)

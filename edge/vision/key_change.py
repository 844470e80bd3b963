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
from edge.vision.gate import (
    LEAST_CHANGE,
    MEDIAN_OF_NORMAL,
    NOISE_SHARE,
    Detail,
    detail_of,
    differing,
    gain_of,
    unexplained,
)

# Sides of a place, in pixels of 320.
PLACE = 8
# A place is restless that differed in more than this share of the comparisons of the last
# RESTLESS_S, and calm again below half of it. A walker each minute makes none restless.
RESTLESS, RESTLESS_S = 0.25, 60.0
# So many pixels of 320 x 180 close together in calm places are a change: 1/60 of the picture's
# height each way.
LEAST_PIXELS = 9
# A place that woke for nothing is restless after two such.
WOKE_FOR_NOTHING = 0.15
# Across a time in which all was decoded, so many seconds' worth is learnt at most.
APART_S = 6.0
# What changes in a larger share of the places (a quarter of the height) is light, or what a look at
# this very picture could miss: not told any more from so many times on.
BROAD, BROAD_TIMES = 0.04, 8.0
# However often it woke for nothing, so many are told: a tenth of the picture's height each way.
MOST_PIXELS = 324.0
# What is usual follows in so many comparisons; a change exceeds it by so many usual deviations.
# What exceeds the limit by more than this many times teaches no more than that: what comes in one
# of eight key pictures, and is gone in the others, makes it no less keen.
COMPARISONS, DEVIATIONS, TEACHES_MOST = 15.0, 2.5, 1.5

Rates = NDArray[np.float32]
Places = NDArray[np.bool_]


class Restless:
    """Where something differs all the time. over_s: the time whose share counts."""

    def __init__(self, shape: tuple[int, ...], over_s: float = RESTLESS_S) -> None:
        self._rates: Rates = np.zeros(shape, np.float32)
        self._over_s = over_s
        self.places: Places = np.zeros(shape, np.bool_)

    def learn(self, changed: Places, for_s: float) -> None:
        """What changed in a comparison that stands for so many seconds."""
        self._rates += (changed - self._rates) * np.float32(for_s / self._over_s)
        limit = np.where(self.places, RESTLESS / 2.0, RESTLESS)
        self.places = self._rates > limit

    def blame(self, places: Places) -> None:
        """What was told of there was nothing: these places are the less believed."""
        self._rates[places] += np.float32(WOKE_FOR_NOTHING)


class KeyChange:
    """One camera's. Owned by the thread that reads."""

    def __init__(self) -> None:
        self._before: Detail | None = None
        self._before_s = -math.inf
        self._restless = Restless((1, 1))
        self._woke = self._restless.places
        self._usual = self._spread = 0.0
        self._limit = float(LEAST_PIXELS)

    @property
    def smallest(self) -> float:
        """Side of the smallest square that is told now, as a share of the picture's height."""
        height = self._before.shape[0] if self._before is not None else 180
        return math.sqrt(self._limit) / height

    @property
    def restless(self) -> float:
        """Share of the picture in which a change is no news."""
        return float(self._restless.places.mean())

    def __call__(self, image: Image, now_s: float, fresh: bool, times: float = 1.0) -> bool:
        """Whether this key picture differs from the one before. fresh: there is none before.
        times: so often what is usual it must be; from MOST_PIXELS on it is told always."""
        detail = detail_of(image)
        before, dt = self._before, now_s - self._before_s
        self._before, self._before_s = detail, now_s
        if before is None or before.shape != detail.shape:
            self._restless = Restless(places_of(np.zeros(detail.shape, np.uint8)).shape)
            return False
        differs, left = _differing(detail, before)
        calm = float(in_one_piece(np.where(self._restless.places, np.float32(0.0), left)).max())
        self._woke = (left > 0.0) & ~self._restless.places
        self._restless.learn(differs > 0.0, min(APART_S, dt))
        if fresh:
            return False
        usual = max(float(LEAST_PIXELS), self._usual + DEVIATIONS * self._spread)
        self._limit = max(usual, min(times * usual, MOST_PIXELS))
        broad = float(((differs > 0.0) & ~self._restless.places).mean()) > BROAD
        self._learn_usual(min(calm, TEACHES_MOST * usual))
        return calm >= self._limit and not (broad and times >= BROAD_TIMES)

    def nothing(self) -> None:
        """What it woke for last was nothing: those places are the less believed."""
        self._restless.blame(self._woke)

    def _learn_usual(self, calm: float) -> None:
        self._spread += (abs(calm - self._usual) - self._spread) / COMPARISONS
        self._usual += (calm - self._usual) / COMPARISONS


def _differing(detail: Detail, before: Detail) -> tuple[Rates, Rates]:
    """Pixels of each place by which the pictures differ beyond exposure and noise, and of these
    what is no light and no swaying pole either."""
    gain = gain_of(detail, before)
    difference = np.asarray(cv2.absdiff(detail.fine, before.fine * gain), np.float32)
    level = max(LEAST_CHANGE, NOISE_SHARE * float(np.median(difference)) / MEDIAN_OF_NORMAL)
    mask = differing(detail, before, level)
    return places_of(mask), places_of(unexplained(mask, detail, before, level))


def in_one_piece(places: Rates, side: int = 3) -> Rates:
    """Around each place, the pixels that differ in so many places each way: what comes is in one
    piece, rain is everywhere."""
    sums = cv2.boxFilter(places, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(sums, np.float32)


def places_of(mask: NDArray[np.uint8]) -> Rates:
    """Pixels set in each place; the last row and column may be cut short."""
    height, width = mask.shape
    down, across = -height % PLACE, -width % PLACE
    whole = cv2.copyMakeBorder(mask, 0, down, 0, across, cv2.BORDER_CONSTANT, value=0)
    size = (whole.shape[1] // PLACE, whole.shape[0] // PLACE)
    mean = cv2.resize(whole.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(mean * np.float32(PLACE * PLACE)), np.float32)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Did something come since the last look that no track explains? Pure: time is an argument.

A camera whose rules are content with a look a second is decoded all the same. A look is due at once
where something differs from the picture that the detector saw last at a place where none of the
tracks was or may be by now, is no light, and does not differ there all the time; or where more
moves in one piece than what is followed usually makes: in a crowd there is a track everywhere.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.geometry import Polygon
from edge.values import Image
from edge.vision.gate import Detail, Grey, detail_of, differing, noise_level, unexplained
from edge.vision.key_change import PLACE, Places, Restless, in_one_piece, places_of

# Pictures are compared so far apart, and two in a row must tell: a thing shows by then.
COMPARED_S = 0.08
# One look more in so many seconds on average, and three at once: the first may see but an edge, and
# what moves fast is the same thing for the tracker only where looks are close together.
APART_S, AT_ONCE = 0.5, 3.0
# What was told of is known by a look so much later, with which its way is known.
ANSWERED_S = 0.4
# So many pixels of 320 x 180 in PIECE by PIECE places are a thing: a 22nd of the height each way.
# Told for nothing, it must be twice as much, a ninth each way at most, and half of that after so
# many seconds.
PIECE = 5
LEAST_PIXELS, MOST_PIXELS, TIGHTER, HALVED_S = 64.0, 400.0, 2.0, 30.0
# What is seen in one piece is more than usual if it is so many times the lower quartile of the last
# comparisons: at places of no track, and among what is followed; so many pixels at least there.
NEW_TIMES, PACE_TIMES, PACE_LEAST, COMPARISONS, COMPARISONS_LEAST = 4.0, 2.4, 300.0, 300, 25
# A track may be this share of its size beside its place, and this share of its height more for each
# second since it was seen: nobody knows yet how what was seen once moves. One that moves by so many
# of its heights a second moves much, whatever is usual.
AROUND, STRAYS_PER_S, FAST = 0.3, 0.5, 0.8
# A picture that was looked at longer ago was of another light.
REFERENCE_MOST_S = 4.0

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What is followed after a look at `at_s` (mono): boxes (n, 4), fractions, and how their middle
    moves, (n, 2) fractions a second."""

    at_s: float
    boxes: NDArray[np.float32]
    speed: NDArray[np.float32]

    @staticmethod
    def nothing(at_s: float) -> Expected:
        """Nothing is followed."""
        return Expected(at_s, np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32))


class ArrivalWatch:
    """One camera's. Owned by the thread that reads, but for `looked`, which the one that looks
    calls. masks: polygons (fractions) that nothing may look into."""

    def __init__(self, masks: Sequence[Polygon] = ()) -> None:
        self._masks = tuple(masks)
        self._expected: Expected | None = None
        self._reference: tuple[float, Detail] | None = None
        self._before: tuple[float, Detail] | None = None
        self._restless = Restless((1, 1))
        self._news, self._pace = (
            UsualMost(LEAST_PIXELS, NEW_TIMES),
            UsualMost(PACE_LEAST, PACE_TIMES),
        )
        self._masked: Places = np.zeros((1, 1), np.bool_)
        self._near: Places = self._masked
        self._compared_s = self._told_s = -math.inf
        # Where it told of something, until a look has answered.
        self._asked: Places | None = None
        self._times, self._left = 1.0, AT_ONCE
        self.told = self.for_nothing = 0

    def looked(self, expected: Expected) -> None:
        """What the look at the picture posted then has found. Any thread may call."""
        self._expected = expected

    def due(self, now_s: float) -> bool:
        """Whether a picture of now is to be compared."""
        return not 0.0 <= now_s - self._compared_s < COMPARED_S - 0.01

    def posted(self) -> None:
        """The picture compared last is looked at."""
        self._reference = self._before
        self._near = np.zeros((1, 1), np.bool_)

    def tells(self, image: Image, now_s: float) -> bool:
        """Whether a look at this picture (BGR or grey, of any size) is due. Nothing is told while
        the last look waits for its answer."""
        dt, detail = now_s - self._compared_s, detail_of(image)
        self._compared_s = now_s
        (before_s, before), self._before = self._before or (-math.inf, detail), (now_s, detail)
        expected, reference = self._expected, self._reference
        if expected is None or reference is None or expected.at_s != reference[0]:
            return False
        alike = detail.shape == before.shape == reference[1].shape
        if not alike or not 0.0 <= now_s - reference[0] <= REFERENCE_MOST_S:
            return False
        self._fit(detail)
        self._forget(min(dt, 1.0))
        self._answer(expected)
        own = _boxes_on(swept(expected, now_s, detail.shape), self._masked.shape) | self._masked
        level = noise_level(detail, before)
        there = self._is_new(detail, reference[1], level, own, min(dt, 1.0))
        if now_s - before_s <= 2.0 * COMPARED_S:
            moved = places_of(differing(detail, before, level))
            known = _boxes_on(swept(_fast(expected, detail.shape), now_s, detail.shape), own.shape)
            there = np.logical_or(there, self._is_fast(moved, own, known))
        return self._told(there, now_s)

    def _fit(self, detail: Detail) -> None:
        shape = tuple(-(-side // PLACE) for side in detail.shape)
        if self._masked.shape != shape:
            self._restless = Restless(shape)
            self._masked = _covered(self._masks, detail.shape)
        if self._near.shape != shape:
            self._near = np.zeros(shape, np.bool_)

    def _forget(self, dt: float) -> None:
        self._times = max(1.0, self._times * 0.5 ** (dt / HALVED_S))
        self._left = min(AT_ONCE, self._left + dt / APART_S)

    def _told(self, there: Places, now_s: float) -> bool:
        told = bool((there & self._near).any()) and self._left >= 1.0
        self._near = _around(there)
        if told:
            self._left -= 1.0
            self._told_s = now_s
            self._asked = there if self._asked is None else self._asked | there
            self.told += 1
        return told

    def _answer(self, expected: Expected) -> None:
        """Where nothing came by at what was told of, it was nothing, and is believed less."""
        if self._asked is None or expected.at_s - self._told_s < ANSWERED_S:
            return
        asked, self._asked = self._asked, None
        came_by = swept(expected, self._told_s, asked.shape)
        if not (asked & _boxes_on(came_by, asked.shape)).any():
            self.for_nothing += 1
            self._times = min(MOST_PIXELS / LEAST_PIXELS, TIGHTER * self._times)
            self._restless.blame(asked)

    def _is_new(self, detail: Detail, seen: Detail, level: float, own: Places, dt: float) -> Places:
        """Around which places so much differs from what was looked at that belongs to no track, no
        mask and no light."""
        mask = differing(detail, seen, level)
        came = _outside(places_of(mask), own)
        together = self._calm(came)
        limit = self._news.limit
        self._news.learn(float(together.max()))
        if float(together.max()) >= limit * self._times:
            came = _outside(places_of(unexplained(mask, detail, seen, level)), own)
            together = self._calm(came)
        self._restless.learn(came > 0.0, dt)
        return np.asarray(together >= limit * self._times, np.bool_)

    def _calm(self, came: Pixels) -> Pixels:
        return in_one_piece(_outside(came, self._restless.places), PIECE)

    def _is_fast(self, moved: Pixels, slow: Places, fast: Places) -> Places:
        """Around which places of slow tracks more moves than they usually make."""
        together = _outside(in_one_piece(_outside(moved, fast | self._masked), PIECE), ~slow)
        limit = self._pace.limit
        self._pace.learn(float(together.max()))
        return np.asarray(together >= limit, np.bool_)


def _outside(pixels: Pixels, places: Places) -> Pixels:
    return np.where(places, np.float32(0.0), pixels)


def _fast(expected: Expected, shape: tuple[int, ...]) -> Expected:
    """Those that are known to move fast."""
    height = expected.boxes[:, 3] - expected.boxes[:, 1]
    moves = np.hypot(expected.speed[:, 0] * shape[1] / shape[0], expected.speed[:, 1])
    fast = moves > FAST * np.maximum(height, 1e-3)
    return Expected(expected.at_s, expected.boxes[fast], expected.speed[fast])


class UsualMost:
    """The most that is seen in one piece all the time, in pixels: more is unusual. least: what is
    unusual in any case must be more than this; times: of the lower quartile, which what comes now
    and then does not move, though it were there for half of the time."""

    def __init__(self, least: float, times: float) -> None:
        self._least, self._times = least, times
        self._lately: deque[float] = deque(maxlen=COMPARISONS)
        self._since = 0
        self.limit = math.inf

    def learn(self, value: float) -> None:
        """One comparison; nothing is unusual while too little was seen to know."""
        self._lately.append(value)
        self._since += 1
        if self._since >= COMPARISONS_LEAST or math.isinf(self.limit):
            self._since = 0
            self.limit = self._limit()

    def _limit(self) -> float:
        if len(self._lately) < COMPARISONS_LEAST:
            return math.inf
        seen = np.array(self._lately)
        return max(self._least, self._times * float(np.quantile(seen, 0.25)))


def swept(expected: Expected, now_s: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Boxes (n, 4) around where each track was at the look and may be at this time, before it or
    after, in a picture of this shape."""
    dt = now_s - expected.at_s
    boxes, aspect = expected.boxes, shape[1] / shape[0]
    size = boxes[:, 2:] - boxes[:, :2]
    far = STRAYS_PER_S * abs(dt) * size[:, 1:2] * np.array([1.0 / aspect, 1.0], np.float32)
    margin = AROUND * size + far
    shift = expected.speed * np.float32(dt)
    low = boxes[:, :2] + np.minimum(shift, 0.0) - margin
    high = boxes[:, 2:] + np.maximum(shift, 0.0) + margin
    return np.asarray(np.concatenate([low, high], axis=1), np.float32)


def _boxes_on(boxes: NDArray[np.float32], shape: tuple[int, ...]) -> Places:
    """The places that any of the boxes touches."""
    covered = np.zeros(shape, np.bool_)
    scale = np.array([shape[1], shape[0]] * 2, np.float32)
    ends = np.clip(boxes * scale, 0.0, scale)
    ends[:, 2:] = np.ceil(ends[:, 2:])
    corners: Any = ends.astype(np.int32)
    for x1, y1, x2, y2 in corners.tolist():
        covered[y1:y2, x1:x2] = True
    return covered


def _around(there: Places) -> Places:
    """What comes has moved on by two places at most when it is compared again."""
    near = cv2.dilate(there.astype(np.uint8), np.ones((5, 5), np.uint8))
    return np.asarray(near, np.bool_)


def _covered(masks: Sequence[Polygon], shape: tuple[int, ...]) -> Places:
    """The places that a masked polygon touches."""
    mask: Grey = np.zeros(shape, np.uint8)
    scale = np.array([shape[1], shape[0]], np.float64)
    for polygon in masks:
        corners = np.round(np.array(polygon, np.float64) * scale).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1)
    return places_of(mask) > 0.0

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Is a look worth an inference? A motion gate on a 320x180 grey picture, about 1 % of its cost.

It may only ever save work on a scene that stands still: it opens at least every `forced_s`, always
while the caller has something alive, and wherever something changed at or around what the caller
knows to stand there, so a parked or creeping object is never starved. Two pictures are compared by
what differs by more than noise, exposure, light on a part of the street or a swaying pole.
Pure: the time is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image
from edge.vision.yolo import as_bgr

Reason = Literal["first", "alive", "motion", "changed", "after", "forced", "quiet"]
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

# A change smaller than this share of the picture counts only where something changed before, this
# many pixels of 320 around: a leaf flashes once, a far walker goes on.
SUDDEN, AROUND = 0.005, 15
# The reference is forgotten with this time constant, so that drifting light never holds it open.
DRIFT_S = 30.0
# The noise level is learnt with this time constant.
NOISE_S = 5.0
# What moves all the time without being anything (rain, leaves, a lamp on alternating current) is
# learnt while no object moves, with this time constant: motion is what exceeds its usual share by
# this many usual deviations. Objects lost in it wait for the forced look.
USUAL_S, DEVIATIONS, USUAL_MOST = 20.0, 2.5, 0.15
# What stirs begins after so long a calm. What is over sooner than this passed, and is not usual: a
# truck that the detector does not see would dull the gate for the next one else.
CALM_S, PASSES_S = 3.0, 8.0
# The same for the one of those that stand around which most changes: of several, one strays more.
DEVIATIONS_AROUND = 4.0
# What is said to have come or moved lately is compared with the picture of so long before at least
# (longer than edge.vision.tracker.LATELY_S): where no more than this share of its box differs, it
# stood there all along.
EARLIER_S, STOOD = 3.0, 0.02
# Where the gate as a whole does not stir, more must differ: rain and trees change up to 0.06 of a
# box, what came in the dark 0.16 and more (films of tools.bench.arrivals and sleeping).
CAME = 0.1
# Where so much of what stands changes all the time, something small could come to it unnoticed.
DULL = 0.05

# Longest time without the detector while no pixel says otherwise. Nothing is judged: a still street
# costs a look in so many seconds. A clock runs: a refresh that contradicts it comes before the
# shortest miss that a rule takes for the world's (edge.hold.Terms.blink_s, 2.5 s) is over, so no
# answer hangs on a carried box. Dust and smoke are broad and faint, and taken out with the light.
AT_LATEST_S, CLOCK_S, FAINT_S = 4.0, 2.0, 1.0
# What stands is compared with itself as it was when the detector looked last, and so much of its
# surroundings: a share of its size, and pixels of 320 at least.
AROUND_SHARE, AROUND_LEAST = 0.25, 4

_NEAR = np.ones((AROUND, AROUND), np.uint8)
_BLOB = np.ones((LEAST_BLOB, LEAST_BLOB), np.uint8)


def refresh_s(*, faint: bool, clock: bool) -> float:
    """How long what the detector said last may stand where nothing changed. faint: a rule judges
    what no motion gate can be trusted to see; clock: a rule holds something."""
    if faint:
        return FAINT_S
    return CLOCK_S if clock else AT_LATEST_S


@dataclass(frozen=True, slots=True)
class GateDecision:
    """Whether to run the detector now, why, and which share of the picture moved. `dulled`: so much
    moves here all the time that something small could come unnoticed. stirs: it moved a moment ago,
    or what stands there changed, whatever else the reason is, by more than light on a part of the
    street or a swaying pole explains: what opens the gate need not stir."""

    open: bool
    reason: Reason
    moved: float = 0.0
    dulled: bool = False
    stirs: bool = True


class Usual:
    """What share of something differs all the time, and by how much that strays."""

    def __init__(self, deviations: float) -> None:
        self._deviations = deviations
        self._mean = self._spread = 0.0
        self._before: tuple[float, float] | None = None

    @property
    def limit(self) -> float:
        """More than this is unusual."""
        mean, spread = self._before or (self._mean, self._spread)
        return min(USUAL_MOST, mean + self._deviations * spread)

    def doubt(self) -> None:
        """Something begins that may be but passing: the limit stays until that is known."""
        self._before = (self._mean, self._spread)

    def settle(self, *, passed: bool) -> None:
        """It passed, so what it taught is forgotten; or it stays, and is usual."""
        if passed and self._before is not None:
            self._mean, self._spread = self._before
        self._before = None

    def learn(self, value: float, share: float) -> None:
        self._spread += (abs(value - self._mean) - self._spread) * share
        self._mean += (value - self._mean) * share


class MotionGate:
    """One camera's gate.

    forced_s: longest time without a look, 1 to 2 s by the design. after_s: how long it stays open
    after the last motion. least: share of the picture that must move; 0.0005 is a square of 1/33
    of its height.
    """

    def __init__(
        self, *, forced_s: float = 1.5, after_s: float = 0.3, least: float = 0.0005
    ) -> None:
        self._forced_s, self._after_s, self._least = forced_s, after_s, least
        self._reference: Detail | None = None
        self._previous: Detail | None = None
        self._detected: Detail | None = None
        self._mask: NDArray[np.uint8] = np.zeros((1, 1), np.uint8)
        self._noise = 2.0
        self._moving, self._changing = Usual(DEVIATIONS), Usual(DEVIATIONS_AROUND)
        self._seen_s = self._looked_s = -math.inf
        # When it moved and stirred last, and when what stirs began to.
        self._moved_s = self._stirred_s = self._began_s = -math.inf
        # Share of the picture that moved and is neither light nor a swaying pole.
        self._left = 0.0
        # Two pictures, the older one EARLIER_S old or more, and when they were.
        self._earlier: tuple[tuple[float, Detail], ...] = ()

    def look(
        self,
        image: Image,
        now_s: float,
        *,
        alive: bool = False,
        standing: Sequence[Box] = (),
        forced_s: float | None = None,
        teaches: bool = True,
    ) -> GateDecision:
        """Judge one picture. alive: tracks or candidates are waiting, so look in any case.
        standing: boxes of what stands there, to be looked at again once anything changes in or
        around them. forced_s: longest time without a look, where it is not the usual one.
        teaches: no object is known to move, so what moves now is what is usual here, and it is
        asked whether light or a swaying pole explains it.

        The gate learns from every picture it is shown, also from those it opens for anyway. A
        picture of another size, or time running backwards, starts it anew.
        """
        detail = detail_of(image)
        known = self._reference is not None and self._reference.shape == detail.shape
        if not known or now_s < self._seen_s:
            self._restart(detail, now_s)
            return GateDecision(True, "first", 1.0)
        dt = now_s - self._seen_s
        moved = self._compare(detail, dt, explain=teaches)
        around, left = self._changed(detail, standing, explain=teaches)
        self._settle(now_s)
        usual, changing = self._moving.limit, self._changing.limit
        dulled = usual > self._least or changing > DULL
        moving, changed = moved >= max(self._least, usual), around > changing
        stirring = moving and self._left >= self._least
        if stirring and now_s - self._stirred_s > CALM_S:
            self._began_s = now_s
            self._moving.doubt()
        if teaches:
            self._moving.learn(moved, min(1.0, dt / USUAL_S))
            self._changing.learn(around, min(1.0, dt / USUAL_S))
        self._previous, self._seen_s = detail, now_s
        if now_s - self._earlier[-1][0] >= EARLIER_S:
            self._earlier = (self._earlier[-1], (now_s, detail))
        if moving:
            self._moved_s, self._reference = now_s, detail.copy()
            self._stirred_s = now_s if stirring else self._stirred_s
        wait_s = self._forced_s if forced_s is None else forced_s
        wait_s = min(wait_s, self._forced_s) if dulled else wait_s
        reason = self._reason(now_s, alive, moving, changed, wait_s)
        if reason != "quiet":
            self.detected()
        stirs = (changed and left > changing) or now_s - self._stirred_s <= self._after_s
        return GateDecision(reason != "quiet", reason, moved, dulled, stirs)

    def _settle(self, now_s: float) -> None:
        """What stirs is usual once it has for PASSES_S; calm before that, it passed. Light is usual
        at once."""
        calm = now_s - self._stirred_s > CALM_S
        if calm or self._stirred_s - self._began_s >= PASSES_S:
            self._moving.settle(passed=calm)

    def detected(self) -> None:
        """The detector looks at the picture shown last: what stands is compared with it."""
        self._looked_s, self._detected = self._seen_s, self._previous

    def stood(self, boxes: Sequence[Box], most: float = STOOD) -> list[bool]:
        """Of each box, whether what the picture shown last has there was there EARLIER_S before,
        but for light, a swaying pole and this share of it; never where nothing is known of that
        time."""
        at_s, earlier = self._earlier[0] if self._earlier else (math.inf, None)
        if earlier is None or self._previous is None or self._seen_s - at_s < EARLIER_S:
            return [False] * len(boxes)
        mask = self._differing(self._previous, earlier)
        left = unexplained(mask, self._previous, earlier, self._level)
        return [_share(_part(left, box)) <= most for box in boxes]

    def _reason(
        self, now_s: float, alive: bool, moving: bool, changed: bool, wait_s: float
    ) -> Reason:
        if alive:
            return "alive"
        if moving:
            return "motion"
        if changed:
            return "changed"
        if now_s - self._moved_s <= self._after_s:
            return "after"
        return "forced" if now_s - self._looked_s >= wait_s - 1e-6 else "quiet"

    def _restart(self, detail: Detail, now_s: float) -> None:
        self._reference, self._previous, self._detected = detail.copy(), detail, detail
        self._mask = np.zeros(detail.shape, np.uint8)
        self._seen_s = self._looked_s = now_s
        self._moved_s = self._stirred_s = self._began_s = -math.inf
        self._earlier = ((now_s, detail),)

    def _compare(self, detail: Detail, dt: float, *, explain: bool) -> float:
        """Moved share against the reference: the picture of the last motion, not of the last
        frame, so that a creeping object adds up until it shows."""
        assert self._reference is not None and self._previous is not None
        noise = noise_between(detail, self._previous)
        self._noise += (noise - self._noise) * min(1.0, dt / NOISE_S)
        mask = self._differing(detail, self._reference)
        lasting = cv2.countNonZero(cv2.bitwise_and(mask, cv2.dilate(self._mask, _NEAR)))
        sudden = cv2.countNonZero(mask)
        left = mask
        if explain and sudden >= self._least * mask.size:
            left = unexplained(mask, detail, self._reference, self._level)
        self._left = cv2.countNonZero(left) / left.size
        self._reference.follow(detail, min(1.0, dt / DRIFT_S))
        self._mask = mask
        return (sudden if sudden >= SUDDEN * mask.size else lasting) / mask.size

    def _differing(self, detail: Detail, earlier: Detail) -> Grey:
        """1 where the picture differs from an earlier one by more than noise and light."""
        return differing(detail, earlier, self._level)

    @property
    def _level(self) -> float:
        return max(LEAST_CHANGE, NOISE_SHARE * self._noise)

    def _changed(
        self, detail: Detail, standing: Sequence[Box], *, explain: bool
    ) -> tuple[float, float]:
        """The largest share of one of these boxes and its surroundings that differs from the
        picture detected last, and the largest that is neither light nor a swaying pole."""
        if not standing or self._detected is None:
            return 0.0, 0.0
        mask = self._differing(detail, self._detected)
        around = _most_around(mask, standing)
        if not explain or around == 0.0:
            return around, around
        left = unexplained(mask, detail, self._detected, self._level)
        return around, _most_around(left, standing)


def _most_around(mask: Grey, standing: Sequence[Box]) -> float:
    parts = (_part(mask, box, AROUND_SHARE, AROUND_LEAST) for box in standing)
    return max(map(_share, parts), default=0.0)


def _share(part: Grey) -> float:
    return cv2.countNonZero(part) / part.size if part.size else 0.0


def _part(mask: Grey, box: Box, around: float = 0.0, least: int = 0) -> Grey:
    """The part of the mask that a box (fractions) and its surroundings cover: a share of its size,
    and so many pixels at least."""
    height, width = mask.shape
    x1, y1, x2, y2 = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    dx, dy = max(least, around * (x2 - x1)), max(least, around * (y2 - y1))
    rows = slice(max(0, int(y1 - dy)), max(1, math.ceil(y2 + dy)))
    return mask[rows, max(0, int(x1 - dx)) : max(1, math.ceil(x2 + dx))]


# --- two pictures compared ----------------------------------------------------------------------


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

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Is the picture still worth watching: frozen, black, blurred, covered, or moved? Pure.

Works on a small grey picture about once a second. What a scene normally looks like is learned
slowly, block by block; only what has always stood still there is asked whether the camera moved,
and only blocks in which something can be seen now may answer. So nightfall, headlights, rain, a
bus in front or a crowd take witnesses away, but do not testify.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Fault, Image, Json, Stamp

Grid = NDArray[np.float32]

Thumbnail = NDArray[np.uint8]

# The picture looked at, and the smaller one in which structure is compared, in blocks of 10 x 10.
WIDTH, HEIGHT = 480, 270
COLUMNS, ROWS, BLOCK = 16, 9, 10

# Fault kind -> (seconds before it starts, seconds before it ends, Chinese, English).
KINDS: dict[str, tuple[float, float, str, str]] = {
    "picture_frozen": (60.0, 2.0, "画面冻结", "the picture is frozen"),
    "picture_black": (30.0, 5.0, "画面全黑", "the picture is black"),
    "picture_covered": (30.0, 10.0, "镜头被遮挡", "the lens is covered"),
    "picture_blurred": (120.0, 30.0, "画面模糊", "the picture is blurred"),
    "camera_moved": (60.0, 30.0, "摄像机位置偏移", "the camera has moved"),
    "view_changed": (300.0, 60.0, "画面内容与原来不符", "the view is not what it used to be"),
}

# Told by what the camera usually shows, which a restart forgets.
LEARNT = ("picture_blurred", "camera_moved", "view_changed")

# Frozen: nowhere more than so many grey levels of difference (recoding one and the same picture
# changes this much), outside the strips where cameras draw a clock.
FROZEN_LEVELS = 2
CLOCK_ROWS = 36
# Black: 99 % of the picture below this grey level; lamps of a night street are above.
BLACK_LEVEL = 40
# In the dark, a lamp so far above the middle level tells that the lens is free.
DARK_LEVEL, LAMP_LEVELS = 50.0, 60.0
# A block with this contrast (standard deviation, grey levels) shows something.
TEXTURED = 6.0
# Lost texture: below this share of what it was, in this share of the textured blocks.
LOST_CONTRAST, COVERED_SHARE = 0.25, 0.7
# Blurred: fine detail relative to contrast below this share of what it was.
LOST_DETAIL, BLURRED_SHARE = 0.5, 0.7
# Where half of the blocks are softer than this, how sharp the camera is is not learned.
SOFT = 0.8
# A block agrees where its edges correlate so well with the learned ones (by chance 1 in 8 do, a
# block half hidden by people seldom does). Below CHANGED_SHARE of agreeing blocks the view is
# another one, above SAME_SHARE it is not; below DOUBT_SHARE nothing is learned from it.
AGREES, CHANGED_SHARE, SAME_SHARE, DOUBT_SHARE = 0.5, 0.2, 0.3, 0.5
# Moved: all edges correlate so well at another place, and so much better than where they were.
SHIFT_PEAK, SHIFT_GAIN, SHIFT_PIXELS = 0.6, 0.3, 2
# How far a shift is looked for: 15 % of the picture.
REACH_X, REACH_Y = 24, 14
# Blocks that must have been steady, and the share of them that must see something, to judge by.
STEADY_MIN, WITNESS_SHARE = 20, 0.4
STEADY = 0.6

# Moving things fade from the recent picture in this time; the normal look is learned in these.
RECENT_S = 10.0
LEARN_S = 600.0
FIRST_S = 60.0
# A longer time between looks counts as this: an hour offline teaches nothing.
GAP_S = 5.0
# Sums of times between looks are so exact.
ROUNDING_S = 1e-6
LOOK_EVERY_S = 1.0


def thumbnail(image: Image) -> Thumbnail:
    """Grey (270, 480) uint8 of a BGR picture of any size.

    Every n-th pixel is taken as it is, so that fine detail, and its loss, survives.
    """
    step = max(1, min(image.shape[1] // WIDTH, image.shape[0] // HEIGHT))
    gray = cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_BGR2GRAY)
    if gray.shape != (HEIGHT, WIDTH):
        gray = cv2.resize(gray, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(gray, np.uint8)


def counted_s(last_s: float, now_s: float) -> float:
    """What counts of the time between two looks."""
    return min(max(now_s - last_s, 0.0), GAP_S)


class Sustained:
    """A state that starts once it was seen for `start_s` and ends once it was not for `end_s`.

    A look that cannot tell (None) speaks neither for nor against. Of a longer time between two
    looks GAP_S count: nobody saw what was in between.
    """

    __slots__ = ("_end_s", "_last_s", "_seen_s", "_start_s", "on")

    def __init__(self, start_s: float, end_s: float) -> None:
        self._start_s, self._end_s = start_s, end_s
        # For how long the other state has been seen; None where it was not at the last look.
        self._seen_s: float | None = None
        self._last_s = 0.0
        self.on = False

    def step(self, seen: bool | None, now_s: float) -> bool:
        """True where this look turned it on or off."""
        passed_s, self._last_s = counted_s(self._last_s, now_s), now_s
        if self._seen_s is not None:
            self._seen_s += passed_s
        if seen is None:
            return False
        if seen == self.on:
            self._seen_s = None
            return False
        self._seen_s = self._seen_s or 0.0
        if self._seen_s < (self._end_s if self.on else self._start_s) - ROUNDING_S:
            return False
        self.on, self._seen_s = seen, None
        return True


@dataclass(slots=True)
class Normal:
    """What this camera usually shows, learned while nothing is wrong."""

    contrast: Grid
    sharpness: Grid
    edges: Grid
    # How steadily each block has shown the same edges, -1..1.
    steadiness: Grid
    learned_s: float = 0.0


@dataclass(slots=True)
class _Look:
    """What one look measured."""

    contrast: Grid
    sharpness: Grid
    edges: Grid
    doubtful: bool = False
    soft: bool = False
    facts: dict[str, Json] = field(default_factory=dict)


class CameraHealth:
    """One camera. `step` wants about one look a second; the times are the caller's."""

    def __init__(self, camera: str, standing: Collection[str] = ()) -> None:
        """standing: kinds of the faults that an earlier run left open, none of LEARNT."""
        self._camera = camera
        self._states = {kind: Sustained(row[0], row[1]) for kind, row in KINDS.items()}
        for kind in standing:
            self._states[kind].on = True
        self._still: Thumbnail | None = None
        self._recent: Grid | None = None
        self._normal: Normal | None = None
        self._last_s: float | None = None

    @property
    def wrong(self) -> tuple[str, ...]:
        """Kinds of the faults that hold now."""
        return tuple(kind for kind, state in self._states.items() if state.on)

    def look(self, image: Image, now: Stamp) -> tuple[Fault, ...]:
        """`step`, once a second at most: may be called with every picture."""
        if self._last_s is not None and 0.0 <= now.mono - self._last_s < LOOK_EVERY_S:
            return ()
        return self.step(thumbnail(image), now)

    def step(self, seen: Thumbnail, now: Stamp) -> tuple[Fault, ...]:
        """The faults that this look started or ended."""
        passed_s = 0.0 if self._last_s is None else counted_s(self._last_s, now.mono)
        self._last_s = now.mono
        look = self._measure(seen, passed_s)
        signs = self._signs(seen, look)
        if not any(signs.values()) and not self.wrong and not look.doubtful:
            self._learn(look, passed_s)
        return tuple(self._changes(signs, look, now))

    def _measure(self, seen: Thumbnail, passed_s: float) -> _Look:
        """Of the recent picture, in which noise and whatever moves have faded."""
        weight = 1.0 - math.exp(-passed_s / RECENT_S)
        if self._recent is None:
            self._recent = seen.astype(np.float32)
        else:
            cv2.accumulateWeighted(seen, self._recent, weight)
        noise = _noise(seen, self._recent) * math.sqrt(weight / (2.0 - weight))
        small: Any = cv2.resize(
            self._recent, (COLUMNS * BLOCK, ROWS * BLOCK), interpolation=cv2.INTER_AREA
        )
        contrast = _deviation(small)
        return _Look(contrast, _detail(self._recent, noise) / (contrast + 2.0), _edges(small))

    def _signs(self, gray: Thumbnail, look: _Look) -> dict[str, bool | None]:
        """Each kind: does this look speak for it? A worse one hides those it would imitate.

        None: this look cannot tell.
        """
        middle, high, highest = np.percentile(gray[::3, ::3], (50, 99, 99.5))
        black = bool(high < BLACK_LEVEL)
        lamp = bool(middle < DARK_LEVEL and highest - middle > LAMP_LEVELS)
        covered = not black and not lamp and self._covered(look)
        blurred = not (black or covered) and self._blurred(look)
        moved, changed = (None, None) if black or covered else self._displaced(look)
        return {
            "picture_frozen": self._frozen(gray) and not black,
            "picture_black": black,
            "picture_covered": covered,
            "picture_blurred": blurred,
            "camera_moved": moved,
            "view_changed": None if blurred else changed,
        }

    def _frozen(self, gray: Thumbnail) -> bool:
        """Whether nothing changed since the picture that may be frozen."""
        watched = gray[CLOCK_ROWS:-CLOCK_ROWS]
        still = self._still
        if still is not None and cv2.norm(watched, still, cv2.NORM_INF) <= FROZEN_LEVELS:
            return True
        self._still = watched.copy()
        return False

    def _covered(self, look: _Look) -> bool:
        if self._normal is None:
            # Covered before a restart, and still nothing to be seen.
            held = self._states["picture_covered"].on
            return held and int((look.contrast > TEXTURED).sum()) < STEADY_MIN
        textured = self._normal.contrast > TEXTURED
        lost = (look.contrast < LOST_CONTRAST * self._normal.contrast) & (look.contrast < TEXTURED)
        return _share(lost, textured) >= COVERED_SHARE

    def _blurred(self, look: _Look) -> bool:
        if self._normal is None:
            return False
        textured = (self._normal.contrast > TEXTURED) & (look.contrast > TEXTURED / 2)
        look.soft = _share(look.sharpness < SOFT * self._normal.sharpness, textured) > 0.5
        lost = look.sharpness < LOST_DETAIL * self._normal.sharpness
        return _share(lost, textured) >= BLURRED_SHARE

    def _displaced(self, look: _Look) -> tuple[bool | None, bool | None]:
        """(the view lies elsewhere in the picture, the view is another one)."""
        normal = self._normal
        if normal is None or normal.learned_s < FIRST_S:
            return None, None
        steady = (normal.steadiness > STEADY) & (normal.contrast > TEXTURED / 2)
        witness = steady & (look.contrast > TEXTURED / 2)
        if steady.sum() < STEADY_MIN or _share(witness, steady) < WITNESS_SHARE:
            return None, None
        agreeing = _share(_agreement(look.edges, normal.edges) > AGREES, witness)
        look.doubtful = agreeing < DOUBT_SHARE
        look.facts["agreeing_share"] = round(agreeing, 2)
        if not look.doubtful:
            return False, False
        shift = _shift(normal.edges, look.edges)
        if shift is not None:
            look.facts["shift"] = [round(v, 3) for v in shift]
        undecided = CHANGED_SHARE <= agreeing <= SAME_SHARE
        return shift is not None, None if undecided else agreeing < CHANGED_SHARE

    def _learn(self, look: _Look, passed_s: float) -> None:
        if self._normal is None:
            steadiness = np.zeros((ROWS, COLUMNS), np.float32)
            self._normal = Normal(look.contrast, look.sharpness, look.edges, steadiness)
            return
        normal = self._normal
        normal.learned_s += passed_s
        # A plain mean at first, then forgetting with LEARN_S.
        over_s = min(LEARN_S, max(normal.learned_s, passed_s))
        weight = passed_s / over_s if over_s > 0 else 0.0
        agreement = _agreement(look.edges, normal.edges)
        pairs = [
            (normal.contrast, look.contrast),
            (normal.edges, look.edges),
            (normal.steadiness, agreement),
        ]
        if not look.soft:
            pairs.append((normal.sharpness, look.sharpness))
        for learned, new in pairs:
            learned += weight * (new - learned)

    def _changes(self, signs: dict[str, bool | None], look: _Look, now: Stamp) -> list[Fault]:
        return [
            self._fault(kind, self._states[kind].on, look, now)
            for kind, sign in signs.items()
            if self._states[kind].step(sign, now.mono)
        ]

    def _fault(self, kind: str, on: bool, look: _Look, now: Stamp) -> Fault:
        _, _, zh, en = KINDS[kind]
        if not on:
            return Fault(kind, self._camera, "end", now, f"{zh}:已恢复 / {en}: over")
        return Fault(kind, self._camera, "start", now, f"{zh} / {en}", dict(look.facts))


def _share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    """Share of `among` that is also `of`; 0 where `among` is too few to tell."""
    count = int(among.sum())
    return float((of & among).sum()) / count if count >= STEADY_MIN else 0.0


def _blocks(values: Grid) -> Grid:
    """(90, 160) as (9, 16, 100): the pixels of each block."""
    parted = values.reshape(ROWS, BLOCK, COLUMNS, BLOCK).swapaxes(1, 2)
    return np.asarray(parted.reshape(ROWS, COLUMNS, BLOCK * BLOCK), np.float32)


def _deviation(values: Grid) -> Grid:
    """Standard deviation inside each block."""
    return np.asarray(_blocks(values).std(axis=2), np.float32)


def _noise(seen: Thumbnail, recent: Grid) -> float:
    """Standard deviation of the sensor's noise, from how differences to the recent picture vary
    between neighbours: people and headlights change areas, noise changes each pixel by itself.

    The median leaves out their outlines; 1.48 of it is sigma for a normal distribution.
    """
    difference = seen[::4].astype(np.float32) - recent[::4]
    between = np.abs(difference[:, 1::2] - difference[:, :-1:2])
    return 1.48 * float(np.median(between)) / math.sqrt(2.0)


# Mean absolute answer of the 3 x 3 Laplacian (1, 1, -4, 1, 1) to noise of sigma 1: sqrt(20 * 2/pi).
LAPLACIAN_OF_NOISE = 3.57


def _detail(values: Grid, noise: float) -> Grid:
    """Strength of the finest structure in each block, beyond what noise of that sigma makes."""
    fine = np.abs(cv2.Laplacian(values, cv2.CV_32F))
    shrunk: Any = cv2.resize(fine, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    beyond = shrunk * shrunk - (LAPLACIAN_OF_NOISE * noise) ** 2
    return np.asarray(np.sqrt(np.maximum(beyond, 0.0)), np.float32)


def _shift(before: Grid, now: Grid) -> tuple[float, float] | None:
    """How far the edges have moved, as fractions of the picture; None where they have not."""
    middle = before[REACH_Y:-REACH_Y, REACH_X:-REACH_X]
    match = cv2.matchTemplate(now, middle, cv2.TM_CCOEFF_NORMED)
    _, peak, _, (x, y) = cv2.minMaxLoc(match)
    dx, dy = x - REACH_X, y - REACH_Y
    gain = peak - float(match[REACH_Y, REACH_X])
    if peak < SHIFT_PEAK or gain < SHIFT_GAIN or max(abs(dx), abs(dy)) < SHIFT_PIXELS:
        return None
    return dx / (COLUMNS * BLOCK), dy / (ROWS * BLOCK)


def _edges(values: Grid) -> Grid:
    """Strength of edges relative to their surroundings: alike by day, by lamps and by infrared."""
    smooth = cv2.GaussianBlur(values, (3, 3), 0)
    strength = cv2.magnitude(
        cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    )
    strength = cv2.GaussianBlur(strength, (5, 5), 0)
    around = cv2.blur(strength, (2 * BLOCK + 1, 2 * BLOCK + 1))
    return np.asarray(strength / (around + 4.0), np.float32)


def _agreement(one: Grid, other: Grid) -> Grid:
    """Correlation of two edge pictures, block by block, -1..1."""
    a, b = _blocks(one), _blocks(other)
    a = a - a.mean(axis=2, keepdims=True)
    b = b - b.mean(axis=2, keepdims=True)
    norm = np.sqrt((a * a).sum(axis=2) * (b * b).sum(axis=2)) + 1e-6
    return np.asarray((a * b).sum(axis=2) / norm, np.float32)

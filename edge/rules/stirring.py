# SPDX-License-Identifier: AGPL-3.0-or-later
"""Does something stir in a part of the picture, and does the ground there still look as usual?

Dust moves: its light changes from second to second over a whole area, softly. A wall, a heap or a
sunlit road that a detector takes for dust does not, however much the box about it jitters. And
what looks as the same ground looked long before is that ground. Pictures are thinned and blurred,
so that grain, leaves and edges that shake by a pixel do not count.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image

WIDTH, HEIGHT = 96, 54
EVERY_S = 0.5
BLUR = 1.5  # px of the thinned picture
SPAN_S = 3.0  # over which stirring is measured, or LEAST_LOOKS where they are further apart
LEAST_LOOKS = 4
USUAL_EVERY_S = 4.0
USUAL_KEEP = 24
USUAL_LOOKS = 4
# The usual look is that of longer ago than this: what came since is not usual yet.
USUAL_AGE_S = 12.0
FEWEST_PIXELS = 12
# Grey levels of 255: a camera's own unrest is not less.
GRAIN = 0.2

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Stir:
    """Of one area. `within`, `outside`: how much the light of a pixel varies over SPAN_S, grey
    levels, at the middle of all pixels; `unusual`: how far the area is from its usual look, grey
    levels, None where that is not known."""

    within: float
    outside: float
    unusual: float | None

    @property
    def times(self) -> float:
        """How much more the area stirs than the rest of the picture."""
        return self.within / max(self.outside, GRAIN)


class Ground:
    """Recent and usual looks of one camera's picture. One owner: the rule."""

    def __init__(self) -> None:
        self._looked = self._kept = -1e9
        self._recent: deque[tuple[float, Grey]] = deque()
        self._usual: deque[tuple[float, Grey, Mask]] = deque(maxlen=USUAL_KEEP)

    def look(self, image: Image, mono: float, covered: NDArray[np.float32]) -> None:
        """Take in a picture, twice a second at most. covered: boxes (n, 4), fractions, of what
        stands before the ground: vehicles, people, and the clouds themselves."""
        if mono - self._looked < EVERY_S - 0.02:
            return
        self._looked = mono
        grey = _thinned(image)
        self._recent.append((mono, grey))
        while len(self._recent) > LEAST_LOOKS and mono - self._recent[0][0] > SPAN_S:
            self._recent.popleft()
        if mono - self._kept >= USUAL_EVERY_S:
            self._kept = mono
            self._usual.append((mono, grey, ~_under(covered)))

    def stir(self, area: Box, others: NDArray[np.float32]) -> Stir | None:
        """How an area (fractions) stirs, without what `others` (n, 4) cover; None until enough
        was seen of it."""
        if len(self._recent) < LEAST_LOOKS:
            return None
        free = ~_under(others)
        inside = _under(np.array([area], np.float32))
        here, rest = inside & free, ~inside & free
        if here.sum() < FEWEST_PIXELS or rest.sum() < FEWEST_PIXELS:
            return None
        stack = np.stack([grey for _, grey in self._recent])
        stack = stack - np.median(stack[:, rest], axis=1)[:, None, None]  # exposure
        spread = stack.std(axis=0)
        within, outside = float(np.median(spread[here])), float(np.median(spread[rest]))
        return Stir(within, outside, self._unusual(here, rest))

    def _unusual(self, here: Mask, rest: Mask) -> float | None:
        now_s, now = self._recent[-1]
        old = [(grey, clean) for at, grey, clean in self._usual if now_s - at >= USUAL_AGE_S]
        if len(old) < USUAL_LOOKS:
            return None
        known = np.sum([clean for _, clean in old], axis=0) >= USUAL_LOOKS
        area = here & known
        if area.sum() < FEWEST_PIXELS:
            return None
        stack = np.stack([np.where(clean, grey, np.nan) for grey, clean in old])
        usual = np.where(known, np.nanmedian(np.where(known, stack, 0.0), axis=0), 0.0)
        change = now - usual
        if (rest & known).any():
            change = change - np.median(change[rest & known])  # exposure
        return float(np.median(np.abs(change[area])))


def _thinned(image: Image) -> Grey:
    """(HEIGHT, WIDTH) float32 grey, blurred."""
    stride = max(1, min(image.shape[0] // (HEIGHT * 3), image.shape[1] // (WIDTH * 3)))
    thinned = np.ascontiguousarray(image[::stride, ::stride])
    small = cv2.resize(thinned, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    grey = small.mean(axis=2, dtype=np.float32) if small.ndim == 3 else small.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), BLUR), np.float32)


def _under(boxes: NDArray[np.float32]) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    for x1, y1, x2, y2 in boxes.tolist():
        top, left = max(0, int(y1 * HEIGHT)), max(0, int(x1 * WIDTH))
        mask[top : int(np.ceil(y2 * HEIGHT)), left : int(np.ceil(x2 * WIDTH))] = True
    return mask

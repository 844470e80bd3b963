"""Is a look worth an inference? A motion gate on a 320x180 grey picture, about 1 % of its cost.

It may only ever save work on a scene that stands still: it opens at least every `forced_s`, and
always while the caller has something alive, so a parked or creeping object is never starved.
Pure: the time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image
from edge.vision.yolo import as_bgr

Grey = NDArray[np.uint8]
Plane = NDArray[np.float32]
Reason = Literal["first", "alive", "motion", "after", "forced", "quiet"]

LONG_SIDE = 320
# Detail is what differs from its surroundings: a box mean of this side (of 320) is taken off, so
# that exposure steps, rolling flicker and cloud shadows, which are broad, leave no difference.
SURROUND = 31
# Grey levels of detail that must change, whatever the noise; and in standard deviations of it.
LEAST_CHANGE = 7.0
NOISE_SHARE = 5.0
# Least side of a changed blob, in pixels of 320: rain streaks and single noisy pixels are thinner.
LEAST_BLOB = 3
# A reference older than this is forgotten slowly, so that drifting light never holds it open.
DRIFT_S = 30.0
# The noise level is learnt with this time constant.
NOISE_S = 5.0
# More than this share changing at once, after the broad part is gone, is a new view.
NEW_VIEW = 0.6

_BLOB = np.ones((LEAST_BLOB, LEAST_BLOB), np.uint8)


@dataclass(frozen=True, slots=True)
class Look:
    """Whether to run the detector now, why, the changed share of the picture, and where.

    `regions` are up to eight boxes (fractions) around what changed, the largest first.
    """

    open: bool
    reason: Reason
    changed: float = 0.0
    regions: tuple[Box, ...] = ()


class MotionGate:
    """One camera's gate.

    forced_s: longest time without a look, 1 to 2 s by the design. after_s: how long it stays open
    after the last motion. least_share: share of the picture whose change counts as motion; 0.0003
    is a person 1/40 of the picture high.
    """

    def __init__(
        self, *, forced_s: float = 1.5, after_s: float = 1.0, least_share: float = 0.0003
    ) -> None:
        self._forced_s, self._after_s, self._least = forced_s, after_s, least_share
        self._reference: Plane | None = None
        self._previous: Plane | None = None
        self._noise = 2.0
        self._seen_s = self._looked_s = self._moved_s = -np.inf

    def look(self, image: Image, now_s: float, *, alive: bool = False) -> Look:
        """Judge one picture. alive: tracks or candidates are waiting, so look in any case.

        The gate learns from every picture it is shown, also from those it opens for anyway.
        """
        detail = _detail(image)
        if self._reference is None or self._reference.shape != detail.shape or self._back(now_s):
            self._restart(detail, now_s)
            return Look(True, "first", 1.0)
        changed, regions = self._compare(detail, now_s)
        if changed >= self._least:
            self._moved_s, self._reference = now_s, detail
        look = Look(True, self._reason(now_s, alive, changed), changed, regions)
        if look.reason == "quiet":
            return Look(False, "quiet", changed)
        self._looked_s = now_s
        return look

    def _reason(self, now_s: float, alive: bool, changed: float) -> Reason:
        if alive:
            return "alive"
        if changed >= self._least:
            return "motion"
        if now_s - self._moved_s <= self._after_s:
            return "after"
        return "forced" if now_s - self._looked_s >= self._forced_s - 1e-6 else "quiet"

    def _back(self, now_s: float) -> bool:
        return now_s < self._seen_s

    def _restart(self, detail: Plane, now_s: float) -> None:
        self._reference = self._previous = detail
        self._seen_s = self._looked_s = now_s

    def _compare(self, detail: Plane, now_s: float) -> tuple[float, tuple[Box, ...]]:
        """Changed share against the reference: the picture of the last motion, not of the last
        frame, so that a creeping object adds up until it shows."""
        assert self._reference is not None and self._previous is not None
        dt = now_s - self._seen_s
        self._learn_noise(detail, dt)
        level = max(LEAST_CHANGE, NOISE_SHARE * self._noise)
        difference = cv2.absdiff(detail, self._reference * _gain(detail, self._reference))
        mask = cv2.erode((difference > level).astype(np.uint8), _BLOB)
        share = cv2.countNonZero(mask) * LEAST_BLOB**2 / mask.size
        cv2.accumulateWeighted(detail, self._reference, min(1.0, dt / DRIFT_S))
        self._previous, self._seen_s = detail, now_s
        return share, _regions(np.asarray(mask, np.uint8)) if share >= self._least else ()

    def _learn_noise(self, detail: Plane, dt: float) -> None:
        """Standard deviation of the picture noise from the median change since the last picture:
        half of the pixels may move before it is touched."""
        step = cv2.absdiff(detail[::4, ::4], self._previous[::4, ::4])  # type: ignore[index]
        noise = float(np.median(step)) / 0.954
        self._noise += (noise - self._noise) * min(1.0, dt / NOISE_S)


def _detail(image: Image) -> Plane:
    """Grey, small, lightly smoothed, without its broad part: float32 (about 180, 320)."""
    height, width = image.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(image, size)
    grey = cv2.cvtColor(as_bgr(np.asarray(small, np.uint8)), cv2.COLOR_BGR2GRAY)
    fine = cv2.blur(grey, (3, 3)).astype(np.float32)
    broad = cv2.blur(fine, (SURROUND, SURROUND))
    return np.asarray(fine - broad, np.float32)


def _gain(detail: Plane, reference: Plane) -> float:
    """How much stronger all contrast has become: an exposure step scales detail as a whole."""
    now, then = float(np.abs(detail).mean()), float(np.abs(reference).mean())
    return min(2.0, max(0.5, now / then)) if then > 0.5 else 1.0


def _regions(mask: Grey) -> tuple[Box, ...]:
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(mask, np.ones((15, 15))))
    height, width = mask.shape
    largest = sorted(range(1, count), key=lambda i: -stats[i][cv2.CC_STAT_AREA])[:8]
    boxes = []
    for index in largest:
        x, y, w, h = (int(stats[index][column]) for column in range(4))
        boxes.append((x / width, y / height, (x + w) / width, (y + h) / height))
    return tuple(boxes)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What lies on a lane that did not lie there before: two clean pictures of the road, compared.

Pictures are thinned to WIDTH x HEIGHT; pixels under any track are never used. Nothing here knows
what made the difference: the caller asks only along a truck's way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image

WIDTH, HEIGHT = 192, 108
EVERY_S = 0.5
# The road before a truck is the middle of looks over so long, a second apart.
KEEP_EVERY_S, KEEP_BEFORE_S = 1.0, 30.0
EARLIER_S = 2.5
# Known empty: so many clean looks, three quarters of them this near to each other (grey levels).
EMPTY_LOOKS, EMPTY_SPREAD = 4, 16.0
NEEDED = 4
# New matter lies still: more change than this from look to look is traffic.
STILL_SPREAD = 26.0
FLOOR = 14.0
SIGMAS = 5.0
TINT = 4.0
FOREIGN = 6.0
MARGIN = 0.008
ROUND = 14
SEEN_SHARE = 0.9

Thumb = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Patch:
    """One blob of difference. `box` in fractions (pixels of the crop while it is worked out);
    `area` as a share of the frame; `elongation` is length over breadth of its tightest rectangle,
    `breadth` and `length` are shares of the frame's width."""

    box: Box
    area: float
    contrast: float
    elongation: float
    breadth: float

    @property
    def length(self) -> float:
        return self.breadth * self.elongation


class Backdrop:
    """The road as it looks when nothing stands in front: what was seen of it lately."""

    def __init__(self) -> None:
        self._looked = self._kept = -1e9
        self._earlier: deque[tuple[float, NDArray[np.uint8], Mask]] = deque()
        self.fresh: tuple[Thumb, Mask] | None = None

    def look(self, image: Image, mono: float, boxes: NDArray[np.float32]) -> bool:
        """Take in one picture, twice a second at most; true where it was taken."""
        if mono - self._looked < EVERY_S - 0.02:
            return False
        self._looked = mono
        small, clean = thumb(image), ~covered(boxes)
        self.fresh = (small, clean)
        if mono - self._kept >= KEEP_EVERY_S - 0.02:
            self._kept = mono
            self._earlier.append((mono, np.clip(small, 0, 255).astype(np.uint8), clean))
            while mono - self._earlier[0][0] > KEEP_BEFORE_S:
                self._earlier.popleft()
        return True

    def before(self, mono: float) -> tuple[Thumb, Mask] | None:
        """The road some seconds before `mono`, before anything that came then was in view, and
        where it is known empty: seen clean often enough, and the same each time. Traffic that no
        detector follows, in haze or far off, leaves no such ground."""
        old = [(thumb, mask) for at, thumb, mask in self._earlier if at <= mono - EARLIER_S]
        if len(old) < EMPTY_LOOKS:
            return None
        clean = np.stack([mask for _, mask in old])
        stack = np.stack([_as_lit(thumb, old[-1][0]) for thumb, _ in old])
        stack = np.sort(np.where(clean[..., None], stack, np.float32(np.inf)), axis=0)
        count = clean.sum(axis=0)
        low, middle, high = (_ranked(stack, count * share // 8) for share in (1, 4, 7))
        same = (high - low).max(axis=2) <= EMPTY_SPREAD
        return middle, (count >= EMPTY_LOOKS) & same


def _as_lit(thumb: NDArray[np.uint8], last: NDArray[np.uint8]) -> Thumb:
    """The picture at the exposure of the last one."""
    return thumb * np.float32(max(float(last.mean()), 1.0) / max(float(thumb.mean()), 1.0))


def _ranked(ordered: Thumb, rank: NDArray[np.int64]) -> Thumb:
    """Of values in order along the first axis, each pixel's at its rank; 0 where there is none."""
    at = np.minimum(rank, len(ordered) - 1)[None, ..., None]
    value = np.take_along_axis(ordered, np.broadcast_to(at, (1, *ordered.shape[1:])), axis=0)[0]
    return np.where(np.isfinite(value), value, np.float32(0.0))


class Aftermath:
    """Clean pictures after a truck against the road before it, round the ground it went over."""

    def __init__(self, before: tuple[Thumb, Mask], corridor: Mask) -> None:
        self._crop = _round(corridor)
        self._before, self._known = before[0][self._crop], before[1][self._crop]
        self._corridor = corridor[self._crop]
        self._samples: deque[tuple[Thumb, Mask]] = deque(maxlen=NEEDED)
        self._latest: tuple[Thumb, Thumb, Mask] | None = None
        self.quiet = 0

    def look(self, fresh: tuple[Thumb, Mask]) -> list[Patch]:
        """Blobs by which the median of the last NEEDED pictures differs.

        `quiet` counts looks in a row in which most of the ground was seen and nothing was new.
        """
        picture, clean = fresh
        self._samples.append((picture[self._crop], clean[self._crop]))
        if len(self._samples) < NEEDED:
            return []
        both = np.all([mask for _, mask in self._samples], axis=0) & self._known
        ordered = np.sort(np.stack([picture for picture, _ in self._samples]), axis=0)
        after = ordered[(NEEDED - 1) // 2 : NEEDED // 2 + 1].mean(axis=0)
        still = (ordered[-1] - ordered[0]).max(axis=2) <= STILL_SPREAD
        self._latest = (self._before, after.astype(np.float32), both)
        found = (
            []
            if not still.any()
            else differences(self._before, self._latest[1], both & still, self._corridor)
        )
        seen = (both & self._corridor).sum() >= SEEN_SHARE * self._corridor.sum()
        self.quiet = 0 if found or not seen else self.quiet + 1
        return [self._placed(patch) for patch in found]

    def _placed(self, patch: Patch) -> Patch:
        """From the crop's pixels to fractions of the frame."""
        rows, columns = self._crop
        x1, y1, x2, y2 = patch.box
        left, top = columns.start, rows.start
        box = (
            (x1 + left) / WIDTH,
            (y1 + top) / HEIGHT,
            (x2 + left) / WIDTH,
            (y2 + top) / HEIGHT,
        )
        return replace(patch, box=box)

    def change_in(self, box: Box) -> float | None:
        """Mean change inside a box, in grey levels of the brightest-changed colour; or None."""
        if self._latest is None:
            return None
        before, after, clean = self._latest
        here = covered(np.array([box], np.float32), 0.0)[self._crop] & clean
        if here.sum() < 3:
            return None
        change = np.abs(after - _relit(before, after, clean & ~here)).max(axis=2)
        return float(change[here].mean())


def _round(corridor: Mask) -> tuple[slice, slice]:
    """Rows and columns of the corridor and of some road round it, to tell the light by."""
    rows, columns = np.flatnonzero(corridor.any(axis=1)), np.flatnonzero(corridor.any(axis=0))
    if not len(rows):
        return slice(0, HEIGHT), slice(0, WIDTH)
    top, low = max(0, int(rows[0]) - ROUND), min(HEIGHT, int(rows[-1]) + ROUND)
    left, right = max(0, int(columns[0]) - ROUND), min(WIDTH, int(columns[-1]) + ROUND)
    return slice(top, low), slice(left, right)


def thumb(image: Image) -> Thumb:
    """(HEIGHT, WIDTH, 3) float32; every n-th pixel of a large picture is enough for the mean."""
    stride = max(1, min(image.shape[0] // (HEIGHT * 3), image.shape[1] // (WIDTH * 3)))
    thinned = np.ascontiguousarray(image[::stride, ::stride])
    small = cv2.resize(thinned, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    result = small.astype(np.float32)
    return np.repeat(result[..., None], 3, axis=2) if result.ndim == 2 else result


def covered(boxes: NDArray[np.float32], margin: float = MARGIN) -> Mask:
    """Pixels under any of these boxes, (n, 4) fractions, and a little round them."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    for x1, y1, x2, y2 in boxes.tolist():
        left, top = max(0, int((x1 - margin) * WIDTH)), max(0, int((y1 - margin) * HEIGHT))
        right = int(np.ceil((x2 + margin) * WIDTH))
        mask[top : int(np.ceil((y2 + margin) * HEIGHT)), left:right] = True
    return mask


def swept(boxes: Sequence[Box]) -> Mask:
    """The ground a truck went over: the lower half of its boxes along its way."""
    low = [(b[0], (b[1] + b[3]) / 2, b[2], min(1.0, b[3] + 0.02)) for b in boxes]
    return covered(np.array(low, np.float32).reshape(-1, 4))


def differences(before: Thumb, after: Thumb, clean: Mask, corridor: Mask) -> list[Patch]:
    """Blobs of new matter in the corridor, largest first.

    The light of the day is taken out by gain and offset over the rest of the road; a shadow or
    water only darkens, so a blob must be tinted, brighter, or rougher than the road was.
    """
    rest = clean & ~corridor
    usable = clean & corridor
    if usable.sum() < 12:
        return []
    before = _relit(before, after, rest if rest.sum() > 500 else clean)
    change = after - before
    size = np.abs(change).max(axis=2)
    noise = 1.4826 * float(np.median(size[rest])) if rest.any() else 2.0
    mask = ((size > max(FLOOR, SIGMAS * noise)) & usable).astype(np.uint8)
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    whole = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(whole, connectivity=8)
    found = []
    for i in range(1, count):
        blob = labels == i
        if _is_matter(before, after, blob):
            found.append(_patch(blob, stats[i], float(size[blob].mean())))
    return sorted(found, key=lambda patch: -patch.area)


def _relit(before: Thumb, after: Thumb, where: Mask) -> Thumb:
    """The picture before in the light of the picture after: one gain and offset for each colour."""
    result = before.copy()
    for c in range(3):
        a, b = before[..., c][where][::3], after[..., c][where][::3]
        if a.size == 0:
            continue
        spread = float(np.percentile(a, 90) - np.percentile(a, 10))
        wanted = float(np.percentile(b, 90) - np.percentile(b, 10))
        gain = float(np.clip(wanted / spread, 0.5, 2.0)) if spread > 12.0 else 1.0
        result[..., c] = (before[..., c] - np.median(a)) * gain + np.median(b)
    return result


def _is_matter(before: Thumb, after: Thumb, blob: Mask) -> bool:
    """Brighter, tinted, or of another texture than the road scaled by one factor would have."""
    inner = cv2.erode(blob.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    inside = inner if inner.sum() >= 6 else blob
    was, now = before[inside], after[inside]
    change = (now - was).mean(axis=0)
    if float(change.mean()) > 0.0:
        return True
    # A shadow scales all colours alike, so the road's own tint shrinks with it: allow for that.
    scale = float(now.mean()) / max(1.0, float(was.mean()))
    own = was.mean(axis=0)
    expected = float(np.abs((own - own.mean()) * (scale - 1.0)).max())
    if float(np.abs(change - change.mean()).max()) - expected > TINT:
        return True
    foreign = now.mean(axis=1) - scale * was.mean(axis=1)
    return float(foreign.std()) > FOREIGN


def _patch(blob: Mask, stats: NDArray[np.int32], contrast: float) -> Patch:
    x, y, w, h, area = (int(v) for v in stats[:5])
    points = np.argwhere(blob)[:, ::-1].astype(np.float32)
    (_, (a, b), _) = cv2.minAreaRect(points)
    long, short = max(a, b) + 1.0, min(a, b) + 1.0
    return Patch(
        box=(x, y, x + w, y + h),
        area=area / (WIDTH * HEIGHT),
        contrast=round(contrast, 1),
        elongation=round(long / short, 2),
        breadth=short / WIDTH,
    )

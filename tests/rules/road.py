# SPDX-License-Identifier: AGPL-3.0-or-later
"""A road in pictures: asphalt, markings, a truck that drives through, and what lies after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from edge.values import Image, Scene, Stamp, Track

Paint = Callable[[Image, float], None]


@dataclass
class Road:
    """Looked at from `fps`; the truck is in view from `comes` for `takes` seconds.

    paints: drawn on the road in the order given, each with the time; light: exposure over time.
    """

    size: tuple[int, int] = (480, 270)
    seed: int = 3
    comes: float = 12.0
    takes: float = 6.0
    paints: list[Paint] = field(default_factory=list)
    light: Callable[[float], float] = lambda t: 1.0
    shake_px: float = 0.0
    noise: float = 3.0
    truck_seen: bool = True

    def __post_init__(self) -> None:
        self.ground = _asphalt(self.size, self.seed)
        self.rng = np.random.default_rng(self.seed)
        w, h = self.size
        drawn = [self.rng.normal(0.0, self.noise, (h, w, 3)) for _ in range(5)]
        self._grain = [grain.astype(np.float32) for grain in drawn]

    def scenes(self, length_s: float, fps: float = 5.0) -> Iterator[Scene]:
        for n in range(int(length_s * fps)):
            t = n / fps
            tracks = self._tracks(t) if self.truck_seen else ()
            yield Scene("c1", Stamp(t, 1.7e9 + t, "recording"), tracks, image=self.picture(t))

    def picture(self, t: float) -> Image:
        image = self.ground.copy()
        for paint in self.paints:
            paint(image, t)
        box = self._truck(t)
        if box is not None:
            self._rectangle(image, box, (60, 90, 160))
        if self.shake_px:
            dx, dy = self.rng.normal(0.0, self.shake_px, 2)
            shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            image = cv2.warpAffine(image, shift, self.size, borderMode=cv2.BORDER_REPLICATE)
        lit = image.astype(np.float32) * self.light(t)
        lit += self._grain[int(t * 25) % len(self._grain)]
        return np.clip(lit, 0, 255).astype(np.uint8)

    def _truck(self, t: float):
        if not self.comes <= t <= self.comes + self.takes:
            return None
        x = 0.0 + 1.0 * (t - self.comes) / self.takes
        return (max(0.0, x - 0.11), 0.55, min(1.0, x + 0.11), 0.85)

    def _rectangle(self, image: Image, box, colour) -> None:
        w, h = self.size
        a, b = (int(box[0] * w), int(box[1] * h)), (int(box[2] * w), int(box[3] * h))
        cv2.rectangle(image, a, b, colour, -1)

    def _tracks(self, t: float) -> tuple[Track, ...]:
        box = self._truck(t)
        if box is None or box[2] - box[0] < 0.02:
            return ()
        at = Stamp(t, 1.7e9 + t, "recording")
        return (Track(1, "muck_truck", box, 0.9, at, at),)


def _asphalt(size, seed) -> Image:
    rng = np.random.default_rng(seed)
    w, h = size
    coarse = rng.normal(105, 14, (h // 4, w // 4)).astype(np.float32)
    grey = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) + rng.normal(0, 6, (h, w))
    image = np.clip(np.repeat(grey[..., None], 3, axis=2), 0, 255).astype(np.uint8)
    for n in range(6):
        x = int((n + 0.3) * w / 6)
        cv2.rectangle(image, (x, int(0.92 * h)), (x + w // 12, int(0.94 * h)), (230, 230, 230), -1)
    cv2.rectangle(image, (0, 0), (w, int(0.4 * h)), (120, 150, 110), -1)
    return image


def heap(after: float, *, x: float = 0.5, y: float = 0.8, colour=(40, 75, 105), scale=1.0) -> Paint:
    """A brown heap with clods, from `after` on."""

    def paint(image: Image, t: float) -> None:
        if t < after:
            return
        h, w = image.shape[:2]
        rng = np.random.default_rng(9)
        for _ in range(40):
            dx, dy = rng.normal(0, 0.02 * scale), rng.normal(0, 0.01 * scale)
            shade = [int(np.clip(c + rng.normal(0, 14), 0, 255)) for c in colour]
            centre = (int((x + dx) * w), int((y + dy) * h))
            cv2.circle(image, centre, max(1, int(0.008 * w * scale)), shade, -1)

    return paint


def darker(after: float, until: float, factor: float, *, x=0.5, y=0.78) -> Paint:
    """A shadow, or water: the same road, less bright."""

    def paint(image: Image, t: float) -> None:
        if not after <= t < until:
            return
        h, w = image.shape[:2]
        mask = np.zeros((h, w), np.uint8)
        cv2.ellipse(mask, (int(x * w), int(y * h)), (w // 9, h // 16), 0, 0, 360, 255, -1)
        image[mask > 0] = (image[mask > 0] * factor).astype(np.uint8)

    return paint


def mud(after: float) -> Paint:
    """Two thin brown stripes along the lane."""

    def paint(image: Image, t: float) -> None:
        if t < after:
            return
        h, w = image.shape[:2]
        for y in (0.72, 0.80):
            corner = (int(0.2 * w), int(y * h))
            cv2.rectangle(image, corner, (int(0.85 * w), int((y + 0.02) * h)), (50, 75, 100), -1)

    return paint

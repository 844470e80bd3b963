# SPDX-License-Identifier: AGPL-3.0-or-later
"""Dust, smoke, fog and flames grown from noise and laid over real photographs while training.

No public pictures of construction dust or of fires in many places may be used, so these stand in.
A plume's label box is where its opacity exceeds ALPHA_EDGE: that threshold is the definition of
where a plume ends (the renderer uses about the same, 0.10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.values import Image

ALPHA_EDGE = 0.12
MIN_CONTRAST = 9.0  # grey levels; a plume that nobody can see must not be a label
SIZE = 256  # side of a sprite, px; scaled when laid down

# Written as float32; OpenCV types what it returns as any number.
Plane = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """alpha and shade (SIZE, SIZE), 0..1: how opaque, and how bright relative to its colour."""

    name: str
    alpha: Plane
    shade: Plane


def fractal(size: int, rng: Generator, *, base: int, octaves: int, fall: float = 0.55) -> Plane:
    """Sum of enlarged random grids, each twice as fine and `fall` times as strong; 0..1."""
    total, weight = np.zeros((size, size), np.float32), 0.0
    for octave in range(octaves):
        cells = base * 2**octave
        if cells >= size:
            break
        grid = rng.random((cells + 2, cells + 2), dtype=np.float32)
        amplitude = fall**octave
        total += amplitude * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        weight += amplitude
    return np.asarray(np.clip(total / weight, 0, 1))


def _swirl(plane: Plane, rng: Generator, reach: float) -> Plane:
    """Bend noise by noise, which turns blots into billows. `reach` in pixels."""
    size = len(plane)
    yy, xx = np.mgrid[0:size, 0:size].astype(np.float32)
    dx, dy = ((fractal(size, rng, base=3, octaves=3) - 0.5) * 2 * reach for _ in range(2))
    return cv2.remap(plane, xx + dx, yy + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _axes() -> tuple[Plane, Plane]:
    """u: -1..1 to the right; v: 0 at the foot, 1 at the top."""
    yy, xx = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / (SIZE - 1)
    return xx * 2 - 1, 1 - yy


def grow_dust(rng: Generator) -> Sprite:
    """A low, wide cloud lying on the ground, leaning with the wind."""
    u, v = _axes()
    lean = rng.uniform(-0.7, 0.7)
    noise = _swirl(fractal(SIZE, rng, base=int(rng.integers(3, 6)), octaves=6), rng, 35)
    body = np.clip(1 - np.hypot((u - lean * v**1.2) * 1.15, v * rng.uniform(1.0, 1.25)), 0, 1)
    foot = np.clip((v - 0.02) / rng.uniform(0.04, 0.12), 0, 1)
    thick = rng.uniform(1.2, 4.5)
    body = body * foot
    tau = thick * np.clip(
        body * 1.3 + (noise - 0.5) * 2.4 * np.clip(body * 4, 0, 1) - 0.08, 0, None
    )
    alpha = cv2.GaussianBlur((1 - np.exp(-tau)).astype(np.float32), (0, 0), 1.5)
    return Sprite("dust", _fade(alpha), (0.82 + 0.2 * v + (noise - 0.5) * 0.4).astype(np.float32))


def grow_smoke(rng: Generator) -> Sprite:
    """A column that widens as it rises, bent by wind."""
    u, v = _axes()
    wind, sway = rng.uniform(-0.8, 0.8), rng.uniform(0, 6)
    line = wind * v**1.4 + 0.12 * np.sin(v * rng.uniform(4, 9) + sway) * v
    radius = rng.uniform(0.05, 0.2) + rng.uniform(0.3, 0.7) * v
    noise = fractal(SIZE, rng, base=int(rng.integers(3, 7)), octaves=6, fall=0.6)
    noise = _swirl(noise, rng, rng.uniform(20, 55))
    body = np.clip(1 - ((u - line) / radius) ** 2, 0, 1) * np.clip(v / 0.05, 0, 1)
    body = body * np.clip((rng.uniform(0.95, 1.2) - v) * 3, 0, 1)
    lumps = 0.25 + 0.75 * np.clip((noise - rng.uniform(0.36, 0.46)) * 5, 0, 1.6)
    tau = rng.uniform(0.9, 5.0) * body * lumps * 0.9 / (0.3 + v)
    alpha = cv2.GaussianBlur((1 - np.exp(-tau)).astype(np.float32), (0, 0), 1.5)
    return Sprite("smoke", _fade(alpha), (0.8 + 0.45 * (noise - 0.5) + 0.1 * v).astype(np.float32))


def grow_cloud(rng: Generator) -> Sprite:
    """A blob without a foot: a plume seen straight down, drifting."""
    u, v = _axes()
    angle = rng.uniform(0, np.pi)
    a, b = rng.uniform(0.5, 0.95), rng.uniform(0.35, 0.95)
    w = v * 2 - 1
    x, y = u * np.cos(angle) + w * np.sin(angle), w * np.cos(angle) - u * np.sin(angle)
    noise = _swirl(fractal(SIZE, rng, base=4, octaves=6, fall=0.6), rng, 40)
    body = np.clip(1 - np.hypot(x / a, y / b), 0, 1)
    tau = rng.uniform(1.5, 5) * np.clip(
        body * 1.3 + (noise - 0.5) * 2 * np.clip(body * 4, 0, 1), 0, 9
    )
    alpha = cv2.GaussianBlur((1 - np.exp(-tau)).astype(np.float32), (0, 0), 1.5)
    return Sprite("cloud", _fade(alpha), (0.9 + (noise - 0.5) * 0.4).astype(np.float32))


def grow_flame(rng: Generator) -> Sprite:
    """Tongues: `shade` is heat, 0 dark red to 1 white."""
    u, v = _axes()
    noise = fractal(SIZE, rng, base=int(rng.integers(4, 9)), octaves=6, fall=0.65)
    stretched = cv2.resize(noise[: SIZE // 2], (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    noise = np.clip(_swirl(stretched, rng, rng.uniform(20, 50)), 0, 1)
    tongues = fractal(SIZE, rng, base=int(rng.integers(2, 7)), octaves=4)[SIZE // 2]
    height = 0.3 + 0.8 * (tongues - tongues.min()) / max(float(np.ptp(tongues)), 1e-6)
    width = rng.uniform(0.45, 0.95)
    bend = rng.uniform(-0.35, 0.35) * v + 0.12 * np.sin(v * rng.uniform(3, 9))
    across = np.clip(1 - (np.abs(u - bend) / (width * (1.1 - 0.6 * v))) ** 2, 0, 1)
    heat = across * np.clip(1 - v / height[None, :], 0, 1) ** 0.7 * (noise * 2.6 - 0.4)
    heat = np.clip(heat * rng.uniform(0.7, 1.5), 0, 1)
    alpha = np.clip(heat * rng.uniform(1.5, 3.5), 0, 1)
    glow = cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), 12) * rng.uniform(0.1, 0.5)
    alpha = np.maximum(
        cv2.GaussianBlur(alpha.astype(np.float32), (0, 0), rng.uniform(0.8, 2)), glow
    )
    return Sprite("fire", _fade(alpha), heat.astype(np.float32))


def _fade(alpha: Plane) -> Plane:
    """No straight cut at the sprite's sides and top; the foot may stand on the ground."""
    ramp = np.clip(np.minimum(np.arange(SIZE), np.arange(SIZE)[::-1]) / 14.0, 0, 1)
    top = np.clip(np.arange(SIZE) / 14.0, 0, 1)
    return np.asarray(alpha * ramp[None, :] * top[:, None], np.float32)


GROW: dict[str, Callable[[Generator], Sprite]] = {
    "dust": grow_dust,
    "smoke": grow_smoke,
    "cloud": grow_cloud,
    "fire": grow_flame,
}


def grow_library(rng: Generator, each: int) -> dict[str, tuple[Sprite, ...]]:
    """`each` sprites of every kind; 0.02 s a sprite."""
    return {kind: tuple(grow(rng) for _ in range(each)) for kind, grow in GROW.items()}


def extent(alpha: Plane) -> tuple[float, float, float, float] | None:
    """Fractions x1 y1 x2 y2 of the sprite where it is seen, or None where it is nowhere."""
    mask = cv2.morphologyEx((alpha > ALPHA_EDGE).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3)))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    size_y, size_x = alpha.shape
    return (
        float(columns[0] / size_x),
        float(rows[0] / size_y),
        float((columns[-1] + 1) / size_x),
        float((rows[-1] + 1) / size_y),
    )


def colour_of(kind: str, around: Image, rng: Generator) -> NDArray[np.float32]:
    """One BGR colour, drawn jointly (independent channels give pink dust), lit like the scene."""
    light = float(np.percentile(around, 85))
    if kind == "dust":
        sand, haze = np.array([112, 148, 176.0]), np.array([170, 182, 194.0])
        red = np.array([80, 115, 168.0])
        share = rng.dirichlet([1.2, 1.6, 0.5])
        base = share[0] * sand + share[1] * haze + share[2] * red
        return np.asarray(
            base * np.clip(light / 190, 0.25, 1.2) * rng.uniform(0.85, 1.15), np.float32
        )
    grey = rng.choice([rng.uniform(20, 70), rng.uniform(70, 150), rng.uniform(150, 245)])
    tint = np.array([1.0 + rng.normal(0, 0.03), 1.0, 1.0 + rng.normal(0, 0.03)])
    return np.asarray(grey * tint * np.clip(light / 190, 0.35, 1.1), np.float32)


def _contrast(mixed: Plane, under: Plane, alpha: Plane) -> float:
    """Mean change of the pixels under a plume, grey levels."""
    seen = alpha > ALPHA_EDGE
    return float(np.abs(mixed - under)[seen].mean()) if seen.any() else 0.0


def flame_colour(heat: Plane) -> NDArray[np.float32]:
    """Heat 0..1 to BGR: dark red, orange, yellow, nearly white."""
    stops = np.array([0.0, 0.25, 0.55, 0.8, 1.0])
    blue = np.interp(heat, stops, [0, 10, 40, 130, 225])
    green = np.interp(heat, stops, [20, 80, 165, 225, 250])
    red = np.interp(heat, stops, [120, 225, 255, 255, 255])
    return np.stack([blue, green, red], -1).astype(np.float32)


def lay(
    image: Image,
    sprite: Sprite,
    kind: str,
    corner: tuple[int, int],
    size: tuple[int, int],
    rng: Generator,
) -> tuple[int, int, int, int] | None:
    """Blend a sprite of `size` (width, height) px at `corner` (left, top) into `image`, in place.

    Returns the label box in pixels, clipped to the picture, or None where nothing is seen.
    """
    alpha = cv2.resize(sprite.alpha, size, interpolation=cv2.INTER_AREA)
    shade = cv2.resize(sprite.shade, size, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        alpha, shade = alpha[:, ::-1], shade[:, ::-1]
    left, top = corner
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + size[0], image.shape[1]), min(top + size[1], image.shape[0])
    if x2 - x1 < 8 or y2 - y1 < 8:
        return None
    part = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    alpha, shade = np.ascontiguousarray(alpha[part]), np.ascontiguousarray(shade[part])
    under = image[y1:y2, x1:x2].astype(np.float32)
    if kind == "fire":
        paint = flame_colour(shade)
    else:
        paint = np.asarray(colour_of(kind, image, rng) * shade[..., None], np.float32)
    mixed = under * (1 - alpha[..., None]) + paint * alpha[..., None]
    seen = extent(alpha)
    if seen is None or _contrast(mixed, under, alpha) < MIN_CONTRAST:
        return None
    image[y1:y2, x1:x2] = np.clip(mixed, 0, 255).astype(np.uint8)
    w, h = x2 - x1, y2 - y1
    return (
        x1 + int(seen[0] * w),
        y1 + int(seen[1] * h),
        x1 + int(seen[2] * w),
        y1 + int(seen[3] * h),
    )

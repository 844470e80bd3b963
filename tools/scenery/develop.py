# SPDX-License-Identifier: AGPL-3.0-or-later
"""From linear light to a camera's picture: air, exposure, colour, lens, noise, compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from tools.scenery.shapes import Floats


@dataclass(frozen=True)
class Look:
    """How one camera draws; noise is the standard deviation in 8-bit steps at mid grey."""

    exposure: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    saturation: float = 1.0
    blur_px: float = 0.0
    streak_px: int = 0
    noise: float = 2.0
    sharpen: float = 0.3
    vignette: float = 0.1
    quality: int = 85


def draw_look(rng: np.random.Generator, *, night: bool = False) -> Look:
    """A camera's character at random: exposure, white balance, blur and streaks in px, noise in
    levels of 255, JPEG quality."""
    warm = rng.normal(0, 0.06)
    return Look(
        exposure=float(np.exp(rng.normal(0, 0.28))),
        balance=(1 + warm, 1 + float(rng.normal(0, 0.02)), 1 - warm),
        contrast=float(rng.uniform(0.85, 1.25)),
        saturation=float(rng.uniform(0.65, 1.35)),
        blur_px=float(rng.choice([0, 0, 0.5, 0.8, 1.2])),
        streak_px=int(rng.choice([0, 0, 0, 0, 3, 5])),
        noise=float(rng.uniform(2, 9) if night else rng.uniform(0.5, 5)),
        sharpen=float(rng.uniform(0, 0.8)),
        vignette=float(rng.uniform(0, 0.3)),
        quality=int(rng.integers(42, 95)),
    )


def tone(linear: Floats) -> Floats:
    """Display curve: ACES fit by K. Narkowicz (2015), then the sRGB gamma as a power of 1/2.2."""
    x = np.maximum(linear, 0) * 0.8
    shown = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    return np.clip(shown, 0, 1) ** (1 / 2.2)


def untone(shown: Floats) -> Floats:
    """Inverse of `tone` (0..1 in, linear out) for adding light to photographs."""
    y = np.clip(shown, 0, 0.995) ** 2.2
    a, b, c = 2.43 * y - 2.51, 0.59 * y - 0.03, 0.14 * y
    x = (-b - np.sqrt(np.maximum(b * b - 4 * a * c, 0))) / (2 * a)
    return np.asarray(np.maximum(x, 0) / 0.8)


def with_air(linear: Floats, depth: Floats, haze: float, air: Floats) -> Floats:
    """Distance haze: extinction per metre, and the light that the air itself gives."""
    clear = np.exp(-haze * np.minimum(depth, 400.0))[..., None]
    return np.asarray(linear * clear + air * (1 - clear))


def balanced(linear: Floats, exposure: float) -> Floats:
    """Automatic exposure: the middle of the picture's light lands near mid grey."""
    light = linear[..., :3].mean(-1)
    middle = float(np.exp(np.log(light + 1e-4).mean()))
    return np.asarray(linear * (exposure * np.clip(0.2 / middle, 0.25, 14.0) ** 0.75))


def picture(linear: Floats, look: Look, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Linear RGB (h, w, 3) to BGR uint8, before compression."""
    light = linear[..., :3] * look.exposure * np.asarray(look.balance, np.float32)
    shown = tone(light)
    shown = np.clip((shown - 0.45) * look.contrast + 0.45, 0, 1)
    grey = shown.mean(-1, keepdims=True)
    shown = grey + (shown - grey) * look.saturation
    return finished(shown[..., ::-1] * 255, look, rng)


def finished(image: Floats, look: Look, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Lens, movement and sensor on a BGR picture of 0..255."""
    out: Floats = image.astype(np.float32)
    height, width = out.shape[:2]
    if look.blur_px:
        out = cv2.GaussianBlur(out, (0, 0), look.blur_px)
    if look.streak_px:
        kernel = np.zeros((look.streak_px, look.streak_px), np.float32)
        kernel[look.streak_px // 2] = 1 / look.streak_px
        out = cv2.filter2D(out, -1, kernel)
    if look.sharpen:
        out = out + look.sharpen * (out - cv2.GaussianBlur(out, (0, 0), 1.2))
    if look.vignette:
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        out = out * (1 - look.vignette * (x * x + y * y) / 2)[..., None].astype(np.float32)
    grain = rng.normal(0, 1, out.shape[:2]).astype(np.float32)
    colour = rng.normal(0, 0.5, out.shape).astype(np.float32)
    out = out + (grain[..., None] + colour) * look.noise
    return np.clip(out, 0, 255).astype(np.uint8)


def write_jpeg(path: str, image: np.ndarray[Any, Any], quality: int) -> None:
    if not cv2.imwrite(path, image, [cv2.IMWRITE_JPEG_QUALITY, quality]):
        raise OSError(f"{path}: cannot write the picture")

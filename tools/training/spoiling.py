# SPDX-License-Identifier: AGPL-3.0-or-later
"""What cameras and weather do to a training picture: colour, exposure, haze, blur, noise."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from edge.values import Image
from tools.training.settings import Picture


def spoil(canvas: Image, picture: Picture, rng: Generator) -> Image:
    """Colour, exposure and what cameras do: haze, blur, noise, JPEG."""
    if rng.random() < picture.colour:
        canvas = _recolour(canvas, rng)
    if rng.random() < picture.worsen:
        canvas = WORSEN[rng.integers(len(WORSEN))](canvas, rng)
    return canvas


def _recolour(canvas: Image, rng: Generator) -> Image:
    hue, saturation, value = rng.uniform(-1, 1, 3) * [0.015, 0.5, 0.4] + [0, 1, 1]
    hsv = cv2.cvtColor(canvas, cv2.COLOR_BGR2HSV)
    steps = np.arange(256, dtype=np.float64)
    table = np.stack(
        [
            (steps + hue * 180) % 180,
            np.clip(steps * saturation, 0, 255),
            np.clip(steps * value, 0, 255),
        ],
        -1,
    ).astype(np.uint8)[None]
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR))


def _haze(canvas: Image, rng: Generator) -> Image:
    """Even fog is neither dust nor smoke: no label."""
    share, grey = rng.uniform(0.1, 0.5), rng.uniform(150, 230)
    return np.asarray(cv2.addWeighted(canvas, 1 - share, np.full_like(canvas, int(grey)), share, 0))


def _blur(canvas: Image, rng: Generator) -> Image:
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.6)))


def _noise(canvas: Image, rng: Generator) -> Image:
    noise = rng.integers(0, int(rng.uniform(6, 26)), canvas.shape, dtype=np.uint8)
    lower: Any = 6  # the stubs know no scalar
    return np.asarray(cv2.add(cv2.subtract(canvas, lower), noise), np.uint8)


def _jpeg(canvas: Image, rng: Generator) -> Image:
    _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 80))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def _dark(canvas: Image, rng: Generator) -> Image:
    """A street under lamps: dim, warm, noisy."""
    gain = rng.uniform(0.2, 0.6) * np.array([0.75, 0.92, 1.1]) ** rng.uniform(0, 1)
    gamma = 255 * (np.arange(256) / 255) ** rng.uniform(1.0, 1.6)
    dim = np.clip(gamma[canvas] * gain, 0, 255).astype(np.uint8)
    return _noise(dim, rng)


WORSEN = (_haze, _blur, _noise, _jpeg, _jpeg, _dark)

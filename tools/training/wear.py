# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rendered surfaces are too clean, of too few colours: change colour, contrast and grain."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.values import Image

GRAIN_BLUR = 0.06  # of the long side: coarser than this is light and shade, not grain
GRAIN_RANGE = (0.6, 1.6)


def recoloured(
    image: Image, rng: Generator, *, hue: float, saturation: float = 0.4, value: float = 0.3
) -> Image:
    """image (h, w, 3) BGR uint8 with its hue turned by at most `hue` (1 is the whole circle),
    saturation and value scaled by 1 +- the shares, and a gamma between 0.7 and 1.4."""
    turn, more, lighter = rng.uniform(-1, 1, 3) * [hue, saturation, value] + [0, 1, 1]
    gamma = float(np.exp(rng.uniform(-0.35, 0.35)))
    steps = np.arange(256, dtype=np.float64)
    table = np.stack(
        [
            (steps + turn * 180) % 180,
            np.clip(steps * more, 0, 255),
            np.clip((steps / 255) ** gamma * 255 * lighter, 0, 255),
        ],
        -1,
    ).astype(np.uint8)[None]
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR))


def grained(image: Image, photograph: Image, rng: Generator) -> Image:
    """image (h, w, 3) with the fine light and dark of a random part of a photograph laid on it."""
    high, wide = image.shape[:2]
    tall, broad = photograph.shape[:2]
    share = rng.uniform(0.2, 0.8)
    part_h, part_w = max(1, int(tall * share)), max(1, int(broad * share))
    top, left = rng.integers(0, tall - part_h + 1), rng.integers(0, broad - part_w + 1)
    part = photograph[top : top + part_h, left : left + part_w]
    grey = cv2.cvtColor(cv2.resize(part, (wide, high)), cv2.COLOR_BGR2GRAY).astype(np.float32)
    coarse = cv2.blur(grey, (max(3, int(GRAIN_BLUR * max(high, wide))) | 1,) * 2)
    grain: NDArray[np.float32] = np.clip((grey + 12) / (coarse + 12), *GRAIN_RANGE)
    strength = rng.uniform(0.2, 1.0)
    return np.clip(image * (grain**strength)[..., None], 0, 255).astype(np.uint8)

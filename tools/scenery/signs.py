# SPDX-License-Identifier: AGPL-3.0-or-later
"""Price lists, boards and rails of clothes: the upright part of a display."""

from __future__ import annotations

import math
import random

from tools.scenery.goods import BRIGHT, FRUIT, SIGNS, bright
from tools.scenery.model import STEEL, Model, Paint, plain
from tools.scenery.shapes import box, rod, sheet


def clothes_rail(rng: random.Random, width: float) -> Model:
    """A rail of clothes, `width` metres wide, as night markets have them."""
    model = Model()
    for x in (-width / 2, width / 2):
        model.add(rod((x, 0, 0), (x, 0, 1.6), 0.018), STEEL)
    model.add(rod((-width / 2, 0, 1.6), (width / 2, 0, 1.6), 0.018), STEEL)
    x = -width / 2 + 0.08
    while x < width / 2 - 0.05:
        drop = rng.uniform(0.6, 1.1)
        model.add(
            box((0.045, rng.uniform(0.36, 0.5), drop), bevel=0.015, taper=(1, 0.6)),
            Paint("cloth", bright(rng), 0.9),
            (x, 0, 1.56 - drop / 2),
        )
        x += rng.uniform(0.06, 0.12)
    return model


def poster(rng: random.Random, width: float, height: float) -> Model:
    """Upright panel in the x-z plane, seen from -y: a price list with pictures of food."""
    model = Model()
    ground = plain(bright(rng), 0.5)
    model.add(box((width, 0.012, height)), ground)
    up = (math.pi / 2, 0, 0)
    for _ in range(rng.randint(2, 6)):
        w, h = width * rng.uniform(0.12, 0.35), height * rng.uniform(0.15, 0.4)
        at = (
            rng.uniform(-0.5, 0.5) * (width - w),
            -0.009 - rng.uniform(0, 0.003),
            rng.uniform(-0.5, 0.5) * (height - h),
        )
        food = Paint("mottle", rng.choice(FRUIT), 0.5, second=rng.choice(BRIGHT), scale=9)
        model.add(sheet(w, h), food, at, rot=up)
    ink = plain(rng.choice([(0.75, 0.7, 0.1), (0.8, 0.8, 0.78), (0.6, 0.03, 0.02)]), 0.6)
    body = rng.choice(SIGNS)
    size = min(height * 0.45, 1.5 * width / max(2, len(body)))
    model.write(body, size, ink, (0, -0.018, rng.uniform(-0.2, 0.3) * height))
    return model


def chalkboard(rng: random.Random) -> Model:
    """A-board on the pavement."""
    model = Model()
    for lean in (-0.2, 0.2):
        model.add(
            box((0.55, 0.02, 0.95)),
            plain(rng.choice([(0.02, 0.02, 0.02), bright(rng)]), 0.7),
            (0, lean * 0.75, 0.46),
            rot=(lean, 0, 0),
        )
    model.write(rng.choice(SIGNS), 0.16, plain((0.7, 0.7, 0.65)), (0, -0.19, 0.6))
    return model

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What stalls of every kind share: bodies, counters with goods, table cloths, roofs on posts."""

from __future__ import annotations

import math
import random

from tools.scenery import goods, signs
from tools.scenery.covers import frame, striped_roof, umbrella
from tools.scenery.goods import WOODS, bright
from tools.scenery.model import GLASS, STEEL, Model, Paint, plain
from tools.scenery.shapes import box, sheet


def body_paint(rng: random.Random) -> Paint:
    """Wood, bare metal or paint, as stalls come."""
    kind = rng.random()
    if kind < 0.25:
        return plain(rng.choice(WOODS), 0.6, dirt=0.3)
    if kind < 0.4:
        return plain((0.6, 0.6, 0.61), 0.3, metal=0.85, dirt=0.3)
    return plain(bright(rng), rng.uniform(0.25, 0.6), dirt=rng.choice([0.0, 0.3, 0.6]))


def roof_over(rng: random.Random, model: Model, width: float, depth: float, at: float) -> None:
    """Something over the counter: flat, cloth, sloped board, umbrella or nothing."""
    kind = rng.choice(["flat", "flat", "cloth", "cloth", "sloped", "umbrella", "none"])
    high = at + rng.uniform(1.0, 1.25)
    if kind == "none":
        return
    if kind == "umbrella":
        model.put(
            umbrella(rng, rng.uniform(1.0, 1.5), rng.uniform(2.0, 2.35)),
            (rng.uniform(-0.2, 0.2) * width, rng.uniform(-0.1, 0.3), 0),
        )
        return
    posts = STEEL if rng.random() < 0.6 else plain(rng.choice(WOODS), 0.7)
    model.put(frame(width - 0.08, depth - 0.08, at, high, posts))
    if kind == "cloth":
        model.put(
            striped_roof(
                rng,
                width + rng.uniform(0.1, 0.5),
                depth + rng.uniform(0.2, 0.7),
                rng.uniform(0.15, 0.45),
            ),
            (0, 0, high),
        )
        return
    roof = plain(bright(rng), 0.6, dirt=0.4)
    tilt = 0.0 if kind == "flat" else rng.uniform(0.08, 0.2)
    model.add(
        box((width + 0.3, depth + rng.uniform(0.2, 0.5), 0.05)),
        roof,
        (0, 0, high + 0.03),
        rot=(tilt, 0, 0),
    )
    if rng.random() < 0.75:
        model.put(
            signs.poster(rng, width + 0.2, rng.uniform(0.25, 0.4)),
            (0, -depth / 2 - 0.2, high + rng.uniform(-0.1, 0.22)),
        )


def _case(rng: random.Random, width: float, depth: float, height: float) -> Model:
    """Glass box with something to eat inside."""
    model = Model()
    model.put(frame(width, depth, 0, height, STEEL, 0.02))
    for y in (-depth / 2, depth / 2):
        model.add(sheet(width, height), GLASS, (0, y, height / 2), rot=(math.pi / 2, 0, 0))
    for x in (-width / 2, width / 2):
        model.add(sheet(height, depth), GLASS, (x, 0, height / 2), rot=(0, math.pi / 2, 0))
    model.add(sheet(width, depth), GLASS, (0, 0, height))
    model.put(goods.display(rng, width * 0.9, depth * 0.85), (0, 0, 0.01))
    return model


def counter_load(rng: random.Random, model: Model, width: float, depth: float, top: float) -> None:
    """Goods on a counter of these metres, often partly behind a glass case."""
    if rng.random() < 0.55:
        case = rng.uniform(0.35, 1.0) * width
        model.put(_case(rng, case, depth * 0.6, rng.uniform(0.3, 0.6)), (0, -0.12 * depth, top))
        model.put(goods.display(rng, width * 0.9, depth * 0.3), (0, depth * 0.32, top))
    else:
        model.put(goods.display(rng, width * 0.95, depth * 0.9), (0, 0, top))


def skirt(rng: random.Random, width: float, depth: float, high: float) -> Model:
    """Table cloth hanging down to the front and the sides, plain or striped."""
    model = Model()
    a = Paint("cloth", bright(rng), 0.9)
    b = Paint("cloth", (0.7, 0.7, 0.68), 0.9) if rng.random() < 0.35 else a
    stripes = max(3, round(width / 0.12))
    drop = high * rng.uniform(0.7, 0.97)
    for i in range(stripes):
        x = -width / 2 + (i + 0.5) * width / stripes
        model.add(
            sheet(width / stripes, drop),
            (a, b)[i % 2],
            (x, -depth / 2 - 0.02 - 0.012 * (i % 2), high - drop / 2),
            rot=(math.pi / 2, 0, 0),
        )
    for x in (-width / 2 - 0.02, width / 2 + 0.02):
        model.add(sheet(drop, depth), a, (x, 0, high - drop / 2), rot=(0, math.pi / 2, 0))
    return model

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cargo tricycles: selling from the bed, delivering, or standing about."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from tools.scenery import goods, signs
from tools.scenery.counters import body_paint, counter_load, roof_over
from tools.scenery.covers import umbrella
from tools.scenery.goods import WOODS, bright
from tools.scenery.model import BLACK, STEEL, Colour, Model, plain
from tools.scenery.shapes import box, rod, tube
from tools.scenery.wheels import wheel


def tricycle(rng: random.Random, *, load: str = "sale") -> Model:
    """Cargo tricycle, 三轮车, driving to +x; load: sale, empty, box (express delivery), covered."""
    model = Model()
    paint = plain(
        rng.choice(
            [
                (0.5, 0.03, 0.03),
                (0.03, 0.1, 0.4),
                (0.03, 0.25, 0.2),
                (0.2, 0.2, 0.22),
                (0.7, 0.7, 0.7),
            ]
        ),
        0.4,
        dirt=0.5,
    )
    width, depth = rng.uniform(1.3, 1.8), rng.uniform(0.85, 1.1)
    bed, side = 0.55, rng.uniform(0.15, 0.35)
    back = -0.4
    model.add(box((width, depth, 0.06)), paint, (back, 0, bed))
    for y in (-depth / 2, depth / 2):
        model.add(box((width, 0.03, side)), paint, (back, y, bed + side / 2))
    for x in (back - width / 2, back + width / 2):
        model.add(box((0.03, depth, side)), paint, (x, 0, bed + side / 2))
    for y in (-depth / 2 + 0.02, depth / 2 - 0.02):
        model.put(wheel(0.27, 0.1), (back - 0.15, y * 0.92, 0.27))
    nose = back + width / 2 + 0.75
    model.put(wheel(0.26, 0.08), (nose, 0, 0.26))
    model.add(
        tube([(back + width / 2, 0, bed), (nose - 0.35, 0, 0.5), (nose - 0.1, 0, 0.8)], 0.04),
        paint,
        smooth=True,
    )
    model.add(tube([(nose, 0, 0.26), (nose - 0.12, 0, 0.95), (nose - 0.2, 0, 1.05)], 0.03), STEEL)
    model.add(
        tube([(nose - 0.3, -0.34, 1.05), (nose - 0.18, 0, 1.02), (nose - 0.3, 0.34, 1.05)], 0.018),
        BLACK,
    )
    model.add(box((0.35, 0.36, 0.12), bevel=0.04), BLACK, (back + width / 2 + 0.18, 0, 0.82))
    model.add(box((0.3, 0.2, 0.3)), paint, (back + width / 2 + 0.18, 0, 0.62))
    if rng.random() < 0.5:
        model.add(
            box((0.04, 0.5, 0.6), bevel=0.015), paint, (nose - 0.05, 0, 0.75), rot=(0, -0.2, 0)
        )
    if rng.random() < 0.3 and load != "sale":
        model.add(box((1.1, depth * 0.9, 0.04)), paint, (nose - 0.6, 0, 1.85))
        for y in (-depth * 0.4, depth * 0.4):
            model.add(rod((nose - 0.1, y, 0.8), (nose - 0.15, y, 1.85), 0.015), STEEL)
    LOADS[load](rng, model, Bed(back, bed + 0.04, width, depth, side))
    return model


@dataclass(frozen=True)
class Bed:
    """Where the load lies: x of its middle, height of the floor, length, width, height of sides."""

    x: float
    floor: float
    width: float
    depth: float
    side: float


BOXES: list[Colour] = [
    (0.7, 0.7, 0.7),
    (0.65, 0.45, 0.02),
    (0.03, 0.1, 0.35),
    (0.03, 0.28, 0.1),
    (0.5, 0.03, 0.03),
]


def _courier_box(rng: random.Random, model: Model, bed: Bed) -> None:
    colour = rng.choice(BOXES)
    high = rng.uniform(0.9, 1.25)
    model.add(
        box((bed.width, bed.depth, high), bevel=0.03),
        plain(colour, 0.5, dirt=0.3),
        (bed.x, 0, bed.floor + high / 2),
    )
    word = rng.choice(["快递", "速运", "邮政", "配送", "EXPRESS"])
    ink = plain((0.75, 0.75, 0.75) if sum(colour) < 1.6 else (0.5, 0.03, 0.03))
    for y, yaw in ((-bed.depth / 2 - 0.01, 0.0), (bed.depth / 2 + 0.01, math.pi)):
        model.write(word, 0.34, ink, (bed.x, y, bed.floor + high * 0.6), yaw=yaw)


def _tarpaulin(rng: random.Random, model: Model, bed: Bed) -> None:
    size = (bed.width, bed.depth, rng.uniform(0.4, 0.9))
    model.put(goods.covered_heap(rng, size, bright(rng)), (bed.x, 0, bed.floor + bed.side * 0.6))


def _for_sale(rng: random.Random, model: Model, bed: Bed) -> None:
    if rng.random() >= 0.55:
        _kitchen(rng, model, bed)
        return
    board = box((bed.width + 0.15, bed.depth + 0.15, 0.03))
    model.add(board, plain(rng.choice(WOODS), 0.8), (bed.x, 0, bed.floor + bed.side))
    kind = rng.choice(["fruit", "fruit", "greens", "mix"])
    model.put(
        goods.display(rng, bed.width + 0.1, bed.depth + 0.1, kind),
        (bed.x, 0, bed.floor + bed.side + 0.02),
    )
    if rng.random() < 0.55:
        model.put(umbrella(rng, rng.uniform(1.0, 1.4), rng.uniform(2.0, 2.3)), (bed.x, 0.1, 0))
    if rng.random() < 0.6:
        poster = signs.poster(rng, rng.uniform(0.4, 0.8), 0.3)
        model.put(poster, (bed.x, -bed.depth / 2 - 0.1, bed.floor + 0.3))


def _kitchen(rng: random.Random, model: Model, bed: Bed) -> None:
    """A counter with pots or a glass case on the bed, roof over it."""
    high = bed.floor + rng.uniform(0.35, 0.5)
    body = box((bed.width, bed.depth, high - bed.floor))
    model.add(body, body_paint(rng), (bed.x, 0, (high + bed.floor) / 2))
    over = Model()
    counter_load(rng, over, bed.width, bed.depth, high)
    roof_over(rng, over, bed.width, bed.depth, high)
    model.put(over, (bed.x, 0, 0))


LOADS: dict[str, Callable[[random.Random, Model, Bed], None]] = {
    "box": _courier_box,
    "covered": _tarpaulin,
    "sale": _for_sale,
    "empty": lambda rng, model, bed: None,
}

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Vendors' stalls by kind, open for business; customers stand at -y."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from tools.scenery import goods, signs, stands
from tools.scenery.counters import body_paint, counter_load, roof_over, skirt
from tools.scenery.covers import tent, umbrella
from tools.scenery.goods import WOODS, bright
from tools.scenery.model import BLACK, STEEL, Model, Paint, plain
from tools.scenery.shapes import box, cylinder, rod, tube
from tools.scenery.tricycles import tricycle
from tools.scenery.wheels import wheel


def push_cart(rng: random.Random) -> Model:
    """Box on two or four wheels with a handle, 推车."""
    model = Model()
    width, depth = rng.uniform(1.0, 2.1), rng.uniform(0.6, 1.0)
    low, high = rng.uniform(0.25, 0.5), rng.uniform(0.85, 1.05)
    body = body_paint(rng)
    model.add(box((width, depth, high - low), bevel=0.02), body, (0, 0, (high + low) / 2))
    top = body_paint(rng)
    model.add(box((width + 0.08, depth + 0.08, 0.04)), top, (0, 0, high))
    if rng.random() < 0.7:
        model.put(
            signs.poster(rng, width * 0.75, (high - low) * 0.75),
            (0, -depth / 2 - 0.01, (high + low) / 2),
        )
    big = rng.random() < 0.6
    radius = rng.uniform(0.28, 0.42) if big else rng.uniform(0.08, 0.16)
    spokes = rng.choice([0, 5, 10]) if big else 0
    where = rng.uniform(0.1, 0.4) * width * rng.choice([-1, 1])
    spots = [where] if big and rng.random() < 0.6 else [-width * 0.38, width * 0.38]
    for x in spots:
        for y in (-depth / 2 - 0.05, depth / 2 + 0.05):
            model.put(wheel(radius, 0.06, spokes=spokes), (x, y, radius))
    if len(spots) == 1:
        for y in (-depth * 0.4, depth * 0.4):
            model.add(
                box((0.05, 0.05, low)), STEEL, (-math.copysign(width * 0.42, where), y, low / 2)
            )
    side = rng.choice([-1, 1])
    for y in (-depth * 0.4, depth * 0.4):
        model.add(
            tube(
                [(side * width / 2, y, high - 0.1), (side * (width / 2 + 0.25), y, high)],
                0.016,
                sides=6,
            ),
            STEEL,
        )
    model.add(
        rod(
            (side * (width / 2 + 0.25), -depth * 0.4, high),
            (side * (width / 2 + 0.25), depth * 0.4, high),
            0.016,
        ),
        STEEL,
    )
    if rng.random() < 0.88:
        counter_load(rng, model, width, depth, high + 0.02)
    roof_over(rng, model, width, depth, high)
    return model


def table(rng: random.Random) -> Model:
    """Trestle table with or without a cloth to the ground."""
    model = Model()
    width, depth, high = rng.uniform(1.2, 2.6), rng.uniform(0.6, 1.1), rng.uniform(0.6, 0.85)
    model.add(box((width, depth, 0.04)), plain(rng.choice(WOODS), 0.7, dirt=0.4), (0, 0, high))
    if rng.random() < 0.65:
        model.put(skirt(rng, width, depth, high))
    for x in (-width / 2 + 0.06, width / 2 - 0.06):
        for y in (-depth / 2 + 0.06, depth / 2 - 0.06):
            model.add(box((0.04, 0.04, high)), STEEL, (x, y, high / 2))
    model.put(goods.display(rng, width * 0.97, depth * 0.92), (0, 0, high + 0.03))
    if rng.random() < 0.4:
        model.put(
            signs.poster(rng, rng.uniform(0.4, 1.0), 0.3), (0, -depth / 2 - 0.03, high * 0.65)
        )
    cover = rng.choice(["umbrella", "umbrella", "tent", "none"])
    if cover == "umbrella":
        model.put(umbrella(rng, rng.uniform(1.1, 1.7), rng.uniform(2.0, 2.4)), (0, 0.15, 0))
    elif cover == "tent":
        model.put(tent(rng, width + 0.4, depth + 0.9))
    return model


def tent_stall(rng: random.Random) -> Model:
    """Market stall: pavilion over tables, clothes or crates."""
    model = Model()
    width, depth = rng.uniform(2.0, 3.2), rng.uniform(1.8, 3.0)
    model.put(tent(rng, width, depth))
    if rng.random() < 0.3:
        for y in (-depth * 0.3, depth * 0.2):
            model.put(signs.clothes_rail(rng, width * 0.85), (0, y, 0))
        return model
    high = rng.uniform(0.65, 0.85)
    model.add(
        box((width * 0.95, 0.8, 0.04)), plain(rng.choice(WOODS), 0.7), (0, -depth / 2 + 0.4, high)
    )
    model.put(skirt(rng, width * 0.95, 0.8, high), (0, -depth / 2 + 0.4, 0))
    model.put(goods.display(rng, width * 0.92, 0.75), (0, -depth / 2 + 0.4, high + 0.02))
    if rng.random() < 0.5:
        model.put(goods.display(rng, width * 0.9, 0.5), (0, depth / 2 - 0.5, 0.8))
    return model


def tricycle_stall(rng: random.Random) -> Model:
    return tricycle(rng, load="sale")


def kiosk(rng: random.Random) -> Model:
    """Trailer or food van body with a serving hatch, 餐车."""
    model = Model()
    width, depth, high = rng.uniform(2.0, 4.0), rng.uniform(1.4, 2.0), rng.uniform(1.7, 2.1)
    low = rng.uniform(0.3, 0.5)
    body = body_paint(rng)
    sill, lintel = low + high * 0.42, low + high * 0.86
    hatch = width * rng.uniform(0.45, 0.8)
    side = (width - hatch) / 2
    model.add(box((width, depth, sill - low), bevel=0.03), body, (0, 0, (sill + low) / 2))
    model.add(
        box((width, depth, low + high - lintel), bevel=0.03),
        body,
        (0, 0, (low + high + lintel) / 2),
    )
    for x in (-(hatch + side) / 2, (hatch + side) / 2):
        model.add(box((side, depth, lintel - sill)), body, (x, 0, (lintel + sill) / 2))
    model.add(
        box((hatch, 0.04, lintel - sill)),
        plain((0.12, 0.11, 0.1), 0.8),
        (0, depth / 2 - 0.2, (lintel + sill) / 2),
    )
    model.add(box((hatch, 0.35, 0.04)), STEEL, (0, -depth / 2 - 0.15, sill))
    model.put(goods.display(rng, hatch * 0.9, 0.5), (0, -depth / 2 + 0.3, sill))
    model.add(
        box((hatch, 0.75, 0.04)),
        body_paint(rng),
        (0, -depth / 2 - 0.33, lintel + 0.12),
        rot=(rng.uniform(-0.3, 0.35), 0, 0),
    )
    model.put(
        signs.poster(rng, width * 0.9, (sill - low) * 0.6), (0, -depth / 2 - 0.01, (sill + low) / 2)
    )
    if rng.random() < 0.6:
        model.put(signs.poster(rng, width * 0.8, 0.4), (0, -depth / 2 + 0.1, low + high + 0.22))
    for x in (-width * 0.25, width * 0.25) if width > 3 else (0.0,):
        for y in (-depth / 2 + 0.05, depth / 2 - 0.05):
            model.put(wheel(0.28, 0.16), (x, y, 0.28))
    model.add(box((0.9, 0.08, 0.08)), BLACK, (width / 2 + 0.4, 0, low + 0.05))
    return model


def mat(rng: random.Random) -> Model:
    """Goods on a cloth on the ground, 地摊."""
    model = Model()
    width, depth = rng.uniform(1.2, 3.0), rng.uniform(0.8, 1.7)
    cloth = Paint(
        "cloth",
        rng.choice(
            [
                (0.04, 0.12, 0.4),
                (0.5, 0.05, 0.05),
                (0.65, 0.65, 0.6),
                (0.6, 0.5, 0.1),
                (0.03, 0.03, 0.03),
                (0.1, 0.3, 0.1),
            ]
        ),
        0.95,
    )
    model.add(box((width, depth, 0.015)), cloth, (0, 0, 0.01))
    columns, rows = max(2, int(width / 0.5)), max(1, int(depth / 0.45))
    style = rng.choice(["heaps", "heaps", "baskets", "wares", "mix"])
    for i in range(columns):
        for j in range(rows):
            at = (
                (i + 0.5) * width / columns - width / 2,
                (j + 0.5) * depth / rows - depth / 2,
                0.02,
            )
            one = rng.choice(["heaps", "baskets", "wares"]) if style == "mix" else style
            if one == "heaps":
                model.put(
                    goods.display(rng, 0.42, 0.38, rng.choice(["fruit", "fruit", "greens"])), at
                )
            elif one == "baskets":
                model.put(goods.basket(rng) if rng.random() < 0.5 else goods.crate(rng), at)
            else:
                model.put(goods.display(rng, 0.45, 0.4, rng.choice(["packets", "jars"])), at)
    return model


def crate_steps(rng: random.Random) -> Model:
    """Crates on steps, as before a greengrocer's or on a cargo bicycle."""
    model = Model()
    columns = rng.randint(2, 5)
    for row in range(rng.randint(2, 3)):
        for i in range(columns):
            model.put(goods.crate(rng), ((i - columns / 2 + 0.5) * 0.53, row * 0.38, row * 0.26))
        model.add(
            box((columns * 0.53, 0.36, 0.26 * row + 0.02)),
            plain(rng.choice(WOODS), 0.8),
            (0, row * 0.38, 0.13 * row),
        )
    if rng.random() < 0.5:
        model.put(umbrella(rng, rng.uniform(1.1, 1.5), 2.2), (0, 0.6, 0))
    return model


STALLS: dict[str, tuple[float, Callable[[random.Random], Model]]] = {
    "push_cart": (5, push_cart),
    "table": (4, table),
    "tent_stall": (3, tent_stall),
    "tricycle": (4, tricycle_stall),
    "kiosk": (2, kiosk),
    "mat": (3, mat),
    "crate_steps": (1.5, crate_steps),
    "show_case": (4, stands.show_case),
    "hand_cart": (4, stands.hand_cart),
    "rack": (2, stands.rack),
    "market_row": (2, stands.market_row),
    "food_van": (2.5, stands.food_van),
    "rails": (1.5, stands.rails),
}


ONE_SIDED = ("food_van",)  # no stall when seen from behind


def draw(rng: random.Random) -> str:
    """A kind of stall, by the weights of STALLS."""
    names, weights = list(STALLS), [weight for weight, _ in STALLS.values()]
    return rng.choices(names, weights)[0]


def stall(rng: random.Random, kind: str = "") -> Model:
    """A stall open for business, its customers to -y."""
    return STALLS[kind or draw(rng)][1](rng)


def clutter(rng: random.Random) -> Model:
    """Boxes, buckets and stools that stand behind a stall; part of it."""
    model = Model()
    for _ in range(rng.randint(0, 4)):
        at = (rng.uniform(-1.1, 1.1), rng.uniform(0.2, 0.8), 0)
        kind = rng.random()
        if kind < 0.35:
            s = rng.uniform(0.25, 0.42)
            model.add(
                box((s, s, s * 0.8)), plain((0.42, 0.29, 0.16), 0.85), (at[0], at[1], s * 0.4)
            )
        elif kind < 0.6:
            model.put(goods.crate(rng, full=rng.random() < 0.5), at)
        elif kind < 0.75:
            model.put(goods.gas_bottle(), at)
        else:
            model.add(cylinder(0.13, 0.32, top=0.16), plain(bright(rng), 0.5), at, smooth=True)
    return model

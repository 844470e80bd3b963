# SPDX-License-Identifier: AGPL-3.0-or-later
"""More kinds of stalls: show-case and hand carts, racks, market rows, food vans, clothes rails."""

from __future__ import annotations

import math
import random

from tools.scenery import goods, signs, vehicles
from tools.scenery.counters import body_paint, skirt
from tools.scenery.covers import frame, striped_roof, umbrella
from tools.scenery.goods import WOODS, bright
from tools.scenery.model import GLASS, STEEL, WHITE, Model, plain
from tools.scenery.shapes import box, cylinder, rod, sheet
from tools.scenery.wheels import wheel


def show_case(rng: random.Random) -> Model:
    """Cabinet on wheels, glass from the hip to the roof, 玻璃柜小吃车."""
    model = Model()
    width, depth = rng.uniform(0.9, 1.9), rng.uniform(0.55, 0.85)
    low, hip, top = rng.uniform(0.2, 0.45), rng.uniform(0.8, 1.0), rng.uniform(1.5, 2.1)
    body = body_paint(rng)
    model.add(box((width, depth, hip - low), bevel=0.02), body, (0, 0, (hip + low) / 2))
    panel = signs.poster(rng, width * rng.uniform(0.6, 0.95), (hip - low) * 0.8)
    model.put(panel, (0, -depth / 2 - 0.01, (hip + low) / 2))
    posts = rng.choice([STEEL, body, plain(rng.choice(WOODS), 0.7)])
    model.put(frame(width, depth, hip, top, posts))
    for shelf in range(rng.randint(1, 3)):
        at = hip + 0.02 + shelf * (top - hip) / 3
        model.add(box((width * 0.96, depth * 0.9, 0.015)), STEEL, (0, 0, at))
        model.put(goods.display(rng, width * 0.9, depth * 0.75), (0, 0, at + 0.01))
    for y in (-depth / 2, depth / 2)[: rng.choice([1, 2])]:
        glass = sheet(width, top - hip)
        model.add(glass, GLASS, (0, y, (hip + top) / 2), rot=(math.pi / 2, 0, 0))
    roof = box((width + rng.uniform(0.1, 0.5), depth + rng.uniform(0.1, 0.6), 0.06))
    model.add(roof, body_paint(rng), (0, 0, top + 0.03), rot=(rng.uniform(-0.12, 0.12), 0, 0))
    if rng.random() < 0.6:
        model.put(signs.poster(rng, width, 0.26), (0, -depth / 2 - 0.12, top + 0.12))
    _wheels(rng, model, width, depth, low)
    return model


def _wheels(rng: random.Random, model: Model, width: float, depth: float, low: float) -> None:
    """Two large ones and legs, or castors."""
    if rng.random() < 0.6:
        radius, x = rng.uniform(0.25, 0.42), rng.uniform(-0.35, 0.35) * width
        for y in (-depth / 2 - 0.05, depth / 2 + 0.05):
            model.put(wheel(radius, 0.06, spokes=rng.choice([0, 6, 10, 14])), (x, y, radius))
        for y in (-depth * 0.4, depth * 0.4):
            leg = box((0.05, 0.05, low))
            model.add(leg, STEEL, (-math.copysign(width * 0.42, x), y, low / 2))
        return
    for x in (-width * 0.4, width * 0.4):
        for y in (-depth * 0.4, depth * 0.4):
            model.put(wheel(0.09, 0.05), (x, y, 0.09))
            model.add(box((0.04, 0.04, low)), STEEL, (x, y, low / 2 + 0.05))


def rack(rng: random.Random) -> Model:
    """Shelves one above the other, level or in steps: flowers, drinks, snacks, books."""
    model = Model()
    width, depth = rng.uniform(0.8, 2.2), rng.uniform(0.3, 0.5)
    paint = rng.choice([STEEL, body_paint(rng), plain(rng.choice(WOODS), 0.7)])
    tiers, step = rng.randint(2, 4), rng.choice([0.0, 0.0, 0.25])
    rise = rng.uniform(0.3, 0.45)
    for tier in range(tiers):
        y, z = tier * step, 0.25 + tier * rise
        model.add(box((width, depth, 0.03)), paint, (0, y, z))
        model.put(goods.display(rng, width * 0.95, depth * 0.9), (0, y, z + 0.02))
    high = 0.25 + tiers * rise
    for x in (-width / 2, width / 2):
        model.add(box((0.04, 0.04, high)), paint, (x, depth / 2 + (tiers - 1) * step, high / 2))
        model.add(box((0.04, 0.04, 0.3)), paint, (x, -depth / 2, 0.15))
    if rng.random() < 0.5:
        model.add(box((width, 0.03, high)), paint, (0, depth / 2 + (tiers - 1) * step, high / 2))
    if rng.random() < 0.4:
        roof = striped_roof(rng, width + 0.3, depth + 0.5, rng.uniform(0.1, 0.3))
        model.put(roof, (0, 0, high + rng.uniform(0.3, 0.8)))
        for x in (-width / 2, width / 2):
            model.add(rod((x, depth / 2, 0.2), (x, depth / 2, high + 0.7), 0.018), STEEL)
    return model


def market_row(rng: random.Random) -> Model:
    """Two or three tables side by side under one long roof of cloth."""
    model = Model()
    one, count = rng.uniform(1.4, 2.2), rng.randint(2, 3)
    width, depth, high = one * count, rng.uniform(1.2, 2.0), rng.uniform(2.0, 2.4)
    for i in range(count):
        x = (i + 0.5) * one - width / 2
        model.add(box((one * 0.96, 0.85, 0.04)), plain(rng.choice(WOODS), 0.7), (x, -0.2, 0.75))
        model.put(skirt(rng, one * 0.96, 0.85, 0.75), (x, -0.2, 0))
        model.put(goods.display(rng, one * 0.92, 0.8), (x, -0.2, 0.78))
    model.put(frame(width, depth, 0, high, STEEL, 0.025))
    roof = striped_roof(rng, width + 0.3, depth + rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.6))
    model.put(roof, (0, 0, high))
    if rng.random() < 0.4:
        model.put(signs.clothes_rail(rng, width * 0.6), (0, depth / 2 - 0.2, 0))
    return model


def food_van(rng: random.Random) -> Model:
    """A van or lorry whose side is open for selling; its counter towards -y."""
    model = Model()
    lorry = rng.random() < 0.5
    model.put(vehicles.box_truck(rng) if lorry else vehicles.van(rng))
    wide, high = (rng.uniform(1.6, 2.6), 1.0) if lorry else (rng.uniform(1.2, 1.8), 0.7)
    x, y, sill = -0.6, -1.02 if lorry else -0.86, 1.35 if lorry else 1.0
    dark = plain((0.08, 0.07, 0.06), 0.8)
    model.add(box((wide, 0.03, high)), dark, (x, y - 0.02, sill + high / 2))
    model.add(box((wide + 0.1, 0.4, 0.04)), STEEL, (x, y - 0.2, sill))
    model.put(goods.display(rng, wide * 0.9, 0.35), (x, y - 0.2, sill + 0.03))
    if rng.random() < 0.5:
        model.put(striped_roof(rng, wide + 0.2, 1.0, 0.25), (x, y - 0.4, sill + high))
    else:
        tilt = (rng.uniform(-0.3, 0.4), 0, 0)
        model.add(
            box((wide, 0.8, 0.04)), body_paint(rng), (x, y - 0.4, sill + high + 0.1), rot=tilt
        )
    model.put(signs.poster(rng, wide * 0.9, 0.4), (x, y - 0.03, sill - 0.35))
    if rng.random() < 0.5:
        model.put(signs.poster(rng, wide, 0.35), (x, y - 0.1, sill + high + 0.45))
    return model


def hand_cart(rng: random.Random) -> Model:
    """Tub on a big pair of wheels, low goods, perhaps an umbrella: ice, nuts, flowers, corn."""
    model = Model()
    width, depth, low = rng.uniform(0.8, 1.5), rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.5)
    high = low + rng.uniform(0.35, 0.6)
    paint = body_paint(rng)
    model.add(box((width, depth, high - low), bevel=0.06), paint, (0, 0, (low + high) / 2))
    model.add(box((width + 0.06, depth + 0.06, 0.03)), body_paint(rng), (0, 0, high))
    radius = rng.uniform(0.25, 0.4)
    for y in (-depth / 2 - 0.05, depth / 2 + 0.05):
        model.put(wheel(radius, 0.05, spokes=rng.choice([8, 12, 16])), (0.15 * width, y, radius))
    model.put(wheel(0.1, 0.05), (-0.42 * width, 0, 0.1))
    for y in (-depth * 0.4, depth * 0.4):
        handle = rod((-width / 2, y, high - 0.1), (-width / 2 - 0.4, y, high + 0.1), 0.018)
        model.add(handle, STEEL)
    if rng.random() < 0.75:
        model.put(goods.display(rng, width * 0.85, depth * 0.8), (0, 0, high + 0.02))
    if rng.random() < 0.6:
        text = rng.choice(["冰淇淋", "烤玉米", "鲜花", "糖炒栗子", "ICE", "COFFEE"])
        model.write(text, (high - low) * 0.5, WHITE, (0, -depth / 2 - 0.02, (low + high) / 2))
    if rng.random() < 0.6:
        shade = umbrella(rng, rng.uniform(0.8, 1.3), rng.uniform(1.9, 2.2))
        model.put(shade, (rng.uniform(-0.3, 0.3) * width, 0, 0))
    return model


def rails(rng: random.Random) -> Model:
    """Rails of clothes and a table or baskets before them."""
    model = Model()
    for i in range(rng.randint(1, 3)):
        model.put(
            signs.clothes_rail(rng, rng.uniform(1.2, 2.4)), (rng.uniform(-0.6, 0.6), 0.6 * i, 0)
        )
    if rng.random() < 0.6:
        width = rng.uniform(0.9, 1.8)
        model.add(box((width, 0.6, 0.04)), plain(rng.choice(WOODS), 0.7), (0, -0.8, 0.7))
        model.put(skirt(rng, width, 0.6, 0.7), (0, -0.8, 0))
        model.put(goods.display(rng, width * 0.9, 0.55), (0, -0.8, 0.73))
    for _ in range(rng.randint(0, 3)):
        tub = cylinder(0.2, 0.3, top=0.26)
        model.add(tub, plain(bright(rng), 0.5), (rng.uniform(-1, 1), -0.9, 0), smooth=True)
    return model

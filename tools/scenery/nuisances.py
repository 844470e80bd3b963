# SPDX-License-Identifier: AGPL-3.0-or-later
"""Grills, spilled soil, and what lies on a road without being soil."""

from __future__ import annotations

import random

import numpy as np

from tools.scenery import goods, people, seeds, signs
from tools.scenery.covers import umbrella
from tools.scenery.goods import bright
from tools.scenery.model import STEEL, Colour, Model, Paint, plain
from tools.scenery.shapes import box, cylinder, heap, rod, scattered, sheet, sphere, tube
from tools.scenery.trucks import soil


def grill(rng: random.Random) -> Model:
    """Charcoal trough, kettle or drum, skewers on it; cook's side is +y."""
    model = Model()
    metal = plain((0.16, 0.155, 0.15), 0.5, metal=0.8, dirt=0.9)
    coal = Paint("coal", glow=rng.choice([0.0, 3.0, 8.0]))
    kind = rng.choice(["trough", "trough", "trough", "drum", "cart"])
    length, width, high = rng.uniform(0.8, 1.7), rng.uniform(0.26, 0.4), rng.uniform(0.68, 0.85)
    if kind == "drum":
        model.add(
            tube([(-length / 2, 0, high - 0.1), (length / 2, 0, high - 0.1)], 0.24, sides=14),
            metal,
            smooth=True,
        )
        model.add(box((length * 0.95, 0.4, 0.03)), coal, (0, 0, high + 0.08))
    else:
        model.add(box((length, width, 0.03)), metal, (0, 0, high - 0.14))
        for s in (-1, 1):
            model.add(box((length, 0.02, 0.2)), metal, (0, s * width / 2, high - 0.05))
            model.add(box((0.02, width, 0.2)), metal, (s * length / 2, 0, high - 0.05))
        model.add(box((length * 0.96, width * 0.92, 0.05)), coal, (0, 0, high - 0.08))
    if kind == "cart":
        model.add(
            box((length + 0.5, width + 0.35, high - 0.2)),
            plain(bright(rng), 0.5, dirt=0.6),
            (0, 0.05, (high - 0.2) / 2),
        )
        model.put(signs.poster(rng, length, 0.3), (0, -width / 2 - 0.18, high * 0.5))
    else:
        for x in (-length / 2 + 0.05, length / 2 - 0.05):
            for y in (-width / 2 + 0.02, width / 2 - 0.02):
                model.add(box((0.035, 0.035, high - 0.1)), metal, (x, y, (high - 0.1) / 2))
    _skewers(rng, model, length, width, high)
    if rng.random() < 0.25:
        model.put(umbrella(rng, rng.uniform(1.1, 1.5), 2.2), (0, 0.35, 0))
    if rng.random() < 0.6:
        model.put(_side_table(rng), (length / 2 + 0.5, 0.15, 0))
    return model


def _skewers(rng: random.Random, model: Model, length: float, width: float, high: float) -> None:
    meats = [
        plain(c, 0.5)
        for c in ((0.25, 0.08, 0.035), (0.4, 0.16, 0.07), (0.15, 0.05, 0.03), (0.1, 0.2, 0.04))
    ]
    wood = plain((0.6, 0.45, 0.25), 0.7)
    for i in range(int(length / 0.07)):
        if rng.random() < 0.7:
            x = -length / 2 + 0.05 + i * 0.07
            model.add(
                box((0.035, width * 0.75, 0.03)),
                rng.choice(meats),
                (x, 0.0, high + 0.07),
                rot=(0, 0, rng.uniform(-0.1, 0.1)),
            )
            model.add(
                rod((x, -width * 0.95, high + 0.08), (x, 0, high + 0.07), 0.006, sides=4), wood
            )


def _side_table(rng: random.Random) -> Model:
    model = Model()
    model.add(box((0.65, 0.5, 0.03)), plain((0.6, 0.6, 0.6), 0.4), (0, 0, 0.7))
    for x in (-0.28, 0.28):
        model.add(box((0.03, 0.45, 0.7)), STEEL, (x, 0, 0.35))
    model.put(goods.display(rng, 0.6, 0.45, rng.choice(["jars", "pans", "packets"])), (0, 0, 0.72))
    return model


def dining(rng: random.Random) -> Model:
    """Low folding table with stools, as barbecue guests have it."""
    model = Model()
    paint = plain(rng.choice([(0.6, 0.58, 0.5), (0.5, 0.03, 0.03), (0.35, 0.22, 0.12)]), 0.5)
    high = rng.choice([0.5, 0.72])
    model.add(box((0.75, 0.75, 0.03)), paint, (0, 0, high))
    for x in (-0.3, 0.3):
        model.add(rod((x, -0.3, 0), (-x, 0.3, high), 0.015), STEEL)
    for side in range(4):
        spot = [(0.75, 0), (-0.75, 0), (0, 0.75), (0, -0.75)][side]
        model.put(
            people.stool(rng),
            (spot[0] + rng.uniform(-0.1, 0.1), spot[1] + rng.uniform(-0.1, 0.1), 0),
        )
    model.put(
        goods.display(rng, 0.6, 0.6, "jars" if rng.random() < 0.5 else "pans"), (0, 0, high + 0.02)
    )
    return model


def spillage(rng: random.Random, *, colour: Colour | None = None) -> Model:
    """Soil fallen along a lane (x): heaps and clods, 2 to 9 m long."""
    model = Model()
    numbers = seeds.array_stream("spill", rng.getrandbits(32))
    length, width = rng.uniform(1.8, 9.0), rng.uniform(0.7, 2.2)
    earth = soil(rng, colour=colour)
    for _ in range(rng.randint(1, 7)):
        s = rng.uniform(0.3, 1.1)
        at = (rng.uniform(-0.42, 0.42) * length, rng.gauss(0, 0.18) * width, 0.01)
        model.add(
            heap(numbers, (s * 1.9, s * 1.4, s * rng.uniform(0.12, 0.3)), cells=20, rough=0.4),
            earth,
            at,
            rot=(0, 0, rng.uniform(0, 3)),
            smooth=True,
        )
    clods = sphere(1.0, scale=(1.2, 1, 0.7), sides=6)
    count = rng.randint(80, 320)
    places = np.stack(
        [
            numbers.normal(0, 0.24, count) * length,
            numbers.normal(0, 0.25, count) * width,
            np.full(count, 0.01),
        ],
        -1,
    ).astype(np.float32)
    scales = (np.abs(numbers.normal(0, 0.035, count)) + 0.012).astype(np.float32)
    model.add(
        scattered(clods, places, scales, numbers.uniform(0, 6, count).astype(np.float32)), earth
    )
    return model


def spill_stain(rng: random.Random, like: Model) -> Model:
    """The thin film round a spill: part of the picture, not of the box."""
    low, high = like.verts().min(0), like.verts().max(0)
    model = Model()
    earth = next(part.paint for part in like.parts)
    film = Paint(
        "stain",
        earth.colour,
        0.95,
        second=(rng.uniform(0.6, 1.0), 0, 0),
        scale=rng.uniform(0.7, 1.5),
    )
    model.add(sheet((high[0] - low[0]) * 1.25, (high[1] - low[1]) * 1.3), film, (0, 0, 0.012))
    return model


def wet_patch(rng: random.Random) -> Model:
    """Water from a sprinkler or a drain: dark and smooth, no soil."""
    model = Model()
    film = Paint(
        "stain", (0.02, 0.02, 0.022), rng.uniform(0.05, 0.3), second=(rng.uniform(0.6, 0.95), 0, 0)
    )
    model.add(sheet(rng.uniform(2, 9), rng.uniform(1, 3.5)), film, (0, 0, 0.011))
    return model


def road_repair(rng: random.Random) -> Model:
    """Rectangles of newer or older asphalt, sometimes with sealed joints."""
    model = Model()
    for _ in range(rng.randint(1, 3)):
        grey = rng.choice([0.02, 0.03, 0.16, 0.22])
        size = (rng.uniform(0.8, 5), rng.uniform(0.6, 2.2))
        at = (rng.uniform(-3, 3), rng.uniform(-0.8, 0.8), 0.009 + rng.uniform(0, 0.002))
        model.add(sheet(*size), Paint("asphalt", (grey, grey, grey), 0.85, scale=0.0), at)
    return model


def leaves(rng: random.Random) -> Model:
    """Fallen leaves along the gutter."""
    model = Model()
    numbers = seeds.array_stream("leaves", rng.getrandbits(32))
    count = rng.randint(150, 500)
    places = np.stack(
        [numbers.normal(0, 2.0, count), numbers.normal(0, 0.5, count), np.full(count, 0.015)], -1
    )
    leaf = sheet(0.09, 0.06)
    for colour in ((0.35, 0.22, 0.04), (0.25, 0.1, 0.03), (0.2, 0.2, 0.05)):
        part = numbers.random(count) < 0.4
        k = int(part.sum())
        model.add(
            scattered(
                leaf,
                places[part].astype(np.float32),
                np.ones(k, np.float32),
                numbers.uniform(0, 6, k).astype(np.float32),
            ),
            plain(colour, 0.8),
        )
    return model


def barrier(rng: random.Random) -> Model:
    """Works: cones and a water barrier."""
    model = Model()
    orange = plain((0.75, 0.14, 0.02), 0.6)
    for i in range(rng.randint(2, 5)):
        model.add(
            cylinder(0.18, 0.65, top=0.04, sides=12),
            orange,
            (i * 1.1, rng.uniform(-0.1, 0.1), 0),
            smooth=True,
        )
        model.add(
            cylinder(0.125, 0.12, top=0.1, sides=12),
            plain((0.75, 0.75, 0.75), 0.5),
            (i * 1.1, 0, 0.28),
        )
    if rng.random() < 0.5:
        model.add(
            box((1.8, 0.45, 0.9), bevel=0.1, taper=(1, 0.5)),
            plain((0.65, 0.05, 0.03), 0.5),
            (-1.5, 0, 0.45),
        )
    return model

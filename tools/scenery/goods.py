# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is sold: heaps of fruit and vegetables, boxes, clothes, pots, signs and covers."""

from __future__ import annotations

import random

import numpy as np

from tools.scenery import seeds
from tools.scenery.model import BLACK, STEEL, Colour, Model, Paint, plain
from tools.scenery.shapes import box, cylinder, heap, scattered, sphere, tube

FRUIT: list[Colour] = [
    (0.75, 0.28, 0.02),
    (0.6, 0.03, 0.02),
    (0.7, 0.55, 0.03),
    (0.16, 0.38, 0.04),
    (0.28, 0.05, 0.22),
    (0.75, 0.7, 0.5),
    (0.45, 0.16, 0.05),
    (0.05, 0.16, 0.03),
    (0.7, 0.35, 0.3),
]
BRIGHT: list[Colour] = [
    (0.62, 0.03, 0.03),
    (0.03, 0.1, 0.42),
    (0.75, 0.45, 0.02),
    (0.02, 0.25, 0.1),
    (0.72, 0.7, 0.65),
    (0.02, 0.02, 0.025),
    (0.4, 0.05, 0.18),
    (0.05, 0.38, 0.5),
    (0.75, 0.62, 0.06),
    (0.2, 0.09, 0.04),
    (0.55, 0.72, 0.55),
    (0.65, 0.3, 0.35),
]
WOODS: list[Colour] = [(0.35, 0.22, 0.11), (0.45, 0.32, 0.18), (0.2, 0.12, 0.06), (0.6, 0.48, 0.3)]
SIGNS = [
    "烤冷面",
    "煎饼果子",
    "水果",
    "臭豆腐",
    "炸串",
    "鲜榨果汁",
    "烧烤",
    "凉皮",
    "手抓饼",
    "烤红薯",
    "糖炒栗子",
    "冰糖葫芦",
    "铁板鱿鱼",
    "奶茶",
    "早餐",
    "特价",
    "10元3斤",
    "甜玉米",
    "麻辣烫",
    "COFFEE",
    "ICE CREAM",
    "HOT DOG",
    "FLOWERS",
    "Fresh",
]


def bright(rng: random.Random) -> Colour:
    return rng.choice(BRIGHT)


def _tray_of(rng: random.Random, width: float, depth: float, height: float) -> Model:
    """Round things piled up in a shallow tray."""
    model = Model()
    numbers = np.random.default_rng(rng.getrandbits(32))
    radius = rng.choice([0.03, 0.04, 0.05, 0.07])
    count = int(min(90, 1.4 * width * depth / (radius * radius * 3)))
    x, y = numbers.uniform(-0.46, 0.46, (2, count))
    z = height * (1 - (2.0 * np.hypot(x, y)) ** 2).clip(0) + radius * 0.8
    places = np.stack([x * width, y * depth, z], -1).astype(np.float32)
    scales = (radius * numbers.uniform(0.85, 1.15, count)).astype(np.float32)
    ball = sphere(1.0, scale=(1, 1, rng.choice([0.85, 1.0, 1.5])), sides=7)
    model.add(
        scattered(ball, places, scales, numbers.uniform(0, 6, count).astype(np.float32)),
        plain(rng.choice(FRUIT), 0.4),
        smooth=True,
    )
    model.add(
        box((width, depth, 0.05)), plain(rng.choice([*WOODS, (0.05, 0.2, 0.5)]), 0.8), (0, 0, 0.01)
    )
    return model


def _greens(rng: random.Random, width: float, depth: float) -> Model:
    """Bunches of leaves: long thin blades lying side by side."""
    model = Model()
    numbers = np.random.default_rng(rng.getrandbits(32))
    count = int(min(120, 30 + width * depth * 160))
    x, y = numbers.uniform(-0.42, 0.42, (2, count))
    places = np.stack([x * width, y * depth, numbers.uniform(0.03, 0.16, count)], -1)
    blade = sphere(1.0, scale=(0.12, 0.035, 0.03), sides=6)
    for paint in (plain((0.05, 0.17, 0.02), 0.6), plain((0.17, 0.3, 0.06), 0.6)):
        half = numbers.random(count) < 0.55
        k = int(half.sum())
        model.add(
            scattered(
                blade,
                places[half].astype(np.float32),
                numbers.uniform(0.7, 1.3, k).astype(np.float32),
                (rng.uniform(0, 3) + numbers.normal(0, 0.5, k)).astype(np.float32),
            ),
            paint,
            smooth=True,
        )
    return model


def _packets(rng: random.Random, width: float, depth: float) -> Model:
    model = Model()
    for _ in range(int(4 + width * depth * 18)):
        size = [rng.uniform(0.05, 0.22) for _ in range(3)]
        at = (rng.uniform(-0.4, 0.4) * width, rng.uniform(-0.4, 0.4) * depth, size[2] / 2)
        model.add(box(size), plain(bright(rng), 0.5), at, rot=(0, 0, rng.uniform(-0.3, 0.3)))
    return model


def _jars(rng: random.Random, width: float, depth: float) -> Model:
    model = Model()
    rows = max(1, int(depth / 0.16))
    for i in range(max(2, int(width / 0.14))):
        for j in range(rows):
            if rng.random() < 0.8:
                h = rng.uniform(0.1, 0.26)
                paint = plain(rng.choice([*FRUIT, *BRIGHT]), 0.25)
                model.add(
                    cylinder(rng.uniform(0.03, 0.055), h, sides=9),
                    paint,
                    ((i + 0.5) * 0.14 - width / 2, (j + 0.5) * depth / rows - depth / 2, 0),
                    smooth=True,
                )
    return model


def _pans(rng: random.Random, width: float, depth: float) -> Model:
    """Steel pots, trays of food and a griddle."""
    model = Model()
    x = -width / 2 + 0.2
    while x < width / 2 - 0.1:
        kind = rng.random()
        if kind < 0.4:
            model.add(cylinder(0.15, rng.uniform(0.14, 0.36)), STEEL, (x, 0, 0), smooth=True)
            model.add(cylinder(0.135, 0.01), plain(rng.choice(FRUIT), 0.3), (x, 0, 0.3))
        else:
            model.add(box((0.3, depth * 0.8, 0.07)), STEEL, (x, 0, 0.035))
            food = Paint("mottle", rng.choice(FRUIT), 0.5, second=rng.choice(FRUIT), scale=18)
            model.add(box((0.26, depth * 0.72, 0.06)), food, (x, 0, 0.06))
        x += 0.33
    return model


def display(rng: random.Random, width: float, depth: float, kind: str = "") -> Model:
    """Goods over a table top of this size, standing on z = 0."""
    model = Model()
    kind = kind or rng.choice(["fruit", "fruit", "greens", "packets", "jars", "pans", "mix"])
    bays = max(1, round(width / rng.uniform(0.4, 0.6)))
    for bay in range(bays):
        one = rng.choice(["fruit", "greens", "packets", "jars"]) if kind == "mix" else kind
        w = width / bays
        at = ((bay + 0.5) * w - width / 2, 0.0, 0.0)
        if one == "fruit":
            model.put(_tray_of(rng, w * 0.94, depth * 0.92, rng.uniform(0.04, 0.16)), at)
        elif one == "greens":
            model.put(_greens(rng, w * 0.95, depth * 0.9), at)
        elif one == "packets":
            model.put(_packets(rng, w, depth), at)
        elif one == "jars":
            model.put(_jars(rng, w * 0.9, depth * 0.85), at)
        else:
            model.put(_pans(rng, w, depth), at)
    return model


def crate(rng: random.Random, *, full: bool = True) -> Model:
    """Plastic or wooden crate, about 0.5 x 0.35 m."""
    model = Model()
    paint = plain(
        rng.choice([(0.03, 0.12, 0.4), (0.05, 0.3, 0.12), (0.5, 0.05, 0.04), *WOODS]), 0.7
    )
    w, d, h = 0.5, 0.36, rng.uniform(0.18, 0.3)
    for y in (-d / 2, d / 2):
        model.add(box((w, 0.02, h)), paint, (0, y, h / 2))
    for x in (-w / 2, w / 2):
        model.add(box((0.02, d, h)), paint, (x, 0, h / 2))
    model.add(box((w, d, 0.02)), paint, (0, 0, 0.02))
    if full:
        model.put(_tray_of(rng, w * 0.95, d * 0.95, 0.08), (0, 0, h - 0.05))
    return model


def basket(rng: random.Random) -> Model:
    """A round basket with a heap of goods in it."""
    model = Model()
    r = rng.uniform(0.2, 0.32)
    model.add(cylinder(r * 0.75, 0.25, top=r), plain(rng.choice(WOODS), 0.9), smooth=True)
    model.put(_tray_of(rng, r * 1.5, r * 1.5, 0.14), (0, 0, 0.18))
    return model


def covered_heap(rng: random.Random, size: tuple[float, float, float], colour: Colour) -> Model:
    """Something under a tarpaulin."""
    model = Model()
    numbers = seeds.array_stream("tarp", rng.getrandbits(32))
    model.add(
        heap(numbers, size, cells=16, rough=0.12, boxy=True),
        Paint("cloth", colour, 0.7),
        smooth=True,
    )
    return model


def gas_bottle() -> Model:
    model = Model()
    model.add(cylinder(0.16, 0.5), plain((0.35, 0.36, 0.38), 0.4, metal=0.5, dirt=0.5), smooth=True)
    model.add(cylinder(0.06, 0.14), BLACK, (0, 0, 0.5))
    return model


def refuse_bags(rng: random.Random, count: int) -> Model:
    """Tied sacks, each a pinched blob."""
    model = Model()
    for _ in range(count):
        r = rng.uniform(0.18, 0.34)
        paint = rng.choice(
            [
                plain((0.012, 0.012, 0.014), 0.25),
                plain((0.65, 0.67, 0.66), 0.25),
                plain((0.35, 0.4, 0.4), 0.25),
                plain((0.03, 0.08, 0.2), 0.3),
            ]
        )
        at = (rng.gauss(0, 0.28), rng.gauss(0, 0.2), r * 0.7)
        ring = [
            (0.1, 0),
            (r, r * 0.5),
            (r * 0.95, r),
            (r * 0.4, r * 1.5),
            (0.03, r * 1.75),
            (r * 0.3, r * 2.0),
        ]
        bag = tube([(0, 0, z) for _, z in ring], [a for a, _ in ring], sides=9)
        model.add(
            bag,
            paint,
            (at[0], at[1], 0),
            rot=(rng.uniform(-0.3, 0.3), 0, rng.uniform(0, 6)),
            scale=(rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.2), 1),
            smooth=True,
        )
    return model

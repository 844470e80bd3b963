# SPDX-License-Identifier: AGPL-3.0-or-later
"""A street without anybody in it: road, pavements, houses with shops, trees, a building site.

The road runs along x between y = 0 and y = width; pavements on both sides; north is +y.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.scenery import seeds
from tools.scenery.goods import bright
from tools.scenery.houses import building
from tools.scenery.light import Lamp
from tools.scenery.model import BLACK, STEEL, Colour, Model, Paint, plain
from tools.scenery.shapes import Floats, box, cylinder, heap, rod, scattered, sheet, tube
from tools.scenery.trucks import soil

PAVINGS: list[tuple[Colour, Colour]] = [
    ((0.34, 0.31, 0.28), (0.27, 0.25, 0.22)),
    ((0.4, 0.2, 0.14), (0.33, 0.17, 0.12)),
    ((0.3, 0.31, 0.32), (0.24, 0.25, 0.26)),
    ((0.42, 0.38, 0.3), (0.35, 0.3, 0.24)),
]
GRASS = Paint("mottle", (0.04, 0.075, 0.02), 0.95, second=(0.12, 0.12, 0.05), scale=1.5)


@dataclass(frozen=True)
class Street:
    """The model, and where things may go: lanes as y of their centres, pavements as y ranges."""

    model: Model
    width: float
    lanes: tuple[float, ...]
    near: tuple[float, float]
    far: tuple[float, float]
    lamps: tuple[Lamp, ...]
    site: tuple[float, float, float, float] | None = None  # x0, y0, x1, y1


def tree(rng: random.Random, high: float) -> Model:
    """Trunk, a few limbs and clumps of leaf cards."""
    model = Model()
    numbers = seeds.array_stream("tree", rng.getrandbits(32))
    clumps = (
        np.stack(
            [
                numbers.normal(0, 0.17, 11),
                numbers.normal(0, 0.17, 11),
                numbers.uniform(0.5, 0.95, 11),
            ],
            -1,
        )
        * high
    )
    count = 900
    around = numbers.normal(0, 1, (count, 3))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    places = (
        clumps[numbers.integers(0, 11, count)]
        + around * numbers.normal(0.11, 0.035, (count, 1)) * high
    )
    green = rng.uniform(0.7, 1.2)
    for tilt in (0.0, 0.7, -0.7):
        part = numbers.random(count) < 0.45
        k = int(part.sum())
        leaf = sheet(0.055 * high, 0.04 * high).moved(_tilted(tilt))
        model.add(
            scattered(
                leaf,
                places[part].astype(np.float32),
                numbers.uniform(0.6, 1.3, k).astype(np.float32),
                numbers.uniform(0, 6, k).astype(np.float32),
            ),
            Paint("leaf", (0.07 * green, 0.15 * green, 0.03), 0.8),
        )
    bark = plain((0.1, 0.075, 0.05), 0.95)
    model.add(
        tube(
            [(0, 0, 0), (0.02, 0, 0.3 * high), (0, 0.03, 0.62 * high)],
            [0.022 * high, 0.017 * high, 0.01 * high],
        ),
        bark,
        smooth=True,
    )
    for clump in clumps[:4]:
        model.add(rod((0, 0, 0.42 * high), tuple(clump), 0.007 * high), bark)
    return model


def _tilted(angle: float) -> Floats:
    out = np.eye(4, dtype=np.float32)
    c, s = math.cos(angle), math.sin(angle)
    out[1:3, 1:3] = [[c, -s], [s, c]]
    return out


def lamp_post(high: float = 8.0) -> Model:
    """Arm over the road towards -y."""
    model = Model()
    grey = plain((0.3, 0.31, 0.33), 0.5, metal=0.6)
    model.add(cylinder(0.1, high, top=0.06, sides=10), grey)
    model.add(
        tube([(0, 0, high - 0.1), (0, -1.2, high + 0.35), (0, -2.0, high + 0.4)], 0.045), grey
    )
    model.add(box((0.28, 0.75, 0.1)), plain((0.7, 0.7, 0.66), 0.4), (0, -2.2, high + 0.38))
    return model


def _road(
    rng: random.Random, model: Model, width: float, long: float, lanes: Sequence[float]
) -> None:
    grey = rng.uniform(0.05, 0.15)
    model.add(
        sheet(long, width),
        Paint("asphalt", (grey, grey, grey * 1.02), 0.9, scale=rng.choice([0, 0, 0.5, 1.5])),
        (0, width / 2, 0),
    )
    white = plain((0.65, 0.65, 0.62), 0.8, dirt=0.6)
    yellow = plain((0.6, 0.42, 0.05), 0.8, dirt=0.6)
    middle = width / 2
    style = rng.random()
    for s in (-0.13, 0.13) if style < 0.6 else (0.0,):
        model.add(sheet(long, 0.12), yellow, (0, middle + s, 0.005))
    for y in (0.3, width - 0.3):
        model.add(sheet(long, 0.12), white, (0, y, 0.005))
    if len(lanes) >= 4:
        for y in (width * 0.25, width * 0.75):
            for x in np.arange(-long / 2, min(long / 2, 70), 6.0):
                model.add(sheet(2.5, 0.12), white, (float(x), y, 0.005))
    if rng.random() < 0.5:
        at = rng.uniform(-25, 10)
        for i in range(int(width / 0.95)):
            model.add(sheet(3.4, 0.45), white, (at, 0.6 + i * 0.95, 0.006))
    for _ in range(4):
        model.add(
            cylinder(0.33, 0.012),
            plain((0.05, 0.05, 0.05), 0.6, metal=0.5),
            (rng.uniform(-20, 30), rng.uniform(1, width - 1), 0.0),
        )


def _pavements(rng: random.Random, model: Model, width: float, long: float, deep: float) -> None:
    a, b = rng.choice(PAVINGS)
    paving = Paint("paving", a, 0.8, second=b, scale=rng.uniform(1.2, 2.2))
    kerb = plain((0.4, 0.4, 0.39), 0.85, dirt=0.4)
    for y, k in ((-deep / 2, -0.08), (width + deep / 2, width + 0.08)):
        model.add(sheet(long, deep), paving, (0, y, 0.15))
        model.add(box((long, 0.16, 0.16)), kerb, (0, k, 0.08))


def _furniture(rng: random.Random, model: Model, near_y: float, far_y: float) -> None:
    """Bins, boxes, bollards, signs and parked scooters' stands along both kerbs."""
    for y in (near_y, far_y):
        for _ in range(rng.randint(2, 5)):
            at = (rng.uniform(-25, 40), y + rng.uniform(-0.15, 0.15), 0.15)
            kind = rng.random()
            if kind < 0.35:
                model.add(
                    box((0.9, 0.45, 1.25), bevel=0.03),
                    plain((0.25, 0.3, 0.28), 0.6, dirt=0.5),
                    (at[0], at[1], 0.78),
                )
            elif kind < 0.6:
                model.add(
                    box((0.5, 0.4, 0.95), bevel=0.04), plain(bright(rng), 0.5), (at[0], at[1], 0.62)
                )
            elif kind < 0.8:
                model.add(rod((at[0], at[1], 0.15), (at[0], at[1], 2.9), 0.04), STEEL)
                model.add(
                    cylinder(0.32, 0.03, sides=20),
                    plain(rng.choice([(0.03, 0.1, 0.5), (0.5, 0.02, 0.02)]), 0.4),
                    (at[0], at[1], 2.6),
                    rot=(0, math.pi / 2, 0),
                )
            else:
                for i in range(4):
                    model.add(cylinder(0.1, 0.75, sides=10), BLACK, (at[0] + i * 1.5, at[1], 0.15))


def _site(
    rng: random.Random, model: Model, x0: float, y0: float
) -> tuple[float, float, float, float]:
    """Building site behind a hoarding with an open gate; soil heaps and a frame going up."""
    x1, y1 = x0 + rng.uniform(36, 50), y0 + 34
    earth = soil(rng)
    model.add(sheet(x1 - x0, y1 - y0), earth, ((x0 + x1) / 2, (y0 + y1) / 2, 0.03))
    hoarding = plain(
        rng.choice([(0.03, 0.25, 0.13), (0.05, 0.2, 0.42), (0.5, 0.5, 0.5)]), 0.5, dirt=0.6
    )
    gate = x0 + rng.uniform(0.3, 0.6) * (x1 - x0)
    x = x0
    while x < x1:
        if abs(x - gate) > 4:
            model.add(box((1.95, 0.06, 2.1)), hoarding, (x + 1, y0, 1.05))
        x += 2.0
    numbers = seeds.array_stream("site", rng.getrandbits(32))
    for _ in range(rng.randint(3, 6)):
        model.add(
            heap(numbers, (rng.uniform(6, 12), rng.uniform(5, 9), rng.uniform(1.2, 3.2)), cells=26),
            earth,
            (rng.uniform(x0 + 5, x1 - 5), rng.uniform(y0 + 8, y1 - 6), 0),
            smooth=True,
        )
    grey = plain((0.42, 0.41, 0.39), 0.9)
    cx, cy = (x0 + x1) / 2 + rng.uniform(-8, 8), y1 + 8
    for level in range(rng.randint(2, 6)):
        model.add(box((24, 12, 0.3)), grey, (cx, cy, 3.2 * (level + 1)))
        for i in range(6):
            model.add(box((0.5, 0.5, 3.2)), grey, (cx - 11 + i * 4.4, cy - 5.5, 3.2 * level + 1.6))
    return x0, y0, x1, y1


def street(
    rng: random.Random, *, site: bool = False, lane_count: int = 0, awnings: float = 0.15
) -> Street:
    """One street, 240 m long round x = 0."""
    model = Model()
    lane_count = lane_count or rng.choice([2, 2, 4])
    width = lane_count * rng.uniform(3.3, 3.7) + 1.0
    lanes = tuple((i + 0.5) * (width - 0.6) / lane_count + 0.3 for i in range(lane_count))
    deep = rng.uniform(3.5, 6.0)
    model.add(sheet(2400, 2400), plain((0.2, 0.19, 0.16), 0.95, dirt=0.5), (0, 0, -0.05))
    _road(rng, model, width, 240, lanes)
    _pavements(rng, model, width, 240, deep)
    model.add(sheet(240, 4), GRASS, (0, -deep - 2, 0.1))
    box_site = _site(rng, model, rng.uniform(4, 12), width + deep + 0.4) if site else None
    _houses(rng, model, width + deep, awnings, box_site)
    x = -75.0
    while x < 110:  # the near side's houses stand back, so that a camera there sees the street
        w = rng.uniform(12, 22)
        model.put(
            building(rng, w - 0.5, 12, rng.uniform(8, 24)), (x + w / 2, -deep - 9, 0), yaw=math.pi
        )
        x += w
    _furniture(rng, model, -0.6, width + 0.6)
    lamps = _trees_and_lamps(rng, model, width, deep)
    return Street(model, width, lanes, (-deep, -0.3), (width + 0.3, width + deep), lamps, box_site)


def _houses(
    rng: random.Random,
    model: Model,
    front: float,
    awnings: float,
    site: tuple[float, float, float, float] | None,
) -> None:
    x = -75.0
    while x < 110:
        w = rng.uniform(12, 24)
        if not (site and site[0] - w < x < site[2]):
            model.put(
                building(rng, w - 0.3, 13, rng.uniform(8, 28), awnings=awnings),
                (x + w / 2, front, 0),
            )
        x += w


def _trees_and_lamps(
    rng: random.Random, model: Model, width: float, deep: float
) -> tuple[Lamp, ...]:
    lamps = []
    grown = [tree(rng, rng.uniform(4.5, 7.5)) for _ in range(3)]
    dense = rng.uniform(0.2, 0.7)
    for x in range(-40, 80, 9):
        if rng.random() < dense:
            model.put(
                rng.choice(grown),
                (x + rng.uniform(-1, 1), width + 1.0, 0.15),
                yaw=rng.uniform(0, 6),
            )
        if x > 4 and rng.random() < dense * 0.6:
            model.put(
                rng.choice(grown),
                (x + rng.uniform(-1, 1), -deep + 0.6, 0.15),
                yaw=rng.uniform(0, 6),
            )
    for x in (-38, -14, 10, 34):
        model.put(lamp_post(), (x, width + 0.7, 0.15))
        lamps.append(Lamp((x, width - 1.6, 8.2), rng.uniform(500, 1100)))
    shops = [x for x in range(-20, 40, 7) if rng.random() < 0.5]
    y = width + deep - 0.8
    lamps += [Lamp((x, y, 3.0), rng.uniform(30, 120), (1.0, 0.9, 0.75)) for x in shops]
    return tuple(lamps)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Muck trucks (渣土车) with a real cab-over shape, and trucks that are taken for them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from tools.scenery import seeds
from tools.scenery.model import BLACK, STEEL, WHITE, WINDOW, Colour, Model, Paint, plain
from tools.scenery.shapes import box, heap, loft, rod, sheet, tube
from tools.scenery.wheels import wheel

LOADS = ("covered", "open_empty", "open_loaded")
CABS: list[Colour] = [
    (0.02, 0.2, 0.06),
    (0.5, 0.03, 0.02),
    (0.6, 0.33, 0.02),
    (0.02, 0.08, 0.32),
    (0.65, 0.65, 0.63),
    (0.02, 0.28, 0.14),
    (0.1, 0.3, 0.45),
    (0.65, 0.5, 0.03),
]
SOILS: list[Colour] = [
    (0.17, 0.095, 0.045),
    (0.3, 0.21, 0.12),
    (0.22, 0.17, 0.12),
    (0.12, 0.08, 0.05),
    (0.32, 0.15, 0.07),
    (0.28, 0.26, 0.23),
]
MESHES: list[Colour] = [
    (0.02, 0.16, 0.05),
    (0.03, 0.03, 0.032),
    (0.03, 0.1, 0.3),
    (0.15, 0.15, 0.15),
]
WORN_STEEL: Colour = (0.14, 0.12, 0.1)


@dataclass(frozen=True)
class Range:
    """What trucks are drawn from: paints, what covers a load, the floor of an empty body, metres of
    body by axles, and how much these vary, metres of height of its sides."""

    cabs: list[Colour]
    meshes: list[Colour]
    floors: list[Colour]
    lengths: dict[int, float]
    stretch: tuple[float, float]
    sides: tuple[float, float]


# The committed clips were filmed with these: the same seed must go on giving the same truck.
FILMED = Range(CABS, MESHES, [WORN_STEEL], {2: 4.0, 3: 5.3, 4: 6.3}, (0.95, 1.05), (1.0, 1.6))
# To learn from: grey and dark paint, pale covers, rust and mud on the floor, long and low bodies.
VARIED = Range(
    [*CABS, (0.16, 0.16, 0.17), (0.28, 0.02, 0.03)],
    [*MESHES, (0.5, 0.45, 0.36), (0.62, 0.6, 0.54)],
    [WORN_STEEL, (0.22, 0.22, 0.23), (0.25, 0.1, 0.06), (0.3, 0.2, 0.12), (0.4, 0.3, 0.2)],
    {2: 4.0, 3: 5.6, 4: 6.8},
    (0.92, 1.15),
    (0.55, 1.6),
)
# Drop-side lorries that carry soil as well, 栏板车: long, low, a floor of boards or rust.
DROPSIDE = Range(
    [*CABS, (0.4, 0.02, 0.04), (0.28, 0.02, 0.03)],
    VARIED.meshes,
    [(0.25, 0.1, 0.06), (0.3, 0.2, 0.12), (0.2, 0.13, 0.09), (0.18, 0.17, 0.17)],
    {2: 5.2, 3: 7.4, 4: 9.2},
    (0.85, 1.05),
    (0.25, 0.7),
)


def soil(rng: random.Random, *, colour: Colour | None = None) -> Paint:
    r, g, b = colour or rng.choice(SOILS)
    k = rng.uniform(0.8, 1.25)
    return Paint("soil", (r * k, g * k, b * k), 0.95, scale=rng.uniform(0.7, 1.5))


def cab(
    rng: random.Random, paint: Paint, *, width: float = 2.42, high: float = 2.15, long: float = 1.95
) -> Model:
    """Cab over engine: raked screen, visor, grille, bumper, mirrors, steps. Floor at z = 0,
    front face near x = long / 2."""
    model = Model()
    w, f, r = width / 2, long / 2, -long / 2
    side = [
        (r, 0.0),
        (f - 0.02, 0.0),
        (f, high * 0.42),
        (f - 0.2, high * 0.97),
        (f - 0.42, high),
        (r + 0.1, high),
        (r, high * 0.95),
    ]
    rings = []
    for y, tuck in ((-w, 0.07), (-w + 0.06, 0.0), (w - 0.06, 0.0), (w, 0.07)):
        rings.append(
            [
                (x * (1 - tuck * 0.4), y * (1 - 0.06 * (z / high) ** 2), z - tuck * (z > 1) * 0.5)
                for x, z in side
            ]
        )
    model.add(loft(np.asarray(rings, np.float32)), paint)
    for s in (-1, 1):
        _cab_side(model, s, width / 2, high, long)
    _cab_front(model, width, high, long)
    bumper = paint if rng.random() < 0.5 else plain((0.05, 0.05, 0.055), 0.6, dirt=0.5)
    model.add(box((0.24, width, 0.42), bevel=0.06), bumper, (f - 0.02, 0, -0.12))
    return model


def _cab_front(model: Model, width: float, high: float, long: float) -> None:
    """Raked screen under a visor, grille, number plate, step."""
    f = long / 2
    lean = math.atan2(0.2, high * 0.55)
    screen = box((0.04, width * 0.86, high * 0.42))
    model.add(screen, WINDOW, (f - 0.085, 0, high * 0.68), rot=(0, -lean, 0))
    visor = box((0.28, width * 0.88, 0.05))
    model.add(visor, plain((0.03, 0.03, 0.03), 0.4), (f - 0.05, 0, high * 0.94), rot=(0, 0.35, 0))
    grille = box((0.05, width * 0.7, high * 0.2))
    model.add(grille, plain((0.03, 0.03, 0.032), 0.5), (f + 0.01, 0, high * 0.26))
    for i in range(3):
        model.add(box((0.03, width * 0.68, 0.025)), STEEL, (f + 0.04, 0, high * (0.2 + 0.06 * i)))
    model.add(box((0.02, 0.46, 0.16)), plain((0.65, 0.5, 0.02), 0.5), (f + 0.12, 0, -0.2))
    model.add(box((0.15, width * 0.8, 0.04)), STEEL, (f - 0.12, 0, high * 0.4))


def _cab_side(model: Model, s: int, w: float, high: float, long: float) -> None:
    """Window, door joints, mirror, head lamp and step of one side (s is -1 or 1)."""
    f, y = long / 2, s * (w - 0.02)
    window = box((long * 0.52, 0.05, high * 0.34))
    model.add(window, WINDOW, (0.16, y, high * 0.7), rot=(s * 0.06, 0, 0))
    for x in (-0.18, f - 0.22):
        model.add(box((0.03, 0.02, high * 0.85)), BLACK, (x, y + s * 0.015, high * 0.46))
    model.add(box((0.1, 0.2, 0.5), bevel=0.03), BLACK, (f + 0.12, s * (w + 0.22), high * 0.68))
    arm = rod((f - 0.1, s * w * 0.95, high * 0.88), (f + 0.12, s * (w + 0.2), high * 0.85), 0.02)
    model.add(arm, BLACK)
    lamp = box((0.08, 0.42, 0.2), bevel=0.03)
    model.add(lamp, plain((0.85, 0.85, 0.8), 0.1), (f + 0.02, s * (w - 0.32), -0.02))
    model.add(box((0.5, 0.1, 0.06)), BLACK, (0.1, s * (w - 0.02), -0.28))


def _hopper(
    rng: random.Random, paint: Paint, size: tuple[float, float, float], floors: list[Colour]
) -> Model:
    """Open steel body standing on z = 0, ribs outside, headboard over the cab side (+x)."""
    model = Model()
    length, width, high = size
    flare = rng.uniform(0.0, 0.08)
    model.add(box((length, width - 0.04, 0.1)), paint, (0, 0, 0.05))
    floor = rng.choice(floors) if len(floors) > 1 else floors[0]
    inside = plain(floor, 0.7, metal=0.3, dirt=1.0)
    model.add(box((length - 0.1, width - 0.12, 0.04)), inside, (0, 0, 0.12))
    ribs = rng.choice([5, 6, 7, 8])
    for s in (-1, 1):
        lean = -s * flare
        model.add(box((length, 0.06, high)), paint, (0, s * width / 2, high / 2), rot=(lean, 0, 0))
        if rng.random() < 0.8:
            for i in range(ribs):
                x = -length / 2 + 0.15 + i * (length - 0.3) / (ribs - 1)
                model.add(
                    box((0.13, 0.1, high * 0.96)),
                    paint,
                    (x, s * (width / 2 + 0.06), high / 2),
                    rot=(lean, 0, 0),
                )
        for z in (0.12, high):
            model.add(box((length + 0.05, 0.15, 0.13)), paint, (0, s * (width / 2 + 0.03), z))
    model.add(box((0.07, width, high + 0.3)), paint, (length / 2, 0, (high + 0.3) / 2))
    model.add(box((0.07, width, high)), paint, (-length / 2, 0, high / 2), rot=(0, 0.05, 0))
    for y in (-width * 0.28, width * 0.28):
        model.add(
            box((0.1, 0.12, high)), paint, (-length / 2 - 0.06, y, high / 2), rot=(0, 0.05, 0)
        )
    if rng.random() < 0.6:
        model.add(
            box((0.75, width, 0.06)), paint, (length / 2 + 0.35, 0, high + 0.3), rot=(0, -0.05, 0)
        )
    return model


def _load(
    rng: random.Random,
    model: Model,
    load: str,
    size: tuple[float, float, float],
    z: float,
    drawn: Range,
) -> None:
    length, width, high = size
    numbers = seeds.array_stream("load", rng.getrandbits(32))
    if load == "open_loaded":
        rise = rng.uniform(0.35, 0.95)
        model.add(
            heap(numbers, (length * 0.98, width * 0.97, rise), cells=30, rough=0.35, boxy=True),
            soil(rng),
            (0, 0, z + high - rise * rng.uniform(0.1, 0.5)),
            smooth=True,
        )
    elif load == "covered":
        if rng.random() < 0.45:  # flat sliding lid, 平推盖
            lid = plain(
                rng.choice([(0.05, 0.05, 0.05), (0.3, 0.3, 0.31), *drawn.cabs]), 0.5, dirt=0.4
            )
            for i in range(4):
                model.add(
                    box((length / 4 * 0.97, width + 0.12, 0.08)),
                    lid,
                    (-length / 2 + (i + 0.5) * length / 4, 0, z + high + 0.06 + 0.02 * (i % 2)),
                )
        else:  # tarpaulin or mesh over the heap
            model.add(
                heap(
                    numbers,
                    (length * 1.03, width * 1.06, rng.uniform(0.15, 0.6)),
                    cells=26,
                    rough=0.1,
                    boxy=True,
                ),
                Paint("cloth", rng.choice(drawn.meshes), 0.8),
                (0, 0, z + high - 0.02),
                smooth=True,
            )
            for s in (-1, 1):
                drop = rng.uniform(0.15, 0.5)
                model.add(
                    sheet(length, drop),
                    Paint("cloth", rng.choice(drawn.meshes), 0.8),
                    (0, s * (width / 2 + 0.13), z + high - drop / 2),
                    rot=(math.pi / 2, 0, 0),
                )
            for i in range(5):
                x = -length / 2 + (i + 0.5) * length / 5
                model.add(
                    tube(
                        [
                            (x, -width / 2, z + high),
                            (x, 0, z + high + 0.35),
                            (x, width / 2, z + high),
                        ],
                        0.02,
                    ),
                    BLACK,
                )


def muck_truck(rng: random.Random, load: str = "", drawn: Range = FILMED) -> Model:
    """Two to four axles, front towards +x, about 8 m long; load is one of LOADS."""
    load = load or rng.choice(LOADS)
    model = Model()
    axles = rng.choice([2, 3, 3, 4, 4])
    length = drawn.lengths[axles] * rng.uniform(*drawn.stretch)
    width, high = rng.uniform(2.3, 2.48), rng.uniform(*drawn.sides)
    colour = rng.choice(drawn.cabs)
    paint = plain(colour, 0.35, dirt=rng.choice([0.2, 0.5, 0.9]))
    bed_paint = (
        paint
        if rng.random() < 0.55
        else plain(rng.choice([*drawn.cabs, (0.22, 0.22, 0.24)]), 0.5, dirt=1.0)
    )
    floor = 1.2
    model.put(cab(rng, paint), (length / 2 + 1.2, 0, 0.95))
    model.add(box((length + 2.6, 0.85, 0.3)), BLACK, (0.9, 0, 0.85))
    model.put(_hopper(rng, bed_paint, (length, width, high), drawn.floors), (0, 0, floor))
    _load(rng, model, load, (length, width, high), floor, drawn)
    spots = {2: [-0.28], 3: [-0.34, -0.09], 4: [-0.36, -0.14]}[axles]
    fronts = [length / 2 + 1.2] if axles < 4 else [length / 2 + 1.4, length / 2 - 0.15]
    for x in [s * length for s in spots] + fronts:
        rear = x < 0
        for s in (-1, 1):
            model.put(wheel(0.52, 0.5 if rear else 0.32), (x, s * (0.95 if rear else 1.05), 0.52))
            model.add(box((1.05, 0.5, 0.05)), BLACK, (x, s * 1.0, 1.1))
    for s in (-1, 1):
        model.add(
            box((1.1, 0.4, 0.5), bevel=0.06),
            rng.choice([STEEL, BLACK]),
            (length / 2 - 1.1, s * 1.0, 0.75),
        )
        model.add(
            box((0.05, 0.35, 0.14)),
            plain((0.45, 0.01, 0.01), 0.3),
            (-length / 2 - 0.12, s * 0.85, 1.0),
        )
        model.add(
            box((length * 0.5, 0.04, 0.35)),
            plain((0.3, 0.3, 0.3), 0.6, dirt=0.6),
            (0.3, s * 1.15, 0.7),
        )
    model.add(box((0.05, 2.2, 0.14)), plain((0.6, 0.1, 0.05), 0.5), (-length / 2 - 0.1, 0, 0.62))
    if rng.random() < 0.5:
        model.write(
            rng.choice(["渣土运输", "城运", "A·3827", "88"]),
            0.45,
            WHITE,
            (0, -width / 2 - 0.14, floor + high * 0.55),
        )
    return model


def mixer(rng: random.Random) -> Model:
    """Concrete mixer: a truck on the same roads that is no muck truck."""
    model = Model()
    paint = plain(rng.choice(CABS), 0.35, dirt=0.4)
    model.put(cab(rng, paint), (4.0, 0, 0.95))
    model.add(box((8.6, 0.85, 0.3)), BLACK, (0.8, 0, 0.85))
    profile = [(0.5, -2.9), (0.95, -2.2), (1.2, -0.5), (1.15, 0.9), (0.55, 2.3)]
    model.add(
        tube([(x, 0, 2.15 - 0.12 * x) for _, x in profile], [r for r, _ in profile], sides=18),
        plain(rng.choice([(0.7, 0.7, 0.7), (0.5, 0.3, 0.03), (0.03, 0.2, 0.4)]), 0.4, dirt=0.5),
        smooth=True,
    )
    model.add(box((0.5, 1.4, 1.2)), paint, (-3.2, 0, 2.3))
    for x in (-2.6, -1.3, 4.0):
        for s in (-1, 1):
            model.put(wheel(0.52, 0.4), (x, s * 1.0, 0.52))
    return model

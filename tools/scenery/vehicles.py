# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cars, vans, buses, motorcycles and bicycles; front towards +x, on z = 0."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tools.scenery import people
from tools.scenery.goods import bright
from tools.scenery.model import BLACK, CHROME, STEEL, WHITE, WINDOW, Colour, Model, Paint, plain
from tools.scenery.shapes import Mesh, box, cylinder, loft, rod, sphere, tube
from tools.scenery.wheels import wheel

CAR_COLOURS: list[Colour] = [
    (0.75, 0.75, 0.75),
    (0.72, 0.72, 0.7),
    (0.02, 0.02, 0.022),
    (0.02, 0.02, 0.022),
    (0.35, 0.36, 0.38),
    (0.18, 0.19, 0.2),
    (0.3, 0.02, 0.02),
    (0.03, 0.06, 0.2),
    (0.35, 0.28, 0.18),
    (0.06, 0.14, 0.2),
]
HEADLIGHT = plain((0.85, 0.85, 0.8), 0.1)
TAILLIGHT = plain((0.4, 0.01, 0.01), 0.2)
PLATE = plain((0.02, 0.08, 0.4), 0.5)


def _section(width: float, low: float, high: float, tuck: float) -> list[tuple[float, float]]:
    """Half-rounded cross-section (y, z), 12 points, narrower at the top by `tuck`."""
    w, mid, r = width / 2, low + (high - low) * 0.55, min(0.12, (high - low) * 0.3)
    right = [
        (w * 0.9, low),
        (w, low + r),
        (w, mid),
        (w - tuck * 0.4, high - r),
        (w - tuck, high - r * 0.3),
        (w - tuck - r, high),
    ]
    return right + [(-y, z) for y, z in reversed(right)]


def body(stations: Sequence[tuple[float, float, float, float, float]]) -> Mesh:
    """Skin over (x, width, low, high, tuck) from the rear to the front."""
    rings = [
        [(x, y, z) for y, z in _section(width, low, high, tuck)]
        for x, width, low, high, tuck in stations
    ]
    return loft(np.asarray(rings, np.float32))


def _on_wheels(model: Model, axles: Sequence[float], track: float, radius: float) -> None:
    for x in axles:
        for side in (-1, 1):
            model.put(wheel(radius, 0.22), (x, side * (track / 2 - 0.08), radius))
            model.add(
                cylinder(radius * 1.14, 0.05, sides=18),
                BLACK,
                (x, side * (track / 2 + 0.005) + 0.025, radius),
                rot=(math.pi / 2, 0, 0),
            )


def _lights(model: Model, front: float, rear: float, half: float, high: float) -> None:
    for side in (-1, 1):
        model.add(
            box((0.1, 0.38, 0.14), bevel=0.03),
            HEADLIGHT,
            (front - 0.06, side * (half - 0.28), high),
        )
        model.add(
            box((0.08, 0.34, 0.16), bevel=0.03),
            TAILLIGHT,
            (rear + 0.04, side * (half - 0.25), high + 0.12),
        )
    model.add(box((0.02, 0.44, 0.13)), PLATE, (front + 0.01, 0, 0.42))
    model.add(box((0.02, 0.44, 0.13)), PLATE, (rear - 0.01, 0, 0.7))
    model.add(box((0.03, 0.8, 0.16)), BLACK, (front, 0, high - 0.05))


@dataclass(frozen=True)
class CarShape:
    """Length, height, clearance, wheel radius; where the rear window and the roof begin (m)."""

    length: float
    tall: float
    low: float
    wheel: float
    window: float
    roof: float


CAR_SHAPES = {
    "saloon": CarShape(4.65, 1.46, 0.2, 0.33, 0.75, 1.5),
    "suv": CarShape(4.6, 1.7, 0.26, 0.37, 0.1, 0.45),
    "hatch": CarShape(4.0, 1.5, 0.2, 0.33, 0.12, 0.6),
}


def car(rng: random.Random) -> Model:
    """Saloon, hatchback or sport utility."""
    model = Model()
    shape = CAR_SHAPES[rng.choice(["saloon", "saloon", "suv", "hatch"])]
    length = shape.length * rng.uniform(0.96, 1.05)
    width = rng.uniform(1.76, 1.88)
    paint = plain(rng.choice(CAR_COLOURS), 0.18, metal=0.2)
    r, f, belt = -length / 2, length / 2, shape.tall * 0.62
    model.add(_lower_body(r, f, width, shape.low, belt), paint, smooth=True)
    _glasshouse(model, paint, shape, r, f, width)
    _on_wheels(model, (r + length * 0.2, f - length * 0.19), width, shape.wheel)
    _lights(model, f, r, width / 2 * 0.9, belt * 0.72)
    for side in (-1, 1):
        at = (f - 1.55, side * (width / 2 + 0.06), belt + 0.06)
        model.add(box((0.14, 0.2, 0.13), bevel=0.04), paint, at)
    return model


def _lower_body(r: float, f: float, width: float, low: float, belt: float) -> Mesh:
    hood = belt * 0.98
    return body(
        [
            (r, width * 0.82, low + 0.15, belt * 0.85, 0.02),
            (r + 0.15, width * 0.95, low, belt, 0.03),
            (r + 0.9, width, low, belt + 0.02, 0.04),
            (0.2, width, low, belt, 0.04),
            (f - 1.2, width, low, hood, 0.05),
            (f - 0.35, width * 0.95, low, hood * 0.86, 0.06),
            (f, width * 0.8, low + 0.1, hood * 0.66, 0.04),
        ]
    )


def _glasshouse(
    model: Model, paint: Paint, shape: CarShape, r: float, f: float, width: float
) -> None:
    """Windows all round, roof and pillars."""
    tall, belt = shape.tall, shape.tall * 0.62
    back, rear, front = r + shape.window, r + shape.roof, f - 2.15
    foot, head = (
        (width * 0.86, belt - 0.1, belt + 0.02, 0.05),
        (width * 0.86, belt - 0.1, tall - 0.03, 0.16),
    )
    glass = body([(back, *foot), (rear, *head), (front, *head), (f - 1.25, *foot)])
    model.add(glass, WINDOW, smooth=True)
    middle = (front + rear) / 2
    roof = box((front - rear + 0.15, width * 0.7, 0.07), bevel=0.03)
    model.add(roof, paint, (middle, 0, tall - 0.02))
    for x, lean in ((rear - 0.12, -0.5), (middle, 0.0), (front + 0.4, 0.75)):
        for side in (-1, 1):
            at = (x, side * (width * 0.43 - 0.06), (tall + belt) / 2)
            model.add(box((0.09, 0.03, tall - belt)), paint, at, rot=(side * 0.28, -lean, 0))


def van(rng: random.Random) -> Model:
    """Minivan, 面包车."""
    model = Model()
    length, width, tall = rng.uniform(3.9, 4.8), 1.65, rng.uniform(1.85, 2.0)
    paint = plain(
        rng.choice([*CAR_COLOURS[:2], (0.35, 0.36, 0.38), (0.3, 0.25, 0.15)]), 0.3, dirt=0.4
    )
    r, f = -length / 2, length / 2
    model.add(
        body(
            [
                (r, width * 0.95, 0.25, tall - 0.1, 0.1),
                (r + 0.1, width, 0.22, tall, 0.12),
                (f - 1.3, width, 0.22, tall, 0.12),
                (f - 0.5, width, 0.22, 1.15, 0.06),
                (f, width * 0.9, 0.3, 0.85, 0.05),
            ]
        ),
        paint,
        smooth=True,
    )
    for side in (-1, 1):
        model.add(
            box((length * 0.62, 0.03, 0.5)),
            WINDOW,
            (-0.3, side * (width / 2 - 0.01), tall * 0.7),
            rot=(side * 0.16, 0, 0),
        )
    model.add(
        box((0.05, width * 0.85, 0.75)), WINDOW, (f - 0.85, 0, tall * 0.76), rot=(0, -0.78, 0)
    )
    model.add(box((0.04, width * 0.8, 0.5)), WINDOW, (r + 0.02, 0, tall * 0.72))
    _on_wheels(model, (r + 0.8, f - 0.75), width, 0.3)
    _lights(model, f, r, width / 2 * 0.92, 0.8)
    return model


def bus(rng: random.Random) -> Model:
    """A city bus of 9.5 to 12 m with its route number in lamps over the windscreen."""
    model = Model()
    length, width, tall = rng.uniform(9.5, 12), 2.5, 3.0
    paint = plain(
        rng.choice([(0.03, 0.2, 0.5), (0.02, 0.35, 0.15), (0.6, 0.04, 0.03), (0.7, 0.7, 0.7)]), 0.3
    )
    model.add(box((length, width, tall - 0.35), bevel=0.12), paint, (0, 0, (tall + 0.35) / 2))
    for side in (-1, 1):
        model.add(box((length * 0.92, 0.04, 0.95)), WINDOW, (0, side * width / 2, 1.95))
        x = -length * 0.42
        while x < length * 0.45:
            model.add(box((0.06, 0.06, 0.95)), BLACK, (x, side * width / 2, 1.95))
            x += 1.25
        model.add(box((length, 0.03, 0.18)), WHITE, (0, side * (width / 2 + 0.005), 1.1))
    model.add(box((0.05, width * 0.9, 1.4)), WINDOW, (length / 2, 0, 1.9))
    model.add(
        box((0.05, width * 0.7, 0.28)), plain((0.01, 0.01, 0.01), 0.3), (length / 2 + 0.02, 0, 2.78)
    )
    model.write(
        rng.choice(["26", "101", "B12"]),
        0.24,
        Paint("glow", (1, 0.35, 0.02), glow=2.0),
        (length / 2 + 0.06, 0, 2.78),
        yaw=math.pi / 2,
    )
    model.add(
        box((2.2, 1.7, 0.25), bevel=0.08), plain((0.65, 0.65, 0.65), 0.5), (-1.5, 0, tall + 0.1)
    )
    _on_wheels(model, (-length * 0.28, length * 0.32), width, 0.48)
    for side in (-1, 1):
        model.add(box((0.06, 0.4, 0.25)), HEADLIGHT, (length / 2 + 0.01, side * 0.85, 0.75))
        model.add(box((0.06, 0.3, 0.3)), TAILLIGHT, (-length / 2 - 0.01, side * 0.9, 1.0))
    return model


def _rider(rng: random.Random, model: Model, high: float) -> None:
    rider = people.person(rng, "sit", tall=1.7)
    for part in rider.parts:
        model.parts.append(
            type(part)(part.mesh.moved(_raised(high - 0.42)), part.paint, part.smooth)
        )


def _raised(by: float) -> np.ndarray[Any, Any]:
    out = np.eye(4, dtype=np.float32)
    out[2, 3], out[0, 3] = by, -0.15
    return out


def motorcycle(rng: random.Random, *, ridden: bool = False) -> Model:
    """Electric scooter, 电动车."""
    model = Model()
    paint = plain(bright(rng), 0.3)
    for x in (-0.6, 0.62):
        model.put(wheel(0.24, 0.1), (x, 0, 0.24))
    model.add(box((0.65, 0.28, 0.3), bevel=0.08), paint, (-0.45, 0, 0.55))
    model.add(box((0.7, 0.26, 0.1), bevel=0.04), BLACK, (-0.4, 0, 0.76))
    model.add(box((0.5, 0.3, 0.06)), paint, (0.12, 0, 0.3))
    model.add(box((0.1, 0.36, 0.6), bevel=0.04), paint, (0.45, 0, 0.62), rot=(0, -0.25, 0))
    model.add(tube([(0.62, 0, 0.24), (0.45, 0, 0.95)], 0.03), STEEL)
    model.add(rod((0.4, -0.33, 1.0), (0.4, 0.33, 1.0), 0.018), BLACK)
    model.add(sphere(0.1, scale=(0.6, 1, 0.8), sides=8), HEADLIGHT, (0.55, 0, 0.85), smooth=True)
    if rng.random() < 0.3:
        model.add(box((0.45, 0.45, 0.45), bevel=0.03), plain(bright(rng), 0.5), (-0.75, 0, 1.02))
    if ridden:
        _rider(rng, model, 0.82)
    return model


def bicycle(rng: random.Random, *, ridden: bool = False) -> Model:
    """A bicycle, often a shared one with its basket; with a rider on it where `ridden`."""
    model = Model()
    paint = plain(
        rng.choice([(0.02, 0.25, 0.5), (0.7, 0.6, 0.03), (0.02, 0.3, 0.15), (0.03, 0.03, 0.03)]),
        0.35,
    )
    for x in (-0.52, 0.52):
        model.put(wheel(0.33, 0.045, spokes=9), (x, 0, 0.33))
    frame = [(-0.52, 0, 0.33), (-0.05, 0, 0.3), (-0.2, 0, 0.8), (0.38, 0, 0.78), (-0.05, 0, 0.3)]
    for a, b in pairwise(frame):
        model.add(rod(a, b, 0.02), paint)
    model.add(tube([(0.52, 0, 0.33), (0.38, 0, 0.78), (0.34, 0, 0.98)], 0.018), paint)
    model.add(rod((0.32, -0.27, 1.0), (0.32, 0.27, 1.0), 0.014), CHROME)
    model.add(box((0.24, 0.14, 0.06), bevel=0.02), BLACK, (-0.22, 0, 0.86))
    if rng.random() < 0.5:
        model.add(box((0.3, 0.36, 0.22)), plain((0.2, 0.2, 0.2), 0.5, metal=0.5), (0.55, 0, 0.86))
    if ridden:
        _rider(rng, model, 0.88)
    return model


def box_truck(rng: random.Random) -> Model:
    """Small goods lorry; white box bodies are what is taken for a stall or a muck truck."""
    from tools.scenery.trucks import cab

    model = Model()
    length = rng.uniform(3.8, 5.5)
    paint = plain(rng.choice([(0.7, 0.7, 0.7), (0.03, 0.12, 0.4), (0.5, 0.04, 0.03)]), 0.35)
    model.put(cab(rng, paint, width=2.0, high=1.5, long=1.5), (length / 2 + 0.9, 0, 0.55))
    model.add(box((length + 1.6, 0.8, 0.2)), BLACK, (0.4, 0, 0.6))
    high = rng.uniform(1.8, 2.2)
    if rng.random() < 0.7:
        model.add(
            box((length, 2.1, high), bevel=0.03),
            plain((0.72, 0.72, 0.72), 0.45, dirt=0.4),
            (0, 0, 0.85 + high / 2),
        )
    else:
        model.add(box((length, 2.1, 0.12)), paint, (0, 0, 0.85))
        for side in (-1, 1):
            model.add(box((length, 0.05, 0.45)), paint, (0, side * 1.05, 1.1))
    for x in (-length * 0.3, length / 2 + 0.9):
        for side in (-1, 1):
            model.put(wheel(0.4, 0.28), (x, side * 0.85, 0.4))
    return model

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Grills in more kinds than the clips film: kettles, barrels, stones, steel carts, braziers.

Cook's side is +y, guests' -y, ground at z = 0. `nuisances.grill` stays what the clips were filmed
with; it is one kind here.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

from tools.scenery import goods, nuisances, signs
from tools.scenery.counters import body_paint
from tools.scenery.covers import striped_roof, umbrella
from tools.scenery.goods import bright
from tools.scenery.model import BLACK, STEEL, Colour, Model, Paint, plain
from tools.scenery.shapes import box, cylinder, lathe, rod, sphere, tube
from tools.scenery.wheels import wheel

FOODS: list[Colour] = [
    (0.3, 0.1, 0.04),
    (0.45, 0.2, 0.08),
    (0.16, 0.06, 0.03),
    (0.6, 0.4, 0.06),
    (0.12, 0.22, 0.05),
    (0.5, 0.32, 0.25),
]


def _metal(rng: random.Random) -> Paint:
    """Sooty iron, rust or kitchen steel."""
    colour = rng.choice(
        [(0.05, 0.05, 0.05), (0.16, 0.155, 0.15), (0.2, 0.1, 0.06), (0.5, 0.5, 0.5)]
    )
    return plain(colour, rng.uniform(0.35, 0.8), metal=rng.choice([0.2, 0.8]), dirt=0.8)


def _coal(rng: random.Random) -> Paint:
    return Paint("coal", glow=rng.choice([0.0, 1.5, 3.0, 8.0]))


def _food(rng: random.Random, model: Model, length: float, width: float, at_z: float) -> None:
    """Pieces on the grate: skewers in a row, whole fish and corn, or small cuts."""
    paints = [plain(colour, 0.55) for colour in rng.sample(FOODS, 3)]
    style = rng.choice(["skewers", "skewers", "whole", "cuts"])
    step = {"skewers": 0.055, "whole": 0.13, "cuts": 0.09}[style]
    for i in range(int(length / step)):
        if rng.random() < 0.2:
            continue
        x = -length / 2 + (i + 0.5) * step
        turn = (0, 0, rng.uniform(-0.25, 0.25))
        if style == "skewers":
            model.add(box((0.03, width * 0.7, 0.03)), rng.choice(paints), (x, 0.02, at_z), rot=turn)
            stick = rod((x, -width * 0.9, at_z), (x, 0, at_z), 0.005, sides=4)
            model.add(stick, plain((0.6, 0.45, 0.25), 0.7))
        elif style == "whole":
            body = sphere(1.0, scale=(0.045, width * 0.38, 0.03), sides=8)
            model.add(body, rng.choice(paints), (x, 0, at_z), rot=turn, smooth=True)
        else:
            for y in (-width * 0.25, width * 0.2):
                model.add(box((0.07, 0.06, 0.025)), rng.choice(paints), (x, y, at_z), rot=turn)


def _grate(model: Model, length: float, width: float, at_z: float) -> None:
    for i in range(int(length / 0.06)):
        x = -length / 2 + (i + 0.5) * 0.06
        model.add(rod((x, -width / 2, at_z), (x, width / 2, at_z), 0.006, sides=4), STEEL)


def kettle(rng: random.Random) -> Model:
    """Round bowl on three legs, its lid off or hung at the side."""
    model = Model()
    radius, high = rng.uniform(0.24, 0.4), rng.uniform(0.6, 0.85)
    paint = rng.choice([_metal(rng), plain(bright(rng), 0.3)])
    profile = [
        (radius * math.sin(a / 8 * 1.57), -radius * math.cos(a / 8 * 1.57)) for a in range(9)
    ]
    model.add(lathe(profile, sides=20), paint, (0, 0, high), smooth=True)
    model.add(cylinder(radius * 0.94, 0.04, sides=20), _coal(rng), (0, 0, high - 0.07))
    _food(rng, model, radius * 1.3, radius * 1.3, high + 0.03)
    for i in range(3):
        angle = i * 2.094 + 0.4
        foot = (radius * 1.1 * math.cos(angle), radius * 1.1 * math.sin(angle), 0.0)
        hip = (radius * 0.6 * math.cos(angle), radius * 0.6 * math.sin(angle), high - radius * 0.7)
        model.add(rod(foot, hip, 0.014), STEEL)
    if rng.random() < 0.5:
        lid = lathe([(r, -z) for r, z in profile], sides=20)
        if rng.random() < 0.5:
            tilt = (0, rng.choice([-1.3, 1.3]), 0)
            model.add(lid, paint, (0, radius * 0.9, high + radius * 0.6), rot=tilt, smooth=True)
        else:
            model.add(lid, paint, (0, 0, high + 0.1), smooth=True)
    return model


def barrel(rng: random.Random) -> Model:
    """Oil drum cut along its middle, on legs or a frame; a lid stands up behind it."""
    model = Model()
    length, radius, high = rng.uniform(0.8, 1.6), rng.uniform(0.24, 0.32), rng.uniform(0.75, 0.95)
    paint = rng.choice([_metal(rng), plain(bright(rng), 0.6, dirt=0.9)])
    half = [
        (radius * math.cos(a / 8 * math.pi), -radius * math.sin(a / 8 * math.pi)) for a in range(9)
    ]
    for (y0, z0), (y1, z1) in itertools.pairwise(half):
        tilt = (math.atan2(z1 - z0, y1 - y0), 0, 0)
        side = math.dist((y0, z0), (y1, z1))
        model.add(
            box((length, side + 0.01, 0.012)),
            paint,
            (0, (y0 + y1) / 2, high + (z0 + z1) / 2),
            rot=tilt,
        )
    model.add(box((length * 0.96, radius * 1.7, 0.03)), _coal(rng), (0, 0, high - 0.05))
    _grate(model, length * 0.96, radius * 1.9, high)
    _food(rng, model, length * 0.9, radius * 1.6, high + 0.03)
    for x in (-length * 0.4, length * 0.4):
        for y in (-radius * 0.8, radius * 0.8):
            model.add(rod((x, y * 1.2, 0), (x, y * 0.6, high - radius * 0.6), 0.02), STEEL)
    if rng.random() < 0.5:
        tilt = (rng.uniform(1.0, 1.5), 0, 0)
        model.add(
            box((length, radius * 1.3, 0.015)), paint, (0, radius * 1.1, high + 0.3), rot=tilt
        )
    if rng.random() < 0.4:
        pipe = cylinder(0.05, rng.uniform(0.4, 1.0), sides=10)
        model.add(pipe, BLACK, (length * 0.42, radius, high), smooth=True)
    return model


def steel_cart(rng: random.Random) -> Model:
    """Kitchen-steel cart with a trough in its top, shelf below, perhaps glass, roof or hood."""
    model = Model()
    length, width, high = rng.uniform(1.2, 2.2), rng.uniform(0.55, 0.8), rng.uniform(0.78, 0.92)
    steel = rng.choice([plain((0.55, 0.55, 0.56), 0.3, metal=0.9, dirt=0.5), body_paint(rng)])
    low = rng.choice([0.12, 0.45])
    model.add(box((length, width, high - low)), steel, (0, 0, (high + low) / 2))
    trough = length * rng.uniform(0.45, 0.9)
    x = rng.uniform(-0.5, 0.5) * (length - trough)
    model.add(box((trough, width * 0.5, 0.12)), _metal(rng), (x, -0.04, high + 0.05))
    model.add(box((trough * 0.95, width * 0.42, 0.02)), _coal(rng), (x, -0.04, high + 0.11))
    top = Model()
    _food(rng, top, trough * 0.9, width * 0.45, 0.0)
    model.put(top, (x, -0.04, high + 0.15))
    if rng.random() < 0.5:
        spare = goods.display(rng, max(0.3, length - trough), width * 0.6, "pans")
        model.put(spare, (-math.copysign((length - trough) * 0.4, x), 0, high + 0.01))
    for wx in (-length * 0.42, length * 0.42):
        for y in (-width * 0.42, width * 0.42):
            model.put(wheel(0.09, 0.05), (wx, y, 0.09))
            model.add(box((0.04, 0.04, low)), STEEL, (wx, y, low / 2 + 0.05))
    if rng.random() < 0.5:
        model.put(
            signs.poster(rng, length * 0.85, (high - low) * 0.7),
            (0, -width / 2 - 0.01, (high + low) / 2),
        )
    _cart_roof(rng, model, length, width, high)
    return model


def _cart_roof(rng: random.Random, model: Model, length: float, width: float, high: float) -> None:
    cover = rng.choice(["none", "none", "roof", "hood"])
    if cover == "none":
        return
    top = rng.uniform(1.9, 2.2)
    for x in (-length * 0.47, length * 0.47):
        for y in (-width * 0.45, width * 0.45):
            model.add(rod((x, y, high), (x, y, top), 0.016), STEEL)
    if cover == "roof":
        model.put(striped_roof(rng, length + 0.2, width + 0.4, 0.2), (0, 0, top))
    else:
        model.add(
            box((length, width * 0.9, 0.35)), plain((0.5, 0.5, 0.5), 0.4, metal=0.8), (0, 0, top)
        )
        model.add(cylinder(0.1, 0.7, sides=12), STEEL, (length * 0.3, 0, top + 0.15), smooth=True)


def stones(rng: random.Random) -> Model:
    """Bricks or blocks with a grate over them, low on the ground."""
    model = Model()
    length, width, high = rng.uniform(0.6, 1.6), rng.uniform(0.35, 0.6), rng.uniform(0.22, 0.5)
    colour = rng.choice([(0.35, 0.1, 0.06), (0.4, 0.4, 0.38), (0.3, 0.2, 0.15)])
    courses = max(2, int(high / 0.1))
    for course in range(courses):
        for side in (-1, 1):
            for i in range(int(length / 0.24)):
                x = -length / 2 + (i + 0.5) * 0.24 + rng.uniform(-0.02, 0.02)
                model.add(
                    box((0.23, 0.11, 0.09)),
                    plain(colour, 0.9, dirt=0.6),
                    (x, side * width / 2, (course + 0.5) * 0.1),
                )
    model.add(box((length * 0.9, width * 0.8, 0.05)), _coal(rng), (0, 0, high * 0.5))
    _grate(model, length, width * 1.1, courses * 0.1 + 0.01)
    _food(rng, model, length * 0.9, width * 0.8, courses * 0.1 + 0.04)
    return model


def brazier(rng: random.Random) -> Model:
    """Long thin trough of the skewer seller, on trestles at table height; a fan or lamp beside."""
    model = Model()
    length, width, high = rng.uniform(1.2, 2.6), rng.uniform(0.18, 0.26), rng.uniform(0.75, 0.95)
    metal = _metal(rng)
    model.add(box((length, width, 0.02)), metal, (0, 0, high - 0.12))
    for side in (-1, 1):
        model.add(box((length, 0.015, 0.16)), metal, (0, side * width / 2, high - 0.05))
    model.add(box((length * 0.97, width * 0.9, 0.05)), _coal(rng), (0, 0, high - 0.08))
    _food(rng, model, length * 0.95, width * 1.3, high + 0.05)
    for x in (-length * 0.42, length * 0.42):
        for y in (-0.22, 0.22):
            model.add(rod((x, y, 0), (x, y * 0.3, high - 0.12), 0.016), STEEL)
    if rng.random() < 0.5:
        fan = cylinder(0.17, 0.08, sides=16)
        model.add(fan, BLACK, (length / 2 + 0.2, 0, high), rot=(0, math.pi / 2, 0), smooth=True)
        model.add(rod((length / 2 + 0.2, 0, 0), (length / 2 + 0.2, 0, high), 0.015), STEEL)
    if rng.random() < 0.4:
        pole = [(-length / 2, 0.3, 0), (-length / 2, 0.3, 2.0), (0, 0.1, 2.1)]
        model.add(tube(pole, 0.015, sides=6), STEEL)
        model.add(sphere(0.06, sides=8), Paint("coal", glow=6.0), (0, 0.1, 2.05), smooth=True)
    return model


GRILLS: dict[str, tuple[float, Callable[[random.Random], Model]]] = {
    "filmed": (4, nuisances.grill),
    "kettle": (1.5, kettle),
    "barrel": (2.5, barrel),
    "steel_cart": (3, steel_cart),
    "stones": (1, stones),
    "brazier": (3, brazier),
}


def grill(rng: random.Random, kind: str = "") -> Model:
    """A lit grill of some kind, now and then under an umbrella."""
    if not kind:
        kind = rng.choices(list(GRILLS), [weight for weight, _ in GRILLS.values()])[0]
    model = GRILLS[kind][1](rng)
    if kind != "filmed" and rng.random() < 0.15:
        model.put(umbrella(rng, rng.uniform(1.1, 1.5), 2.2), (0, 0.45, 0))
    return model

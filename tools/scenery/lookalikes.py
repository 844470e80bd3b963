# SPDX-License-Identifier: AGPL-3.0-or-later
"""Street furniture that is taken for a stall: shut carts, awnings, sunshades, bus stops."""

from __future__ import annotations

import math
import random

from tools.scenery import goods, signs
from tools.scenery.covers import striped_roof, umbrella
from tools.scenery.model import GLASS, WHITE, Model, plain
from tools.scenery.shapes import box, cylinder, sheet
from tools.scenery.tricycles import tricycle
from tools.scenery.wheels import wheel


def closed_stall(rng: random.Random) -> Model:
    """A cart left shut: shutter down, tarpaulin over it. Not a violation in itself."""
    model = Model()
    if rng.random() < 0.4:
        return tricycle(rng, load=rng.choice(["empty", "covered"]))
    width, depth = rng.uniform(1.3, 2.2), rng.uniform(0.8, 1.1)
    model.add(box((width, depth, 0.6)), plain((0.3, 0.3, 0.32), 0.5, dirt=0.7), (0, 0, 0.6))
    model.put(
        goods.covered_heap(
            rng,
            (width + 0.15, depth + 0.15, rng.uniform(0.5, 1.1)),
            rng.choice([(0.03, 0.1, 0.35), (0.03, 0.2, 0.08), (0.3, 0.3, 0.3)]),
        ),
        (0, 0, 0.7),
    )
    for x in (-width * 0.4, width * 0.4):
        for y in (-depth / 2, depth / 2):
            model.put(wheel(0.2, 0.08), (x, y, 0.2))
    return model


def awning(rng: random.Random, width: float) -> Model:
    """Shop awning fixed to a wall (at y = 0, sloping to -y), eaves at about 2.4 m."""
    model = Model()
    out = rng.uniform(0.9, 1.6)
    model.put(
        striped_roof(rng, width, out, rng.uniform(0.25, 0.5)), (0, -out / 2, rng.uniform(2.3, 2.7))
    )
    return model


def parasol_set(rng: random.Random) -> Model:
    """Café table with chairs and a sunshade: nobody sells here."""
    model = Model()
    paint = plain(rng.choice([(0.6, 0.6, 0.58), (0.25, 0.15, 0.08), (0.03, 0.03, 0.03)]), 0.5)
    model.add(cylinder(0.4, 0.03), paint, (0, 0, 0.72))
    model.add(cylinder(0.03, 0.72), paint)
    model.put(umbrella(rng, rng.uniform(1.2, 1.7), 2.2))
    for i in range(rng.randint(2, 4)):
        a = i * math.pi / 2 + rng.uniform(-0.3, 0.3)
        at = (0.8 * math.cos(a), 0.8 * math.sin(a), 0.0)
        model.add(box((0.42, 0.42, 0.05)), paint, (at[0], at[1], 0.45), rot=(0, 0, a))
        model.add(box((0.04, 0.42, 0.5)), paint, (at[0] * 1.25, at[1] * 1.25, 0.68), rot=(0, 0, a))
        model.add(cylinder(0.03, 0.45), paint, at)
    return model


def bus_stop(rng: random.Random) -> Model:
    """Shelter with bench, glass back and advertisement, front to -y."""
    model = Model()
    width = rng.uniform(4, 6.5)
    grey = plain((0.35, 0.36, 0.38), 0.4, metal=0.6)
    for x in (-width / 2, 0, width / 2):
        model.add(box((0.1, 0.1, 2.5)), grey, (x, 0.5, 1.25))
    model.add(box((width + 0.4, 1.7, 0.1), bevel=0.03), grey, (0, 0, 2.55))
    model.add(sheet(width, 1.8), GLASS, (0, 0.5, 1.3), rot=(math.pi / 2, 0, 0))
    model.put(signs.poster(rng, 1.4, 1.7), (-width / 4, 0.44, 1.3))
    model.add(box((width * 0.4, 0.4, 0.05)), plain((0.3, 0.2, 0.1)), (width / 4, 0.2, 0.45))
    model.write("公交站", 0.22, WHITE, (0, -0.87, 2.55))
    return model

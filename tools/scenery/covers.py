# SPDX-License-Identifier: AGPL-3.0-or-later
"""What keeps sun and rain off: sunshades, cloth roofs, pavilions."""

from __future__ import annotations

import math
import random

import numpy as np

from tools.scenery.goods import bright
from tools.scenery.model import STEEL, Model, Paint
from tools.scenery.shapes import box, loft, rod, sheet


def canopy(radius: float, drop: float, sides: int, colours: list[Paint], *, flap: float) -> Model:
    """Umbrella cloth: gores in turn coloured, top at z = drop, rim at 0, a hanging flap."""
    model = Model()
    angle = [2 * math.pi * i / sides for i in range(sides + 1)]
    for i in range(sides):
        rows = []
        for r, z in ((0.02, drop), (0.55, drop * 0.62), (1.0, 0.0), (1.0, -flap)):
            sag = 0.95 if r == 0.55 else 1.0
            rows.append(
                [
                    (radius * r * sag * math.cos(a), radius * r * sag * math.sin(a), z)
                    for a in (angle[i], angle[i + 1])
                ]
            )
        gore = loft(np.asarray(rows, np.float32), closed=False)
        model.add(gore, colours[i % len(colours)])
    return model


def umbrella(rng: random.Random, radius: float, height: float) -> Model:
    """Big sunshade on a pole, 遮阳伞; rim at `height`."""
    model = Model()
    count = rng.choice([1, 1, 2, 2, 3])
    paints = [Paint("cloth", bright(rng), 0.85) for _ in range(count)]
    tilt = (rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08), rng.uniform(0, 1))
    drop = radius * rng.uniform(0.22, 0.4)
    cloth = canopy(
        radius, drop, rng.choice([6, 8, 8, 10]), paints, flap=rng.choice([0.0, 0.1, 0.18])
    )
    for part in cloth.parts:
        model.add(part.mesh, part.paint, (0, 0, height), rot=tilt)
    model.add(rod((0, 0, 0), (0, 0, height + drop * 0.95), 0.022), STEEL)
    return model


def striped_roof(
    rng: random.Random, width: float, depth: float, rise: float, *, scallop: float = 0.18
) -> Model:
    """Gabled or one-sided cloth roof in stripes, eaves at z = 0, with a scalloped edge."""
    model = Model()
    a, b = Paint("cloth", bright(rng), 0.85), Paint("cloth", (0.72, 0.71, 0.68), 0.85)
    if rng.random() < 0.4:
        b = a
    stripes = max(3, round(width / rng.choice([0.15, 0.25, 0.3])))
    gabled = rng.random() < 0.5
    ridge = 0.0 if gabled else depth / 2
    w = width / stripes
    for i in range(stripes):
        x = -width / 2 + i * w
        rows = [
            (-depth / 2, -scallop),
            (-depth / 2, 0.0),
            (ridge, rise),
            (depth / 2, 0.0 if gabled else rise),
            (depth / 2, (0.0 if gabled else rise) - scallop),
        ]
        strip = loft(
            np.asarray([[(x, y, z), (x + w, y, z)] for y, z in rows], np.float32), closed=False
        )
        model.add(strip, (a, b)[i % 2])
    return model


def frame(
    width: float, depth: float, low: float, high: float, paint: Paint, thick: float = 0.035
) -> Model:
    """Four posts and two beams; `low` and `high` are where the posts begin and end, in metres."""
    model = Model()
    for x in (-width / 2, width / 2):
        for y in (-depth / 2, depth / 2):
            model.add(box((thick, thick, high - low)), paint, (x, y, (high + low) / 2))
    for y in (-depth / 2, depth / 2):
        model.add(box((width, thick, thick)), paint, (0, y, high))
    return model


def tent(rng: random.Random, width: float, depth: float) -> Model:
    """Pop-up pavilion on four legs, its eaves at about 2.1 m."""
    model = Model()
    eaves = rng.uniform(1.95, 2.3)
    model.put(frame(width, depth, 0, eaves, STEEL, 0.03))
    if rng.random() < 0.45:
        model.put(striped_roof(rng, width + 0.1, depth + 0.1, rng.uniform(0.3, 0.8)), (0, 0, eaves))
        return model
    cloth = Paint("cloth", bright(rng), 0.8)
    x, y, top = width / 2 + 0.04, depth / 2 + 0.04, rng.uniform(0.5, 1.1)
    ring = [(-x, -y), (x, -y), (x, y), (-x, y)]
    rings = [
        [(a, b, -0.28) for a, b in ring],
        [(a, b, 0) for a, b in ring],
        [(a * 0.45, b * 0.45, top * 0.42) for a, b in ring],
        [(a * 0.02, b * 0.02, top) for a, b in ring],
    ]
    model.add(loft(np.asarray(rings, np.float32), caps=False), cloth, (0, 0, eaves))
    if rng.random() < 0.4:
        model.add(
            sheet(width, eaves),
            Paint("cloth", bright(rng), 0.85),
            (0, depth / 2, eaves / 2),
            rot=(math.pi / 2, 0, 0),
        )
    return model

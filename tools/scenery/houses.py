# SPDX-License-Identifier: AGPL-3.0-or-later
"""Town houses: walls, rows of windows, shops on the ground floor."""

from __future__ import annotations

import random

import numpy as np

from tools.scenery import lookalikes
from tools.scenery.goods import bright
from tools.scenery.model import Colour, Model, plain
from tools.scenery.shapes import box, scattered

WALLS: list[Colour] = [
    (0.55, 0.5, 0.42),
    (0.6, 0.6, 0.58),
    (0.4, 0.22, 0.16),
    (0.5, 0.46, 0.4),
    (0.35, 0.37, 0.4),
    (0.62, 0.55, 0.4),
    (0.45, 0.48, 0.5),
    (0.66, 0.62, 0.56),
]


SHOPS = [
    "便利店",
    "五金建材",
    "理发",
    "大药房",
    "小吃店",
    "水果店",
    "烟酒茶",
    "打印复印",
    "兰州拉面",
    "沙县小吃",
    "房产中介",
    "手机维修",
    "超市",
    "干洗",
    "火锅",
]


def _windows(rng: random.Random, w: float, h: float, face: float) -> Model:
    """Rows of windows on a wall in the x-z plane at y = face, seen from -y."""
    model = Model()
    gap_x, gap_z = rng.choice([2.0, 2.6, 3.2]), rng.choice([3.0, 3.3])
    wide, tall = gap_x * rng.uniform(0.45, 0.8), rng.uniform(1.3, 1.9)
    columns = np.arange(-w / 2 + gap_x / 2, w / 2 - gap_x / 3, gap_x)
    levels = np.arange(4.9, h - 1.2, gap_z)
    if not len(columns) or not len(levels):
        return model
    x, z = (a.ravel() for a in np.meshgrid(columns, levels))
    places = np.stack([x, np.full(len(x), face - 0.01), z], -1).astype(np.float32)
    zero, one = np.zeros(len(x), np.float32), np.ones(len(x), np.float32)
    model.add(
        scattered(box((wide, 0.06, tall)), places, one, zero), plain((0.03, 0.04, 0.05), 0.08)
    )
    model.add(scattered(box((0.05, 0.1, tall)), places, one, zero), plain((0.6, 0.6, 0.6)))
    model.add(
        scattered(box((wide + 0.2, 0.18, 0.08)), places - (0, 0, tall / 2), one, zero),
        plain((0.5, 0.5, 0.48), dirt=0.4),
    )
    lucky = np.array([rng.random() < 0.35 for _ in x])
    if lucky.any():
        units = places[lucky] + (gap_x * 0.42, -0.25, -tall / 2)
        k = int(lucky.sum())
        model.add(
            scattered(box((0.8, 0.35, 0.6)), units.astype(np.float32), one[:k], zero[:k]),
            plain((0.62, 0.62, 0.6), 0.6, dirt=0.5),
        )
    return model


def _shops(rng: random.Random, w: float, face: float, *, awnings: float) -> Model:
    model = Model()
    count = max(1, int(w // 4.2))
    each = w / count
    for i in range(count):
        x = -w / 2 + (i + 0.5) * each
        if rng.random() < 0.2:
            model.add(
                box((each * 0.9, 0.08, 2.8)),
                plain((0.45, 0.46, 0.48), 0.5, metal=0.6, dirt=0.6),
                (x, face, 1.5),
            )
        else:
            model.add(box((each * 0.9, 0.08, 2.6)), plain((0.05, 0.055, 0.06), 0.1), (x, face, 1.4))
            for _ in range(2):
                model.add(
                    box((each * 0.2, 0.02, rng.uniform(0.5, 1.6))),
                    plain(bright(rng), 0.5),
                    (x + rng.uniform(-0.3, 0.3) * each, face - 0.05, rng.uniform(1.0, 1.8)),
                )
        colour = bright(rng)
        high = rng.uniform(0.7, 1.1)
        model.add(
            box((each * 0.96, 0.25, high)), plain(colour, 0.5, dirt=0.2), (x, face - 0.12, 3.3)
        )
        ink = (0.8, 0.8, 0.75) if sum(colour) < 1.2 else (0.5, 0.03, 0.02)
        model.write(rng.choice(SHOPS), high * 0.62, plain(ink, 0.5), (x, face - 0.26, 3.3))
        if rng.random() < awnings:
            model.put(lookalikes.awning(rng, each * 0.9), (x, face - 0.05, 0.1))
    return model


def building(
    rng: random.Random, w: float, d: float, h: float, *, shops: bool = True, awnings: float = 0.15
) -> Model:
    """House with its front at y = 0 facing -y, centred on x."""
    model = Model()
    wall = rng.choice(WALLS)
    model.add(box((w, d, h)), plain(wall, 0.85, dirt=rng.uniform(0.1, 0.5)), (0, d / 2, h / 2))
    model.add(box((w + 0.3, d + 0.3, 0.5)), plain((0.45, 0.44, 0.42), 0.9), (0, d / 2, h))
    for _ in range(3):
        model.add(
            box((rng.uniform(0.8, 2), rng.uniform(0.8, 2), rng.uniform(0.6, 1.6))),
            plain((0.5, 0.5, 0.48), 0.8),
            (rng.uniform(-0.4, 0.4) * w, rng.uniform(0.2, 0.8) * d, h + 0.6),
        )
    model.put(_windows(rng, w, h, 0.0))
    if shops:
        model.put(_shops(rng, w, -0.05, awnings=awnings))
    return model

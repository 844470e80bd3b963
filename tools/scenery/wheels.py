# SPDX-License-Identifier: AGPL-3.0-or-later
"""Wheels of trucks, carts and bicycles."""

from __future__ import annotations

import math

import numpy as np

from tools.scenery.model import CHROME, RUBBER, STEEL, Model, plain
from tools.scenery.shapes import circle, cylinder, lathe, rod, tube


def wheel(radius: float, width: float, *, spokes: int = 0) -> Model:
    """Upright wheel that rolls along x, hub at the origin; spokes make a cart or bicycle wheel."""
    model = Model()
    lay = (math.pi / 2, 0, 0)
    if not spokes:
        w = width / 2
        tyre = lathe(
            [
                (radius * 0.6, -w),
                (radius * 0.94, -w),
                (radius, -w * 0.7),
                (radius, w * 0.7),
                (radius * 0.94, w),
                (radius * 0.6, w),
            ],
            sides=20,
        )
        model.add(tyre, RUBBER, rot=lay)
        rim = lathe(
            [(0.02, -w * 0.7), (radius * 0.6, -w * 0.9), (radius * 0.6, w * 0.9), (0.02, w * 0.7)],
            sides=14,
        )
        model.add(rim, plain((0.3, 0.3, 0.31), 0.45, metal=0.7), rot=lay)
        return model
    ring = circle(24) * radius
    points = [(x, 0, z) for x, z in np.vstack([ring, ring[:1]])]
    model.add(tube(points, width / 2, sides=6), RUBBER, smooth=True)
    for i in range(spokes):
        a = math.pi * i / spokes
        end = (radius * math.cos(a), 0, radius * math.sin(a))
        model.add(rod((-end[0], 0, -end[2]), end, 0.006 if spokes > 7 else 0.016, sides=4), CHROME)
    model.add(cylinder(radius * 0.13, 0.1, sides=10), STEEL, (0, 0.05, 0), rot=lay)
    return model

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines of a building site."""

from __future__ import annotations

import math
import random

import numpy as np

from tools.scenery.model import STEEL, WINDOW, Model, plain
from tools.scenery.shapes import box, cylinder, loft, rod, tube


def excavator(rng: random.Random) -> Model:
    """Tracked digger facing +x."""
    model = Model()
    yellow = plain(
        rng.choice(
            [
                (0.62, 0.33, 0.02),
                (0.55, 0.28, 0.02),
                (0.6, 0.12, 0.02),
                (0.02, 0.25, 0.3),
                (0.55, 0.55, 0.5),
            ]
        ),
        0.4,
        dirt=0.6,
    )
    dark = plain((0.03, 0.03, 0.032), 0.8, dirt=0.6)
    for s in (-1, 1):
        ring = [(1.8, 0.45), (1.5, 0.0), (-1.5, 0.0), (-1.8, 0.45), (-1.5, 0.8), (1.5, 0.8)]
        rings = [[(x, s * 1.15 + y, z) for x, z in ring] for y in (-0.28, 0.28)]
        model.add(loft(np.asarray(rings, np.float32)), dark)
    turn = rng.uniform(-0.7, 0.7)
    top = Model()
    top.add(box((2.9, 2.5, 0.9), bevel=0.12), yellow, (-0.7, 0, 1.5))
    top.add(box((1.2, 2.4, 0.5), bevel=0.2), yellow, (-1.6, 0, 2.0))
    top.add(box((1.5, 0.95, 1.5), bevel=0.08, taper=(0.85, 0.9)), yellow, (0.45, 0.72, 2.35))
    top.add(box((1.2, 1.0, 0.75)), WINDOW, (0.5, 0.72, 2.55))
    top.add(box((0.06, 0.75, 1.0)), WINDOW, (1.17, 0.72, 2.4))
    lift, bend = rng.uniform(0.5, 1.05), rng.uniform(0.3, 1.2)
    elbow = (0.8 + 4.2 * math.cos(lift), -0.15, 1.7 + 4.2 * math.sin(lift))
    knee = (0.8 + 2.1 * math.cos(lift + 0.25), -0.15, 1.7 + 2.3 * math.sin(lift + 0.25))
    tip = (elbow[0] + 2.4 * math.cos(bend), -0.15, max(0.9, elbow[2] - 2.6 * math.sin(bend)))
    top.add(tube([(0.7, -0.15, 1.8), knee, elbow], [0.32, 0.4, 0.22], sides=4), yellow)
    top.add(tube([elbow, tip], [0.3, 0.18], sides=4), yellow)
    top.add(rod((0.9, -0.15, 1.5), knee, 0.09), STEEL)
    top.add(rod(knee, (elbow[0] + 0.4, -0.15, elbow[2] - 0.1), 0.08), STEEL)
    top.add(
        box((0.85, 1.1, 0.8), taper=(1.2, 1)),
        dark,
        (tip[0] - 0.25, -0.15, tip[2] - 0.45),
        rot=(0, 0.5, 0),
    )
    model.put(top, yaw=turn)
    model.add(cylinder(0.8, 0.35), dark, (0, 0, 0.8))
    return model

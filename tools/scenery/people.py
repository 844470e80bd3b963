# SPDX-License-Identifier: AGPL-3.0-or-later
"""People of the street: standing, walking, working with bent arms, squatting on a stool."""

from __future__ import annotations

import math
import random

import numpy as np

from tools.scenery.model import BLACK, Colour, Model, Paint, plain
from tools.scenery.shapes import Floats, Mesh, box, circle, cylinder, loft, sphere, tube

SKINS: list[Colour] = [
    (0.5, 0.31, 0.21),
    (0.42, 0.26, 0.17),
    (0.58, 0.38, 0.28),
    (0.35, 0.2, 0.13),
    (0.2, 0.11, 0.07),
]
BOTTOMS: list[Colour] = [
    (0.03, 0.04, 0.09),
    (0.02, 0.02, 0.02),
    (0.12, 0.1, 0.08),
    (0.06, 0.09, 0.18),
    (0.3, 0.28, 0.24),
    (0.09, 0.11, 0.06),
]
VEST: Colour = (0.75, 0.85, 0.04)


def shirt(rng: random.Random) -> Colour:
    """Mostly grey, white, black and navy, now and then a strong colour."""
    if rng.random() < 0.6:
        grey = rng.choice([0.02, 0.05, 0.15, 0.35, 0.65, 0.75])
        r, g, b = (min(0.85, max(0.012, grey * rng.uniform(0.75, 1.3))) for _ in range(3))
        return (r, g, b)
    return rng.choice(
        [
            (0.6, 0.04, 0.04),
            (0.05, 0.12, 0.45),
            (0.7, 0.45, 0.03),
            (0.03, 0.25, 0.12),
            (0.65, 0.2, 0.3),
            (0.3, 0.1, 0.4),
            (0.75, 0.6, 0.1),
            (0.1, 0.4, 0.55),
        ]
    )


def _torso(levels: list[tuple[float, float, float, float]], sides: int = 14) -> Mesh:
    """Loft of ellipses: (height, half depth, half width, forward shift)."""
    ring = circle(sides)
    rings = [
        np.column_stack([ring[:, 0] * d + x, ring[:, 1] * w, np.full(sides, z)])
        for z, d, w, x in levels
    ]
    return loft(np.asarray(rings, np.float32))


def _leg(hip: Floats, knee: Floats, foot: Floats, k: float) -> Mesh:
    calf = knee + (foot - knee) * 0.35
    return tube(
        [hip, (hip + knee) / 2, knee, calf, foot],
        [0.085 * k, 0.078 * k, 0.056 * k, 0.058 * k, 0.042 * k],
        sides=9,
    )


def _arm(shoulder: Floats, elbow: Floats, hand: Floats, k: float) -> tuple[Mesh, Mesh, Mesh]:
    upper = tube([shoulder, (shoulder + elbow) / 2, elbow], [0.06 * k, 0.054 * k, 0.045 * k])
    lower = tube([elbow, (elbow + hand) / 2, hand], [0.042 * k, 0.038 * k, 0.027 * k])
    return upper, lower, sphere(0.045 * k, scale=(1, 0.7, 1.2), sides=8).moved(_at(hand))


def _at(where: Floats) -> Floats:
    out = np.eye(4, dtype=np.float32)
    out[:3, 3] = where
    return out


def _v(*values: float) -> Floats:
    return np.array(values, np.float32)


def _head(model: Model, rng: random.Random, skin: Paint, at: Floats, k: float) -> None:
    model.add(
        cylinder(0.055 * k, 0.13 * k, sides=9),
        skin,
        (at[0] - 0.01, 0, at[2] - 0.2 * k),
        smooth=True,
    )
    model.add(sphere(0.1 * k, scale=(0.95, 0.8, 1.18)), skin, tuple(at), smooth=True)
    model.add(sphere(0.02 * k, sides=6), skin, (at[0] + 0.098 * k, 0, at[2] - 0.01), smooth=True)
    hair = plain(rng.choice([(0.012, 0.01, 0.008), (0.03, 0.02, 0.012), (0.2, 0.19, 0.18)]), 0.7)
    style = rng.random()
    if style < 0.16:
        cap = plain(shirt(rng), 0.8)
        model.add(
            sphere(0.112 * k, scale=(1, 0.86, 0.85)),
            cap,
            (at[0] - 0.01, 0, at[2] + 0.04 * k),
            smooth=True,
        )
        model.add(
            cylinder(0.09 * k, 0.012),
            cap,
            (at[0] + 0.08 * k, 0, at[2] + 0.05 * k),
            scale=(1, 0.8, 1),
        )
        return
    if style < 0.26:
        straw = plain((0.55, 0.42, 0.2), 0.9)
        model.add(cylinder(0.24 * k, 0.1 * k, top=0.09 * k), straw, (at[0], 0, at[2] + 0.05 * k))
        return
    model.add(
        sphere(0.108 * k, scale=(1, 0.86, 1.02)),
        hair,
        (at[0] - 0.022, 0, at[2] + 0.035 * k),
        smooth=True,
    )
    if style > 0.65:
        model.add(
            sphere(0.1 * k, scale=(0.7, 0.95, rng.uniform(1.4, 2.2))),
            hair,
            (at[0] - 0.06 * k, 0, at[2] - 0.08 * k),
            smooth=True,
        )


def _pose(rng: random.Random, pose: str, k: float) -> dict[str, Floats]:
    """Joints in metres; forward is +x, the feet on z = 0."""
    lean = {"work": 0.1, "bend": 0.38, "sit": 0.1}.get(pose, 0.0) + rng.uniform(-0.02, 0.03)
    hip_z = {"sit": 0.42, "squat": 0.3}.get(pose, 0.9) * k
    stride = rng.uniform(0.15, 0.36) if pose == "walk" else rng.uniform(0.0, 0.06)
    joints = {}
    top = hip_z + 0.52 * k * math.cos(lean * 1.6)
    ahead = 0.52 * k * math.sin(lean * 1.6)
    for side, name in ((1, "l"), (-1, "r")):
        y = side * 0.09 * k
        joints["hip" + name] = _v(0, y, hip_z)
        if pose in ("sit", "squat"):
            joints["knee" + name] = _v(0.4 * k, side * 0.15 * k, hip_z + 0.06)
            joints["foot" + name] = _v(0.38 * k, side * 0.15 * k, 0.05)
        else:
            joints["knee" + name] = _v(side * stride * 0.55 + 0.04, y, 0.47 * k)
            joints["foot" + name] = _v(
                side * stride - (0.06 if side * stride < 0 else 0),
                y,
                0.06 + (0.06 if side * stride < -0.1 else 0),
            )
        joints["shoulder" + name] = _v(ahead, side * 0.2 * k, top)
        swing = -side * stride * 0.8 + rng.uniform(-0.06, 0.06)
        low = top - 0.28 * k
        if pose in ("work", "bend", "sit") or rng.random() < 0.25:
            joints["elbow" + name] = _v(ahead + 0.06, side * 0.25 * k, low + 0.02)
            joints["hand" + name] = _v(
                ahead + rng.uniform(0.24, 0.36),
                side * rng.uniform(0.1, 0.24),
                low + rng.uniform(-0.05, 0.12),
            )
        else:
            joints["elbow" + name] = _v(ahead + swing * 0.4 - 0.02, side * 0.245 * k, low)
            joints["hand" + name] = _v(ahead + swing + 0.04, side * 0.25 * k, low - 0.25 * k)
    joints["chest"] = _v(ahead, 0, top)
    joints["head"] = _v(ahead * 1.25 + 0.02, 0, top + 0.25 * k)
    return joints


def _trunk(model: Model, joints: dict[str, Floats], top: Paint, k: float, *, coat: bool) -> None:
    hip, chest = float(joints["hipl"][2]), joints["chest"]
    low = hip - (0.22 if coat else 0.05) * k
    rise, x = float(chest[2]) - hip, float(chest[0])
    model.add(
        _torso(
            [
                (low, 0.12 * k, 0.165 * k, 0),
                (hip + 0.1 * k, 0.11 * k, 0.15 * k, x * 0.15),
                (hip + rise * 0.6, 0.12 * k, 0.17 * k, x * 0.6),
                (hip + rise * 0.93, 0.11 * k, 0.195 * k, x),
                (hip + rise * 1.05, 0.085 * k, 0.15 * k, x * 1.03),
                (hip + rise * 1.12, 0.05 * k, 0.06 * k, x * 1.05),
            ]
        ),
        top,
        smooth=True,
    )


def person(
    rng: random.Random,
    pose: str = "stand",
    *,
    apron: bool = False,
    vest: bool = False,
    tall: float = 0.0,
) -> Model:
    """A person facing +x, feet at the origin."""
    k = (tall or rng.uniform(1.5, 1.84)) / 1.7
    model, joints = Model(), _pose(rng, pose, k)
    skin = plain(rng.choice(SKINS[:3]) if rng.random() < 0.85 else rng.choice(SKINS), 0.55)
    top = plain(VEST if vest else shirt(rng), 0.85)
    bottom = plain(rng.choice(BOTTOMS), 0.85)
    shoe = plain(rng.choice([(0.02, 0.02, 0.02), (0.6, 0.6, 0.6), (0.15, 0.08, 0.04)]), 0.7)
    skirt = pose in ("stand", "walk") and not vest and rng.random() < 0.15
    sleeve = top if rng.random() < 0.55 else skin
    for s in "lr":
        leg = _leg(joints["hip" + s], joints["knee" + s], joints["foot" + s], k)
        model.add(leg, skin if skirt else bottom, smooth=True)
        foot = joints["foot" + s]
        model.add(
            sphere(0.075 * k, scale=(1.7, 0.7, 0.65), sides=8),
            shoe,
            (foot[0] + 0.05, foot[1], foot[2] - 0.01),
            smooth=True,
        )
        upper, lower, hand = _arm(
            joints["shoulder" + s], joints["elbow" + s], joints["hand" + s], k
        )
        model.add(upper, top, smooth=True)
        model.add(lower, sleeve, smooth=True)
        model.add(hand, skin, smooth=True)
    _trunk(model, joints, top, k, coat=rng.random() < 0.2)
    hip = float(joints["hipl"][2])
    if skirt:
        model.add(
            cylinder(0.25 * k, 0.5 * k, top=0.14 * k),
            top if rng.random() < 0.5 else bottom,
            (0, 0, hip - 0.38 * k),
            smooth=True,
        )
    else:
        model.add(sphere(0.15 * k, scale=(0.85, 1.1, 0.75)), bottom, (0, 0, hip), smooth=True)
    if vest:
        for z in (0.18, 0.34):
            model.add(
                cylinder(0.19 * k, 0.05),
                plain((0.8, 0.8, 0.8), 0.3),
                (0, 0, hip + z * k),
                scale=(0.68, 0.93, 1),
            )
    if apron:
        model.add(box((0.03, 0.3 * k, 0.75 * k)), plain(shirt(rng), 0.9), (0.13 * k, 0, hip + 0.03))
    _head(model, rng, skin, joints["head"], k)
    _carried(model, rng, joints, pose, k)
    return model


def _carried(
    model: Model, rng: random.Random, joints: dict[str, Floats], pose: str, k: float
) -> None:
    if pose not in ("stand", "walk") or rng.random() > 0.4:
        return
    chest = joints["chest"]
    if rng.random() < 0.4:
        model.add(
            box((0.16, 0.3, 0.42), bevel=0.05),
            plain(shirt(rng), 0.8),
            (chest[0] - 0.2 * k, 0, chest[2] - 0.22),
        )
    else:
        hand = joints["handr"]
        bag = rng.choice([plain((0.7, 0.7, 0.7), 0.4), plain((0.6, 0.05, 0.05), 0.5), BLACK])
        model.add(
            sphere(0.15, scale=(0.8, 0.55, 1.1), sides=8),
            bag,
            (hand[0], hand[1], hand[2] - 0.2),
            smooth=True,
        )


def stool(rng: random.Random) -> Model:
    model = Model()
    paint = plain(rng.choice([(0.55, 0.04, 0.04), (0.05, 0.15, 0.5), (0.7, 0.7, 0.65)]), 0.5)
    model.add(box((0.3, 0.3, 0.3), taper=(0.8, 0.8)), paint, (0, 0, 0.15))
    return model

# SPDX-License-Identifier: AGPL-3.0-or-later
"""At night the light of cars that pass elsewhere sweeps over a street on which nothing moves: that
is no change, and what comes in the middle of it is one."""

import cv2
import numpy as np
import pytest

from edge.vision.gate import MotionGate
from edge.vision.key_change import KeyChange
from tests.vision.test_gate import HEIGHT, STREET, WIDTH, noisy

DARK = (STREET * 0.35).astype(np.uint8)
STANDING = ((0.30, 0.40, 0.45, 0.70), (0.60, 0.35, 0.70, 0.60))


def lit(picture, x, strength=3.0):
    """With a beam about `x` (pixels), a sixth of the picture wide, so many times as bright."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    beam = np.exp(-(((across - x) / 55.0) ** 2) - ((down - HEIGHT * 0.45) / 70.0) ** 2)
    return np.clip(picture * (1.0 + (strength - 1.0) * beam[..., None]), 0, 255).astype(np.uint8)


def with_square(picture, x, y, side, level):
    made = picture.copy()
    cv2.rectangle(made, (x, y), (x + side - 1, y + side - 1), (level,) * 3, -1)
    return made


def told(pictures, rng):
    seen = KeyChange()
    return [seen(noisy(one, 2, rng), 2.0 * n, n == 0) for n, one in enumerate(pictures)]


@pytest.mark.parametrize("strength", [2.0, 3.2, 4.5])
def test_a_beam_is_no_change_wherever_it_falls(strength):
    rng = np.random.default_rng(1)
    swept = [lit(DARK, x, strength) if x % 3 else DARK for x in range(20, WIDTH, 37)]
    assert not any(told(swept, rng))


# Brighter than the street and darker, small and large, where the beam is at its brightest.
@pytest.mark.parametrize("level", [8, 110])
@pytest.mark.parametrize("side", [12, 24, 60])
@pytest.mark.parametrize("x", [100, 320, 520])
def test_what_comes_in_the_beam_is_told(x, side, level):
    rng = np.random.default_rng(2)
    there = with_square(DARK, x - side // 2, 162 - side // 2, side, level)
    assert told([DARK] * 4 + [lit(there, x)], rng) == [False] * 4 + [True]


def stirring(pictures, rng, gate):
    return [
        gate.look(noisy(one, 2, rng), n / 5, standing=STANDING).stirs
        for n, one in enumerate(pictures)
    ]


def test_a_beam_over_what_stands_stirs_nothing_and_a_walker_in_it_does():
    rng = np.random.default_rng(3)
    beams = [lit(DARK, x) for x in range(-60, WIDTH + 60, 40)]
    still = [DARK] * 10
    swept = stirring([*still, *beams, *still], rng, MotionGate())
    assert not any(swept[10:])
    walker = [
        lit(with_square(DARK, 250 + 8 * n, 150, 24, 70), 260 + 8 * n) for n in range(len(beams))
    ]
    assert any(stirring([*still, *walker], rng, MotionGate())[10:13])


def test_what_stood_before_the_beam_has_not_come_and_what_stands_there_now_has():
    """A detector sees under a beam what it did not see in the dark, or another box of it."""
    rng, gate = np.random.default_rng(4), MotionGate()
    stirring([DARK] * 20, rng, gate)
    boxes = [(0.30, 0.35, 0.45, 0.60), (0.60, 0.30, 0.70, 0.60)]
    gate.look(noisy(lit(DARK, 240), 2, rng), 4.2)
    assert gate.stood(boxes) == [True, True]
    came = with_square(DARK, 225, 150, 30, 60)
    gate.look(noisy(lit(came, 240), 2, rng), 4.4)
    assert gate.stood(boxes) == [False, True]


def test_nothing_is_said_to_have_stood_before_anything_was_seen():
    rng, gate = np.random.default_rng(5), MotionGate()
    assert gate.stood([(0.1, 0.1, 0.5, 0.5)]) == [False]
    stirring([DARK] * 5, rng, gate)
    assert gate.stood([(0.1, 0.1, 0.5, 0.5)]) == [False]

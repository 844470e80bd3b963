# SPDX-License-Identifier: AGPL-3.0-or-later
"""Light on a part of the street and a swaying pole explain a difference; what comes is not hidden
by either."""

import cv2
import numpy as np
import pytest

from edge.vision.gate import LEAST_CHANGE, MotionGate, detail_of, differing, unexplained
from tests.vision.test_gate import STREET, noisy, with_block

HEIGHT, WIDTH = STREET.shape[:2]


def shadow(picture, at):
    """Light falls by three tenths right of a soft edge."""
    gain = 0.85 - 0.15 * np.tanh(8.0 * (np.arange(WIDTH) / WIDTH - at))
    return np.clip(picture * gain[None, :, None], 0, 255).astype(np.uint8)


def swayed(picture, share):
    """The same street from a pole that bent by this share of its width."""
    move = np.array([[1.0, 0.0, share * WIDTH], [0.0, 1.0, share * WIDTH / 3.0]])
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(picture, move, (WIDTH, HEIGHT), borderMode=border), np.uint8)


DISTURBED = {
    "shadow": lambda picture: shadow(picture, 0.5),
    "a quarter of the light": lambda picture: shadow(picture, -1.0),
    "swaying": lambda picture: swayed(picture, 1.0 / 900.0),
    "both": lambda picture: swayed(shadow(picture, 0.4), -1.0 / 1200.0),
}


def left(before, now):
    """Pixels that differ at all, and those that nothing explains."""
    rng = np.random.default_rng(1)
    one, other = detail_of(noisy(before, 2, rng)), detail_of(noisy(now, 2, rng))
    mask = differing(other, one, LEAST_CHANGE)
    return int(mask.sum()), int(unexplained(mask, other, one, LEAST_CHANGE).sum())


@pytest.mark.parametrize("name", DISTURBED)
def test_light_and_a_swaying_pole_leave_nothing(name):
    differs, unexplained_left = left(STREET, DISTURBED[name](STREET))
    assert unexplained_left <= 9 and unexplained_left <= differs


@pytest.mark.parametrize("side", [12, 24, 60])
@pytest.mark.parametrize("name", DISTURBED)
def test_what_comes_with_them_is_left(name, side):
    for at in ((60, 80), (300, 180), (540, 290)):
        found = left(STREET, DISTURBED[name](with_block(*at, side)))[1]
        assert found >= 9, (name, side, at)


def test_a_thing_that_moves_by_itself_is_no_swaying_pole():
    """All that has edges is one thing: nobody could tell, so nothing is explained."""
    plain = np.full_like(STREET, 120)
    before, now = plain.copy(), plain.copy()
    before[100:200, 200:300], now[100:200, 206:306] = 30, 30
    assert left(before, now)[1] >= 100


def test_the_gate_opens_for_a_shadow_and_says_that_nothing_stirs():
    rng, gate = np.random.default_rng(2), MotionGate()
    for n in range(50):
        gate.look(noisy(STREET, 2, rng), n / 5)
    seen = [gate.look(noisy(shadow(STREET, n / 30), 2, rng), 10 + n / 5) for n in range(30)]
    assert not any(one.stirs for one in seen[8:])
    came = noisy(shadow(with_block(300, 180, 40), 0.9), 2, rng)
    assert gate.look(came, 16.2).stirs or gate.look(came, 16.4).stirs

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Key pictures two seconds apart: what came is told, weather and trees are not."""

import cv2
import numpy as np
import pytest

from edge.vision.key_change import KeyChange
from tests.vision.test_gate import SCENES, STREET, noisy, with_block

EVERY_S = 2.0


def told(pictures):
    seen = KeyChange()
    return [seen(one, index * EVERY_S, index == 0) for index, one in enumerate(pictures)], seen


@pytest.mark.parametrize("name", SCENES)
def test_weather_is_no_change(name):
    rng = np.random.default_rng(3)
    changes, _ = told([SCENES[name](index, rng) for index in range(120)])
    # Rain is learnt place by place; what is left is at most one comparison in twenty.
    assert np.mean(changes[40:]) <= 0.05, np.mean(changes[40:])


# Side of a square in pixels of 360: the smallest, 6, is 1/60 of the picture's height.
@pytest.mark.parametrize("side", [8, 12, 24, 60])
@pytest.mark.parametrize("at", [(40, 60), (300, 180), (560, 300)])
def test_whatever_came_is_told_by_the_next_key_picture(side, at):
    rng = np.random.default_rng(4)
    still = [noisy(STREET, 2, rng) for _ in range(10)]
    changes, _ = told([*still, noisy(with_block(*at, side), 2, rng)])
    assert changes == [False] * 10 + [True]


def test_the_smallest_change_that_is_told():
    """Hidden changes of every size: from 7 pixels of 360 on all are told, below none need be."""
    smallest = None
    for side in range(2, 12):
        rng = np.random.default_rng(side)
        still = [noisy(STREET, 2, rng) for _ in range(6)]
        hits = [
            told([*still, noisy(with_block(x, y, side), 2, rng)])[0][-1]
            for x, y in ((44, 66), (211, 97), (333, 181), (502, 240), (590, 322))
        ]
        smallest = side if smallest is None and all(hits) else smallest if all(hits) else None
    assert smallest is not None and smallest <= 8


def swaying(index, rng):
    picture = STREET.copy()
    for x in range(60, 160, 10):
        bend = int(rng.integers(-5, 6))
        cv2.line(picture, (x, 100), (x + bend, 40), (30, 90, 30), 3)
    return picture


def test_a_tree_is_learnt_where_it_stands_and_nowhere_else():
    rng = np.random.default_rng(5)
    trees = [swaying(index, rng) for index in range(80)]
    came = trees[-1].copy()
    cv2.rectangle(came, (400, 200), (424, 224), (230, 230, 230), -1)
    changes, seen = told([*trees, came])
    assert np.mean(changes[30:80]) <= 0.05
    assert changes[-1]
    assert 0.0 < seen.restless < 0.15


def test_another_size_begins_anew():
    seen = KeyChange()
    seen(STREET, 0.0, True)
    assert not seen(STREET[:180], 2.0, False)
    assert not seen(STREET, 4.0, False) and not seen(STREET, 6.0, False)


def test_what_passes_now_and_then_and_is_not_told_dulls_nothing():
    """A truck in one of ten key pictures, while it takes more to be told (it woke for nothing):
    what is usual was taken from it, and a thing as large was not told any more."""
    seen, rng = KeyChange(), np.random.default_rng(8)
    for index in range(120):
        picture = STREET.copy()
        if index % 20 == 10:
            picture[60:100, 100:160] = 20
        seen(noisy(picture, 2, rng), 2.0 * index, index == 0, 32.0)
    seen(noisy(STREET, 2, rng), 240.0, False)
    assert seen.smallest <= 1 / 30

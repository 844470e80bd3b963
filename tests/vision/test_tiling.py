# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tiles cover the picture; merging gives one box per object, whole where anybody saw it whole."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.vision.tiling import MOST_REDUCED, MOST_TILES, OVERLAP, Piece, merge, tiles


@pytest.mark.parametrize("picture", [(384, 640), (100, 100), (360, 640)])
def test_a_picture_no_larger_than_the_input_is_one_piece(picture):
    assert tiles(picture, (384, 640)) == [(0.0, 0.0, 1.0, 1.0)]


@settings(max_examples=100, deadline=None)
@given(st.integers(200, 9000), st.integers(200, 9000))
def test_tiles_cover_and_overlap(height, width):
    _, *small = tiles((height, width), (384, 640))
    assert len(small) <= MOST_TILES
    if not small:
        return
    for low, high in ((0, 2), (1, 3)):
        spans = sorted({(box[low], box[high]) for box in small})
        assert spans[0][0] == pytest.approx(0) and spans[-1][1] == pytest.approx(1)
        for (_, end), (start, stop) in itertools.pairwise(spans):
            assert end - start >= OVERLAP * (stop - start) - 1e-6


def test_tiles_keep_the_detail():
    _, first, *_ = tiles((720, 1280), (384, 640))
    assert (first[2] - first[0]) * 1280 <= 640 * MOST_REDUCED + 1e-6


def piece(region, *found):
    boxes = np.array([box for box, _, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in found], np.float32)
    labels = np.array([label for _, _, label in found], np.int32)
    return Piece(region, boxes, scores, labels)


LEFT, RIGHT = (0.0, 0.0, 0.6, 1.0), (0.4, 0.0, 1.0, 1.0)
WHOLE = (0.0, 0.0, 1.0, 1.0)
CASES = {
    "seen twice whole": (
        [
            piece(LEFT, ((0.45, 0.4, 0.55, 0.6), 0.8, 0)),
            piece(RIGHT, ((0.45, 0.4, 0.55, 0.6), 0.9, 0)),
        ],
        [((0.45, 0.4, 0.55, 0.6), 0.9)],
    ),
    "cut in one tile, whole in the other": (
        [
            piece(LEFT, ((0.5, 0.4, 0.6, 0.6), 0.95, 0)),
            piece(RIGHT, ((0.5, 0.4, 0.7, 0.6), 0.7, 0)),
        ],
        [((0.5, 0.4, 0.7, 0.6), 0.7)],
    ),
    "too large for any tile, halves join": (
        [
            piece(LEFT, ((0.2, 0.3, 0.6, 0.7), 0.8, 0)),
            piece(RIGHT, ((0.4, 0.32, 0.8, 0.7), 0.7, 0)),
        ],
        [((0.2, 0.3, 0.8, 0.7), 0.8)],
    ),
    "too large for any tile, the whole picture has it": (
        [
            piece(WHOLE, ((0.2, 0.3, 0.8, 0.7), 0.5, 0)),
            piece(LEFT, ((0.2, 0.3, 0.6, 0.7), 0.8, 0)),
            piece(RIGHT, ((0.4, 0.32, 0.8, 0.7), 0.7, 0)),
        ],
        [((0.2, 0.3, 0.8, 0.7), 0.5)],
    ),
    "two neighbours stay two": (
        [piece(LEFT, ((0.42, 0.4, 0.48, 0.6), 0.8, 0), ((0.49, 0.4, 0.55, 0.6), 0.7, 0))],
        [((0.42, 0.4, 0.48, 0.6), 0.8), ((0.49, 0.4, 0.55, 0.6), 0.7)],
    ),
    "two classes at one place stay two": (
        [piece(LEFT, ((0.1, 0.4, 0.3, 0.6), 0.8, 0)), piece(LEFT, ((0.1, 0.4, 0.3, 0.6), 0.7, 1))],
        [((0.1, 0.4, 0.3, 0.6), 0.8), ((0.1, 0.4, 0.3, 0.6), 0.7)],
    ),
    "at the border of the picture nothing is cut": (
        [piece(LEFT, ((0.0, 0.4, 0.1, 0.6), 0.8, 0)), piece(RIGHT, ((0.9, 0.4, 1.0, 0.6), 0.7, 0))],
        [((0.0, 0.4, 0.1, 0.6), 0.8), ((0.9, 0.4, 1.0, 0.6), 0.7)],
    ),
    "nothing": ([piece(WHOLE), piece(LEFT)], []),
}


@pytest.mark.parametrize("name", CASES)
def test_merging(name):
    pieces, wanted = CASES[name]
    boxes, scores, _ = merge(pieces)
    assert scores.tolist() == pytest.approx([score for _, score in wanted])
    assert boxes == pytest.approx(np.array([box for box, _ in wanted]).reshape(-1, 4))

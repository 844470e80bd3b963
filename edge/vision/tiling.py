# SPDX-License-Identifier: AGPL-3.0-or-later
"""Large pictures in overlapping pieces: which pieces, and one box per object again. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.values import Box

Boxes = NDArray[np.float32]

# A piece is shown to the model at most this much reduced, unless that takes too many pieces. On
# drone pictures of traffic pieces at native resolution find eight times what the whole picture at
# half its size does.
MOST_REDUCED = 1.0
OVERLAP = 0.2
MOST_TILES = 24
# A box this near to an inner edge of its piece, as a share of the piece, is cut by it.
EDGE = 0.01
# Two boxes of one class are one object where the smaller lies in the larger by this share, ...
INSIDE = 0.6
# ... or, if neither is cut, where they overlap by this much.
SAME = 0.5
# Two cut halves belong together where they face each other over this share of their sides.
FACING = 0.6


@dataclass(frozen=True, slots=True)
class Piece:
    """A region of the picture (fractions) and the boxes found in it (fractions of the picture)."""

    region: Box
    boxes: Boxes
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]


def tiles(picture: tuple[int, int], shape: tuple[int, int]) -> list[Box]:
    """Regions (fractions) for a (height, width) picture and input: the whole picture first, then,
    where the whole would be reduced by more than MOST_REDUCED, overlapping tiles; of MOST_TILES at
    most, which are reduced as far as that takes."""
    whole = [(0.0, 0.0, 1.0, 1.0)]
    reduced = MOST_REDUCED
    while True:
        size = (
            min(1.0, shape[0] * reduced / picture[0]),
            min(1.0, shape[1] * reduced / picture[1]),
        )
        rows, columns = _starts(size[0]), _starts(size[1])
        if len(rows) * len(columns) <= MOST_TILES:
            break
        reduced *= 1.1
    if len(rows) * len(columns) == 1:
        return whole
    return whole + [(x, y, x + size[1], y + size[0]) for y in rows for x in columns]


def _starts(size: float) -> list[float]:
    """Evenly spread starts of tiles of this size that overlap by at least OVERLAP of it."""
    if size >= 1.0:
        return [0.0]
    count = math.ceil((1.0 - size) / (size * (1.0 - OVERLAP)) - 1e-9) + 1
    return [index * (1.0 - size) / (count - 1) for index in range(count)]


def merge(pieces: Sequence[Piece]) -> tuple[Boxes, NDArray[np.float32], NDArray[np.int32]]:
    """Boxes, scores and labels of the whole picture, one for each object, best first.

    Whole boxes win over boxes cut by the edge of their piece; halves that face each other across
    an edge and that nobody saw whole become one box.
    """
    boxes = np.concatenate([piece.boxes for piece in pieces])
    scores = np.concatenate([piece.scores for piece in pieces])
    labels = np.concatenate([piece.labels for piece in pieces])
    cut = np.concatenate([_cut(piece) for piece in pieces])
    order = np.lexsort((-scores, cut))
    kept: list[int] = []
    joined = boxes.copy()
    for index in order.tolist():
        others = [other for other in kept if labels[other] == labels[index]]
        if not _taken(joined, cut, index, others):
            kept.append(index)
    best = sorted(kept, key=lambda index: -scores[index])
    return joined[best], scores[best], labels[best]


def _cut(piece: Piece) -> NDArray[np.bool_]:
    """Whether a box touches an edge of its piece that is not an edge of the picture."""
    x1, y1, x2, y2 = piece.region
    width, height = x2 - x1, y2 - y1
    boxes = piece.boxes
    left = (boxes[:, 0] < x1 + EDGE * width) & (x1 > 0)
    top = (boxes[:, 1] < y1 + EDGE * height) & (y1 > 0)
    right = (boxes[:, 2] > x2 - EDGE * width) & (x2 < 1 - 1e-6)
    bottom = (boxes[:, 3] > y2 - EDGE * height) & (y2 < 1 - 1e-6)
    result: NDArray[np.bool_] = left | top | right | bottom
    return result


def _taken(boxes: Boxes, cut: NDArray[np.bool_], index: int, kept: list[int]) -> bool:
    """Whether an object already kept is this one; a facing half grows to hold both."""
    if not kept:
        return False
    box, others = boxes[index], boxes[kept]
    inner = np.clip(
        np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None
    )
    both = inner.prod(axis=1)
    mine = float((box[2:] - box[:2]).prod())
    theirs = (others[:, 2:] - others[:, :2]).prod(axis=1)
    if cut[index]:
        if bool((both > INSIDE * np.minimum(mine, theirs)).any()):
            return True
        return _grown(boxes, index, [one for one in kept if cut[one]])
    return bool((both > SAME * (mine + theirs - both)).any())


def _grown(boxes: Boxes, index: int, halves: list[int]) -> bool:
    for other in halves:
        if _facing(boxes[index], boxes[other]):
            boxes[other, :2] = np.minimum(boxes[index, :2], boxes[other, :2])
            boxes[other, 2:] = np.maximum(boxes[index, 2:], boxes[other, 2:])
            return True
    return False


def _facing(a: Boxes, b: Boxes) -> bool:
    """Whether two boxes overlap along one axis and match in extent along the other."""
    inner = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    outer = np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])
    return bool((inner > 0).all() and (inner > FACING * outer).any())

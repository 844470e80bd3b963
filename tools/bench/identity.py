# SPDX-License-Identifier: AGPL-3.0-or-later
"""How well a tracker keeps people apart: IDF1 and the CLEAR MOT counts. Pure.

IDF1 after Ristani et al. 2016: pair true and given identities one to one so that the most boxes
agree; IDF1 = 2 IDTP / (true boxes + given boxes). Switches, misses and false boxes after Bernardin
& Stiefelhagen 2008: pairs of the last picture that still overlap are kept first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.geometry import iou_matrix
from edge.vision.association import assign

LEAST_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Identity:
    """How well ids follow things: IDF1 and MOTA as fractions, switches and boxes counted."""

    idf1: float
    switches: int
    mota: float
    true_boxes: int
    given_boxes: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Ids (n,) and boxes (n, 4) of the truth, and ids (m,) and boxes (m, 4) as given."""

    true_ids: NDArray[np.int64]
    true_boxes: NDArray[np.floating]
    given_ids: NDArray[np.int64]
    given_boxes: NDArray[np.floating]


def score(pictures: Iterable[Picture]) -> Identity:
    """The measures over one recording."""
    agree: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    counts = np.zeros(4, np.int64)
    for picture in pictures:
        over = _overlaps(picture)
        for row, column in zip(*np.nonzero(over >= LEAST_OVERLAP), strict=True):
            pair = (int(picture.true_ids[row]), int(picture.given_ids[column]))
            agree[pair] = agree.get(pair, 0) + 1
        matches, switches = _matched(picture, over, last)
        counts += (len(picture.true_ids), len(picture.given_ids), matches, switches)
    true, given, matches, switches = (int(count) for count in counts)
    errors = (true - matches) + (given - matches) + switches
    return Identity(
        2 * _best_agreement(agree) / max(1, true + given),
        switches,
        1 - errors / max(1, true),
        true,
        given,
    )


def _overlaps(picture: Picture) -> NDArray[np.float32]:
    return iou_matrix(
        picture.true_boxes.astype(np.float32).reshape(-1, 4),
        picture.given_boxes.astype(np.float32).reshape(-1, 4),
    )


def _matched(picture: Picture, over: NDArray[np.float32], last: dict[int, int]) -> tuple[int, int]:
    """Pairs and switches of one picture; `last` remembers who was paired with whom."""
    given = {int(one): column for column, one in enumerate(picture.given_ids)}
    rows, columns = set(range(len(over))), set(given.values())
    pairs = []
    for row, true in enumerate(picture.true_ids.tolist()):
        column = given.get(last.get(true, -1))
        if column is not None and column in columns and over[row, column] >= LEAST_OVERLAP:
            pairs.append((row, column))
            rows.discard(row)
            columns.discard(column)
    left, right = sorted(rows), sorted(columns)
    if left and right:
        some, to = assign(1.0 - over[np.ix_(left, right)], 1.0 - LEAST_OVERLAP + 1e-6)
        pairs += [(left[i], right[j]) for i, j in zip(some, to, strict=True)]
    switches = 0
    for row, column in pairs:
        true, one = int(picture.true_ids[row]), int(picture.given_ids[column])
        switches += last.get(true, one) != one
        last[true] = one
    return len(pairs), switches


def _best_agreement(agree: dict[tuple[int, int], int]) -> int:
    if not agree:
        return 0
    trues = sorted({true for true, _ in agree})
    givens = sorted({given for _, given in agree})
    table = np.zeros((len(trues), len(givens)))
    for (true, given), count in agree.items():
        table[trues.index(true), givens.index(given)] = count
    most = table.max()
    rows, columns = assign(1.0 - table / (most + 1), 1.0)
    return round(float(table[rows, columns].sum()))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Average precision, written from its definition: rank all boxes of a class by score, match each
greedily to the best free truth of its picture, integrate precision over recall.

The integral is COCO's: precision made monotone from the right, read at 101 recalls. A box of a
class that was never labelled in its picture counts neither way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.training.raw_yolo import iou_matrix

RECALLS = np.linspace(0, 1, 101)

Floats = NDArray[np.float64]
THRESHOLDS: Floats = np.arange(0.5, 0.951, 0.05, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One picture: what was found and what is there. Boxes xyxy fractions (n, 4); `silent`: class
    indices that were never labelled here; `aspect`: width over height."""

    boxes: Floats
    scores: Floats
    labels: NDArray[np.int64]
    truth: Floats
    truth_labels: NDArray[np.int64]
    silent: frozenset[int] = frozenset()
    aspect: float = 16 / 9


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """Boxes of one class in one picture, best score first. hits: (thresholds, n) bool: matched a
    truth at that overlap. `truths`: how many there were."""

    scores: Floats
    hits: NDArray[np.bool_]
    truths: int


def match(seen: Seen, label: int, thresholds: Floats = THRESHOLDS) -> Matched:
    """Greedy matching of one class in one picture at each overlap threshold."""
    mine = np.flatnonzero(seen.labels == label)
    mine = mine[np.argsort(-seen.scores[mine], kind="stable")]
    truth = seen.truth[seen.truth_labels == label]
    if label in seen.silent and not len(truth):
        return Matched(np.zeros(0), np.zeros((len(thresholds), 0), bool), 0)
    overlap = iou_matrix(seen.boxes[mine], truth)
    hits = np.stack([_greedy(overlap, limit) for limit in thresholds])
    return Matched(seen.scores[mine], hits, len(truth))


def _greedy(overlap: Floats, limit: float) -> NDArray[np.bool_]:
    """Rows in order take the best free column of at least `limit`."""
    hit = np.zeros(len(overlap), bool)
    free = np.ones(overlap.shape[1], bool)
    for row, values in enumerate(overlap):
        candidates = np.where(free, values, -1.0)
        if candidates.size and candidates.max() >= limit:
            free[candidates.argmax()] = False
            hit[row] = True
    return hit


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision and recall of one class while the score limit falls; scores fall with them."""

    scores: Floats
    precision: Floats
    recall: Floats
    truths: int


def curve(matched: Sequence[Matched], threshold: int = 0) -> Curve:
    """All pictures ranked together at one overlap threshold (index into the thresholds used)."""
    truths = sum(m.truths for m in matched)
    scores = np.concatenate([m.scores for m in matched]) if matched else np.zeros(0)
    hits = np.concatenate([m.hits[threshold] for m in matched]) if matched else np.zeros(0, bool)
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    found = np.arange(1, len(order) + 1)
    return Curve(scores[order], right / np.maximum(found, 1), right / max(truths, 1), truths)


def area(line: Curve) -> float:
    """Average precision; nan where the class has no truth."""
    if not line.truths:
        return float("nan")
    best_from_here = np.maximum.accumulate(line.precision[::-1])[::-1]
    at = np.searchsorted(line.recall, RECALLS, side="left")
    padded = np.append(best_from_here, 0.0)
    return float(padded[np.minimum(at, len(best_from_here))].mean())


def average_precision(matched: Sequence[Matched]) -> tuple[float, float]:
    """(AP50, AP50-95) of matches made at THRESHOLDS."""
    areas = [area(curve(matched, index)) for index in range(len(THRESHOLDS))]
    return areas[0], float(np.mean(areas))


def bootstrap(
    parts: Sequence[Matched],
    figure: Callable[[Sequence[Matched]], float],
    *,
    rounds: int,
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> tuple[float, float]:
    """95 % interval of a figure by drawing pictures with replacement; whole source groups at a
    time where given, because frames of one video are one observation, not many."""
    names = list(groups) if groups is not None else [str(i) for i in range(len(parts))]
    members: dict[str, list[Matched]] = {}
    for name, part in zip(names, parts, strict=True):
        members.setdefault(name, []).append(part)
    pool, rng = list(members.values()), np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        drawn = rng.integers(len(pool), size=len(pool))
        values.append(figure([part for index in drawn for part in pool[index]]))
    finite = np.array([value for value in values if np.isfinite(value)])
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def ap50(matched: Sequence[Matched]) -> float:
    return area(curve(matched, 0))

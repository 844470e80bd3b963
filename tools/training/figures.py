# SPDX-License-Identifier: AGPL-3.0-or-later
"""From judged pictures to the figures of a card: per class and source, sizes, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.training.average_precision import (
    Matched,
    Seen,
    ap50,
    average_precision,
    bootstrap,
    curve,
)
from tools.training.judge_pictures import Judged, matches
from tools.training.raw_yolo import iou_matrix

ROUNDS = 1000
LEAST_GROUPS = 5  # with fewer videos or flights, pictures are drawn singly and the row says so
OPERATING = 0.35  # the score limit of config/categories.yaml
# Sides of a square of the same area at the model's input, px: COCO's 32 and 96.
SIZES = {"small": (0.0, 32.0), "medium": (32.0, 96.0), "large": (96.0, 1e9)}


@dataclass(frozen=True, slots=True)
class Row:
    """One class in one source. AP as fractions; `low`, `high` bound AP50 at 95 %; precision and
    recall at OPERATING; `clustered`: whole source groups were drawn, not single pictures."""

    origin: str
    source: str
    name: str
    pictures: int
    truths: int
    ap50: float
    low: float
    high: float
    ap: float
    precision: float
    recall: float
    clustered: bool

    def plain(self) -> dict[str, Any]:
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def row(judged: Sequence[Judged], label: int, name: str, source: str) -> Row | None:
    """The row of one class over these pictures, or None where nothing of it is labelled."""
    parts = matches(judged, label)
    if not sum(part.truths for part in parts):
        return None
    groups = [one.picture.item.group for one in judged]
    clustered = len(set(groups)) >= LEAST_GROUPS
    low, high = bootstrap(parts, ap50, rounds=ROUNDS, groups=groups if clustered else None)
    fifty, mean = average_precision(parts)
    precision, recall = at_score(parts, OPERATING)
    return Row(
        judged[0].picture.item.origin,
        source,
        name,
        len(judged),
        sum(part.truths for part in parts),
        fifty,
        low,
        high,
        mean,
        precision,
        recall,
        clustered,
    )


def at_score(parts: Sequence[Matched], limit: float) -> tuple[float, float]:
    """(precision, recall) of everything scoring at least `limit`, at IoU 0.5."""
    line = curve(parts)
    kept = int(np.searchsorted(-line.scores, -limit, side="right"))
    if not kept:
        return float("nan"), 0.0
    return float(line.precision[kept - 1]), float(line.recall[kept - 1])


def rows(judged: Sequence[Judged], names: Sequence[str]) -> list[Row]:
    """Every class over every source, then over all sources of its origin."""
    made: list[Row | None] = []
    for origin in sorted({one.picture.item.origin for one in judged}):
        mine = [one for one in judged if one.picture.item.origin == origin]
        for label, name in enumerate(names):
            sources = sorted({one.picture.item.source for one in mine if _has(one, label)})
            for source in sources:
                part = [one for one in mine if one.picture.item.source == source]
                made.append(row(part, label, name, source))
            if len(sources) > 1:
                made.append(row(mine, label, name, "all"))
    return [one for one in made if one is not None]


def _has(one: Judged, label: int) -> bool:
    return bool((one.seen.truth_labels == label).any())


def sizes(
    judged: Sequence[Judged], names: Sequence[str], height: int, width: int
) -> dict[str, dict[str, tuple[int, float]]]:
    """Recall at OPERATING by size at the model's input: {class: {size: (truths, recall)}}."""
    told: dict[str, dict[str, tuple[int, float]]] = {}
    for label, name in enumerate(names):
        found = [_found_sides(one, label, height, width) for one in judged]
        sides = np.concatenate([side for side, _ in found]) if found else np.zeros(0)
        hits = np.concatenate([hit for _, hit in found]) if found else np.zeros(0, bool)
        for size, (low, high) in SIZES.items():
            inside = (sides >= low) & (sides < high)
            if inside.any():
                told.setdefault(name, {})[size] = (int(inside.sum()), float(hits[inside].mean()))
    return told


def _found_sides(
    one: Judged, label: int, height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(side of each truth at the input, px; whether a box of the class covers it)."""
    seen = one.seen
    truth = seen.truth[seen.truth_labels == label]
    mine = seen.boxes[(seen.labels == label) & (seen.scores >= OPERATING)]
    shown = min(height * seen.aspect, float(width)), min(float(height), width / seen.aspect)
    sides = np.sqrt(np.prod((truth[:, 2:] - truth[:, :2]) * shown, axis=1))
    if not len(mine):
        return sides, np.zeros(len(truth), np.bool_)
    return sides, np.asarray((iou_matrix(truth, mine) >= 0.5).any(1), np.bool_)


def false_alarms(judged: Sequence[Judged], names: Sequence[str]) -> list[tuple[str, str, int, int]]:
    """(class, source, pictures, of them with a false box told): real pictures in which the class
    was looked for and is not."""
    counted: dict[tuple[str, str], list[bool]] = {}
    for one in judged:
        seen, source = one.seen, one.picture.item.source
        told = set(seen.labels[seen.scores >= OPERATING].tolist())
        there = set(seen.truth_labels.tolist())
        for label, name in enumerate(names):
            if label not in there and label not in seen.silent:
                counted.setdefault((name, source), []).append(label in told)
    rows = [(*key, len(told), sum(told)) for key, told in counted.items() if any(told)]
    return sorted(rows, key=lambda row: (names.index(row[0]), row[1]))


def confusion(judged: Sequence[Judged], classes: int) -> np.ndarray[Any, Any]:
    """(classes + 1, classes + 1) counts, truth down, found across, last is nothing; boxes of at
    least OPERATING matched by overlap whatever their class."""
    table = np.zeros((classes + 1, classes + 1), int)
    for one in judged:
        _confuse(one.seen, table, classes)
    return table


def _confuse(seen: Seen, table: np.ndarray[Any, Any], nothing: int) -> None:
    strong = np.flatnonzero(seen.scores >= OPERATING)
    overlap = iou_matrix(seen.boxes[strong], seen.truth)
    free = np.ones(len(seen.truth), bool)
    for position in np.argsort(-seen.scores[strong], kind="stable"):
        label = int(seen.labels[strong[position]])
        values = np.where(free, overlap[position], -1.0)
        if values.size and values.max() >= 0.5:
            free[values.argmax()] = False
            table[seen.truth_labels[values.argmax()], label] += 1
        elif label not in seen.silent:
            table[nothing, label] += 1
    for label in seen.truth_labels[free]:
        table[label, nothing] += 1


def faults(one: Judged) -> float:
    """How bad a picture went: truths missed and boxes without a truth at OPERATING, each once."""
    seen, total = one.seen, 0
    for label in {*seen.labels.tolist(), *seen.truth_labels.tolist()} - seen.silent:
        (part,) = matches([one], int(label))
        kept = part.scores >= OPERATING
        right = int(part.hits[0][kept].sum())
        total += part.truths - right + int(kept.sum()) - right
    return float(total)

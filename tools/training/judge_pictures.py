"""Runs a detector over the pictures of a data set and lines up what it found with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from tools.training.average_precision import THRESHOLDS, Matched, Seen, match
from tools.training.collection import Collection, Item, read_labels
from tools.training.raw_yolo import Network, detect

LEAST_SCORE = 0.005  # average precision needs the tail of the ranking


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One picture of a set and its comparison."""

    item: Item
    seen: Seen


def judge(network: Network, collection: Collection, items: Iterable[Item]) -> Iterator[Judged]:
    """Pictures that do not decode are left out: tools/dataset check lists them."""
    for item in items:
        image = cv2.imread(str(collection.image(item)))
        if image is None:
            continue
        found = detect(network, image, min_score=LEAST_SCORE)
        labels, _ = read_labels(collection.label(item), len(collection.names))
        truth = np.array([label.xyxy for label in labels], np.float64).reshape(-1, 4)
        silent = frozenset(collection.names.index(n) for n in item.unlabelled)
        yield Judged(
            item,
            Seen(
                found.boxes,
                found.scores,
                found.labels,
                truth,
                np.array([label.label for label in labels], np.int64),
                silent,
            ),
        )


def matches(judged: Iterable[Judged], label: int) -> list[Matched]:
    return [match(one.seen, label, THRESHOLDS) for one in judged]

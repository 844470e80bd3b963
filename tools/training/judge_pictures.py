# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runs a detector over the pictures of a data set and lines up what it found with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tools.training.average_precision import THRESHOLDS, Matched, Seen, match
from tools.training.pictures import Picture
from tools.training.raw_yolo import Network, detect

LEAST_SCORE = 0.005  # average precision needs the tail of the ranking


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One picture and its comparison."""

    picture: Picture
    seen: Seen


def judge(network: Network, pictures: Iterable[Picture], names: Sequence[str]) -> Iterator[Judged]:
    """Pictures that do not decode are left out: tools/dataset check lists them."""
    for picture in pictures:
        image = cv2.imread(str(picture.path))
        if image is None:
            continue
        found = detect(network, np.asarray(image, np.uint8), min_score=LEAST_SCORE)
        truth = np.array([label.xyxy for label in picture.labels], np.float64).reshape(-1, 4)
        seen = Seen(
            found.boxes,
            found.scores,
            found.labels,
            truth,
            np.array([label.label for label in picture.labels], np.int64),
            frozenset(names.index(name) for name in picture.item.unlabelled if name in names),
            image.shape[1] / image.shape[0],
        )
        yield Judged(picture, seen)


def matches(judged: Iterable[Judged], label: int) -> list[Matched]:
    return [match(one.seen, label, THRESHOLDS) for one in judged]

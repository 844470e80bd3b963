# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far one form of a model is from another, without labels, and how much less it costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.training.ranges import Blob
from tools.training.raw_yolo import Network

# Places where the reference sees something at all.
SEEN = 0.05
CLOSEST = 1e-4

Raw = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over all places and classes that the reference scores at least SEEN: mean size and mean of
    the change of log odds; mean size of the change of boxes, as a share of theirs. `cpu`: median
    ratio of CPU time, measured in turns."""

    odds: float
    shift: float
    boxes: float
    cpu: float

    def line(self) -> str:
        return (
            f"log odds move by {self.odds:.3f} (mean {self.shift:+.3f}), boxes by "
            f"{self.boxes:.2%} of their size; {self.cpu:.2f} of the CPU time"
        )


def compare(reference: Network, other: Network, blobs: Sequence[Blob]) -> Agreement:
    """Both on the same inputs, one after the other. Raises ValueError where nothing is seen."""
    odds: list[NDArray[np.float64]] = []
    boxes: list[NDArray[np.float64]] = []
    ratios = []
    for blob in blobs:
        (first, mine), (second, its) = (_timed(each, blob) for each in (reference, other))
        ratios.append(its / mine)
        labels, places = np.nonzero(first[4:] >= SEEN)
        odds.append(_odds(second[4:][labels, places]) - _odds(first[4:][labels, places]))
        side = np.sqrt(first[2, places] * first[3, places])
        boxes.append(np.abs(first[:4, places] - second[:4, places]).mean(0) / side)
    moved, shifted = np.concatenate(odds), np.concatenate(boxes)
    if not len(moved):
        raise ValueError("the reference sees nothing on these pictures")
    return Agreement(
        float(np.abs(moved).mean()),
        float(moved.mean()),
        float(shifted.mean()),
        statistics.median(ratios),
    )


def _timed(network: Network, blob: Blob) -> tuple[Raw, float]:
    began = time.process_time()
    raw = network(blob)[0]
    return raw.astype(np.float64), max(time.process_time() - began, 1e-6)


def _odds(scores: Raw) -> Raw:
    inside = np.clip(scores, CLOSEST, 1 - CLOSEST)
    return np.asarray(np.log(inside / (1 - inside)))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A second opinion on what the detector takes for an offence, taught by one camera's own verdicts.

Cameras stand still: the flower tub that is a stall to the detector is one tomorrow too. From the
close-ups that officers confirmed and rejected, a linear judge of shape, colour and place is solved
in closed form (regularised least squares, which is Fisher's discriminant for two classes), in
milliseconds and without any training library. It says beforehand how it does on examples left out
one at a time (Allen 1974), speaks only where that is good enough, and only ever takes away: what it
doubts becomes a lead. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image

LEAST_EACH = 6
MOST_EACH = 400
SIDE_PX, CELL_PX, BINS = 48, 8, 8
COLOUR_CELLS = 4
MARGIN = 0.1  # of the box, on every side of it
PLACE_WEIGHT = 0.6
RIDGE = 1.0
# The limit lies below the lowest right one, left out in turn, by this share of their spread; of so
# many right ones one may lie lower. A quantile between the lowest two would silence a judge that
# is right about all but one of few.
MARGIN_SPREAD, ONE_OF = 0.5, 40
# It speaks where, left out one at a time, so many false ones fall and so few right ones do.
LEAST_REMOVED, LEAST_KEPT = 0.4, 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One judged case: what it looked like (`features`), and whether an officer confirmed it."""

    features: Floats
    right: bool


@dataclass(frozen=True, slots=True, eq=False)
class Opinion:
    """A taught judge. `kept`, `removed`: shares of right and false ones, each left out in turn,
    that it would have kept and removed; `right`, `false`: how many it was taught with."""

    weights: Floats
    mean: Floats
    scale: Floats
    limit: float
    right: int
    false: int
    kept: float
    removed: float

    @property
    def speaks(self) -> bool:
        return self.kept >= LEAST_KEPT and self.removed >= LEAST_REMOVED

    @property
    def sha256(self) -> str:
        """Of all that decides: goes into the evidence of what it decided."""
        parts = (self.weights, self.mean, self.scale, np.array([self.limit]))
        return hashlib.sha256(b"".join(p.astype("<f8").tobytes() for p in parts)).hexdigest()

    def score(self, features: Floats) -> float:
        """Above `limit`: an offence, as far as this camera's verdicts go."""
        row = np.append((features - self.mean) / self.scale, 1.0)
        return float(row @ self.weights)

    def doubts(self, features: Floats) -> bool:
        return self.score(features) < self.limit


def features_of(image: Image, box: Box, place: Box) -> Floats:
    """(n,) what a thing looks like and where it is. image: BGR; box: of the thing in the image,
    place: in the whole frame, both as fractions."""
    crop = _crop(image, box)
    return np.concatenate([_shape(crop), _colour(crop), _place(place)])


def _crop(image: Image, box: Box) -> Image:
    height, width = image.shape[:2]
    wide, high = (box[2] - box[0]) * MARGIN, (box[3] - box[1]) * MARGIN
    x1, x2 = (int(np.clip(v, 0, 1) * width) for v in (box[0] - wide, box[2] + wide))
    y1, y2 = (int(np.clip(v, 0, 1) * height) for v in (box[1] - high, box[3] + high))
    part = image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
    small = cv2.resize(part, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _shape(crop: Image) -> Floats:
    """Histograms of the gradient's direction in cells (Dalal and Triggs 2005), of length 1."""
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    size, angle = np.hypot(dx, dy), np.arctan2(dy, dx) % np.pi
    bins = np.minimum((angle / np.pi * BINS).astype(int), BINS - 1)
    cells = SIDE_PX // CELL_PX
    histogram = np.zeros((cells, cells, BINS))
    rows, columns = np.mgrid[0:SIDE_PX, 0:SIDE_PX] // CELL_PX
    np.add.at(histogram, (rows, columns, bins), size)
    flat = np.sqrt(histogram.ravel())
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), np.float64)


def _colour(crop: Image) -> Floats:
    """Means of lightness and colour in cells."""
    lab = cv2.cvtColor(crop, cv2.COLOR_BGR2LAB).astype(np.float64) / 255.0 - 0.5
    size = SIDE_PX // COLOUR_CELLS
    cells = lab.reshape(COLOUR_CELLS, size, COLOUR_CELLS, size, 3).mean(axis=(1, 3))
    return np.asarray(cells.ravel(), np.float64)


def _place(box: Box) -> Floats:
    x1, y1, x2, y2 = box
    return np.array([(x1 + x2) / 2, y2, x2 - x1, y2 - y1], np.float64)


def teach(examples: Sequence[Example]) -> Opinion | None:
    """The judge of these, or None where there are fewer than LEAST_EACH of either kind."""
    rights = [e.features for e in examples if e.right][-MOST_EACH:]
    falses = [e.features for e in examples if not e.right][-MOST_EACH:]
    if min(len(rights), len(falses)) < LEAST_EACH:
        return None
    rows = np.array(rights + falses, np.float64)
    wanted = np.array([1.0] * len(rights) + [-1.0] * len(falses))
    wanted *= np.where(wanted > 0, len(wanted) / len(rights), len(wanted) / len(falses)) / 2
    mean, scale = rows.mean(axis=0), _scales(rows)
    data = np.hstack([(rows - mean) / scale, np.ones((len(rows), 1))])
    kernel = data @ data.T
    ridge = RIDGE * float(np.trace(kernel)) / len(kernel)
    inverse = np.linalg.inv(kernel + ridge * np.eye(len(kernel)))
    weights = data.T @ (inverse @ wanted)
    # What each example gets from the judge that was not taught with it.
    left_out = wanted - (inverse @ wanted) / np.diag(inverse)
    good, bad = left_out[: len(rights)], left_out[len(rights) :]
    lowest = float(np.sort(good)[len(good) // ONE_OF])
    limit = min(0.0, lowest - MARGIN_SPREAD * float(good.std()))
    kept, removed = float((good >= limit).mean()), float((bad < limit).mean())
    return Opinion(weights, mean, scale, limit, len(rights), len(falses), kept, removed)


def _scales(rows: Floats) -> Floats:
    """Shape and colour share one scale each, so that no empty cell is blown up; places have
    theirs, weighed less than the sum of looks."""
    cells = (SIDE_PX // CELL_PX) ** 2 * BINS
    ends = (0, cells, cells + COLOUR_CELLS**2 * 3, rows.shape[1])
    scale = np.ones(rows.shape[1])
    for first, last, weight in zip(ends[:-1], ends[1:], (1.0, 1.0, PLACE_WEIGHT), strict=True):
        spread = float(np.sqrt(rows[:, first:last].var(axis=0).sum()))
        scale[first:last] = max(spread, 1e-6) / weight
    return scale

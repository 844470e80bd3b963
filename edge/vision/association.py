# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the boxes of one picture belong to the tracks so far: motion, looks, and the best pairing.

Motion: a constant-velocity Kalman filter over many boxes at once. The four numbers of a box
(centre x, centre y, width, height, as fractions) are filtered apart from each other, so that one
box has four 2x2 covariances and everything is elementwise arithmetic. Time is in seconds
throughout, so any and changing frame rates are alike.

Looks: a histogram of colours, enough to say that another object stands there now.

Pairing: least total cost, exactly, in numpy alone. Most rows of a tracking problem like one column
best that no other row likes best: then that is the answer. The rows in conflict go through shortest
augmenting paths (Jonker & Volgenant, Computing 38, 1987), one vectorised Dijkstra each, starting
from the row minima as prices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image
from edge.vision.yolo import as_bgr

Costs = NDArray[np.float64]
Indices = NDArray[np.int64]


def assign(costs: NDArray[np.floating], most: float) -> tuple[Indices, Indices]:
    """Row and column indices of the pairs of the best assignment, rows ascending.

    A pair dearer than `most` is never made; leaving a row alone costs `most`. So the result is the
    assignment of least sum(cost of pairs) + most * (rows left alone).
    """
    rows = (costs.min(axis=1, initial=np.inf) < most).nonzero()[0]
    if not len(rows):
        return rows, rows
    wanted = costs[rows]
    columns = wanted.argmin(axis=1)
    if np.bincount(columns).max() > 1:
        paired, columns = _augment(wanted, columns, most)
        rows = rows[paired]
    return rows, columns


def _augment(costs: NDArray[np.floating], best: Indices, most: float) -> tuple[Indices, Indices]:
    """Shortest augmenting paths; each row has a column of its own of cost `most`: to stay alone.

    best: the cheapest column of each row. With the minima as prices every row that is first to
    want its column may have it, since its reduced cost is 0; only the others need a path.
    """
    n, m = costs.shape
    wide = np.full((n, m + n), np.inf)
    wide[:, :m] = np.where(costs < most, costs, np.inf)
    wide[np.arange(n), m + np.arange(n)] = most
    row_of = np.full(m + n, -1)
    column_of = np.full(n, -1)
    # The first to want a column is written last.
    row_of[best[::-1]] = np.arange(n)[::-1]
    first = np.flatnonzero(row_of[best] == np.arange(n))
    column_of[first] = best[first]
    price_row, price_column = wide.min(axis=1), np.zeros(m + n)
    left = (column_of < 0).nonzero()[0].tolist()
    for row in _compete(left, wide, row_of, column_of, price_row, price_column):
        _place(row, wide, row_of, column_of, price_row, price_column)
    paired = (column_of < m).nonzero()[0]
    return paired, column_of[paired]


def _compete(
    left: list[int],
    costs: Costs,
    row_of: Indices,
    column_of: Indices,
    price_row: Costs,
    price_column: Costs,
) -> list[int]:
    """Augmenting row reduction: a row takes its best column from whoever has it, and makes it so
    much dearer that its second best is as good. Settles most conflicts; returns the rows that are
    still without a column. Prices stay dual feasible throughout."""
    still: list[int] = []
    for _ in range(4 * len(left)):
        if not left:
            break
        row = left.pop()
        reduced = costs[row] - price_column
        column = int(reduced.argmin())
        first = reduced[column]
        reduced[column] = np.inf
        second = reduced.min()
        loser = int(row_of[column])
        price_row[row] = second
        price_column[column] -= second - first
        row_of[column], column_of[row] = row, column
        if loser >= 0:
            column_of[loser] = -1
            (left if first < second else still).append(loser)
    return left + still


def _place(
    start: int,
    costs: Costs,
    row_of: Indices,
    column_of: Indices,
    price_row: Costs,
    price_column: Costs,
) -> None:
    """Find a column for one more row along the cheapest path of re-pairings, keeping the prices
    dual feasible (cost - price_row - price_column >= 0)."""
    reach = np.full(costs.shape[1], np.inf)
    via = np.full(costs.shape[1], -1)
    open_ = np.ones(costs.shape[1], bool)
    row, spent = start, 0.0
    while True:
        through = spent + costs[row] - price_row[row] - price_column
        better = open_ & (through < reach)
        reach[better] = through[better]
        via[better] = row
        column = int(np.where(open_, reach, np.inf).argmin())
        spent = reach[column]
        if row_of[column] < 0:
            break
        open_[column] = False
        row = int(row_of[column])
    done = ~open_
    price_row[row_of[done]] += spent - reach[done]
    price_row[start] += spent
    price_column[done] -= spent - reach[done]
    while True:
        row = int(via[column])
        row_of[column] = row
        column, column_of[row] = int(column_of[row]), column
        if row == start:
            return


Floats = NDArray[np.float64]

# Standard deviations as shares of the box's size: of a measured edge, of a new velocity per
# second, and of the velocity's random walk per root second (DeepSORT's 1/20 and 1/160 per frame
# at 30 frames per second are 0.05 and 1.0; Wojke et al. 2017).
MEASURED = 0.05
FIRST_SPEED = 1.0
WALK = 1.0
# The size of a box changes slower than its place.
SIZE_SHARE = 0.4
# A velocity is believed for this long: what is hidden longer has stopped or turned.
FADE_S = 4.0

_SHARE = np.array([1.0, 1.0, SIZE_SHARE, SIZE_SHARE])


@dataclass(slots=True)
class Motion:
    """State of n boxes. mean, speed: (n, 4), speed per second; spread: (n, 3, 4), the variances
    of place and speed and their covariance between them: [place, both, speed]."""

    mean: Floats
    speed: Floats
    spread: Floats

    @staticmethod
    def none() -> Motion:
        return Motion(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros((0, 3, 4)))

    @staticmethod
    def start(measured: Floats, aspect: float) -> Motion:
        """New boxes, standing still for all we know. measured: (n, 4) centre and size."""
        unit = _unit(measured, aspect)
        spread = np.zeros((len(measured), 3, 4))
        spread[:, 0] = (2 * MEASURED * unit) ** 2
        spread[:, 2] = (FIRST_SPEED * unit * _SHARE) ** 2
        return Motion(measured.copy(), np.zeros_like(measured), spread)

    def predict(self, dt: float, aspect: float) -> None:
        """Move all boxes on by dt seconds."""
        fade = math.exp(-dt / FADE_S)
        self.mean += self.speed * (FADE_S * (1.0 - fade))
        np.maximum(self.mean[:, 2:], 1e-4, out=self.mean[:, 2:])
        self.speed *= fade
        walk = (WALK * _unit(self.mean, aspect) * _SHARE) ** 2
        place, both, speed = self.spread[:, 0], self.spread[:, 1], self.spread[:, 2]
        place += 2 * dt * both + dt * dt * speed + walk * dt**3 / 3
        both += dt * speed + walk * dt**2 / 2
        speed += walk * dt

    def halt(self) -> None:
        """Nothing moves: boxes stay where they are until they are measured again."""
        self.speed[:] = 0.0

    def correct(self, rows: NDArray[np.int64], measured: Floats, aspect: float) -> None:
        """Take measurements (k, 4) of the boxes `rows` (k,) into account."""
        mean, spread = self.mean[rows], self.spread[rows]
        place, both, speed = spread[:, 0], spread[:, 1], spread[:, 2]
        total = place + (MEASURED * _unit(mean, aspect)) ** 2
        missed = measured - mean
        gain, pull = place / total, both / total
        self.mean[rows] = mean + gain * missed
        self.speed[rows] += pull * missed
        self.spread[rows] = np.stack(
            [(1 - gain) * place, (1 - gain) * both, speed - pull * both], 1
        )

    def keep(self, which: NDArray[np.bool_]) -> None:
        self.mean, self.speed, self.spread = self.mean[which], self.speed[which], self.spread[which]

    def add(self, other: Motion) -> None:
        self.mean = np.concatenate([self.mean, other.mean])
        self.speed = np.concatenate([self.speed, other.speed])
        self.spread = np.concatenate([self.spread, other.spread])

    def corners(
        self, grow: Floats | float = 0.0, rows: slice | list[int] = slice(None)
    ) -> NDArray[np.float32]:
        """x1 y1 x2 y2 (n, 4), each box larger by the share `grow` (n,) of its size; of these rows
        only, where they are given."""
        mean = self.mean[rows]
        half = mean[:, 2:].T * ((1.0 + grow) / 2)
        centre = mean[:, :2].T
        return np.concatenate([centre - half, centre + half]).T.astype(np.float32)


def _unit(mean: Floats, aspect: float) -> Floats:
    """The size of each box as a length along x, y, x and y: its geometric mean in frame heights,
    so that a tall thin person may move sideways as fast as a wide cart."""
    size = np.sqrt(np.maximum(mean[:, 2:3] * mean[:, 3:], 1e-10) * aspect)
    return np.asarray(size * np.array([1 / aspect, 1.0, 1 / aspect, 1.0]), np.float64)


def to_centres(boxes: NDArray[np.float32]) -> Floats:
    """x1 y1 x2 y2 to centre and size, float64."""
    exact = boxes.astype(np.float64)
    low, high = exact[:, :2], exact[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1)


# Hue tells paint apart, saturation grey from coloured; brightness changes with every cloud and is
# left out but for dark pixels, whose hue is noise.
HUES, SATURATIONS = 12, 3
LENGTH = HUES * SATURATIONS + 1
SIDE = 32
DARK = 40


def look(image: Image, box: Box) -> tuple[float, ...] | None:
    """Colour histogram of the inner part of a box (fractions), L2-normalised, LENGTH numbers.

    The dot product of two is their likeness, 0..1. None where the box has no pixels. Costs about
    0.04 ms: the part is reduced to 32 x 32 first.
    """
    part = _inner(image, box)
    if part.size == 0:
        return None
    small = cv2.resize(as_bgr(part), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
    hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV).reshape(-1, 3).astype(np.int32)
    hue = hsv[:, 0] * HUES // 180
    saturation = np.minimum(hsv[:, 1] * SATURATIONS // 256, SATURATIONS - 1)
    bins = np.where(hsv[:, 2] < DARK, LENGTH - 1, hue * SATURATIONS + saturation)
    counts = np.sqrt(np.bincount(bins, minlength=LENGTH).astype(np.float64))
    return tuple((counts / np.linalg.norm(counts)).tolist())


def likeness(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """0 (nothing in common) to 1 (the same colours in the same shares)."""
    return float(np.dot(a, b))


def _inner(image: Image, box: Box) -> Image:
    """The middle 70 % of the box each way: what lies at a box's rim is mostly background."""
    height, width = image.shape[:2]
    mx, my = 0.15 * (box[2] - box[0]), 0.15 * (box[3] - box[1])
    x1, y1 = max(0, int((box[0] + mx) * width)), max(0, int((box[1] + my) * height))
    x2, y2 = min(width, round((box[2] - mx) * width)), min(height, round((box[3] - my) * height))
    return image[y1:y2, x1:x2]

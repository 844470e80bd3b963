# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where tracked boxes are next: a constant-velocity Kalman filter over many boxes at once. Pure.

The four numbers of a box (centre x, centre y, width, height, as fractions) are filtered apart from
each other, so that one box has four 2x2 covariances and everything is elementwise arithmetic.
Time is in seconds throughout, so any and changing frame rates are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

    def corners(self, grow: Floats | float = 0.0) -> NDArray[np.float32]:
        """x1 y1 x2 y2 (n, 4), each box larger by the share `grow` (n,) of its size."""
        half = self.mean[:, 2:].T * ((1.0 + grow) / 2)
        centre = self.mean[:, :2].T
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

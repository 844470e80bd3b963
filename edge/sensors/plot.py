# SPDX-License-Identifier: AGPL-3.0-or-later
"""A row of samples as a picture: what people look at before they read numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Sample

WIDTH, HEIGHT = 1280, 480
LEFT, RIGHT, TOP, BOTTOM = 80, 24, 64, 48
INK, GRID, LINE, LIMIT, BAD = (
    (40, 40, 40),
    (225, 225, 225),
    (160, 90, 20),
    (40, 40, 210),
    (0, 160, 240),
)
TEXT_PX = 22


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """A horizontal line with its name: a limit, a mean."""

    value: float
    text: str


def series_png(
    samples: Sequence[Sample], marks: Sequence[ReferenceLine], title: str, zone: tzinfo
) -> bytes | None:
    """PNG of one channel over time; invalid samples are orange ticks. None without valid ones."""
    valid = [sample for sample in samples if sample.flag == "ok"]
    if not valid:
        return None
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    times = (samples[0].at.wall, max(samples[-1].at.wall, samples[0].at.wall + 1.0))
    low, high = _span([s.value for s in valid] + [mark.value for mark in marks])
    scale = _Scale(times, (low, high))
    _grid(image, scale, zone, valid[0].unit)
    for before, after in pairwise(valid):
        # A gap stays a gap: no line is drawn over minutes that nobody measured.
        if after.at.wall - before.at.wall <= max(5.0, (times[1] - times[0]) / 100):
            cv2.line(image, scale.at(before), scale.at(after), LINE, 2, cv2.LINE_AA)
    for sample in samples:
        if sample.flag != "ok":
            x, _ = scale.at(sample)
            cv2.line(image, (x, HEIGHT - BOTTOM - 8), (x, HEIGHT - BOTTOM), BAD, 2)
    for mark in marks:
        y = scale.y(mark.value)
        cv2.line(image, (LEFT, y), (WIDTH - RIGHT, y), LIMIT, 2)
        _text(image, mark.text, (LEFT + 8, y - 8), LIMIT)
    _text(image, title, (LEFT, 36), INK)
    done, data = cv2.imencode(".png", image)
    return data.tobytes() if done else None


@dataclass(frozen=True, slots=True)
class _Scale:
    times: tuple[float, float]
    values: tuple[float, float]

    def x(self, wall: float) -> int:
        share = (wall - self.times[0]) / (self.times[1] - self.times[0])
        return round(LEFT + share * (WIDTH - LEFT - RIGHT))

    def y(self, value: float) -> int:
        share = (value - self.values[0]) / (self.values[1] - self.values[0])
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM))

    def at(self, sample: Sample) -> tuple[int, int]:
        return self.x(sample.at.wall), self.y(sample.value)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max((high - low) * 0.1, abs(high) * 0.02, 0.1)
    return low - room, high + room


def _grid(image: NDArray[np.uint8], scale: _Scale, zone: tzinfo, unit: str) -> None:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = scale.values[0] + share * (scale.values[1] - scale.values[0])
        y = scale.y(value)
        cv2.line(image, (LEFT, y), (WIDTH - RIGHT, y), GRID, 1)
        _text(image, f"{value:.3g}", (6, y + 8), INK)
        wall = scale.times[0] + share * (scale.times[1] - scale.times[0])
        clock = datetime.fromtimestamp(wall, zone).strftime("%H:%M:%S")
        x = min(scale.x(wall), WIDTH - RIGHT - 90)
        _text(image, clock, (x, HEIGHT - 14), INK)
    _text(image, unit, (6, TOP - 12), INK)


def _text(
    image: NDArray[np.uint8], text: str, at: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    cv2.putText(image, text, at, colour, cv2.FontFace("uni"), TEXT_PX)

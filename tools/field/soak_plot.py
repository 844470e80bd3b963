# SPDX-License-Identifier: AGPL-3.0-or-later
"""A soak as a picture: memory of each daemon over time, its deaths, when the broker was away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.field.gauge import Reading

WIDTH, ROW, LEFT, RIGHT = 1200, 170, 90, 30
INK, PALE, FAULT = (40, 40, 40), (225, 225, 225), (60, 60, 200)
LINES = ((160, 110, 30), (60, 140, 60), (150, 60, 150), (30, 130, 190))


def draw(
    readings: Mapping[str, Sequence[Reading]],
    faults: Sequence[tuple[float, str, float]],
    seconds: float,
    path: Path,
) -> None:
    """One strip for each daemon; grey is a fault of (start, what, length), a red line a death."""
    canvas = np.full((ROW * len(readings) + 40, WIDTH, 3), 255, np.uint8)
    for index, (name, rows) in enumerate(readings.items()):
        top = 10 + index * ROW
        for start, what, length in faults:
            if what in (name, "broker"):
                _span(canvas, top, start, max(length, seconds / 600), seconds, what == "broker")
        _strip(canvas, name, rows, top, seconds, LINES[index % len(LINES)])
    _write(canvas, f"0 .. {seconds:.0f} s; grey: broker away; red: kill -9", 10, len(canvas) - 12)
    cv2.imwrite(str(path), canvas)


def _x(at_s: float, seconds: float) -> int:
    return LEFT + round((WIDTH - LEFT - RIGHT) * min(1.0, at_s / max(seconds, 1e-9)))


def _span(
    canvas: np.ndarray[Any, Any],
    top: int,
    start: float,
    length: float,
    seconds: float,
    broker: bool,
) -> None:
    end = (_x(start + length, seconds) + 1, top + ROW - 20)
    cv2.rectangle(canvas, (_x(start, seconds), top), end, PALE if broker else FAULT, -1)


def _strip(
    canvas: np.ndarray[Any, Any],
    name: str,
    rows: Sequence[Reading],
    top: int,
    seconds: float,
    colour: tuple[int, int, int],
) -> None:
    highest = max((r.rss_mb for r in rows), default=1.0) * 1.1
    floor = top + ROW - 20
    lives: dict[int, list[tuple[int, int]]] = {}
    for r in rows:
        y = floor - round((ROW - 30) * r.rss_mb / highest)
        lives.setdefault(r.pid, []).append((_x(r.at_s, seconds), y))
    for life in lives.values():
        cv2.polylines(canvas, [np.array(life, np.int32)], False, colour, 2, cv2.LINE_AA)
    cv2.line(canvas, (LEFT, floor), (WIDTH - RIGHT, floor), INK, 1)
    _write(canvas, name, 10, top + 20)
    _write(canvas, f"{highest:.0f} MB", 10, top + 40)


def _write(canvas: np.ndarray[Any, Any], text: str, x: int, y: int) -> None:
    cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)

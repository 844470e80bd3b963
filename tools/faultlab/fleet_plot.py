# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fleet run as a picture: connections a second, released records a second, records waiting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, PANEL, LEFT, RIGHT, TOP = 1200, 230, 80, 20, 34
INK, GRID, BAR, DOWN = (40, 40, 40), (225, 225, 225), (160, 110, 30), (225, 225, 250)


def draw(result: dict[str, Any], path: Path) -> None:
    """Three panels over the same seconds; the outage is shaded."""
    series = result["series"]
    seconds = int(max([at for at, _ in series["backlog"]] + [1])) + 1
    panels = (
        ("connections accepted, per second", _per_second(series["connects"], seconds)),
        ("records released by the platform, per second", _per_second(series["released"], seconds)),
        ("records waiting on the devices", _levels(series["backlog"], seconds)),
    )
    canvas = np.full((PANEL * len(panels) + 24, WIDTH, 3), 255, np.uint8)
    for number, (title, values) in enumerate(panels):
        view = canvas[number * PANEL : (number + 1) * PANEL]
        _panel(view, f"{result['devices']} devices: {title}", values, series["marks"])
    for at in range(0, seconds, max(10, seconds // 12 // 10 * 10)):
        _write(canvas, f"{at} s", (_x(at, seconds), canvas.shape[0] - 8))
    cv2.imwrite(str(path), canvas)


def _per_second(times: list[float], seconds: int) -> np.ndarray[Any, Any]:
    return np.histogram(times, bins=seconds, range=(0, seconds))[0]


def _levels(pairs: list[tuple[int, int]], seconds: int) -> np.ndarray[Any, Any]:
    levels = np.zeros(seconds, int)
    for at, value in pairs:
        levels[min(seconds - 1, max(0, at))] = value
    return levels


def _x(at: float, seconds: int) -> int:
    return LEFT + round(at / seconds * (WIDTH - LEFT - RIGHT))


def _panel(
    view: np.ndarray[Any, Any], title: str, values: np.ndarray[Any, Any], marks: dict[str, float]
) -> None:
    seconds, top = len(values), max(1, int(values.max()))
    bottom, height = PANEL - 12, PANEL - 12 - TOP
    if "down" in marks:
        ends = _x(marks["down"], seconds), _x(marks.get("up", seconds), seconds)
        cv2.rectangle(view, (ends[0], TOP), (ends[1], bottom), DOWN, -1)
    for share in (0.5, 1.0):
        y = bottom - round(share * height)
        cv2.line(view, (LEFT, y), (WIDTH - RIGHT, y), GRID, 1)
        _write(view, f"{share * top:.0f}", (8, y + 5))
    for at, value in enumerate(values):
        y = bottom - round(value / top * height)
        end = max(_x(at, seconds), _x(at + 1, seconds) - 1)
        cv2.rectangle(view, (_x(at, seconds), y), (end, bottom), BAR, -1)
    _write(view, title, (LEFT, TOP - 12))


def _write(canvas: np.ndarray[Any, Any], text: str, at: tuple[int, int]) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)

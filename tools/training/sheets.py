# SPDX-License-Identifier: AGPL-3.0-or-later
"""Contact sheets: pictures with their boxes in rows, for people who would rather look than read."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge.values import Image

DARK = 40


def gridded(cells: Sequence[Image], columns: int) -> Image:
    """Cells of one size in rows, dark where the last row is not full."""
    spare = -len(cells) % columns if cells else columns
    empty = np.full_like(cells[0], DARK) if cells else np.full((1, 1, 3), DARK, np.uint8)
    filled = [*cells, *[empty] * spare]
    rows = [np.hstack(filled[i : i + columns]) for i in range(0, len(filled), columns)]
    return np.vstack(rows)


def mark(image: Image, box: Sequence[float], name: str) -> None:
    """Draw a box (xyxy, px) and its class into the picture."""
    x1, y1, x2, y2 = (int(side) for side in box)
    cv2.rectangle(image, (x1, y1), (x2, y2), (60, 60, 255), 1)
    at = (max(0, x1 + 2), max(10, y1 + 10))
    cv2.putText(image, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 255, 255), 1, cv2.LINE_AA)

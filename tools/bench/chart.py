# SPDX-License-Identifier: AGPL-3.0-or-later
"""The table as a picture: one bar for each verdict, the limit as a line across it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.bench.limits import Verdict

WIDTH, ROW, LEFT = 1200, 34, 620
GOOD, BAD, INK, LINE = (90, 160, 60), (60, 60, 200), (40, 40, 40), (160, 110, 30)


def draw(title: str, verdicts: Sequence[Verdict], path: Path) -> None:
    """Bars are shares of their limits: for a ceiling shorter is better, for a floor longer is."""
    height = 70 + ROW * len(verdicts)
    canvas = np.full((height, WIDTH, 3), 255, np.uint8)
    _write(canvas, title, (16, 30), 0.62)
    at_limit = LEFT + (WIDTH - LEFT - 90) // 2
    for index, verdict in enumerate(verdicts):
        y = 56 + index * ROW
        share = _share(verdict)
        end = LEFT + round((at_limit - LEFT) * min(2.0, max(0.02, share)))
        cv2.rectangle(canvas, (LEFT, y), (end, y + 20), GOOD if verdict.met else BAD, -1)
        _write(canvas, verdict.what, (16, y + 15), 0.45)
        _write(
            canvas, f"{verdict.value:.3g} ({verdict.limit})", (max(end, at_limit) + 8, y + 15), 0.42
        )
    cv2.line(canvas, (at_limit, 48), (at_limit, height - 12), LINE, 1)
    _write(canvas, "limit", (at_limit - 18, 44), 0.42)
    cv2.imwrite(str(path), canvas)


def _share(verdict: Verdict) -> float:
    limit = float(verdict.limit.split()[1])
    return verdict.value / limit if limit else 1.0 + np.sign(verdict.value) * 0.3


def _write(canvas: np.ndarray[Any, Any], text: str, at: tuple[int, int], size: float) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reads the lettering on a truck's picture: its plate, and the large number on its tail.

An optional extra (`pip install city-edge[ocr]`): rapidocr, Apache-2.0, with its models in its own
wheel, so that nothing is fetched. What a line means is told by edge.rules.trucks.
"""

from __future__ import annotations

import importlib.util
import threading
from dataclasses import dataclass
from typing import Any, Protocol

import cv2

from edge.values import Image

# A truck far larger than this gains nothing; one far smaller is read better when enlarged.
LONG_SIDE_MOST_PX = 1280
LONG_SIDE_LEAST_PX = 480


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text, from top to bottom of the picture; `score` 0..1."""

    text: str
    score: float


class TextReader(Protocol):
    """Whatever reads text off a picture. May be slow; called by one thread at a time."""

    def read(self, image: Image) -> tuple[TextLine, ...]: ...


def open_reader(threads: int = 1) -> TextReader | None:
    """The reader of the extra `ocr`, or None where it is not installed."""
    if importlib.util.find_spec("rapidocr") is None:
        return None
    return _RapidReader(threads)


class _RapidReader:
    def __init__(self, threads: int) -> None:
        from rapidocr import RapidOCR  # seconds on a small board, so only where it is asked for

        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._alone = threading.Lock()

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """Lines of text in a BGR crop, top to bottom, each with its score. One caller at a time."""
        with self._alone:
            found = self._engine(scaled(image))
        if not found.txts:
            return ()
        rows = zip(found.boxes, found.txts, found.scores, strict=True)
        ordered = sorted(rows, key=lambda row: float(row[0][:, 1].min()))
        return tuple(TextLine(str(text), float(score)) for _, text, score in ordered)


def scaled(image: Image) -> Image:
    """The picture with its long side between the two bounds."""
    side = max(image.shape[:2])
    wanted = min(max(side, LONG_SIDE_LEAST_PX), LONG_SIDE_MOST_PX)
    if wanted == side:
        return image
    how = cv2.INTER_AREA if wanted < side else cv2.INTER_CUBIC
    grown = cv2.resize(image, None, fx=wanted / side, fy=wanted / side, interpolation=how)
    return grown.astype("uint8", copy=False)

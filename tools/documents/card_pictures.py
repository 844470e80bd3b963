# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pictures of a model's card: frames of the project's own clips, which were never trained on.

    tools/python -m tools.documents.card_pictures --model models/city-v1.yaml \
        --out models/pictures/city-v1-rendered.jpg
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.geometry import iou
from edge.values import Detections, Image
from edge.vision.model import load_model

CLIPS = Path(__file__).resolve().parents[2] / "tests" / "clips"
MOMENTS = (
    ("street", 30.0),
    ("street", 60.0),
    ("spill-day", 30.0),
    ("spill-day", 45.0),
    ("night-barbecue", 20.0),
    ("dust-site", 60.0),
    ("flyover", 5.0),
    ("flyover", 20.0),
)
SCORE, SAME = 0.35, 0.5
WIDTH, HEIGHT, COLUMNS = 640, 360, 2
GREEN, BLUE, RED = (60, 200, 60), (255, 120, 30), (40, 40, 255)


def frame_at(name: str, at_s: float) -> Image:
    """The first frame of a clip that is shown at or after `at_s`."""
    film = cv2.VideoCapture(str(CLIPS / name / f"{name}.mp4"))
    while True:
        read, image = film.read()
        if not read:
            raise SystemExit(f"{name}: ends before {at_s} s")
        if film.get(cv2.CAP_PROP_POS_MSEC) >= at_s * 1000 - 1:
            return np.asarray(image)


def truths(name: str, at_s: float) -> list[tuple[str, tuple[float, ...]]]:
    """(class, box as fractions) of everything in the frame nearest to `at_s`."""
    film: dict[str, Any] = json.loads((CLIPS / name / "tracks.json").read_text())
    wide, high = film["size"]
    nearest = min(film["frames"], key=lambda frame: abs(frame["t_s"] - at_s))
    by = (wide, high, wide, high)
    return [
        (row["label"], tuple(side / most for side, most in zip(row["box"], by, strict=True)))
        for row in nearest["boxes"]
    ]


def drawn(image: Image, real: list[tuple[str, tuple[float, ...]]], found: Detections) -> Image:
    """Green truth, blue found, red false; only what is found is named."""
    canvas = np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)
    for _, box in real:
        _box(canvas, box, GREEN, "")
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        name, sides = found.names[int(label)], tuple(float(side) for side in box)
        right = any(own == name and iou(sides, other) >= SAME for own, other in real)  # type: ignore[arg-type]
        _box(canvas, sides, BLUE if right else RED, f"{name} {score:.2f}")
    return canvas


def _box(canvas: Image, box: tuple[float, ...], colour: tuple[int, int, int], words: str) -> None:
    x1, y1, x2, y2 = (int(s * m) for s, m in zip(box, (WIDTH, HEIGHT) * 2, strict=True))
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, 1)
    cv2.putText(canvas, words, (x1, max(10, y1 - 3)), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1)


def main() -> int:
    """Draws the card's picture from our own clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/city-v1.yaml"))
    parser.add_argument("--out", type=Path, default=Path("models/pictures/city-v1-rendered.jpg"))
    args = parser.parse_args()
    model = load_model(args.model)
    cells = []
    for name, at_s in MOMENTS:
        image = frame_at(name, at_s)
        cells.append(drawn(image, truths(name, at_s), model.detect(image, min_score=SCORE)))
    rows = [np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)]
    cv2.imwrite(str(args.out), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 80])
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

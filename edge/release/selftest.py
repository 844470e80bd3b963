# SPDX-License-Identifier: AGPL-3.0-or-later
"""The first judge of a release: does the file do here what it did at its publisher's?

Known boxes on stored pictures, by whatever runs inference on this board (another provider or a
quantised file rounds differently, hence the tolerances), and the time of one inference against the
model in force, in turns on the same picture, so that a busy board slows both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from edge.config import ConfigError
from edge.values import Detections, Image
from edge.vision.manifest import KnownBox, KnownPicture, SelfTest, file_sha256
from edge.vision.model import Model

# What the publisher's model was sure of must be found again; what it half saw may be lost.
SURE, HALF_SURE = 0.4, 0.25
SCORE_MOST, IOU_LEAST = 0.15, 0.7
# Share of the sure boxes found again, and of boxes here that nobody knew of.
FOUND_LEAST, NEW_MOST = 0.9, 0.1
ROUNDS = 7
# Of a shipped manifest the pictures lie in a folder beside it; in a package all files lie together.
PICTURES = "selftest"


def known_picture(model: Model, path: Path) -> KnownPicture:
    """At the publisher's: what the model finds on one picture. Raises ConfigError."""
    found = model.detect(_read(path), min_score=HALF_SURE)
    return KnownPicture(file=path.name, sha256=file_sha256(path), boxes=tuple(_boxes(found)))


def _boxes(found: Detections) -> list[KnownBox]:
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    return [
        KnownBox(
            label=found.names[label],
            score=round(score, 3),
            box=tuple(round(edge, 4) for edge in box),
        )
        for box, score, label in rows
    ]


def stored(folder: Path, picture: KnownPicture) -> Path:
    """The file of a known picture. Raises ConfigError where it is missing or another one: what is
    found on another picture proves nothing."""
    for path in (folder / picture.file, folder / PICTURES / picture.file):
        if path.is_file():
            if file_sha256(path) != picture.sha256:
                raise ConfigError(f"{path}: not the picture that the manifest names (sha256)")
            return path
    raise ConfigError(f"{folder / picture.file}: missing, here and in {PICTURES}/: copy it there")


def check_boxes(model: Model, test: SelfTest, folder: Path) -> str:
    """What was found, in a line. Raises ConfigError where too much is missing or made up."""
    sure = found_again = here = unknown = 0
    for picture in test.pictures:
        seen = _boxes(model.detect(_read(stored(folder, picture)), min_score=HALF_SURE))
        wanted = [known for known in picture.boxes if known.score >= SURE]
        sure += len(wanted)
        found_again += sum(any(_alike(one, known) for one in seen) for known in wanted)
        bold = [one for one in seen if one.score >= SURE]
        here += len(bold)
        unknown += sum(not any(_alike(one, known) for known in picture.boxes) for one in bold)
    said = f"{found_again} of {sure} known boxes found, {unknown} of {here} unknown"
    if sure == 0:
        raise ConfigError("self-test: its pictures hold no sure box: it could not fail")
    if found_again < FOUND_LEAST * sure or unknown > NEW_MOST * max(here, 1):
        raise ConfigError(f"self-test: {said}")
    return said


def _alike(one: KnownBox, known: KnownBox) -> bool:
    close = abs(one.score - known.score) <= SCORE_MOST
    return one.label == known.label and close and _iou(one.box, known.box) >= IOU_LEAST


def _iou(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (areas - both) if areas > both else 1.0


def check_speed(
    new: Model, old: Model, image: Image, *, slower_at_most: float, rounds: int = ROUNDS
) -> float:
    """Median over paired rounds of new / old. Raises ConfigError above the limit.

    CPU time where the CPU works, wall time where an accelerator does.
    """
    clock = time.process_time if new.provider == old.provider == "cpu" else time.perf_counter
    for model in (old, new):
        model.detect(image)
    ratios = [_taken(clock, new, image) / _taken(clock, old, image) for _ in range(rounds)]
    ratio = statistics.median(ratios)
    if ratio > slower_at_most:
        raise ConfigError(
            f"self-test: {ratio:.2f} times as slow as the model in force, {slower_at_most} allowed"
        )
    return ratio


def _taken(clock: Callable[[], float], model: Model, image: Image) -> float:
    began = clock()
    model.detect(image)
    return max(clock() - began, 1e-6)


def street(model: Model) -> Image:
    """A picture to time with, of the model's own size: speed does not depend on what is on it."""
    height, width = model.shape_for(np.zeros((9, 16, 3), np.uint8))
    return np.full((height, width, 3), 114, np.uint8)


def _read(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise ConfigError(f"{path}: not a readable picture")
    return np.asarray(image, np.uint8)

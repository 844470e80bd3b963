# SPDX-License-Identifier: AGPL-3.0-or-later
"""Frames of clips in which nothing is violated: hard negatives, those that fool a detector most.

A table (tools/training/clips.yaml) says which clips they are and which classes are not judged in
them, because things of the class are there unlabelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge.config import ConfigError, read_yaml
from edge.values import Image
from tools.training.classes import CITY, COCO
from tools.training.collection import (
    PICTURES,
    Collection,
    Item,
    write_collection,
    write_labels,
)
from tools.training.importing import thinned
from tools.training.progress import progress
from tools.training.raw_yolo import Network, detect

VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")
LOOK_EVERY_S = 0.5
APART_S = 3.0  # between two frames that are kept of a clip
LEAST_SCORE = 0.1


@dataclass(frozen=True, slots=True)
class Clips:
    """A row of the table: clips whose path matches, their source, what is not judged, how many
    frames are kept of each, and whether they are held apart for validation."""

    match: re.Pattern[str]
    source: str
    unlabelled: tuple[str, ...]
    most: int
    held: bool


def read_table(path: Path) -> tuple[Clips, ...]:
    """Raises ConfigError naming file and key."""
    try:
        return tuple(
            Clips(
                re.compile(row["match"]),
                row["source"],
                tuple(row.get("unlabelled", ())),
                int(row.get("most", 4)),
                bool(row.get("held", False)),
            )
            for row in read_yaml(path)["clips"]
        )
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise ConfigError(f"{path}: {error!r}: each clip has match and source") from None


def harvest(
    folder: Path, table: Sequence[Clips], network: Network, out: Path, few: int | None = None
) -> Collection:
    """A set of the frames that `network` (with the classes of CITY first) is fooled by most; of
    each row of the table at most `few` clips."""
    for part in ("images", "labels"):
        (out / part).mkdir(parents=True, exist_ok=True)
    items: list[Item] = []
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (*VIDEOS, *PICTURES))
    told = [(path, row) for path in paths if (row := _row_of(path, folder, table)) is not None]
    told = thinned(told, lambda one: one[1], few)
    for path, row in progress(told, len(told), "clips"):
        inner = path.relative_to(folder).as_posix()
        for number, image in _hardest(path, row, network):
            name = f"{re.sub(r'[^0-9A-Za-z]+', '_', inner)}_{number}"
            cv2.imwrite(str(out / "images" / f"{name}.jpg"), image)
            write_labels(out / "labels" / f"{name}.txt", [], durable=False)
            split = "val" if row.held else "train"
            group = f"{row.source}/{path.stem if path.suffix in VIDEOS else path.parent.name}"
            silent = tuple(sorted({*row.unlabelled, *COCO}))  # nobody labelled what passes by
            items.append(Item(f"{name}.jpg", split, group, "real", row.source, silent))
    made = Collection(out, CITY, tuple(items))
    write_collection(made)
    return made


def _row_of(path: Path, folder: Path, table: Sequence[Clips]) -> Clips | None:
    inner = path.relative_to(folder).as_posix()
    return next((each for each in table if each.match.search(inner)), None)


def _hardest(path: Path, row: Clips, network: Network) -> list[tuple[int, Image]]:
    """(frame number, picture) of the best told false things, APART_S from each other; the first
    frame at least."""
    own = [i for i, name in enumerate(CITY) if name not in COCO and name not in row.unlabelled]
    seen = [(_fooled(network, image, own), n, at_s, image) for n, at_s, image in _frames(path)]
    kept: list[tuple[int, float, Image]] = []
    for score, number, at_s, image in sorted(seen, key=lambda one: -one[0]):
        if len(kept) >= row.most or (kept and score < LEAST_SCORE):
            break
        if all(abs(at_s - other) >= APART_S for _, other, _ in kept):
            kept.append((number, at_s, image))
    return [(number, image) for number, _, image in kept]


def _fooled(network: Network, image: Image, labels: Sequence[int]) -> float:
    found = detect(network, image, min_score=LEAST_SCORE)
    mine = found.scores[np.isin(found.labels, labels)]
    return float(mine.max(initial=0.0))


def _frames(path: Path) -> Iterator[tuple[int, float, Image]]:
    """(number, time in s, picture) of a still, or of a clip every LOOK_EVERY_S."""
    if path.suffix.lower() in PICTURES:
        image = cv2.imread(str(path))
        if image is not None:
            yield 0, 0.0, np.asarray(image, np.uint8)
        return
    reader = cv2.VideoCapture(str(path))
    fps = reader.get(cv2.CAP_PROP_FPS) or 25.0
    step, number = max(1, round(fps * LOOK_EVERY_S)), 0
    while reader.grab():
        if number % step == 0:
            ok, image = reader.retrieve()
            if ok:
                yield number, number / fps, np.asarray(image, np.uint8)
        number += 1
    reader.release()

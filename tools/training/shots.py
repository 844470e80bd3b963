# SPDX-License-Identifier: AGPL-3.0-or-later
"""The photographs of a data set, decoded once and kept in memory."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Image
from tools.training.collection import Collection, Item, read_labels
from tools.training.progress import progress

LONG_SIDE = 768  # cached pictures are no larger: the input is 640 wide
SEEN_FROM_ABOVE = ("aerial_stalls", "drone_trucks")


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A cached picture. boxes: (n, 4) xyxy fractions; labels: (n,); unlabelled: (classes,) bool."""

    item: Item
    image: Image
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    unlabelled: NDArray[np.bool_]


def load_shots(collection: Collection, split: str) -> list[Shot]:
    """Every readable picture of a split, decoded and reduced, in memory (about 1 MB each)."""
    items = [item for item in collection.items if item.split == split]
    shots = []
    for item in progress(items, len(items), f"load {collection.root.name}"):
        image = cv2.imread(str(collection.image(item)))
        if image is None:
            print(f"{collection.image(item)}: unreadable, left out", flush=True)
            continue
        shots.append(_shot(collection, item, np.asarray(image, np.uint8)))
    return shots


def _shot(collection: Collection, item: Item, image: Image) -> Shot:
    scale = LONG_SIDE / max(image.shape[:2])
    if scale < 1:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image = np.asarray(small, np.uint8)
    names = collection.names
    labels, _ = read_labels(collection.label(item), len(names))
    boxes = np.array([label.xyxy for label in labels], np.float32).reshape(-1, 4)
    unlabelled = np.array([name in item.unlabelled for name in names])
    return Shot(item, image, boxes, np.array([x.label for x in labels], np.int64), unlabelled)

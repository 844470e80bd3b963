# SPDX-License-Identifier: AGPL-3.0-or-later
"""COCO boxes for pictures that nobody labelled for them, so that a fine-tune does not forget them.

A teacher's sure boxes become labels; a class of which it only half believes something becomes
"unlabelled" in that picture: neither object nor background.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.training.classes import COCO
from tools.training.collection import (
    Collection,
    Item,
    Label,
    read_labels,
    write_collection,
    write_labels,
)
from tools.training.progress import progress
from tools.training.raw_yolo import Network, Onnx, detect, iou_matrix

SURE, DOUBTFUL = 0.45, 0.15
SAME_IOU = 0.5
# Big vehicles of our own classes, which COCO calls truck, car, bus or train.
OWN_VEHICLES = ("muck_truck", "excavator")
COCO_VEHICLES = ("car", "truck", "bus")


def pseudo_label(collection: Collection, teacher: Path) -> Collection:
    """Adds labels of the COCO classes to every real picture and rewrites the index."""
    network = Onnx(teacher)
    items = [
        _one(collection, item, network) if item.origin == "real" else item
        for item in progress(collection.items, len(collection.items), "teacher")
    ]
    done = replace(collection, items=tuple(items))
    write_collection(done)
    return done


def _one(collection: Collection, item: Item, network: Network) -> Item:
    image = cv2.imread(str(collection.image(item)))
    if image is None:
        return item
    found = detect(network, np.asarray(image, np.uint8), min_score=DOUBTFUL)
    labels, _ = read_labels(collection.label(item), len(collection.names))
    doubtful = set(item.unlabelled)
    for name, index in COCO.items():
        mine = found.labels == index
        for box, score in zip(found.boxes[mine], found.scores[mine], strict=True):
            if _known(box, name, labels, collection.names):
                continue
            if score >= SURE:
                labels.append(Label.of_xyxy(collection.names.index(name), *box))
            else:
                doubtful.add(name)
    write_labels(collection.label(item), labels, durable=False)
    return replace(item, unlabelled=tuple(sorted(doubtful)))


def _known(
    box: np.ndarray[Any, Any], name: str, labels: list[Label], names: tuple[str, ...]
) -> bool:
    """Is this thing labelled already, as the same class or as a vehicle of our own?"""
    for label in labels:
        theirs = names[label.label]
        if theirs == name or (theirs in OWN_VEHICLES and name in COCO_VEHICLES):
            if iou_matrix(box[None], np.array([label.xyxy]))[0, 0] > SAME_IOU:
                return True
            if theirs in OWN_VEHICLES and _inside(box, label.xyxy) > SAME_IOU:
                return True
    return False


def _inside(box: np.ndarray[Any, Any], other: tuple[float, float, float, float]) -> float:
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    return float(np.clip(high - low, 0, None).prod() / max(np.prod(box[2:] - box[:2]), 1e-12))

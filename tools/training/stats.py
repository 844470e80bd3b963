# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a data set holds: counts a class, split and source, sizes of boxes, a contact sheet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from edge.values import Image
from tools.training.collection import Collection, Item
from tools.training.progress import progress
from tools.training.shaping import boxes_of
from tools.training.sheets import gridded, mark

CELL = (320, 240)
COLUMNS = 6
# Sides of a square of the same area, as shares of a 640 px wide picture: COCO's 32 and 96 px.
SMALL, LARGE = 32 / 640, 96 / 640


def table(collection: Collection) -> str:
    """Markdown: boxes of every class by split, then pictures by source."""
    splits = sorted({item.split for item in collection.items})
    boxes: dict[str, Counter[int]] = {split: Counter() for split in splits}
    sizes: dict[int, list[float]] = {}
    for item in progress(collection.items, len(collection.items), "count"):
        for label in boxes_of(collection, item):
            boxes[item.split][label.label] += 1
            sizes.setdefault(label.label, []).append(float(np.sqrt(label.w * label.h)))
    lines = ["| class | " + " | ".join(splits) + " | small | medium | large |"]
    lines.append("|---" * (len(splits) + 4) + "|")
    for index, name in enumerate(collection.names):
        counts = " | ".join(str(boxes[split][index]) for split in splits)
        lines.append(f"| {name} | {counts} | {' | '.join(_buckets(sizes.get(index, [])))} |")
    return "\n".join([*lines, "", *_sources(collection)])


def _buckets(sides: list[float]) -> list[str]:
    small = sum(side < SMALL for side in sides)
    large = sum(side > LARGE for side in sides)
    return [str(small), str(len(sides) - small - large), str(large)]


def _sources(collection: Collection) -> list[str]:
    rows = Counter((item.source, item.origin, item.split) for item in collection.items)
    groups: dict[tuple[str, str, str], set[str]] = {}
    for item in collection.items:
        groups.setdefault((item.source, item.origin, item.split), set()).add(item.group)
    lines = ["| source | origin | split | pictures | groups |", "|---|---|---|---|---|"]
    for key, count in sorted(rows.items()):
        lines.append(f"| {' | '.join(key)} | {count} | {len(groups[key])} |")
    return lines


def contact_sheet(collection: Collection, each: int, seed: int = 0) -> Image:
    """`each` pictures of every class with their boxes, a row of classes after another."""
    rng, chosen = np.random.default_rng(seed), list[Item]()
    by_class: dict[int, list[Item]] = {}
    for item in collection.items:
        for label in {label.label for label in boxes_of(collection, item)}:
            by_class.setdefault(label, []).append(item)
    for label in sorted(by_class):
        order = rng.permutation(len(by_class[label]))[:each]
        chosen += [by_class[label][i] for i in order]
    return gridded([_cell(collection, item) for item in chosen], COLUMNS)


def _cell(collection: Collection, item: Item) -> Image:
    cell = np.full((CELL[1], CELL[0], 3), 40, np.uint8)
    image = cv2.imread(str(collection.image(item)))
    if image is None:
        return cell
    scale = min(CELL[0] / image.shape[1], CELL[1] / image.shape[0])
    size = (max(1, int(image.shape[1] * scale)), max(1, int(image.shape[0] * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    scale_px = np.array([small.shape[1], small.shape[0]] * 2)
    for label in boxes_of(collection, item):
        mark(small, np.array(label.xyxy) * scale_px, collection.names[label.label])
    cell[: small.shape[0], : small.shape[1]] = small
    return cell


def save_sheet(collection: Collection, path: Path, each: int = 6) -> None:
    cv2.imwrite(str(path), contact_sheet(collection, each), [cv2.IMWRITE_JPEG_QUALITY, 82])

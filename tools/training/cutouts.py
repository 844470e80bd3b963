# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rendered cut-outs (tools/scenes sprites) pasted on real photographs while training.

A cut-out is a straight-alpha RGBA picture with its shadow, and an index picture that says which
pixel belongs to which labelled thing. What it hides of the photograph's own objects is unlabelled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.config import ConfigError
from edge.values import Image

LEAST_PX = 36  # visible pixels of a thing before it gets a box
FROM_ABOVE = ("nadir", "drone")


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """rgba (h, w, 4) uint8; index (h, w) uint8, 0 nothing; labels: index to class name; `view`:
    the last word of the sprite's group (eye, pole, drone, nadir)."""

    rgba: NDArray[np.uint8]
    index: NDArray[np.uint8]
    labels: dict[int, str]
    kind: str
    view: str

    def turned(self, quarters: int) -> Cutout:
        """Turned by quarters of a circle: seen from above, no direction is up."""
        rgba, index = np.rot90(self.rgba, quarters), np.rot90(self.index, quarters)
        return replace(self, rgba=np.ascontiguousarray(rgba), index=np.ascontiguousarray(index))

    @property
    def above(self) -> bool:
        return self.view in FROM_ABOVE


def load_cutouts(folder: Path) -> list[Cutout]:
    """Every complete sprite of a folder; one still being written is left out."""
    if not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder of cut-outs; make it with tools/scenes sprites"
        )
    loaded = (_load(path) for path in sorted(folder.glob("*.json")))
    return [cutout for cutout in loaded if cutout is not None]


def _load(path: Path) -> Cutout | None:
    rgba = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_UNCHANGED)
    index = cv2.imread(str(path.with_name(f"{path.stem}_index.png")), cv2.IMREAD_UNCHANGED)
    try:
        fields = json.loads(path.read_text())
    except ValueError:
        return None
    if rgba is None or index is None or rgba.shape[:2] != index.shape[:2] or rgba.shape[2] != 4:
        return None
    labels = {int(number): name for number, name in fields["labels"].items() if name}
    kind, _, view = fields["group"].rpartition("_")
    return Cutout(np.asarray(rgba, np.uint8), np.asarray(index, np.uint8), labels, kind, view)


def paste(
    image: Image, cutout: Cutout, scale: float, corner: tuple[int, int], rng: Generator
) -> tuple[list[tuple[str, tuple[int, int, int, int]]], NDArray[np.bool_]]:
    """Paste in place, scaled, its top left at `corner` px. Returns (class, box px) of every thing
    seen, and the mask of the pixels that now belong to the cut-out."""
    covered = np.zeros(image.shape[:2], bool)
    size = [max(2, round(side * scale)) for side in cutout.rgba.shape[1::-1]]
    rgba: Image = np.asarray(cv2.resize(cutout.rgba, size, interpolation=cv2.INTER_AREA), np.uint8)
    index: Image = np.asarray(
        cv2.resize(cutout.index, size, interpolation=cv2.INTER_NEAREST), np.uint8
    )
    if rng.random() < 0.5:
        rgba, index = rgba[:, ::-1], index[:, ::-1]
    left, top = corner
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + size[0], image.shape[1]), min(top + size[1], image.shape[0])
    if x2 - x1 < 4 or y2 - y1 < 4:
        return [], covered
    part = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    rgba, index = rgba[part], index[part]
    under = image[y1:y2, x1:x2]
    image[y1:y2, x1:x2] = _blend(under, rgba, _light(image, rng))
    covered[y1:y2, x1:x2] = index > 0
    return _boxes(index, cutout, (x1, y1)), covered


def _light(image: Image, rng: Generator) -> NDArray[np.float32]:
    """Gain per channel that brings the renderer's daylight near to the photograph's."""
    level = float(np.percentile(image[::4, ::4], 75)) / 165.0
    gain = np.clip(level, 0.45, 1.25) * rng.uniform(0.75, 1.2)
    return np.asarray(gain * (1 + rng.normal(0, 0.04, 3)), np.float32)


def _blend(under: Image, rgba: NDArray[np.uint8], gain: NDArray[np.float32]) -> Image:
    alpha = rgba[..., 3:].astype(np.float32) / 255
    mixed = under * (1 - alpha) + rgba[..., :3] * gain * alpha
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _boxes(
    index: NDArray[np.uint8], cutout: Cutout, offset: tuple[int, int]
) -> list[tuple[str, tuple[int, int, int, int]]]:
    found = []
    for number, name in cutout.labels.items():
        mask = index == number
        if mask.sum() < LEAST_PX:
            continue
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = (
            offset[0] + int(columns[0]),
            offset[1] + int(rows[0]),
            offset[0] + int(columns[-1]) + 1,
            offset[1] + int(rows[-1]) + 1,
        )
        found.append((name, box))
    return found

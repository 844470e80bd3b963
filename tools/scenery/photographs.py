# SPDX-License-Identifier: AGPL-3.0-or-later
"""Real photographs as backgrounds: what camera is assumed for a set, and how strongly it is lit.

Only pictures of the training split belong here; `open_photo` keeps the boxes they come with.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tools.scenery.camera import Camera
from tools.scenery.develop import untone
from tools.scenery.labels import CLASSES, Box
from tools.scenery.refusal import Refused
from tools.scenery.shapes import Floats

LONGEST_PX = 640
KEPT_CLASSES = 9  # ids 0..8 mean the same in the pack; its 9 is bare soil, which is no class here


@dataclass(frozen=True)
class Set:
    """Assumed cameras of a set of photographs, and what may be laid on them (weights)."""

    pitch: tuple[float, float]
    height_m: tuple[float, float]
    hfov: tuple[float, float]
    effects: dict[str, float]


SETS = {
    "mt": Set(
        (-14, -3),
        (1.8, 5),
        (50, 70),
        {"dust": 7, "stall": 1.5, "fire": 0.7, "smoke": 1.0, "truck": 0.5, "spillage": 0.5},
    ),
    "hu": Set((-80, -40), (40, 60), (60, 75), {"dust": 4, "truck": 3, "stall": 2, "spillage": 3}),
    "sg": Set(
        (-40, -14),
        (1.6, 2.4),
        (55, 75),
        {"stall": 6, "fire": 1.2, "smoke": 1.2, "dust": 0.6, "grill": 2.5},
    ),
    "ng": Set(
        (-12, 0),
        (1.4, 5),
        (50, 70),
        {"stall": 6, "fire": 1.5, "smoke": 1.5, "dust": 1.5, "grill": 2, "truck": 1.5},
    ),
    "va": Set((-90, -84), (14, 36), (55, 65), {"stall": 3, "dust": 0.5, "truck": 1, "spillage": 1}),
}


@dataclass(frozen=True)
class Photo:
    """linear (h, w, 3) RGB light; sky and sun: the light that things in it stand in."""

    name: str
    kind: str
    linear: Floats
    boxes: list[Box]
    camera: Camera
    sky: Floats
    sun: Floats

    @property
    def size(self) -> tuple[int, int]:
        return self.linear.shape[1], self.linear.shape[0]


def listed(folder: Path) -> dict[str, list[Path]]:
    """Pictures below FOLDER/images by their set's prefix; Refused where there are none."""
    found: dict[str, list[Path]] = {}
    for path in sorted((folder / "images").glob("*.jpg")):
        kind = path.name.split("_")[0]
        if kind in SETS:
            found.setdefault(kind, []).append(path)
    if not found:
        known = ", ".join(SETS)
        raise Refused(f"--photos {folder}: no images/ of the sets {known} (SET_NAME.jpg)")
    return found


def open_photo(path: Path, rng: random.Random) -> Photo:
    """A labelled photograph in linear light, scaled to `LONGEST_PX`, at times mirrored, with its
    camera and light guessed. Raises Refused for a file that is no picture."""
    image = cv2.imread(str(path))
    if image is None:
        raise Refused(f"{path}: not a readable picture")
    scale = LONGEST_PX / max(image.shape[:2])
    image = cv2.resize(
        image,
        None,
        fx=scale,
        fy=scale,
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
    )
    boxes = _boxes(path, image.shape[1], image.shape[0])
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        boxes = [
            Box(b.label, image.shape[1] - b.x1, b.y0, image.shape[1] - b.x0, b.y1) for b in boxes
        ]
    kind = path.name.split("_")[0]
    linear = untone(image[..., ::-1].astype(np.float32) / 255)
    sky, sun = _lighting(linear, rng)
    return Photo(path.stem, kind, linear, boxes, _camera(SETS[kind], image.shape, rng), sky, sun)


def _boxes(path: Path, width: int, height: int) -> list[Box]:
    labels = path.parent.parent / "labels" / f"{path.stem}.txt"
    boxes = []
    for line in labels.read_text().splitlines() if labels.exists() else []:
        number, x, y, w, h = (float(word) for word in line.split()[:5])
        if int(number) < KEPT_CLASSES:
            boxes.append(
                Box(
                    CLASSES[int(number)],
                    round((x - w / 2) * width),
                    round((y - h / 2) * height),
                    round((x + w / 2) * width),
                    round((y + h / 2) * height),
                )
            )
    return boxes


def _camera(kind: Set, shape: tuple[int, ...], rng: random.Random) -> Camera:
    return Camera(
        0,
        0,
        rng.uniform(*kind.height_m),
        0,
        rng.uniform(*kind.pitch),
        0,
        rng.uniform(*kind.hfov),
        shape[1],
        shape[0],
    )


def _lighting(linear: Floats, rng: random.Random) -> tuple[Floats, Floats]:
    """Guess: bright surfaces (60th to 85th percentile) stand half in sky light, half in sun."""
    light = linear.mean(-1)
    low, high = np.percentile(light, [60, 85])
    middle = linear[(light >= low) & (light <= high)].mean(0)
    tint = middle / max(float(middle.mean()), 1e-3)
    tint = 1 + (tint - 1) * 0.5
    level = float(np.clip(middle.mean(), 0.03, 0.55)) * rng.uniform(1.1, 1.7)
    share = rng.uniform(0.3, 0.75)
    return tint * level * (1 - share) * 1.3, tint * level * share * 1.3


def ground_point(camera: Camera, column: float, row: float, *, farthest_m: float = 120.0) -> Floats:
    """Where the ray through a pixel meets the ground, at most so far away (horizontal metres)."""
    ray = camera.rays(np.array(column), np.array(row))
    ray = ray / np.linalg.norm(ray)
    fall = max(-float(ray[2]), camera.z / float(np.hypot(farthest_m, camera.z)))
    reach = camera.z / fall
    return np.array([camera.x + ray[0] * reach, camera.y + ray[1] * reach, 0.0], np.float32)

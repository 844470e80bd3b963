# SPDX-License-Identifier: AGPL-3.0-or-later
"""Training pictures: several of a data set's on one canvas, moved, coloured, worsened, with plumes.

Everything is drawn from one generator a sample, so that sample n of a run is the same picture on
every machine and after every restart.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.values import Image
from tools.training.cutouts import Cutout
from tools.training.pasting import Paster
from tools.training.plumes import Sprite, grow_library, lay
from tools.training.regions import Region
from tools.training.settings import Mix, Picture
from tools.training.shots import SEEN_FROM_ABOVE, Shot
from tools.training.spoiling import spoil

PAD = 114
SMALLEST_PX = 3.0  # boxes thinner than this on the canvas are dropped
LEAST_VISIBLE = 0.3  # of a box's area, inside the canvas


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training picture: image (h, w, 3) BGR; boxes xyxy px; `silent`: classes not judged."""

    image: Image
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    silent: NDArray[np.bool_]


class Mixer:
    """Draws training samples from several sets in stated shares."""

    def __init__(
        self,
        shelves: list[tuple[Mix, list[Shot]]],
        picture: Picture,
        names: tuple[str, ...],
        seed: int,
        cutouts: list[Cutout],
    ) -> None:
        self._picture, self._names, self._seed = picture, names, seed
        self._shots = [shot for _, shots in shelves for shot in shots]
        self._odds = np.concatenate([_odds(mix, shots) for mix, shots in shelves])
        self._odds /= self._odds.sum()
        self._paster = Paster(cutouts, self._shots, names, picture)
        self._sprites = grow_library(np.random.default_rng([seed, 7]), 120)

    def __len__(self) -> int:
        return len(self._shots)

    def photographs(self, count: int) -> list[Image]:
        """Real pictures of the mix as they are, drawn in its shares: the same ones every time."""
        rng = np.random.default_rng([self._seed, 11])
        real = np.array([shot.item.origin == "real" for shot in self._shots])
        odds = np.where(real, self._odds, 0.0)
        if not real.any():
            return []
        drawn = rng.choice(len(self._shots), count, p=odds / odds.sum())
        return [self._shots[index].image for index in drawn.tolist()]

    def sample(self, number: int) -> Sample:
        """Sample `number` of this run: always the same."""
        rng = np.random.default_rng([self._seed, number])
        picture = self._picture
        canvas = np.full((picture.height, picture.width, 3), PAD, np.uint8)
        boxes, labels, silent = [], [], np.zeros(len(self._names), bool)
        for region in _regions(picture, rng):
            shot = self._shots[rng.choice(len(self._shots), p=self._odds)]
            inner, placed, kept = _place(canvas, region, shot, picture, rng)
            boxes.append(placed)
            labels.append(shot.labels[kept])
            silent |= shot.unlabelled
            if shot.item.origin == "real":
                self._enrich(canvas, inner, shot, boxes, labels, rng)
        every = np.concatenate(boxes), np.concatenate(labels)
        return Sample(spoil(canvas, picture, rng), *every, silent)

    def _enrich(
        self,
        canvas: Image,
        region: Region,
        shot: Shot,
        boxes: list[NDArray[np.float32]],
        labels: list[NDArray[np.int64]],
        rng: Generator,
    ) -> None:
        """Rendered things on a photograph, and sometimes a plume over all."""
        if rng.random() < self._picture.cutouts:
            before = len(boxes)
            for _ in range(rng.choice([1, 1, 2, 3])):
                self._paster.paste(canvas, region, shot, boxes, labels, rng)
            pasted = list(zip(boxes[before:], labels[before:], strict=True))
            for grill in self._smoking(pasted, rng):
                self._smoke_over(canvas, region, grill, boxes, labels, rng)
        if rng.random() < self._picture.plumes:
            self._plume(canvas, region, shot, boxes, labels, rng)

    def _smoking(
        self, pasted: list[tuple[NDArray[np.float32], NDArray[np.int64]]], rng: Generator
    ) -> list[NDArray[np.float32]]:
        """The boxes of those grills just pasted that smoke."""
        grills = [
            box
            for group, kinds in pasted
            for box, kind in zip(group, kinds, strict=True)
            if self._names[kind] == "grill"
        ]
        return [box for box in grills if rng.random() < self._picture.smoking]

    def _smoke_over(
        self,
        canvas: Image,
        region: Region,
        grill: NDArray[np.float32],
        boxes: list[NDArray[np.float32]],
        labels: list[NDArray[np.int64]],
        rng: Generator,
    ) -> None:
        """Smoke rises from its food, before and above it: half of what a camera sees of a grill."""
        x1, y1, x2, y2 = grill - np.array([region.left, region.top] * 2, np.float32)
        width = max(16.0, (x2 - x1) * rng.uniform(1.0, 3.5))
        height = width * rng.uniform(*ASPECT["smoke"])
        middle, foot = rng.uniform(x1, x2), y1 + (y2 - y1) * rng.uniform(0.1, 0.6)
        sprite = self._sprites["smoke"][rng.integers(len(self._sprites["smoke"]))]
        corner, size = (int(middle - width / 2), int(foot - height)), (int(width), int(height))
        self._lay(canvas, region, sprite, "smoke", corner, size, boxes, labels, rng)

    def _plume(
        self,
        canvas: Image,
        region: Region,
        shot: Shot,
        boxes: list[NDArray[np.float32]],
        labels: list[NDArray[np.int64]],
        rng: Generator,
    ) -> None:
        drawn = self._choose_plume(region, shot, rng)
        self._lay(canvas, region, *drawn, boxes, labels, rng)

    def _lay(
        self,
        canvas: Image,
        region: Region,
        sprite: Sprite,
        label: str,
        corner: tuple[int, int],
        size: tuple[int, int],
        boxes: list[NDArray[np.float32]],
        labels: list[NDArray[np.int64]],
        rng: Generator,
    ) -> None:
        part = canvas[region.top : region.bottom, region.left : region.right]
        box = lay(part, sprite, label, corner, size, rng)
        if box is None or box[2] - box[0] < 10 or box[3] - box[1] < 10:
            return
        seen = np.array([box], np.float32) + [region.left, region.top] * 2
        boxes.append(seen.astype(np.float32))
        labels.append(np.array([self._names.index(label)], np.int64))

    def _choose_plume(
        self, region: Region, shot: Shot, rng: Generator
    ) -> tuple[Sprite, str, tuple[int, int], tuple[int, int]]:
        kinds = self._picture.plume_kinds
        odds = np.array(list(kinds.values()))
        kind = str(rng.choice(list(kinds), p=odds / odds.sum()))
        if kind == "dust" and shot.item.source in SEEN_FROM_ABOVE and rng.random() < 0.6:
            kind = "cloud"
        sprite = self._sprites[kind][rng.integers(len(self._sprites[kind]))]
        label = str(rng.choice(["dust", "smoke"])) if kind == "cloud" else kind
        width = region.width * np.exp(rng.uniform(np.log(0.06), np.log(0.9)))
        low, high = ASPECT[kind]
        height = width * rng.uniform(low, high)
        foot = region.height * rng.uniform(0.35, 1.1)
        left = rng.uniform(-0.3 * width, region.width - 0.7 * width)
        return sprite, label, (int(left), int(foot - height)), (int(width) + 1, int(height) + 1)


# Height over width that a plume is laid down with.
ASPECT = {"dust": (0.35, 1.0), "smoke": (0.6, 2.0), "cloud": (0.5, 1.5), "fire": (0.6, 1.8)}


def _odds(mix: Mix, shots: list[Shot]) -> NDArray[np.float64]:
    weights = np.array([mix.weights.get(shot.item.source, 1.0) for shot in shots])
    return np.asarray(weights / max(weights.sum(), 1e-12) * mix.share)


def _regions(picture: Picture, rng: Generator) -> list[Region]:
    """The whole canvas, two halves side by side, or four parts round a random middle."""
    w, h = picture.width, picture.height
    if rng.random() >= picture.mosaic:
        return [Region(0, 0, w, h)]
    x, y = int(w * rng.uniform(0.35, 0.65)), int(h * rng.uniform(0.35, 0.65))
    if rng.random() < 0.5:
        return [Region(0, 0, x, h), Region(x, 0, w, h)]
    return [Region(0, 0, x, y), Region(x, 0, w, y), Region(0, y, x, h), Region(x, y, w, h)]


def _place(
    canvas: Image, region: Region, shot: Shot, picture: Picture, rng: Generator
) -> tuple[Region, NDArray[np.float32], NDArray[np.bool_]]:
    """Warp a shot into its region; returns what it covers of it, the boxes in canvas px and which
    boxes they are."""
    matrix = _motion(region, shot, picture, rng)
    part = cv2.warpAffine(
        shot.image,
        matrix,
        (region.width, region.height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PAD, PAD, PAD),
    )
    canvas[region.top : region.bottom, region.left : region.right] = part
    moved = _move(shot.boxes, shot.image.shape, matrix)
    hull = _move(np.array([[0, 0, 1, 1]], np.float32), shot.image.shape, matrix)
    return _inner(region, hull[0]), *_clip(moved, region)


def _inner(region: Region, hull: NDArray[np.float32]) -> Region:
    """The part of a region that a picture with this hull (px of the region) covers."""
    return Region(
        region.left + max(0, int(hull[0])),
        region.top + max(0, int(hull[1])),
        region.left + min(region.width, int(hull[2]) + 1),
        region.top + min(region.height, int(hull[3]) + 1),
    )


def _motion(region: Region, shot: Shot, picture: Picture, rng: Generator) -> NDArray[np.float64]:
    """Scale round the letterbox fit (often exactly it), shift, flip, a little rotation."""
    height, width = shot.image.shape[:2]
    fits = region.width / width, region.height / height
    # A whole canvas is letterboxed as the box does it; in a mosaic grey borders are wasted work.
    fit = min(fits) if region.width == picture.width else float(np.sqrt(fits[0] * fits[1]))
    largest = max(picture.crop, 1.01)
    scale = fit * (rng.uniform(0.9, 1.1) if rng.random() < 0.4 else rng.uniform(0.55, largest))
    angle = np.deg2rad(rng.normal(0, 3)) if rng.random() < 0.3 else 0.0
    flip = -1.0 if rng.random() < 0.5 else 1.0
    if shot.item.source in SEEN_FROM_ABOVE and rng.random() < 0.7:
        angle = rng.integers(4) * np.pi / 2 + angle  # from above, no direction is up
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[flip * cos, -sin], [flip * sin, cos]])
    slack = np.array([region.width - width * scale, region.height - height * scale])
    middle = np.array([region.width, region.height]) / 2 + slack * rng.uniform(-0.5, 0.5, 2)
    shift = middle - turn @ [width / 2, height / 2]
    return np.concatenate([turn, shift[:, None]], 1)


def _move(
    boxes: NDArray[np.float32], shape: tuple[int, ...], matrix: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Fractions of the shot to px of the region; a turned box becomes its upright hull."""
    if not len(boxes):
        return boxes
    size = np.array([shape[1], shape[0]], np.float64)
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) * size
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(np.concatenate([moved.min(1), moved.max(1)], 1), np.float32)


def _clip(
    boxes: NDArray[np.float32], region: Region
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if not len(boxes):
        return boxes, np.zeros(0, bool)
    limit = np.array([region.width, region.height] * 2, np.float32)
    inside = np.clip(boxes, 0, limit)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    sides = inside[:, 2:] - inside[:, :2]
    kept = (sides.min(1) >= SMALLEST_PX) & (sides.prod(1) >= LEAST_VISIBLE * area)
    offset = np.array([region.left, region.top] * 2, np.float32)
    return (inside + offset)[kept], kept

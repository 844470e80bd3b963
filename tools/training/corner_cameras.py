# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cameras that stand still, for tools.training.corner: a picture and its right things, day by day.

One is a real camera, ten days of a border's approach, no muck truck among what it shows: what the
detector is wrong about there (painted signs, barriers) it is wrong about day after day. The others
are real photographs of streets without a stall in which it is wrong as well: each is looked at on
many days, in light, weather and noise that are drawn. On all of them the right things are real
ones, cut out of other photographs along their outline: some come to their usual spot on many days,
others only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.config import ConfigError
from edge.values import Box, Image
from tools.training.cutouts import Cutout, paste
from tools.training.wear import harmonised

DAYS = 120
USUAL, COMES, STRANGER = 3, 0.45, 0.5
SHAKE_PX = 2
# Of the frame: where feet stand, from and to, and how wide a thing is there.
SPOTS = {"vendor_stall": (0.68, 0.96, 0.12, 0.3), "muck_truck": (0.42, 0.8, 0.08, 0.2)}


@dataclass(frozen=True, slots=True)
class Day:
    """One picture of a camera, BGR, and where the right things are, fractions."""

    image: Image
    right: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class StillCamera:
    """`label`: the class whose cases are judged; `days`: pictures without a right thing, in their
    order; `drawn`: whether each day's light is drawn, because all of them are one photograph."""

    name: str
    label: str
    days: Callable[[], Iterator[Image]]
    drawn: bool


def real_camera(folder: Path) -> StillCamera:
    """That of ../shared/data/video/real of which there are many days. Raises ConfigError."""
    stills = sorted((folder / "sg_4713").glob("*.jpg"))
    if not stills:
        raise ConfigError(f"{folder}: sg_4713 is not there; ../shared is needed")
    return StillCamera("border approach", "muck_truck", lambda: _looks(stills), False)


def _looks(paths: Sequence[Path]) -> Iterator[Image]:
    for path in paths:
        read = cv2.imread(str(path))
        if read is not None:
            yield np.asarray(read, np.uint8)


def photograph_camera(name: str, path: Path) -> StillCamera:
    """A photograph, looked at on DAYS days. Raises ConfigError for an unreadable one."""
    read = cv2.imread(str(path))
    if read is None:
        raise ConfigError(f"{path}: unreadable")
    image = np.asarray(read, np.uint8)
    return StillCamera(name, "vendor_stall", lambda: (image.copy() for _ in range(DAYS)), True)


def days_of(camera: StillCamera, things: Sequence[Cutout], seed: int) -> Iterator[Day]:
    """The camera's pictures with what came on each day. `things`: cut-outs of its label."""
    rng = np.random.default_rng([seed, *camera.name.encode()])
    usual = [(things[int(n)], _spot(camera, rng)) for n in rng.integers(0, len(things), USUAL)]
    for image in camera.days():
        right: list[Box] = []
        came = [one for one in usual if rng.random() < COMES]
        if rng.random() < STRANGER:
            came.append((things[int(rng.integers(len(things)))], _spot(camera, rng)))
        for thing, spot in came:
            right += _put(image, thing, spot, rng, right)
        yield Day(other_light(image, rng) if camera.drawn else image, tuple(right))


def _spot(camera: StillCamera, rng: Generator) -> tuple[float, float]:
    """Where a thing's foot is: (x, y), fractions."""
    top, bottom, _, _ = SPOTS[camera.label]
    return float(rng.uniform(0.12, 0.88)), float(rng.uniform(top, bottom))


def _put(
    image: Image, thing: Cutout, spot: tuple[float, float], rng: Generator, there: Sequence[Box]
) -> list[Box]:
    """Pastes in place, in the colours of what it stands on; nothing where it would hide another."""
    height, width = image.shape[:2]
    top, bottom, small, large = SPOTS["muck_truck" if "lorry" in thing.kind else "vendor_stall"]
    near = np.clip((spot[1] - top) / (bottom - top), 0, 1)
    wide = (small + (large - small) * near) * width * rng.uniform(0.93, 1.07)
    high = wide * thing.rgba.shape[0] / thing.rgba.shape[1]
    x = (spot[0] + rng.normal(0, 0.012)) * width - wide / 2
    y = (spot[1] + rng.normal(0, 0.008)) * height - high
    mine = (x / width, y / height, (x + wide) / width, (y + high) / height)
    if any(_overlap(mine, other) for other in there):
        return []
    scale = wide / thing.rgba.shape[1]
    found, _ = paste(image, _toned(thing, image, rng), scale, (round(x), round(y)), rng)
    return [(a / width, b / height, c / width, d / height) for _, (a, b, c, d) in found]


def _toned(thing: Cutout, image: Image, rng: Generator) -> Cutout:
    rgba = thing.rgba.copy()
    bgr = np.asarray(rgba[..., :3], np.uint8)
    rgba[..., :3] = harmonised(bgr, rgba[..., 3] > 128, image, rng)
    return Cutout(rgba, thing.index, thing.labels, thing.kind, thing.view)


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def other_light(image: Image, rng: Generator) -> Image:
    """The same view at another hour: brightness, colour, shade that lies over parts of it, haze,
    noise, compression, and a pole that moves by a pixel or two."""
    height, width = image.shape[:2]
    shift = rng.integers(-SHAKE_PX, SHAKE_PX + 1, 2).astype(np.float32)
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    seen = cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    light = (seen.astype(np.float32) / 255) ** rng.uniform(0.75, 1.5)
    light = light * rng.uniform(0.45, 1.15) * (1 + rng.normal(0, 0.06, 3).astype(np.float32))
    light = light * _shade((height, width), rng)[..., None]
    fog = float(rng.uniform(0, 0.35)) if rng.random() < 0.3 else 0.0
    light = light * (1 - fog) + fog * 0.75
    noisy = light * 255 + rng.normal(0, rng.uniform(1, 9), light.shape)
    drawn = np.clip(noisy, 0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(45, 92))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", drawn, quality)[1], 1), np.uint8)


def _shade(shape: tuple[int, int], rng: Generator) -> NDArray[np.float32]:
    """Of clouds, trees and houses: soft-edged patches that get down to half of the light."""
    coarse = rng.normal(0, 1, (5, 8)).astype(np.float32)
    field = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    deep = rng.uniform(0.0, 0.5)
    return np.asarray(1 - deep / (1 + np.exp(-6 * field)), np.float32)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Filmed streets in other weather and at other hours, worked into the finished pictures.

What is rendered is dear; light and air are not. Every pixel's place in the world is known from the
depth of the plate, so fog, cloud shadows, street lamps and rain come over a filmed segment for a
tenth of what filming it again costs. Nothing is violated in any of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.scenery import clip_cases, clip_reel, seeds
from tools.scenery.camera import Camera
from tools.scenery.clips import Image, Script
from tools.scenery.develop import tone, untone, with_air
from tools.scenery.shapes import Floats
from tools.scenery.turbulence import noise_volume

SIZE = (960, 540)
FAR_M = 400.0
MOST_LIGHT = 4.0
# Tables, for a picture has a million and a half values: level to light, light to level.
LINEAR = untone(np.arange(256, dtype=np.float32) / 255).astype(np.float32)
SHOWN = (tone(np.arange(8192, dtype=np.float32) * (MOST_LIGHT / 8192)) * 255).astype(np.float32)
MOVED_LEVELS = 22


@dataclass(frozen=True)
class View:
    """One instant: linear light (h, w, 3), depth (h, w) in metres, where each pixel lies (h, w, 3)
    in the world, seconds since the beginning, and the share of the segment that is over."""

    light: Floats
    depth: Floats
    world: Floats
    t: float
    over: float


Treat = Callable[[View], Floats]


def _fog(view: View) -> Floats:
    """Comes over the street, stands, and goes."""
    haze = 0.055 * math.sin(math.pi * view.over) ** 0.7
    return with_air(view.light, view.depth, haze, np.array([0.72, 0.74, 0.77], np.float32))


_NOISE = noise_volume(77)[5]


def _clouds(view: View) -> Floats:
    """Shadows of clouds run along the street at 9 m/s; a cell of the noise is 5 m of ground."""
    x = (view.world[..., 0] - 9.0 * view.t) / 5.0
    y = view.world[..., 1] / 5.0
    size = len(_NOISE)
    drawn = cv2.GaussianBlur(np.tile(_NOISE, (3, 3)), (0, 0), 1.6)[size : 2 * size, size : 2 * size]
    shade = cv2.remap(
        np.tile(drawn, (2, 2)).astype(np.float32),
        (x % size).astype(np.float32),
        (y % size).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    left = 0.38 + 0.62 / (1 + np.exp(-9.0 * shade))
    return np.asarray(view.light * left[..., None])


def _dusk(view: View) -> Floats:
    """From full day to a tenth of it, first warmer, then bluer."""
    left = 1.0 - 0.9 * view.over
    warm = math.sin(math.pi * view.over)
    tint = np.array([1 + 0.15 * warm, 1.0, 1.0 + 0.35 * view.over - 0.2 * warm], np.float32)
    return view.light * left * tint


LAMPS_X = (-38.0, -14.0, 10.0, 34.0)
LAMP_HIGH_M, LAMP_Y = 8.0, 6.4


def _lamps(view: View) -> Floats:
    """Night: sodium lamps along the far kerb, and hardly any sky."""
    given = np.full(view.depth.shape, 0.03, np.float32)
    for x in LAMPS_X:
        away = (
            (view.world[..., 0] - x) ** 2
            + (view.world[..., 1] - LAMP_Y) ** 2
            + (view.world[..., 2] - LAMP_HIGH_M) ** 2
        )
        given += 22.0 / np.maximum(away, 4.0)
    colour = np.array([1.0, 0.76, 0.48], np.float32)
    return np.asarray(view.light * np.minimum(given, 0.8)[..., None] * colour)


def _rain(view: View) -> Floats:
    """Grey air and streaks, other ones in every picture."""
    light = with_air(view.light * 0.6, view.depth, 0.006, np.array([0.5, 0.52, 0.55], np.float32))
    height, width = view.depth.shape
    rng = seeds.array_stream("rain", round(view.t * 1000))
    streaks = np.zeros((height, width), np.float32)
    for _ in range(900):
        x, y, long = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(8, 34)
        end = (round(x + 0.12 * long), round(y + long))
        cv2.line(streaks, (round(x), round(y)), end, float(rng.uniform(0.1, 0.4)), 1, cv2.LINE_AA)
    return np.asarray(light + cv2.GaussianBlur(streaks, (0, 0), 0.7)[..., None] * 0.35)


@dataclass(frozen=True)
class Other:
    """A filmed segment under another sky. `noise`: of the camera, in 8-bit steps."""

    base: str
    treat: Treat
    about: str
    noise: float = 1.0


OTHERS: dict[str, Other] = {
    "reel-12-fog-comes": Other("negatives", _fog, "fog comes over the street and goes"),
    "reel-13-clouds": Other("negatives", _clouds, "shadows of clouds run over the street"),
    "reel-14-nightfall": Other("negatives", _dusk, "the day ends", noise=2.0),
    "reel-15-lamps": Other("negatives", _lamps, "street lamps", noise=2.5),
    "reel-16-rain": Other("negatives", _rain, "rain"),
    "reel-17-steam-nightfall": Other("reel-02-steam", _dusk, "steam, and the day ends", noise=2.0),
    "reel-18-steam-rain": Other("reel-02-steam", _rain, "steam in the rain"),
    "reel-19-queue-fog": Other("reel-07-bus-queue", _fog, "a bus queue, fog comes and goes"),
}


def base_script(name: str) -> Script:
    """What was filmed, judged by the reel's rules."""
    if name in clip_reel.REEL:
        return clip_reel.segment(name)
    script = clip_cases.SCRIPTS[name]()
    return replace(script, zones=clip_reel.zones(clip_cases.place_of(name)), rules=clip_reel.RULES)


def frames_of(name: str, work: Path) -> Path:
    """The folder of a base's finished pictures below the work folder."""
    return work / name / "act-0" if name in clip_reel.REEL else work / name


def script(name: str) -> Script:
    other = OTHERS[name]
    base = base_script(other.base)
    return replace(base, name=name, about=f"{base.about}; {other.about}")


def world_of(camera: Camera, depth: Floats) -> Floats:
    """Where on Earth every pixel lies: (h, w, 3) metres."""
    columns, rows = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = camera.rays(columns.astype(np.float32), rows.astype(np.float32))
    eye = np.array([camera.x, camera.y, camera.z], np.float32)
    return np.asarray(rays * np.minimum(depth, FAR_M)[..., None] + eye, np.float32)


class Developing:
    """The pictures of one `Other`, from those of its base in `frames`, smaller: (960, 540)."""

    def __init__(self, name: str, frames: Path, plate: Path) -> None:
        self.other, self.script, self.frames = OTHERS[name], script(name), frames
        with np.load(plate) as kept:
            depth = np.minimum(kept["depth"], FAR_M).astype(np.float32)
        self.depth = cv2.resize(depth, SIZE, interpolation=cv2.INTER_NEAREST)
        self.camera = replace(self.script.camera, width=SIZE[0], height=SIZE[1])
        self.world = world_of(self.camera, self.depth)
        count = len(self.script.times)
        some = [self._read(n) for n in range(0, count, max(1, count // 9))]
        self.empty = np.median(some, 0).astype(np.uint8)

    def _read(self, number: int) -> Image:
        image: Any = cv2.imread(str(self.frames / f"{number:04d}.png"))
        return np.asarray(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA), np.uint8)

    def _depth_now(self, image: Image, number: int) -> Floats:
        """The plate's depth, and that of its foot for everything that moves in a box."""
        depth = self.depth.copy()
        changed = cv2.absdiff(image, self.empty).max(-1) > MOVED_LEVELS
        shrink = SIZE[0] / self.script.camera.width
        about = json.loads((self.frames / f"{number:04d}.json").read_text())
        for row in about["boxes"]:
            x0, y0, x1, y1 = (round(v * shrink) for v in row["box"])
            part = np.s_[y0:y1, x0:x1]
            foot = depth[min(y1, SIZE[1]) - 1, min((x0 + x1) // 2, SIZE[0] - 1)]
            depth[part] = np.where(changed[part], np.minimum(depth[part], foot), depth[part])
        return np.asarray(depth)

    def pictures(self) -> Iterator[Image]:
        """The clip's frames with the weather as far as it has come by then, BGR."""
        noise = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
        for number, t in enumerate(self.script.times):
            image = self._read(number)
            view = View(
                LINEAR[image[..., ::-1]],
                self._depth_now(image, number),
                self.world,
                t,
                t / self.script.length_s,
            )
            shown = self.other.treat(view)[..., ::-1]
            steps = np.clip(shown * (len(SHOWN) / MOST_LIGHT), 0, len(SHOWN) - 1).astype(np.int32)
            cv2.setRNGSeed(seeds.number("weather", self.script.name, number) % 2**31)
            spread: tuple[Any, Any] = (0, self.other.noise)  # the stubs know no scalars
            cv2.randn(noise, *spread)
            yield np.clip(SHOWN[steps] + noise, 0, 255).astype(np.uint8)

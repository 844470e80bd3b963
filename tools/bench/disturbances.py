# SPDX-License-Identifier: AGPL-3.0-or-later
"""What disturbs a still street without being anything: one row each, as pictures by their time.

Nothing comes in any of them; a camera that wakes for them pays for nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from edge.values import Image
from tools.bench.live_clips import Arrival, Coding, Street, encoded
from tools.fakes.camera import Clip

SIZE = (640, 360)
Random = np.random.Generator
# (the picture, seconds of the film, random) -> the picture as it is under it.
Disturb = Callable[[Image, float, Random], Image]
# (the street as it is, seconds of the film) -> the street with something in it.
Put = Callable[[Image, float], Image]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """noise: of the sensor, in grey levels. rate: kbit/s kept constant for 640 x 360; 0: constant
    quality."""

    name: str
    disturb: Disturb
    noise: float = 1.6
    rate: int = 0


def _nothing(image: Image, at_s: float, rng: Random) -> Image:
    return image


def _dark(image: Image, at_s: float, rng: Random) -> Image:
    return np.asarray(cv2.convertScaleAbs(image, alpha=0.35), np.uint8)


def _rain(image: Image, at_s: float, rng: Random) -> Image:
    """Streaks, of which more and fewer fall over half a minute."""
    many = round(image.shape[1] / 640 * 160 * (1.0 + 0.5 * math.sin(at_s / 5.0)))
    wet = image.copy()
    for x, y in rng.integers(0, image.shape[1::-1], (many, 2)).tolist():
        cv2.line(wet, (x, y), (x + 1, y + image.shape[0] // 25), (205, 205, 205), 1)
    return np.asarray(cv2.addWeighted(image, 0.55, wet, 0.45, 0), np.uint8)


def _headlights(image: Image, at_s: float, rng: Random) -> Image:
    """At night, the light of cars that pass out of the picture sweeps over it, each 7 to 25 s."""
    dark = _dark(image, at_s, rng)
    part = at_s % 173.0
    starts = np.cumsum([7, 16, 9, 25, 12, 8, 21, 14, 10, 19, 24])
    for start in starts.tolist():
        if start <= part < start + 2.5:
            return _lit(dark, (part - start) / 2.5)
    return dark


def _lit(dark: Image, way: float) -> Image:
    height, width = dark.shape[:2]
    light = np.zeros((height // 4, width // 4), np.float32)
    centre = (round((1.3 * way - 0.15) * width / 4), height // 7)
    cv2.ellipse(light, centre, (width // 28, height // 12), 0, 0, 360, 1.0, -1)
    wide = cv2.resize(cv2.GaussianBlur(light, (0, 0), width / 45), (width, height))
    return np.clip(dark * (1.0 + 2.2 * wide[..., None]), 0, 255).astype(np.uint8)


def _flicker(image: Image, at_s: float, rng: Random) -> Image:
    """Rolling bands of lamps on alternating current, 12 % deep."""
    rows = np.arange(image.shape[0]) / image.shape[0] * 1.7
    gain = 1.0 + 0.12 * np.sin(2.0 * np.pi * (rows + 0.37 * at_s * 25.0))
    return np.clip(image * gain[:, None, None], 0, 255).astype(np.uint8)


def _sign(image: Image, at_s: float, rng: Random) -> Image:
    """A lit sign that blinks in an uneven beat."""
    if math.sin(2.1 * at_s) + math.sin(3.3 * at_s) > 0.0:
        height, width = image.shape[:2]
        box = (width // 2, height // 6), (width // 2 + width // 10, height // 6 + height // 14)
        cv2.rectangle(image, *box, (60, 60, 235), -1)
    return image


def _trees(image: Image, at_s: float, rng: Random) -> Image:
    """Two crowns in a wind that freshens and drops."""
    height, width = image.shape[:2]
    gust = 0.5 + 0.5 * math.sin(at_s / 7.0) * math.sin(at_s / 3.1)
    for index in range(36):
        x, y = width // 20 + index % 12 * width // 60, height // 12 + index // 12 * height // 18
        x += width * 7 // 10 if index % 2 else 0
        bend = gust * width / 90 * math.sin(at_s * (2.0 + index % 5 * 0.4) + index)
        tip = round(x + bend), y
        cv2.line(image, (x, y + height // 9), tip, (30, 80 + 3 * index, 35), max(2, width // 200))
    return image


def _exposure(image: Image, at_s: float, rng: Random) -> Image:
    """The camera sets its exposure anew each 11 s."""
    return np.asarray(cv2.convertScaleAbs(image, alpha=1.12 if at_s % 22.0 < 11.0 else 0.9))


def _clouds(image: Image, at_s: float, rng: Random) -> Image:
    """Shadows that wander over the street."""
    columns = np.arange(image.shape[1]) / image.shape[1]
    gain = 0.85 + 0.15 * np.tanh(4.0 * np.sin(2.0 * np.pi * (columns * 0.8 - at_s / 40.0)))
    return np.clip(image * gain[None, :, None], 0, 255).astype(np.uint8)


def _clock(image: Image, at_s: float, rng: Random) -> Image:
    """The camera writes date and time into its picture."""
    whole = int(at_s) + 3590
    text = f"2026-11-28 {whole // 3600 + 10:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    scale = image.shape[1] / 900
    cv2.putText(image, text, (8, round(34 * scale)), 0, scale, (255, 255, 255), 2)
    return image


def _pole(image: Image, at_s: float, rng: Random) -> Image:
    """The pole sways by a third of a pixel of 640."""
    dx = image.shape[1] / 640 * 0.33 * math.sin(at_s * 4.1) * math.sin(at_s / 6.0)
    move = np.array([[1.0, 0.0, dx], [0.0, 1.0, dx / 3.0]])
    size = image.shape[1], image.shape[0]
    return np.asarray(cv2.warpAffine(image, move, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


DISTURBANCES = {
    row.name: row
    for row in (
        Disturbance("nothing", _nothing),
        Disturbance("noise of a night", _dark, noise=6.0),
        Disturbance("rain", _rain),
        Disturbance("headlights", _headlights, noise=3.0),
        Disturbance("flicker", _flicker),
        Disturbance("blinking sign", _sign),
        Disturbance("compression pumping", _nothing, noise=4.0, rate=350),
        Disturbance("swaying trees", _trees),
        Disturbance("exposure steps", _exposure),
        Disturbance("cloud shadows", _clouds),
        Disturbance("clock in the picture", _clock),
        Disturbance("swaying pole", _pole),
    )
}


# How much quicker or slower than the first film another one may run, and how much later begin.
PACES, LATER_S = (0.75, 1.35), 400.0


def pictures(
    name: str,
    seconds: float,
    fps: float,
    arrivals: tuple[Arrival, ...] = (),
    size: tuple[int, int] = SIZE,
    seed: int = 0,
    put: Put | None = None,
) -> Iterator[Image]:
    """The street under this disturbance, picture by picture. seed: another film of the same: it
    begins elsewhere, runs at another pace, and its noise is another. put: what else is there."""
    row, rng = DISTURBANCES[name], np.random.default_rng(5 + seed)
    pace, later_s = (rng.uniform(*PACES), rng.uniform(0.0, LATER_S)) if seed else (1.0, 0.0)
    street = Street(size, arrivals, noise=0.0)
    grain = Street(size, noise=row.noise, seed=seed)
    for number in range(round(seconds * fps)):
        at_s = number / fps
        image = street.picture(at_s)
        image = put(image, at_s) if put else image
        yield grain.noisy(row.disturb(image, later_s + pace * at_s, rng))


def disturbed_clip(
    name: str,
    seconds: float,
    coding: Coding,
    arrivals: tuple[Arrival, ...] = (),
    size: tuple[int, int] = SIZE,
    seed: int = 0,
    put: Put | None = None,
) -> Clip:
    """The same as a camera encodes it."""
    from dataclasses import replace

    area = size[0] * size[1] / (SIZE[0] * SIZE[1])
    coding = replace(coding, rate=coding.rate or round(DISTURBANCES[name].rate * area))
    made = pictures(name, seconds, coding.fps, arrivals, size, seed, put)
    units, shown = encoded(made, size, coding)
    return Clip(coding.codec, *size, coding.fps, tuple(units), tuple(shown))

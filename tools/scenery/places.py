# SPDX-License-Identifier: AGPL-3.0-or-later
"""Drawn places in two looks, in all weathers: bin, laundry, board, umbrella, heap.

Flat drawings with light, shadow, air and a camera (`develop`), made in milliseconds, for the rule
kind `state`: a look can be asked for by the thousand. Not ray-traced and no photographs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edge.values import Box, Image
from tools.scenery.develop import Look, balanced, draw_look, picture
from tools.scenery.shapes import Floats

SIZE = (480, 270)
WEATHERS = ("sun", "overcast", "rain", "fog", "dusk", "night", "snow")
# Where the place is, as fractions of the picture.
PLACE: Box = (0.36, 0.34, 0.66, 0.86)
Rng = np.random.Generator
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class View:
    """How a place is seen once. covered: share of it behind something; by: what that is, one of
    FRONTS; moved: the camera looks elsewhere."""

    weather: str
    covered: float = 0.0
    moved: bool = False
    by: str = "block"


def _colour(rng: Rng, low: float = 0.05, high: float = 0.8) -> Colour:
    b, g, r = rng.uniform(low, high, 3)
    return float(b), float(g), float(r)


def _point(rng: Rng, top: int, bottom: int) -> tuple[int, int]:
    """A pixel between two rows."""
    return int(rng.integers(0, SIZE[0])), int(rng.integers(top, bottom))


@lru_cache(maxsize=8)
def _street(seed: int) -> Floats:
    """Wall, pavement and kerb of one place; the same for the same seed."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    image = np.empty((height, width, 3), np.float32)
    horizon = round(0.55 * height)
    image[:horizon], image[horizon:] = _colour(rng, 0.3, 0.6), _colour(rng, 0.2, 0.4)
    for _ in range(14):
        x, y = _point(rng, 0, horizon)
        w, h = int(rng.integers(15, 70)), int(rng.integers(12, 50))
        cv2.rectangle(image, (x, y), (x + w, y + h), _colour(rng), -1 if rng.random() < 0.6 else 2)
    for n in range(9):
        x = round((n / 8 - 0.5) * 3 * width + width / 2)
        cv2.line(image, (width // 2 + (x - width // 2) // 4, horizon), (x, height), (0.15,) * 3, 1)
    for _ in range(40):
        cv2.circle(
            image, _point(rng, horizon, height), int(rng.integers(1, 4)), _colour(rng, 0.1, 0.5), -1
        )
    grain = rng.normal(0, 0.03, image.shape[:2])
    return np.clip(image + cv2.GaussianBlur(grain, (0, 0), 0.8)[..., None], 0.02, 1).astype(
        np.float32
    )


def _at(x: float, y: float) -> tuple[int, int]:
    """A point of the place, 0..1, in pixels."""
    x1, y1, x2, y2 = PLACE
    return round((x1 + x * (x2 - x1)) * SIZE[0]), round((y1 + y * (y2 - y1)) * SIZE[1])


def _box(image: Floats, corners: tuple[float, float, float, float], colour: Colour) -> None:
    cv2.rectangle(image, _at(corners[0], corners[1]), _at(corners[2], corners[3]), colour, -1)


def _times(colour: Colour, by: float) -> Colour:
    b, g, r = colour
    return by * b, by * g, by * r


def bin_(image: Floats, place: Rng, now: Rng, wrong: bool) -> None:
    """A bin with its lid; overflowing: bags over the brim and beside it."""
    colour = _colour(place, 0.1, 0.5)
    _box(image, (0.28, 0.35, 0.72, 0.95), colour)
    _box(image, (0.33, 0.5, 0.67, 0.6), _times(colour, 1.5))
    if not wrong:
        _box(image, (0.24, 0.28, 0.76, 0.37), _times(colour, 0.6))
        return
    for _ in range(int(now.integers(5, 10))):
        at = _at(float(now.uniform(0.25, 0.75)), float(now.uniform(0.12, 0.36)))
        _bag(image, at, now)
    for _ in range(int(now.integers(2, 6))):
        _bag(image, _at(float(now.choice([0.12, 0.2, 0.8, 0.88])), 0.9), now)


def _bag(image: Floats, at: tuple[int, int], now: Rng) -> None:
    size = (int(now.integers(7, 15)), int(now.integers(6, 12)))
    cv2.ellipse(image, at, size, float(now.uniform(-40, 40)), 0, 360, _colour(now, 0.02, 0.9), -1)


def line(image: Floats, place: Rng, now: Rng, wrong: bool) -> None:
    """A railing; wrong: clothes hang on it."""
    for n in range(11):
        x = n / 10
        cv2.line(image, _at(x, 0.3), _at(x, 0.95), (0.12, 0.12, 0.12), 2)
    cv2.line(image, _at(0, 0.3), _at(1, 0.3), (0.1, 0.1, 0.1), 3)
    x = 0.03
    while wrong and x < 0.92:
        w = float(now.uniform(0.1, 0.24))
        if now.random() < 0.85:
            _box(image, (x, 0.3, min(1, x + w), float(now.uniform(0.55, 0.85))), _colour(now))
        x += w + float(now.uniform(0.01, 0.06))


def board(image: Floats, place: Rng, now: Rng, wrong: bool) -> None:
    """A free stretch of pavement; wrong: a board with letters stands on it."""
    if not wrong:
        return
    x = float(now.uniform(0.2, 0.4))
    _box(image, (x, 0.15, x + 0.42, 0.92), _colour(now, 0.3, 0.9))
    for n in range(4):
        y = 0.25 + 0.14 * n
        _box(image, (x + 0.06, y, x + float(now.uniform(0.2, 0.36)), y + 0.06), _colour(now))


def umbrella(image: Floats, place: Rng, now: Rng, wrong: bool) -> None:
    """A shop front; wrong: a sunshade is open before it."""
    _box(image, (0.1, 0.2, 0.9, 0.9), _colour(place, 0.1, 0.4))
    _box(image, (0.2, 0.35, 0.8, 0.9), _colour(place, 0.3, 0.7))
    if not wrong:
        return
    middle, colour = float(now.uniform(0.4, 0.6)), _colour(place, 0.3, 0.9)
    cv2.line(image, _at(middle, 0.25), _at(middle, 0.95), (0.2, 0.2, 0.2), 3)
    points = [_at(middle - 0.42, 0.42), _at(middle, 0.1), _at(middle + 0.42, 0.42)]
    cv2.fillPoly(image, [np.array(points, np.int32)], colour)


def heap(image: Floats, place: Rng, now: Rng, wrong: bool) -> None:
    """A stretch of wall foot; wrong: crates and planks are piled there."""
    for _ in range(int(now.integers(6, 14)) if wrong else 0):
        x, y = float(now.uniform(0.05, 0.7)), float(now.uniform(0.45, 0.8))
        _box(image, (x, y, x + float(now.uniform(0.12, 0.3)), 0.95), _colour(now, 0.1, 0.7))


THINGS: dict[str, Callable[[Floats, Rng, Rng, bool], None]] = {
    "bin": bin_,
    "line": line,
    "board": board,
    "umbrella": umbrella,
    "heap": heap,
}


def pole(image: Floats, place: Rng, now: Rng, wrong: bool) -> None:
    """A switch box on a post; wrong: bills are pasted on it."""
    colour = _colour(place, 0.2, 0.6)
    _box(image, (0.44, 0.0, 0.56, 1.0), _times(colour, 0.7))
    _box(image, (0.2, 0.25, 0.8, 0.85), colour)
    cv2.line(image, _at(0.5, 0.25), _at(0.5, 0.85), _times(colour, 0.5), 1)
    for _ in range(int(now.integers(3, 8)) if wrong else 0):
        x, y = float(now.uniform(0.22, 0.6)), float(now.uniform(0.27, 0.65))
        _box(image, (x, y, x + 0.17, y + 0.17), _colour(now, 0.5, 0.95))
        _box(image, (x + 0.03, y + 0.04, x + 0.13, y + 0.07), _colour(now, 0.0, 0.3))


def front(image: Floats, place: Rng, now: Rng, wrong: bool) -> None:
    """A shutter and the step before it; wrong: racks and baskets stand out on the step."""
    colour = _colour(place, 0.2, 0.6)
    _box(image, (0.05, 0.1, 0.95, 0.6), colour)
    for n in range(8):
        y = 0.12 + 0.06 * n
        cv2.line(image, _at(0.05, y), _at(0.95, y), _times(colour, 0.75), 1)
    _box(image, (0.0, 0.6, 1.0, 0.66), _times(colour, 0.4))
    for _ in range(int(now.integers(3, 7)) if wrong else 0):
        x, y = float(now.uniform(0.02, 0.7)), float(now.uniform(0.5, 0.75))
        _box(image, (x, y, x + 0.24, y + 0.2), _colour(now, 0.1, 0.8))
        for k in range(4):
            at = _at(x + 0.04 + 0.05 * k, y + 0.03)
            cv2.circle(image, at, 4, _colour(now, 0.1, 0.9), -1)


# Places on which nothing was tuned.
OTHERS: dict[str, Callable[[Floats, Rng, Rng, bool], None]] = {"pole": pole, "front": front}


def _lit(image: Floats, weather: str, rng: Rng) -> Floats:
    """Light of the sky, of the sun with the shadow of a house, of a lamp."""
    height, width = image.shape[:2]
    levels = {"sun": 1.1, "overcast": 0.75, "rain": 0.55, "fog": 0.7, "dusk": 0.3, "snow": 0.9}
    light = np.full((height, width, 3), levels.get(weather, 0.1), np.float32)
    light *= rng.uniform(0.8, 1.2)
    if weather == "sun":
        angle, off = rng.uniform(-0.6, 0.6), rng.uniform(-0.3, 0.5) * width
        y, x = np.mgrid[:height, :width]
        dark = 1 / (1 + np.exp(-((x - width / 2) * np.cos(angle) + y * np.sin(angle) - off) / 3))
        light *= (1 - rng.uniform(0.4, 0.65) * dark)[..., None].astype(np.float32)
        light *= np.array([0.92, 1.0, 1.06], np.float32)
    if weather == "night":
        x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(-0.2, 0.2) * height
        yy, xx = np.mgrid[:height, :width]
        lamp = 0.75 / (1 + (((xx - x) ** 2 + (yy - y) ** 2) / (0.35 * width) ** 2))
        light += (lamp[..., None] * np.array([0.45, 0.8, 1.1])).astype(np.float32)
    return np.asarray(image * light, np.float32)


def _weathered(lit: Floats, weather: str, rng: Rng) -> Floats:
    """Wet and streaks, white and flakes, haze."""
    height, width = lit.shape[:2]
    if weather == "rain":
        lit = lit * 0.85
        layer = np.zeros((height, width), np.float32)
        for _ in range(180):
            x, y = _point(rng, 0, height)
            cv2.line(layer, (x, y), (x + 1, y + int(rng.integers(5, 14))), 0.12, 1)
        lit = lit + layer[..., None]
    if weather == "snow":
        ground = (np.arange(height) > 0.55 * height)[:, None, None]
        lit = np.where(ground, 0.45 * lit + 0.45, lit).astype(np.float32)
        for _ in range(250):
            at = _point(rng, 0, height)
            cv2.circle(lit, at, int(rng.integers(1, 2)), (0.9, 0.9, 0.9), -1)
    if weather == "fog":
        haze = rng.uniform(0.25, 0.55)
        lit = lit * (1 - haze) + 0.6 * haze
    return np.asarray(lit, np.float32)


def _block(image: Floats, low: tuple[int, int], high: tuple[int, int], rng: Rng) -> None:
    """Two halves of one colour each, and spots."""
    cv2.rectangle(image, low, high, _colour(rng, 0.02, 0.8), -1)
    middle = (low[1] + high[1]) // 2
    cv2.rectangle(image, (low[0], middle), high, _colour(rng, 0.02, 0.6), -1)
    for _ in range(6):
        at = (int(rng.integers(low[0], high[0] + 1)), int(rng.integers(low[1], high[1] + 1)))
        cv2.circle(image, at, int(rng.integers(3, 9)), _colour(rng), -1)


def _people(image: Floats, low: tuple[int, int], high: tuple[int, int], rng: Rng) -> None:
    """One person beside another: legs, coat, head, as many as the width takes."""
    height, x = high[1] - low[1], low[0]
    while x < high[0]:
        half = int(height * rng.uniform(0.13, 0.18))
        coat, legs, mid = _colour(rng, 0.02, 0.7), _colour(rng, 0.02, 0.3), x + half
        top = low[1] + int(height * rng.uniform(0.0, 0.08))
        cv2.rectangle(
            image, (mid - half // 2, low[1] + height // 2), (mid + half // 2, high[1]), legs, -1
        )
        cv2.ellipse(image, (mid, top + height * 2 // 5), (half, height // 4), 0, 0, 360, coat, -1)
        cv2.circle(image, (mid, top + height // 10), height // 11, (0.25, 0.35, 0.5), -1)
        x += 2 * half


def _van(image: Floats, low: tuple[int, int], high: tuple[int, int], rng: Rng) -> None:
    """The side of a van: body, windows, a wheel."""
    colour, height = _colour(rng, 0.1, 0.9), high[1] - low[1]
    cv2.rectangle(image, low, (high[0], high[1] - height // 10), colour, -1)
    top, sill = low[1] + height // 8, low[1] + height * 2 // 5
    for x in range(low[0] + 5, high[0] - 12, 42):
        cv2.rectangle(image, (x, top), (min(high[0] - 3, x + 34), sill), (0.08, 0.07, 0.06), -1)
    cv2.circle(image, (low[0] + height // 4, high[1] - height // 9), height // 9, (0.03,) * 3, -1)


Front = Callable[[Floats, tuple[int, int], tuple[int, int], Rng], None]
FRONTS: dict[str, Front] = {"block": _block, "people": _people, "van": _van}


def _put_before(image: Floats, share: float, by: str, rng: Rng) -> None:
    """Someone or something stands before so much of the place, from one side."""
    x1, y1, x2, y2 = PLACE
    width = share * (x2 - x1) * 1.02
    left = x1 if rng.random() < 0.5 else x2 - width
    low = (round((left - 0.02) * SIZE[0]), round((y1 - 0.08) * SIZE[1]))
    high = (round((left + width) * SIZE[0]), round((y2 + 0.06) * SIZE[1]))
    FRONTS[by](image, low, high, rng)


def drawn(
    thing: str, seed: int, wrong: bool, view: View, rng: Rng, light: Rng | None = None
) -> Image:
    """One picture of a place. seed: which place; rng: this moment's things, noise and shake;
    light: of the sky, the air and the camera's settings, where they last longer than a moment."""
    image, light = _street(seed).copy(), light or rng
    if view.moved:
        image = np.roll(image, (int(rng.integers(30, 90)), int(rng.integers(60, 200))), (0, 1))
    {**THINGS, **OTHERS}[thing](image, np.random.default_rng(seed + 1), rng, wrong)
    if view.moved:
        image = np.roll(image, (int(rng.integers(20, 60)), int(rng.integers(40, 120))), (0, 1))
    if view.covered:
        _put_before(image, view.covered, view.by, rng)
    lit = _weathered(_lit(image, view.weather, light), view.weather, light)
    look = draw_look(light, night=view.weather == "night")
    shake = np.array([[1, 0, rng.uniform(-1.5, 1.5)], [0, 1, rng.uniform(-1.5, 1.5)]], np.float32)
    steady = cv2.warpAffine(lit, shake, SIZE, borderMode=cv2.BORDER_REPLICATE)
    return _compressed(_shown(steady, look, rng), look.quality)


def _shown(linear: Floats, look: Look, rng: Rng) -> Image:
    """By the camera's own exposure; our colours are BGR, the camera's light is RGB."""
    return np.asarray(picture(balanced(linear[..., ::-1], 1.0), look, rng), np.uint8)


def _compressed(image: Image, quality: int) -> Image:
    """Through JPEG and back, as a camera sends it."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What comes to a still street, stays, makes a case there and goes again: one row for each kind.

All of it is cut out of the project's own rendered street clip, whose camera is that of
tools.bench.live_clips: a stall and somebody who carries a parcel come from the right and stand on
the empty pavement there; a muck truck drives as it does in the clip and leaves soil on the lane;
the grill at the left begins to smoke.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image
from tools.bench.live_clips import STREET, Arrival

# A stall, and somebody, in the clip; when each is there, and when the same place is empty.
STALL, STALL_S = (0.360, 0.390, 0.500, 0.660), (36.0, 0.0)
PERSON, PERSON_S = (0.325, 0.455, 0.362, 0.640), (32.5, 36.0)
# Where a foot comes to stand (fractions), and how large the thing is there, times its size in the
# clip.
FEET = ((0.86, 0.95, 1.3), (0.84, 0.80, 1.1), (0.91, 0.72, 0.9), (0.85, 0.63, 0.75))
# Coming and going take so long each.
WAY_S = 3.0
# The part of the clip in which the truck drives and leaves soil; then it lies there. When the road
# is empty, when the soil is there first, and where; how far apart the clip's pictures are, and the
# share of the picture from which on it is the truck.
TRUCK_S = (37.0, 48.0)
EMPTY_S, SOIL_S, SOIL, CLIP_STEP_S = 36.0, 44.0, (0.525, 0.505, 0.71, 0.825), 0.5
TRUCK_LEAST = 0.006
SPILLED: Box = (0.574, 0.514, 0.701, 0.740)
ROAD = ((0.16, 1.0), (0.62, 0.16), (0.86, 0.16), (0.72, 1.0))
# Where it smokes, and a share of that part's pictures that are darker than smoke.
SMOKE: Box = (0.0, 0.18, 0.17, 0.70)
CLEAR_PERCENT = 15.0
# Smoke is thick in the pictures above this share of them.
THICK_PERCENT = 70.0
# The whole right side, and what each kind is judged by; dwell times are cut to seconds.
RIGHT = [[0.68, 0.99], [0.80, 0.42], [0.999, 0.50], [0.999, 0.99]]
LANE = [[0.169, 0.999], [0.749, 0.266], [0.831, 0.274], [0.66, 0.971], [0.618, 0.999]]
GRILL = [[0.001, 0.999], [0.004, 0.667], [0.141, 0.5], [0.334, 0.646]]
SHORT = {"dwell_s": 6, "confirm_s": 2, "realarm_s": 20}


@dataclass(frozen=True, slots=True)
class Visit:
    """It comes at `at_s` and is gone `for_s` later; place: which of FEET."""

    at_s: float
    for_s: float
    place: int = 0


@dataclass(frozen=True, slots=True)
class VisitKind:
    """for_s, apart_s: how long one is there, and from one to the next. zone, rule: what judges it.
    key_s: s between key pictures, where what the rule asks lets no camera sleep on fewer.
    passing_s: when trucks pass before the first of them: a camera that judges what passes quickly
    sleeps once it has seen that packet sizes tell of such. first_s: when the first comes."""

    name: str
    draw: Callable[[Image, float, Visit], Image]
    box: Callable[[float, Visit, tuple[int, int]], Box | None]
    zone: dict[str, Any]
    rule: dict[str, Any]
    for_s: float = 16.0
    apart_s: float = 27.0
    key_s: float | None = None
    first_s: float = 60.0
    passing_s: tuple[float, ...] = ()
    category: dict[str, Any] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class CutOut:
    """What was cut out (BGR) and how much of each pixel belongs to it, 0 to 1."""

    image: Image
    alpha: NDArray[np.float32]

    def scaled(self, share: float) -> CutOut:
        height, width = self.alpha.shape
        return self.sized(round(width * share), round(height * share))

    def sized(self, wide: int, tall: int) -> CutOut:
        to = (max(4, wide), max(4, tall))
        image = cv2.resize(self.image, to, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(self.alpha, to, interpolation=cv2.INTER_AREA)
        return CutOut(np.asarray(image, np.uint8), np.asarray(alpha, np.float32))


@lru_cache(maxsize=2)
def clip_pictures(size: tuple[int, int]) -> tuple[list[float], list[Image]]:
    """Every picture of the street clip in this size, and its seconds; each holds until the next."""
    times, images = [], []
    with av.open(str(STREET)) as file:
        for frame in file.decode(video=0):
            image = frame.to_ndarray(format="bgr24")
            images.append(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)))
            times.append(float(frame.time or 0.0))
    return times, images


def clip_at(at_s: float, size: tuple[int, int]) -> Image:
    """The picture of the clip that is shown then."""
    times, images = clip_pictures(size)
    return images[max(0, bisect.bisect_right(times, at_s) - 1)]


@lru_cache(maxsize=64)
def cut(box: Box, at_s: tuple[float, float], size: tuple[int, int], share: float) -> CutOut:
    """What stands in the box at the first of these times and not at the second, at a share of its
    size."""
    rows, columns = _part(box, size)
    there, gone = (clip_at(one, size)[rows, columns] for one in at_s)
    differs = (cv2.absdiff(there, gone).max(axis=2) > 14).astype(np.uint8)
    whole = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, parts, stats, _ = cv2.connectedComponentsWithStats(whole)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    alpha = np.asarray(parts == largest, np.float32)
    return CutOut(np.asarray(there, np.uint8), alpha).scaled(share)


def standing(thing: CutOut, visit: Visit, at_s: float, size: tuple[int, int]) -> tuple[int, int]:
    """Left and top of what comes from the right, stands, and goes back there."""
    x, y, _ = FEET[visit.place % len(FEET)]
    (width, height), (tall, wide) = size, thing.alpha.shape
    since_s, left_s = at_s - visit.at_s, visit.at_s + visit.for_s - at_s
    away = 1.0 - min(1.0, since_s / WAY_S, left_s / WAY_S)
    stands = round(x * width) - wide // 2
    return round(stands + away * (width - stands)), round(y * height) - tall


def pasted(image: Image, thing: CutOut, left: int, top: int) -> Image:
    """The picture with the thing in it, as far as it is in the picture; in place."""
    wide = min(thing.alpha.shape[1], image.shape[1] - left)
    tall = min(thing.alpha.shape[0], image.shape[0] - top)
    if wide > 0 and tall > 0:
        part = image[top : top + tall, left : left + wide]
        alpha = thing.alpha[:tall, :wide, None]
        part[:] = (part * (1.0 - alpha) + thing.image[:tall, :wide] * alpha).astype(np.uint8)
    return image


def size_of(image: Image) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]


def _share(visit: Visit) -> float:
    return FEET[visit.place % len(FEET)][2]


def _stall(visit: Visit, size: tuple[int, int]) -> CutOut:
    return cut(STALL, STALL_S, size, _share(visit))


def _carrier(visit: Visit, size: tuple[int, int]) -> CutOut:
    """Somebody, half as large again, with a parcel before the chest."""
    person = cut(PERSON, PERSON_S, size, 1.5 * _share(visit))
    tall, wide = person.alpha.shape
    image, alpha = person.image.copy(), person.alpha.copy()
    parcel = (slice(round(0.33 * tall), round(0.52 * tall)), slice(0, round(0.6 * wide)))
    image[parcel], alpha[parcel] = (70, 120, 165), 1.0
    return CutOut(image, alpha)


def _comes(made: Callable[[Visit, tuple[int, int]], CutOut]) -> dict[str, Any]:
    """How it is drawn and where it is, of what comes, stands and goes."""

    def draw(image: Image, at_s: float, visit: Visit) -> Image:
        size = size_of(image)
        thing = made(visit, size)
        return pasted(image, thing, *standing(thing, visit, at_s, size))

    def box(at_s: float, visit: Visit, size: tuple[int, int]) -> Box | None:
        thing = made(visit, size)
        left, top = standing(thing, visit, at_s, size)
        (width, height), (tall, wide) = size, thing.alpha.shape
        right, low = min(width, left + wide), min(height, top + tall)
        return (left / width, top / height, right / width, low / height) if right > left else None

    return {"draw": draw, "box": box}


@lru_cache(maxsize=2)
def _road(size: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(size[::-1], np.uint8)
    corners = np.array([[round(x * size[0]), round(y * size[1])] for x, y in ROAD], np.int32)
    return np.asarray(cv2.fillPoly(mask, [corners], 1), bool)


@lru_cache(maxsize=64)
def _truck(at_s: float, size: tuple[int, int]) -> tuple[CutOut, NDArray[np.float64]] | None:
    """The truck on the road in the clip's picture of that time, and its box in pixels."""
    there, ground = clip_at(at_s, size), _ground(at_s, size)
    differs = (cv2.absdiff(there, ground).max(axis=2) > 24) & _road(size)
    whole = cv2.morphologyEx(differs.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(whole)
    largest = max(range(1, count), key=lambda n: int(stats[n][cv2.CC_STAT_AREA]), default=0)
    x, y, wide, tall, area = (int(value) for value in stats[largest])
    if not largest or area < TRUCK_LEAST * size[0] * size[1]:
        return None
    part = slice(y, y + tall), slice(x, x + wide)
    alpha = np.asarray(parts[part] == largest, np.float32)
    return CutOut(there[part], alpha), np.array([x, y, wide, tall], np.float64)


@lru_cache(maxsize=4)
def _ground(at_s: float, size: tuple[int, int]) -> Image:
    """The road of the clip without the truck, with the soil once it lies there."""
    ground = clip_at(EMPTY_S, size).copy()
    if at_s >= SOIL_S:
        rows, columns = _part(SOIL, size)
        ground[rows, columns] = clip_at(TRUCK_S[1], size)[rows, columns]
    return ground


def _spill(image: Image, at_s: float, visit: Visit) -> Image:
    """Between two pictures of the clip, half a second apart, the truck drives on evenly."""
    size = size_of(image)
    shown_s = TRUCK_S[0] + at_s - visit.at_s
    before_s = math.floor(shown_s / CLIP_STEP_S) * CLIP_STEP_S
    road, part = _road(size), (shown_s - before_s) / CLIP_STEP_S
    image[road] = _ground(before_s, size)[road]
    if shown_s >= TRUCK_S[1]:
        return image
    first, second = _truck(before_s, size), _truck(before_s + CLIP_STEP_S, size)
    if first and second:
        x, y, wide, tall = (1.0 - part) * first[1] + part * second[1]
        truck = (second if part > 0.5 else first)[0].sized(round(wide), round(tall))
        pasted(image, truck, round(x), round(y))
    return image


def _spilled(at_s: float, visit: Visit, size: tuple[int, int]) -> Box | None:
    return SPILLED if at_s - visit.at_s >= 7.5 else None


def _smoke(image: Image, at_s: float, visit: Visit) -> Image:
    """The clip's smoke, from one of its pictures to the next within a second and a half."""
    size = size_of(image)
    rows, columns = _part(SMOKE, size)
    images = _smoking(size)
    n = int((at_s - visit.at_s) / 1.5)
    part = (at_s - visit.at_s) / 1.5 - n
    first, second = (images[(n + k) % len(images)] for k in (0, 1))
    image[rows, columns] = cv2.addWeighted(first, 1.0 - part, second, part, 0.0)
    return image


@lru_cache(maxsize=2)
def _smoking(size: tuple[int, int]) -> list[Image]:
    """That part of the pictures in which much smoke hangs, in the order of the clip."""
    rows, columns = _part(SMOKE, size)
    parts = [image[rows, columns] for image in clip_pictures(size)[1]]
    much = [float(cv2.absdiff(part, _clear(size)).mean()) for part in parts]
    least = np.percentile(much, THICK_PERCENT)
    return [part for part, one in zip(parts, much, strict=True) if one >= least]


@lru_cache(maxsize=2)
def _clear(size: tuple[int, int]) -> Image:
    rows, columns = _part(SMOKE, size)
    stack = np.stack([image[rows, columns] for image in clip_pictures(size)[1]])
    return np.asarray(np.percentile(stack, CLEAR_PERCENT, axis=0), np.uint8)


def _without_smoke(image: Image) -> Image:
    rows, columns = _part(SMOKE, size_of(image))
    image[rows, columns] = _clear(size_of(image))
    return image


def _part(box: Box, size: tuple[int, int]) -> tuple[slice, slice]:
    (width, height), (x1, y1, x2, y2) = size, box
    return (
        slice(round(y1 * height), round(y2 * height)),
        slice(round(x1 * width), round(x2 * width)),
    )


def _zone(polygon: list[list[float]], kind: str = "watch", **more: Any) -> dict[str, Any]:
    return {"id": "here", "kind": kind, "polygon": polygon, **more}


STAYS = {
    "id": "somebody-stays",
    "kind": "occupation",
    "zh": "有人停留",
    "en": "somebody stays",
    "classes": ["person"],
    "gap_s": 10,
}
SMOKES = {
    "id": "smoke-rises",
    "kind": "plume",
    "zh": "冒烟",
    "en": "smoke rises",
    "classes": ["smoke"],
    "min_score": 0.3,
    "gap_s": 10,
}
VISITS = {
    row.name: row
    for row in (
        VisitKind(
            "stall",
            **_comes(_stall),
            zone=_zone(RIGHT),
            rule={"category": "street-vendor", **SHORT},
        ),
        VisitKind(
            "carrier",
            **_comes(_carrier),
            zone=_zone(RIGHT),
            rule={"category": STAYS["id"], **SHORT},
            category=STAYS,
        ),
        VisitKind(
            "spill",
            _spill,
            _spilled,
            _zone(LANE, "lane"),
            {"category": "road-spillage", "realarm_s": 5},
            for_s=18.0,
            apart_s=34.0,
            first_s=90.0,
            passing_s=(25.0, 38.0, 51.0, 64.0),
        ),
        VisitKind(
            "smoke",
            _smoke,
            lambda at_s, visit, size: None,
            _zone(GRILL),
            {"category": SMOKES["id"], **SHORT},
            apart_s=28.0,
            key_s=1.0,
            category=SMOKES,
        ),
    )
}


def visits(kind: VisitKind, count: int, seed: int, first_s: float) -> tuple[Visit, ...]:
    """So many, never at the same place between key pictures."""
    jitter = (0.37 * ((n * 7 + 5 * seed) % 13) for n in itertools.count())
    return tuple(
        Visit(first_s + kind.apart_s * n + late_s, kind.for_s, n % len(FEET))
        for n, late_s in zip(range(count), jitter, strict=False)
    )


def visited(kind: VisitKind, those: tuple[Visit, ...]) -> Callable[[Image, float], Image]:
    """Puts those into a picture of the street by its time."""

    def put(image: Image, at_s: float) -> Image:
        image = _without_smoke(image) if kind.name == "smoke" else image
        here = [one for one in those if one.at_s <= at_s < one.at_s + one.for_s]
        for one in here:
            image = kind.draw(image, at_s, one)
        return image

    return put


Comer = Arrival | Visit

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Lays plumes and sprites on real photographs, with exact boxes for what was laid."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from tools.scenery import plumes
from tools.scenery.develop import Look, draw_look, finished, tone, untone
from tools.scenery.labels import Box, extent, large_enough, plume_box
from tools.scenery.photographs import Photo, ground_point
from tools.scenery.plumes import Shine
from tools.scenery.shapes import Floats
from tools.scenery.sprites import Sprite
from tools.scenery.turbulence import Plume

COVERED_SHARE = 0.6  # a box that new things hide by more than this is dropped
LEAST_CONTRAST = 0.07
DUST_COLOURS = (
    (0.86, 0.78, 0.64),
    (0.8, 0.78, 0.74),
    (0.72, 0.55, 0.38),
    (0.9, 0.87, 0.82),
    (0.68, 0.62, 0.52),
)


@dataclass
class Canvas:
    """A photograph being worked on; `boxes` grows and shrinks with what is laid on it."""

    photo: Photo
    linear: Floats
    boxes: list[Box]

    def hide(self, cover: np.ndarray[Any, Any]) -> None:
        """Drops boxes that the cover (h, w bool) hides."""
        kept = []
        for box in self.boxes:
            part = cover[max(0, box.y0) : box.y1, max(0, box.x0) : box.x1]
            if not part.size or part.mean() < COVERED_SHARE:
                kept.append(box)
        self.boxes = kept


def _dust_colour(rng: random.Random) -> tuple[float, float, float]:
    """Joint draw: between two real dust colours, never three independent channels."""
    a, b = rng.sample(DUST_COLOURS, 2)
    k, bright = rng.random(), rng.uniform(0.85, 1.1)
    r, g, bl = ((p + (q - p) * k) * bright for p, q in zip(a, b, strict=True))
    return r, g, bl


def _smoke_colour(rng: random.Random) -> tuple[float, float, float]:
    grey = rng.choice([0.85, 0.8, 0.7, 0.5, 0.25, 0.1]) * rng.uniform(0.9, 1.1)
    return grey * rng.uniform(0.98, 1.04), grey, grey * rng.uniform(0.97, 1.06)


def _size(rng: random.Random, kind: str, metres: float) -> tuple[float, float, float]:
    if kind == "dust":
        return metres, metres * rng.uniform(0.4, 0.8), metres * rng.uniform(0.25, 0.6)
    if kind == "smoke":
        return metres * rng.uniform(0.5, 1.1), metres * 0.5, metres * rng.uniform(0.8, 1.6)
    return metres * rng.uniform(0.6, 1.0), metres * 0.5, metres * rng.uniform(0.6, 1.3)


def random_plume(
    rng: random.Random,
    kind: str,
    photo: Photo,
    *,
    share: float = 0.0,
    foot: tuple[float, float] | None = None,
) -> Plume:
    """A plume whose longest side fills `share` of the picture, its source at pixel `foot`."""
    width, height = photo.size
    u, v = foot or (rng.uniform(0.1, 0.9) * width, rng.uniform(0.45, 0.97) * height)
    at = ground_point(photo.camera, u, v, farthest_m=80)
    far = math.dist(at, (photo.camera.x, photo.camera.y, photo.camera.z))
    least, most = {"dust": (0.25, 1.6), "smoke": (0.12, 0.9), "fire": (0.06, 0.5)}[kind]
    share = share or math.exp(rng.uniform(math.log(least), math.log(most)))
    if kind == "fire":
        share = min(share, 0.5)
    metres = share * width / photo.camera.focal_px * far
    size = _size(rng, kind, metres)
    wind = rng.choice([0, math.pi]) + rng.gauss(0, 0.6)
    if photo.camera.pitch < -55:
        wind = rng.uniform(0, 2 * math.pi)
        size = (size[0], size[1], min(size[2], 0.35 * metres, 0.4 * photo.camera.z))
    c, s, back = math.cos(wind), math.sin(wind), 0.12 * size[0]
    low, middle = {"dust": (0.6, 1.6), "smoke": (0.6, 1.5), "fire": (2.6, 4.5)}[kind]
    colour = _dust_colour(rng) if kind == "dust" else _smoke_colour(rng)
    return Plume(
        kind,
        (at[0] - back * c, at[1] - back * s, 0.0),
        size,
        wind,
        colour,
        math.exp(rng.uniform(math.log(low), math.log(middle * 2))),
        rng.getrandbits(24),
        rng.uniform(0, 30),
        math.exp(rng.gauss(0, 0.3)),
    )


def lay_plume(canvas: Canvas, plume: Plume, rng: random.Random) -> Box | None:
    """Draws the plume; None (and nothing drawn) where too little of it would be in view."""
    photo = canvas.photo
    high, around = math.radians(rng.uniform(20, 75)), rng.uniform(0, 2 * math.pi)
    to_sun = (math.cos(high) * math.cos(around), math.cos(high) * math.sin(around), math.sin(high))
    shine = Shine(to_sun, tuple(photo.sun.tolist()), tuple(photo.sky.tolist()))
    layer = plumes.draw(plume, photo.camera, shine)
    opacity = layer.opacity * _not_in_front(canvas, rng)
    box = plume_box(opacity, plume.kind)
    if box is None or np.percentile(opacity[opacity > 0.1], 90) < 0.3:
        return None
    light = layer.light * (opacity / np.maximum(layer.opacity, 1e-4))[..., None]
    laid = canvas.linear * (1 - opacity[..., None]) + light
    if _contrast(canvas.linear, laid, opacity > 0.3) < LEAST_CONTRAST:
        return None
    canvas.linear = laid
    if plume.kind == "fire":
        canvas.linear = canvas.linear + _glow(layer.light, canvas.linear)
    canvas.hide(opacity > 0.8)
    canvas.boxes.append(box)
    return box


def _contrast(before: Floats, after: Floats, where: np.ndarray[Any, Any]) -> float:
    """Mean change of what is shown, 0..1: dust before bare soil of its colour is no example."""
    if not where.any():
        return 0.0
    return float(np.abs(tone(after[where]) - tone(before[where])).mean())


def _glow(flames: Floats, around: Floats) -> Floats:
    """Light that the flames throw on what is near them."""
    spread = max(around.shape[:2]) * 0.06
    small = cv2.resize(flames, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), spread / 4)
    soft = cv2.resize(soft, (around.shape[1], around.shape[0]))
    return soft * (0.05 + 0.5 * np.clip(around, 0, 1))


def _not_in_front(canvas: Canvas, rng: random.Random) -> Floats:
    """0 where a vehicle or a person of the photograph stands before the plume, else 1."""
    height, width = canvas.linear.shape[:2]
    mask = np.ones((height, width), np.float32)
    image = (tone(canvas.linear)[..., ::-1] * 255).astype(np.uint8)
    for box in canvas.boxes:
        solid = box.label in ("muck_truck", "person", "excavator", "vendor_stall")
        if solid and box.area > 900 and rng.random() < 0.4:
            mask = np.minimum(mask, 1 - _outline(image, box))
    return cv2.GaussianBlur(mask, (0, 0), 1.2)


def _outline(image: np.ndarray[Any, Any], box: Box) -> Floats:
    """The thing inside a box by GrabCut, 1 on it."""
    height, width = image.shape[:2]
    pad = 12
    x0, y0 = max(0, box.x0 - pad), max(0, box.y0 - pad)
    x1, y1 = min(width, box.x1 + pad), min(height, box.y1 + pad)
    part = np.ascontiguousarray(image[y0:y1, x0:x1])
    inner = (
        box.x0 - x0,
        box.y0 - y0,
        min(box.x1, width) - max(box.x0, 0),
        min(box.y1, height) - max(box.y0, 0),
    )
    out = np.zeros((height, width), np.float32)
    if min(inner[2:]) < 8 or inner[2] >= part.shape[1] - 1 or inner[3] >= part.shape[0] - 1:
        return out
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.grabCut(part, mask, inner, np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_RECT)
    out[y0:y1, x0:x1] = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    return out


def _fitted(sprite: Sprite, ratio: float, mirror: bool) -> Sprite:
    """Scaled (area averaging when it shrinks) and mirrored."""
    height, width = sprite.rgba.shape[:2]
    size = (max(3, round(width * ratio)), max(3, round(height * ratio)))
    way = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    alpha: Floats = sprite.rgba[..., 3:].astype(np.float32) / 255
    rgb = cv2.resize(sprite.rgba[..., :3].astype(np.float32) * alpha, size, interpolation=way)
    alpha = cv2.resize(alpha, size, interpolation=way)[..., None]
    rgba = np.dstack([rgb / np.maximum(alpha, 1e-3), alpha * 255])
    rgba = np.clip(rgba, 0, 255).astype(np.uint8)
    index = cv2.resize(sprite.index, size, interpolation=cv2.INTER_NEAREST)
    if mirror:
        rgba, index = np.ascontiguousarray(rgba[:, ::-1]), np.ascontiguousarray(index[:, ::-1])
    return replace(sprite, rgba=rgba, index=index)


def solid_extent(sprite: Sprite) -> tuple[int, int, int, int]:
    """Of the things themselves, without the shadow."""
    return extent(sprite.index > 0) or (0, 0, sprite.index.shape[1], sprite.index.shape[0])


def lay_sprite(
    canvas: Canvas,
    sprite: Sprite,
    foot: tuple[float, float],
    *,
    height_px: float,
    rng: random.Random,
) -> list[Box]:
    """Pastes the sprite with the foot of its things at a pixel, so high; gives its boxes."""
    _, y0, _, y1 = solid_extent(sprite)
    sprite = _fitted(sprite, height_px / (y1 - y0), rng.random() < 0.5)
    x0, y0, x1, y1 = solid_extent(sprite)
    left, top = round(foot[0] - (x0 + x1) / 2), round(foot[1] - y1)
    height, width = canvas.linear.shape[:2]
    a, b = max(0, left), max(0, top)
    c, d = min(width, left + sprite.index.shape[1]), min(height, top + sprite.index.shape[0])
    if c - a < 4 or d - b < 4:
        return []
    part = np.s_[b - top : d - top, a - left : c - left]
    rgba, index = sprite.rgba[part].astype(np.float32), sprite.index[part]
    light = _in_its_light(canvas.photo, rgba, index, canvas.linear[b:d, a:c], rng)
    alpha = cv2.GaussianBlur(rgba[..., 3] / 255, (0, 0), 0.6)[..., None]
    canvas.linear[b:d, a:c] = canvas.linear[b:d, a:c] * (1 - alpha) + light * alpha
    cover = np.zeros((height, width), bool)
    cover[b:d, a:c] = index > 0
    canvas.hide(cover)
    boxes = _sprite_boxes(index, sprite, (a, b))
    canvas.boxes += boxes
    return boxes


def _sprite_boxes(index: np.ndarray[Any, Any], sprite: Sprite, at: tuple[int, int]) -> list[Box]:
    boxes = []
    for entity, label in sprite.labels.items():
        mask = index == entity
        corners = extent(mask)
        whole = int((sprite.index == entity).sum())
        if corners and large_enough(corners, int(mask.sum())) and mask.sum() > 0.25 * whole:
            x0, y0, x1, y1 = corners
            boxes.append(Box(label, x0 + at[0], y0 + at[1], x1 + at[0], y1 + at[1]))
    return boxes


def _in_its_light(
    photo: Photo, rgba: Floats, index: np.ndarray[Any, Any], behind: Floats, rng: random.Random
) -> Floats:
    """The sprite's light, drawn part of the way to the brightness and tint of the photograph."""
    light = untone(rgba[..., 2::-1] / 255)
    solid = index > 0
    if not solid.any():
        return light
    own = light[solid].mean(0)
    wanted = 0.5 * behind.reshape(-1, 3).mean(0) + 0.5 * np.median(photo.linear.reshape(-1, 3), 0)
    level = (wanted.mean() / max(float(own.mean()), 1e-3)) ** rng.uniform(0.3, 0.8)
    tint = (wanted / max(float(wanted.mean()), 1e-3)) / np.maximum(own / own.mean(), 0.05)
    tint = np.clip(tint, 0.5, 2.0) ** 0.25
    return np.asarray(light * np.clip(level, 0.2, 3.0) * tint.astype(np.float32))


def with_fog(canvas: Canvas, rng: random.Random) -> None:
    """Even fog: a hard negative for dust, never a box."""
    height = canvas.linear.shape[0]
    rows = np.linspace(1.0, rng.uniform(0.2, 0.8), height, dtype=np.float32)[:, None, None]
    share = rng.uniform(0.15, 0.55) * rows
    canvas.linear = canvas.linear * (1 - share) + (canvas.photo.sky + canvas.photo.sun) * share


def developed(canvas: Canvas, numbers: np.random.Generator) -> tuple[np.ndarray[Any, Any], Look]:
    """BGR uint8 of the finished canvas under one more camera's noise and lens."""
    look = draw_look(numbers)
    light = canvas.linear * (1 + (look.exposure - 1) * 0.35)
    return finished(
        tone(light)[..., ::-1] * 255,
        replace(look, noise=look.noise * 0.6, sharpen=look.sharpen * 0.5, vignette=0.0),
        numbers,
    ), look

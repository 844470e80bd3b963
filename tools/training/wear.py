# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rendered surfaces are too clean, sharp and colourful: change colour, contrast, grain, sharpness;
put something in front."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.values import Image

GRAIN_BLUR = 0.06  # of the long side: coarser than this is light and shade, not grain
GRAIN_RANGE = (0.6, 1.6)
HARMONY = 0.75  # at most this share of the way from the cut-out's own colours to the photograph's
SPREAD_RANGE = (0.5, 1.6)  # of contrast, where the photograph is flat or glaring
SAME_PAINT = 9.0  # apart in a and b of CIELAB, 8 bit
LEAST_GREEN = 12.0  # grey levels of excess green that leaves have and soil has not
CROWN_TRIES = 8
SOFTEST = 3.5  # times fewer pixels along a side than it is shown with


def recoloured(
    image: Image, rng: Generator, *, hue: float, saturation: float = 0.4, value: float = 0.3
) -> Image:
    """image (h, w, 3) BGR uint8 with its hue turned by at most `hue` (1 is the whole circle),
    saturation and value scaled by 1 +- the shares, and a gamma between 0.7 and 1.4."""
    turn, more, lighter = rng.uniform(-1, 1, 3) * [hue, saturation, value] + [0, 1, 1]
    gamma = float(np.exp(rng.uniform(-0.35, 0.35)))
    steps = np.arange(256, dtype=np.float64)
    table = np.stack(
        [
            (steps + turn * 180) % 180,
            np.clip(steps * more, 0, 255),
            np.clip((steps / 255) ** gamma * 255 * lighter, 0, 255),
        ],
        -1,
    ).astype(np.uint8)[None]
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    return np.asarray(cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2BGR))


def grained(image: Image, photograph: Image, rng: Generator) -> Image:
    """image (h, w, 3) with the fine light and dark of a random part of a photograph laid on it."""
    high, wide = image.shape[:2]
    part = _piece(photograph, image.shape[:2], rng)
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY).astype(np.float32)
    coarse = cv2.blur(grey, (max(3, int(GRAIN_BLUR * max(high, wide))) | 1,) * 2)
    grain: NDArray[np.float32] = np.clip((grey + 12) / (coarse + 12), *GRAIN_RANGE)
    strength = rng.uniform(0.2, 1.0)
    return np.clip(image * (grain**strength)[..., None], 0, 255).astype(np.uint8)


def clad(image: Image, solid: NDArray[np.bool_], photograph: Image, rng: Generator) -> Image:
    """image (h, w, 3) with one of its paints replaced by a piece of a photograph under the same
    light: writing, wood, pictures and dirt that nobody modelled."""
    rows, columns = np.nonzero(solid)
    if not len(rows):
        return image
    pick = int(rng.integers(len(rows)))
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB).astype(np.float32)
    ink = lab[rows[pick], columns[pick]]
    near = solid & (np.abs(lab[..., 1:] - ink[1:]).max(2) < SAME_PAINT)
    grey = lab[..., :1] / max(float(lab[near][:, 0].mean()), 20.0)
    piece = _piece(photograph, image.shape[:2], rng).astype(np.float32)
    cover = cv2.blur(near.astype(np.float32), (3, 3))[..., None] * rng.uniform(0.5, 1.0)
    return np.asarray(np.clip(image * (1 - cover) + piece * grey * cover, 0, 255).astype(np.uint8))


def _piece(photograph: Image, shape: tuple[int, ...], rng: Generator) -> Image:
    """A random part of a photograph, stretched to `shape` (h, w)."""
    tall, broad = photograph.shape[:2]
    share = rng.uniform(0.2, 1.0)
    high, wide = max(1, int(tall * share)), max(1, int(broad * share))
    top, left = rng.integers(0, tall - high + 1), rng.integers(0, broad - wide + 1)
    part = photograph[top : top + high, left : left + wide]
    return np.asarray(cv2.resize(part, (shape[1], shape[0])))


def harmonised(image: Image, solid: NDArray[np.bool_], photograph: Image, rng: Generator) -> Image:
    """image (h, w, 3) with mean and contrast of every channel moved part of the way to the
    photograph's (Reinhard and others 2001, Color Transfer between Images, in plain BGR); `solid`
    (h, w) is where the thing itself is."""
    if not solid.any():
        return image
    mine = image[solid].astype(np.float32)
    theirs = photograph[::6, ::6].reshape(-1, 3).astype(np.float32)
    share = rng.uniform(0.1, HARMONY)
    own = mine.mean(0)
    spread = np.clip(theirs.std(0) / np.maximum(mine.std(0), 8.0), *SPREAD_RANGE)
    gain = 1 + share * (spread - 1)
    level = own + share * (theirs.mean(0) - own)
    return np.asarray(np.clip((image - own) * gain + level, 0, 255).astype(np.uint8))


def feathered(alpha: NDArray[np.uint8], rng: Generator) -> NDArray[np.uint8]:
    """alpha (h, w) with its border taken in or smeared by a random amount: the rim of a cut-out
    must not be what gives it away (Dwibedi and others 2017, Cut, Paste and Learn)."""
    eaten = int(rng.integers(0, 3))
    if eaten:
        alpha = np.asarray(cv2.erode(alpha, np.ones((2 * eaten - 1,) * 2, np.uint8)), np.uint8)
    if rng.random() < 0.7:
        alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.5, 2.5)), np.uint8)
    return alpha


def disguised(
    rgba: NDArray[np.uint8], solid: NDArray[np.bool_], photograph: Image, rng: Generator
) -> NDArray[np.uint8]:
    """The outline of a cut-out, standing on its head or lying, filled with a photograph: the same
    rim, and nothing of the thing."""
    quarters = int(rng.integers(1, 4))
    outline = np.ascontiguousarray(np.rot90(solid, quarters)).astype(np.uint8) * 255
    return np.dstack([_piece(photograph, outline.shape, rng), outline]).astype(np.uint8)


def softened(image: Image, rng: Generator) -> Image:
    """image (h, w, c) as if it had been taken with fewer pixels and enlarged."""
    high, wide = image.shape[:2]
    factor = float(np.exp(rng.uniform(0, np.log(SOFTEST))))
    size = max(2, round(wide / factor)), max(2, round(high / factor))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (wide, high), interpolation=cv2.INTER_LINEAR))


def half_hidden(
    canvas: Image, box: tuple[int, int, int, int], photograph: Image, rng: Generator
) -> None:
    """A ragged piece of the photograph (a bush, a wall, whatever it shows) over part of `box`, px
    of `canvas`, which is changed in place."""
    x1, y1, x2, y2 = box
    wide, high = x2 - x1, y2 - y1
    if min(wide, high) < 8:
        return
    across = max(4, int(max(wide, high) * rng.uniform(0.25, 0.6)))
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.6)
    left = int((x1 + x2) / 2 + np.cos(angle) * reach * wide - across / 2)
    top = int((y1 + y2) / 2 + np.sin(angle) * reach * high - across / 2)
    part = canvas[max(top, 0) : top + across, max(left, 0) : left + across]
    if not part.size:
        return
    part[:] = _ragged(part, photograph, rng)


def under_trees(
    canvas: Image, box: tuple[int, int, int, int], photograph: Image, rng: Generator
) -> None:
    """One to three crowns of trees along a long side of `box`, px of `canvas`, as a drone sees a
    kerb; changed in place. The crowns are the greenest of a few pieces of the photograph; where
    nothing of it is green, nothing happens."""
    x1, y1, x2, y2 = box
    wide, high = x2 - x1, y2 - y1
    if min(wide, high) < 8:
        return
    across = max(6, int(min(wide, high) * rng.uniform(0.7, 1.4)))
    crown = _greenest(photograph, across, rng)
    if crown is None:
        return
    side = rng.choice([-1, 1]) * rng.uniform(0.35, 0.75)  # of the short side, off the middle
    for _ in range(int(rng.integers(1, 4))):
        along = rng.uniform(-0.55, 0.55)
        dx, dy = (along, side) if wide >= high else (side, along)
        left = int((x1 + x2) / 2 + dx * wide - across / 2)
        top = int((y1 + y2) / 2 + dy * high - across / 2)
        # A crown may lie wholly off the canvas, beside a long thin box at its edge.
        bottom, right = max(top + across, 0), max(left + across, 0)
        part = canvas[max(top, 0) : bottom, max(left, 0) : right]
        if part.size:
            part[:] = _ragged(part, crown, rng)


def _greenest(photograph: Image, across: int, rng: Generator) -> Image | None:
    """The piece, about `across` px, with the most excess green (2G - R - B, Woebbecke and others
    1995) of several drawn at random."""
    best, most = None, LEAST_GREEN
    for _ in range(CROWN_TRIES):
        high, wide = min(across, photograph.shape[0]), min(across, photograph.shape[1])
        top = int(rng.integers(0, photograph.shape[0] - high + 1))
        left = int(rng.integers(0, photograph.shape[1] - wide + 1))
        piece = photograph[top : top + high, left : left + wide]
        blue, green, red = cv2.mean(piece)[:3]
        if 2 * green - red - blue > most:
            best, most = piece, 2 * green - red - blue
    return best


def _ragged(under: Image, photograph: Image, rng: Generator) -> Image:
    """`under` with a blob of the photograph in its middle, its border frayed."""
    high, wide = under.shape[:2]
    tall, broad = photograph.shape[:2]
    top, left = rng.integers(0, max(1, tall - high)), rng.integers(0, max(1, broad - wide))
    piece = cv2.resize(photograph[top : top + high, left : left + wide], (wide, high))
    y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j]
    fray = cv2.resize(rng.normal(0, 0.25, (6, 6)), (wide, high), interpolation=cv2.INTER_CUBIC)
    cover = np.clip((0.85 - np.hypot(x, y) + fray) * 8, 0, 1)[..., None]
    return np.asarray(under * (1 - cover) + piece * cover, np.uint8)

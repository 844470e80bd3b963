# SPDX-License-Identifier: AGPL-3.0-or-later
"""Real things as cut-outs: there are few of them, on few backgrounds.

From above a thing takes a rim of its own ground along; from the ground its outline is found
(GrabCut, Rother et al. 2004), because what stands behind it is another street.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Image
from tools.training.cutouts import Cutout
from tools.training.shots import Shot

LEAST_TRANSPLANT_PX = 20  # short side; smaller ones are smears
LEAST_OUTLINED_PX = 40
CUT_SIDE_PX = 144  # outlines are found on crops no larger
CUT_ROUNDS = 2
# An outline that fills less or more of its box than this has failed.
OUTLINE_SHARE = (0.35, 0.95)
# Source, class: kind of the cut-out, and what it is: round (an umbrella seen from above), a box
# (a lorry from above), a thing with an outline of its own, or one too small for that (far).
Shape = Literal["round", "box", "outline", "far"]
TRANSPLANTS: dict[tuple[str, str], tuple[str, Shape]] = {
    ("drone_trucks", "muck_truck"): ("real_truck", "box"),
    ("aerial_stalls", "vendor_stall"): ("real_stall", "round"),
    ("traffic_carts", "vendor_stall"): ("real_cart", "outline"),
    ("carts_web", "vendor_stall"): ("real_cart", "outline"),
    ("street_stalls", "vendor_stall"): ("real_market", "outline"),
    ("china_stalls", "vendor_stall"): ("real_market", "outline"),
    ("street_stalls", "grill"): ("real_grill", "outline"),
    ("grills_press", "grill"): ("real_grill", "outline"),
    ("carts_web", "grill"): ("real_grill", "outline"),
    ("site_trucks", "muck_truck"): ("real_lorry", "outline"),
    ("gantry_trucks", "muck_truck"): ("real_lorry", "outline"),
    ("pole_tippers", "muck_truck"): ("real_tipper", "far"),
    ("side_excavators", "excavator"): ("real_digger", "outline"),
    ("street_bins", "overflowing_bin"): ("real_bin", "outline"),
    ("street_bins", "bin"): ("real_bin", "outline"),
    ("web_bins", "bin"): ("real_orderly_bin", "outline"),
    ("garbage_bags", "garbage"): ("real_bag", "outline"),
    ("refuse_bags", "garbage"): ("real_bag", "outline"),
}
# Kinds that a run has only where it names them: runs of before draw what they drew.
ONLY_NAMED = ("real_orderly_bin", "real_bag")


def transplants(shots: list[Shot], names: tuple[str, ...]) -> Iterator[Cutout]:
    """Every whole box of the table above, large enough to be more than a smear."""
    for shot in shots:
        if shot.item.origin != "real":
            continue
        for box, label in zip(shot.boxes, shot.labels, strict=True):
            wanted = TRANSPLANTS.get((shot.item.source, names[label]))
            if wanted is None or not _whole(box):
                continue
            kind, shape = wanted
            if shape == "outline":
                cutout = _outlined(shot.image, box, names[label], kind)
            else:
                cutout = _transplant(shot.image, box, names[label], kind, shape)
            if cutout is not None and min(cutout.index.shape) >= LEAST_TRANSPLANT_PX:
                yield cutout


def _whole(box: NDArray[np.float32]) -> bool:
    """Not cut by the picture's edge."""
    return bool(box.min() > 0.005 and box.max() < 0.995)


def _transplant(
    image: Image, box: NDArray[np.float32], name: str, kind: str, shape: Shape
) -> Cutout:
    """The thing with a feathered border of its own ground."""
    size = np.array([image.shape[1], image.shape[0]] * 2)
    x1, y1, x2, y2 = (box * size).astype(int)
    margin = max(2, round(0.08 * max(x2 - x1, y2 - y1)))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    part = image[top : y2 + margin, left : x2 + margin]
    index = np.zeros(part.shape[:2], np.uint8)
    if shape == "round":
        middle = ((x1 + x2) // 2 - left, (y1 + y2) // 2 - top)
        cv2.ellipse(index, middle, ((x2 - x1) // 2, (y2 - y1) // 2), 0, 0, 360, 1, -1)
    else:
        index[y1 - top : y2 - top, x1 - left : x2 - left] = 1
    alpha = cv2.blur((index * 255), (2 * margin // 2 + 1,) * 2)[..., None]
    view = "eye" if shape == "far" else "drone"
    return Cutout(np.concatenate([part, alpha], 2), index, {1: name}, kind, view)


def _outlined(image: Image, box: NDArray[np.float32], name: str, kind: str) -> Cutout | None:
    """The thing along its outline, its box the label; None where none was found."""
    size = np.array([image.shape[1], image.shape[0]] * 2)
    x1, y1, x2, y2 = (box * size).astype(int)
    if min(x2 - x1, y2 - y1) < LEAST_OUTLINED_PX:
        return None
    margin = max(4, round(0.12 * max(x2 - x1, y2 - y1)))
    left, top = max(0, x1 - margin), max(0, y1 - margin)
    part = image[top : y2 + margin, left : x2 + margin]
    mask = _grabbed(part, (x1 - left, y1 - top, x2 - x1, y2 - y1))
    low, high = OUTLINE_SHARE
    if not low <= mask.sum() / ((x2 - x1) * (y2 - y1)) <= high:
        return None
    alpha = cv2.GaussianBlur(mask * 255, (0, 0), max(0.8, 0.006 * max(mask.shape)))[..., None]
    return Cutout(np.concatenate([part, alpha], 2), mask, {1: name}, kind, "eye")


def _grabbed(part: Image, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """1 where the thing is: found on a small copy, holes closed, its largest piece."""
    scale = min(1.0, CUT_SIDE_PX / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rectangle = [max(1, round(side * scale)) for side in box]
    mask = np.zeros(small.shape[:2], np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    try:
        cv2.grabCut(small, mask, rectangle, *models, CUT_ROUNDS, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # a crop all of one colour has no two mixtures
        return np.zeros(part.shape[:2], np.uint8)
    found = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    whole = cv2.morphologyEx(found, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(whole)
    if count < 2:
        return np.zeros(part.shape[:2], np.uint8)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    one = (pieces == largest).astype(np.uint8)
    return np.asarray(cv2.resize(one, part.shape[1::-1], interpolation=cv2.INTER_NEAREST))

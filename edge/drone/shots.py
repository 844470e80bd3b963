# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pictures of a finding: overview with ticks and inset, close-up, north-up patch of ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.drone.earth import Local
from edge.drone.georef import GroundView
from edge.drone.mosaic import patch
from edge.evidence.pictures import crop, with_ticks
from edge.runtime import write_atomic
from edge.values import Box, Image

PAGE_WIDTH = 1280
INSET_SHARE = 0.3
INSET_MAGNIFY = 3.0
PATCH_PX = 360


def save_overview(folder: Path, name: str, image: Image, box: Box | None) -> dict[str, str]:
    """Write a look: the picture with its box ticked and shown again as an inset, and a close-up."""
    folder.mkdir(parents=True, exist_ok=True)
    if box is None:
        return {"overview": _write(folder / f"{name}.jpg", _narrow(image, PAGE_WIDTH))}
    shown = with_inset(with_ticks(image, box), image, box)
    close = crop(image, box, margin=1.0, least_px=240)
    return {
        "overview": _write(folder / f"{name}.jpg", _narrow(shown, PAGE_WIDTH)),
        "close": _write(folder / f"{name}-close.jpg", close),
    }


def save_patch(
    folder: Path,
    name: str,
    image: Image,
    view: GroundView,
    plane: Local,
    place: tuple[float, float],
) -> str:
    """30 x 30 m of ground, north up, so that two flights can be laid beside each other."""
    folder.mkdir(parents=True, exist_ok=True)
    square = cv2.resize(
        patch(image, view, plane, place), (PATCH_PX, PATCH_PX), interpolation=cv2.INTER_AREA
    )
    return _write(folder / f"{name}-patch.jpg", np.asarray(square, np.uint8))


def with_inset(ticked: Image, image: Image, box: Box) -> Image:
    """The box again, about three times as large, in the corner furthest from it."""
    height, width = image.shape[:2]
    side = round(INSET_SHARE * height)
    close = crop(image, box, margin=0.6, least_px=max(24, round(side / INSET_MAGNIFY)))
    scale = min(side / close.shape[0], side / close.shape[1])
    size = (max(1, round(close.shape[1] * scale)), max(1, round(close.shape[0] * scale)))
    inset: Any = cv2.resize(close, size, interpolation=cv2.INTER_CUBIC)
    edge = max(2, round(height / 270))
    inset = cv2.copyMakeBorder(inset, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=(255,) * 3)
    out = ticked.copy()
    left = (box[0] + box[2]) / 2 > 0.5
    top = (box[1] + box[3]) / 2 > 0.5
    h, w = inset.shape[:2]
    y, x = (
        (edge * 3 if top else height - h - edge * 3),
        (edge * 3 if left else width - w - edge * 3),
    )
    if y < 0 or x < 0:
        return out
    out[y : y + h, x : x + w] = inset
    return out


def _narrow(image: Image, width: int) -> Image:
    if image.shape[1] <= width:
        return image
    size = (width, round(image.shape[0] * width / image.shape[1]))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write(path: Path, image: Image) -> str:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done, "a BGR picture can always be a JPEG"
    write_atomic(path, data.tobytes(), durable=False)
    return path.name

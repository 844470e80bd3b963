# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page's icons, drawn by us: a camera on a pole above a street with a watched place.

tools/python -m tools.documents.icons      writes edge/console/static/icon-*.png
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

STATIC = Path(__file__).parents[2] / "edge/console/static"
SIZES = (192, 512)
# Drawn large and made smaller, so that edges are smooth. Coordinates are thousandths.
LARGE = 2048
BLUE, WHITE, AMBER = (138, 92, 11), (255, 255, 255), (66, 192, 242)


def draw() -> np.ndarray[Any, Any]:
    """The icon as BGR; all of it within the inner 80 %, which every launcher's mask leaves."""
    image = np.full((LARGE, LARGE, 3), BLUE, np.uint8)

    def shape(color: tuple[int, int, int], *corners: tuple[int, int]) -> None:
        points = np.array(corners, np.float64) * LARGE / 1000
        cv2.fillPoly(image, [points.astype(np.int32)], color, cv2.LINE_AA)

    shape(WHITE, (250, 190), (300, 190), (300, 800), (250, 800))
    shape(WHITE, (170, 800), (380, 800), (380, 850), (170, 850))
    shape(WHITE, (300, 250), (420, 290), (420, 335), (300, 295))
    shape(WHITE, (415, 210), (720, 320), (675, 445), (370, 335))
    shape(BLUE, (640, 335), (690, 353), (668, 415), (618, 397))
    shape(AMBER, (480, 640), (830, 640), (880, 800), (420, 800))
    shape(BLUE, (512, 672), (798, 672), (828, 768), (474, 768))
    return image


def main() -> int:
    """Writes one PNG for each size."""
    large = draw()
    for size in SIZES:
        small = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(STATIC / f"icon-{size}.png"), small, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

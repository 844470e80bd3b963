# SPDX-License-Identifier: AGPL-3.0-or-later
"""Bare soil, net cover and growth by colour: the stated index of the bare-soil finding. Pure.

Of each ground cell the mean colour, as chromaticities r, g, b (sum 1) and HSV (OpenCV: hue 0..180):

    growth       excess green 2g - r - b > 0.06 and hue below 58 (leaves are yellowish green)
    green net    excess green > 0.04 and hue 58..100 (dust nets are bluish green)
    bare soil    r >= g >= b, redness r - b > 0.06, excess green <= 0.06, not darker than 45 of 255
    other        the rest: concrete, asphalt, roofs, black nets, shadow, water

Excess green is Woebbecke et al. (Trans. ASAE 38, 1995). Black nets fall under "other", so they
never count as bare. The limits are set for daylight pictures without colour cast; wet soil is
darker and redder and still found, red roofs and orange machines are found too: the finding is a
share of the site's polygon for a reviewer, with its picture, not a measurement.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

OTHER, SOIL, NET, GROWTH = 0, 1, 2, 3
GROWTH_EXCESS, NET_EXCESS = 0.06, 0.04
NET_HUE = (58, 100)
SOIL_REDNESS, SOIL_DARKEST = 0.06, 45.0

INDEX_TEXT = "r>=g>=b, r-b>0.06, 2g-r-b<=0.06, V>=45 (sRGB)"


def classify(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """OTHER, SOIL, NET or GROWTH for each BGR colour: (n, 3) uint8 to (n,) uint8."""
    if len(colours) == 0:
        return np.zeros(0, np.uint8)
    total = np.maximum(colours.astype(np.float32).sum(axis=1), 1.0)
    b, g, r = (colours[:, channel] / total for channel in range(3))
    patch: Any = colours.reshape(1, -1, 3)
    hsv = cv2.cvtColor(patch, cv2.COLOR_BGR2HSV)[0]
    excess, hue, value = 2 * g - r - b, hsv[:, 0], hsv[:, 2]
    bluish = (hue >= NET_HUE[0]) & (hue <= NET_HUE[1])
    kinds = np.full(len(colours), OTHER, np.uint8)
    bare = (r >= g - 0.004) & (g >= b) & (r - b > SOIL_REDNESS) & (excess <= GROWTH_EXCESS)
    kinds[bare & (value >= SOIL_DARKEST)] = SOIL
    kinds[(excess > GROWTH_EXCESS) & (hue < NET_HUE[0])] = GROWTH
    kinds[(excess > NET_EXCESS) & bluish] = NET
    return kinds

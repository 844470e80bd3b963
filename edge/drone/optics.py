# SPDX-License-Identifier: AGPL-3.0-or-later
"""Focal lengths: what a picture's width covers, by camera, zoom or 35 mm equivalent. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edge.config import ConfigError

# Diagonal of the 36 x 24 mm frame: makers' "24 mm" equivalents are made with it (within 3 % on
# the published cameras; focal35 * width / 36 is 3 to 11 % short).
DIAGONAL_35_MM = 43.267


@dataclass(frozen=True, slots=True)
class Lens:
    """A lens: focal length over full picture width, its 35 mm equivalent, where it is from.

    `share` holds for the full-width photo and for video that keeps the width, as most models do.
    """

    name: str
    share: float
    eq_mm: float
    source: str


_OA = "focal length and pixel pitch (Theta-Limited/DroneModels, Apache-2.0)"
CAMERAS = (
    Lens("P4P", 0.686, 24.0, _OA),
    Lens("P4 RTK", 0.686, 24.0, _OA),
    Lens("Mavic 2 Pro", 0.800, 28.0, _OA),
    Lens("Mavic 3", 0.687, 24.0, _OA),
    Lens("M3E", 0.704, 24.0, "calibrated 3719.9 px of 5280 (DJI Terra report)"),
    Lens("M3T", 0.684, 24.0, _OA),
    Lens("M2EA", 0.702, 24.0, _OA),
    Lens("H20T wide", 0.684, 24.0, _OA),
    Lens("Mini 3 Pro", 0.698, 24.0, _OA),
    Lens("Mini 4 Pro", 0.749, 24.0, _OA),
    Lens("M30T", 0.694, 24.0, "specification, 84° diagonal; verify once"),
    Lens("M4T", 0.719, 24.0, "specification, 82° diagonal; verify once"),
    Lens("M3T thermal", 1.18, 40.0, "35 mm equivalent over the diagonal"),
    Lens("H20T thermal", 1.72, 58.0, "35 mm equivalent over the diagonal"),
    Lens("M4T thermal", 1.55, 53.0, "35 mm equivalent over the diagonal"),
)
_BY_NAME: Mapping[str, Lens] = {re.sub(r"\W", "", c.name).lower(): c for c in CAMERAS}


@dataclass(frozen=True, slots=True)
class Focal:
    """Focal length in pixels of the picture as it is, and by what it is known."""

    px: float
    by: str
    sigma_share: float = 0.02


def camera(name: str) -> Lens:
    """A camera of the table. Raises ConfigError naming the known ones."""
    found = _BY_NAME.get(re.sub(r"\W", "", name).lower())
    if found is None:
        known = ", ".join(c.name for c in CAMERAS)
        raise ConfigError(f"--camera = {name!r}: not in the table; known: {known}; or give --hfov")
    return found


def focal(
    width: int,
    height: int,
    *,
    hfov_deg: float | None = None,
    lens: Lens | None = None,
    focal35_mm: float | None = None,
    zoom: float | None = None,
    measured_hfov_deg: float | None = None,
) -> Focal | None:
    """Focal length of a picture of this size; None where nothing is known of it.

    In order: the angle a person gave (of the picture's width, without zoom), the angle the
    recorder measured (with its zoom), the camera's row of the table unless the recorder names
    another lens, the 35 mm equivalent. `zoom` is the digital one. A portrait picture is the same
    lens on its side: table and equivalents are of the long side.
    """
    times = zoom or 1.0
    if hfov_deg is not None:
        return Focal(width / 2.0 / math.tan(math.radians(hfov_deg) / 2.0) * times, "given angle")
    if measured_hfov_deg:
        return Focal(
            width / 2.0 / math.tan(math.radians(measured_hfov_deg) / 2.0), "measured angle", 0.01
        )
    long, short = max(width, height), min(width, height)
    if lens is not None and (focal35_mm is None or abs(focal35_mm / lens.eq_mm - 1.0) < 0.1):
        return Focal(lens.share * long * times, f"camera table: {lens.name}")
    if focal35_mm:
        return Focal(
            focal35_mm * _diagonal(long, short) / DIAGONAL_35_MM * times,
            f"35 mm equivalent {focal35_mm:g}",
            0.03,
        )
    return None


def _diagonal(long: int, short: int) -> float:
    """Diagonal in pixels of the full picture: wide video is a 4:3 sensor cut above and below."""
    return math.hypot(long, max(short, 0.75 * long))

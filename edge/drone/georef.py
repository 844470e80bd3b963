# SPDX-License-Identifier: AGPL-3.0-or-later
"""A pixel to a place on the ground, and how wrong that place may be. Pure.

The ray of the pixel is cut with the surface `h_m` below the camera, following the ellipsoid
(flat and curved differ by 3 mm at 150 m and 0.2 m at 2.3 km). The error radius comes from the
ray's own derivatives, so it holds for any pixel, roll and angle. Formulas and their check:
docs/drone.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.drone import earth, rotation

Vector = NDArray[np.float64]
# A ray flatter than this meets the ground too far away to mean anything.
MIN_DEPRESSION_DEG = 0.5
# Flatter than this a place is given but marked: 1 degree of pitch moves it 15 m from 100 m up.
TRUSTED_DEPRESSION_DEG = 20.0
# Without RTK the aircraft's own position is off by metres, whatever the angles say.
FLOOR_M = 5.0


class NoGround(ValueError):
    """The ray meets no ground; the message says why."""


@dataclass(frozen=True, slots=True)
class Sigmas:
    """Standard deviations of a pose: per axis in metres, height in metres, angles in degrees,
    time in seconds times speed. `floor_m` bounds the radius from below."""

    xy_m: float
    h_m: float
    yaw_deg: float
    pitch_deg: float
    time_s: float
    speed_mps: float = 8.0
    floor_m: float = FLOOR_M


# Scenarios A, B and C of the error budget (docs/drone.md): consumer aircraft, enterprise GNSS,
# RTK with known ground and calibrated yaw. "coarse": 4-decimal positions, 11 m steps.
PROFILES = {
    "consumer": Sigmas(2.0, 3.0, 5.0, 0.5, 0.3),
    "gnss": Sigmas(1.0, 1.5, 2.5, 0.3, 0.1),
    "rtk": Sigmas(0.05, 0.5, 1.0, 0.1, 0.05, floor_m=0.0),
    "coarse": Sigmas(5.0, 3.0, 5.0, 0.5, 0.5),
}


@dataclass(frozen=True, slots=True)
class GroundView:
    """A camera over the ground: pose, picture size and focal length in pixels.

    `h_m` is the height above the ground at the target. `fy` differs from `fx` only where the
    recorder squeezed the picture; None means square pixels. `ground_m` is that ground's height
    above the ellipsoid: it only turns metres into degrees (0.6 m in 2 km for 1900 m), so 100 m
    of error in it do no harm.
    """

    lat: float
    lon: float
    h_m: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    width: int
    height: int
    fx: float
    fy: float | None = None
    ground_m: float = 0.0


@dataclass(frozen=True, slots=True)
class GroundPoint:
    """A place on the ground: WGS-84, distances in metres, azimuth in degrees from true north.

    `ce90_m`: the truth lies within this radius in 90 % of cases. `low_confidence_geo`: the ray is
    flatter than 20 degrees; a position for orientation, never for a notice.
    """

    lat: float
    lon: float
    slant_m: float
    ground_m: float
    azimuth_deg: float
    depression_deg: float
    ce90_m: float
    low_confidence_geo: bool


def ray(view: GroundView, u: float, v: float) -> Vector:
    """Unit vector north, east, down of the pixel (u, v), which counts from the top-left corner;
    the principal point is the middle of the picture."""
    fy = view.fx if view.fy is None else view.fy
    across, down = (u - view.width / 2.0) / view.fx, (v - view.height / 2.0) / fy
    turned = rotation.attitude(view.yaw_deg, view.pitch_deg, view.roll_deg)
    direction: Vector = turned @ np.array([1.0, across, down])
    return direction / np.linalg.norm(direction)


def locate(view: GroundView, u: float, v: float, *, sigmas: Sigmas | None = None) -> GroundPoint:
    """The place of a pixel. Raises NoGround for a ray above or too near the horizon.

    `sigmas` defaults to enterprise GNSS (`PROFILES["gnss"]`).
    """
    direction = ray(view, u, v)
    return _spot(view, direction, (u, v), sigmas or PROFILES["gnss"])


def _spot(
    view: GroundView, direction: Vector, pixel: tuple[float, float], sigmas: Sigmas
) -> GroundPoint:
    if view.h_m <= 0.0:
        raise NoGround(f"camera is not above the ground (h_m {view.h_m:g})")
    depression = math.degrees(math.asin(max(-1.0, min(1.0, float(direction[2])))))
    if depression < MIN_DEPRESSION_DEG:
        side = "above" if depression < 0.0 else "below"
        raise NoGround(f"ray meets no ground: {abs(depression):.1f}° {side} the horizon")
    lat, lon, slant = _cut(view, direction)
    north, east = slant * float(direction[0]), slant * float(direction[1])
    return GroundPoint(
        lat=lat,
        lon=lon,
        slant_m=slant,
        ground_m=math.hypot(north, east),
        azimuth_deg=math.degrees(math.atan2(east, north)) % 360.0,
        depression_deg=depression,
        ce90_m=ce90(view, pixel, sigmas),
        low_confidence_geo=depression < TRUSTED_DEPRESSION_DEG,
    )


def _cut(view: GroundView, direction: Vector) -> tuple[float, float, float]:
    """lat, lon and slant range where the ray comes down to the ellipsoidal height of the ground."""
    axes = earth.ned_axes(view.lat, view.lon)
    start = earth.ecef(view.lat, view.lon, view.ground_m + view.h_m)
    step = direction @ axes
    slant = view.h_m / float(direction[2])
    for _ in range(12):
        lat, lon, height = earth.geodetic(start + slant * step)
        above_m = height - view.ground_m
        slant += above_m / float(direction[2])
        if abs(above_m) < 1e-6:
            return lat, lon, slant
    raise NoGround("ray meets no ground: it passes over the curve of the Earth")


def ce90(view: GroundView, pixel: tuple[float, float], sigmas: Sigmas) -> float:
    """Radius in metres that holds the truth in 90 % of cases, by the pose's error."""
    cov = np.eye(2) * (sigmas.xy_m**2)
    for column in _sensitivities(view, pixel, sigmas):
        cov += np.outer(column, column)
    return max(sigmas.floor_m, radius90(cov))


def _sensitivities(
    view: GroundView, pixel: tuple[float, float], sigmas: Sigmas
) -> list[NDArray[np.float64]]:
    """Metres (north, east) that one standard deviation of each error moves the flat-ground hit."""
    base = _flat(view, pixel)
    steps: list[tuple[Callable[[float], GroundView], float]] = [
        (lambda d: replace(view, yaw_deg=view.yaw_deg + d), sigmas.yaw_deg),
        (lambda d: replace(view, pitch_deg=view.pitch_deg + d), sigmas.pitch_deg),
        # Roll is held by the gimbal as well as pitch is.
        (lambda d: replace(view, roll_deg=view.roll_deg + d), sigmas.pitch_deg),
        (lambda d: replace(view, h_m=view.h_m + d), sigmas.h_m),
    ]
    moved = [_flat(change(_STEP), pixel) - base for change, _ in steps]
    columns = [move / _STEP * sigma for move, (_, sigma) in zip(moved, steps, strict=True)]
    heading = math.radians(view.yaw_deg)
    along = sigmas.time_s * sigmas.speed_mps
    return [*columns, along * np.array([math.cos(heading), math.sin(heading)])]


_STEP = 1e-3


def _flat(view: GroundView, pixel: tuple[float, float]) -> NDArray[np.float64]:
    direction = ray(view, *pixel)
    hit: NDArray[np.float64] = direction[:2] * (view.h_m / direction[2])
    return hit


# P(|error| <= k·σ_max) = 0.9 of a two-dimensional normal distribution, by the ratio of its axes.
# Computed by numerical integration (tests/drone/test_georef.py repeats it).
_RATIOS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_K90 = (1.6449, 1.6479, 1.6573, 1.6738, 1.6992, 1.7371, 1.7915, 1.8625, 1.9472, 2.0424, 2.1460)


def radius90(cov: NDArray[np.float64]) -> float:
    """Radius of the circle that holds 90 % of a centred normal with this (2, 2) covariance."""
    small, large = np.sqrt(np.clip(np.linalg.eigvalsh(cov), 0.0, None))
    if large == 0.0:
        return 0.0
    return float(large * np.interp(small / large, _RATIOS, _K90))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The constant turn between a flight's gimbal yaw and true north, from known points. Pure.

Constant offsets of 12 and 27 degrees were measured in two flights of one aircraft: one landmark
removes more error than a height grid.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge.drone import earth, rotation
from edge.drone.georef import GroundView, NoGround, locate
from edge.drone.telemetry.pose import Pose

# A point nearer to the nadir than this says nothing of the direction.
LEAST_GROUND_M = 10.0
MOST_BIAS_DEG = 60.0


@dataclass(frozen=True, slots=True)
class Landmark:
    """A pixel of a picture and the place it shows."""

    view: GroundView
    u: float
    v: float
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class YawBias:
    """Degrees to add to every yaw of the flight; how well the points agree; how many they are."""

    bias_deg: float
    spread_deg: float
    points: int

    @property
    def sigma_deg(self) -> float:
        """One landmark is as good as a hand points; several as good as they agree, 0.5 at best."""
        return 1.0 if self.points < 3 else max(0.5, self.spread_deg)

    def applied(self, view: GroundView) -> GroundView:
        return replace(view, yaw_deg=view.yaw_deg + self.bias_deg)


def fit(landmarks: Sequence[Landmark]) -> YawBias | None:
    """The median turn over all landmarks; None where none lies far enough from the nadir."""
    turns = [turn for mark in landmarks if (turn := _turn(mark)) is not None]
    if not turns:
        return None
    bias = statistics.median(turns)
    spread = 1.4826 * statistics.median(abs(turn - bias) for turn in turns)
    return YawBias(bias, spread, len(turns))


def _turn(mark: Landmark) -> float | None:
    try:
        spot = locate(mark.view, mark.u, mark.v)
    except NoGround:
        return None
    east, north = earth.Local(mark.view.lat, mark.view.lon).metres(mark.lat, mark.lon)
    if min(spot.ground_m, math.hypot(east, north)) < LEAST_GROUND_M:
        return None
    turn = rotation.turn(spot.azimuth_deg, math.degrees(math.atan2(east, north)))
    return turn if abs(turn) <= MOST_BIAS_DEG else None


def from_aims(poses: Iterable[tuple[Pose, GroundView]]) -> YawBias | None:
    """The bias by what the recorder itself measured at the picture's centre (laser, tags 23/24)."""
    return fit(
        [
            Landmark(view, view.width / 2.0, view.height / 2.0, *pose.aim)
            for pose, view in poses
            if pose.aim is not None
        ]
    )

# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a pose to a view of the ground: focal length, height above ground, yaw, error sizes. Pure.

This is where "no invented place" is kept: whatever is missing makes no view, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.drone import optics
from edge.drone.dem import Dem, locate_on
from edge.drone.georef import PROFILES, GroundPoint, GroundView, Sigmas, locate
from edge.drone.shifted import LatLon
from edge.drone.telemetry.pose import Pose
from edge.drone.yawfit import YawBias

# Heading or course in place of a gimbal yaw, which the aircraft holds only roughly.
BORROWED_YAW_DEG = 10.0
# A mapped ground and a measured yaw are what the RTK profile stands for.
UNMAPPED_H_M, UNCALIBRATED_YAW_DEG = 1.5, 2.5


@dataclass(frozen=True, slots=True)
class Setup:
    """What a flight's pictures are seen with.

    width and height in pixels. `hfov_deg` and `lens` as given by a person. `pitch_deg` and
    `yaw_deg` are a fixed gimbal, typed for aircraft that record none; `height_m` a fixed height
    above take-off, `takeoff_alt_m` the `[altitude]` at take-off for aircraft with only that.
    `takeoff_m` is the take-off point's height in the grid's datum.
    """

    width: int
    height: int
    hfov_deg: float | None = None
    lens: optics.Lens | None = None
    pitch_deg: float | None = None
    yaw_deg: float | None = None
    height_m: float | None = None
    takeoff_alt_m: float | None = None
    bias: YawBias | None = None
    dem: Dem | None = None
    takeoff_m: float | None = None
    profile: str | None = None

    def view(self, pose: Pose | None, *, ground_m: float = 0.0) -> GroundView | str:
        """The view, or in words what is missing. `ground_m`: the target against take-off."""
        if pose is None:
            return "no pose for this picture"
        if pose.lat is None or pose.lon is None:
            return "no position fix"
        yaw, pitch = self._yaw(pose), self._pitch(pose)
        if yaw is None or pitch is None:
            return "no camera angles (give the flight log, or --gimbal-pitch)"
        height = self._height(pose, ground_m)
        if height is None:
            return "no height above take-off (give --height or --takeoff-alt)"
        if height <= 1.0:
            return "not in the air"
        focal = self.focal(pose)
        if focal is None:
            return "focal length unknown (give --camera or --hfov)"
        bias = self.bias.bias_deg if self.bias else 0.0
        roll = pose.roll_deg or 0.0
        return GroundView(
            pose.lat, pose.lon, height, yaw + bias, pitch, roll, self.width, self.height, focal.px
        )

    def focal(self, pose: Pose) -> optics.Focal | None:
        """Focal length in pixels at this pose's zoom; None where nothing gives it (see optics)."""
        return optics.focal(
            self.width,
            self.height,
            hfov_deg=self.hfov_deg,
            lens=self.lens,
            focal35_mm=pose.focal35_mm,
            zoom=pose.zoom,
            measured_hfov_deg=pose.hfov_deg,
        )

    def _pitch(self, pose: Pose) -> float | None:
        return pose.pitch_deg if pose.pitch_deg is not None else self.pitch_deg

    def _yaw(self, pose: Pose) -> float | None:
        """The gimbal's, else the typed one, else the aircraft's heading where pitch is typed."""
        if pose.yaw_deg is not None:
            return pose.yaw_deg
        if self.yaw_deg is not None:
            return self.yaw_deg
        return pose.heading_deg if self.pitch_deg is not None else None

    def _height(self, pose: Pose, ground_m: float) -> float | None:
        """Above the ground at the target; never from an absolute altitude of a DJI record."""
        if pose.ground_m is not None and pose.abs_alt_m is not None:
            return pose.abs_alt_m - pose.ground_m
        relative = pose.rel_alt_m
        if relative is None and self.takeoff_alt_m is not None and pose.abs_alt_m is not None:
            relative = pose.abs_alt_m - self.takeoff_alt_m
        if relative is None:
            relative = self.height_m
        return None if relative is None else relative - ground_m

    def sigmas(self, pose: Pose) -> Sigmas:
        """Error sizes by the pose's quality and what is known of the flight."""
        chosen = PROFILES[self.profile or _PROFILE_OF.get(pose.quality, "consumer")]
        yaw = chosen.yaw_deg
        if self.bias is not None:
            yaw = min(yaw, self.bias.sigma_deg)
        elif self.profile is None:
            yaw = max(yaw, UNCALIBRATED_YAW_DEG)
        if pose.yaw_deg is None and self.yaw_deg is None:
            yaw = max(yaw, BORROWED_YAW_DEG)
        unmapped = self.dem is None and self.profile is None
        return replace(
            chosen,
            yaw_deg=yaw,
            h_m=max(chosen.h_m, UNMAPPED_H_M) if unmapped else chosen.h_m,
            speed_mps=pose.speed_mps if pose.speed_mps is not None else chosen.speed_mps,
        )

    def locate(self, pose: Pose, view: GroundView, u: float, v: float) -> GroundPoint:
        """A pixel's place, on the height grid where there is one. Raises NoGround."""
        sigmas = self.sigmas(pose)
        if self.dem is None or self.takeoff_m is None or pose.rel_alt_m is None:
            return locate(view, u, v, sigmas=sigmas)
        return locate_on(self.dem, view, self.takeoff_m + pose.rel_alt_m, u, v, sigmas=sigmas)


_PROFILE_OF = {"rtk": "rtk", "full": "gnss", "position": "consumer", "coarse": "coarse"}


def with_takeoff(setup: Setup, place: LatLon) -> Setup:
    """The setup with the grid's height at the take-off point. Raises NoGround outside the grid."""
    if setup.dem is None:
        return setup
    return replace(setup, takeoff_m=setup.dem.height(*place))

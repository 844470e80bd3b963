# SPDX-License-Identifier: AGPL-3.0-or-later
"""The scene's camera: a pinhole with a pose in the words of the telemetry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tools.scenery.shapes import Floats


@dataclass(frozen=True)
class Camera:
    """At (x east, y north, z up) metres; yaw clockwise from north, pitch 0 at the horizon and
    -90 straight down, roll clockwise as seen by the camera, degrees; hfov degrees."""

    x: float
    y: float
    z: float
    yaw: float
    pitch: float
    roll: float = 0.0
    hfov: float = 60.0
    width: int = 640
    height: int = 384

    @property
    def focal_px(self) -> float:
        return self.width / 2 / math.tan(math.radians(self.hfov) / 2)

    def axes(self) -> Floats:
        """(3, 3): rows are the camera's right, up and forward directions in the world."""
        yaw, pitch, roll = (math.radians(a) for a in (self.yaw, self.pitch, self.roll))
        ahead = np.array(
            [math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch)]
        )
        right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
        up = np.cross(right, ahead)
        c, s = math.cos(roll), math.sin(roll)
        return np.stack([right * c - up * s, up * c + right * s, ahead]).astype(np.float32)

    def project(self, points: Floats) -> Floats:
        """World points (n, 3) to (n, 3): column, row in pixels, and depth along the axis (m)."""
        seen = (np.asarray(points, np.float32) - (self.x, self.y, self.z)) @ self.axes().T
        depth = np.maximum(seen[:, 2], 1e-6)
        f = self.focal_px
        return np.stack(
            [
                self.width / 2 + f * seen[:, 0] / depth,
                self.height / 2 - f * seen[:, 1] / depth,
                seen[:, 2],
            ],
            -1,
        )

    def rays(self, columns: Floats, rows: Floats) -> Floats:
        """Directions (..., 3) through pixels, scaled so that depth along the axis is 1."""
        axes, f = self.axes(), self.focal_px
        u = (columns - self.width / 2) / f
        v = (self.height / 2 - rows) / f
        return np.asarray(u[..., None] * axes[0] + v[..., None] * axes[1] + axes[2])


def looking_at(
    eye: tuple[float, float, float],
    target: tuple[float, float, float],
    *,
    hfov: float = 60.0,
    size: tuple[int, int] = (640, 384),
    roll: float = 0.0,
) -> Camera:
    """A camera at `eye` whose axis meets `target` (m; angles in degrees, size in px)."""
    dx, dy, dz = (t - e for t, e in zip(target, eye, strict=True))
    yaw = math.degrees(math.atan2(dx, dy))
    pitch = math.degrees(math.atan2(dz, math.hypot(dx, dy)))
    return Camera(*eye, yaw, pitch, roll, hfov, *size)

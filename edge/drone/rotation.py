# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rotations of aircraft and cameras: yaw, pitch, roll and quaternions against north-east-down.

Convention (NED, order ZYX, as in MISB ST 0601 and DJI's XMP): n = Rz(yaw) · Ry(pitch) · Rx(roll)
· b with b = (forward, right, down). float64 (3, 3) matrices, angles in degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def attitude(yaw_deg: float, pitch_deg: float, roll_deg: float = 0.0) -> Matrix:
    """Body to north-east-down."""
    cy, sy = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    cp, sp = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
    cr, sr = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def angles(matrix: Matrix) -> tuple[float, float, float]:
    """yaw (0..360), pitch, roll of a rotation; straight down the roll is put into the yaw."""
    pitch = -math.degrees(math.asin(max(-1.0, min(1.0, float(matrix[2, 0])))))
    if abs(pitch) > 89.9999:
        turn = math.degrees(math.atan2(-float(matrix[0, 1]), float(matrix[1, 1])))
        return turn % 360.0, pitch, 0.0
    yaw = math.degrees(math.atan2(float(matrix[1, 0]), float(matrix[0, 0])))
    roll = math.degrees(math.atan2(float(matrix[2, 1]), float(matrix[2, 2])))
    return yaw % 360.0, pitch, roll


def from_quaternion(q: Sequence[float]) -> Matrix | None:
    """Rotation of a (w, x, y, z) quaternion; None where it has no length or is not a number."""
    length = math.sqrt(sum(part * part for part in q))
    if not 0.5 < length < 2.0:
        return None
    w, x, y, z = (part / length for part in q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def turn(start_deg: float, end_deg: float) -> float:
    """The shortest turn from one heading to another, -180..180."""
    return (end_deg - start_deg + 180.0) % 360.0 - 180.0

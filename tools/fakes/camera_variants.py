# SPDX-License-Identifier: AGPL-3.0-or-later
"""The clocks of cameras: one row for each kind that is watched over RTSP."""

from __future__ import annotations

from tools.fakes.rtsp_camera import Manners

# name: (manners, seconds between key pictures, B-pictures)
VARIANTS: dict[str, tuple[Manners, float, int]] = {
    "true": (Manners(), 1.0, 0),
    "all one time": (Manners(frozen=True), 1.0, 0),
    "stamps 25, ships 21": (Manners(clock_rate=0.84), 1.0, 0),
    "ships 21, key pictures far apart": (Manners(clock_rate=0.84), 30.0, 0),
    "half speed": (Manners(clock_rate=0.5), 1.0, 0),
    "double speed": (Manners(clock_rate=2.0), 1.0, 0),
    "b-pictures": (Manners(), 1.0, 3),
    "b-pictures at half speed": (Manners(clock_rate=0.5), 1.0, 3),
    "wraps": (Manners(first_stamp=2**32 - 5 * 90_000), 1.0, 0),
    "jumps back": (Manners(jump=(7.0, -4000.0)), 1.0, 0),
    "some stamps wrong": (Manners(outlier_s=2.5), 1.0, 0),
    "comes late": (Manners(late_s=0.06), 1.0, 0),
}

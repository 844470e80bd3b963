# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which pictures of a flight are looked at: by how much ground has passed. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.drone import earth, rotation
from edge.drone.georef import GroundView

# A standing camera still looks once in this time: what it watches changes.
SLOWEST_S = 1.0
TURN_DEG = 6.0


@dataclass(slots=True)
class KeyFrames:
    """Chooses among pictures read at `fastest_fps`.

    A picture is due once the view has moved by `share` of its footprint's shorter side, turned by
    6 degrees, or a second has passed; at 8 m/s from 100 m a point of the ground is seen 8 times.
    """

    fastest_fps: float = 2.0
    share: float = 0.08
    last: tuple[float, GroundView] | None = None

    def due(self, t_s: float, view: GroundView | None) -> bool:
        """Whether to look at the picture of this time; `view` None: no pose, once a second."""
        if self.last is None or t_s - self.last[0] >= SLOWEST_S - 1e-6:
            return self._take(t_s, view)
        if view is None or t_s - self.last[0] < 1.0 / self.fastest_fps - 1e-6:
            return False
        return self._take(t_s, view) if self._moved(view) else False

    def _take(self, t_s: float, view: GroundView | None) -> bool:
        if view is not None:
            self.last = (t_s, view)
        elif self.last is not None:
            self.last = (t_s, self.last[1])
        return True

    def _moved(self, view: GroundView) -> bool:
        assert self.last is not None
        before = self.last[1]
        away = earth.distance_m((before.lat, before.lon), (view.lat, view.lon))
        shorter = view.h_m / math.sin(math.radians(max(20.0, -view.pitch_deg)))
        shorter *= min(view.width, view.height) / view.fx
        turned = abs(rotation.turn(before.yaw_deg, view.yaw_deg))
        return (
            away >= self.share * shorter
            or max(turned, abs(before.pitch_deg - view.pitch_deg)) >= TURN_DEG
        )

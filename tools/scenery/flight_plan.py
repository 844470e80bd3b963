# SPDX-License-Identifier: AGPL-3.0-or-later
"""A rendered flight: where the camera is at each time, what is to be found, its telemetry."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tools.scenery.camera import Camera
from tools.scenery.groups import Group
from tools.scenery.situations import Scene

# The M3T's wide lens: its focal length is 0.684 of the picture's width.
HFOV = math.degrees(2 * math.atan(0.5 / 0.684))


@dataclass(frozen=True)
class Target:
    """A thing to be found: its class, the corners of its ground footprint (metres) and the
    category of the finding that is due for it; without one it is only there to be placed."""

    name: str
    label: str
    footprint: tuple[float, float, float, float]  # x0, y0, x1, y1
    category: str = ""


@dataclass(frozen=True)
class Plan:
    """One flight. `home` is the scene's origin in degrees WGS-84, `ground_m` its altitude."""

    name: str
    seed: int
    home: tuple[float, float]
    start_utc: str
    ground_m: float
    times: tuple[float, ...]
    pose: Callable[[float], Camera]
    build: Callable[[], tuple[Scene, list[Target]]]

    def wgs84(self, x: float, y: float) -> tuple[float, float]:
        """Latitude and longitude of a point of the scene, by the radii of curvature of WGS-84
        (NIMA TR8350.2)."""
        a, e2 = 6378137.0, 6.69437999014e-3
        home_lat, home_lon = self.home
        lat = math.radians(home_lat)
        w = math.sqrt(1 - e2 * math.sin(lat) ** 2)
        north = a * (1 - e2) / w**3
        east = a / w * math.cos(lat)
        return home_lat + math.degrees(y / north), home_lon + math.degrees(x / east)

    def srt(self) -> str:
        """DJI's caption telemetry (the M3-generation's words), one cue a picture."""
        cues = []
        for number, t in enumerate(self.times, 1):
            after = self.times[number] if number < len(self.times) else t + 1.0
            view = self.pose(t)
            lat, lon = self.wgs84(view.x, view.y)
            cues.append(
                f"{number}\n{_clock(t)} --> {_clock(after)}\n"
                f'<font size="28">FrameCnt: {number}, DiffTime: {round((after - t) * 1000)}ms\n'
                f"{self._date(t)}\n"
                f"[focal_len: 24.00] [latitude: {lat:.7f}] [longitude: {lon:.7f}] "
                f"[rel_alt: {view.z:.3f} abs_alt: {view.z + self.ground_m:.3f}] "
                f"[gb_yaw: {_half_turn(view.yaw):.1f} gb_pitch: {view.pitch:.1f} "
                f"gb_roll: {view.roll:.1f}] </font>\n"
            )
        return "\n".join(cues)

    def poses(self) -> str:
        """One exact pose a picture, JSON lines, in the words of `edge telemetry` and `edge
        georef`."""
        return "".join(json.dumps(self._row(t)) + "\n" for t in self.times)

    def _row(self, t: float) -> dict[str, float]:
        view = self.pose(t)
        lat, lon = self.wgs84(view.x, view.y)
        return {
            "t_s": t,
            "lat": round(lat, 9),
            "lon": round(lon, 9),
            "h_m": round(view.z, 4),
            "yaw_deg": round(view.yaw, 4),
            "pitch_deg": round(view.pitch, 4),
            "roll_deg": view.roll,
            "width": view.width,
            "height": view.height,
            "fx": round(view.focal_px, 4),
        }

    def _date(self, t: float) -> str:
        """DJI writes local time; these flights are flown at UTC+8."""
        start = datetime.fromisoformat(self.start_utc).replace(tzinfo=timezone.utc)
        local = (start + timedelta(seconds=t)).astimezone(timezone(timedelta(hours=8)))
        return local.strftime("%Y-%m-%d %H:%M:%S.") + f"{local.microsecond // 1000:03d}"


def _half_turn(yaw: float) -> float:
    return (yaw + 180) % 360 - 180


def _clock(t: float) -> str:
    ms = round(t * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def footprint(group: Group) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 of a group's first actor, which is the thing itself."""
    verts = group[0].model.verts()
    low, high = verts.min(0), verts.max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def named(labels: dict[int, str], targets: list[Target]) -> dict[int, str]:
    """Entity numbers of the targets: of each class the first ones, as `build` puts them first."""
    out: dict[int, str] = {}
    for target in targets:
        free = (n for n, label in labels.items() if label == target.label and n not in out)
        out[next(free)] = target.name
    return out

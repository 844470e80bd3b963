# SPDX-License-Identifier: AGPL-3.0-or-later
"""The fly-over clip: a drone passes over a road and a building site, first looking ahead, then
straight down, with its telemetry. Seed and street are its own."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np

from tools.scenery import groups, nuisances, seeds, stalls, trucks
from tools.scenery.camera import Camera
from tools.scenery.groups import Actor, Group
from tools.scenery.light import clear_day
from tools.scenery.situations import Scene
from tools.scenery.street import Street, street

SEED = 20260923
HOME_LAT, HOME_LON = 30.5728, 114.3055  # degrees WGS-84: the scene's origin
START_UTC = "2026-09-23T02:15:00"
HEIGHT_M = 42.0
# The M3T's wide lens: its focal length is 0.684 of the picture's width.
HFOV = math.degrees(2 * math.atan(0.5 / 0.684))
SPEED_M_S = 3.4
LENGTH_S = 31.0
SPILL_AT = (12.0, 0.0)
STALL_AT = (-16.0, 0.0)
TRUCK_AT = (27.0, 0.0)
OBLIQUE_UNTIL_S = 8.0
NADIR_FROM_S = 12.0


def rng_for(name: str) -> random.Random:
    return seeds.stream("clip-flyover", SEED, name)


@dataclass(frozen=True)
class Target:
    """A thing to be found: its class and the corners of its ground footprint (metres)."""

    name: str
    label: str
    footprint: tuple[float, float, float, float]  # x0, y0, x1, y1


def place() -> Street:
    return street(rng_for("place"), site=True, lane_count=4, awnings=0.0)


def pose(t: float) -> Camera:
    """Along the road towards +x; the gimbal goes from -50 degrees to straight down."""
    k = np.clip((t - OBLIQUE_UNTIL_S) / (NADIR_FROM_S - OBLIQUE_UNTIL_S), 0, 1)
    pitch = -50.0 - 40.0 * float(k * k * (3 - 2 * k))
    x = -62.0 + SPEED_M_S * t
    wobble = 0.25 * math.sin(t * 0.7)
    return Camera(
        x,
        9.0 + wobble,
        HEIGHT_M + 0.2 * math.sin(t * 0.4),
        90.0 + 0.8 * math.sin(t * 0.3),
        pitch,
        0.0,
        HFOV,
        1280,
        720,
    )


def _footprint(group: Group) -> tuple[float, float, float, float]:
    verts = group[0].model.verts()
    low, high = verts.min(0), verts.max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def build() -> tuple[Scene, list[Target]]:
    """The scene and what is to be found in it."""
    where = place()
    near, far = where.lanes[0], where.lanes[-1]
    soil = nuisances.spillage(rng_for("soil"), colour=(0.21, 0.14, 0.085))
    spill: Group = [Actor(soil, "spillage"), Actor(nuisances.spill_stain(rng_for("soil"), soil))]
    cart: Group = [Actor(stalls.stall(rng_for("stall-10"), "tricycle"), "vendor_stall")]
    truck: Group = [Actor(trucks.muck_truck(rng_for("truck"), "open_loaded"), "muck_truck")]
    spill = groups.placed(spill, (SPILL_AT[0], near, 0.0), yaw=0.04)
    cart = groups.placed(cart, (STALL_AT[0], where.width - 1.3, 0.0), yaw=3.2)
    truck = groups.placed(truck, (TRUCK_AT[0], near, 0.0))
    actors = [*spill, *cart, *truck]
    rng = rng_for("others")
    if where.site:
        x0, y0, x1, _ = where.site
        actors += groups.placed(groups.digger(rng), ((x0 + x1) / 2, y0 + 12, 0.0), yaw=2.0)
        covered: Group = [Actor(trucks.muck_truck(rng, "covered"), "muck_truck")]
        actors += groups.placed(covered, ((x0 + x1) / 2 - 9, y0 + 7, 0.0), yaw=0.3)
    for x, lane, yaw in (
        (-30.0, near, 0.0),
        (-2.0, far, math.pi),
        (40.0, far, math.pi),
        (36.0, where.lanes[1], 0.0),
    ):
        actors += groups.placed(groups.traffic(rng), (x, lane, 0.0), yaw=yaw)
    for x in (-20.0, -14.0, -15.5, 4.0, 22.0):
        actors += groups.placed(groups.passers(rng), (x, where.width + 3.2, 0.15))
    targets = [
        Target("spill", "spillage", _footprint(spill)),
        Target("stall", "vendor_stall", _footprint(cart)),
        Target("truck", "muck_truck", _footprint(truck)),
    ]
    light = replace(clear_day(52.0, 160.0), sun=3.2, sun_size=2.0, cloud=0.4, haze=0.0008)
    return Scene("flyover", where.model, actors, light), targets


def wgs84(x: float, y: float) -> tuple[float, float]:
    """Latitude and longitude of a point of the scene, by the radii of curvature of WGS-84
    (NIMA TR8350.2)."""
    a, e2 = 6378137.0, 6.69437999014e-3
    lat = math.radians(HOME_LAT)
    w = math.sqrt(1 - e2 * math.sin(lat) ** 2)
    north = a * (1 - e2) / w**3
    east = a / w * math.cos(lat)
    return HOME_LAT + math.degrees(y / north), HOME_LON + math.degrees(x / east)


def srt(times: list[float]) -> str:
    """DJI's caption telemetry (the M3-generation's words), one cue a picture."""
    cues = []
    for number, t in enumerate(times, 1):
        after = times[number] if number < len(times) else t + 1.0
        view = pose(t)
        lat, lon = wgs84(view.x, view.y)
        cues.append(
            f"{number}\n{_clock(t)} --> {_clock(after)}\n"
            f'<font size="28">FrameCnt: {number}, DiffTime: {round((after - t) * 1000)}ms\n'
            f"{_date(t)}\n"
            f"[focal_len: 24.00] [latitude: {lat:.7f}] [longitude: {lon:.7f}] "
            f"[rel_alt: {view.z:.3f} abs_alt: {view.z + 23.4:.3f}] "
            f"[gb_yaw: {_half_turn(view.yaw):.1f} gb_pitch: {view.pitch:.1f} "
            f"gb_roll: {view.roll:.1f}] </font>\n"
        )
    return "\n".join(cues)


def _half_turn(yaw: float) -> float:
    return (yaw + 180) % 360 - 180


def _clock(t: float) -> str:
    ms = round(t * 1000)
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def _date(t: float) -> str:
    """DJI writes local time; these flights are flown at UTC+8."""
    from datetime import datetime, timedelta, timezone

    start = datetime.fromisoformat(START_UTC).replace(tzinfo=timezone.utc)
    local = (start + timedelta(seconds=t)).astimezone(timezone(timedelta(hours=8)))
    return local.strftime("%Y-%m-%d %H:%M:%S.") + f"{local.microsecond // 1000:03d}"


def times() -> list[float]:
    return [float(t) for t in np.arange(0, LENGTH_S + 0.01, 1.0)]


def named(labels: dict[int, str], targets: list[Target]) -> dict[int, str]:
    """Entity numbers of the targets: the first of their class, as `build` puts them first."""
    out: dict[int, str] = {}
    for target in targets:
        out[next(n for n, label in labels.items() if label == target.label)] = target.name
    return out

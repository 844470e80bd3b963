# SPDX-License-Identifier: AGPL-3.0-or-later
"""The fly-over clip: a drone passes over a road and a building site, first looking ahead, then
straight down, with its telemetry. Seed and street are its own."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np

from tools.scenery import groups, nuisances, seeds, stalls, trucks
from tools.scenery.camera import Camera
from tools.scenery.flight_plan import HFOV, Plan, Target, footprint
from tools.scenery.groups import Actor, Group
from tools.scenery.light import clear_day
from tools.scenery.situations import Scene
from tools.scenery.street import Street, street

SEED = 20260923
HEIGHT_M = 42.0
SPEED_M_S = 3.4
LENGTH_S = 31.0
SPILL_AT = (12.0, 0.0)
STALL_AT = (-16.0, 0.0)
TRUCK_AT = (27.0, 0.0)
OBLIQUE_UNTIL_S = 8.0
NADIR_FROM_S = 12.0


def rng_for(name: str) -> random.Random:
    return seeds.stream("clip-flyover", SEED, name)


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
        Target("spill", "spillage", footprint(spill), "road-spillage"),
        Target("stall", "vendor_stall", footprint(cart), "street-vendor"),
        Target("truck", "muck_truck", footprint(truck), "uncovered-load"),
    ]
    light = replace(clear_day(52.0, 160.0), sun=3.2, sun_size=2.0, cloud=0.4, haze=0.0008)
    return Scene("flyover", where.model, actors, light), targets


PLAN = Plan(
    "flyover",
    SEED,
    (30.5728, 114.3055),
    "2026-09-23T02:15:00",
    23.4,
    tuple(float(t) for t in np.arange(0, LENGTH_S + 0.01, 1.0)),
    pose,
    build,
)

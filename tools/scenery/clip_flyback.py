# SPDX-License-Identifier: AGPL-3.0-or-later
"""The second fly-over: another street, flown the other way, lower and always oblique, with a turn
of the gimbal: vendors and a grill with people at them, spillage, an open load, and four things
that are no offence. Seed and street are its own; nothing of it was looked at while judging was
set."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np

from tools.scenery import grills, groups, nuisances, people, seeds, stalls, trucks
from tools.scenery.camera import Camera
from tools.scenery.flight_plan import HFOV, Plan, Target, footprint
from tools.scenery.groups import Actor, Group
from tools.scenery.light import clear_day
from tools.scenery.situations import Scene
from tools.scenery.street import Street, street

SEED = 20261128
HEIGHT_M = 34.0
SPEED_M_S = 3.8
LENGTH_S = 29.0


def rng_for(name: str) -> random.Random:
    return seeds.stream("clip-flyback", SEED, name)


def place() -> Street:
    return street(rng_for("place"), lane_count=2, awnings=0.0)


def pose(t: float) -> Camera:
    """Along the road towards -x at -58 degrees; half way the gimbal looks 18 degrees aside."""
    aside = 18.0 * math.exp(-(((t - 15.0) / 4.0) ** 2))
    return Camera(
        64.0 - SPEED_M_S * t,
        3.0 + 0.3 * math.sin(t * 0.5),
        HEIGHT_M + 0.25 * math.sin(t * 0.6),
        270.0 + aside + 0.7 * math.sin(t * 0.4),
        -58.0 + 1.5 * math.sin(t * 0.2),
        0.0,
        HFOV,
        1280,
        720,
    )


def _at_work(rng: random.Random, thing: Actor, guests: int) -> Group:
    """The thing first, who works behind it, and guests before it."""
    group: Group = [thing, _person(rng, "work", (0.0, 0.95), -math.pi / 2)]
    for number in range(guests):
        at = (number * 0.9 - 0.9, -1.2 - 0.2 * number)
        group.append(_person(rng, "stand", at, math.pi / 2))
    return group


def _person(rng: random.Random, pose: str, at: tuple[float, float], yaw: float) -> Actor:
    return Actor(people.person(rng, pose).placed((*at, 0.0), yaw=yaw), "person")


def build() -> tuple[Scene, list[Target]]:
    """The scene and what is to be found in it."""
    where = place()
    near, far = where.lanes[0], where.lanes[-1]
    pavement = where.width + 1.9
    table = Actor(stalls.stall(rng_for("table"), "table"), "vendor_stall")
    cart = Actor(stalls.stall(rng_for("cart"), "tricycle"), "vendor_stall")
    fire = Actor(grills.grill(rng_for("grill"), "barrel"), "grill")
    soil = nuisances.spillage(rng_for("soil"), colour=(0.2, 0.13, 0.08))
    spill: Group = [Actor(soil, "spillage"), Actor(nuisances.spill_stain(rng_for("soil"), soil))]
    load: Group = [Actor(trucks.muck_truck(rng_for("truck"), "open_loaded"), "muck_truck")]
    first = groups.placed(_at_work(rng_for("table"), table, 2), (30.0, pavement, 0.15))
    second = groups.placed(_at_work(rng_for("cart"), cart, 3), (-6.0, pavement, 0.15))
    third = groups.placed(_at_work(rng_for("grill"), fire, 2), (10.0, -1.9, 0.15), yaw=math.pi)
    spill = groups.placed(spill, (-22.0, far, 0.0), yaw=math.pi)
    load = groups.placed(load, (-38.0, near, 0.0))
    actors = [*first, *second, *third, *spill, *load, *_harmless(where)]
    targets = [
        Target("table", "vendor_stall", footprint(first), "street-vendor"),
        Target("cart", "vendor_stall", footprint(second), "street-vendor"),
        Target("grill", "grill", footprint(third), "outdoor-barbecue"),
        Target("spill", "spillage", footprint(spill), "road-spillage"),
        Target("truck", "muck_truck", footprint(load), "uncovered-load"),
    ]
    light = replace(clear_day(40.0, 215.0), sun=2.8, sun_size=2.0, cloud=0.5, haze=0.0009)
    return Scene("flyback", where.model, actors, light), targets


def _harmless(where: Street) -> Group:
    """A covered truck, a closed stall, guests of a café, a repair of the road; traffic, people."""
    rng = rng_for("others")
    near, far, pavement = where.lanes[0], where.lanes[-1], where.width + 1.9
    covered: Group = [Actor(trucks.muck_truck(rng, "covered"), "muck_truck")]
    actors = groups.placed(covered, (44.0, near, 0.0))
    actors += groups.placed(groups.closed_group(rng), (18.0, pavement, 0.15))
    actors += groups.placed(groups.cafe(rng), (-18.0, pavement + 0.6, 0.15))
    actors += groups.placed([Actor(nuisances.road_repair(rng))], (4.0, near, 0.01))
    for x, lane, yaw in ((20.0, far, math.pi), (-12.0, near, 0.0), (-52.0, far, math.pi)):
        actors += groups.placed(groups.traffic(rng), (x, lane, 0.0), yaw=yaw)
    for x in (38.0, 1.0, -30.0):
        actors += groups.placed(groups.passers(rng), (x, -2.2, 0.15))
    return actors


PLAN = Plan(
    "flyback",
    SEED,
    (36.0649, 120.3804),
    "2026-10-12T06:40:00",
    11.7,
    tuple(float(t) for t in np.arange(0, LENGTH_S + 0.01, 1.0)),
    pose,
    build,
)

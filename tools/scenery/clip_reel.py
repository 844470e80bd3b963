# SPDX-License-Identifier: AGPL-3.0-or-later
"""The hard-negative reel: an hour in which nothing is violated, in segments of six minutes or so.

Every segment is a street, a light and a choice of what the field takes for a violation; a picture
every four seconds, every second while a truck passes. Judged with the shipped dwell times.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from tools.scenery import groups, lookalikes, nuisances, people, seeds, tricycles, trucks, vehicles
from tools.scenery.camera import Camera, looking_at
from tools.scenery.clips import GroundZone, Mover, Script, along
from tools.scenery.groups import Actor, Group
from tools.scenery.light import Light, clear_day, weather
from tools.scenery.street import Street, street
from tools.scenery.turbulence import Plume

STEP_S = 4.0
RULES = [
    "{category: street-vendor, zones: [pavement]}",
    "{category: outdoor-barbecue, zones: [no-fire]}",
    "{category: road-spillage, zones: [lane]}",
    "{category: mud-tracks, zones: [lane]}",
]
SITE_RULE = "{category: construction-dust, zones: [building-site]}"
# What makes no case and is drawn for the eye only: vapour, exhaust. (albedo, optical depth)
STEAM, EXHAUST = ((0.9, 0.9, 0.92), 0.9), ((0.45, 0.46, 0.5), 0.5)

Placing = tuple[Group, tuple[float, float, float], float]  # what, where on the ground, yaw


@dataclass(frozen=True)
class Stage:
    """Where a segment plays: the street and the random stream of its things."""

    where: Street
    rng: random.Random
    length_s: float

    @property
    def kerb(self) -> float:
        return self.where.width + 1.4


@dataclass(frozen=True)
class Segment:
    """A row of the reel. `light` gets the street's lamps; passing trucks by their start times."""

    about: str
    light: Callable[[Street, random.Random], Light]
    standing: Callable[[Stage], list[Placing]]
    movers: Callable[[Stage], list[Mover]]
    plumes: Callable[[Stage, float], list[Plume]] = lambda _, __: []
    trucks_s: tuple[float, ...] = (60.0, 220.0)
    truck: str = "covered"
    exposure: float = 1.1
    site: bool = False
    awnings: float = 0.3
    noise: float = 1.0
    # From a time on another light, as when a cloud comes: share of the sun that is left.
    clouds_s: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    size: tuple[int, int] = (960, 540)
    length_s: float = 420.0


class Larger(TypedDict):
    size: tuple[int, int]
    length_s: float


def _day(elevation: float, azimuth: float) -> Callable[[Street, random.Random], Light]:
    return lambda _, __: clear_day(elevation, azimuth)


def _weather(
    name: str, *, haze: float | None = None, sky: float | None = None
) -> Callable[[Street, random.Random], Light]:
    def light(where: Street, rng: random.Random) -> Light:
        drawn = weather(rng, name, lamps=where.lamps)
        return replace(
            drawn,
            haze=drawn.haze if haze is None else haze,
            sky=drawn.sky if sky is None else sky,
        )

    return light


# -- what stands ---------------------------------------------------------------------------------
def _closed(s: Stage, *xs: float) -> list[Placing]:
    return [([Actor(lookalikes.closed_stall(s.rng))], (x, s.kerb, 0.15), 0.0) for x in xs]


def _cafe(s: Stage, *xs: float) -> list[Placing]:
    return [(groups.cafe(s.rng), (x, s.kerb + 1.5, 0.15), 0.0) for x in xs]


def _queue(s: Stage, x: float) -> list[Placing]:
    return [(groups.queue(s.rng), (x, s.kerb + 1.6, 0.15), 0.0)]


def _parked(s: Stage, *xs: float) -> list[Placing]:
    """Delivery tricycles at the kerb, boxed or under a tarpaulin."""
    loads = ("box", "covered", "empty")
    return [
        (
            [Actor(tricycles.tricycle(s.rng, load=loads[n % 3]))],
            (x, s.where.width - 0.9, 0.0),
            math.pi,
        )
        for n, x in enumerate(xs)
    ]


def _scooters(s: Stage, x: float, count: int) -> list[Placing]:
    return [
        ([Actor(vehicles.motorcycle(s.rng), "motorcycle")], (x + 0.8 * n, s.kerb, 0.15), 1.4)
        for n in range(count)
    ]


def _ground(
    s: Stage, make: Callable[[random.Random], object], *spots: tuple[float, int]
) -> list[Placing]:
    """Flat things on a lane: x and the lane's number."""
    return [([Actor(make(s.rng))], (x, s.where.lanes[n], 0.0), 0.0) for x, n in spots]  # type: ignore[arg-type]


def _works(s: Stage) -> list[Placing]:
    """Road works behind cones: patches, a worker, a box truck that waits."""
    far = s.where.lanes[-1]
    worker = Actor(people.person(s.rng, "bend", vest=True), "person")
    return [
        ([Actor(nuisances.barrier(s.rng))], (2.0, far - 0.9, 0.0), 0.0),
        ([Actor(nuisances.road_repair(s.rng))], (4.0, far, 0.0), 0.0),
        ([Actor(nuisances.road_repair(s.rng))], (12.0, s.where.lanes[0], 0.0), 0.0),
        ([worker], (5.0, far, 0.0), 2.0),
        ([Actor(vehicles.box_truck(s.rng), "truck")], (13.0, far, 0.0), math.pi),
    ]


def _site_at_rest(s: Stage) -> list[Placing]:
    x0, y0, x1, _ = s.where.site or (6.0, 14.0, 46.0, 44.0)
    at = ((x0 + x1) / 2, y0 + 11.0)
    idle = [Actor(trucks.muck_truck(s.rng, "open_empty"), "muck_truck")]
    return [
        (groups.digger(s.rng), (*at, 0.0), 3.6),
        (idle, (at[0] - 8, at[1] - 4, 0.0), 0.2),
    ]


# -- what moves ----------------------------------------------------------------------------------
def _drive(
    group: Group, name: str, start: float, lane: float, *, back: bool = False, speed: float = 6.0
) -> Mover:
    a, b, yaw = (60.0, -18.0, math.pi) if back else (-18.0, 60.0, 0.0)
    stops = [(start, (a, lane, 0.0, yaw)), (start + 78.0 / speed, (b, lane, 0.0, yaw))]
    return Mover(name, group, along(stops))


def _walkers(s: Stage, count: int, *, off: float = 2.6) -> list[Mover]:
    movers = []
    for n in range(count):
        start = s.length_s * (n + s.rng.uniform(0.1, 0.7)) / count
        a, b, yaw = (-6.0, 34.0, 0.0) if n % 2 else (34.0, -6.0, math.pi)
        y = s.where.width + off + s.rng.uniform(-0.4, 0.6)
        path = along([(start, (a, y, 0.15, yaw)), (start + 34, (b, y, 0.15, yaw))])
        someone = [Actor(people.person(s.rng, "walk"), "person")]
        movers.append(Mover(f"walker-{n}", someone, path))
    return movers


def _cars(s: Stage, count: int) -> list[Mover]:
    movers = []
    for n in range(count):
        start = s.length_s * (n + s.rng.uniform(0.1, 0.9)) / count
        group = groups.traffic(s.rng)
        back = n % 2 == 0
        lane = s.where.lanes[-1 if back else 0]
        movers.append(_drive(group, f"car-{n}", start, lane, back=back, speed=9.0))
    return movers


def _courier(s: Stage, arrives: float, stays_s: float, x: float) -> Mover:
    """Comes, unloads beside people, and is gone before a vendor would be told."""
    y, gone = s.where.width - 1.0, arrives + stays_s
    stops = [
        (arrives - 9, (46.0, y, 0, math.pi)),
        (arrives, (x, y, 0, math.pi)),
        (gone, (x, y, 0, math.pi)),
        (gone + 9, (-18.0, y, 0, math.pi)),
    ]
    box = Actor(tricycles.tricycle(s.rng, load="box"))
    rider = Actor(people.person(s.rng, "stand").placed((0.2, -1.1, 0.0), yaw=1.5), "person")
    return Mover("courier", [box, rider], along(stops))


def _bus_calls(s: Stage, start: float, stays_s: float) -> Mover:
    """A bus that stops before the queue and hides it."""
    y = s.where.lanes[-1]
    stops = [
        (start, (60.0, y, 0.0, math.pi)),
        (start + 7, (16.0, y, 0.0, math.pi)),
        (start + 7 + stays_s, (16.0, y, 0.0, math.pi)),
        (start + 13 + stays_s, (-20.0, y, 0.0, math.pi)),
    ]
    return Mover("bus", [Actor(vehicles.bus(s.rng), "bus")], along(stops))


def _passing_trucks(s: Stage, row: Segment) -> list[Mover]:
    """Muck trucks that lose nothing; what lies on the lane lay there before them."""
    body = [Actor(trucks.muck_truck(s.rng, row.truck), "muck_truck")]
    y = s.where.lanes[0] + 0.1
    return [_drive(body, f"truck-{n}", start, y) for n, start in enumerate(row.trucks_s)]


# -- what hangs in the air -----------------------------------------------------------------------
def _vapour(
    kind: tuple[tuple[float, float, float], float],
    at: tuple[float, float, float],
    size: tuple[float, float, float],
    t: float,
    *,
    seed: int,
) -> Plume:
    colour, density = kind
    return Plume("smoke", at, size, 2.5, colour, density, seed, t * 0.9)


def _steam(s: Stage, t: float) -> list[Plume]:
    """From a manhole of the road, and in gusts from a kitchen's vent above the shop front."""
    made = [_vapour(STEAM, (9.0, s.where.lanes[-1], 0.0), (2.2, 1.0, 2.6), t, seed=4411)]
    if t % 120.0 < 45.0:
        wall = s.where.far[1] - 0.3
        made.append(_vapour(STEAM, (3.0, wall, 2.7), (1.8, 0.9, 1.6), t, seed=4412))
    return made


def _exhausts(s: Stage, t: float) -> list[Plume]:
    """Idling engines on a cold morning: low, grey, behind the vehicles."""
    y = s.where.lanes[-1]
    seeds_x = ((18.2, 7101), (7.6, 7102))
    return [_vapour(EXHAUST, (x, y, 0.25), (1.6, 0.8, 0.9), t, seed=n) for x, n in seeds_x]


def _waiting_traffic(s: Stage) -> list[Placing]:
    y = s.where.lanes[-1]
    return [
        ([Actor(vehicles.box_truck(s.rng), "truck")], (14.0, y, 0.0), math.pi),
        ([Actor(vehicles.van(s.rng), "car")], (5.0, y, 0.0), math.pi),
    ]


# Three segments are of a camera with larger pictures.
LARGE: Larger = {"size": (1280, 720), "length_s": 360.0}

REEL: dict[str, Segment] = {
    "reel-01-awnings": Segment(
        "awnings and sunshades at noon, shut carts, a café",
        _day(62, 200),
        lambda s: [*_closed(s, -2.5, 9.0), *_cafe(s, 3.0, 15.0)],
        lambda s: [*_walkers(s, 5), *_cars(s, 3)],
        awnings=0.95,
    ),
    "reel-02-steam": Segment(
        "a manhole and a kitchen vent steam; people walk by",
        _weather("cloudy", haze=0.001),
        lambda s: [*_closed(s, -1.0), *_scooters(s, 17.0, 4)],
        lambda s: [*_walkers(s, 6), *_cars(s, 2)],
        plumes=_steam,
        **LARGE,
    ),
    "reel-03-exhaust": Segment(
        "a van and a box truck idle on a cold morning",
        _day(16, 120),
        lambda s: [*_waiting_traffic(s), *_queue(s, 22.0)],
        lambda s: _walkers(s, 4),
        plumes=_exhausts,
    ),
    "reel-04-fog": Segment(
        "fog over a building site at rest",
        _weather("haze", haze=0.035),
        _site_at_rest,
        lambda s: [*_walkers(s, 3), *_cars(s, 3)],
        site=True,
        **LARGE,
    ),
    "reel-05-couriers": Segment(
        "delivery tricycles parked all the time, and one that comes and goes",
        _day(40, 250),
        lambda s: _parked(s, 0.0, 4.2, 13.0),
        lambda s: [_courier(s, 120.0, 90.0, 8.5), *_walkers(s, 4)],
    ),
    "reel-06-shut-market": Segment(
        "a row of shut stalls; passers-by",
        _weather("cloudy"),
        lambda s: _closed(s, -3.5, 0.5, 4.5, 8.5, 13.0),
        lambda s: [*_walkers(s, 6, off=3.0), *_cars(s, 2)],
        awnings=0.6,
    ),
    "reel-07-bus-queue": Segment(
        "people wait for a bus at dusk; the bus calls twice",
        _weather("dusk", sky=0.6),
        lambda s: [*_queue(s, 13.0), *_scooters(s, 1.0, 5)],
        lambda s: [_bus_calls(s, 110.0, 20.0), *_walkers(s, 4)],
        exposure=1.8,
        **LARGE,
    ),
    "reel-08-wet-road": Segment(
        "wet patches and leaves on the lane that covered trucks drive over",
        _weather("cloudy"),
        lambda s: [
            *_ground(s, nuisances.wet_patch, (4.0, 0), (14.0, 1)),
            *_ground(s, nuisances.leaves, (9.0, 0)),
        ],
        lambda s: [*_walkers(s, 3), *_cars(s, 4)],
        trucks_s=(40.0, 130.0, 220.0, 310.0),
    ),
    "reel-09-shadows": Segment(
        "long shadows of trees and trucks; clouds take the sun away and give it back",
        _day(14, 215),
        lambda s: [*_scooters(s, 6.0, 3), *_closed(s, -2.0)],
        lambda s: [*_walkers(s, 4), *_cars(s, 5)],
        trucks_s=(58.0, 168.0, 290.0),
        clouds_s=((0.0, 1.0), (70.0, 0.15), (180.0, 1.0), (300.0, 0.15)),
    ),
    "reel-10-road-works": Segment(
        "road repairs behind cones, a worker, patches of new asphalt",
        _weather("haze", haze=0.006),
        _works,
        lambda s: [*_walkers(s, 3), *_cars(s, 2)],
        truck="open_empty",
    ),
    "reel-11-night": Segment(
        "street lamps: shut stalls, parked tricycles, people on their way",
        _weather("night", sky=0.9),
        lambda s: [*_closed(s, -1.5, 6.0), *_parked(s, 11.0)],
        lambda s: [*_walkers(s, 5), *_cars(s, 3)],
        exposure=3.0,
        noise=1.6,
    ),
}


def _camera(rng: random.Random, where: Street, size: tuple[int, int]) -> Camera:
    """A pole at the near kerb, a little different every time."""
    eye = (rng.uniform(-13.5, -9.5), -1.3, rng.uniform(5.2, 7.2))
    target = (rng.uniform(4.0, 7.5), where.width * rng.uniform(0.6, 0.9), 0.6)
    return looking_at(eye, target, hfov=rng.uniform(58, 70), size=size)


def _times(row: Segment) -> list[float]:
    passing = [t for start in row.trucks_s for t in np.arange(start, start + 13, 1.0)]
    coarse = np.arange(0, row.length_s + 0.01, STEP_S)
    return sorted({round(float(t), 3) for t in (*coarse, *passing)})


def zones(where: Street) -> list[GroundZone]:
    """What the box is told to watch of a street of the reel; corners on the ground in metres."""
    low, kerb, far = where.width - 2.2, where.width + 0.2, where.far[1]
    drawn = [
        GroundZone("pavement", "watch", ((-8, low), (34, low), (34, far), (-8, far))),
        GroundZone(
            "no-fire",
            "forbidden",
            ((-8, kerb), (34, kerb), (34, far), (-8, far)),
            ("outdoor-barbecue",),
        ),
        GroundZone("lane", "lane", ((-6, 0.4), (40, 0.4), (40, low), (-6, low))),
    ]
    if where.site:
        x0, y0, x1, _ = where.site
        corners = ((x0, y0 + 1), (x1, y0 + 1), (x1, y0 + 26), (x0, y0 + 26))
        drawn.append(GroundZone("building-site", "site", corners, ("construction-dust",)))
    return drawn


def segment(name: str) -> Script:
    """The script of one segment, in its first light."""
    row = REEL[name]
    where = street(
        seeds.stream("reel", name, "place"), site=row.site, lane_count=2, awnings=row.awnings
    )
    stage = Stage(where, seeds.stream("reel", name, "things"), row.length_s)
    standing = [
        actor
        for group, at, yaw in row.standing(stage)
        for actor in groups.placed(group, at, yaw=yaw)
    ]
    script = Script(
        name,
        seeds.number("reel", name) % 100_000,
        where.model,
        standing,
        [*row.movers(stage), *_passing_trucks(stage, row)],
        lambda t: row.plumes(stage, t),
        row.light(where, seeds.stream("reel", name, "light")),
        _camera(seeds.stream("reel", name, "camera"), where, row.size),
        _times(row),
        exposure=row.exposure,
        zones=zones(where),
        rules=[*RULES, *([SITE_RULE] if row.site else [])],
        about=row.about,
    )
    return replace(script, look=replace(script.look, noise=row.noise))


def acts(name: str) -> list[tuple[str, Script]]:
    """The segment cut where its light changes: (name of the light, script with its own times)."""
    script, clouds = segment(name), REEL[name].clouds_s
    ends = [*(since for since, _ in clouds[1:]), math.inf]
    out = []
    for (since, left), until in zip(clouds, ends, strict=True):
        light = script.light
        if left < 1.0:
            light = replace(light, sun=light.sun * left, sun_size=20.0, sky=light.sky * 1.1)
        times = [t for t in script.times if since <= t < until]
        out.append((f"{left:g}", replace(script, light=light, times=times)))
    return out

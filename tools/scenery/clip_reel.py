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

from tools.scenery import groups, nuisances, seeds, trucks
from tools.scenery import reel_cast as cast
from tools.scenery.camera import Camera, looking_at
from tools.scenery.clips import GroundZone, Mover, Script
from tools.scenery.groups import Actor
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


@dataclass(frozen=True)
class Segment:
    """A row of the reel. `light` gets the street's lamps; passing trucks by their start times."""

    about: str
    light: Callable[[Street, random.Random], Light]
    standing: Callable[[cast.Stage], list[cast.Placing]]
    movers: Callable[[cast.Stage], list[Mover]]
    plumes: Callable[[cast.Stage, float], list[Plume]] = lambda _, __: []
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
    """Picture size and length of the segments with larger pictures."""

    size: tuple[int, int]
    length_s: float


def _day(elevation: float, azimuth: float) -> Callable[[Street, random.Random], Light]:
    return lambda _, __: clear_day(elevation, azimuth)


def _weather(
    name: str, *, haze: float | None = None, sky: float | None = None
) -> Callable[[Street, random.Random], Light]:
    def light(where: Street, rng: random.Random) -> Light:
        """The drawn weather of a street, with the clip's own haze and sky where it has them."""
        drawn = weather(rng, name, lamps=where.lamps)
        return replace(
            drawn,
            haze=drawn.haze if haze is None else haze,
            sky=drawn.sky if sky is None else sky,
        )

    return light


def _passing_trucks(s: cast.Stage, row: Segment) -> list[Mover]:
    """Muck trucks that lose nothing; what lies on the lane lay there before them."""
    body = [Actor(trucks.muck_truck(s.rng, row.truck), "muck_truck")]
    y = s.where.lanes[0] + 0.1
    return [cast.drive(body, f"truck-{n}", start, y) for n, start in enumerate(row.trucks_s)]


# Three segments are of a camera with larger pictures.
LARGE: Larger = {"size": (1280, 720), "length_s": 360.0}

REEL: dict[str, Segment] = {
    "reel-01-awnings": Segment(
        "awnings and sunshades at noon, shut carts, a café",
        _day(62, 200),
        lambda s: [*cast.closed(s, -2.5, 9.0), *cast.cafe(s, 3.0, 15.0)],
        lambda s: [*cast.walkers(s, 5), *cast.cars(s, 3)],
        awnings=0.95,
    ),
    "reel-02-steam": Segment(
        "a manhole and a kitchen vent steam; people walk by",
        _weather("cloudy", haze=0.001),
        lambda s: [*cast.closed(s, -1.0), *cast.scooters(s, 17.0, 4)],
        lambda s: [*cast.walkers(s, 6), *cast.cars(s, 2)],
        plumes=cast.steam,
        **LARGE,
    ),
    "reel-03-exhaust": Segment(
        "a van and a box truck idle on a cold morning",
        _day(16, 120),
        lambda s: [*cast.waiting_traffic(s), *cast.queue(s, 22.0)],
        lambda s: cast.walkers(s, 4),
        plumes=cast.exhausts,
    ),
    "reel-04-fog": Segment(
        "fog over a building site at rest",
        _weather("haze", haze=0.035),
        cast.site_at_rest,
        lambda s: [*cast.walkers(s, 3), *cast.cars(s, 3)],
        site=True,
        **LARGE,
    ),
    "reel-05-couriers": Segment(
        "delivery tricycles parked all the time, and one that comes and goes",
        _day(40, 250),
        lambda s: cast.parked(s, 0.0, 4.2, 13.0),
        lambda s: [cast.courier(s, 120.0, 90.0, 8.5), *cast.walkers(s, 4)],
    ),
    "reel-06-shut-market": Segment(
        "a row of shut stalls; passers-by",
        _weather("cloudy"),
        lambda s: cast.closed(s, -3.5, 0.5, 4.5, 8.5, 13.0),
        lambda s: [*cast.walkers(s, 6, off=3.0), *cast.cars(s, 2)],
        awnings=0.6,
    ),
    "reel-07-bus-queue": Segment(
        "people wait for a bus at dusk; the bus calls twice",
        _weather("dusk", sky=0.6),
        lambda s: [*cast.queue(s, 13.0), *cast.scooters(s, 1.0, 5)],
        lambda s: [cast.bus_calls(s, 110.0, 20.0), *cast.walkers(s, 4)],
        exposure=1.8,
        **LARGE,
    ),
    "reel-08-wet-road": Segment(
        "wet patches and leaves on the lane that covered trucks drive over",
        _weather("cloudy"),
        lambda s: [
            *cast.ground(s, nuisances.wet_patch, (4.0, 0), (14.0, 1)),
            *cast.ground(s, nuisances.leaves, (9.0, 0)),
        ],
        lambda s: [*cast.walkers(s, 3), *cast.cars(s, 4)],
        trucks_s=(40.0, 130.0, 220.0, 310.0),
    ),
    "reel-09-shadows": Segment(
        "long shadows of trees and trucks; clouds take the sun away and give it back",
        _day(14, 215),
        lambda s: [*cast.scooters(s, 6.0, 3), *cast.closed(s, -2.0)],
        lambda s: [*cast.walkers(s, 4), *cast.cars(s, 5)],
        trucks_s=(58.0, 168.0, 290.0),
        clouds_s=((0.0, 1.0), (70.0, 0.15), (180.0, 1.0), (300.0, 0.15)),
    ),
    "reel-10-road-works": Segment(
        "road repairs behind cones, a worker, patches of new asphalt",
        _weather("haze", haze=0.006),
        cast.works,
        lambda s: [*cast.walkers(s, 3), *cast.cars(s, 2)],
        truck="open_empty",
    ),
    "reel-11-night": Segment(
        "street lamps: shut stalls, parked tricycles, people on their way",
        _weather("night", sky=0.9),
        lambda s: [*cast.closed(s, -1.5, 6.0), *cast.parked(s, 11.0)],
        lambda s: [*cast.walkers(s, 5), *cast.cars(s, 3)],
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
    stage = cast.Stage(where, seeds.stream("reel", name, "things"), row.length_s)
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

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Eight corners and times that nothing was ever tuned on: two hours by the shipped dwell times.

A corner is a street, a light, a weather and a quarter of an hour; in most of them something is
violated once, beside what is only taken for it. A picture every five seconds, every second while a
muck truck passes. They are a test set: no threshold, rule or training picture comes from them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from tools.scenery import grills, groups, nuisances, people, seeds, stalls, tricycles, trucks
from tools.scenery import reel_cast as cast
from tools.scenery.camera import Camera, looking_at
from tools.scenery.clip_reel import RULES, SITE_RULE, zones
from tools.scenery.clip_weather import world_of
from tools.scenery.clips import Event, Mover, Script, Treat, along, still
from tools.scenery.develop import with_air
from tools.scenery.groups import Actor
from tools.scenery.light import Lamp, Light, clear_day, weather
from tools.scenery.model import Model
from tools.scenery.shapes import Floats
from tools.scenery.street import Street, street
from tools.scenery.turbulence import Plume, noise_volume

LENGTH_S, STEP_S = 930.0, 5.0
SIZE = (960, 540)
SOIL = (0.21, 0.15, 0.1)
LANTERN = (1.0, 0.32, 0.14)


@dataclass(frozen=True)
class Act:
    """Something that is violated: who does it, and what the box is to tell of it."""

    movers: tuple[Mover, ...]
    event: Event
    plumes: Callable[[float], list[Plume]] = lambda _: []


Acts = Callable[[cast.Stage], list[Act]]


@dataclass(frozen=True)
class Corner:
    """A row of the table. `trucks_s`: when covered muck trucks pass, that lose nothing."""

    about: str
    light: Callable[[Street, random.Random], Light]
    standing: Callable[[cast.Stage], list[cast.Placing]]
    movers: Callable[[cast.Stage], list[Mover]]
    acts: Acts = lambda _: []
    plumes: Callable[[cast.Stage, float], list[Plume]] = lambda _, __: []
    treat: Callable[[Script, Street], Treat] | None = None
    trucks_s: tuple[float, ...] = ()
    exposure: float = 1.1
    site: bool = False
    awnings: float = 0.3
    noise: float = 1.2


# -- what is violated ----------------------------------------------------------------------------
def _sells(s: cast.Stage, kind: str, x: float, since: float, until: float) -> Act:
    """A stall is set up on the pavement with its vendor; customers come one after another."""
    y, z = s.kerb, 0.15
    at = (x, y, z, 0.0)
    goods = Actor(stalls.stall(s.rng, kind), "vendor_stall")
    owner = people.person(s.rng, "work", apron=True).placed((0.1, 0.95, 0.0), yaw=-math.pi / 2)
    stops = [(since - 10.0, (x + 30.0, y, z, 0.0)), (since, at), (until, at)]
    stops.append((until + 10.0, (x - 30.0, y, z, 0.0)))
    movers = [Mover("vendor", [goods, Actor(owner, "person")], along(stops))]
    movers += _customers(s, x, y - 1.2, since, until)
    event = Event("street-vendor", "vendor", "vendor_stall", since, until, (since + until) / 2)
    return Act(tuple(movers), event)


def _sells_from_tricycle(s: cast.Stage, x: float, since: float, until: float) -> Act:
    """A loaded tricycle stops at the kerb and sells to the pavement."""
    y = s.where.width - 1.0
    cart = Actor(tricycles.tricycle(s.rng, load="sale"), "vendor_stall")
    owner = people.person(s.rng, "work").placed((-0.2, 1.0, 0.0), yaw=-math.pi / 2)
    at = (x, y, 0.0, math.pi)
    stops = [(since - 9.0, (x + 34.0, y, 0.0, math.pi)), (since, at), (until, at)]
    stops.append((until + 9.0, (x - 34.0, y, 0.0, math.pi)))
    movers = [Mover("vendor", [cart, Actor(owner, "person")], along(stops))]
    movers += _customers(s, x, y + 1.6, since, until)
    event = Event("street-vendor", "vendor", "vendor_stall", since, until, (since + until) / 2)
    return Act(tuple(movers), event)


def _customers(s: cast.Stage, x: float, y: float, since: float, until: float) -> list[Mover]:
    """Five, each for a while: there is always somebody, as at a stall that sells."""
    share, made = (until - since - 20.0) / 5, []
    for number in range(5):
        begin = since + 10.0 + number * share
        at = (x + s.rng.uniform(-0.9, 0.9), y, 0.15, s.rng.choice([-1.6, 1.6]))
        away = (x + (9.0 if number % 2 else -9.0), s.kerb + 1.2, 0.15, at[3])
        end = begin + share * s.rng.uniform(0.8, 1.3)
        stops = [(begin - 6.0, away), (begin, at), (end, at), (end + 6.0, away)]
        body = people.person(s.rng, s.rng.choice(["stand", "stand", "bend"]))
        made.append(Mover(f"customer-{number}", [Actor(body, "person")], along(stops)))
    return made


def _grills(s: cast.Stage, x: float, since: float, until: float) -> Act:
    """A grill is lit where no fire may be; a cook, two guests, smoke while it burns."""
    y = s.kerb + 0.6
    group = [Actor(grills.grill(s.rng, "steel_cart"), "grill")]
    cook = people.person(s.rng, "work", apron=True).placed((0.0, 0.75, 0.0), yaw=-math.pi / 2)
    guests = [
        people.person(s.rng, "stand").placed((dx, -1.1, 0.0), yaw=math.pi / 2) for dx in (-0.7, 0.8)
    ]
    group += [Actor(body, "person") for body in (cook, *guests)]
    path = still((x, y, 0.15, 0.0), since, until)

    def smoke(t: float) -> list[Plume]:
        """It rises ten seconds after the fire is lit."""
        if not since + 10.0 <= t < until:
            return []
        colour = (0.66, 0.66, 0.68)
        at, size = (x - 0.2, y, 1.0), (3.6, 1.6, 4.2)
        return [Plume("smoke", at, size, 2.5, colour, 1.5, 60413, t * 0.9)]

    event = Event("outdoor-barbecue", "grill", "grill", since, until, (since + until) / 2)
    return Act((Mover("grill", group, path),), event, smoke)


def _digs_in_dust(s: cast.Stage, since: float, until: float) -> Act:
    """A cloud over the building site that nobody wets."""
    x0, y0, x1, _ = s.where.site or (6.0, 14.0, 46.0, 44.0)
    at = ((x0 + x1) / 2 + 2.0, y0 + 9.0, 0.0)

    def dust(t: float) -> list[Plume]:
        """It grows over 10 s and thins over the last 12."""
        grown = min(1.0, max(0.0, (t - since) / 10.0)) * min(1.0, max(0.0, (until - t) / 12.0))
        colour = (0.78, 0.68, 0.54)
        size = (19.0, 10.0, 7.0)
        cloud = Plume("dust", at, size, 2.4, colour, 1.6 * grown, 70529, t * 0.6)
        return [cloud] if grown > 0 else []

    middle = (since + until) / 2
    return Act((), Event("construction-dust", "dust", "dust", since + 3, until - 3, middle), dust)


def _loses_soil(s: cast.Stage, starts: float) -> Act:
    """An open load passes; what falls stays on the lane."""
    y, speed = s.where.lanes[0] + 0.1, 5.0
    body = [Actor(trucks.muck_truck(s.rng, "open_loaded"), "muck_truck")]
    key = s.rng.getrandbits(32)
    soil = nuisances.spillage(seeds.stream("corner-soil", key), colour=SOIL)
    stain = nuisances.spill_stain(seeds.stream("corner-soil", key), soil)
    falls = round(starts + (8.0 + 5.5 + 18.0) / speed, 2)
    lies = still((7.0, y + 0.2, 0.0, 0.0), falls, 1e9)
    movers = (
        cast.drive(body, "open-truck", starts, y, speed=speed),
        Mover("soil", [Actor(soil, "spillage"), Actor(stain)], lies),
    )
    end = s.length_s
    return Act(movers, Event("road-spillage", "soil", "spillage", falls, end, falls + 40.0))


# -- what only looks like it ---------------------------------------------------------------------
def _crowd(s: cast.Stage, x: float, count: int, since: float, until: float) -> list[Mover]:
    """People who come, wait and go; each stands where it came to."""
    made = []
    for number in range(count):
        spot = x + s.rng.uniform(-3.5, 3.5), s.kerb + s.rng.uniform(0.4, 2.2)
        yaw = s.rng.uniform(0, 6.28)
        begin, end = since + s.rng.uniform(0, 120), until - s.rng.uniform(0, 120)
        at = (*spot, 0.15, yaw)
        stops = [(begin - 10.0, (spot[0] + 24.0, spot[1], 0.15, math.pi)), (begin, at), (end, at)]
        stops.append((end + 10.0, (spot[0] - 24.0, spot[1], 0.15, math.pi)))
        body = people.person(s.rng, "stand")
        made.append(Mover(f"waiting-{number}", [Actor(body, "person")], along(stops)))
    return made


def _unloads(s: cast.Stage, x: float, since: float, until: float) -> Mover:
    """A box lorry at the kerb with a man at its tail."""
    group = [*groups.other_truck(s.rng)]
    group.append(Actor(people.person(s.rng, "bend", vest=True).placed((-4.6, 0.4, 0)), "person"))
    y = s.where.lanes[-1]
    at = (x, y, 0.0, math.pi)
    stops = [(since - 10, (x + 50, y, 0, math.pi)), (since, at), (until, at)]
    return Mover("lorry", group, along([*stops, (until + 10, (x - 50, y, 0, math.pi))]))


# -- weathers ------------------------------------------------------------------------------------
def _streaks(shape: tuple[int, ...], t: float, count: int, longest: float) -> Floats:
    """Falling drops as a layer of 0..1, other ones in every picture."""
    rng = seeds.array_stream("corner-rain", round(t * 1000))
    layer = np.zeros(shape[:2], np.float32)
    for _ in range(count):
        x, y = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
        long = rng.uniform(0.2, 1.0) * longest
        end = (round(x - 0.15 * long), round(y + long))
        cv2.line(layer, (round(x), round(y)), end, float(rng.uniform(0.2, 1.0)), 1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), 0.8), np.float32)


def night_rain(_: Script, __: Street) -> Treat:
    """Drops that are seen where a lamp lights them, and thick air."""

    def treat(light: Floats, depth: Floats, t: float) -> Floats:
        """What falls before it."""
        air = with_air(light, depth, 0.008, np.array([0.03, 0.03, 0.035], np.float32))
        lit = cv2.GaussianBlur(air.mean(-1), (0, 0), 25.0)
        drops = _streaks(depth.shape, t, 900, 30.0) * (0.004 + 0.5 * lit)
        return np.asarray(air + drops[..., None], np.float32)

    return treat


def snow(script: Script, where: Street) -> Treat:
    """Snow lies on road and pavement, thinner where wheels run, and falls in flakes."""
    drawn = cv2.GaussianBlur(noise_volume(91)[7], (0, 0), 1.2)

    def lies(world: Floats) -> Floats:
        """How much of each place of the ground is covered, 0..1."""
        x, y = world[..., 0], world[..., 1]
        patch = cv2.remap(
            np.tile(drawn, (2, 2)).astype(np.float32),
            (x * 3.0 % len(drawn)).astype(np.float32),
            (y * 3.0 % len(drawn)).astype(np.float32),
            cv2.INTER_LINEAR,
        )
        cover = np.clip(0.85 + 0.3 * patch, 0.0, 1.0)
        for lane in where.lanes:
            for wheel in (lane - 0.85, lane + 0.85):
                cover = np.where(np.abs(y - wheel) < 0.3, cover * 0.35, cover)
        return np.asarray(cover * (world[..., 2] < 0.2), np.float32)

    def treat(light: Floats, depth: Floats, t: float) -> Floats:
        """White ground under the same shade, and what falls before it."""
        cover = lies(world_of(script.camera, depth))[..., None]
        grey = light.mean(-1)
        usual = max(float(np.median(grey[cover[..., 0] > 0.5])), 1e-3) if cover.any() else 1.0
        shade = np.clip(grey / usual, 0.3, 1.4)[..., None] ** 0.5
        white = shade * np.array([0.62, 0.65, 0.68], np.float32)
        air = with_air(light * (1 - cover) + white * cover, depth, 0.007, np.full(3, 0.6))
        return np.asarray(air + _flakes(depth.shape, t)[..., None] * 0.5, np.float32)

    return treat


def _flakes(shape: tuple[int, ...], t: float) -> Floats:
    rng = seeds.array_stream("corner-snow", round(t * 1000))
    layer = np.zeros(shape[:2], np.float32)
    for _ in range(700):
        at = (round(rng.uniform(0, shape[1])), round(rng.uniform(0, shape[0])))
        radius = int(rng.choice([1, 1, 1, 2, 3]))
        cv2.circle(layer, at, radius, float(rng.uniform(0.3, 0.9)), -1, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), 0.9), np.float32)


def _drawn(name: str, **other: float) -> Callable[[Street, random.Random], Light]:
    """A weather of the street, with its lamps, and some of its numbers set."""

    def light(where: Street, rng: random.Random) -> Light:
        """As drawn, but for those numbers."""
        return replace(weather(rng, name, lamps=where.lamps), **other)  # type: ignore[arg-type]

    return light


def _festival(where: Street, rng: random.Random) -> Light:
    """Dusk, and red lanterns along the pavement."""
    drawn = weather(rng, "dusk", lamps=where.lamps)
    y = where.width + 2.2
    lanterns = tuple(Lamp((x, y, 3.4), 90.0, LANTERN) for x in range(-4, 28, 4))
    return replace(drawn, sky=0.22, sun=0.3, lamps=(*drawn.lamps, *lanterns))


CORNERS: dict[str, Corner] = {
    "corner-1-night-rain": Corner(
        "night and rain: a fruit stall under an umbrella, scooters, shut stalls",
        _drawn("night", sky=1.0),
        lambda s: [*cast.closed(s, -3.0), *cast.scooters(s, 11.0, 5)],
        lambda s: [*cast.walkers(s, 4), *cast.cars(s, 4)],
        lambda s: [_sells(s, "table", 3.5, 150.0, 690.0)],
        treat=night_rain,
        exposure=3.2,
        noise=2.2,
    ),
    "corner-2-snow": Corner(
        "snow: shut stalls, parked tricycles and a bus queue; nobody sells",
        _drawn("cloudy", haze=0.002),
        lambda s: [*cast.closed(s, -2.0, 7.0), *cast.parked(s, 2.5), *cast.queue(s, 16.0)],
        lambda s: [*cast.walkers(s, 5), *cast.cars(s, 3), cast.bus_calls(s, 300.0, 25.0)],
        treat=snow,
        trucks_s=(200.0, 640.0),
    ),
    "corner-3-market-day": Corner(
        "market day: a stall is set up beside a café, tricycles deliver and go",
        lambda _, __: clear_day(34, 110),
        lambda s: [*cast.cafe(s, 9.0, 13.0), *cast.scooters(s, 19.0, 4)],
        lambda s: [*cast.walkers(s, 6), *cast.cars(s, 2), cast.courier(s, 90.0, 110.0, 12.0)],
        lambda s: [_sells(s, "market_row", 1.5, 240.0, 780.0)],
        awnings=0.7,
    ),
    "corner-4-school-out": Corner(
        "school is out: parents wait in a crowd, a bus calls, a snack tricycle sells",
        lambda _, __: clear_day(27, 232),
        lambda s: [*cast.scooters(s, 14.0, 6)],
        lambda s: [
            *_crowd(s, 8.0, 7, 60.0, 700.0),
            *cast.cars(s, 3),
            cast.bus_calls(s, 420.0, 30.0),
        ],
        lambda s: [_sells_from_tricycle(s, 0.5, 210.0, 760.0)],
    ),
    "corner-5-festival": Corner(
        "a festival at dusk under lanterns: a grill is lit, a crowd, kitchens steam",
        _festival,
        lambda s: [*cast.cafe(s, 10.0, 14.5), *cast.closed(s, -4.0)],
        lambda s: [*_crowd(s, 11.0, 5, 60.0, 860.0), *cast.walkers(s, 4)],
        lambda s: [_grills(s, 3.0, 180.0, 720.0)],
        plumes=lambda s, t: cast.steam(s, t)[1:],
        exposure=1.9,
        noise=1.8,
    ),
    "corner-6-works": Corner(
        "works: a site in dust for a while, a truck that loses soil, covered ones before it",
        _drawn("haze", haze=0.005),
        cast.site_at_rest,
        lambda s: [*cast.walkers(s, 3), *cast.cars(s, 3)],
        lambda s: [_digs_in_dust(s, 240.0, 420.0), _loses_soil(s, 640.0)],
        trucks_s=(120.0, 500.0),
        site=True,
    ),
    "corner-7-early-deliveries": Corner(
        "early: a lorry unloads, couriers park, shut stalls; nothing is violated",
        lambda _, __: clear_day(11, 84),
        lambda s: [*cast.closed(s, -3.0, 5.5), *cast.parked(s, 9.5, 13.0)],
        lambda s: [
            _unloads(s, 16.0, 120.0, 560.0),
            cast.courier(s, 640.0, 120.0, 2.0),
            *cast.walkers(s, 4),
        ],
        plumes=lambda s, t: cast.exhausts(s, t)[:1] if 120.0 <= t < 560.0 else [],
    ),
    "corner-8-noon": Corner(
        "noon: sunshades and awnings, road repairs, wet patches under covered trucks",
        lambda _, __: clear_day(68, 185),
        lambda s: [
            *cast.cafe(s, 0.0, 4.0, 8.5),
            *cast.ground(s, nuisances.wet_patch, (6.0, 0), (13.0, 1)),
            *cast.ground(s, nuisances.road_repair, (1.0, 0)),
        ],
        lambda s: [*cast.walkers(s, 5), *cast.cars(s, 4)],
        trucks_s=(100.0, 380.0, 700.0),
        awnings=0.95,
    ),
}


# -- scripts -------------------------------------------------------------------------------------
def _camera(rng: random.Random, where: Street) -> Camera:
    """A pole at the near kerb; heights and lenses wider spread than the reel's."""
    eye = (rng.uniform(-14.0, -9.0), -1.2, rng.uniform(4.6, 8.4))
    target = (rng.uniform(3.0, 7.0), where.width * rng.uniform(0.6, 0.95), 0.6)
    return looking_at(eye, target, hfov=rng.uniform(56, 74), size=SIZE)


def _times(passing_s: tuple[float, ...]) -> list[float]:
    close = [t for start in passing_s for t in np.arange(start, start + 15.0, 1.0)]
    coarse = np.arange(0, LENGTH_S + 0.01, STEP_S)
    return sorted({round(float(t), 3) for t in (*coarse, *close)})


def _covered(s: cast.Stage, starts: tuple[float, ...]) -> list[Mover]:
    body: Model = trucks.muck_truck(s.rng, "covered")
    y = s.where.lanes[0] + 0.1
    return [
        cast.drive([Actor(body, "muck_truck")], f"covered-{n}", start, y)
        for n, start in enumerate(starts)
    ]


def script(name: str) -> Script:
    """The script of a corner: streams of its own, so that no training picture shares a street."""
    row = CORNERS[name]
    where = street(
        seeds.stream("corner", name, "place"), site=row.site, lane_count=2, awnings=row.awnings
    )
    stage = cast.Stage(where, seeds.stream("corner", name, "things"), LENGTH_S)
    placed = [
        actor
        for group, at, yaw in row.standing(stage)
        for actor in groups.placed(group, at, yaw=yaw)
    ]
    acts = row.acts(stage)
    movers = [*row.movers(stage), *_covered(stage, row.trucks_s)]
    movers += [mover for act in acts for mover in act.movers]
    passing = [*row.trucks_s]
    passing += [a.event.start_s - 7.0 for a in acts if a.event.category == "road-spillage"]

    def plumes(t: float) -> list[Plume]:
        return [*row.plumes(stage, t), *(one for act in acts for one in act.plumes(t))]

    made = Script(
        name,
        seeds.number("corner", name) % 100_000,
        where.model,
        placed,
        movers,
        plumes,
        row.light(where, seeds.stream("corner", name, "light")),
        _camera(seeds.stream("corner", name, "camera"), where),
        _times(tuple(passing)),
        exposure=row.exposure,
        events=[act.event for act in acts],
        zones=zones(where),
        rules=[*RULES, *([SITE_RULE] if row.site else [])],
        about=row.about,
    )
    made = replace(made, look=replace(made.look, noise=row.noise))
    return replace(made, treat=row.treat(made, where)) if row.treat else made

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Regression clips: one situation each, cheap to render, seeds and streets of their own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tools.scenery import (
    clip_street,
    groups,
    lookalikes,
    nuisances,
    people,
    seeds,
    tricycles,
    trucks,
    vehicles,
)
from tools.scenery.camera import Camera, looking_at
from tools.scenery.clips import Event, GroundZone, Mover, Script, along, still
from tools.scenery.groups import Actor, Group
from tools.scenery.light import clear_day, weather
from tools.scenery.street import Street, street
from tools.scenery.turbulence import Plume

SIZE = (1280, 720)


def _place(name: str, seed: int, *, site: bool = False, awnings: float = 0.2) -> Street:
    return street(seeds.stream("clip-case", name, seed), site=site, lane_count=2, awnings=awnings)


def _pole(where: Street, x: float, target: tuple[float, float]) -> Camera:
    return looking_at((x, -1.3, 6.2), (*target, 0.6), hfov=66, size=SIZE)


def _seconds(length: float, step: float) -> list[float]:
    return [round(float(t), 3) for t in np.arange(0, length + 0.01, step)]


def _no_plumes(_: float) -> list[Plume]:
    return []


def _drive(
    group: Group, name: str, start: float, lane: float, *, back: bool = False, speed: float = 8.0
) -> Mover:
    """Once along the road: towards +x, or towards -x where `back`."""
    a, b, yaw = (60.0, -18.0, math.pi) if back else (-18.0, 60.0, 0.0)
    stops = [(start, (a, lane, 0.0, yaw)), (start + 78.0 / speed, (b, lane, 0.0, yaw))]
    return Mover(name, group, along(stops))


def dust_site() -> Script:
    """Dust rises over a site for two minutes, then none; the street before it is quiet."""
    name, seed = "dust-site", 3101
    where = _place(name, seed, site=True)
    x0, y0, x1, _ = where.site or (6.0, 14.0, 46.0, 44.0)
    at = ((x0 + x1) / 2, y0 + 11.0)
    rng = seeds.stream("clip-case", name, "things")
    standing = groups.placed(groups.digger(rng), (at[0], at[1], 0.0), yaw=3.6)
    standing += groups.placed(
        [Actor(trucks.muck_truck(rng, "open_empty"), "muck_truck")],
        (at[0] - 8, at[1] - 4, 0.0),
        yaw=0.2,
    )
    begins, ends, length = 20.0, 110.0, 150.0

    def plumes(t: float) -> list[Plume]:
        """The cloud at a second: it grows over 8 s and thins over the last 10."""
        grown = min(1.0, max(0.0, (t - begins) / 8.0)) * min(1.0, max(0.0, (ends - t) / 10.0))
        if grown <= 0:
            return []
        return [
            Plume(
                "dust",
                (at[0] + 3, at[1] - 2, 0.0),
                (20.0, 11.0, 7.5),
                2.6,
                (0.8, 0.68, 0.52),
                1.7 * grown,
                91733,
                t * 0.6,
            )
        ]

    movers = [
        _drive([Actor(vehicles.car(rng), "car")], "car-0", 42.0, where.lanes[0]),
        _drive([Actor(vehicles.car(rng), "car")], "car-1", 90.0, where.lanes[1], back=True),
    ]
    corners = ((x0, y0 + 1), (x1, y0 + 1), (x1, y0 + 26), (x0, y0 + 26))
    return Script(
        name,
        seed,
        where.model,
        standing,
        movers,
        plumes,
        clear_day(50, 240),
        _pole(where, at[0] - 12, (at[0] - 2, at[1])),
        _seconds(length, 3.0),
        exposure=1.1,
        events=[Event("construction-dust", "dust", "dust", begins + 3, ends - 3, 60.0)],
        zones=[GroundZone("building-site", "site", corners)],
        rules=["{category: construction-dust, zones: [building-site], dwell_s: 20, confirm_s: 5}"],
        about="dust over a site from a minute's third to its end",
    )


def night_barbecue() -> Script:
    """Street lamps, a lit grill with smoke and guests; people walk by."""
    name, seed = "night-barbecue", 3102
    where = _place(name, seed)
    light = replace(weather(seeds.stream("clip-case", name), "night", lamps=where.lamps), sky=0.9)
    rng = seeds.stream("clip-case", name, "things")
    y = where.width + 2.0
    standing = groups.placed([Actor(nuisances.grill(rng), "grill")], (-1.0, y, 0.15))
    cook = people.person(rng, "work", apron=True).placed((-1.0, y + 0.65, 0.15), yaw=-math.pi / 2)
    standing.append(Actor(cook, "person"))
    for x in (-3.6, 1.8):
        standing += groups.placed([Actor(nuisances.dining(rng))], (x, y + 0.4, 0.15))
        for angle in (0.4, 2.4):
            at = (x + 0.75 * math.cos(angle), y + 0.4 + 0.75 * math.sin(angle), 0.05)
            standing.append(
                Actor(people.person(rng, "sit").placed(at, yaw=angle + math.pi), "person")
            )

    def plumes(t: float) -> list[Plume]:
        return [
            Plume(
                "smoke", (-1.2, y, 0.95), (3.6, 1.6, 4.4), 2.4, (0.7, 0.7, 0.72), 1.6, 5512, t * 0.9
            )
        ]

    walk = along([(20.0, (-8.0, y + 2, 0.15, 0.0)), (52.0, (30.0, y + 2, 0.15, 0.0))])
    movers = [Mover("walker", [Actor(people.person(rng, "walk"), "person")], walk)]
    corners = (
        (-8.0, where.width + 0.3),
        (8.0, where.width + 0.3),
        (8.0, where.far[1]),
        (-8.0, where.far[1]),
    )
    return Script(
        name,
        seed,
        where.model,
        standing,
        movers,
        plumes,
        light,
        _pole(where, -10.5, (3.0, where.width)),
        _seconds(90.0, 3.0),
        exposure=3.2,
        events=[Event("outdoor-barbecue", "standing", "grill", 0.0, 90.0, 0.0)],
        zones=[GroundZone("no-fire", "forbidden", corners, ("outdoor-barbecue",))],
        rules=["{category: outdoor-barbecue, zones: [no-fire], dwell_s: 20, confirm_s: 5}"],
        about="a lit grill and guests under street lamps",
    )


def spill_day() -> Script:
    """A truck passes and loses soil; before it a covered one passes that loses none."""
    name, seed = "spill-day", 3103
    where = _place(name, seed)
    y, speed = where.lanes[0] + 0.1, 4.2
    rng = seeds.stream("clip-case", name, "things")
    soil = nuisances.spillage(seeds.stream("clip-case", name, "soil-1"), colour=(0.24, 0.17, 0.11))
    stain = nuisances.spill_stain(seeds.stream("clip-case", name, "soil-1"), soil)
    falls = round(26.0 + (9.0 + 5.5 + 18.0) / speed, 2)
    movers = [
        _drive(
            [Actor(trucks.muck_truck(rng, "covered"), "muck_truck")], "clean", 4.0, y, speed=speed
        ),
        _drive(
            [Actor(trucks.muck_truck(rng, "open_loaded"), "muck_truck")],
            "truck",
            26.0,
            y,
            speed=speed,
        ),
        Mover(
            "soil",
            [Actor(soil, "spillage"), Actor(stain)],
            still((5.0, y + 0.2, 0.0, 0.0), falls, 1e9),
        ),
    ]
    passing = [*np.arange(4, 18, 0.5), *np.arange(26, 40, 0.5)]
    times = sorted({round(float(t), 3) for t in (*_seconds(70.0, 2.5), *passing)})
    lane = ((-6.0, 0.4), (40.0, 0.4), (40.0, where.width - 0.4), (-6.0, where.width - 0.4))
    return Script(
        name,
        seed,
        where.model,
        [],
        movers,
        _no_plumes,
        clear_day(38, 150),
        _pole(where, -11.0, (6.0, 4.0)),
        times,
        exposure=1.1,
        events=[Event("road-spillage", "soil", "spillage", falls, 70.0, 60.0)],
        zones=[GroundZone("lane", "lane", lane)],
        rules=["{category: road-spillage, zones: [lane]}"],
        about="two muck trucks, the second of which loses soil",
    )


def _idle(where: Street, rng: random.Random) -> Group:
    """What stands about and breaks no rule."""
    kerb = where.width + 1.4
    spots: list[tuple[Group, tuple[float, float, float]]] = [
        ([Actor(lookalikes.closed_stall(rng))], (-2.5, kerb, 0.15)),
        (groups.cafe(rng), (3.0, kerb + 1.6, 0.15)),
        (groups.queue(rng), (17.0, kerb + 1.4, 0.15)),
        ([Actor(nuisances.wet_patch(rng))], (6.0, where.lanes[0], 0.0)),
        ([Actor(nuisances.road_repair(rng))], (-1.0, where.lanes[1], 0.0)),
        ([Actor(nuisances.leaves(rng))], (12.0, 0.6, 0.0)),
    ]
    return [actor for group, at in spots for actor in groups.placed(group, at)]


def _passing(where: Street, rng: random.Random) -> list[Mover]:
    """A courier who stops for 46 s, trucks that lose nothing, people on their way."""
    y, (near, far) = where.width - 1.0, where.lanes
    stops = [
        (40.0, (45.0, y, 0, math.pi)),
        (49.0, (9.0, y, 0, math.pi)),
        (95.0, (9.0, y, 0, math.pi)),
        (104.0, (-18.0, y, 0, math.pi)),
    ]
    covered = [Actor(trucks.muck_truck(rng, "covered"), "muck_truck")]
    movers = [
        Mover("courier", [Actor(tricycles.tricycle(rng, load="box"))], along(stops)),
        _drive(covered, "covered", 130.0, near, speed=6),
        _drive([Actor(trucks.mixer(rng), "truck")], "mixer", 180.0, near, speed=6),
        _drive([Actor(vehicles.box_truck(rng), "truck")], "box", 230.0, far, back=True, speed=6),
        _drive([Actor(vehicles.bus(rng), "bus")], "bus", 280.0, far, back=True, speed=6),
    ]
    walk_y = where.width + 2.6
    for number in range(6):
        start, turn = 20.0 + number * 55.0, number % 2 == 0
        a, b = (-6.0, 34.0) if turn else (34.0, -6.0)
        yaw = 0.0 if turn else math.pi
        path = along([(start, (a, walk_y, 0.15, yaw)), (start + 34, (b, walk_y, 0.15, yaw))])
        someone = [Actor(people.person(rng, "walk"), "person")]
        movers.append(Mover(f"walker-{number}", someone, path))
    return movers


def place_of(name: str) -> Street:
    """The street of a clip that others are made from."""
    return {"negatives": lambda: _place("negatives", 3104, awnings=0.8)}[name]()


def negatives() -> Script:
    """Six minutes in which nothing is violated: what the field complains of, one after another."""
    name, seed = "negatives", 3104
    where = place_of(name)
    rng = seeds.stream("clip-case", name, "things")
    passing = [float(start + n) for start in (130, 180, 230, 280) for n in range(13)]
    times = sorted({round(float(t), 3) for t in (*_seconds(360.0, 6.0), *passing)})
    return Script(
        name,
        seed,
        where.model,
        _idle(where, rng),
        _passing(where, rng),
        _no_plumes,
        clear_day(44, 250),
        _pole(where, -11.0, (6.0, 5.5)),
        times,
        exposure=1.1,
        zones=clip_street.zones(where),
        rules=clip_street.RULES,
        about="nothing is violated: shut cart, café, bus queue, courier, covered truck, wet patch",
    )


SCRIPTS: dict[str, Callable[[], Script]] = {
    "dust-site": dust_site,
    "night-barbecue": night_barbecue,
    "spill-day": spill_day,
    "negatives": negatives,
}

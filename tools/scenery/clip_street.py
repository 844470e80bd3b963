# SPDX-License-Identifier: AGPL-3.0-or-later
"""The demo clip: one street, 105 seconds, a vendor, a barbecue, a truck that loses soil, and what
only looks like it. Its street and seed are its own: nothing of it is in the training pictures."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np

from tools.scenery import groups, nuisances, people, seeds, tricycles, trucks, vehicles
from tools.scenery.camera import Camera, looking_at
from tools.scenery.clips import Event, GroundZone, Mover, Pose, Script, along, still
from tools.scenery.groups import Actor, Group
from tools.scenery.light import Light, clear_day
from tools.scenery.street import Street, street
from tools.scenery.turbulence import Plume

SEED = 20260517
LENGTH_S = 105.0
VENDOR = {"arrives": 6.0, "parked": 12.0, "leaves": 84.0, "gone": 91.0}
TRUCK = {"enters": 36.0, "leaves": 50.0}
SPEED_M_S = 4.2
TRUCK_FROM_X = -20.0
SPILL_X = (1.0, 4.5, 8.0)
GRILL_X, STOP_X, STALL_X = -1.6, 24.0, 2.4
SOIL = (0.19, 0.13, 0.08)

RULES = [
    "{category: street-vendor, zones: [pavement], dwell_s: 12, confirm_s: 4}",
    "{category: outdoor-barbecue, zones: [no-fire], dwell_s: 12, confirm_s: 4}",
    "{category: road-spillage, zones: [lane]}",
]


def rng_for(name: str) -> random.Random:
    return seeds.stream("clip-street", SEED, name)


def times() -> list[float]:
    """Every 2.5 s, every 0.5 s while the truck passes, every second while the vendor moves."""
    coarse = np.arange(0, LENGTH_S + 0.01, 2.5)
    vendor = np.arange(VENDOR["arrives"], VENDOR["parked"] + 0.1, 1.0)
    truck = np.arange(TRUCK["enters"], TRUCK["leaves"] - 1.9, 0.5)
    return sorted({round(float(t), 3) for t in (*coarse, *vendor, *truck)})


def camera() -> Camera:
    return looking_at((-11.0, -1.4, 6.4), (6.0, 6.6, 0.6), hfov=66, size=(1280, 720))


def light() -> Light:
    return replace(clear_day(56.0, 255.0), sun=3.4)


def standing(place: Street) -> Group:
    """What does not move: grill and guests, bus stop with its queue, parked scooters, a car."""
    out: Group = []
    far = place.width + 2.0
    rng = rng_for("grill")
    out += groups.placed([Actor(nuisances.grill(rng), "grill")], (GRILL_X, far, 0.15))
    cook = people.person(rng, "work", apron=True).placed(
        (GRILL_X, far + 0.65, 0.15), yaw=-math.pi / 2
    )
    out.append(Actor(cook, "person"))
    table = (GRILL_X - 2.3, far + 0.3, 0.15)
    out += groups.placed([Actor(nuisances.dining(rng))], table)
    for angle in (0.3, 2.0):
        at = (table[0] + 0.75 * math.cos(angle), table[1] + 0.75 * math.sin(angle), 0.05)
        out.append(Actor(people.person(rng, "sit").placed(at, yaw=angle + math.pi), "person"))
    out += groups.placed(groups.queue(rng_for("queue")), (STOP_X, place.width + 3.2, 0.15))
    rng = rng_for("parked")
    for i in range(4):
        out += groups.placed(
            [Actor(vehicles.motorcycle(rng), "motorcycle")],
            (12.0 + 0.75 * i, place.width + 1.0, 0.15),
            yaw=1.4,
        )
    return out


def _vendor_path(place: Street) -> list[tuple[float, Pose]]:
    y = place.width - 1.1
    return [
        (VENDOR["arrives"], (24.0, y - 0.6, 0.0, math.pi)),
        (VENDOR["parked"], (STALL_X, y, 0.0, math.pi)),
        (VENDOR["leaves"], (STALL_X, y, 0.0, math.pi)),
        (VENDOR["gone"], (-16.0, y - 0.6, 0.0, math.pi)),
    ]


def vendor(place: Street) -> list[Mover]:
    """The tricycle, its owner beside it, and customers who come and go while it stands."""
    rng = rng_for("vendor")
    cart = [Actor(tricycles.tricycle(rng_for("fruit-8"), load="sale"), "vendor_stall")]
    owner = Actor(
        people.person(rng, "work", apron=True).placed((-0.2, -1.0, 0), yaw=math.pi / 2), "person"
    )
    movers = [Mover("vendor", [*cart, owner], along(_vendor_path(place)))]
    y = place.width - 1.1
    visits = [
        (15.0, 33.0, -0.9),
        (18.0, 27.0, 0.1),
        (30.0, 52.0, 0.7),
        (45.0, 66.0, -0.5),
        (58.0, 80.0, 0.5),
    ]
    for number, (since, until, dx) in enumerate(visits):
        body = people.person(rng, rng.choice(["stand", "work"]))
        at = (STALL_X + dx, y + 1.5, 0.15, -math.pi / 2 + rng.uniform(-0.3, 0.3))
        away = (STALL_X + dx + (7 if number % 2 else -7), place.width + 1.7, 0.15, at[3])
        stops = [(since - 5, away), (since, at), (until, at), (until + 5, away)]
        movers.append(Mover(f"customer-{number}", [Actor(body, "person")], along(stops)))
    return movers


def truck_x(t: float) -> float:
    return TRUCK_FROM_X + (t - TRUCK["enters"]) * SPEED_M_S


def truck_and_soil(place: Street) -> list[Mover]:
    """Each heap is on the lane from the moment the truck's tail has passed it."""
    y = place.lanes[0] + 0.1
    body = trucks.muck_truck(rng_for("truck-4"), "open_loaded")
    movers = [
        Mover(
            "truck",
            [Actor(body, "muck_truck")],
            along(
                [
                    (TRUCK["enters"], (truck_x(TRUCK["enters"]), y, 0, 0)),
                    (TRUCK["leaves"], (truck_x(TRUCK["leaves"]), y, 0, 0)),
                ]
            ),
        )
    ]
    soil = nuisances.spillage(rng_for("soil-2"), colour=SOIL)
    stain = nuisances.spill_stain(rng_for("soil-2"), soil)
    at = ((SPILL_X[0] + SPILL_X[-1]) / 2, y + 0.3, 0.0, 0.02)
    movers.append(
        Mover("soil", [Actor(soil, "spillage"), Actor(stain)], still(at, spill_time(), 1e9))
    )
    return movers


def spill_time() -> float:
    """When the truck's tail (5 m behind its middle) has passed the near end of the soil."""
    return round(TRUCK["enters"] + (SPILL_X[-1] + 5.5 - TRUCK_FROM_X) / SPEED_M_S, 2)


def others(place: Street) -> list[Mover]:
    """Passing traffic: a delivery tricycle, cars, people walking by."""
    far, near = place.lanes[-1], place.lanes[0]
    rng = rng_for("others")
    courier = tricycles.tricycle(rng, load="box")
    out = [
        Mover(
            "courier",
            [Actor(courier)],
            along([(68.0, (40, far - 0.3, 0, math.pi)), (78.0, (-14, far - 0.3, 0, math.pi))]),
        )
    ]
    for number, (start, lane, yaw) in enumerate(
        [(22.0, near, 0.0), (57.0, near, 0.0), (96.0, far, math.pi)]
    ):
        a, b = (-16.0, 60.0) if yaw == 0 else (60.0, -16.0)
        stops = [(start, (a, lane, 0.0, yaw)), (start + 7.5, (b, lane, 0.0, yaw))]
        out.append(Mover(f"car-{number}", [Actor(vehicles.car(rng), "car")], along(stops)))
    for number, (start, y, turn) in enumerate(
        [(0.0, place.width + 3.0, 1), (26.0, place.width + 2.6, -1), (62.0, place.width + 3.3, 1)]
    ):
        a, b = (-6.0, 34.0) if turn > 0 else (34.0, -6.0)
        stops = [
            (start, (a, y, 0.15, 0.0 if turn > 0 else math.pi)),
            (start + 33, (b, y, 0.15, 0.0 if turn > 0 else math.pi)),
        ]
        out.append(
            Mover(f"walker-{number}", [Actor(people.person(rng, "walk"), "person")], along(stops))
        )
    return out


def smoke(place: Street, t: float) -> list[Plume]:
    """Smoke of the grill at `t` seconds; it drifts, its density stays."""
    return [
        Plume(
            "smoke",
            (GRILL_X - 0.3, place.width + 1.6, 0.95),
            (3.4, 1.5, 4.2),
            2.7,
            (0.6, 0.61, 0.63),
            1.3,
            77131,
            t * 0.9,
        )
    ]


def place() -> Street:
    return street(rng_for("place"), lane_count=2, awnings=0.5)


def events() -> list[Event]:
    """What is violated when, in seconds; what the rules must find, and what they need not."""
    length = times()[-1]
    return [
        Event("street-vendor", "vendor", "vendor_stall", VENDOR["parked"], VENDOR["leaves"], 50.0),
        Event("outdoor-barbecue", "standing", "grill", 0.0, length, 0.0),
        Event("road-spillage", "soil", "spillage", spill_time(), length, 60.0),
        Event(
            "uncovered-load", "truck", "muck_truck", TRUCK["enters"], TRUCK["leaves"], 43.0, False
        ),
    ]


def zones(where: Street) -> list[GroundZone]:
    """Pavement with the kerb side of the far lane, the part where no fire may be, the lanes."""
    low, kerb, far = where.width - 2.6, where.width, where.far[1]
    return [
        GroundZone("pavement", "watch", ((-8, low), (34, low), (34, far), (-8, far))),
        GroundZone(
            "no-fire",
            "forbidden",
            ((-7, kerb + 0.3), (1, kerb + 0.3), (1, far), (-7, far)),
            ("outdoor-barbecue",),
        ),
        GroundZone("lane", "lane", ((-6, 0.4), (40, 0.4), (40, low), (-6, low))),
    ]


def script() -> Script:
    """The whole clip: movers, standing things, plumes, camera, and the site it is judged by."""
    where = place()
    movers = vendor(where) + truck_and_soil(where) + others(where)
    return Script(
        "street",
        SEED,
        where.model,
        standing(where),
        movers,
        lambda t: smoke(where, t),
        light(),
        camera(),
        times(),
        exposure=1.1,
        events=events(),
        zones=zones(where),
        rules=RULES,
        about="a vendor, a barbecue and a truck that loses soil; a courier, a bus queue",
    )

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who plays in the hard-negative reel: what stands, moves and steams in a street without a case."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from tools.scenery import groups, lookalikes, nuisances, people, tricycles, trucks, vehicles
from tools.scenery.clips import Mover, along
from tools.scenery.groups import Actor, Group
from tools.scenery.street import Street
from tools.scenery.turbulence import Plume

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


# -- what stands ---------------------------------------------------------------------------------
def closed(s: Stage, *xs: float) -> list[Placing]:
    return [([Actor(lookalikes.closed_stall(s.rng))], (x, s.kerb, 0.15), 0.0) for x in xs]


def cafe(s: Stage, *xs: float) -> list[Placing]:
    return [(groups.cafe(s.rng), (x, s.kerb + 1.5, 0.15), 0.0) for x in xs]


def queue(s: Stage, x: float) -> list[Placing]:
    return [(groups.queue(s.rng), (x, s.kerb + 1.6, 0.15), 0.0)]


def parked(s: Stage, *xs: float) -> list[Placing]:
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


def scooters(s: Stage, x: float, count: int) -> list[Placing]:
    return [
        ([Actor(vehicles.motorcycle(s.rng), "motorcycle")], (x + 0.8 * n, s.kerb, 0.15), 1.4)
        for n in range(count)
    ]


def ground(
    s: Stage, make: Callable[[random.Random], object], *spots: tuple[float, int]
) -> list[Placing]:
    """Flat things on a lane: x and the lane's number."""
    return [([Actor(make(s.rng))], (x, s.where.lanes[n], 0.0), 0.0) for x, n in spots]  # type: ignore[arg-type]


def works(s: Stage) -> list[Placing]:
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


def site_at_rest(s: Stage) -> list[Placing]:
    """A digger and an empty lorry on the building site; nobody works."""
    x0, y0, x1, _ = s.where.site or (6.0, 14.0, 46.0, 44.0)
    at = ((x0 + x1) / 2, y0 + 11.0)
    idle = [Actor(trucks.muck_truck(s.rng, "open_empty"), "muck_truck")]
    return [
        (groups.digger(s.rng), (*at, 0.0), 3.6),
        (idle, (at[0] - 8, at[1] - 4, 0.0), 0.2),
    ]


def waiting_traffic(s: Stage) -> list[Placing]:
    """A box truck and a van that wait with their engines on."""
    y = s.where.lanes[-1]
    return [
        ([Actor(vehicles.box_truck(s.rng), "truck")], (14.0, y, 0.0), math.pi),
        ([Actor(vehicles.van(s.rng), "car")], (5.0, y, 0.0), math.pi),
    ]


# -- what moves ----------------------------------------------------------------------------------
def drive(
    group: Group, name: str, start: float, lane: float, *, back: bool = False, speed: float = 6.0
) -> Mover:
    """Along a lane from end to end, m/s; `back` against the x axis."""
    a, b, yaw = (60.0, -18.0, math.pi) if back else (-18.0, 60.0, 0.0)
    stops = [(start, (a, lane, 0.0, yaw)), (start + 78.0 / speed, (b, lane, 0.0, yaw))]
    return Mover(name, group, along(stops))


def walkers(s: Stage, count: int, *, off: float = 2.6) -> list[Mover]:
    """People on their way past, spread over the segment, in both directions."""
    movers = []
    for n in range(count):
        start = s.length_s * (n + s.rng.uniform(0.1, 0.7)) / count
        a, b, yaw = (-6.0, 34.0, 0.0) if n % 2 else (34.0, -6.0, math.pi)
        y = s.where.width + off + s.rng.uniform(-0.4, 0.6)
        path = along([(start, (a, y, 0.15, yaw)), (start + 34, (b, y, 0.15, yaw))])
        someone = [Actor(people.person(s.rng, "walk"), "person")]
        movers.append(Mover(f"walker-{n}", someone, path))
    return movers


def cars(s: Stage, count: int) -> list[Mover]:
    """Traffic spread over the segment, on both lanes."""
    movers = []
    for n in range(count):
        start = s.length_s * (n + s.rng.uniform(0.1, 0.9)) / count
        group = groups.traffic(s.rng)
        back = n % 2 == 0
        lane = s.where.lanes[-1 if back else 0]
        movers.append(drive(group, f"car-{n}", start, lane, back=back, speed=9.0))
    return movers


def courier(s: Stage, arrives: float, stays_s: float, x: float) -> Mover:
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


def bus_calls(s: Stage, start: float, stays_s: float) -> Mover:
    """A bus that stops before the queue and hides it."""
    y = s.where.lanes[-1]
    stops = [
        (start, (60.0, y, 0.0, math.pi)),
        (start + 7, (16.0, y, 0.0, math.pi)),
        (start + 7 + stays_s, (16.0, y, 0.0, math.pi)),
        (start + 13 + stays_s, (-20.0, y, 0.0, math.pi)),
    ]
    return Mover("bus", [Actor(vehicles.bus(s.rng), "bus")], along(stops))


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


def steam(s: Stage, t: float) -> list[Plume]:
    """From a manhole of the road, and in gusts from a kitchen's vent above the shop front."""
    made = [_vapour(STEAM, (9.0, s.where.lanes[-1], 0.0), (2.2, 1.0, 2.6), t, seed=4411)]
    if t % 120.0 < 45.0:
        wall = s.where.far[1] - 0.3
        made.append(_vapour(STEAM, (3.0, wall, 2.7), (1.8, 0.9, 1.6), t, seed=4412))
    return made


def exhausts(s: Stage, t: float) -> list[Plume]:
    """Idling engines on a cold morning: low, grey, behind the vehicles."""
    y = s.where.lanes[-1]
    seeds_x = ((18.2, 7101), (7.6, 7102))
    return [_vapour(EXHAUST, (x, y, 0.25), (1.6, 0.8, 0.9), t, seed=n) for x, n in seeds_x]

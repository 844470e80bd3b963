# SPDX-License-Identifier: AGPL-3.0-or-later
"""Small groups that belong together (a stall with its vendor and customers), ready to be placed.

Local frame: the kerb side, where customers stand, is -y; ground at z = 0; about 4 m across.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tools.scenery import (
    goods,
    grills,
    lookalikes,
    nuisances,
    people,
    plant,
    signs,
    stalls,
    tricycles,
    trucks,
    vehicles,
)
from tools.scenery.model import Model


@dataclass(frozen=True)
class Actor:
    """A model and the class its box gets; an empty label is scenery that hides but has no box.
    `state`: what a second classifier is to tell, such as how a truck's load lies; `one_sided`: what
    it is can only be seen from the kerb side, -y: from behind a food van is a van."""

    model: Model
    label: str = ""
    state: str = ""
    one_sided: bool = False


Group = list[Actor]


def placed(group: Group, at: tuple[float, float, float], *, yaw: float = 0.0) -> Group:
    return [replace(actor, model=actor.model.placed(at, yaw=yaw)) for actor in group]


def _someone(
    rng: random.Random,
    pose: str,
    at: tuple[float, float, float],
    yaw: float,
    *,
    apron: bool = False,
    vest: bool = False,
) -> Actor:
    return Actor(people.person(rng, pose, apron=apron, vest=vest).placed(at, yaw=yaw), "person")


def stall_group(rng: random.Random, kind: str = "", *, crowd: int | None = None) -> Group:
    """An open stall, its vendor behind it mostly, customers in front."""
    kind = kind or stalls.draw(rng)
    model = stalls.stall(rng, kind)
    model.put(stalls.clutter(rng), (0, 0.45, 0))
    if rng.random() < 0.12:
        model.put(signs.chalkboard(rng), (rng.choice([-1.3, 1.3]), -0.7, 0))
    group = [Actor(model, "vendor_stall", one_sided=kind in stalls.ONE_SIDED)]
    if rng.random() < 0.72:
        x, y = rng.uniform(-0.6, 0.6), rng.uniform(0.75, 1.1)
        group.append(
            _someone(
                rng,
                rng.choice(["work", "work", "stand", "sit"]),
                (x, y, 0),
                -math.pi / 2 + rng.uniform(-0.4, 0.4),
                apron=rng.random() < 0.4,
            )
        )
    count = rng.choices([0, 1, 2, 3, 5], [5, 3, 2, 1.5, 1])[0] if crowd is None else crowd
    for _ in range(count):
        at = (rng.uniform(-1.5, 1.5), -rng.uniform(0.8, 2.0), 0.0)
        group.append(
            _someone(
                rng,
                rng.choice(["stand", "stand", "walk", "work", "bend"]),
                at,
                math.pi / 2 + rng.uniform(-0.8, 0.8),
            )
        )
    return group


def closed_group(rng: random.Random) -> Group:
    return [Actor(lookalikes.closed_stall(rng))]


def parked_tricycle(rng: random.Random) -> Group:
    """A delivery tricycle: looks like a cart, sells nothing."""
    group = [Actor(tricycles.tricycle(rng, load=rng.choice(["box", "box", "empty", "covered"])))]
    if rng.random() < 0.4:
        group.append(_someone(rng, "stand", (rng.uniform(-1, 1), -1.1, 0), rng.uniform(0, 6)))
    return group


def queue(rng: random.Random) -> Group:
    """People waiting at a bus stop."""
    group = [Actor(lookalikes.bus_stop(rng))]
    for i in range(rng.randint(2, 8)):
        at = (i * rng.uniform(0.5, 0.8) - 2, -rng.uniform(0.3, 1.3), 0.0)
        group.append(
            _someone(rng, "stand", at, rng.choice([-1.6, 0.0, 3.1]) + rng.uniform(-0.4, 0.4))
        )
    return group


def cafe(rng: random.Random) -> Group:
    """A parasol set with up to three guests: not a stall, though it looks like one from afar."""
    group = [Actor(lookalikes.parasol_set(rng))]
    for _ in range(rng.randint(0, 3)):
        a = rng.uniform(0, 6.28)
        group.append(
            _someone(rng, "sit", (0.85 * math.cos(a), 0.85 * math.sin(a), 0.05), a + math.pi)
        )
    return group


def refuse(rng: random.Random) -> Group:
    return [Actor(goods.refuse_bags(rng, rng.randint(1, 7)), "garbage")]


def passers(rng: random.Random) -> Group:
    """One to four people on their way."""
    yaw = rng.uniform(0, 6.28)
    return [
        _someone(
            rng,
            rng.choice(["walk", "walk", "stand"]),
            (rng.uniform(-0.8, 0.8), i * rng.uniform(0.5, 0.9), 0),
            yaw + rng.uniform(-0.3, 0.3),
            vest=rng.random() < 0.07,
        )
        for i in range(rng.randint(1, 4))
    ]


def truck_group(rng: random.Random, load: str = "") -> Group:
    load = load or rng.choice(trucks.LOADS)
    drawn = trucks.DROPSIDE if rng.random() < 0.3 else trucks.VARIED
    return [Actor(trucks.muck_truck(rng, load, drawn), "muck_truck", load)]


def other_truck(rng: random.Random) -> Group:
    return [Actor(trucks.mixer(rng) if rng.random() < 0.4 else vehicles.box_truck(rng), "truck")]


def spill_group(rng: random.Random) -> Group:
    spill = nuisances.spillage(rng)
    return [Actor(spill, "spillage"), Actor(nuisances.spill_stain(rng, spill))]


def _guest(rng: random.Random) -> Actor:
    at = (rng.uniform(-1, 1), -rng.uniform(0.7, 1.4), 0.0)
    return _someone(rng, rng.choice(["stand", "work"]), at, math.pi / 2)


def grill_group(rng: random.Random) -> Group:
    """A grill with its cook; guests at low tables now and then."""
    group = [Actor(grills.grill(rng), "grill")]
    if rng.random() < 0.85:
        group.append(
            _someone(
                rng,
                "work",
                (rng.uniform(-0.3, 0.3), 0.6, 0),
                -math.pi / 2,
                apron=rng.random() < 0.4,
            )
        )
    guests = rng.choices([0, 1, 2], [4, 2, 1])[0]
    group += [_guest(rng) for _ in range(guests)]
    if rng.random() < 0.3:
        at = (rng.choice([-2.0, 2.0]), -rng.uniform(0.5, 1.5), 0.0)
        group.append(Actor(nuisances.dining(rng).placed(at)))
        group.append(_someone(rng, "sit", (at[0], at[1] + 0.8, 0), -math.pi / 2))
    return group


def digger(rng: random.Random) -> Group:
    return [Actor(plant.excavator(rng), "excavator")]


def traffic(rng: random.Random) -> Group:
    """One vehicle of daily traffic, front towards +x."""
    make, label = rng.choices(
        [(vehicles.car, "car"), (vehicles.van, "car"), (vehicles.bus, "bus")], [7, 2, 1]
    )[0]
    return [Actor(make(rng), label)]


def two_wheeler(rng: random.Random) -> Group:
    ridden = rng.random() < 0.5
    if rng.random() < 0.6:
        return [Actor(vehicles.motorcycle(rng, ridden=ridden), "motorcycle")]
    return [Actor(vehicles.bicycle(rng, ridden=ridden), "bicycle")]


def patches(rng: random.Random) -> Group:
    """What lies on the lane and is no soil."""
    make = rng.choice([nuisances.wet_patch, nuisances.road_repair, nuisances.leaves])
    return [Actor(make(rng))]


GROUPS: dict[str, Callable[[random.Random], Group]] = {
    "stall": stall_group,
    "closed": closed_group,
    "tricycle": parked_tricycle,
    "queue": queue,
    "cafe": cafe,
    "refuse": refuse,
    "passers": passers,
    "truck": truck_group,
    "other_truck": other_truck,
    "spillage": spill_group,
    "grill": grill_group,
    "digger": digger,
    "traffic": traffic,
    "two_wheeler": two_wheeler,
    "patches": patches,
}

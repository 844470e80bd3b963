# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cameras that stand still, a picture a day: what a box sees of its own corner over some weeks.

A camera is one street. What stands there for good (a shut cart, sunshades, a row of scooters)
stands there every day, in other light; vendors come to about their usual spots on most days,
strangers now and then. At two of the five, lorries of all kinds pass instead. The detector is wrong
about the same things day after day, as at a real corner (tools.training.corner).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tools.scenery import groups, labels, lookalikes, people, seeds, stalls, tricycles, trucks
from tools.scenery import vehicles as cars
from tools.scenery.camera import Camera, looking_at
from tools.scenery.develop import balanced, draw_look, picture, write_jpeg
from tools.scenery.groups import Actor, Group
from tools.scenery.light import weather
from tools.scenery.model import Model
from tools.scenery.pictures import with_plumes
from tools.scenery.produce import write_labels
from tools.scenery.shapes import Floats
from tools.scenery.street import Street, street

if TYPE_CHECKING:
    from pathlib import Path

    from tools.scenery.blender import Studio

SIZE = (512, 308)
KERB_CAMERAS, LANE_CAMERAS = ("kerb-1", "kerb-2", "kerb-3"), ("lane-1", "lane-2")
CAMERAS = (*KERB_CAMERAS, *LANE_CAMERAS)
COMES, JITTER_M = 0.7, 0.6
STRANGER = 0.4
# Along the kerb, metres: the vendors' usual spots, and where something stands for good.
VENDORS_X, THINGS_X = (-1.0, 4.6, 10.2), (-4.0, 1.8, 7.4, 13.0, 16.0)
SLOTS_X, TAKEN = (-1.0, 8.5, 18.0), 0.5  # of each lane, and how often a vehicle is there
MOST_HAZE = 0.006
LIGHTS = ("sun", "sun", "cloudy", "haze", "dusk", "night")


@dataclass(frozen=True)
class Place:
    """A camera, its street, and what is there every day."""

    where: Street
    camera: Camera
    always: Group


def place(seed: int, name: str) -> Place:
    """The same on every day."""
    where = street(seeds.stream("corner-days", seed, name, "place"), lane_count=2, awnings=0.4)
    rng = seeds.stream("corner-days", seed, name, "camera")
    eye = (rng.uniform(-12.0, -8.0), -1.2, rng.uniform(4.5, 7.0))
    target = (rng.uniform(4.0, 6.5), where.width * rng.uniform(0.7, 0.95), 0.6)
    camera = looking_at(eye, target, hfov=rng.uniform(56, 68), size=SIZE)
    stands = seeds.stream("corner-days", seed, name, "always")
    always: Group = []
    if name in KERB_CAMERAS:
        for x in THINGS_X:
            thing = [Actor(stands.choice(FOR_GOOD)(stands))]
            always += groups.placed(thing, (x, where.width + 1.5, 0.15))
    return Place(where, camera, always)


def _parked(rng: random.Random) -> Model:
    return tricycles.tricycle(rng, load=rng.choice(["box", "covered", "empty"]))


# What is no stall, as it stands there every day.
FOR_GOOD: tuple[Callable[[random.Random], Model], ...] = (
    lookalikes.closed_stall,
    lookalikes.closed_stall,
    lookalikes.parasol_set,
    lookalikes.parasol_set,
    lookalikes.bus_stop,
    _parked,
)


def came(seed: int, name: str, number: int, at: Place) -> Group:
    """What came on this day."""
    rng = seeds.stream("corner-days", seed, name, "day", number)
    if name in LANE_CAMERAS:
        return _traffic(rng, at.where)
    group: Group = []
    for usual, x in enumerate(VENDORS_X):
        if rng.random() < COMES:
            own = seeds.stream("corner-days", seed, name, "vendor", usual)
            spot = x + rng.uniform(-JITTER_M, JITTER_M), at.where.width + 1.5
            group += _vendor(own, rng, spot)
    if rng.random() < STRANGER:
        group += _vendor(rng, rng, (rng.uniform(-1.0, 12.0), at.where.width - 0.9))
    for _ in range(rng.randint(1, 4)):
        someone = Actor(people.person(rng, rng.choice(["walk", "stand"])), "person")
        walks = (rng.uniform(-4.0, 20.0), at.where.width + rng.uniform(0.6, 2.8), 0.15)
        group += groups.placed([someone], walks, yaw=rng.uniform(0, 6.28))
    return group


def _vendor(own: random.Random, rng: random.Random, at: tuple[float, float]) -> Group:
    """`own`: the vendor's stall, the same every day; `rng`: this day's people about it."""
    kind = own.choice(["push_cart", "table", "tricycle", "show_case"])
    group = [Actor(stalls.stall(own, kind), "vendor_stall")]
    body = people.person(rng, "work").placed((0.0, 0.95, 0.0), yaw=-math.pi / 2)
    group.append(Actor(body, "person"))
    for _ in range(rng.randint(0, 2)):
        spot = (rng.uniform(-1.0, 1.0), -rng.uniform(0.9, 1.6), 0.0)
        group.append(Actor(people.person(rng, "stand").placed(spot, yaw=math.pi / 2), "person"))
    spot = (at[0], at[1] + rng.uniform(-0.3, 0.3), 0.15)
    return groups.placed(group, spot, yaw=rng.uniform(-0.25, 0.25))


def _traffic(rng: random.Random, where: Street) -> Group:
    """Lorries and vans on both lanes; half of them are muck trucks."""
    group: Group = []
    for lane, yaw in ((where.lanes[0], 0.0), (where.lanes[-1], math.pi)):
        for x in SLOTS_X:
            if rng.random() < TAKEN:
                spot = (x + rng.uniform(-1.0, 1.0), lane + rng.uniform(-0.2, 0.2), 0.0)
                group += groups.placed(_lorry(rng), spot, yaw=yaw)
    return group


def _lorry(rng: random.Random) -> Group:
    if rng.random() < 0.5:
        return [Actor(trucks.muck_truck(rng, rng.choice(trucks.LOADS)), "muck_truck")]
    kind = rng.choice(["mixer", "box", "bus", "van"])
    if kind == "mixer":
        return [Actor(trucks.mixer(rng), "truck")]
    if kind == "box":
        return [Actor(cars.box_truck(rng), "truck")]
    return [Actor(cars.bus(rng), "bus")] if kind == "bus" else [Actor(cars.van(rng), "car")]


class Standing:
    """One camera in the studio: its street stays loaded, days come and go."""

    def __init__(self, seed: int, name: str, out: Path, studio: Studio) -> None:
        self.seed, self.name, self.out, self.studio = seed, name, out, studio
        self.at = place(seed, name)
        studio.clear()
        studio.add(self.at.where.model)
        for actor in self.at.always:
            studio.add(actor.model)
        studio.camera(self.at.camera)

    def day(self, number: int) -> dict[str, object]:
        """Writes the picture and the labels of a day."""
        actors = came(self.seed, self.name, number, self.at)
        rng = seeds.stream("corner-days", self.seed, self.name, "light", number)
        drawn = weather(rng, rng.choice(LIGHTS), lamps=self.at.where.lamps)
        light = replace(drawn, haze=min(drawn.haze, MOST_HAZE))
        names, things = {}, []
        for entity, actor in enumerate(actors, 1):
            things += self.studio.add(actor.model, entity=entity)
            if actor.label:
                names[entity] = actor.label
        self.studio.light(light)
        shot = self.studio.shoot()
        self.studio.remove(things)
        self.studio.darken()
        stem = f"{self.name}_{self.seed}_{number:03d}"
        self._write(stem, number, with_plumes(shot, [], self.at.camera, light)[0], light.name)
        write_labels(self.out, stem, labels.index_boxes(shot.index, names), SIZE)
        return {"stem": stem, "light": light.name}

    def _write(self, stem: str, number: int, linear: Floats, light: str) -> None:
        """images/STEM.jpg, as this one camera draws."""
        numbers = seeds.array_stream("corner-days", self.seed, self.name, number)
        own = seeds.array_stream("corner-days", self.seed, self.name, "look")
        look = draw_look(own, night=light == "night")
        (self.out / "images").mkdir(parents=True, exist_ok=True)
        image = picture(balanced(linear, 1.0), look, numbers)
        write_jpeg(str(self.out / "images" / f"{stem}.jpg"), image, max(look.quality, 70))

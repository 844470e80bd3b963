# SPDX-License-Identifier: AGPL-3.0-or-later
"""Scenes for training pictures: a street with something going on, and cameras that see it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tools.scenery import groups, nuisances, people, seeds
from tools.scenery.camera import Camera, looking_at
from tools.scenery.groups import Actor, Group
from tools.scenery.light import Light, weather
from tools.scenery.model import Model
from tools.scenery.refusal import Refused
from tools.scenery.street import Street, street
from tools.scenery.turbulence import Plume

Point = tuple[float, float, float]


@dataclass
class Scene:
    """What stands where; `focus` are points worth a camera's look."""

    name: str
    ground: Model
    actors: list[Actor]
    light: Light
    cameras: list[Camera] = field(default_factory=list)
    plumes: list[Plume] = field(default_factory=list)


class Setting:
    """A street being peopled."""

    def __init__(self, rng: random.Random, place: Street) -> None:
        self.rng, self.street = rng, place
        self.actors: list[Actor] = []
        self.plumes: list[Plume] = []
        self.focus: list[Point] = []

    def put(self, group: Group, at: Point, *, yaw: float = 0.0, focus: bool = False) -> None:
        self.actors += groups.placed(group, at, yaw=yaw)
        if focus:
            self.focus.append(at)

    def pavement(self, x: float, *, far: bool) -> tuple[Point, float]:
        """A place on a pavement and the yaw that turns customers' side to the road."""
        low, high = self.street.far if far else self.street.near
        y = self.rng.uniform(low + 0.9, high - 0.7)
        return (x, y, 0.15), (0.0 if far else math.pi) + self.rng.gauss(0, 0.15)

    def traffic(self, count: int, make: Callable[[random.Random], Group] = groups.traffic) -> None:
        """So many vehicles on lanes drawn at random, driving the way their lane goes."""
        lanes = self.street.lanes
        for i in range(count):
            lane = self.rng.randrange(len(lanes))
            yaw = 0.0 if lane < len(lanes) / 2 else math.pi
            x = self.rng.uniform(-22, 45) + i * 0.5
            self.put(make(self.rng), (x, lanes[lane], 0.0), yaw=yaw + self.rng.gauss(0, 0.03))

    def walkers(self, count: int) -> None:
        for _ in range(count):
            at, _ = self.pavement(self.rng.uniform(-15, 30), far=self.rng.random() < 0.5)
            self.put(groups.passers(self.rng), at)

    def plume(self, kind: str, at: Point, size: Point, *, colour: Point, density: float) -> None:
        """A cloud with its foot at `at` and of `size` metres, with a random seed, age and wind."""
        rng = self.rng
        self.plumes.append(
            Plume(
                kind,
                at,
                size,
                rng.uniform(0, 6.28),
                colour,
                density,
                rng.getrandbits(24),
                rng.uniform(0, 30),
                math.exp(rng.gauss(0, 0.2)),
            )
        )


def _market(s: Setting) -> None:
    x = s.rng.uniform(-6, 0)
    far = s.rng.random() < 0.5
    for _ in range(s.rng.randint(1, 5)):
        at, yaw = s.pavement(x, far=far)
        s.put(groups.stall_group(s.rng), at, yaw=yaw, focus=True)
        x += s.rng.uniform(2.8, 4.5)
    if s.rng.random() < 0.4:
        y = 1.0 if not far else s.street.width - 1.0
        s.put(
            groups.stall_group(s.rng, "tricycle"),
            (x, y, 0),
            yaw=math.pi if not far else 0.0,
            focus=True,
        )
    s.walkers(s.rng.randint(1, 4))
    s.traffic(s.rng.randint(0, 3))


def _barbecue(s: Setting) -> None:
    at, yaw = s.pavement(s.rng.uniform(-3, 3), far=s.rng.random() < 0.6)
    s.put(groups.grill_group(s.rng), at, yaw=yaw, focus=True)
    for _ in range(s.rng.randint(0, 3)):
        spot = (at[0] + s.rng.uniform(-4, 4), at[1] + s.rng.uniform(-0.6, 0.6), 0.15)
        s.put([Actor(nuisances.dining(s.rng))], spot)
        for _ in range(s.rng.randint(0, 3)):
            _seat(s, spot, s.rng.uniform(0, 6.28))
    if s.rng.random() < 0.75:
        _smoke_over(s, at, s.rng.uniform(2, 6), s.rng.uniform(0.7, 0.95), s.rng.uniform(0.8, 3.0))
    s.walkers(2)
    s.traffic(s.rng.randint(0, 2))


def _seat(s: Setting, table: Point, angle: float) -> None:
    """A guest on a stool at a low table, facing it."""
    at = (0.75 * math.cos(angle), 0.75 * math.sin(angle), -0.1)
    guest = people.person(s.rng, "sit").placed(at, yaw=angle + math.pi)
    s.put([Actor(guest, "person")], table)


def _smoke_over(s: Setting, grill: Point, high: float, grey: float, density: float) -> None:
    foot, size = (grill[0], grill[1], 0.9), (high * 0.8, high * 0.4, high)
    s.plume("smoke", foot, size, colour=(grey, grey, grey * 1.02), density=density)


def _snack_street(s: Setting) -> None:
    """Grills and stalls on one pavement, with low tables, parked scooters and people between: what
    tells the one from the other stands in the same picture, and seldom in the middle of it."""
    far = s.rng.random() < 0.7
    x = s.rng.uniform(-4, 0)
    kinds = ["grill", *s.rng.choices(["grill", "stall", "table"], k=3)]
    s.rng.shuffle(kinds)
    for kind in kinds:
        at, yaw = s.pavement(x, far=far)
        if kind == "table":
            s.put([Actor(nuisances.dining(s.rng))], at)
            _seat(s, at, 0.3)
            _seat(s, at, 2.0)
        else:
            s.put(groups.GROUPS[kind](s.rng), at, yaw=yaw)
            s.focus.append((at[0] + s.rng.uniform(-3, 8), at[1] - s.rng.uniform(-1, 3), 0.0))
        if kind == "grill" and s.rng.random() < 0.5:
            grey, high = s.rng.uniform(0.7, 0.95), s.rng.uniform(1.5, 5)
            _smoke_over(s, at, high, grey, s.rng.uniform(0.5, 2.5))
        x += s.rng.uniform(2.2, 4.5)
    at, yaw = s.pavement(x + s.rng.uniform(2, 8), far=far)
    for i in range(s.rng.randint(0, 4)):
        place = (at[0] + 0.75 * i, at[1] - 0.8, at[2])
        s.put(groups.two_wheeler(s.rng), place, yaw=1.4 + s.rng.gauss(0, 0.1))
    s.walkers(s.rng.randint(1, 3))
    s.traffic(s.rng.randint(0, 2))


def _trucks(s: Setting) -> None:
    s.traffic(s.rng.randint(1, 2), groups.truck_group)
    s.focus += [
        (float(a.model.verts()[:, 0].mean()), float(a.model.verts()[:, 1].mean()), 0.0)
        for a in s.actors
        if a.label == "muck_truck"
    ]
    if s.rng.random() < 0.5:
        _spill(s)
    s.traffic(s.rng.randint(0, 3))
    if s.rng.random() < 0.4:
        s.traffic(1, groups.other_truck)
    s.walkers(1)


def _spill(s: Setting) -> None:
    lane = s.rng.choice(s.street.lanes)
    at = (s.rng.uniform(-6, 12), lane + s.rng.uniform(-0.4, 0.4), 0.0)
    s.put(groups.spill_group(s.rng), at, yaw=s.rng.gauss(0, 0.08), focus=True)
    if s.rng.random() < 0.5:
        _lane_clutter(s)


def _lane_clutter(s: Setting) -> None:
    for _ in range(s.rng.randint(1, 3)):
        s.put(groups.patches(s.rng), (s.rng.uniform(-12, 20), s.rng.choice(s.street.lanes), 0.0))


def _spill_scene(s: Setting) -> None:
    for _ in range(s.rng.randint(1, 2)):
        _spill(s)
    s.traffic(s.rng.randint(0, 2))
    s.walkers(1)


def _dust_site(s: Setting) -> None:
    x0, y0, x1, _ = s.street.site or (5, 16, 45, 46)
    at = (s.rng.uniform(x0 + 10, x1 - 10), s.rng.uniform(y0 + 8, y0 + 18), 0.0)
    s.put(groups.digger(s.rng), at, yaw=s.rng.uniform(0, 6), focus=True)
    s.put(
        groups.truck_group(s.rng),
        (at[0] + s.rng.uniform(-9, 9), at[1] - 6, 0.0),
        yaw=s.rng.uniform(-0.4, 0.4),
    )
    long = s.rng.uniform(9, 24)
    warm = s.rng.random()
    s.plume(
        "dust",
        (at[0], at[1] - 2, 0),
        (long, long * 0.6, long * s.rng.uniform(0.3, 0.5)),
        colour=(0.84, 0.8 - 0.08 * warm, 0.76 - 0.2 * warm),
        density=s.rng.uniform(0.8, 3.0),
    )
    s.traffic(2)
    s.walkers(1)


def _negatives(s: Setting) -> None:
    """Everything that is taken for a violation, and no violation."""
    x = s.rng.uniform(-8, -2)
    for _ in range(s.rng.randint(2, 4)):
        make = s.rng.choice(
            [
                groups.closed_group,
                groups.parked_tricycle,
                groups.parked_tricycle,
                groups.cafe,
                groups.queue,
                groups.two_wheeler,
                groups.passers,
            ]
        )
        at, yaw = s.pavement(x, far=s.rng.random() < 0.5)
        s.put(make(s.rng), at, yaw=yaw, focus=True)
        x += s.rng.uniform(4, 7)
    _lane_clutter(s)
    if s.rng.random() < 0.5:
        s.put([Actor(nuisances.barrier(s.rng))], (s.rng.uniform(-5, 10), s.street.lanes[0], 0.0))
    s.traffic(s.rng.randint(1, 3))
    s.traffic(1, groups.other_truck)
    s.walkers(3)


def _refuse(s: Setting) -> None:
    at, yaw = s.pavement(s.rng.uniform(-3, 3), far=s.rng.random() < 0.5)
    s.put(groups.refuse(s.rng), at, yaw=yaw, focus=True)
    _negatives(s)


SITUATIONS: dict[str, tuple[float, Callable[[Setting], None]]] = {
    "market": (5, _market),
    "barbecue": (2.5, _barbecue),
    "trucks": (3, _trucks),
    "spill": (2.5, _spill_scene),
    "dust_site": (1.5, _dust_site),
    "negatives": (2, _negatives),
    "refuse": (0.5, _refuse),
    "snack_street": (0, _snack_street),  # by its name alone
}


def _camera(
    rng: random.Random, place: Street, focus: Point, *, size: tuple[int, int], night: bool
) -> Camera:
    """Pole at the near kerb, a phone at eye level, or a drone (by day)."""
    kind = rng.choices(["pole", "eye", "drone", "nadir"], [5, 3, 0, 0] if night else [5, 3, 2, 1])[
        0
    ]
    fx, fy, _ = focus
    if kind == "nadir":
        high = rng.uniform(20, 60)
        eye = (fx + rng.uniform(-4, 4), fy + rng.uniform(-4, 4), high)
        return Camera(
            *eye, rng.uniform(0, 360), rng.uniform(-90, -78), 0, rng.uniform(45, 70), *size
        )
    if kind == "drone":
        high, away, side = rng.uniform(18, 55), rng.uniform(8, 45), rng.uniform(-math.pi, 0)
        clear = place.near[0] - 8  # the near houses stand behind this line
        eye = (fx + away * math.cos(side), max(clear, fy + away * math.sin(side)), high)
    elif kind == "pole":
        eye = (
            fx - rng.choice([-1, 1]) * rng.uniform(4, 20),
            rng.choice([-1.5, -0.6, place.width + 0.8]),
            rng.uniform(3.5, 7.5),
        )
    else:
        away = rng.uniform(2.5, 9)
        toward = 1 if fy < place.width / 2 else -1
        eye = (fx + rng.uniform(-0.7, 0.7) * away, fy + toward * away, rng.uniform(1.3, 2.2))
    hfov = rng.uniform(45, 85) if kind != "drone" else rng.uniform(40, 70)
    target = (fx + rng.uniform(-1, 1), fy + rng.uniform(-0.5, 0.5), rng.uniform(0.3, 1.2))
    return looking_at(eye, target, hfov=hfov, size=size, roll=rng.gauss(0, 1.2))


def build(
    seed: int, number: int, *, name: str = "", views: int = 4, size: tuple[int, int] = (640, 384)
) -> Scene:
    """The scene of a number; the same for the same seed in every process."""
    if name and name not in SITUATIONS:
        raise Refused(f"--situation {name}: not known; one of {', '.join(SITUATIONS)}")
    rng = seeds.stream("scene", seed, number)
    name = name or rng.choices(list(SITUATIONS), [share for share, _ in SITUATIONS.values()])[0]
    place = street(rng, site=name == "dust_site", awnings=0.4 if name == "negatives" else 0.15)
    setting = Setting(rng, place)
    SITUATIONS[name][1](setting)
    night = name == "barbecue" and rng.random() < 0.45
    light = weather(rng, "night" if night else "", lamps=place.lamps)
    cameras = [
        _camera(
            rng,
            place,
            rng.choice(setting.focus or [(4.0, 4.0, 0.0)]),
            size=size,
            night=light.name == "night",
        )
        for _ in range(views)
    ]
    return Scene(name, place.model, setting.actors, light, cameras, setting.plumes)

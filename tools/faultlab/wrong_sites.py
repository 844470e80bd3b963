# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sites with one wrong item each, drawn with a seed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

CAMERAS = ("north", "south", "east")
SiteData = dict[str, Any]


def base_site(meter_ports: tuple[int, int] = (1, 2)) -> SiteData:
    """Three cameras with zones and rules, two meters with a noise point each."""
    pavement = [[0.0, 0.4], [1.0, 0.4], [1.0, 1.0], [0.0, 1.0]]
    window = [[0.0, 0.0], [0.2, 0.0], [0.2, 0.2]]
    cameras = [
        {
            "id": name,
            "source": "street.mp4",
            "playback": "loop",
            "fps": 2,
            "zones": [
                {"id": "pavement", "polygon": copy.deepcopy(pavement)},
                {"id": "window", "kind": "mask", "polygon": copy.deepcopy(window)},
            ],
            "rules": [
                {"category": "street-vendor", "zones": ["pavement"], "dwell_s": 60},
                {"category": "outdoor-barbecue", "zones": ["pavement"]},
            ],
        }
        for name in CAMERAS
    ]
    sensors = [
        {
            "id": f"meter-{n}",
            "kind": "line",
            "map": "meter-lines",
            "port": f"socket://127.0.0.1:{port}",
        }
        for n, port in enumerate(meter_ports, 1)
    ]
    noise = [
        {
            "id": f"point-{n}",
            "sensor": f"meter-{n}",
            "standard": "GB 22337",
            "zone_class": "2",
            "category": "shop-noise",
        }
        for n in (1, 2)
    ]
    return {"name": "测试点位", "cameras": cameras, "sensors": sensors, "noise": noise}


@dataclass(frozen=True)
class Mutant:
    """A site with one wrong item. `item` is set aside; `without` may not be asked to work."""

    label: str
    site: SiteData
    kind: str
    item: str
    without: frozenset[str]


# A wrong value of the key of one item, for each kind of item. Each must be refused.
CAMERA: dict[str, Callable[[random.Random], Any]] = {
    "source": lambda r: r.choice(
        [
            f"192.168.{r.randrange(256)}.{r.randrange(1, 255)}",
            f"missing-{r.randrange(1000)}.mp4",
            f"video/{r.randrange(1000)}/a.mp4",
            "notes.txt",
            "empty.mp4",
            "cut.mp4",
            "rtsp://admin:secret#1@",
            f"rtsp://10.0.0.9:{r.randrange(70_000, 99_999)}/s",
            "ftp://10.0.0.9/s",
            "usb:camera one",
            "pipeline:nothing",
            " rtsp://10.0.0.9/s",
            "",
        ]
    ),
    "fps": lambda r: r.choice([0, -1, 31, "fast", None, True]),
    "id": lambda r: r.choice(["Nord", "a b", "", 7, "north"]),
    "playback": lambda r: r.choice(["slow", 1]),
    "model": lambda r: r.choice(["nothing-v9", "broken.yaml", "other.yaml", "hash.yaml"]),
    "sorce": lambda r: "rtsp://10.0.0.9/s",
    "clip_before_s": lambda r: r.choice([-1, 61, "ten"]),
    "position": lambda r: r.choice([{"lat": 100}, {"lon": "east"}, {"grid": "12"}]),
    "record": lambda r: r.choice(["file.mp4", "usb:0"]),
    "premises": lambda r: "a-pit-nobody-knows",
}
ZONE: dict[str, Callable[[random.Random], Any]] = {
    "polygon": lambda r: r.choice(
        [
            [[0.1, 0.1], [0.9, 0.9]],
            [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]],
            [[0.0, 0.0], [1.5, 0.0], [1.0, 1.0]],
            [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]],
            [[-0.1, 0.0], [0.5, 0.0], [0.5, 0.5]],
            "everything",
        ]
    ),
    "kind": lambda r: r.choice(["forbiden", 3]),
    "when": lambda r: r.choice([{"hours": ["25:00-26:00"]}, {"weekdays": ["someday"]}]),
    "categories": lambda r: ["street-vendors"],
}
RULE: dict[str, Callable[[random.Random], Any]] = {
    "category": lambda r: r.choice(["street-vendors", "parking", "Street", 4]),
    "zones": lambda r: r.choice([["pavment"], ["window"], "pavement"]),
    "dwell_s": lambda r: r.choice([-5, "long", 90_000]),
    "min_score": lambda r: r.choice([1.5, "high"]),
    "set": lambda r: r.choice([{"no_such_parameter": 1}, {"attended_share": "many"}]),
    "when": lambda r: r.choice([{"from_date": "2026-02-30"}, {"hours": ["8-9"]}]),
    "dwel_s": lambda r: 60,
}
SENSOR: dict[str, Callable[[random.Random], Any]] = {
    "kind": lambda r: r.choice(["telepathy", "modbus"]),
    "map": lambda r: r.choice(["no-such-map", "fume-generic", None]),
    "baud": lambda r: r.choice([1, "fast"]),
    "port": lambda r: r.choice(["", 5, "listen://0.0.0.0:7000"]),
    "camera": lambda r: "west",
    "stale_s": lambda r: r.choice([0, -3]),
    "id": lambda r: r.choice(["Meter", "meter 2", ""]),
}
POINT: dict[str, Callable[[random.Random], Any]] = {
    "sensor": lambda r: r.choice(["meter-9", 1]),
    "standard": lambda r: r.choice(["GB 0000", 22337]),
    "zone_class": lambda r: "9",
    "category": lambda r: "loud-noise",
}


def mutants(count: int, seed: int = 1, ports: tuple[int, int] = (1, 2)) -> Iterator[Mutant]:
    """The same `count` sites for the same seed."""
    rng = random.Random(seed)
    makers = (_wrong_camera, _wrong_zone, _wrong_rule, _wrong_sensor, _wrong_point)
    for number in range(count):
        yield makers[number % len(makers)](rng, base_site(ports))


def _change(rng: random.Random, table: dict[str, Callable[[random.Random], Any]], row: Any) -> str:
    key = rng.choice(sorted(table))
    row[key] = table[key](rng)
    return f"{key} = {row[key]!r}"


def _wrong_camera(rng: random.Random, site: SiteData) -> Mutant:
    # The first one keeps its name: of two of one name the second is the wrong one.
    number = rng.randrange(1, 3)
    said = _change(rng, CAMERA, site["cameras"][number])
    name = CAMERAS[number]
    return Mutant(f"camera {name}: {said}", site, "camera", name, frozenset({name}))


def _wrong_zone(rng: random.Random, site: SiteData) -> Mutant:
    number = rng.randrange(3)
    said = _change(rng, ZONE, rng.choice(site["cameras"][number]["zones"]))
    name = CAMERAS[number]
    return Mutant(f"zone of {name}: {said}", site, "camera", name, frozenset({name}))


def _wrong_rule(rng: random.Random, site: SiteData) -> Mutant:
    number = rng.randrange(3)
    said = _change(rng, RULE, rng.choice(site["cameras"][number]["rules"]))
    return Mutant(f"rule of {CAMERAS[number]}: {said}", site, "rule", CAMERAS[number], frozenset())


def _wrong_sensor(rng: random.Random, site: SiteData) -> Mutant:
    number = rng.randrange(2)
    said = _change(rng, SENSOR, site["sensors"][number])
    name = f"meter-{number + 1}"
    gone = frozenset({name, f"point-{number + 1}"})
    return Mutant(f"sensor {name}: {said}", site, "sensor", name, gone)


def _wrong_point(rng: random.Random, site: SiteData) -> Mutant:
    number = rng.randrange(2)
    said = _change(rng, POINT, site["noise"][number])
    name = f"point-{number + 1}"
    return Mutant(f"point {name}: {said}", site, "noise", name, frozenset({name}))

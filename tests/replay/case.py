# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a recorded case is, and the people, stalls and trucks that the cases are made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from stage import Actor, Stage, parked

GROUND = [[0.03, 0.4], [0.97, 0.4], [0.97, 0.99], [0.03, 0.99]]
LEFT_HALF = [[0.03, 0.4], [0.5, 0.4], [0.5, 0.99], [0.03, 0.99]]
NOON = 1_767_240_000.0  # 2026-01-01 12:00 in Shanghai, a Thursday and a holiday
SHORT = {"dwell_s": 40, "confirm_s": 10}


@dataclass
class Case:
    """One folder. `truth`: (category, start, end, x, y, radius)."""

    about: str
    rules: list[dict]
    stage: Stage
    truth: list[tuple] = field(default_factory=list)
    zones: list[dict] = field(default_factory=lambda: [zone("pavement", "watch")])
    fps: float = 2.0
    categories: list[dict] = field(default_factory=list)


def zone(name: str, kind: str, polygon: list | None = None, **more: object) -> dict:
    return {"id": name, "kind": kind, "polygon": polygon or GROUND, **more}


def vendor(**more: object) -> list[dict]:
    return [{"category": "street-vendor", **SHORT, **more}]


def stall(start: float, end: float, *, x: float = 0.5, y: float = 0.75, **more: object) -> Actor:
    return parked("vendor_stall", x, y, start, end, **more)


def keeper(start: float, end: float, *, x: float = 0.57, y: float = 0.74) -> Actor:
    return parked("person", x, y, start, end, size=(0.04, 0.18))


def walker(start: float, *, seconds: float = 14.0, y: float = 0.82) -> Actor:
    return Actor("person", [(start, 0.05, y), (start + seconds, 0.95, y)], size=(0.06, 0.3))


def truck(start: float, seconds: float, label: str = "muck_truck", **more: object) -> Actor:
    """Drives through from left to right along the lane."""
    way = [(start, 0.12, 0.85), (start + seconds, 0.9, 0.85)]
    return Actor(label, way, size=(0.22, 0.24), **more)


def heap(start: float, end: float, *, x: float = 0.5, y: float = 0.83, **more: object) -> Actor:
    return parked("spillage", x, y, start, end, size=(0.06, 0.03), **{"score": 0.6, **more})


def play(actors: list[Actor], length: float, **more: object) -> Stage:
    return Stage(actors, length, **{"start_wall": NOON, **more})


def found(start: float, end: float, x: float = 0.5, y: float = 0.75, name: str = "street-vendor"):
    return (name, start, end, x, y, 0.06)

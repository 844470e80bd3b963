# SPDX-License-Identifier: AGPL-3.0-or-later
"""What one camera remembers of its places: offences so far, cases open, arrivals suppressed.

It is what makes a first offence a first one, and outlives a restart inside the judge's snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.geometry import distance, iou, within
from edge.values import Box, Json, Point, Stamp

PLACES = 500


@dataclass(slots=True)
class Past:
    """Offences of one category at one place. `ended_wall` is of the latest, 0 while it lasts."""

    category: str
    place: Point
    size: float
    count: int
    key: str
    began_wall: float
    ended_wall: float


@dataclass(frozen=True, slots=True)
class Open:
    """A case that is open now. `subject` is the truck that caused it, where one did."""

    grid: str
    category: str
    box: Box
    subject: int | None = None


class Memory:
    """One owner: the judge of one camera."""

    def __init__(self) -> None:
        self._past: list[Past] = []
        self._open: dict[str, Open] = {}
        self._suppressed: dict[str, int] = {}

    def opened(
        self, key: str, case: Open, place: Point, *, size: float, aspect: float, now: Stamp
    ) -> Past:
        """Note a new violation; the answer counts it already, but tells of the one before."""
        self._open[key] = case
        category = case.category
        past = self._at(category, place, size, aspect)
        if past is None:
            past = Past(category, place, size, 0, "", now.wall, 0.0)
            self._past.append(past)
            self._forget()
        previous = Past(**{name: getattr(past, name) for name in Past.__slots__})
        past.count, past.key, past.began_wall, past.ended_wall = past.count + 1, key, now.wall, 0.0
        previous.count = past.count
        return previous

    def _at(self, category: str, place: Point, size: float, aspect: float) -> Past | None:
        near = [
            past
            for past in self._past
            if past.category == category
            and distance(past.place, place, aspect) <= 0.75 * max(size, past.size)
        ]
        return min(near, key=lambda past: distance(past.place, place, aspect), default=None)

    def _forget(self) -> None:
        while len(self._past) > PLACES:
            closed = [past for past in self._past if past.key not in self._open]
            self._past.remove(min(closed or self._past, key=lambda past: past.began_wall))

    def ended(self, key: str, now: Stamp) -> None:
        self._open.pop(key, None)
        for past in self._past:
            if past.key == key:
                past.ended_wall = now.wall

    def open_in(self, grid: str | None, category: str) -> int:
        """Cases of this category open in this unit grid, by this camera: the figure that dynamic
        clearing wants back at nought."""
        return sum(1 for o in self._open.values() if (o.grid, o.category) == (grid or "", category))

    def cause_of(self, key: str, case: Open) -> str | None:
        """The open case of another category with the same truck, or at the same place."""
        for other_key, other in self._open.items():
            if other_key == key or other.category == case.category:
                continue
            same_truck = case.subject is not None and other.subject == case.subject
            if same_truck or _same_place(other.box, case.box):
                return other_key
        return None

    def open_by_grid(self) -> dict[str, int]:
        """`grid/category` -> open cases; the daemon adds up its cameras."""
        counts: dict[str, int] = {}
        for case in self._open.values():
            name = f"{case.grid}/{case.category}"
            counts[name] = counts.get(name, 0) + 1
        return counts

    def suppressed(self, category: str, zone: str) -> None:
        """One arrival that a permit made lawful: counted, not raised."""
        name = f"{zone}/{category}"
        self._suppressed[name] = self._suppressed.get(name, 0) + 1

    @property
    def suppressed_counts(self) -> dict[str, int]:
        return dict(self._suppressed)

    def snapshot(self) -> Json:
        past = [[getattr(p, name) for name in Past.__slots__] for p in self._past]
        opened = {key: [o.grid, o.category, o.box] for key, o in self._open.items()}
        return {"past": past, "open": opened, "suppressed": self._suppressed}

    @staticmethod
    def restore(data: Json) -> Memory:
        """The memory of a snapshot; raises KeyError or ValueError for another shape."""
        memory = Memory()
        for category, place, size, count, key, began, ended in data["past"]:
            memory._past.append(
                Past(category, (place[0], place[1]), size, count, key, began, ended)
            )
        for key, (grid, name, box) in data["open"].items():
            memory._open[key] = Open(grid, name, (box[0], box[1], box[2], box[3]))
        memory._suppressed = {name: int(n) for name, n in data["suppressed"].items()}
        return memory


def _same_place(a: Box, b: Box) -> bool:
    return iou(a, b) >= 0.3 or within(a, b) >= 0.7 or within(b, a) >= 0.7

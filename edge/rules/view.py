# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the rules of one camera look at in one step, and what the camera remembers of its places.

A `SceneView` is made once for each step and read by all rules. The `Memory` holds offences so far,
open cases and suppressed arrivals: by it the first at a place is known as the first, and the
judge's snapshot carries it over a restart. `TrackCourses` says which tracks move, since when each
has stood, and which track continues one that broke off; that memory is short and never stored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.geometry import apart, contact_band, distance, iou, size_of, within
from edge.rules.snapshots import MemorySnapshot, OpenRow, PastRow
from edge.rules.zones import LocalMoment, ZoneMap
from edge.values import Box, Candidate, Finding, Point, Prompt, Scene, Stamp, Track

PLACES = 500
# So many offences of a place are known by their keys: older ones are judged by then.
KEYS = 50


@dataclass(slots=True)
class Past:
    """Offences of one category at one place. `ended_wall` is of the latest, 0 while it lasts.

    `count`: all that were found there; `keys`: the newest of them, by which misdetections leave.
    """

    category: str
    place: Point
    size: float
    count: int
    key: str
    began_wall: float
    ended_wall: float
    keys: tuple[str, ...] = ()


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
        self._misdetected: frozenset[str] = frozenset()

    def judged(self, misdetected: Iterable[str]) -> None:
        """Keys of findings that were none, all of them as they stand now: they count no longer,
        and count again once a reviewer takes that back."""
        self._misdetected = frozenset(misdetected)

    def opened(
        self, key: str, case: Open, place: Point, *, size: float, aspect: float, now: Stamp
    ) -> Past:
        """Note a new violation; the answer counts it already, but names the one before.
        Misdetections are neither counted nor named."""
        self._open[key] = case
        category = case.category
        past = self._at(category, place, size, aspect)
        if past is None:
            past = Past(category, place, size, 0, "", now.wall, 0.0)
            self._past.append(past)
        before = self._counted(past)
        past.count, past.key, past.began_wall, past.ended_wall = past.count + 1, key, now.wall, 0.0
        past.keys = (*past.keys, key)[-KEYS:]
        self._forget()
        return before

    def passes(self, key: str, case: Open) -> None:
        """Note an open case that stays at no place: nothing comes back to where a truck passed."""
        self._open[key] = case

    def _counted(self, past: Past) -> Past:
        """The offences of a place before a further one, with that one in the count."""
        wrong = sum(1 for key in past.keys if key in self._misdetected)
        known = "" if past.key in self._misdetected else past.key
        return replace(past, count=past.count - wrong + 1, key=known)

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

    @property
    def open_keys(self) -> frozenset[str]:
        return frozenset(self._open)

    def open_in(self, grid: str | None, category: str) -> int:
        """Cases of this category open in this unit grid, by this camera: the figure that dynamic
        clearing wants back at nought."""
        return sum(1 for o in self._standing() if (o.grid, o.category) == (grid or "", category))

    def _standing(self) -> list[Open]:
        return [case for key, case in self._open.items() if key not in self._misdetected]

    def cause_of(self, key: str, case: Open) -> str | None:
        """The open case of another category with the same truck, or at the same place."""
        for other_key, other in self._open.items():
            if other_key == key or other.category == case.category:
                continue
            same_truck = case.subject is not None and other.subject == case.subject
            if same_truck or _same_place(other.box, case.box):
                return other_key
        return None

    def suppressed(self, category: str, zone: str) -> None:
        """One arrival that a permit made lawful: counted, not raised."""
        name = f"{zone}/{category}"
        self._suppressed[name] = self._suppressed.get(name, 0) + 1

    def snapshot(self) -> MemorySnapshot:
        """For the checkpoint; `restore` is its inverse."""
        past = tuple(PastRow(*(getattr(p, f) for f in Past.__slots__)) for p in self._past)
        opened = {key: OpenRow(o.grid, o.category, o.box) for key, o in self._open.items()}
        return MemorySnapshot(past, opened, dict(self._suppressed))

    @staticmethod
    def restore(kept: MemorySnapshot) -> Memory:
        """The memory as it stood; of an early one each place is known by its latest offence."""
        memory = Memory()
        # Programs that kept where trucks passed wrote these as places without a size.
        for row in (row for row in kept.past if row.size > 0.0):
            past = Past(*msgspec.structs.astuple(row))
            past.keys = (row.key,) if row.keys is None else row.keys
            memory._past.append(past)
        memory._open = {key: Open(o.grid, o.category, o.box) for key, o in kept.open.items()}
        memory._suppressed = dict(kept.suppressed)
        return memory


def _same_place(a: Box, b: Box) -> bool:
    return iou(a, b) >= 0.3 or within(a, b) >= 0.7 or within(b, a) >= 0.7


KEEP_S = 4.0
EVERY_S = 0.3
SPEED_OVER_S = 2.0
FORGET_S = 30.0
# Sizes a second: a parked box jitters below 0.02, a cart pushed at a stroll passes 0.2.
MOVING = 0.12
# Frame heights a second that a detector's jitter alone can come to over two seconds.
JITTER = 0.005
REJOIN_S = 3.0
REJOIN_SIZES = 1.5


class Course:
    """The recent way of one track. `subject` outlives an id switch; `came` is its first look."""

    __slots__ = ("box", "came", "label", "points", "seen", "size", "subject", "velocity")

    def __init__(self, track: Track, now: float, aspect: float, subject: int) -> None:
        self.subject, self.label = subject, track.label
        self.came = (now, track.foot)
        self.seen, self.box = now, track.box
        self.size = size_of(track.box, aspect)
        self.velocity: Point = (0.0, 0.0)
        self.points: deque[tuple[float, float, float]] = deque([(now, *track.foot)])

    def continues(self, other: Course) -> None:
        """Take over the history of the track that this one goes on with."""
        self.came, self.size, self.velocity = other.came, other.size, other.velocity
        self.points = deque([*other.points, self.points[-1]])

    def step(self, track: Track, now: float, aspect: float) -> None:
        """One look at the track: its velocity over the last moments, fractions a second."""
        self.seen, self.box = now, track.box
        self.size += (size_of(track.box, aspect) - self.size) * 0.2
        points, (x, y) = self.points, track.foot
        if now - points[-1][0] < EVERY_S:
            return
        # Pictures may be seconds apart: the look before this one counts, however old.
        before = points[-1]
        points.append((now, x, y))
        while len(points) > 2 and now - points[0][0] > KEEP_S:
            points.popleft()
        t, px, py = next((p for p in points if now - p[0] <= SPEED_OVER_S + EVERY_S), before)
        if t == now:
            t, px, py = before
        self.velocity = ((x - px) / (now - t), (y - py) / (now - t))

    def speed(self, aspect: float) -> float:
        """Own sizes a second over the last two seconds."""
        per_s = distance((0.0, 0.0), self.velocity, aspect) - JITTER
        return max(0.0, per_s) / max(self.size, 1e-3)

    def stood_since(self, radius: float, aspect: float) -> float:
        """Since when its foot has not left the circle round where it is now, within KEEP_S; where
        looks are seldom, from the one before. What was seen before an outage is forgotten."""
        _, x, y = self.points[-1]
        since = self.points[-1][0]
        for t, px, py in reversed(self.points):
            if since - t > FORGET_S or distance((px, py), (x, y), aspect) > radius:
                break
            since = t
        return since


class TrackCourses:
    """Courses of one camera's tracks. One owner: the judge. Short memory, so never stored."""

    def __init__(self) -> None:
        self._courses: dict[int, Course] = {}
        self._subjects = 0

    def step(self, scene: Scene) -> None:
        """Follow every track that was really seen; those long gone are forgotten."""
        now, aspect = scene.at.mono, scene.aspect
        courses = self._courses
        for track in scene.tracks:
            if track.coasted:
                continue
            course = courses.get(track.id)
            if course is None:
                courses[track.id] = self._new(track, now, aspect)
            else:
                course.step(track, now, aspect)
        if len(courses) > 2 * len(scene.tracks) + 16:
            for key in [k for k, c in courses.items() if now - c.seen > FORGET_S]:
                del courses[key]

    def _new(self, track: Track, now: float, aspect: float) -> Course:
        """A new id goes on with the subject of a track that broke off where this one begins."""
        broken = self._broken_off(track, now, aspect)
        if broken is None:
            self._subjects += 1
            return Course(track, now, aspect, self._subjects)
        course = Course(track, now, aspect, broken.subject)
        course.continues(broken)
        return course

    def _broken_off(self, track: Track, now: float, aspect: float) -> Course | None:
        best, reach = None, REJOIN_SIZES
        for course in self._courses.values():
            away = now - course.seen
            if course.label != track.label or not 0.0 < away <= REJOIN_S:
                continue
            _, x, y = course.points[-1]
            expected = (x + course.velocity[0] * away, y + course.velocity[1] * away)
            off = distance(expected, track.foot, aspect) / max(course.size, 1e-3)
            if off < reach:
                best, reach = course, off
        return best

    def course(self, track: Track) -> Course | None:
        return self._courses.get(track.id)

    def moving(self, track: Track, aspect: float) -> bool:
        course = self._courses.get(track.id)
        return course is not None and course.speed(aspect) > MOVING


@dataclass(slots=True)
class SceneView:
    """One scene with what was worked out from it once."""

    scene: Scene
    moment: LocalMoment
    motion: TrackCourses
    zone_map: ZoneMap
    memory: Memory
    by_label: dict[str, list[Track]] = field(init=False)
    boxes: NDArray[np.float32] = field(init=False)
    _columns: NDArray[np.float32] = field(init=False)
    _moving: dict[int, bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.by_label = {}
        seen = [track.box for track in self.scene.tracks if not track.coasted]
        self.boxes = np.array(seen, np.float32).reshape(-1, 4)
        self._columns = np.ascontiguousarray(self.boxes.T)
        for track in self.scene.tracks:
            self.by_label.setdefault(track.label, []).append(track)

    @property
    def now(self) -> Stamp:
        return self.scene.at

    @property
    def mono(self) -> float:
        return self.scene.at.mono

    @property
    def aspect(self) -> float:
        return self.scene.aspect

    def of(self, labels: Iterable[str], min_score: float = 0.0) -> list[Track]:
        """Tracks of these classes that are truly seen in this frame."""
        return [
            track
            for label in labels
            for track in self.by_label.get(label, ())
            if track.score >= min_score and not track.coasted
        ]

    def moving(self, track: Track) -> bool:
        known = self._moving.get(track.id)
        if known is None:
            known = self._moving[track.id] = self.motion.moving(track, self.scene.aspect)
        return known

    def covered(self, box: Box) -> float:
        """Share of a box that seen tracks cover, counted twice where two overlap, at most 1."""
        boxes = self.boxes
        if not len(boxes):
            return 0.0
        x1, y1, x2, y2 = self._columns
        wide = np.minimum(x2, box[2]) - np.maximum(x1, box[0])
        high = np.minimum(y2, box[3]) - np.maximum(y1, box[1])
        met = (wide > 0) & (high > 0)
        if not met.any():
            return 0.0
        whole = max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)
        return min(1.0, float(np.dot(wide[met], high[met])) / whole)

    def shares(self, boxes: Sequence[Box], band: float) -> NDArray[np.float32]:
        """(n, zones): share of each box's contact band in each zone."""
        bands = np.array([contact_band(box, band) for box in boxes], np.float32).reshape(-1, 4)
        return self.zone_map.shares(bands)


@dataclass(slots=True)
class Verdicts:
    """What the rules of one step add to; the judge freezes it."""

    findings: list[Finding] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)


PERSON = "person"


def standing_by(view: SceneView, box: Box, reach: float) -> int:
    """People within `reach` frame heights of a box, standing or as good as standing."""
    return sum(
        1
        for person in view.of((PERSON,))
        if apart(person.box, box, view.aspect) <= reach and not view.moving(person)
    )

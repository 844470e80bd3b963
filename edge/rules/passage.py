# SPDX-License-Identifier: AGPL-3.0-or-later
"""Trucks passing through: where each went, how it looked best, when it was last seen.

A passage belongs to a subject, not to a track id: an id switch continues it (TrackCourses).

`RoadWatch` keeps the pictures of the road before and after each truck. Ground that a vehicle
stands on, or stood on a moment ago, is not looked at: a box that the detector loses for a second
leaves the lorry where it was.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.geometry import distance, foot, mixed, size_of
from edge.rules.lane import Aftermath, Backdrop, Mask, Patch, Thumb, swept
from edge.rules.view import SceneView
from edge.values import Box, Json, Stamp, Track

EVERY_S = 0.2
WAY_POINTS = 240
LEFT_S = 2.0
REMEMBER_S = 900.0
STANDING = 0.06
ASIDE = 0.03


@dataclass(slots=True)
class Passage:
    """One truck on its way. `way`: (mono, box), thinned; `best` is its largest unclipped look."""

    subject: int
    label: str
    key: str
    began: Stamp
    seen: Stamp
    track: Track
    way: list[tuple[float, Box]]
    best: tuple[float, Box]
    best_size: float = 0.0
    furthest: float = 0.0
    seen_s: float = 0.0
    stood_s: float = 0.0
    score: float = 0.0
    ids: int = 1
    reported: bool = False
    ended: bool = False
    tallies: dict[str, float] = field(default_factory=dict)

    def moved(self, aspect: float) -> float:
        """The furthest it has been from where it came into view, in its own sizes."""
        return self.furthest / max(size_of(self.best[1], aspect), 1e-3)

    def over(self, box: Box) -> tuple[float, float] | None:
        """First and last instant at which the truck covered this place on the ground, or None.

        The ground below a truck is seen as the lower half of its box; what falls off its tail lies
        a little outside.
        """
        x, y = (box[0] + box[2]) / 2, box[3]
        times = [
            mono
            for mono, (x1, y1, x2, y2) in self.between()
            if x1 - ASIDE <= x <= x2 + ASIDE and (y1 + y2) / 2 <= y <= y2 + ASIDE
        ]
        return (times[0], times[-1]) if times else None

    def between(self) -> list[tuple[float, Box]]:
        """The way with points put in, so that a fast truck leaves no holes at 2 looks a second."""
        dense: list[tuple[float, Box]] = []
        for (t1, a), (t2, b) in zip(self.way, self.way[1:], strict=False):
            dense += [(t1 + (t2 - t1) * k / 4, mixed(a, b, k / 4)) for k in range(4)]
        return [*dense, self.way[-1]]

    def facts(self, aspect: float) -> dict[str, Json]:
        """What is known of the truck: how long it was seen, how far it moved in its own sizes, its
        best picture."""
        return {
            "class": self.label,
            "seen_s": round(self.seen_s, 2),
            "displacement": round(self.moved(aspect), 2),
            "best_score": round(self.score, 3),
            "track_ids": self.ids,
            "truck_box": [round(v, 4) for v in self.best[1]],
            "truck_at_s": round(self.best[0], 3),
        }

    def moments(self) -> tuple[float, float, float]:
        """Mono seconds of the best look, and of two looks as far apart as the way allows."""
        count = len(self.way)
        return self.best[0], self.way[count // 4][0], self.way[(3 * count) // 4][0]


class Passages:
    """All trucks of one rule, present and of the last quarter of an hour."""

    def __init__(self, name: str, labels: Sequence[str], min_score: float) -> None:
        self._name, self._labels, self._min_score = name, tuple(labels), min_score
        self._by_subject: dict[int, Passage] = {}

    def step(self, view: SceneView) -> list[Passage]:
        """Account for the trucks of this scene; returns those in view."""
        present = []
        for track in view.of(self._labels, self._min_score * 0.6):
            course = view.motion.course(track)
            if course is None:
                continue
            passage = self._by_subject.get(course.subject)
            if passage is None:
                passage = self._new(view, track, course.subject)
                self._by_subject[course.subject] = passage
            self._see(view, passage, track)
            present.append(passage)
        self._forget(view.mono)
        return present

    def _new(self, view: SceneView, track: Track, subject: int) -> Passage:
        x, y = track.foot
        key = f"{self._name}/{x * 1000:.0f}-{y * 1000:.0f}/{view.now.wall:.3f}"
        at = (view.mono, track.box)
        return Passage(subject, track.label, key, view.now, view.now, track, [at], at)

    def _see(self, view: SceneView, passage: Passage, track: Track) -> None:
        passed = min(view.mono - passage.seen.mono, LEFT_S)
        passage.seen_s += passed
        course = view.motion.course(track)
        if course is not None and course.speed(view.aspect) < STANDING:
            passage.stood_s += passed
        passage.ids += passage.track.id != track.id
        passage.seen, passage.track = view.now, track
        passage.score = max(passage.score, track.score)
        away = distance(foot(passage.way[0][1]), track.foot, view.aspect)
        passage.furthest = max(passage.furthest, away)
        if view.mono - passage.way[-1][0] >= EVERY_S and len(passage.way) < WAY_POINTS:
            passage.way.append((view.mono, track.box))
        size = size_of(track.box, view.aspect) * track.score * _unclipped(track.box)
        if size > passage.best_size:
            passage.best_size, passage.best = size, (view.mono, track.box)

    def _forget(self, mono: float) -> None:
        old = [k for k, p in self._by_subject.items() if mono - p.seen.mono > REMEMBER_S]
        for key in old:
            del self._by_subject[key]

    def left(self, mono: float) -> list[Passage]:
        """Trucks out of view for LEFT_S."""
        return [p for p in self._by_subject.values() if mono - p.seen.mono >= LEFT_S]

    def all(self) -> list[Passage]:
        return list(self._by_subject.values())


def _unclipped(box: Box) -> float:
    """1 for a box inside the frame, less where the frame cuts it off; least at its lower edge,
    where the plate is. A detector's box ends a little before the frame does."""
    edge = 0.012
    if box[3] > 1 - edge:
        return 0.25
    cut = box[0] < edge or box[1] < edge or box[2] > 1 - edge
    return 0.5 if cut else 1.0


CLEAR_S = 1.0
LATELY_S = 1.0
# Nothing new in so many looks, half a second apart: there will be nothing. At most so many at once.
QUIET_LOOKS = 12
MOST = 4


class RoadWatch:
    """One owner: the spill rule. `found` are the differences of the latest picture."""

    def __init__(self, *, moved: float, keep_s: float) -> None:
        self._moved, self._keep_s = moved, keep_s
        self._backdrop = Backdrop()
        self._before: dict[int, tuple[Thumb, Mask] | None] = {}
        self._after: dict[int, Aftermath] = {}
        self._done: set[int] = set()
        self._lately: list[tuple[float, Box]] = []
        self.found: list[tuple[Passage, Patch]] = []

    @property
    def busy(self) -> bool:
        return bool(self._after or self._before)

    def step(self, view: SceneView, trucks: Iterable[Passage], wanted: Container[int]) -> None:
        """Take in the picture. `wanted`: subjects whose case is open, so that they are kept."""
        image = view.scene.image
        self._lately += [(view.mono, track.box) for track in view.scene.tracks]
        self._lately = [one for one in self._lately if view.mono - one[0] <= LATELY_S]
        if image is None or not self._backdrop.look(image, view.mono, self._boxes()):
            return
        trucks = list(trucks)
        for truck in trucks:
            self._note(view, truck)
        self._found(view, trucks, wanted)

    def _boxes(self) -> NDArray[np.float32]:
        return np.array([box for _, box in self._lately], np.float32).reshape(-1, 4)

    def _note(self, view: SceneView, truck: Passage) -> None:
        """The road as it was, when a truck comes; the ground it went over, once it has gone."""
        subject = truck.subject
        if subject in self._done:
            return
        if subject not in self._before:
            self._before[subject] = self._backdrop.before(truck.began.mono)
        if view.mono - truck.seen.mono < CLEAR_S:
            return
        self._done.add(subject)
        before = self._before.pop(subject)
        if before is not None and truck.moved(view.aspect) >= self._moved:
            self._after[subject] = Aftermath(before, swept([box for _, box in truck.between()]))

    def _found(self, view: SceneView, trucks: list[Passage], wanted: Container[int]) -> None:
        assert self._backdrop.fresh is not None
        self.found = []
        known = {truck.subject: truck for truck in trucks}
        for subject, aftermath in list(self._after.items()):
            truck = known.get(subject)
            late = truck is None or view.mono - truck.seen.mono > self._keep_s
            over = late or aftermath.quiet >= QUIET_LOOKS or len(self._after) > MOST
            if truck is None or (over and subject not in wanted):
                del self._after[subject]
                continue
            self.found += [(truck, patch) for patch in aftermath.look(self._backdrop.fresh)]
        self._done &= set(known)

    def change_in(self, truck: Passage, box: Box) -> float | None:
        """Mean change of the road in a box, before this truck to now, in grey levels; or None."""
        aftermath = self._after.get(truck.subject)
        return aftermath.change_in(box) if aftermath else None

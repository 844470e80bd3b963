# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which tracks move, since when each has stood, and which track continues one that broke off."""

from __future__ import annotations

from collections import deque

from edge.geometry import distance, size_of
from edge.values import Point, Scene, Track

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
        """Since when its foot has not left the circle round where it is now, within KEEP_S."""
        _, x, y = self.points[-1]
        since = self.points[-1][0]
        for t, px, py in reversed(self.points):
            if distance((px, py), (x, y), aspect) > radius:
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

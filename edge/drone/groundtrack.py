# SPDX-License-Identifier: AGPL-3.0-or-later
"""Things followed on the ground, in metres: one thing is one track, however often flown over. Pure.

Within a pass sightings are joined by place; between looks the place is carried by what the
picture shows (the errors of two neighbouring poses then cancel). Tracks of different passes are
one thing where they lie within the error of a common flight; two things seen in one picture
never are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge.drone.earth import Local
from edge.drone.ground import to_ground
from edge.drone.look import KeyFrame, Sighting
from edge.vision.association import assign

# Things that drive; they may be far from where they were at the last look.
MOVERS = {"muck_truck", "truck", "car", "bus", "van", "tricycle", "motorcycle", "bicycle"}
FASTEST_MPS = 17.0
WALKERS = {"person"}
WALKING_MPS = 2.0
# A pass over a place is over once it has not been sighted for this long.
PASS_GAP_S = 8.0
# Sightings kept of one track: enough for pictures and the mean, whatever the hovering time.
MOST_SIGHTINGS = 120
# Opposite passes double the part of the yaw error; makers' yaw is "almost always 0 to 5 degrees".
PASS_YAW_DEG = 5.0
NEVER = 1e9


@dataclass(frozen=True, slots=True)
class Seen:
    """A sighting with its time and the aircraft's place (metres) at that time."""

    t_s: float
    wall: float
    sighting: Sighting
    camera: tuple[float, float]
    h_m: float


@dataclass(slots=True)
class GroundTrack:
    """One thing on the ground."""

    id: int
    seen: list[Seen] = field(default_factory=list)
    votes: Counter[str] = field(default_factory=Counter)
    looks: int = 0
    first_s: float = math.inf
    last_s: float = -math.inf
    last: Seen | None = None

    def add(self, seen: Seen) -> None:
        """One more sighting. Bounded: of many, every second of the older half goes."""
        self.seen.append(seen)
        self.votes[seen.sighting.label] += 1
        self.looks += 1
        self.first_s, self.last_s = min(self.first_s, seen.t_s), max(self.last_s, seen.t_s)
        self.last = seen
        if len(self.seen) > MOST_SIGHTINGS:
            # Every second one of the older half goes: first and latest stay, spacing grows.
            half = len(self.seen) // 2
            self.seen = self.seen[:half:2] + self.seen[half:]

    def copy(self) -> GroundTrack:
        """Its own lists, the same sightings."""
        return replace(self, seen=list(self.seen), votes=Counter(self.votes))

    @property
    def label(self) -> str:
        return self.votes.most_common(1)[0][0]

    @property
    def score(self) -> float:
        return max(seen.sighting.score for seen in self.seen)

    @property
    def place(self) -> tuple[float, float]:
        """East and north by inverse variance: near-nadir looks weigh most."""
        weights = np.array([1.0 / max(s.sighting.ce90_m, 0.1) ** 2 for s in self.seen])
        points = np.array([(s.sighting.east, s.sighting.north) for s in self.seen])
        east, north = (weights[:, None] * points).sum(axis=0) / weights.sum()
        return float(east), float(north)

    @property
    def ce90_m(self) -> float:
        """Of the mean place. Errors of one flight are common to its looks, so they do not shrink
        with their number."""
        weights = np.array([1.0 / max(s.sighting.ce90_m, 0.1) ** 2 for s in self.seen])
        radii = np.array([s.sighting.ce90_m for s in self.seen])
        return float((weights * radii).sum() / weights.sum())

    @property
    def baseline_m(self) -> float:
        """Largest distance between two places of the aircraft that saw it."""
        cameras = np.array([seen.camera for seen in self.seen])
        away = cameras[:, None, :] - cameras[None, :, :]
        return float(np.hypot(away[..., 0], away[..., 1]).max())

    @property
    def speed_mps(self) -> float:
        """Net displacement over the time seen, less what the error of places makes."""
        first, last = self.seen[0], self.seen[-1]
        if last.t_s - first.t_s < 0.5:
            return 0.0
        away = math.hypot(
            last.sighting.east - first.sighting.east, last.sighting.north - first.sighting.north
        )
        noise = 0.5 * (first.sighting.ce90_m + last.sighting.ce90_m) / 2.0
        return max(0.0, away - noise) / (last.t_s - first.t_s)

    @property
    def raised_m(self) -> float | None:
        """Height above ground by parallax, where the views allow it; None where they do not.

        A thing at height z seems to lie z/(h - z) of the way further from the aircraft: its
        ground place runs against the aircraft's. Roofs and tree tops show by it.
        """
        if len(self.seen) < 4:
            return None
        cameras = np.array([seen.camera for seen in self.seen])
        places = np.array([(s.sighting.east, s.sighting.north) for s in self.seen])
        height = float(np.mean([seen.h_m for seen in self.seen]))
        moved = cameras - cameras.mean(axis=0)
        spread = float((moved**2).sum())
        if spread / len(moved) < (0.25 * height) ** 2:
            return None
        slope = -float((moved * (places - places.mean(axis=0))).sum()) / spread
        return height * slope / (1.0 + slope) if slope > -0.5 else None


class GroundTracks:
    """Feed looks in order of time; `finish` gives the things of the whole flight."""

    def __init__(self, plane: Local, *, merge_m: float = 4.0) -> None:
        self._plane, self._merge_m = plane, merge_m
        self._live: list[GroundTrack] = []
        self._done: list[GroundTrack] = []
        self._passes = Passes(merge_m)
        self._next = 1

    def step(self, look: KeyFrame) -> None:
        """Join one look's sightings to the things on the ground by distance in metres; the rest
        are new."""
        if look.view is None:
            return
        self._retire(look.t_s)
        expected = self._expected(look)
        costs = self._costs(look, expected)
        rows, columns = assign(costs, 1.0) if costs.size else ((), ())
        taken = set()
        for row, column in zip(rows, columns, strict=True):
            self._live[int(row)].add(self._seen(look, look.sightings[int(column)]))
            taken.add(int(column))
        for number, sighting in enumerate(look.sightings):
            if number not in taken:
                self._live.append(self._start(look, sighting))

    def tracks(self) -> list[GroundTrack]:
        """Everything so far, passes not yet merged."""
        return [*self._done, *self._live]

    def finish(self) -> list[GroundTrack]:
        """The flight's things, passes merged, in order of first sight. May be asked again and
        again while the flight goes on."""
        merged = merge(self.tracks(), self._passes.pairs(self._done, self._live))
        return sorted(merged, key=lambda track: track.first_s)

    def _start(self, look: KeyFrame, sighting: Sighting) -> GroundTrack:
        track = GroundTrack(self._next)
        track.add(self._seen(look, sighting))
        self._next += 1
        return track

    def _seen(self, look: KeyFrame, sighting: Sighting) -> Seen:
        assert look.view is not None
        camera = self._plane.metres(look.view.lat, look.view.lon)
        return Seen(look.t_s, look.wall, sighting, camera, look.view.h_m)

    def _retire(self, now_s: float) -> None:
        old = [track for track in self._live if now_s - track.last_s > PASS_GAP_S]
        self._done += old
        self._live = [track for track in self._live if now_s - track.last_s <= PASS_GAP_S]

    def _expected(self, look: KeyFrame) -> list[tuple[float, float]]:
        """Where each live track should appear now, in ground metres of the present pose."""
        assert look.view is not None
        places = [_last_place(track) for track in self._live]
        if look.carried is None or not self._live:
            return places
        matrix = np.array(look.carried).reshape(3, 3)
        for number, track in enumerate(self._live):
            if track.last is None or look.t_s - track.last_s > 1.6:
                continue  # not seen in the look before: its pixel there is not known
            box = track.last.sighting.box
            foot = [(box[0] + box[2]) / 2 * look.view.width, box[3] * look.view.height, 1.0]
            pixel = matrix @ np.array(foot)
            ground = to_ground(look.view, pixel[None, :2] / pixel[2], self._plane)[0]
            if not np.isnan(ground[0]):
                places[number] = (float(ground[0]), float(ground[1]))
        return places

    def _costs(
        self, look: KeyFrame, expected: Sequence[tuple[float, float]]
    ) -> NDArray[np.float64]:
        """Distance over the allowed one, for each live track and sighting; NEVER where the
        classes or sizes do not fit."""
        costs = np.full((len(self._live), len(look.sightings)), NEVER)
        for row, (track, place) in enumerate(zip(self._live, expected, strict=True)):
            for column, sighting in enumerate(look.sightings):
                if not _alike(track, sighting):
                    continue
                allowed = self._gate(track, sighting, look.t_s)
                away = math.hypot(sighting.east - place[0], sighting.north - place[1])
                if away <= allowed:
                    costs[row, column] = away / allowed
        return costs

    def _gate(self, track: GroundTrack, sighting: Sighting, now_s: float) -> float:
        fastest = FASTEST_MPS if sighting.label in MOVERS else 0.0
        fastest = WALKING_MPS if sighting.label in WALKERS else fastest
        return max(self._merge_m, 0.5 * sighting.ce90_m) + fastest * (now_s - track.last_s)


def _last_place(track: GroundTrack) -> tuple[float, float]:
    assert track.last is not None
    if track.label in MOVERS:
        return track.last.sighting.east, track.last.sighting.north
    return track.place


def _alike(track: GroundTrack, sighting: Sighting) -> bool:
    """Same class by the track's vote, and sizes within a factor of three."""
    assert track.last is not None
    if sighting.label not in track.votes:
        return False
    ratio = (sighting.width_m + 0.2) / (track.last.sighting.width_m + 0.2)
    return 1 / 3 <= ratio <= 3


@dataclass(frozen=True, slots=True)
class Pass:
    """What joining asks of a track: `middle` is its sighting half-way, `seen` how many it has."""

    id: int
    label: str
    place: tuple[float, float]
    ce90_m: float
    middle: Sighting
    times: frozenset[float]
    seen: int


Pair = tuple[float, int, int]


class Passes:
    """Pairs of tracks that may be one thing: (distance over the allowed one, id, id).

    A track whose pass is over changes no more, so what it is to the others like it is worked out
    once: a flight has hundreds of them, and is judged every few seconds while it is in the air.
    """

    def __init__(self, merge_m: float) -> None:
        self._merge_m = merge_m
        self._over: list[Pass] = []
        self._pairs: list[Pair] = []
        self._taken = 0

    def pairs(self, done: Sequence[GroundTrack], live: Sequence[GroundTrack]) -> list[Pair]:
        """Nearest first. `done` is what it was at the last call and what was added behind."""
        for over in _passes(done[self._taken :]):
            self._pairs += self._with(over, self._over)
            self._over.append(over)
        self._taken = len(done)
        known, found = list(self._over), list(self._pairs)
        for one in _passes(live):
            found += self._with(one, known)
            known.append(one)
        return sorted(found)

    def _with(self, one: Pass, earlier: Sequence[Pass]) -> Iterator[Pair]:
        for other in earlier:
            away = _apart(other, one, self._merge_m)
            if away is not None:
                yield away, other.id, one.id


def _passes(tracks: Iterable[GroundTrack]) -> Iterator[Pass]:
    """Of things that stay where they are; what drives or walks is never joined."""
    for track in tracks:
        label = track.label
        if label not in MOVERS | WALKERS:
            middle = track.seen[len(track.seen) // 2].sighting
            times = frozenset(seen.t_s for seen in track.seen)
            yield Pass(track.id, label, track.place, track.ce90_m, middle, times, len(track.seen))


def merge(tracks: Iterable[GroundTrack], pairs: Iterable[Pair]) -> list[GroundTrack]:
    """Tracks of different passes joined, nearest pairs first; never two that one look saw."""
    home = {track.id: track.copy() for track in tracks}
    for _, first, second in pairs:
        a, b = home[first], home[second]
        if a is not b and not _seen_together(a, b):
            kept, gone = (a, b) if a.first_s <= b.first_s else (b, a)
            _absorb(kept, gone)
            home.update({name: kept for name, track in home.items() if track is gone})
    return list({id(track): track for track in home.values()}.values())


def _apart(a: Pass, b: Pass, merge_m: float) -> float | None:
    """Distance over the allowed one; None where they cannot be one thing."""
    if a.label != b.label:
        return None
    away = math.hypot(a.place[0] - b.place[0], a.place[1] - b.place[1])
    allowed = max(merge_m, 0.5 * max(a.ce90_m, b.ce90_m)) + _yaw_part(a.middle, b.middle)
    if away > allowed or _together(len(a.times & b.times), a.seen, b.seen):
        return None
    return away / allowed


def _yaw_part(first: Sighting, second: Sighting) -> float:
    """2 g sin(half the turn between the two directions of view) times the yaw error."""
    turn = math.radians(first.azimuth_deg - second.azimuth_deg)
    reach = (first.ground_m + second.ground_m) / 2.0
    return 2.0 * reach * abs(math.sin(turn / 2.0)) * math.radians(PASS_YAW_DEG)


def _seen_together(a: GroundTrack, b: GroundTrack) -> bool:
    common = len({seen.t_s for seen in a.seen} & {seen.t_s for seen in b.seen})
    return _together(common, len(a.seen), len(b.seen))


def _together(common: int, of_a: int, of_b: int) -> bool:
    """Whether looks saw both at once; one look in many may have cut a thing in two."""
    return common > 0.25 * min(of_a, of_b)


def _absorb(kept: GroundTrack, gone: GroundTrack) -> None:
    kept.seen = sorted([*kept.seen, *gone.seen], key=lambda seen: seen.t_s)
    kept.votes.update(gone.votes)
    kept.looks += gone.looks
    kept.first_s, kept.last_s = min(kept.first_s, gone.first_s), max(kept.last_s, gone.last_s)
    kept.last = kept.seen[-1]

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who is who from picture to picture: ByteTrack (Zhang et al. 2022) on numpy, in seconds. Pure.

Boxes are paired with predicted tracks by overlap, the strong ones first and the weak ones with
what is left; what is not seen is kept for a while and predicted. One instance for each camera: it
owns its ids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.geometry import iou_matrix
from edge.hold import WATCHED_S
from edge.values import Box, Detections, Image, Stamp, Track
from edge.vision.association import Motion, assign, look, to_centres

Boxes = NDArray[np.float32]
Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

# A pair overlaps at least this much: strong boxes, weak boxes.
LEAST_OVERLAP, LEAST_OVERLAP_WEAK = 0.02, 0.4
# A box of another class must overlap this much more than one of the track's own class.
OTHER_CLASS = 0.25
# At few pictures a second even a walker leaves his own box: predicted boxes grow by this share of
# their size for each second since they were seen, to at most the second number.
GROW_PER_S, GROW_MOST = 0.15, 0.4
# Two boxes of different classes that overlap this much are one object with two names.
ONE_OBJECT = 0.9
# A track seen less often than this is not reported yet, unless its score is sure.
SURE_HITS, SURE_SCORE = 2, 0.6
# The score reported is smoothed with this time constant.
SCORE_S = 1.0
# A path gets a point when the foot moved this far (fractions) or this many seconds passed, and is
# thinned in its older half beyond PATH_MOST points.
PATH_STEP, PATH_EVERY_S, PATH_MOST = 0.01, 2.0, 64
# The look of a track is taken anew this often, one track at most for each look of the camera.
LOOK_EVERY_S = 2.0
# Something unseen is predicted for at least this many usual intervals between pictures.
LEAST_INTERVALS = 2.5
# Pictures further apart than this are no usual interval but an outage: key pictures are nearer.
INTERVAL_MOST_S = 30.0

# What moved by this share of its height so lately is moving.
LATELY_S, MOVED = 2.5, 0.5


@dataclass(slots=True)
class _Life:
    """What one track remembers beside its motion. `votes`: summed scores of each class."""

    id: int
    first: Stamp
    seen: Stamp
    box: Box
    score: float
    votes: dict[int, float]
    label: int
    path: tuple[tuple[float, float, float], ...]
    hits: int = 1
    look: tuple[float, ...] | None = None
    looked_s: float = -math.inf

    @property
    def sure(self) -> bool:
        return self.hits >= SURE_HITS

    def hit(self, box: Box, score: float, label: int, at: Stamp) -> None:
        """Seen again."""
        fade = math.exp(-(at.mono - self.seen.mono) / SCORE_S)
        self.score = fade * self.score + (1 - fade) * score
        self.box, self.seen, self.hits = box, at, self.hits + 1
        self.votes[label] = self.votes.get(label, 0.0) + score
        if label != self.label and self.votes[label] > self.votes[self.label]:
            self.label = label
        self._walk(_step(box, at))

    def carried(self, at: Stamp) -> None:
        """Still there, unchanged: nothing is learnt of it."""
        self.seen = at
        self._walk(_step(self.box, at))

    def _walk(self, step: tuple[float, float, float]) -> None:
        mono, x, y = self.path[-1]
        far = abs(step[1] - x) > PATH_STEP or abs(step[2] - y) > PATH_STEP
        if far or step[0] - mono > PATH_EVERY_S:
            self.path = _thinned((*self.path, step))


def _step(box: Box, at: Stamp) -> tuple[float, float, float]:
    return (at.mono, (box[0] + box[2]) / 2, box[3])


def _thinned(
    path: tuple[tuple[float, float, float], ...],
) -> tuple[tuple[float, float, float], ...]:
    """Every other point of the older half goes once the path is too long; the first one stays."""
    half = PATH_MOST // 2
    return path if len(path) <= PATH_MOST else path[:half:2] + path[half:]


class Tracker:
    """Tracks of one camera.

    strong: a score from which a box may start a track and is paired first; strong_of: the same for
    classes that have one of their own. weak: boxes below it
    are ignored. lost_s: how long something unseen is remembered and predicted; with sparse
    pictures it is stretched to LEAST_INTERVALS. aspect: picture width / height.
    """

    def __init__(
        self,
        *,
        strong: float = 0.35,
        strong_of: Mapping[str, float] | None = None,
        weak: float = 0.1,
        lost_s: float = 2.0,
        aspect: float = 16 / 9,
    ) -> None:
        self._strong, self._weak, self._lost_s, self._aspect = strong, weak, lost_s, aspect
        self._strong_of = {name: min(strong, own) for name, own in (strong_of or {}).items()}
        self._motion = Motion.none()
        self._lives: list[_Life] = []
        self._next_id = 1
        self._now_s: float | None = None
        self._interval_s = 0.0
        self._last: tuple[Stamp, Sequence[str]] | None = None

    def update(
        self, detections: Detections, at: Stamp, image: Image | None = None
    ) -> tuple[Track, ...]:
        """One look: the tracks after it, seen ones and those predicted for now (`coasted`).

        detections: also weak boxes, down to `weak`. A stamp earlier than the last counts as no
        time passed. image: the same picture; without it tracks have no `look`.
        """
        before_s, dt = self._advance(at)
        self._forget_unwatched(at)
        self._motion.predict(dt, self._aspect)
        found = self._usable(detections)
        track_of = self._pair(found, before_s)
        self._correct(found, track_of, at)
        self._start(found, track_of, at)
        self._forget(at)
        if image is not None:
            self._see(image, at)
        self._last = (at, detections.names)
        return self._tracks_now(detections.names, at)

    @property
    def settled(self) -> bool:
        """Whether another look at the same picture would add nothing: all there is was seen by
        the last look, and often enough to be sure of."""
        at = self._last[0] if self._last else None
        return all(life.sure and life.seen is at for life in self._lives)

    @property
    def standing(self) -> tuple[Box, ...]:
        """The boxes of all that is followed, as they were seen last."""
        return tuple(life.box for life in self._lives)

    @property
    def doubted(self) -> tuple[Box, ...]:
        """The boxes of what the last look saw, not yet surely enough to be given out."""
        at = self._last[0] if self._last else None
        return tuple(life.box for life in self._lives if life.seen is at and not life.sure)

    @property
    def expected(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where all that is followed is now, boxes (n, 4), and how its middle moves, (n, 2)
        fractions a second."""
        return self._motion.corners(), self._motion.speed[:, :2].astype(np.float32)

    def carry(self, at: Stamp) -> tuple[Track, ...]:
        """A look at a picture in which nothing has changed since the last one, in place of
        `update`: what was seen then is seen now, where it was. To be asked while `settled`."""
        if self._last is None:
            return ()
        self._advance(at)
        self._motion.halt()
        before, names = self._last
        for life in self._lives:
            if life.seen is before:
                life.carried(at)
        self._last = (at, names)
        return self._tracks_now(names, at)

    def _advance(self, at: Stamp) -> tuple[float, float]:
        """The time of the last look and the seconds since."""
        before_s = at.mono if self._now_s is None else self._now_s
        dt = max(0.0, at.mono - before_s)
        self._now_s = before_s + dt
        self._learn_interval(dt)
        return before_s, dt

    def _learn_interval(self, dt: float) -> None:
        if dt > 0:
            usual = self._interval_s or min(dt, INTERVAL_MOST_S)
            self._interval_s = usual + 0.2 * (min(dt, 5 * usual) - usual)

    def _usable(self, found: Detections) -> Detections:
        """Boxes worth pairing, best first; of two names for one object the better."""
        good = (found.scores >= self._weak).nonzero()[0]
        good = good[np.argsort(-found.scores[good], kind="stable")]
        boxes = found.boxes[good]
        if len(good) > 1:
            same = iou_matrix(boxes, boxes) > ONE_OBJECT
            np.fill_diagonal(same, False)
            if same.any():
                good = good[~np.triu(same).any(axis=0)]
        return Detections(found.boxes[good], found.scores[good], found.labels[good], found.names)

    def _pair(self, found: Detections, before_s: float) -> Indices:
        """The track of each box, -1 for none: strong boxes with tracks, weak ones with tracks
        that were there a moment ago, and what is left with tracks that nobody is sure of yet."""
        track_of = np.full(len(found), -1, np.int64)
        if not len(found) or not self._lives:
            return track_of
        seen_s, sure, labels = np.array(
            [(life.seen.mono, life.sure, life.label) for life in self._lives]
        ).T
        cost = self._cost(found, seen_s, labels)
        known, fresh, strong = sure > 0, seen_s >= before_s, self._are_strong(found)
        for tracks, boxes, least in (
            (known, strong, LEAST_OVERLAP),
            (known & fresh, ~strong, LEAST_OVERLAP_WEAK),
            (~known, strong, LEAST_OVERLAP),
        ):
            free = tracks.copy()
            free[track_of[track_of >= 0]] = False
            rows, columns = free.nonzero()[0], (boxes & (track_of < 0)).nonzero()[0]
            if len(rows) and len(columns):
                paired, to = assign(cost[rows[:, None], columns], 1.0 - least)
                track_of[columns[to]] = rows[paired]
        return track_of

    def _are_strong(self, found: Detections) -> NDArray[np.bool_]:
        """(n,) which boxes may start a track."""
        if not self._strong_of:
            return found.scores >= self._strong
        least = np.array([self._strong_of.get(name, self._strong) for name in found.names])
        return np.asarray(found.scores >= least[found.labels])

    def _cost(self, found: Detections, seen_s: Floats, labels: Floats) -> NDArray[np.float32]:
        """1 - overlap of every predicted track with every box, dearer across classes."""
        assert self._now_s is not None
        grow = np.minimum(GROW_MOST, GROW_PER_S * (self._now_s - seen_s))
        wide = self._motion.corners(grow)
        other = labels[:, None] != found.labels
        return np.asarray(1.0 - iou_matrix(wide, found.boxes) + OTHER_CLASS * other, np.float32)

    def _correct(self, found: Detections, track_of: Indices, at: Stamp) -> None:
        hit = (track_of >= 0).nonzero()[0]
        rows, boxes = track_of[hit], found.boxes[hit]
        self._motion.correct(rows, to_centres(boxes), self._aspect)
        scores, labels = found.scores[hit].tolist(), found.labels[hit].tolist()
        for row, box, score, label in zip(
            rows.tolist(), _tuples(boxes), scores, labels, strict=True
        ):
            self._lives[row].hit(box, score, label, at)

    def _start(self, found: Detections, track_of: Indices, at: Stamp) -> None:
        """New tracks from strong boxes that nobody claimed."""
        new = ((track_of < 0) & self._are_strong(found)).nonzero()[0]
        if not len(new):
            return
        self._motion.add(Motion.start(to_centres(found.boxes[new]), self._aspect))
        scores, labels = found.scores[new].tolist(), found.labels[new].tolist()
        for box, score, label in zip(_tuples(found.boxes[new]), scores, labels, strict=True):
            life = _Life(
                self._next_id, at, at, box, score, {label: score}, label, (_step(box, at),)
            )
            life.hits += int(score >= SURE_SCORE)
            self._lives.append(life)
            self._next_id += 1

    def _forget(self, at: Stamp) -> None:
        """Drop what was not seen for too long, flickers, and what left the picture."""
        if not self._lives:
            return
        keep = np.array([self._remembered(life, at) for life in self._lives])
        centre = self._motion.mean[:, :2]
        keep &= ((centre > 0) & (centre < 1)).all(axis=1)
        self._keep(keep)

    def _forget_unwatched(self, at: Stamp) -> None:
        """Drop, before anything is paired, what was seen before an outage: whatever stands there
        after it has an id of its own, and a rule asks whether it looks like what stood there."""
        most_s = max(WATCHED_S, self._horizon_s)
        if self._lives:
            self._keep(np.array([at.mono - life.seen.mono <= most_s for life in self._lives]))

    def _keep(self, keep: NDArray[np.bool_]) -> None:
        if not keep.all():
            self._motion.keep(keep)
            self._lives = [life for life, kept in zip(self._lives, keep, strict=True) if kept]

    @property
    def _horizon_s(self) -> float:
        return max(self._lost_s, LEAST_INTERVALS * self._interval_s)

    def _remembered(self, life: _Life, at: Stamp) -> bool:
        if life.seen is at:
            return True
        return life.sure and at.mono - life.seen.mono <= self._horizon_s

    def _see(self, image: Image, at: Stamp) -> None:
        """Take the look of the seen track whose look is oldest, if it is due."""
        due = [life for life in self._lives if life.seen is at]
        life = min(due, key=lambda life: life.looked_s, default=None)
        if life is not None and at.mono - life.looked_s >= LOOK_EVERY_S:
            life.look, life.looked_s = look(image, life.box), at.mono

    def _tracks_now(self, names: Sequence[str], at: Stamp) -> tuple[Track, ...]:
        known = [(row, life) for row, life in enumerate(self._lives) if life.sure]
        unseen = [row for row, life in known if life.seen is not at]
        boxes = np.clip(self._motion.corners(rows=unseen), 0.0, 1.0) if unseen else None
        predicted = dict(zip(unseen, _tuples(boxes), strict=True)) if boxes is not None else {}
        return tuple(
            Track(
                life.id,
                names[life.label],
                predicted.get(row, life.box),
                life.score,
                life.first,
                life.seen,
                life.path,
                life.look,
                row in predicted,
            )
            for row, life in known
        )


def came(tracks: Sequence[Track], now_s: float) -> bool:
    """Whether one of them was seen for the first time in the last LATELY_S seconds."""
    return any(now_s - track.first.mono <= LATELY_S for track in tracks)


def moving(tracks: Sequence[Track], now_s: float) -> bool:
    """Whether one of them moved by MOVED of its height in the last LATELY_S seconds."""
    return any(_moves(track, now_s) for track in tracks)


def _moves(track: Track, now_s: float) -> bool:
    x, y = track.foot
    far = MOVED * (track.box[3] - track.box[1])
    lately = [step for step in track.path if now_s - step[0] <= LATELY_S]
    return any(math.hypot(x - step[1], y - step[2]) > far for step in lately)


def _tuples(boxes: Boxes) -> list[Box]:
    return [tuple(row) for row in boxes.tolist()]

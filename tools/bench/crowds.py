# SPDX-License-Identifier: AGPL-3.0-or-later
"""Streets that never were: true paths of walkers, carts and cars, and what a detector would say.

Everything stands on a ground plane seen by a camera on a pole, so that boxes shrink with distance,
pass in front of each other, and are missed, cut short or scored low where they are hidden.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# kind -> (label, height m, width / height of its box, speed m/s)
KINDS = {
    "walker": (0, 1.7, 0.42, 1.3),
    "cart": (1, 1.6, 1.3, 0.0),
    "car": (2, 1.5, 2.0, 7.0),
}
CAMERA_HEIGHT_M = 5.0
# Focal length in frame heights: 53 degrees upright.
FOCAL = 1.0
PITCH = 0.35
ASPECT = 16 / 9


@dataclass(frozen=True, slots=True)
class Instant:
    """One picture: who is really where, and what the detector reports.

    ids (n,), truth (n, 4); boxes (m, 4), scores (m,), labels (m,); boxes in fractions.
    """

    at_s: float
    ids: NDArray[np.int64]
    truth: Floats
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Crowd:
    """What happens: how many, how long, how often a picture, how reliable the detector."""

    walkers: int = 14
    carts: int = 4
    cars: int = 3
    seconds: float = 40.0
    fps: float = 5.0
    jitter: float = 0.0
    miss: float = 0.05
    false_per_s: float = 0.3
    noise: float = 0.03


def play(crowd: Crowd, seed: int) -> list[Instant]:
    """The pictures of one crowd; the same seed gives the same street at any frame rate."""
    rng = np.random.default_rng(seed)
    movers = [
        _Mover.born(kind, index, rng)
        for index, kind in enumerate(
            ["walker"] * crowd.walkers + ["cart"] * crowd.carts + ["car"] * crowd.cars
        )
    ]
    eye = np.random.default_rng(seed + 1_000_003)
    times = np.arange(0, crowd.seconds, 1 / crowd.fps)
    shifts = crowd.jitter / crowd.fps * eye.uniform(-0.5, 0.5, len(times))
    instants, then = [], 0.0
    for at_s in np.sort(np.maximum(times + shifts, 0.0)):
        for mover in movers:
            mover.walk(then, float(at_s))
        instants.append(_seen(movers, float(at_s), crowd, eye))
        then = float(at_s)
    return instants


@dataclass
class _Mover:
    """One object on the ground: x to the right, z away from the camera, in metres."""

    kind: str
    id: int
    rng: np.random.Generator
    place: Floats
    speed: Floats
    turn_s: float = 0.0

    @staticmethod
    def born(kind: str, index: int, rng: np.random.Generator) -> _Mover:
        own = np.random.default_rng(rng.integers(1 << 60))
        mover = _Mover(kind, index + 1, own, np.zeros(2), np.zeros(2))
        mover.place[:] = own.uniform(-7, 7), own.uniform(7, 24)
        mover._turn()
        return mover

    def _turn(self) -> None:
        speed = KINDS[self.kind][3] * self.rng.uniform(0.6, 1.4)
        angle = self.rng.uniform(0, 2 * np.pi)
        if self.kind == "car":
            angle = self.rng.choice([0.0, np.pi])
        if self.kind == "walker" and self.rng.random() < 0.25:
            speed = 0.0
        self.speed[:] = speed * np.cos(angle), speed * np.sin(angle)
        self.turn_s += self.rng.exponential(6.0)

    def walk(self, start_s: float, end_s: float) -> None:
        """Steps of 0.05 s, so that the path does not depend on the frame rate."""
        first, last = round(start_s / 0.05), round(end_s / 0.05)
        for step in range(first, last):
            if self.kind != "car" and step * 0.05 >= self.turn_s:
                self._turn()
            self.place += self.speed * 0.05
            if self.kind == "walker" and not (-8 < self.place[0] < 8 and 6 < self.place[1] < 26):
                self.speed *= -1
                self.place += 2 * self.speed * 0.05
            if self.kind == "car" and abs(self.place[0]) > 24:
                self._again()

    def _again(self) -> None:
        """A car that left comes back as another one, from the other side."""
        self.id += 1000
        self.place[0] *= -0.95
        self.place[1] = self.rng.uniform(8, 22)


def _box(mover: _Mover) -> Floats:
    """x1 y1 x2 y2 in fractions, not cut; the foot by the pinhole of a camera that looks down."""
    x, z = mover.place
    _, tall, wide, _ = KINDS[mover.kind]
    depth = z * np.cos(PITCH) + CAMERA_HEIGHT_M * np.sin(PITCH)
    below = CAMERA_HEIGHT_M * np.cos(PITCH) - z * np.sin(PITCH)
    foot_x, foot_y = 0.5 + FOCAL * x / depth / ASPECT, 0.5 + FOCAL * below / depth
    height = FOCAL * tall / depth
    width = height * wide / ASPECT
    return np.array([foot_x - width / 2, foot_y - height, foot_x + width / 2, foot_y])


def _seen(movers: list[_Mover], at_s: float, crowd: Crowd, eye: np.random.Generator) -> Instant:
    near_first = sorted(movers, key=lambda mover: mover.place[1])
    ids, truth, found = [], [], []
    front: list[Floats] = []
    for mover in near_first:
        whole = _box(mover)
        box = np.clip(whole, 0, 1)
        shown = _area(box) / max(_area(whole), 1e-9)
        if shown < 0.3:
            continue
        visible = 1.0 - _hidden(box, front)
        front.append(box)
        ids.append(mover.id)
        truth.append(box)
        found += _reports(box, visible, KINDS[mover.kind][0], crowd, eye)
    for _ in range(eye.poisson(crowd.false_per_s / crowd.fps)):
        corner = eye.uniform(0, 0.9, 2)
        size = eye.uniform(0.02, 0.1, 2)
        found.append((np.concatenate([corner, corner + size]), eye.uniform(0.1, 0.5), 0))
    found = _thinned(found)
    return Instant(
        at_s,
        np.array(ids, np.int64),
        np.array(truth).reshape(-1, 4),
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        np.array([label for _, _, label in found], np.int32),
    )


def _reports(
    box: Floats, visible: float, label: int, crowd: Crowd, eye: np.random.Generator
) -> list[tuple[Floats, float, int]]:
    """What the detector says of one object: nothing, or a box off by some noise."""
    score = float(np.clip(0.85 - 0.75 * (1 - visible) + eye.normal(0, 0.09), 0.0, 0.98))
    if eye.random() < crowd.miss or visible < 0.25 or score < 0.1:
        return []
    size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    noisy = np.clip(box + eye.normal(0, crowd.noise, 4) * size, 0, 1)
    if label == 1 and eye.random() < 0.1:
        label = 2
    return [(noisy, score, label)]


def _thinned(found: list[tuple[Floats, float, int]]) -> list[tuple[Floats, float, int]]:
    """The detector's own suppression: of boxes of a class over 0.6 the best."""
    kept: list[tuple[Floats, float, int]] = []
    for box, score, label in sorted(found, key=lambda one: -one[1]):
        if all(other[2] != label or overlap(box, other[0]) < 0.6 for other in kept):
            kept.append((box, score, label))
    return kept


def _area(box: Floats) -> float:
    return float(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))


def _hidden(box: Floats, front: list[Floats]) -> float:
    """Share of a box covered by nearer boxes, sampled on a grid."""
    if not front:
        return 0.0
    xs = np.linspace(box[0], box[2], 9)[None, :, None]
    ys = np.linspace(box[1], box[3], 9)[:, None, None]
    others = np.array(front)
    inside = (
        (xs >= others[:, 0]) & (xs <= others[:, 2]) & (ys >= others[:, 1]) & (ys <= others[:, 3])
    )
    return float(inside.any(axis=2).mean())


def overlap(a: Floats, b: Floats) -> float:
    """IoU of two boxes."""
    both = np.concatenate([np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])])
    inner = _area(both)
    return inner / max(_area(a) + _area(b) - inner, 1e-12)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A street in numbers: actors that come, stand, flicker and go, seen at any rate and resolution.

An `Actor` is a way through time; `Stage.scenes` looks at all of them at `fps` and gives the
judge's input. Jitter is drawn per actor and quarter of a second, not per frame, and quantised to
whole pixels of `height`, as a detector on a stream of that resolution would give it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from edge.values import Box, Sample, Scene, Stamp, Track

Span = tuple[float, float]
Sampler = Callable[[float], tuple[Sample, ...]]


@dataclass
class Actor:
    """One thing. `way`: (second, foot x, foot y) corners, straight between them; it is there from
    the first to the last. `unseen`: spans in which the detector misses it."""

    label: str
    way: Sequence[tuple[float, float, float]]
    size: tuple[float, float] = (0.10, 0.16)
    unseen: Sequence[Span] = ()
    switches: Sequence[float] = ()
    score: float = 0.8
    look: tuple[float, ...] | None = None
    grows: Sequence[tuple[float, float]] = ()
    wobble: float = 0.004
    traits: tuple[tuple[str, float], ...] = ()

    def there(self, t: float) -> bool:
        inside = self.way[0][0] <= t <= self.way[-1][0]
        return inside and not any(a <= t < b for a, b in self.unseen)

    def foot(self, t: float) -> tuple[float, float]:
        for (t1, x1, y1), (t2, x2, y2) in zip(self.way, self.way[1:], strict=False):
            if t1 <= t <= t2:
                part = (t - t1) / (t2 - t1) if t2 > t1 else 0.0
                return x1 + (x2 - x1) * part, y1 + (y2 - y1) * part
        return self.way[-1][1], self.way[-1][2]

    def height(self, t: float) -> float:
        """Height in multiples of what its size says, the foot staying where it is."""
        return 1.0

    def scale(self, t: float) -> float:
        if not self.grows:
            return 1.0
        before = [g for g in self.grows if g[0] <= t] or [self.grows[0]]
        after = [g for g in self.grows if g[0] > t] or [before[-1]]
        (t1, s1), (t2, s2) = before[-1], after[0]
        return s1 + (s2 - s1) * ((t - t1) / (t2 - t1) if t2 > t1 else 0.0)


@lru_cache(maxsize=4096)
def _gauss(seed: str) -> tuple[float, float]:
    drawn = random.Random(seed)
    return drawn.gauss(0.0, 1.0), drawn.gauss(0.0, 1.0)


def parked(label: str, x: float, y: float, start: float, end: float, **more: object) -> Actor:
    """An actor that stands at one place."""
    return Actor(label, [(start, x, y), (end, x, y)], **more)  # type: ignore[arg-type]


@dataclass
class Stage:
    """`blind`: nobody looks (no frames); `dark`: frames, but the detector finds nothing."""

    actors: Sequence[Actor]
    length_s: float
    seed: int = 1
    blind: Sequence[Span] = ()
    dark: Sequence[Span] = ()
    steps: Sequence[tuple[float, float]] = ()
    start_wall: float = 1_767_229_200.0
    quality: str = "recording"
    samples: Sampler = lambda t: ()
    camera: str = "c1"
    shake: float = 0.0
    cuts: dict[int, float] = field(default_factory=dict)

    def scenes(self, fps: float = 5.0, height: int = 720) -> Iterator[Scene]:
        n = int(self.length_s * fps)
        for i in range(n + 1):
            t = i / fps
            if not any(a <= t < b for a, b in self.blind):
                yield self.scene(t, height)

    def stamp(self, t: float) -> Stamp:
        wall = self.start_wall + t + sum(by for at, by in self.steps if t >= at)
        return Stamp(t, wall, self.quality)  # type: ignore[arg-type]

    def scene(self, t: float, height: int = 720) -> Scene:
        dark = any(a <= t < b for a, b in self.dark)
        tracks = [] if dark else [self._track(i, t, height) for i in self._on(t)]
        return Scene(self.camera, self.stamp(t), tuple(tracks), samples=self.samples(t))

    def _on(self, t: float) -> list[int]:
        return [i for i, actor in enumerate(self.actors) if actor.there(t)]

    def _track(self, i: int, t: float, height: int) -> Track:
        actor = self.actors[i]
        life = sum(1 for at in actor.switches if t >= at) + sum(
            1 for a, b in actor.unseen if t >= b and b - a > 2.0
        )
        born = max([actor.way[0][0], *(s for s in actor.switches if t >= s)])
        return Track(
            id=1 + i * 100 + life,
            label=actor.label,
            box=self._box(actor, i, t, height),
            score=actor.score,
            first=self.stamp(born),
            seen=self.stamp(t),
            look=actor.look,
            traits=actor.traits,
        )

    def _box(self, actor: Actor, i: int, t: float, height: int) -> Box:
        (x, y), k = actor.foot(t), actor.scale(t)
        w, h = actor.size[0] * k, actor.size[1] * k * actor.height(t)
        a, b = _gauss(f"{self.seed}/{i}/{int(t * 4)}")
        dx, dy = a * actor.wobble, b * actor.wobble
        if self.shake:
            a, b = _gauss(f"{self.seed}/shake/{int(t * 4)}")
            dx, dy = dx + a * self.shake, dy + b * self.shake
        width = height * 16 / 9
        raw = (x - w / 2 + dx, y - h + dy, x + w / 2 + dx, y + dy)
        scale = (width, height, width, height)
        x1, y1, x2, y2 = (
            min(1.0, max(0.0, round(v * s) / s)) for v, s in zip(raw, scale, strict=True)
        )
        return (x1, y1, x2, y2)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A thing in the street: painted meshes and lettering that share one local frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tools.scenery.shapes import Floats, Mesh, transform

Colour = tuple[float, float, float]  # linear light, 0..1


@dataclass(frozen=True)
class Paint:
    """What a surface looks like; `kind` names a row in tools.scenery.shading."""

    kind: str = "plain"
    colour: Colour = (0.5, 0.5, 0.5)
    rough: float = 0.6
    metal: float = 0.0
    dirt: float = 0.0
    glow: float = 0.0
    second: Colour = (0.0, 0.0, 0.0)
    scale: float = 1.0


@dataclass(frozen=True)
class Part:
    """A mesh in one paint."""

    mesh: Mesh
    paint: Paint
    smooth: bool = False


@dataclass(frozen=True)
class Lettering:
    """Flat text of `height_m`, centred, lying in the local x-y plane of `matrix`."""

    body: str
    height_m: float
    paint: Paint
    matrix: Floats


@dataclass
class Model:
    """A thing made of painted meshes and lettering; metres, z upwards."""

    parts: list[Part] = field(default_factory=list)
    texts: list[Lettering] = field(default_factory=list)

    def add(
        self,
        mesh: Mesh,
        paint: Paint,
        at: Sequence[float] = (0, 0, 0),
        *,
        rot: Sequence[float] = (0, 0, 0),
        scale: float | Sequence[float] = 1.0,
        smooth: bool = False,
    ) -> None:
        """Another painted mesh, scaled, turned (radians about x, y, z) and moved to its place."""
        self.parts.append(Part(mesh.moved(transform(at, rot=rot, scale=scale)), paint, smooth))

    def write(
        self, body: str, height_m: float, paint: Paint, at: Sequence[float], *, yaw: float = 0.0
    ) -> None:
        """Upright text at `at`, read from -y when yaw is 0."""
        matrix = transform(at, rot=(math.pi / 2, 0, yaw))
        self.texts.append(Lettering(body, height_m, paint, matrix))

    def put(self, other: Model, at: Sequence[float] = (0, 0, 0), *, yaw: float = 0.0) -> None:
        """Takes another model's parts in at a place."""
        moved = other.placed(at, yaw=yaw)
        self.parts += moved.parts
        self.texts += moved.texts

    def placed(self, at: Sequence[float], *, yaw: float = 0.0, scale: float = 1.0) -> Model:
        """The same thing elsewhere on the ground."""
        matrix = transform(at, rot=(0, 0, yaw), scale=scale)
        return Model(
            [Part(p.mesh.moved(matrix), p.paint, p.smooth) for p in self.parts],
            [Lettering(t.body, t.height_m * scale, t.paint, matrix @ t.matrix) for t in self.texts],
        )

    def verts(self) -> Floats:
        """All vertices (n, 3): for boxes by projection and for tests."""
        if not self.parts:
            return np.zeros((0, 3), np.float32)
        return np.concatenate([p.mesh.verts for p in self.parts])


def plain(
    colour: Sequence[float], rough: float = 0.6, *, metal: float = 0.0, dirt: float = 0.0
) -> Paint:
    r, g, b = colour
    return Paint("plain", (r, g, b), rough, metal, dirt)


STEEL = plain((0.55, 0.55, 0.56), 0.35, metal=0.85, dirt=0.3)
RUBBER = plain((0.018, 0.018, 0.018), 0.9)
BLACK = plain((0.025, 0.025, 0.028), 0.7)
GLASS = Paint("glass", (0.75, 0.82, 0.82), 0.03)
WINDOW = plain((0.025, 0.035, 0.04), 0.06)
CHROME = plain((0.7, 0.7, 0.7), 0.15, metal=1.0)
WHITE = plain((0.75, 0.75, 0.73), 0.6)

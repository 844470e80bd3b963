# SPDX-License-Identifier: AGPL-3.0-or-later
"""Meshes as arrays: primitives, sweeps and height fields, in metres, z up. No Blender here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# float32 or float64: OpenCV and Blender take and give either.
Floats = NDArray[Any]
Ints = NDArray[np.int32]
NO_TRIS: Ints = np.zeros((0, 3), np.int32)
NO_QUADS: Ints = np.zeros((0, 4), np.int32)


@dataclass(frozen=True)
class Mesh:
    """verts (n, 3) float32; tris (k, 3) and quads (m, 4) index them."""

    verts: Floats
    tris: Ints
    quads: Ints

    def moved(self, matrix: Floats) -> Mesh:
        """The mesh under a (4, 4) transform."""
        verts = self.verts @ matrix[:3, :3].T + matrix[:3, 3]
        return Mesh(verts.astype(np.float32), self.tris, self.quads)


def mesh(
    verts: Sequence[Sequence[float]] | Floats,
    *,
    tris: Sequence[Sequence[int]] | Ints = NO_TRIS,
    quads: Sequence[Sequence[int]] | Ints = NO_QUADS,
) -> Mesh:
    """Vertices (n, 3) and faces, as float32 and int32."""
    return Mesh(
        np.asarray(verts, np.float32).reshape(-1, 3),
        np.asarray(tris, np.int32).reshape(-1, 3),
        np.asarray(quads, np.int32).reshape(-1, 4),
    )


def transform(
    at: Sequence[float] = (0, 0, 0),
    *,
    rot: Sequence[float] = (0, 0, 0),
    scale: float | Sequence[float] = 1.0,
) -> Floats:
    """(4, 4) matrix: scale, then turn about x, y, z (radians, in this order), then move."""
    cx, cy, cz = (math.cos(a) for a in rot)
    sx, sy, sz = (math.sin(a) for a in rot)
    turn = np.array(
        [
            [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
            [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
            [-sy, sx * cy, cx * cy],
        ],
        np.float32,
    )
    out = np.eye(4, dtype=np.float32)
    out[:3, :3] = turn * np.broadcast_to(np.asarray(scale, np.float32), (3,))
    out[:3, 3] = at
    return out


def box(size: Sequence[float], *, bevel: float = 0.0, taper: Sequence[float] = (1, 1)) -> Mesh:
    """Box round the origin; `taper` scales the top in x and y; `bevel` (metres) chamfers edges."""
    half = np.asarray(size, np.float32) / 2
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    quads: list[tuple[int, ...]]
    if bevel <= 0:
        verts = signs * half
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        tris: list[tuple[int, int, int]] = []
    else:
        b = min(bevel, float(half.min()) * 0.98)
        verts = np.concatenate(
            [signs * (half - b * (1 - np.eye(3, dtype=np.float32)[k])) for k in range(3)]
        )
        quads, tris = _chamfered_faces()
    top = verts[:, 2] > 0
    verts[top, 0] *= taper[0]
    verts[top, 1] *= taper[1]
    return mesh(verts, quads=quads, tris=tris)


def _chamfered_faces() -> tuple[list[tuple[int, ...]], list[tuple[int, int, int]]]:
    def vert(axis: int, corner: tuple[int, int, int]) -> int:
        return axis * 8 + (corner[0] > 0) * 4 + (corner[1] > 0) * 2 + (corner[2] > 0)

    quads: list[tuple[int, ...]] = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (-1, 1):
            ring = []
            for du, dv in ((-1, -1), (1, -1), (1, 1), (-1, 1))[::side]:
                corner = [0, 0, 0]
                corner[axis], corner[u], corner[v] = side, du, dv
                ring.append(vert(axis, (corner[0], corner[1], corner[2])))
            quads.append(tuple(ring))
        for du in (-1, 1):  # the edge that runs along `axis` between the faces u and v
            for dv in (-1, 1):
                ends = []
                for side in (-1, 1):
                    corner = [0, 0, 0]
                    corner[axis], corner[u], corner[v] = side, du, dv
                    ends.append((corner[0], corner[1], corner[2]))
                quads.append(
                    (vert(u, ends[0]), vert(u, ends[1]), vert(v, ends[1]), vert(v, ends[0]))
                )
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    tris = [(vert(0, c), vert(1, c), vert(2, c)) for c in corners]
    return quads, tris


def loft(rings: Floats, *, closed: bool = True, caps: bool = True) -> Mesh:
    """Skin over rings (r, n, 3); `closed` joins the last point of a ring with its first."""
    r, n, _ = rings.shape
    across = np.arange(n if closed else n - 1)
    nxt = (across + 1) % n
    base = np.arange(r - 1)[:, None] * n
    quads = np.stack([base + across, base + nxt, base + n + nxt, base + n + across], -1)
    verts = rings.reshape(-1, 3)
    tris = NO_TRIS
    if caps and closed:
        centres = np.stack([rings[0].mean(0), rings[-1].mean(0)])
        low = np.stack([np.roll(across, -1), across, np.full(n, r * n)], -1)
        high = np.stack([across + (r - 1) * n, nxt + (r - 1) * n, np.full(n, r * n + 1)], -1)
        verts, tris = np.concatenate([verts, centres]), np.concatenate([low, high])
    return mesh(verts, tris=tris, quads=quads.reshape(-1, 4))


def circle(n: int) -> Floats:
    a = np.linspace(0, 2 * math.pi, n, endpoint=False)
    return np.stack([np.cos(a), np.sin(a)], -1).astype(np.float32)


def lathe(profile: Sequence[tuple[float, float]], *, sides: int = 16) -> Mesh:
    """Turned about z: profile of (radius, height) from bottom to top."""
    ring = circle(sides)
    rings = [np.column_stack([ring * max(r, 1e-4), np.full(sides, z)]) for r, z in profile]
    return loft(np.asarray(rings, np.float32))


def cylinder(radius: float, height: float, *, top: float | None = None, sides: int = 16) -> Mesh:
    """Upright round the origin, standing on z = 0."""
    return lathe([(radius, 0), (radius if top is None else top, height)], sides=sides)


def sphere(radius: float, *, scale: Sequence[float] = (1, 1, 1), sides: int = 12) -> Mesh:
    a = np.linspace(-math.pi / 2, math.pi / 2, max(4, sides // 2 + 1))
    ball = lathe([(radius * math.cos(x), radius * math.sin(x)) for x in a], sides=sides)
    return ball.moved(transform(scale=scale))


def tube(
    points: Sequence[Sequence[float] | Floats],
    radii: float | Sequence[float],
    *,
    sides: int = 8,
    flat: float = 1.0,
) -> Mesh:
    """Round limb along a path; radii per point; `flat` squeezes it front to back (x)."""
    path = np.asarray(points, np.float32)
    sizes = np.broadcast_to(np.asarray(radii, np.float32), (len(path),))
    ahead = np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    guide = np.where(np.abs(ahead[:, :1]) > 0.9, [[0, 0, 1.0]], [[1.0, 0, 0]])
    side = np.cross(ahead, guide)
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    up = np.cross(side, ahead)
    ring = circle(sides)
    rings = path[:, None] + sizes[:, None, None] * (
        ring[None, :, :1] * side[:, None] + flat * ring[None, :, 1:] * up[:, None]
    )
    return loft(rings.astype(np.float32))


def rod(a: Sequence[float], b: Sequence[float], radius: float, *, sides: int = 6) -> Mesh:
    return tube([a, b], radius, sides=sides)


def sheet(width: float, depth: float) -> Mesh:
    """Flat rectangle on z = 0."""
    x, y = width / 2, depth / 2
    return mesh([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], quads=[(0, 1, 2, 3)])


def noise_grid(rng: np.random.Generator, size: int, *, cells: int = 4, octaves: int = 4) -> Floats:
    """(size, size) fractal noise, about -1..1, by summing stretched random grids."""
    out = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        n = min(cells * 2**octave, size - 1)
        out += (
            _stretched(rng.uniform(-1, 1, (n + 1, n + 1)).astype(np.float32), size) * 0.55**octave
        )
    return out


def _stretched(grid: Floats, size: int) -> Floats:
    at = np.linspace(0, len(grid) - 1.001, size)
    i = at.astype(int)
    f = (at - i)[:, None]
    f = f * f * (3 - 2 * f)
    rows = grid[i] * (1 - f) + grid[i + 1] * f
    return np.asarray(rows[:, i] * (1 - f.T) + rows[:, i + 1] * f.T)


def height_field(heights: Floats, width: float, depth: float) -> Mesh:
    """Grid surface; heights (n, n) in metres over width (x) by depth (y), centred."""
    n, m = heights.shape
    y, x = np.meshgrid(np.linspace(-0.5, 0.5, n), np.linspace(-0.5, 0.5, m), indexing="ij")
    verts = np.stack([x * width, y * depth, heights], -1).reshape(-1, 3)
    i = (np.arange(n - 1)[:, None] * m + np.arange(m - 1)).reshape(-1)
    return mesh(verts, quads=np.stack([i, i + 1, i + m + 1, i + m], -1))


def heap(
    rng: np.random.Generator,
    size: Sequence[float],
    *,
    cells: int = 24,
    rough: float = 0.25,
    boxy: bool = False,
) -> Mesh:
    """Mound of loose material: `size` is length, width, height; `boxy` fills a truck's bed."""
    length, width, height = size
    a = np.linspace(-1, 1, cells)
    y, x = np.meshgrid(a, a, indexing="ij")
    far = np.maximum(np.abs(x), np.abs(y)) ** 3 if boxy else np.hypot(x, y)
    wobble = noise_grid(rng, cells, cells=2, octaves=2)
    fine = noise_grid(rng, cells, cells=6, octaves=3)
    shape = np.clip(1 - far * (1 + 0.25 * wobble), -0.25, 1)
    heights = height * (shape * (1 + 0.3 * wobble) + rough * fine * np.clip(shape * 4, 0, 1))
    if not boxy:
        heights = np.where(shape <= 0, -0.05, heights)
    return height_field(heights.astype(np.float32), length, width)


def scattered(item: Mesh, places: Floats, scales: Floats, turns: Floats) -> Mesh:
    """Copies of `item`: places (k, 3), scales (k,) or (k, 3), turns about z (k,) radians."""
    k = len(places)
    c, s = np.cos(turns), np.sin(turns)
    verts = item.verts[None] * scales.reshape(k, 1, -1)
    x = verts[..., 0] * c[:, None] - verts[..., 1] * s[:, None]
    y = verts[..., 0] * s[:, None] + verts[..., 1] * c[:, None]
    out = np.stack([x, y, verts[..., 2]], -1) + places[:, None]
    shift = (np.arange(k) * len(item.verts))[:, None, None]
    return mesh(
        out.reshape(-1, 3),
        tris=(item.tris[None] + shift).reshape(-1, 3),
        quads=(item.quads[None] + shift).reshape(-1, 4),
    )

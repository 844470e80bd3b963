# SPDX-License-Identifier: AGPL-3.0-or-later
"""Dust, smoke and flame as lit volumes: a density grid, marched along the camera's rays.

A plume is a row of puffs that grow and thin as they drift, eaten away by turbulent noise. It is
drawn over a rendered scene (stopped by the depth of every pixel) or over a photograph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from tools.scenery.camera import Camera
from tools.scenery.shapes import Floats
from tools.scenery.turbulence import Plume, density_grid, ragged


@dataclass(frozen=True)
class Layer:
    """What a plume adds to a picture: light (h, w, 3, linear, already weighted) and opacity."""

    light: Floats
    opacity: Floats


def shaded(grid: Floats, sun: Floats, thickness: float) -> Floats:
    """Share of sunlight that reaches each cell: six steps towards the sun through the grid."""
    n = len(grid)
    depth = np.zeros_like(grid)
    reach = n / 14
    for step in range(1, 7):
        move = np.rint(sun * step * reach).astype(int)
        depth += _moved(grid, move)
    return np.exp(-depth * thickness * reach / n * 1.6)


def _moved(grid: Floats, by: np.ndarray[Any, Any]) -> Floats:
    out = np.zeros_like(grid)
    n = len(grid)
    source = tuple(slice(max(0, b), min(n, n + b)) for b in by)
    target = tuple(slice(max(0, -b), min(n, n - b)) for b in by)
    if all(s.start < s.stop for s in source):
        out[target] = grid[source]
    return out


@dataclass(frozen=True)
class Shine:
    """The light a plume stands in: direction to the sun (unit, world), its light and the sky's."""

    to_sun: tuple[float, float, float]
    sun: tuple[float, float, float]
    sky: tuple[float, float, float]


def _corners(plume: Plume) -> Floats:
    c, s = math.cos(plume.wind), math.sin(plume.wind)
    out = []
    for x in (0, 1):
        for y in (-0.5, 0.5):
            for z in (0, 1):
                dx, dy = x * plume.size[0], y * plume.size[1]
                out.append(
                    (
                        plume.at[0] + dx * c - dy * s,
                        plume.at[1] + dx * s + dy * c,
                        plume.at[2] + z * plume.size[2],
                    )
                )
    return np.asarray(out, np.float32)


def _window(plume: Plume, camera: Camera) -> tuple[int, int, int, int] | None:
    seen = camera.project(_corners(plume))
    if (seen[:, 2] < 0.3).any():
        return 0, 0, camera.width, camera.height
    x0, y0 = np.floor(seen[:, :2].min(0)).astype(int)
    x1, y1 = np.ceil(seen[:, :2].max(0)).astype(int)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, camera.width), min(y1, camera.height)
    return (x0, y0, x1, y1) if x1 - x0 > 2 and y1 - y0 > 2 else None


def _to_unit(plume: Plume, points: Floats, *, direction: bool = False) -> Floats:
    c, s = math.cos(-plume.wind), math.sin(-plume.wind)
    p = points if direction else points - np.asarray(plume.at, np.float32)
    turned = np.stack([p[..., 0] * c - p[..., 1] * s, p[..., 0] * s + p[..., 1] * c, p[..., 2]], -1)
    return (turned / np.asarray(plume.size, np.float32)).astype(np.float32)


def draw(
    plume: Plume,
    camera: Camera,
    shine: Shine,
    *,
    depth: Floats | None = None,
    steps: int = 36,
    finest_px: int = 170,
) -> Layer:
    """The plume as seen by the camera, stopped at `depth` (metres along the axis) where given."""
    light = np.zeros((camera.height, camera.width, 3), np.float32)
    opacity = np.zeros((camera.height, camera.width), np.float32)
    window = _window(plume, camera)
    if window is None:
        return Layer(light, opacity)
    x0, y0, x1, y1 = window
    shrink = max(1.0, max(x1 - x0, y1 - y0) / finest_px)
    size = (max(2, round((x1 - x0) / shrink)), max(2, round((y1 - y0) / shrink)))
    columns = x0 + (np.arange(size[0]) + 0.5) * (x1 - x0) / size[0]
    rows = y0 + (np.arange(size[1]) + 0.5) * (y1 - y0) / size[1]
    rays = camera.rays(*np.meshgrid(columns, rows)).astype(np.float32)
    stop: Floats = np.full(rays.shape[:2], 1e4, np.float32)
    if depth is not None:
        stop = cv2.resize(depth[y0:y1, x0:x1], size, interpolation=cv2.INTER_NEAREST)
    small_light, small_opacity = _march(plume, camera, rays, stop, shine, steps)
    full = (x1 - x0, y1 - y0)
    thick = -np.log(np.clip(1 - small_opacity, 1e-3, 1))
    bright: Floats = small_light / np.maximum(small_opacity, 1e-3)[..., None]
    thick = ragged(
        cv2.resize(thick, full, interpolation=cv2.INTER_LINEAR), plume.seed, strength=1.0
    )
    bright = cv2.resize(bright, full, interpolation=cv2.INTER_LINEAR)
    opacity[y0:y1, x0:x1] = 1 - np.exp(-np.clip(thick, 0, None))
    light[y0:y1, x0:x1] = bright * opacity[y0:y1, x0:x1, None]
    if depth is not None:  # the small picture's edges are soft; what stands in front is not
        near = float(np.linalg.norm(np.asarray(plume.at) - (camera.x, camera.y, camera.z)))
        front = depth < near - 0.8 * max(plume.size[:2])
        light[front], opacity[front] = 0, 0
    return Layer(np.clip(light, 0, None), np.clip(opacity, 0, 1))


def _march(
    plume: Plume, camera: Camera, rays: Floats, stop: Floats, shine: Shine, steps: int
) -> tuple[Floats, Floats]:
    grid = density_grid(plume)
    n = len(grid)
    sun = _to_unit(plume, np.asarray(shine.to_sun, np.float32), direction=True)
    sun /= np.linalg.norm(sun) + 1e-6
    lit = shaded(grid, sun, plume.density * 1.2)
    eye = _to_unit(plume, np.asarray([camera.x, camera.y, camera.z], np.float32))
    ahead = _to_unit(plume, rays, direction=True)
    near, far = _crossing(eye, ahead)
    far = np.minimum(far, stop)
    span = np.maximum(far - near, 0)
    length = span * np.linalg.norm(ahead, axis=-1) / steps  # in unit lengths of the volume
    clear = np.ones(rays.shape[:2], np.float32)
    glow = np.zeros((*rays.shape[:2], 3), np.float32)
    for step in range(steps):
        t = near + span * (step + 0.5) / steps
        cell = (eye + ahead * t[..., None] + (0, 0.5, 0)) * n - 0.5
        cell = np.clip(cell, 0, n - 1.01)
        thick = _looked_up(grid, cell)
        part = 1 - np.exp(-thick * length * plume.density * 6)
        glow += (clear * part)[..., None] * _emitted(
            plume, shine, thick, _looked_up(lit, cell), cell[..., 2] / n
        )
        clear *= 1 - part
    return glow, 1 - clear


def _looked_up(grid: Floats, cell: Floats) -> Floats:
    n = len(grid)
    i = cell.astype(np.int64)
    f = cell - i
    flat = grid.ravel()
    base = (i[..., 0] * n + i[..., 1]) * n + i[..., 2]
    top = flat.size - 1
    out = np.zeros(cell.shape[:-1], np.float32)
    for dx in (0, 1):
        wx = f[..., 0] if dx else 1 - f[..., 0]
        for dy in (0, 1):
            wxy = wx * (f[..., 1] if dy else 1 - f[..., 1])
            for dz in (0, 1):
                weight = wxy * (f[..., 2] if dz else 1 - f[..., 2])
                out += flat[np.minimum(base + dx * n * n + dy * n + dz, top)] * weight
    return out


def _emitted(plume: Plume, shine: Shine, thick: Floats, lit: Floats, high: Floats) -> Floats:
    if plume.kind == "fire":
        hot = np.clip(thick * 1.5 - 0.25 - 0.6 * high, 0, 1)[..., None]
        red = np.array([0.75, 0.14, 0.012], np.float32)
        return red * (0.7 + 1.2 * hot) + hot**1.5 * np.array([2.2, 1.5, 0.5], np.float32)
    forward = lit[..., None] * np.asarray(shine.sun, np.float32)
    above = np.asarray(shine.sky, np.float32) * (0.8 + 0.3 * high[..., None])
    return np.asarray(np.asarray(plume.colour, np.float32) * (above + forward))


def _crossing(eye: Floats, ahead: Floats) -> tuple[Floats, Floats]:
    """Distances along each ray at which it enters and leaves the unit box."""
    low, high = np.array([0, -0.5, 0]), np.array([1, 0.5, 1])
    safe = np.where(np.abs(ahead) < 1e-7, 1e-7, ahead)
    a, b = (low - eye) / safe, (high - eye) / safe
    near = np.minimum(a, b).max(-1)
    far = np.maximum(a, b).min(-1)
    return np.maximum(near, 0).astype(np.float32), far.astype(np.float32)


def over(linear: Floats, layer: Layer) -> Floats:
    """The picture with the plume in front."""
    return np.asarray(linear * (1 - layer.opacity[..., None]) + layer.light)

"""Dust, smoke and flame as lit volumes: a density grid, marched along the camera's rays.

A plume is a row of puffs that grow and thin as they drift, eaten away by turbulent noise. It is
drawn over a rendered scene (stopped by the depth of every pixel) or over a photograph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tools.scenery.camera import Camera
from tools.scenery.shapes import Floats

NOISE_CELLS = 64


@dataclass(frozen=True)
class Plume:
    """kind dust, smoke or fire; `at` the source on the ground (m); size: length downwind, width,
    height (m); wind: direction (radians, from +x); colour: albedo; density: optical depth through
    its thickest part; seed and time_s fix the shape, `time_s` moves it on."""

    kind: str
    at: tuple[float, float, float]
    size: tuple[float, float, float]
    wind: float
    colour: tuple[float, float, float]
    density: float
    seed: int
    time_s: float = 0.0
    coarse: float = 1.0


@dataclass(frozen=True)
class Layer:
    """What a plume adds to a picture: light (h, w, 3, linear, already weighted) and opacity."""

    light: Floats
    opacity: Floats


def noise_volume(seed: int, cells: int = NOISE_CELLS) -> Floats:
    """(cells,)*3 periodic turbulence, mean 0, standard deviation 1, by shaping white noise."""
    rng = np.random.default_rng(seed)
    white = np.fft.rfftn(rng.normal(size=(cells,) * 3))
    f = np.fft.fftfreq(cells)
    far = np.sqrt(
        f[:, None, None] ** 2 + f[None, :, None] ** 2 + np.fft.rfftfreq(cells)[None, None, :] ** 2
    )
    shaped = np.fft.irfftn(
        white / np.maximum(far, 1.5 / cells) ** 1.75, s=(cells,) * 3, axes=(0, 1, 2)
    )
    return ((shaped - shaped.mean()) / shaped.std()).astype(np.float32)


_volumes: dict[int, Floats] = {}


def _noise(seed: int) -> Floats:
    key = seed % 12  # a dozen volumes, each read at its own place and scale, are variety enough
    if key not in _volumes:
        _volumes[key] = noise_volume(1000 + key)
    return _volumes[key]


def _sampled(volume: Floats, where: Floats) -> Floats:
    """Periodic trilinear lookup; where (..., 3) in cells."""
    n = len(volume)
    low = np.floor(where)
    f = (where - low).astype(np.float32)
    i = low.astype(np.int64) % n
    j = (i + 1) % n
    flat = volume.ravel()
    out = np.zeros(where.shape[:-1], np.float32)
    for dx in (0, 1):
        a = (j if dx else i)[..., 0] * n * n
        wx = f[..., 0] if dx else 1 - f[..., 0]
        for dy in (0, 1):
            b = a + (j if dy else i)[..., 1] * n
            wxy = wx * (f[..., 1] if dy else 1 - f[..., 1])
            out += flat[b + i[..., 2]] * wxy * (1 - f[..., 2])
            out += flat[b + j[..., 2]] * wxy * f[..., 2]
    return out


def _puffs(plume: Plume, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Centres (k, 3) and radii (k, 3) in the unit frame (x downwind 0..1, y -0.5..0.5, z 0..1),
    and strengths (k,)."""
    return {"dust": _dust_puffs, "smoke": _smoke_puffs, "fire": _flames}[plume.kind](rng)


def _dust_puffs(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    k = int(rng.integers(9, 26))
    along = np.sort(rng.uniform(0.1, 0.88, k)) ** rng.uniform(0.8, 1.5)
    radius = (0.06 + 0.13 * along) * rng.uniform(0.6, 1.5, k)
    z = np.abs(rng.normal(0.05, 0.28, k)) * (0.25 + along)
    centre = np.stack([along, rng.normal(0, 0.13, k), np.clip(z, 0.02, 0.75)], -1)
    radii = np.stack([radius, radius * 1.3, radius * rng.uniform(1.0, 2.0)], -1)
    strength = rng.uniform(0.35, 1.2, k) * (1.35 - rng.uniform(0.2, 1.0) * along)
    return centre.astype(np.float32), radii.astype(np.float32), strength.astype(np.float32)


def _smoke_puffs(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    k = 16
    rise = np.linspace(0.015, 0.92, k) ** rng.uniform(0.9, 1.2)
    sway = 0.08 * np.sin(rise * rng.uniform(5, 13) + rng.uniform(0, 6)) * rise
    radius = 0.03 + rng.uniform(0.1, 0.27) * rise
    lean = rng.uniform(0.15, 0.75)
    centre = np.stack(
        [0.1 + lean * rise ** rng.uniform(0.9, 2.2) + rng.normal(0, 0.03, k) * rise, sway, rise], -1
    )
    radii = np.stack([radius, radius * 1.4, radius * 0.8 + 0.05], -1)
    radii = radii * rng.uniform(0.7, 1.3, (k, 1))
    strength = rng.uniform(0.7, 1.3, k) * (1.12 - rise) ** rng.uniform(0.4, 1.3)
    return centre.astype(np.float32), radii.astype(np.float32), strength.astype(np.float32)


def _flames(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Tongues: each a stack of puffs that narrows upwards."""
    centre, radii, strength = [], [], []
    for _ in range(int(rng.integers(3, 9))):
        foot, y = rng.uniform(0.22, 0.72), rng.normal(0, 0.12)
        top, wide, lean = rng.uniform(0.3, 0.95), rng.uniform(0.06, 0.12), rng.normal(0.05, 0.1)
        for level in np.linspace(0.0, 1.0, 6):
            centre.append((foot + lean * level, y, 0.03 + top * level))
            narrow = wide * (1.05 - 0.85 * level)
            radii.append((narrow, narrow * 1.4, top * 0.16 + 0.03))
            strength.append(1.15 - 0.45 * level)
    return (
        np.asarray(centre, np.float32),
        np.asarray(radii, np.float32),
        np.asarray(strength, np.float32),
    )


# Per kind: drift of the noise (unit lengths a second: x, z), its pitch (cells per unit length),
# how far it bends the body, how strongly it eats it, and the share left as thin haze.
TURBULENCE = {
    "dust": ((0.06, 0.025), 17.0, 0.05, 0.30, 0.10),
    "smoke": ((0.03, 0.16), 15.0, 0.055, 0.34, 0.05),
    "fire": ((0.0, 0.5), 12.0, 0.05, 0.22, 0.0),
}


def density_grid(plume: Plume, *, cells: int = 48) -> Floats:
    """(cells,)*3 density in the unit frame, axes x, y, z; peak about 1."""
    rng = np.random.default_rng(plume.seed)
    centre, radii, strength = _puffs(plume, rng)
    (drift_x, drift_z), pitch, reach, bite, haze = TURBULENCE[plume.kind]
    a = (np.arange(cells, dtype=np.float32) + 0.5) / cells
    x, y, z = np.meshgrid(a, a - 0.5, a, indexing="ij")
    volume, shift = _noise(plume.seed), rng.uniform(0, NOISE_CELLS, 3)
    aspect = np.array(plume.size) / max(plume.size)
    moved = np.stack([x, y, z], -1) * aspect - np.array([drift_x, 0, drift_z]) * plume.time_s
    where = moved * (pitch * plume.coarse) * (1, 1, 0.6 if plume.kind == "fire" else 1) + shift
    bend = [_sampled(volume, where * 0.45 + s) * reach for s in (0, 21, 43)]
    if plume.kind != "dust":  # what rises is steady at its source and wild at its top
        bend = [b * (0.25 + 1.2 * z) for b in bend]
    x, y, z = x + bend[0], y + bend[1], z + bend[2] * 0.6
    body = np.zeros_like(x)
    for c, r, s in zip(centre, radii, strength, strict=True):
        body += s * np.exp(
            -2.0 * (((x - c[0]) / r[0]) ** 2 + ((y - c[1]) / r[1]) ** 2 + ((z - c[2]) / r[2]) ** 2)
        )
    body = body / (1 + 0.4 * body)
    fine = _sampled(volume, where) + 0.55 * _sampled(volume, where * 2.1 + 7)
    eaten = np.clip(body * (0.75 + 0.3 * fine) - bite * (0.55 - 0.5 * fine), 0, None)
    edge = np.minimum(np.minimum(a, 1 - a) * 9, 1)
    fade = edge[:, None, None] * edge[None, :, None] * np.minimum((1 - a) * 9, 1)[None, None, :]
    return ((1.5 * eaten + haze * body) * fade).astype(np.float32)


def ragged(depth: Floats, seed: int, *, strength: float) -> Floats:
    """Filaments finer than the grid: the optical depth (h, w) bent and streaked by 2-D noise."""
    height, width = depth.shape
    plane = _noise(seed + 5)
    scale = 40.0 / max(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    sheets = []
    for number in range(3):
        big = np.tile(plane[number * 17], (2, 2))
        at_x, at_y = (x * scale + seed % 61) % 64, (y * scale + seed % 53) % 64
        wide = cv2.remap(big, at_x, at_y, cv2.INTER_CUBIC)
        small = cv2.remap(big, (at_x * 2.3) % 64, (at_y * 2.3) % 64, cv2.INTER_CUBIC)
        sheets.append(wide + 0.5 * small)
    push = strength * max(height, width) * 0.022
    bent = cv2.remap(
        depth,
        x + sheets[0] * push,
        y + sheets[1] * push,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return bent * np.exp(0.28 * strength * sheets[2])


def shaded(grid: Floats, sun: Floats, thickness: float) -> Floats:
    """Share of sunlight that reaches each cell: six steps towards the sun through the grid."""
    n = len(grid)
    depth = np.zeros_like(grid)
    reach = n / 14
    for step in range(1, 7):
        move = np.rint(sun * step * reach).astype(int)
        depth += _moved(grid, move)
    return np.exp(-depth * thickness * reach / n * 1.6)


def _moved(grid: Floats, by: np.ndarray) -> Floats:
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
    stop = np.full(rays.shape[:2], 1e4, np.float32)
    if depth is not None:
        stop = cv2.resize(depth[y0:y1, x0:x1], size, interpolation=cv2.INTER_NEAREST)
    small_light, small_opacity = _march(plume, camera, rays, stop, shine, steps)
    full = (x1 - x0, y1 - y0)
    thick = -np.log(np.clip(1 - small_opacity, 1e-3, 1))
    bright = small_light / np.maximum(small_opacity, 1e-3)[..., None]
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
    return np.asarray(plume.colour, np.float32) * (
        np.asarray(shine.sky, np.float32) * (0.8 + 0.3 * high[..., None]) + forward
    )


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
    return linear * (1 - layer.opacity[..., None]) + layer.light

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Shapes of plumes: a row of puffs that grow and thin as they drift, eaten by turbulent noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

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
    return np.asarray(((shaped - shaped.mean()) / shaped.std()).astype(np.float32))


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
    return np.asarray(((1.5 * eaten + haze * body) * fade).astype(np.float32))


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
    return np.asarray(bent * np.exp(0.28 * strength * sheets[2]))

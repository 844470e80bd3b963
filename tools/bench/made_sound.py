# SPDX-License-Identifier: AGPL-3.0-or-later
"""Made sound: a hawker's loop, live talk, and what a street sounds like. Mono float32 at 8 kHz.

Voices are made of harmonics and moving formants, not recordings: no person is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

RATE = 8000
Sound = NDArray[np.float32]
Rng = np.random.Generator


def voice(seconds: float, rng: Rng) -> Sound:
    """Syllables of a made voice: a wandering pitch, three formants each, pauses between phrases."""
    out = np.zeros(int(seconds * RATE), np.float32)
    at, pitch = 0, float(rng.uniform(110, 240))
    while at < len(out):
        size = int(rng.uniform(0.09, 0.28) * RATE)
        t = np.arange(size) / RATE
        f0 = pitch * rng.uniform(0.85, 1.2) * (1.0 + rng.uniform(-0.15, 0.15) * t / t[-1])
        formants = rng.uniform((280, 900, 2200), (850, 2100, 3200))
        phase, part = 2 * np.pi * np.cumsum(f0) / RATE, np.zeros(size)
        for n in range(1, 22):
            gain = sum(np.exp(-(((n * f0.mean() - f) / 180.0) ** 2)) for f in formants) + 0.02
            part += gain * np.sin(n * phase)
        part += 0.15 * rng.standard_normal(size) * (rng.random() < 0.3)
        part *= np.hanning(size) * rng.uniform(0.4, 1.0)
        end = min(len(out), at + size)
        out[at:end] += part[: end - at]
        at += int(size * rng.uniform(0.8, 1.1))
        if rng.random() < 0.12:
            at += int(rng.uniform(0.15, 0.7) * RATE)
    return out


def pink(count: int, rng: Rng, power: float = 1.0) -> Sound:
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (power / 2.0)
    spectrum[0] = 0.0
    found = np.fft.irfft(spectrum, count)
    return np.asarray(found / found.std(), np.float32)


def traffic(seconds: float, rng: Rng) -> Sound:
    """Tyre noise with cars that swell and fade, each its own way."""
    count = int(seconds * RATE)
    t, swell = np.arange(count) / RATE, np.full(count, 0.35)
    for _ in range(rng.poisson(seconds / 9.0)):
        swell += rng.uniform(0.3, 2.0) * np.exp(
            -(((t - rng.uniform(0, seconds)) / rng.uniform(1.0, 3.5)) ** 2)
        )
    return np.asarray(pink(count, rng, 1.4) * swell, np.float32)


def rain(seconds: float, rng: Rng) -> Sound:
    return pink(int(seconds * RATE), rng, 0.2)


def crowd(seconds: float, rng: Rng) -> Sound:
    return np.asarray(sum(voice(seconds, rng) for _ in range(6)), np.float32)


def music(seconds: float, rng: Rng) -> Sound:
    """Bars of four beats over changing chords, a drum on each beat, a tune that wanders."""
    count, beat = int(seconds * RATE), 60.0 / rng.uniform(70, 140)
    out, scale = np.zeros(count), 220.0 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11]) / 12)
    for n in range(int(seconds / beat)):
        start, size = int(n * beat * RATE), int(beat * RATE)
        t = np.arange(size) / RATE
        chord = scale[(np.array([0, 2, 4]) + rng.integers(7)) % 7]
        note = scale[rng.integers(7)] * rng.choice((2, 4))
        part = sum(np.sin(2 * np.pi * f * t) for f in chord) * 0.3
        part += np.sin(2 * np.pi * note * t) + 0.4 * np.sin(4 * np.pi * note * t)
        part *= np.exp(-2.0 * t)
        part += 0.8 * rng.standard_normal(size) * np.exp(-30.0 * t)
        out[start : start + size] += part[: count - start]
    return np.asarray(out, np.float32)


def struck(
    seconds: float, rng: Rng, every_s: float, tones: NDArray[np.float64], fall: float
) -> Sound:
    """Blows at an even beat; each rings with these tones (Hz) and fades at `fall` a second."""
    count = int(seconds * RATE)
    out = np.zeros(count)
    first_s = float(rng.uniform(0, every_s))
    for n in range(int((seconds - first_s) / every_s)):
        start = int((first_s + n * every_s) * RATE)
        left = min(count - start, int(3.0 / fall * RATE))
        t = np.arange(left) / RATE
        ring = sum(np.sin(2 * np.pi * f * t) / (k + 1) for k, f in enumerate(tones))
        out[start : start + len(t)] += ring * np.exp(-fall * t)
    return np.asarray(out, np.float32)


def bells(seconds: float, rng: Rng) -> Sound:
    base = rng.uniform(350, 700)
    return struck(seconds, rng, float(rng.uniform(1.2, 2.4)), base * np.array([1, 2, 2.4, 3]), 1.5)


def beeper(seconds: float, rng: Rng) -> Sound:
    return struck(
        seconds, rng, float(rng.uniform(0.8, 1.3)), np.array([rng.uniform(900, 1500)]), 6.0
    )


def birds(seconds: float, rng: Rng) -> Sound:
    """Chirps at random times, each a short sweep of its own."""
    count = int(seconds * RATE)
    out = np.zeros(count)
    for _ in range(rng.poisson(seconds * 1.5)):
        start, size = int(rng.integers(count)), int(rng.uniform(0.05, 0.2) * RATE)
        t = np.arange(min(size, count - start)) / RATE
        sweep = rng.uniform(1800, 3300) + rng.uniform(-4000, 4000) * t
        out[start : start + len(t)] += np.sin(2 * np.pi * sweep * t) * np.hanning(len(t))
    return np.asarray(out, np.float32)


STREETS: Mapping[str, Callable[[float, Rng], Sound]] = {
    "traffic": traffic,
    "rain": rain,
    "crowd": crowd,
    "music": music,
    "bells": bells,
    "beeper": beeper,
    "birds": birds,
    "talk": voice,
}


def loop(seconds: float, period_s: float, rng: Rng) -> Sound:
    """One recording over and over, with the same pause after it."""
    size = round(period_s * RATE)
    once = voice(period_s * rng.uniform(0.75, 0.98), rng)
    once = np.pad(once, (0, max(0, size - len(once))))[:size]
    times = int(np.ceil(seconds / period_s)) + 1
    start = int(rng.integers(size))
    return np.asarray(np.tile(once, times)[start : start + int(seconds * RATE)], np.float32)


def mixed(wanted: Sound, other: Sound, snr_db: float) -> Sound:
    """Both at this ratio of their mean energies."""
    gain = np.sqrt((wanted**2).mean() / max((other**2).mean(), 1e-12)) * 10 ** (-snr_db / 20.0)
    return np.asarray(wanted + gain * other, np.float32)


def room(sound: Sound, rng: Rng) -> Sound:
    """Echoes of a street: a decaying tail of some tenths of a second."""
    decay_s = rng.uniform(0.15, 0.6)
    t = np.arange(int(2 * decay_s * RATE)) / RATE
    tail = rng.standard_normal(len(t)) * np.exp(-6.9 * t / decay_s) * 0.05
    tail[0] = 1.0
    size = len(sound) + len(tail)
    both = np.fft.rfft(sound, size) * np.fft.rfft(tail, size)
    return np.asarray(np.fft.irfft(both, size)[: len(sound)], np.float32)


def mulaw(sound: Sound) -> Sound:
    """G.711: eight bits by the mu law and back."""
    x = sound / max(float(np.abs(sound).max()), 1e-9)
    packed = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)
    packed = np.round(packed * 127) / 127
    return np.asarray(np.sign(packed) * (256 ** np.abs(packed) - 1) / 255, np.float32)


def clipped(sound: Sound) -> Sound:
    most = 1.5 * float(sound.std())
    return np.clip(sound, -most, most)


def aac(sound: Sound, bits_s: int = 32_000) -> Sound:
    """Through a real AAC encoder and decoder (PyAV), as a camera's audio track."""
    import av

    scaled = (sound / max(float(np.abs(sound).max()), 1e-9) * 0.8).astype(np.float32)
    coder = av.CodecContext.create("aac", "w")
    coder.sample_rate, coder.layout, coder.format = RATE, "mono", "fltp"
    coder.bit_rate, coder.time_base = bits_s, Fraction(1, RATE)
    coder.open()
    reader, pieces = av.CodecContext.create("aac", "r"), []
    reader.extradata = coder.extradata
    frames = []
    for start in range(0, len(scaled) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(scaled[None, start : start + 1024], "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, start
        frames.append(frame)
    for frame in [*frames, None]:
        for packet in coder.encode(frame):
            pieces += [got.to_ndarray()[0] for got in reader.decode(packet)]
    return np.asarray(np.concatenate(pieces), np.float32)

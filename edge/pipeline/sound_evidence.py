# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a case of a repeated loudspeaker keeps: two pictures, and sound only where it is set.

The spectrogram has 24 bands and the self-similarity is a likeness of moments: no word can be read
out of either. `unintelligible` sound is noise in six bands with slow envelopes: rhythm and level
stay, words do not.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.evidence.store import Draft
from edge.sensors.repetition import Sound, features
from edge.sensors.settings import SoundPoint
from edge.sensors.sound import RATE_HZ
from edge.values import Stamp

MOMENTS, ENVELOPE_S = 400, 0.25
EDGES_HZ = (150.0, 400.0, 800.0, 1400.0, 2200.0, 3000.0, 3900.0)


def sound_drafts(sound: Sound, point: SoundPoint, at: Stamp) -> list[Draft]:
    """Spectrogram and self-similarity, and the clip that the point keeps."""
    found = features(sound, RATE_HZ)
    drafts = [
        Draft("samples", "spectrogram.png", at, data=spectrogram(found)),
        Draft("samples", "self-similarity.png", at, data=self_similarity(found)),
    ]
    if point.keep == "none":
        return drafts
    clip = sound[: round(point.clip_s * RATE_HZ)]
    kept = clip if point.keep == "plain" else unintelligible(clip)
    return [*drafts, Draft("samples", "sound.wav", at, data=wav(kept))]


def spectrogram(found: NDArray[np.float64]) -> bytes:
    """Bands upwards, two minutes to the right."""
    return _png(np.flipud(found), (1200, 240))


def self_similarity(found: NDArray[np.float64]) -> bytes:
    """Likeness of every moment to every other: a repetition draws lines beside the diagonal."""
    step = max(1, found.shape[1] // MOMENTS)
    usable = found[:, : found.shape[1] // step * step]
    moments = usable.reshape(found.shape[0], -1, step).mean(axis=2)
    length = np.linalg.norm(moments, axis=0) + 1e-9
    return _png((moments / length).T @ (moments / length), (800, 800))


def _png(values: NDArray[np.float64], size: tuple[int, int]) -> bytes:
    low, high = np.quantile(values, (0.02, 0.98))
    grey = np.clip((values - low) / max(high - low, 1e-9) * 255.0, 0, 255).astype(np.uint8)
    image = cv2.applyColorMap(cv2.resize(grey, size), cv2.COLORMAP_VIRIDIS)
    done, data = cv2.imencode(".png", image)
    assert done
    return data.tobytes()


def unintelligible(sound: Sound) -> Sound:
    """Noise in six bands under the slow envelopes of the sound's own."""
    count = len(sound)
    spectrum, noise = np.fft.rfft(sound), np.fft.rfft(np.random.default_rng(0).normal(size=count))
    hz = np.fft.rfftfreq(count, 1.0 / RATE_HZ)
    width = round(ENVELOPE_S * RATE_HZ)
    out = np.zeros(count)
    for band in _bands(hz):
        level = np.abs(np.fft.irfft(spectrum * band, count))
        slow = np.convolve(level, np.ones(width) / width, mode="same")
        out += slow * np.fft.irfft(noise * band, count)
    return np.asarray(out / (np.abs(out).max() + 1e-9) * 0.5, np.float32)


def _bands(hz: NDArray[np.floating[Any]]) -> Iterable[NDArray[np.bool_]]:
    for low, high in pairwise(EDGES_HZ):
        yield (hz >= low) & (hz < high)


def wav(sound: Sound) -> bytes:
    """16 bit mono."""
    data = np.clip(sound / (np.abs(sound).max() + 1e-9) * 32_000, -32_768, 32_767)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(data.astype("<i2").tobytes())
    return out.getvalue()

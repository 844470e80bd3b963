# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whether a stretch of sound repeats itself: a loudspeaker that plays one recording over and over.

Art. 63 of the noise law (噪声污染防治法) forbids hawking by loudspeakers and other ways of
continuous repeated sound. The test is self-similarity: the spectrum's movement is compared with
itself some seconds later. No word is recognised and nothing is kept. Speech of people never repeats
to the hundredth of a second; a recording does. What repeats faster than `PERIODS_S` (bells,
beepers, the beat of music) is another thing and is told as that. Pure: samples in, numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]
Features = NDArray[np.float64]
Kind = Literal["loop", "beat", "none"]

# What a small loudspeaker, a telephone codec and a street leave of a voice.
BAND_HZ = (300.0, 3400.0)
BANDS = 24
WINDOW_S, HOP_S = 0.064, 0.032
PERIODS_S = (3.0, 45.0)
# Faster than this it is a rhythm.
BEATS_S = (0.2, 2.5)
# A slower movement than this is a car passing, not a syllable.
SLOW_S = 1.0
# The peak of similarity, in units of the spread of all other lags, and by itself.
SCORE_LEAST, SIMILARITY_LEAST = 5.0, 0.035
# A short loop is like itself at other lags too, for its few syllables come round often: there the
# peak must be high and stand clear of the next best lag, as no beat does.
CLEAR_LEAST, CLEAR_SIMILARITY = 1.6, 0.3
# A loop's similarity at its period must outdo that of any beat.
BEAT_SHARE = 0.9
# At least so many repetitions must fit into the window.
REPEATS_LEAST = 2.0
# Lags nearer to a peak than this belong to it.
PEAK_S = 0.5
# A recording comes back to the hundredth of a second in every part of the window; bells rung by
# hand and a person who calls the same words do not. Parts, lags looked at round the period, and
# how far the parts' own periods may lie apart by their median, in frames.
PARTS, ROUND, STEADY = 8, 12, 0.22
# Frames by which a part of a lag may lie off, and how alike it must be in comparison.
NEAR, MULTIPLE_SHARE = 2, 0.7


@dataclass(frozen=True, slots=True)
class Repetition:
    """What a window of sound is. `period_s` of the best lag, `similarity` there (1: the same),
    `score`: how far that stands above all other lags, in their own spread."""

    kind: Kind
    period_s: float
    similarity: float
    score: float


def features(sound: Sound, rate_hz: float) -> Features:
    """The movement of the spectrum: (bands, frames), each frame of length 1 or 0.

    sound: mono, any scale; rate_hz: at least 7 kHz. Raises ValueError below.
    """
    if rate_hz < 2.05 * BAND_HZ[1]:
        raise ValueError(f"{rate_hz:g} Hz: at least {2.05 * BAND_HZ[1]:.0f} Hz wanted")
    size, hop = round(WINDOW_S * rate_hz), round(HOP_S * rate_hz)
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)) ** 2
    edges = np.geomspace(*BAND_HZ, BANDS + 1) * size / rate_hz
    starts = np.unique(np.floor(edges).astype(int))
    levels = np.log(np.add.reduceat(power, starts, axis=1)[:, :-1] + 1e-12).T
    moving = levels - _slow(levels, round(SLOW_S / HOP_S))
    # Between syllables there is noise: what does not stand out counts little.
    moving = np.clip(moving, -3.0, 3.0)
    length = np.linalg.norm(moving, axis=0)
    return np.asarray(moving / np.maximum(length, np.median(length) + 1e-9), np.float64)


def _slow(levels: Features, frames: int) -> Features:
    """The running mean of each band, as long as the sound."""
    width = 2 * frames + 1
    padded = np.pad(levels, ((0, 0), (frames, frames)), mode="edge")
    sums = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    return np.asarray((sums[:, width:] - sums[:, :-width]) / width, np.float64)


def similarity(found: Features) -> Features:
    """Mean likeness of the sound with itself, by lag in frames; 1 at nought."""
    count = found.shape[1]
    spectrum = np.abs(np.fft.rfft(found, 2 * count, axis=1)) ** 2
    sums = np.fft.irfft(spectrum.sum(axis=0), 2 * count)[:count]
    overlap = np.arange(count, 0, -1)
    mean = sums / overlap
    return np.asarray(mean / max(mean[0], 1e-12), np.float64)


def assess(sound: Sound, rate_hz: float) -> Repetition:
    """What this window is; two minutes are enough for every period of `PERIODS_S`."""
    sound_features = features(sound, rate_hz)
    curve = similarity(sound_features)
    last_s = min(PERIODS_S[1], len(curve) * HOP_S / REPEATS_LEAST)
    first, last = round(PERIODS_S[0] / HOP_S), round(last_s / HOP_S)
    if last - first < 2.0 / HOP_S:
        return Repetition("none", 0.0, 0.0, 0.0)
    flat = curve - _slow(curve[None, :], round(2.0 / HOP_S))[0]
    place = _fundamental(flat, first, first + int(np.argmax(flat[first:last])))
    other = _others(flat, first, last, place)
    score = (flat[place] - np.median(other)) / _spread(other)
    clear = flat[place] / (np.abs(other).max() + 1e-9)
    beat = float(flat[round(BEATS_S[0] / HOP_S) : round(BEATS_S[1] / HOP_S)].max())
    found = Repetition("none", place * HOP_S, float(flat[place]), float(score))
    above = found.score >= SCORE_LEAST and found.similarity >= SIMILARITY_LEAST
    if not above and (clear < CLEAR_LEAST or found.similarity < CLEAR_SIMILARITY):
        return found
    kind: Kind = "beat" if beat > BEAT_SHARE * found.similarity else "loop"
    if kind == "loop" and wandering(sound_features, place) > STEADY:
        return found
    return Repetition(kind, found.period_s, found.similarity, found.score)


def wandering(found: Features, place: int) -> float:
    """By how many frames the period differs from part to part, as the median of eight.

    found: `features`; place: the lag in frames.
    """
    count, reach = found.shape[1], min(ROUND, place - 1)
    lags = range(place - reach, place + reach + 1)
    last = count - place - reach
    if last < PARTS * 4:
        return 0.0
    alike = np.stack([(found[:, : count - n] * found[:, n:]).sum(axis=0)[:last] for n in lags])
    peaks = np.array([_peak(part.mean(axis=1)) for part in np.array_split(alike, PARTS, axis=1)])
    return float(np.median(np.abs(peaks - np.median(peaks))))


def _peak(curve: Features) -> float:
    """Where the largest value lies, between the samples."""
    at = int(np.clip(np.argmax(curve), 1, len(curve) - 2))
    low, middle, high = (float(v) for v in curve[at - 1 : at + 2])
    bend = low - 2 * middle + high
    return at if bend >= 0.0 else at + 0.5 * (low - high) / bend


def _fundamental(curve: Features, first: int, place: int) -> int:
    """The shortest lag of which `place` is a multiple and that is nearly as alike: a loop is like
    itself after two and three rounds as well."""
    for times in range(place // first, 1, -1):
        middle = round(place / times)
        low = max(first, middle - NEAR)
        near = curve[low : middle + NEAR + 1]
        if len(near) and near.max() >= MULTIPLE_SHARE * curve[place]:
            return low + int(np.argmax(near))
    return place


def _others(curve: Features, first: int, last: int, place: int) -> Features:
    """All lags but the peak and its multiples; all of them where little else is left."""
    lags = np.arange(first, last)
    near = np.round(lags / place) * place
    other = curve[first:last][np.abs(lags - near) > PEAK_S / HOP_S]
    return other if len(other) >= 20 else curve[first:last]


def _spread(other: Features) -> float:
    """How much likeness varies by chance."""
    return float(1.4826 * np.median(np.abs(other - np.median(other)))) + 1e-9

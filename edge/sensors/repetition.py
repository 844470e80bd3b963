# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whether a stretch of sound repeats itself: a loudspeaker that plays one recording over and over.

Art. 63 of the noise law (噪声污染防治法) forbids hawking by loudspeakers and other ways of
continuous repeated sound. A recording comes back with its very waveform; people who call the same
words, birds and bells rung by hand do not. So the sound, its spectrum made flat, is compared with
itself some seconds later: once as a whole (a peak that stands alone among all lags), and piece by
piece (most pieces come back at that lag, and sharply: a tone is like itself at many lags and counts
for nothing). A player whose pause wavers is found by the movement of the spectrum first, and then
must come back in more of its pieces. No word is recognised and nothing is kept. What repeats faster
than `PERIODS_S` (beepers, the beat of music) is another thing and is told as that. Pure.
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
# Width over which the spectrum is made flat, the time over which bursts are held down, and the
# share of the mean power that is added before, so that what is all but empty is not raised.
FLAT_HZ, EVEN_S = 100.0, 0.25
FLOOR = 1e-3
# A peak of likeness is this narrow; what is about as alike within the further reach is a tone.
PEAK_S, TONE_S = 0.0025, 0.02
# Pieces of the window, how far each may come back early or late, and when one does: so many
# spreads above what it is like elsewhere, and so many times its next best lag.
PIECE_S, WAVER_S = 1.5, 0.06
PIECE_SCORE, PIECE_CLEAR = 6.0, 1.25
# The peak of the whole, in spreads of all other lags, with the share of pieces that is enough then;
# and the share that is enough without such a peak, each coming back more clearly in the middle.
SCORE_LEAST, SHARE_LEAST = 8.0, 0.3
SHARE_ALONE, CLEAR_ALONE = 0.5, 1.5
# Lags that are looked at piece by piece: the best of the whole, and of the spectrum's movement.
LAGS_TRIED, MOVEMENTS_TRIED = 3, 4
# A lag whose whole part is nearly as alike is a multiple of that; of a part this short, a beat.
MULTIPLE_SHARE = 0.6
# Below this the whole has no peak of its own to compare its parts with.
PEAK_LEAST = 0.02
# At least so many repetitions must fit into the window.
REPEATS_LEAST = 2.0


@dataclass(frozen=True, slots=True)
class Repetition:
    """What a window of sound is. `period_s` of the best lag, `similarity`: share of the window's
    pieces that come back after it, `score`: how far the whole's likeness there stands above all
    other lags, in their own spread."""

    kind: Kind
    period_s: float
    similarity: float
    score: float


NOTHING = Repetition("none", 0.0, 0.0, 0.0)


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
    """What this window is; two minutes are enough for every period of `PERIODS_S`.

    sound: mono, any scale; rate_hz: at least 7 kHz. Raises ValueError below."""
    movement = features(sound, rate_hz)
    last_s = min(PERIODS_S[1], len(sound) / rate_hz / REPEATS_LEAST)
    if last_s - PERIODS_S[0] < 2.0:
        return NOTHING
    wave = even(sound, rate_hz)
    if not wave.any():
        return NOTHING
    first, last = round(PERIODS_S[0] * rate_hz), round(last_s * rate_hz)
    peaks = sharpness(autocorrelation(wave)[: last + round(TONE_S * rate_hz)], rate_hz)
    tried = {*_highest(peaks, first, last, rate_hz), *_moved(movement, last_s, rate_hz)}
    lags = {_on_peak(peaks, lag, rate_hz) for lag in tried}
    found = [_repetition(wave, peaks, lag, (first, last), rate_hz) for lag in sorted(lags)]
    best = max(found, key=lambda one: (one.kind != "none", one.kind == "loop", one.similarity))
    # Of what is about as alike the shortest: a loop is like itself after two rounds as well.
    same = (one for one in found if one.kind == best.kind)
    near = [one for one in same if one.similarity >= MULTIPLE_SHARE * best.similarity]
    return min(near, key=lambda one: one.period_s) if best.kind == "loop" else best


def even(sound: Sound, rate_hz: float) -> Sound:
    """The band of `BAND_HZ` with a flat spectrum, and bursts held down to the middle level."""
    count = len(sound)
    size = 1 << max(8, (2 * count - 1).bit_length() - 1)
    spectrum = np.fft.rfft(sound, size)
    hz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    inside = (hz >= BAND_HZ[0]) & (hz <= BAND_HZ[1])
    power = np.where(inside, np.abs(spectrum) ** 2, 0.0)
    smooth = np.maximum(_slow(power[None, :], round(FLAT_HZ / (2 * hz[1])))[0], 0.0)
    flat = np.where(inside, spectrum / np.sqrt(smooth + FLOOR * power.mean() + 1e-30), 0.0)
    wave = np.fft.irfft(flat, size)[:count]
    level = np.sqrt(np.maximum(_slow(wave[None, :] ** 2, round(EVEN_S / 2 * rate_hz))[0], 0.0))
    return np.asarray(wave / np.maximum(level, max(float(np.median(level)), 1e-12)), np.float32)


def autocorrelation(wave: Sound) -> Sound:
    """Likeness of the whole with itself by lag in samples; 1 at nought."""
    count = len(wave)
    size = 1 << (2 * count - 1).bit_length()
    sums = np.fft.irfft(np.abs(np.fft.rfft(wave, size)) ** 2, size)[:count]
    mean = sums / np.arange(count, 0, -1)
    return np.asarray(mean / max(float(mean[0]), 1e-12), np.float32)


def sharpness(curve: Sound, rate_hz: float) -> Sound:
    """By how much each lag is more alike than any beside it: a tone gives nothing."""
    near, far = round(PEAK_S * rate_hz), round(TONE_S * rate_hz)
    beside = _running_max(np.pad(np.abs(curve), far), far - near)
    count = len(curve)
    higher = np.maximum(beside[:count], beside[far + near + 1 :][:count])
    return np.asarray(curve - higher, np.float32)


def _running_max(values: Sound, width: int) -> Sound:
    """The largest of each `width` values in a row, by doubling."""
    found, span = values, 1
    while 2 * span <= width:
        found, span = np.maximum(found[:-span], found[span:]), 2 * span
    rest = width - span
    return np.maximum(found[:-rest], found[rest:]) if rest else found


def _highest(peaks: Sound, first: int, last: int, rate_hz: float) -> list[int]:
    """The best lags of the whole, none beside another."""
    left, found = peaks[first:last].copy(), []
    for _ in range(LAGS_TRIED):
        at = int(np.argmax(left))
        found.append(first + at)
        left[max(0, at - round(WAVER_S * rate_hz)) : at + round(WAVER_S * rate_hz)] = -1.0
    return found


def _moved(movement: Features, last_s: float, rate_hz: float) -> list[int]:
    """The best lags of the spectrum's movement, in samples."""
    curve = similarity(movement)
    flat = curve - _slow(curve[None, :], round(2.0 / HOP_S))[0]
    first, last = round(PERIODS_S[0] / HOP_S), round(last_s / HOP_S)
    left, found = flat[first:last].copy(), []
    for _ in range(MOVEMENTS_TRIED):
        at = int(np.argmax(left))
        found.append(round((first + at) * HOP_S * rate_hz))
        left[max(0, at - 8) : at + 8] = -1.0
    return found


def _on_peak(peaks: Sound, lag: int, rate_hz: float) -> int:
    """The lag of the whole's own peak beside this one, where there is any."""
    low = max(1, lag - round(WAVER_S * rate_hz))
    near = peaks[low : lag + round(WAVER_S * rate_hz) + 1]
    return low + int(np.argmax(near)) if float(near.max()) >= PEAK_LEAST else lag


def _repetition(
    wave: Sound, peaks: Sound, lag: int, range_of: tuple[int, int], rate_hz: float
) -> Repetition:
    """What one lag says."""
    first, last = range_of
    others = peaks[first:last]
    middle = float(np.median(others))
    spread = 1.4826 * float(np.median(np.abs(others - middle))) + 1e-9
    near = peaks[lag - 1 : lag + 2]
    score = (float(near.max()) - middle) / spread
    share, clear = returning(wave, lag, rate_hz)
    found = Repetition("none", lag / rate_hz, share, score)
    alone = share >= SHARE_ALONE and clear >= CLEAR_ALONE
    if not alone and (score < SCORE_LEAST or share < SHARE_LEAST):
        return found
    part = _part(peaks, lag, rate_hz)
    kind: Kind = "beat" if part < PERIODS_S[0] * rate_hz else "loop"
    return Repetition(kind, part / rate_hz, share, score)


def _part(peaks: Sound, lag: int, rate_hz: float) -> int:
    """The shortest whole part of the lag that is nearly as alike, else the lag itself: a loop is
    like itself after two and three rounds as well, and a beat after twenty."""
    reach = max(2, round(PEAK_S * rate_hz))
    peak = float(peaks[lag - 1 : lag + 2].max())
    if peak < PEAK_LEAST:
        return lag
    for times in range(int(lag / (BEATS_S[0] * rate_hz)), 1, -1):
        low = round(lag / times) - reach
        near = peaks[low : low + 2 * reach + 1]
        if float(near.max()) >= MULTIPLE_SHARE * peak:
            return low + int(np.argmax(near))
    return lag


def returning(wave: Sound, lag: int, rate_hz: float) -> tuple[float, float]:
    """(share of the window's pieces that come back after the lag, how clearly the middle one does).

    wave: `even`; lag: samples.
    """
    size, off = round(PIECE_S * rate_hz), round(WAVER_S * rate_hz)
    ends = range(0, len(wave) - lag - size - off + 1, size)
    rows = [
        _piece(wave[at : at + size], wave[at + lag - off : at + lag + size + off]) for at in ends
    ]
    if not rows:
        return 0.0, 0.0
    scores, clear = np.array(rows).T
    share = float(((scores >= PIECE_SCORE) & (clear >= PIECE_CLEAR)).mean())
    return share, float(np.median(clear))


def _piece(piece: Sound, later: Sound) -> tuple[float, float]:
    """(score of the best lag, how many times its likeness is that of the next best)."""
    size = 1 << (len(later) + len(piece) - 1).bit_length()
    both = np.conj(np.fft.rfft(piece, size)) * np.fft.rfft(later, size)
    alike = np.fft.irfft(both, size)[: len(later) - len(piece) + 1]
    at = int(np.argmax(alike))
    beside = np.abs(np.arange(len(alike)) - at) > round(len(alike) * PEAK_S / (2 * WAVER_S))
    rest = alike[beside]
    return float(alike[at] / (rest.std() + 1e-12)), float(alike[at] / (np.abs(rest).max() + 1e-12))

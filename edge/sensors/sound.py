# SPDX-License-Identifier: AGPL-3.0-or-later
"""The sound of a recording (any that PyAV reads: G.711, AAC, Opus) in windows, mono, 8 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge.config import ConfigError
from edge.sensors.repetition import Sound, assess

RATE_HZ = 8000
WINDOW_S = 120.0
# A window shorter than this says nothing of most periods.
LEAST_S = 12.0


class Mono:
    """Frames of one audio track as mono sound at `RATE_HZ`, whatever their format; a camera or a
    broadcast may change it in the middle."""

    def __init__(self) -> None:
        self._format: tuple[str, str, int] | None = None
        self._resampler: Any = None

    def pieces(self, frame: Any) -> list[Sound]:
        """What a frame gives. A resampler takes one format only, so each gets one of its own."""
        import av

        came = (frame.format.name, frame.layout.name, frame.sample_rate)
        if came != self._format:
            self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
            self._format = came
        got = self._resampler.resample(frame)
        return [np.asarray(piece.to_ndarray()[0], np.float32) for piece in got]


def windows(name: str) -> Iterator[tuple[float, Sound]]:
    """(start in s, samples) of consecutive windows. Raises ConfigError for what is no sound."""
    size, at_s = round(WINDOW_S * RATE_HZ), 0.0
    waiting: Sound = np.zeros(0, np.float32)
    for piece in _pieces(name):
        waiting = np.concatenate([waiting, piece])
        if len(waiting) >= size:
            yield at_s, waiting[:size]
            waiting, at_s = waiting[size:], at_s + WINDOW_S
    if len(waiting) >= LEAST_S * RATE_HZ:
        yield at_s, waiting


def _pieces(name: str) -> Iterator[Sound]:
    """The first audio track, piece by piece: a long recording is never whole in memory."""
    import av

    if not Path(name).is_file():
        raise ConfigError(f"{name}: no such file")
    try:
        with av.open(name) as container:
            if not container.streams.audio:
                raise ConfigError(f"{name}: no sound in it")
            mono = Mono()
            for frame in container.decode(container.streams.audio[0]):
                yield from mono.pieces(frame)
    except av.FFmpegError as error:
        raise ConfigError(f"{name}: {error.strerror or error}") from None


KINDS = {
    "loop": "repeats itself 循环播放",
    "beat": "a rhythm 节拍",
    "none": "no repetition 无重复",
}


def rows(name: str) -> Iterator[dict[str, float | str]]:
    """One row a window: from_s, seconds, kind, period_s, similarity, score."""
    for at_s, sound in windows(name):
        found = assess(sound, RATE_HZ)
        yield {
            "from_s": at_s,
            "seconds": round(len(sound) / RATE_HZ, 1),
            "kind": found.kind,
            "period_s": round(found.period_s, 2),
            "similarity": round(found.similarity, 3),
            "score": round(found.score, 1),
        }


def text(row: dict[str, float | str]) -> str:
    """`0 s: repeats itself 循环播放, every 12.40 s, likeness 0.52 (21.0)`."""
    kind = str(row["kind"])
    every = f", every 每 {row['period_s']:.2f} s" if kind == "loop" else ""
    likeness = f"likeness 相似度 {row['similarity']} ({row['score']})"
    return f"{row['from_s']:g} s: {KINDS[kind]}{every}, {likeness}"

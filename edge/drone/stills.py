# SPDX-License-Identifier: AGPL-3.0-or-later
"""Full-size pictures of a recording at given times, without decoding what lies between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av

from edge.camera.libav import packets_of, seconds, to_bgr
from edge.camera.recording import open_video, read_file_frames
from edge.camera.source import SourceError
from edge.values import Image

# A picture this near to the time asked for is the one that was looked at.
NEAR_S = 0.02


def stills(path: Path, times_s: Iterable[float], *, fps: float) -> Iterator[tuple[float, Image]]:
    """(time, picture) for each time that the recording has, in order of time.

    `fps` is the rate at which the looks were read, for folders of images, which are walked.
    """
    wanted = sorted(set(times_s))
    if path.is_dir():
        yield from _walked(path, wanted, fps)
    elif wanted:
        yield from _sought(path, wanted)


def _walked(path: Path, wanted: list[float], fps: float) -> Iterator[tuple[float, Image]]:
    left = list(wanted)
    with read_file_frames(str(path), fps) as frames:
        for frame in frames:
            while left and frame.at.mono >= left[0] - NEAR_S:
                yield left.pop(0), frame.image
            if not left:
                return


def _sought(path: Path, wanted: list[float]) -> Iterator[tuple[float, Image]]:
    opened = open_video(path)
    try:
        start = seconds(opened.stream.start_time, opened.stream.time_base) or 0.0
        for time_s in wanted:
            image = _at(opened, start + time_s)
            if image is not None:
                yield time_s, image
    finally:
        opened.close()


def _at(opened: Any, target_s: float) -> Image | None:
    """The first picture at or after the time; None where the recording ends before."""
    try:
        opened.container.seek(
            int(max(0.0, target_s - NEAR_S) / opened.stream.time_base), stream=opened.stream
        )
        for frame in (frame for packet in packets_of(opened) for frame in packet.decode()):
            at = seconds(frame.pts, frame.time_base)
            if at is not None and at >= target_s - NEAR_S:
                return to_bgr(frame)
    except (av.error.FFmpegError, SourceError):
        return None
    return None

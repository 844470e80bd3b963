# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recordings in place of a camera: every frame due, at its presentation time, none dropped."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from edge.camera.folder import StillSequence, open_album, read_still
from edge.camera.libav import (
    Input,
    Orientation,
    explain,
    is_broken_off,
    open_input,
    packets_of,
    seconds,
    turned_bgr,
)
from edge.camera.pacing import Pacer
from edge.camera.source import SourceError, SourceFacts
from edge.camera.timeline import PictureTimes
from edge.camera.url import Address, parse_source
from edge.clock import Clock, SystemClock, instant
from edge.config import ConfigError
from edge.values import Frame, Image, Stamp

log = logging.getLogger(__name__)

# How wrong a recording's start may be: a person said it; its header says it (often local time
# written as UTC); only the file's date is known.
GIVEN_ERROR_MS = 1_000.0
HEADER_ERROR_MS = 14 * 3_600_000.0
DATE_ERROR_MS = 24 * 3_600_000.0
# Nothing is known but that it was recorded before now.
UNKNOWN_ERROR_MS = 10 * 365 * DATE_ERROR_MS


@dataclass(frozen=True, slots=True)
class Start:
    """UTC seconds of the first picture, and how wrong that may be."""

    wall: float
    error_ms: float
    by: str

    def stamp(self, time_s: float) -> Stamp:
        return Stamp(time_s, self.wall + time_s, "recording", self.error_ms)


class FileFrames(Iterator[Frame]):
    """Frames of a video file or folder of images. Times begin at 0 with the recording.

    duration_s: as the file says, 0.0 where it does not. progress: 0..1. bad: packets or images
    that could not be decoded and were left out.
    """

    duration_s: float
    facts: SourceFacts
    start: Start

    def __init__(self, camera: str, fps: float, clock: Clock, realtime: bool) -> None:
        self.camera = camera
        self.time_s = 0.0
        self.read = 0
        self.bad = 0
        self._pacer = Pacer(fps)
        self._clock = clock
        self._realtime = realtime
        self._began_s: float | None = None
        self._frames = self._generate()

    def __next__(self) -> Frame:
        frame = next(self._frames)
        self.time_s = frame.at.mono
        if self._realtime:
            self._wait(frame.at.mono)
        return frame

    def __enter__(self) -> FileFrames:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def progress(self) -> float:
        return min(1.0, self.time_s / self.duration_s) if self.duration_s > 0 else 0.0

    @property
    def ends_early(self) -> bool:
        """Of one read to its end: whether it ended well before the end that the file promises."""
        return self.duration_s - self.time_s > max(2.0, 0.02 * self.duration_s)

    def close(self) -> None:
        self._frames.close()

    def _generate(self) -> Generator[Frame, None, None]:
        raise NotImplementedError

    def _frame(self, time_s: float, image: Image) -> Frame:
        return Frame(self.camera, self.read, self.start.stamp(time_s), image)

    def _wait(self, time_s: float) -> None:
        now_s = self._clock.now().mono
        if self._began_s is None:
            self._began_s = now_s - time_s
        self._clock.sleep(self._began_s + time_s - now_s)


class VideoFrames(FileFrames):
    """Frames of one video file."""

    def __init__(
        self, path: Path, camera: str, fps: float, clock: Clock, realtime: bool, wall: float | None
    ) -> None:
        super().__init__(camera, fps, clock, realtime)
        self._path = path
        self._input = open_video(path)
        self.facts = self._input.facts
        self.duration_s = duration_s(self._input)
        self.start = start_of(self._input, path, wall)

    def _generate(self) -> Generator[Frame, None, None]:
        try:
            yield from self._due()
        finally:
            self._input.close()
        self._say_what_is_missing()

    def _due(self) -> Iterator[Frame]:
        times, orientation = PictureTimes(self._input.stream), Orientation()
        for decoded in self._decoded(times):
            time_s = times.of(decoded)
            self.time_s = time_s
            self.read += 1
            matrix = orientation.of(decoded)
            if not self._pacer.due(time_s):
                continue
            try:
                image = turned_bgr(decoded, matrix)
            except SourceError:
                self.bad += 1
                continue
            yield self._frame(time_s, image)

    def _decoded(self, times: PictureTimes) -> Iterator[Any]:
        key_seen = False
        demuxed = packets_of(self._input)
        while True:
            try:
                packet = next(demuxed, None)
            except av.error.FFmpegError as error:
                log.warning("%s: %s; read up to %.1f s", self._path, explain(error)[1], self.time_s)
                return
            if packet is None:
                return
            if packet.size:
                times.enter(packet)
            key_seen = key_seen or packet.is_keyframe
            if key_seen:
                yield from self._decode(packet)

    def _decode(self, packet: Any) -> Iterator[Any]:
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            self.bad += 1
            return
        for frame in frames:
            if frame.is_corrupt:
                self.bad += 1
            else:
                yield frame

    def _say_what_is_missing(self) -> None:
        if self.bad:
            log.warning("%s: %d pictures could not be decoded; left out", self._path, self.bad)
        if self.ends_early:
            log.warning(
                "%s: ends at %.1f s although it promises %.1f s: cut off?",
                self._path,
                self.time_s,
                self.duration_s,
            )


class AlbumFrames(FileFrames):
    """Frames of a folder of images."""

    def __init__(
        self,
        folder: Path,
        camera: str,
        fps: float,
        clock: Clock,
        realtime: bool,
        wall: float | None,
    ) -> None:
        super().__init__(camera, fps, clock, realtime)
        self.album: StillSequence = open_album(folder, fps)
        self.bad = len(self.album.left_out)
        self.duration_s = self.album.duration_s
        self.facts = SourceFacts(codec="images")
        self.start = _album_start(self.album, wall)

    def _generate(self) -> Generator[Frame, None, None]:
        for still in self.album.stills:
            self.read += 1
            if not self._pacer.due(still.time_s):
                continue
            image = read_still(still.path)
            if image is None:
                self.bad += 1
            else:
                yield self._frame(still.time_s, image)


def read_file_frames(
    spec: str | Address,
    fps: float,
    *,
    camera: str = "recording",
    start_wall: float | None = None,
    realtime: bool = False,
    clock: Clock | None = None,
) -> FileFrames:
    """Every frame of a recording that is due at `fps`, in order, waiting for whoever iterates.

    spec: a video file or a folder of images. start_wall: UTC seconds of its first picture; else
    the file's creation_time or its date is taken. realtime: as fast as it was recorded, no faster.
    Raises ConfigError where nothing can be read from it.
    """
    address = parse_source(spec) if isinstance(spec, str) else spec
    kinds = {"file": VideoFrames, "folder": AlbumFrames}
    if address.kind not in kinds:
        raise ConfigError(f"{address}: not a recording; give a video file or a folder of images")
    try:
        return kinds[address.kind](
            Path(address.target), camera, fps, clock or SystemClock(), realtime, start_wall
        )
    except OSError as error:
        # It is taken away while it is looked at.
        raise ConfigError(f"{address}: {error.strerror}") from None


def open_video(path: Path) -> Input:
    """An open video file. Raises ConfigError with one line that says what is wrong with it."""
    try:
        if path.stat().st_size == 0:
            raise ConfigError(f"{path}: the file is empty")
        return open_input(Address("file", str(path), str(path)))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except SourceError as error:
        broken = error.cause == "broken" and is_broken_off(path)
        why = "cut off before its index was written (no moov)" if broken else str(error)
        raise ConfigError(f"{path}: {why}") from None


# Less than this many bytes for each second is no video: the stated length is nonsense.
BYTES_LEAST_S = 200
# Formats whose length FFmpeg only guesses, from the first and the last stamp.
_GUESSED = frozenset({"mpegts", "mpeg"})
# No camera recorded digitally before this; and no clock is a day ahead of ours for good reason.
EARLIEST_WALL = dt.datetime(1995, 1, 1, tzinfo=dt.timezone.utc).timestamp()
AHEAD_MOST_S = 86_400.0


def duration_s(opened: Input) -> float:
    """As the file says: of the video stream, else of the whole file; 0.0 where it says nothing, or
    what cannot be."""
    of_stream = seconds(opened.stream.duration, opened.stream.time_base)
    of_file = opened.container.duration
    said_s = of_stream or (of_file / 1e6 if of_file else 0.0)
    guessed = opened.container.format.name in _GUESSED
    if said_s < 0.0 or (guessed and opened.container.size < said_s * BYTES_LEAST_S):
        return 0.0
    return said_s


def start_of(opened: Input, path: Path, given: float | None) -> Start:
    """When the recording began: given, by its header, or by the date of the file (its end). A date
    that cannot be is no date: the next source is taken, and said."""
    if given is not None:
        return Start(given, GIVEN_ERROR_MS, "given")
    header = opened.container.metadata.get("creation_time") or opened.stream.metadata.get(
        "creation_time", ""
    )
    try:
        wall = instant(header, dt.timezone.utc).timestamp()
    except (ValueError, OverflowError):
        return _by_date(path, duration_s(opened))
    if possible(wall):
        return Start(wall, HEADER_ERROR_MS, "header")
    log.warning("%s: recorded %s, says its header: that cannot be", path, header)
    return _by_date(path, duration_s(opened))


def possible(wall: float) -> bool:
    """Whether something can have been recorded then."""
    return EARLIEST_WALL <= wall <= time.time() + AHEAD_MOST_S


def _by_date(path: Path, lasts_s: float) -> Start:
    wall = path.stat().st_mtime - lasts_s
    if possible(wall):
        return Start(wall, DATE_ERROR_MS, "file date")
    log.warning("%s: the file's own date cannot be either; the time is not known", path)
    return Start(time.time() - lasts_s, UNKNOWN_ERROR_MS, "unknown")


def _album_start(album: StillSequence, given: float | None) -> Start:
    if given is not None:
        return Start(given, GIVEN_ERROR_MS, "given")
    if album.start is not None:
        by_exif = album.timed == "exif"
        return Start(album.start, HEADER_ERROR_MS if by_exif else GIVEN_ERROR_MS, album.timed)
    return Start(album.stills[0].path.stat().st_mtime, DATE_ERROR_MS, "file date")

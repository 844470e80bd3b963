# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recordings in place of a camera: every frame due, at its presentation time, none dropped."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from edge.camera.folder import StillSequence, open_album, read_still
from edge.camera.libav import Input, explain, is_broken_off, open_input, seconds, to_bgr
from edge.camera.pacing import Pacer
from edge.camera.source import SourceError, SourceFacts
from edge.camera.url import Address, parse_source
from edge.clock import Clock, SystemClock
from edge.config import ConfigError
from edge.values import Frame, Image, Stamp

log = logging.getLogger(__name__)

# A presentation time that runs back by more than this starts a new piece of a joined file; less
# is a muxer's muddle about the order of pictures.
JOIN_S = 0.3
# How wrong a recording's start may be: a person said it; its header says it (often local time
# written as UTC); only the file's date is known.
GIVEN_ERROR_MS = 1_000.0
HEADER_ERROR_MS = 14 * 3_600_000.0
DATE_ERROR_MS = 24 * 3_600_000.0


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
        times = Times(self._input.stream)
        for decoded in self._decoded():
            time_s = times.of(decoded)
            self.time_s = time_s
            self.read += 1
            if self._pacer.due(time_s):
                yield self._frame(time_s, to_bgr(decoded))

    def _decoded(self) -> Iterator[Any]:
        key_seen = False
        demuxed = self._input.container.demux(self._input.stream)
        while True:
            try:
                packet = next(demuxed, None)
            except av.error.FFmpegError as error:
                log.warning("%s: %s; read up to %.1f s", self._path, explain(error)[1], self.time_s)
                return
            if packet is None:
                return
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
        if self.duration_s - self.time_s > max(2.0, 0.02 * self.duration_s):
            log.warning(
                "%s: ends at %.1f s although it promises %.1f s: cut off?",
                self._path,
                self.time_s,
                self.duration_s,
            )


class Times:
    """Presentation times of decoded pictures from 0, repaired where a file breaks them."""

    def __init__(self, stream: Any) -> None:
        rate = stream.average_rate or stream.guessed_rate
        self._step_s = 1.0 / float(rate) if rate else 0.04
        start_s = seconds(stream.start_time, stream.time_base)
        self._offset_s = None if start_s is None else -start_s
        self._last_s: float | None = None

    def of(self, frame: Any) -> float:
        """Seconds from the start of a recording, never falling. A jump back (joined pieces) goes
        on one step after the last picture; a picture without a time gets that too."""
        raw_s = seconds(frame.pts, frame.time_base)
        following_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        if raw_s is None:
            time_s = following_s
        else:
            if self._offset_s is None:
                self._offset_s = -raw_s
            time_s = raw_s + self._offset_s
            if self._last_s is not None and time_s < self._last_s - JOIN_S:
                self._offset_s += following_s - time_s
                time_s = following_s
        self._last_s = max(time_s, self._last_s or 0.0)
        return self._last_s


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
    return kinds[address.kind](
        Path(address.target), camera, fps, clock or SystemClock(), realtime, start_wall
    )


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


def duration_s(opened: Input) -> float:
    """As the file says: of the video stream, else of the whole file, else 0.0."""
    of_stream = seconds(opened.stream.duration, opened.stream.time_base)
    of_file = opened.container.duration
    return of_stream or (of_file / 1e6 if of_file else 0.0)


def start_of(opened: Input, path: Path, given: float | None) -> Start:
    """When the recording began: given, by its header, or by the date of the file (its end)."""
    if given is not None:
        return Start(given, GIVEN_ERROR_MS, "given")
    header = opened.container.metadata.get("creation_time") or opened.stream.metadata.get(
        "creation_time", ""
    )
    try:
        moment = dt.datetime.fromisoformat(header.replace("Z", "+00:00"))
    except ValueError:
        return Start(path.stat().st_mtime - duration_s(opened), DATE_ERROR_MS, "file date")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)
    return Start(moment.timestamp(), HEADER_ERROR_MS, "header")


def _album_start(album: StillSequence, given: float | None) -> Start:
    if given is not None:
        return Start(given, GIVEN_ERROR_MS, "given")
    if album.start is not None:
        by_exif = album.timed == "exif"
        return Start(album.start, HEADER_ERROR_MS if by_exif else GIVEN_ERROR_MS, album.timed)
    return Start(album.stills[0].path.stat().st_mtime, DATE_ERROR_MS, "file date")

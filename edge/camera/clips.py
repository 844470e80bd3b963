# SPDX-License-Identifier: AGPL-3.0-or-later
"""Clips of recordings: cut from the file itself, or made of a folder's images."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av

from edge.camera.cutting import REORDER_MOST, whole_end
from edge.camera.folder import open_album, read_still, stills_between
from edge.camera.jpegs import FPS_MAX, JpegPacker
from edge.camera.libav import Input, Orientation, packets_of, seconds, turned_bgr
from edge.camera.pacing import Pacer
from edge.camera.packets import Encoded, StreamOpening
from edge.camera.recording import open_video
from edge.camera.remux import describe, write_mp4
from edge.camera.ring import ClipSource, made
from edge.camera.source import SourceError
from edge.camera.timeline import Mark, Timeline
from edge.camera.url import Address
from edge.config import ConfigError
from edge.values import Json, Stamp

log = logging.getLogger(__name__)

# Formats without an index: they are read from the beginning, or from a packet that was met before.
STREAMED = frozenset({"mpegts", "mpeg", "h264", "hevc", "m4v", "mjpeg"})

# Sums of durations stray by so much.
SAME_S = 1e-6

# A packet and when its picture is shown.
Timed = tuple[Any, float]


def file_clips(address: Address, fps: float) -> ClipSource:
    """The clip source of a recording. Raises ConfigError for what is none."""
    if address.kind == "file":
        return FileClips(Path(address.target))
    if address.kind == "folder":
        return AlbumClips(Path(address.target), fps)
    raise ConfigError(f"{address}: not a recording; give a video file or a folder of images")


class FileClips:
    """Cuts clips from a video file; times are those of its pictures, from 0.

    What MP4 cannot hold as it is (other codecs, B-pictures without times of showing) is decoded
    and stored as JPEG pictures; `facts` then say so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        opened = open_video(path)
        self._connection = describe(opened)
        self._streamed = opened.container.format.name in STREAMED
        self._copied = bool(self._connection.header) and not _order_unknown(opened)
        opened.close()
        # Where key packets of a file without an index lie, as far as it was read.
        self._marks: list[Mark] = []

    @property
    def facts(self) -> Mapping[str, Json]:
        return made(self._connection) if self._copied else {"made": "jpeg"}

    def write_clip(
        self, path: Path, start_mono: float, end_mono: float
    ) -> tuple[float, float] | None:
        """See ClipSource. Begins at the last key picture at or before `start_mono`. None also
        where the recording is there no more."""
        try:
            opened = open_video(self._path)
        except ConfigError as error:
            log.warning("no clip: %s", error)
            return None
        try:
            timeline = self._stand_before(opened, max(0.0, start_mono))
            part = self._between(opened, timeline, start_mono, end_mono)
            if self._copied:
                return write_mp4(path, _as_it_is(part, self._connection))
            return write_mp4(path, _as_jpegs(part, start_mono))
        finally:
            opened.close()

    def _stand_before(self, opened: Input, start_s: float) -> Timeline:
        """Stand before the last key picture at or before the start, as far as that is known."""
        if not self._streamed:
            _seek(opened, start_s)
            return Timeline(opened.stream)
        known = [mark for mark in self._marks if mark.shown_s <= start_s + SAME_S]
        if known and _seek_bytes(opened, known[-1]):
            return Timeline(opened.stream, known[-1])
        return Timeline(opened.stream)

    def _between(
        self, opened: Input, timeline: Timeline, start_s: float, end_s: float
    ) -> list[Timed]:
        """Packets in the order of decoding, each with its time of showing, from the last key packet
        at or before the start, until every picture up to the end can be shown.

        Few seeks are exact, so groups of pictures that end before the start are read and dropped.
        """
        group: list[Timed] = []
        for packet in _read(opened):
            shown_s = timeline.shown_s(packet)
            if packet.is_keyframe:
                self._note(timeline.mark(packet, shown_s))
                if shown_s <= start_s + SAME_S:
                    group = []
            group.append((packet, shown_s))
            if len(group) > REORDER_MOST and group[-REORDER_MOST][1] > end_s:
                break
        shown = [time_s for _, time_s in group]
        wanted = [index for index, time_s in enumerate(shown) if time_s <= end_s]
        if not wanted or max(shown) < start_s:
            return []
        return group[: whole_end(shown, wanted[-1])]

    def _note(self, mark: Mark | None) -> None:
        if mark and self._streamed and (not self._marks or mark.shown_s > self._marks[-1].shown_s):
            self._marks.append(mark)


def _order_unknown(opened: Input) -> bool:
    """Whether pictures are shown in another order than they are decoded, and nothing states which
    (AVI and raw streams with B-pictures)."""
    first = next(_read(opened), None)
    return first is not None and first.pts is None and opened.stream.codec_context.has_b_frames


def _seek(opened: Input, start_s: float) -> None:
    """By the container's index, or from the beginning where it has none."""
    offset_s = seconds(opened.stream.start_time, opened.stream.time_base) or 0.0
    with contextlib.suppress(av.error.FFmpegError):
        ticks = int(max(0.0, start_s + offset_s) / opened.stream.time_base)
        opened.container.seek(ticks, stream=opened.stream)


def _seek_bytes(opened: Input, mark: Mark) -> bool:
    """Stand at the packet of the mark; false, and at the beginning, where it is not there."""
    try:
        opened.container.seek(mark.pos, unsupported_byte_offset=True)
        first = next(_read(opened), None)
        found = first is not None and first.pts == mark.pts
        opened.container.seek(mark.pos if found else 0, unsupported_byte_offset=True)
    except av.error.FFmpegError:
        return False
    return found


def _read(opened: Input) -> Iterator[Any]:
    """Packets with data; a damaged end is the end."""
    try:
        for packet in packets_of(opened):
            if packet.size:
                yield packet
    except av.error.FFmpegError:
        return


def _as_it_is(part: Iterable[Timed], connection: StreamOpening) -> Iterator[Encoded]:
    key_seen = False
    for packet, shown_s in part:
        key_seen = key_seen or packet.is_keyframe
        if key_seen:
            yield Encoded(
                bytes(packet),
                packet.pts,
                packet.dts if packet.pts is not None else None,
                packet.time_base,
                packet.is_keyframe,
                Stamp(shown_s, 0.0, "recording"),
                connection,
                connection.extradata,
            )


def _as_jpegs(part: Sequence[Timed], start_s: float) -> Iterator[Encoded]:
    """Pictures come in the order of showing: so do their times."""
    if not part:
        return
    packer, pacer, orientation = JpegPacker(), Pacer(FPS_MAX), Orientation()
    times = iter(sorted(shown_s for _, shown_s in part))
    for packet in [*(packet for packet, _ in part), None]:
        try:
            frames = part[0][0].stream.decode(packet)
        except av.error.FFmpegError:
            continue
        for frame, time_s in zip(frames, times, strict=False):
            matrix = orientation.of(frame)
            if time_s >= start_s and pacer.due(time_s):
                with contextlib.suppress(SourceError):
                    image = turned_bgr(frame, matrix)
                    yield packer.pack(image, Stamp(time_s, 0.0, "recording"))


class AlbumClips:
    """Clips made of a folder's images, at most a few a second."""

    def __init__(self, folder: Path, fps: float) -> None:
        self._album = open_album(folder, fps)
        self.facts: Mapping[str, Json] = {"made": "jpeg", "codec": "mjpeg"}

    def write_clip(
        self, path: Path, start_mono: float, end_mono: float
    ) -> tuple[float, float] | None:
        """See ClipSource."""
        return write_mp4(path, self._packed(start_mono, end_mono))

    def _packed(self, start_s: float, end_s: float) -> Iterator[Encoded]:
        packer, pacer = JpegPacker(), Pacer(FPS_MAX)
        look = None
        for still in stills_between(self._album, start_s, end_s):
            image = read_still(still.path) if pacer.due(still.time_s) else None
            if image is None:
                continue
            packed = packer.pack(image, Stamp(still.time_s, 0.0, "recording"))
            look = look or packed.look
            if packed.look == look:
                yield packed

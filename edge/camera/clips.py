# SPDX-License-Identifier: AGPL-3.0-or-later
"""Clips of recordings: cut from the file itself, or made of a folder's images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import av

from edge.camera.cutting import REORDER_MOST, whole_end
from edge.camera.folder import open_album, read_still, stills_between
from edge.camera.jpegs import FPS_MAX, JpegPacker
from edge.camera.libav import Input, seconds, to_bgr
from edge.camera.pacing import Pacer
from edge.camera.packets import Encoded, StreamOpening
from edge.camera.recording import open_video
from edge.camera.remux import describe, write_mp4
from edge.camera.ring import ClipSource, made
from edge.camera.url import Address
from edge.config import ConfigError
from edge.values import Json, Stamp

# Tried one after another where a file cannot seek exactly; key pictures are rarely further apart.
BACK_S = (0.0, 5.0, 20.0, 1e6)


def file_clips(address: Address, fps: float) -> ClipSource:
    """The clip source of a recording. Raises ConfigError for what is none."""
    if address.kind == "file":
        return FileClips(Path(address.target))
    if address.kind == "folder":
        return AlbumClips(Path(address.target), fps)
    raise ConfigError(f"{address}: not a recording; give a video file or a folder of images")


class FileClips:
    """Cuts clips from a video file; times are its presentation times, from 0.

    A codec that MP4 cannot hold is decoded and stored as JPEG pictures; `facts` then say so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        opened = open_video(path)
        self._connection = describe(opened)
        opened.close()

    @property
    def facts(self) -> Mapping[str, Json]:
        return made(self._connection) if self._connection.header else {"made": "jpeg"}

    def write_clip(
        self, path: Path, start_mono: float, end_mono: float
    ) -> tuple[float, float] | None:
        """See ClipSource. Begins at the last key picture at or before `start_mono`."""
        opened = open_video(self._path)
        try:
            offset_s = seconds(opened.stream.start_time, opened.stream.time_base) or 0.0
            _seek(opened, offset_s, max(0.0, start_mono))
            part = _between(opened, offset_s, start_mono, end_mono)
            if self._connection.header:
                return write_mp4(path, _as_it_is(part, self._connection, offset_s))
            return write_mp4(path, _as_jpegs(part, offset_s, start_mono))
        finally:
            opened.close()


def _seek(opened: Input, offset_s: float, start_s: float) -> None:
    """Stand before the last key picture at or before the start.

    Containers without an index (MPEG-TS) seek to where they guess, which may be behind it; so
    what comes first is looked at, and if that is too late, the next try is further back.
    """
    for back_s in BACK_S:
        if not _seek_once(opened, start_s - back_s + offset_s):
            return
        if _first_key_s(opened, offset_s) <= start_s or back_s > start_s:
            _seek_once(opened, start_s - back_s + offset_s)
            return


def _seek_once(opened: Input, time_s: float) -> bool:
    try:
        opened.container.seek(int(max(0.0, time_s) / opened.stream.time_base), stream=opened.stream)
    except av.error.FFmpegError:
        # No index to seek by (raw streams): read from the beginning.
        return False
    return True


def _first_key_s(opened: Input, offset_s: float) -> float:
    try:
        for packet in opened.container.demux(opened.stream):
            if packet.size and packet.is_keyframe:
                return _time_s(packet, offset_s) or 0.0
    except av.error.FFmpegError:
        return math.inf
    return math.inf


def _time_s(packet: Any, offset_s: float) -> float | None:
    time_s = seconds(packet.pts if packet.pts is not None else packet.dts, packet.time_base)
    return None if time_s is None else time_s - offset_s


def _between(opened: Input, offset_s: float, start_s: float, end_s: float) -> list[Any]:
    """Packets in the order of decoding, from the last key packet at or before the start, until
    every picture up to the end can be shown.

    Few seeks are exact, so groups of pictures that end before the start are read and dropped.
    """
    group, shown = list[Any](), list[float]()
    for packet in _read(opened):
        time_s = _time_s(packet, offset_s)
        if time_s is None:
            continue
        if packet.is_keyframe and time_s <= start_s:
            group, shown = [], []
        group.append(packet)
        shown.append(time_s)
        if len(shown) > REORDER_MOST and shown[-REORDER_MOST] > end_s:
            break
    wanted = [index for index, time_s in enumerate(shown) if time_s <= end_s]
    if not wanted or max(shown) < start_s:
        return []
    return group[: whole_end(shown, wanted[-1])]


def _read(opened: Input) -> Iterator[Any]:
    """Packets with data; a damaged end is the end."""
    try:
        for packet in opened.container.demux(opened.stream):
            if packet.size:
                yield packet
    except av.error.FFmpegError:
        return


def _as_it_is(part: Iterable[Any], connection: StreamOpening, offset_s: float) -> Iterator[Encoded]:
    key_seen = False
    for packet in part:
        key_seen = key_seen or packet.is_keyframe
        if key_seen:
            at = Stamp(_time_s(packet, offset_s) or 0.0, 0.0, "recording")
            yield Encoded(
                bytes(packet),
                packet.pts,
                packet.dts,
                packet.time_base,
                packet.is_keyframe,
                at,
                connection,
                connection.extradata,
            )


def _as_jpegs(part: Iterable[Any], offset_s: float, start_s: float) -> Iterator[Encoded]:
    packer, pacer = JpegPacker(), Pacer(FPS_MAX)
    for packet in part:
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in frames:
            time_s = (seconds(frame.pts, frame.time_base) or 0.0) - offset_s
            if time_s >= start_s and pacer.due(time_s):
                yield packer.pack(to_bgr(frame), Stamp(time_s, 0.0, "recording"))


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

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Telemetry files of any supported kind, told apart by what is in them, not by their names."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.camera.folder import head_of, open_album
from edge.config import ConfigError
from edge.drone.telemetry import cloudapi, flightlog, gpx, mavlink, misb, photos, srt
from edge.drone.telemetry.pose import ManyAircraft, Telemetry

KINDS = (
    "DJI SRT, an MP4 with a subtitle track, an Airdata or CsvView CSV, a GPX track, DJI Cloud API "
    "messages, a MAVLink .tlog, MISB KLV or a transport stream with it, a folder of photographs"
)
_TS_PACKET = 188
# A telemetry text larger than this is no telemetry: 8 h of 60 Hz subtitles are 400 MB.
_MAX_TEXT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Hints:
    """What a recording does not say of itself: the zone of its clock, which payload, which
    aircraft; photographs without a time follow each other at `photo_fps`."""

    utc_offset_h: float | None = None
    payload: str | None = None
    serial: str | None = None
    photo_fps: float = 1.0


NO_HINTS = Hints()

# Logs that are known and not read: how each is recognised, and what makes a file that is.
CONVERT: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (
        lambda head: head.startswith(b"ULog\x01\x12\x35"),
        "a PX4 ULog, which is not read here: make a table of it with "
        "`ulog2csv -m vehicle_global_position FILE` (pyulog) and give that CSV",
    ),
    (
        lambda head: head.startswith(b"\xa3\x95\x80"),
        "an ArduPilot dataflash log, which is not read here: give the .tlog of the same flight, or "
        "a GPX of it (`mavtogpx.py FILE`, pymavlink)",
    ),
)
GOPRO = (
    "a GoPro recording (GPMF), which is not read here: make a GPX of it, as with "
    "`exiftool -ee -p gpx.fmt FILE > FILE.gpx`, and give that"
)


# A binary kind is one parser and one row: how it is recognised, how it is read.
BINARY: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, Hints], Telemetry]], ...] = (
    (misb.looks_like, lambda data, hints: misb.parse(data)),
    (mavlink.looks_like, lambda data, hints: mavlink.parse(data, serial=hints.serial)),
)


def read(path: Path, hints: Hints = NO_HINTS) -> Telemetry:
    """The poses of a file, or of a folder of photographs.

    Raises ConfigError where it cannot be read, is of no known kind, or holds several aircraft and
    nothing says which is meant.
    """
    try:
        return _from_folder(path, hints) if path.is_dir() else _from_file(path, hints)
    except ManyAircraft as error:
        raise ConfigError(f"{path}: {error}") from None


def _from_file(path: Path, hints: Hints) -> Telemetry:
    head = _head(path)
    refusal = next((why for is_it, why in CONVERT if is_it(head)), None)
    if refusal is not None:
        raise ConfigError(f"{path}: {refusal}")
    if _is_container(head):
        return _from_container(path, hints.utc_offset_h)
    if path.stat().st_size > _MAX_TEXT_BYTES:
        raise ConfigError(f"{path}: larger than any telemetry file; expected {KINDS}")
    data = path.read_bytes()
    for looks_like, parse in BINARY:
        if looks_like(data):
            return parse(data, hints)
    return _from_text(path, _decode(data), hints)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    if not head:
        raise ConfigError(f"{path}: 0 bytes, nothing was recorded; expected {KINDS}")
    return head


def _is_container(head: bytes) -> bool:
    transport = head[:1] == b"\x47" and head[_TS_PACKET : _TS_PACKET + 1] == b"\x47"
    return (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
        or transport
        or head[:4] == (b"\x1a\x45\xdf\xa3")
    )


def _decode(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


def _from_text(path: Path, text: str, hints: Hints) -> Telemetry:
    stripped = text.lstrip("\ufeff \t\r\n")
    first = stripped.partition("\n")[0]
    if gpx.looks_like(stripped):
        return gpx.parse(stripped)
    if stripped[:1] in "{[" or first.startswith(("thing/", "sys/")):
        return cloudapi.parse(stripped, payload=hints.payload, serial=hints.serial)
    header = stripped.splitlines()[1:2] if first.lower().startswith("sep=") else [first]
    if header and flightlog.looks_like(header[0]):
        return flightlog.parse(stripped, utc_offset_h=hints.utc_offset_h)
    found = srt.parse(text, utc_offset_h=hints.utc_offset_h)
    if not found.cues:
        raise ConfigError(f"{path}: no telemetry in it; expected {KINDS}")
    return found


def _from_folder(path: Path, hints: Hints) -> Telemetry:
    """Each photograph says where it was taken, at the time by which it is looked at."""
    album = open_album(path, hints.photo_fps)
    shots = [(still.time_s, head_of(still.path)) for still in album.stills]
    return photos.parse(shots, utc_offset_h=hints.utc_offset_h)


def _from_container(path: Path, utc_offset_h: float | None) -> Telemetry:
    """Telemetry inside a video: a subtitle track, else a KLV data track."""
    import av

    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            texts = [s for s in container.streams.subtitles if _holds_text(s)]
            data = [s for s in container.streams.data if _holds_klv(s)]
            torn: list[str] = []
            if texts:
                cues = list(_cues(container, texts[0], torn))
                found = srt.read_cues(cues, kind="mov_text", utc_offset_h=utc_offset_h)
                return replace(found, notes=(*found.notes, *torn))
            if data:
                found = _from_klv(container, data[0], torn)
                return replace(found, notes=(*found.notes, *torn))
            gopro = any(_is_gpmf(stream) for stream in container.streams)
    except (av.error.FFmpegError, OSError) as error:
        raise ConfigError(f"{path}: cannot be opened as video: {_reason(error)}") from None
    if gopro:
        raise ConfigError(f"{path}: {GOPRO}")
    raise ConfigError(f"{path}: a video without a telemetry track; give its .SRT or flight log")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _codec(stream: Any) -> str:
    try:
        return str(stream.name or stream.codec_context.name)
    except AttributeError:
        return str(getattr(stream, "name", ""))


def _is_gpmf(stream: Any) -> bool:
    handler = str(stream.metadata.get("handler_name", ""))
    return "gopro met" in handler.lower() or getattr(stream, "codec_tag", "") == "gpmd"


def _holds_text(stream: Any) -> bool:
    return _codec(stream) in ("mov_text", "subrip", "text", "srt")


def _holds_klv(stream: Any) -> bool:
    return "klv" in _codec(stream)


def _packets(container: Any, stream: Any, torn: list[str]) -> Iterator[Any]:
    """Packets up to where the file is damaged, which is reported to `torn`."""
    import av

    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed, None)
        # PyAV's own lookup fails where a damaged transport stream announces its streams anew.
        except (av.error.FFmpegError, IndexError) as error:
            torn.append(f"damaged: read up to there ({_reason(error)})")
            return
        if packet is None:
            return
        yield packet


def _cues(container: Any, stream: Any, torn: list[str]) -> Iterator[srt.Cue]:
    """Subtitle packets: 2-byte big-endian length and text in MP4, bare text elsewhere."""
    prefixed = _codec(stream) == "mov_text"
    for packet in _packets(container, stream, torn):
        raw = bytes(packet)
        if prefixed:
            raw = raw[2 : 2 + int.from_bytes(raw[:2], "big")]
        if raw.strip(b"\0 \r\n") and packet.pts is not None:
            yield srt.Cue(
                float(packet.pts * packet.time_base), raw.decode("utf-8", "replace") + "\n"
            )


def _from_klv(container: Any, stream: Any, torn: list[str]) -> Telemetry:
    """All payloads joined, so that a local set split over packets is found whole."""
    joined, offsets, times = bytearray(), list[int](), list[float | None]()
    for packet in _packets(container, stream, torn):
        if packet.size:
            offsets.append(len(joined))
            times.append(None if packet.pts is None else float(packet.pts * packet.time_base))
            joined += bytes(packet)
    start = 0.0 if container.start_time is None else container.start_time / 1e6

    def media_time(offset: int) -> float | None:
        found = times[bisect.bisect_right(offsets, offset) - 1]
        return None if found is None else found - start

    return misb.parse(bytes(joined), media_time=media_time)

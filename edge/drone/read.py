# SPDX-License-Identifier: AGPL-3.0-or-later
"""Telemetry files of any supported kind, told apart by what is in them, not by their names."""

from __future__ import annotations

import bisect
import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.drone.telemetry import cloudapi, flightlog, mavlink, misb, srt
from edge.drone.telemetry.pose import Telemetry

KINDS = (
    "DJI SRT, an MP4 with a subtitle track, an Airdata or CsvView CSV, "
    "DJI Cloud API messages, a MAVLink .tlog, MISB KLV or a transport stream with it"
)
_TS_PACKET = 188
# A telemetry text larger than this is no telemetry: 8 h of 60 Hz subtitles are 400 MB.
_MAX_TEXT_BYTES = 512 * 1024 * 1024


# A binary kind is one parser and one row: how it is recognised, how it is read.
BINARY: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Telemetry]], ...] = (
    (misb.looks_like, misb.parse),
    (mavlink.looks_like, mavlink.parse),
)


def read(path: Path, *, utc_offset_h: float | None = None, payload: str | None = None) -> Telemetry:
    """The poses of a file. Raises ConfigError where it cannot be read or is of no known kind."""
    head = _head(path)
    if _is_container(head):
        return _from_container(path, utc_offset_h)
    if path.stat().st_size > _MAX_TEXT_BYTES:
        raise ConfigError(f"{path}: larger than any telemetry file; expected {KINDS}")
    data = path.read_bytes()
    for looks_like, parse in BINARY:
        if looks_like(data):
            return parse(data)
    return _from_text(path, _decode(data), utc_offset_h, payload)


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


def _from_text(path: Path, text: str, utc_offset_h: float | None, payload: str | None) -> Telemetry:
    stripped = text.lstrip("\ufeff \t\r\n")
    first = stripped.partition("\n")[0]
    if stripped[:1] in "{[" or first.startswith(("thing/", "sys/")):
        return cloudapi.parse(stripped, payload=payload)
    header = stripped.splitlines()[1:2] if first.lower().startswith("sep=") else [first]
    if header and flightlog.looks_like(header[0]):
        try:
            return flightlog.parse(stripped)
        except csv.Error as error:
            raise ConfigError(f"{path}: a flight log that cannot be read: {error}") from None
    found = srt.parse(text, utc_offset_h=utc_offset_h)
    if not found.cues:
        raise ConfigError(f"{path}: no telemetry in it; expected {KINDS}")
    return found


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
    except (av.error.FFmpegError, OSError) as error:
        raise ConfigError(f"{path}: cannot be opened as video: {_reason(error)}") from None
    raise ConfigError(f"{path}: a video without a telemetry track; give its .SRT or flight log")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _codec(stream: Any) -> str:
    try:
        return str(stream.name or stream.codec_context.name)
    except AttributeError:
        return str(getattr(stream, "name", ""))


def _holds_text(stream: Any) -> bool:
    return _codec(stream) in ("mov_text", "subrip", "text", "srt")


def _holds_klv(stream: Any) -> bool:
    return "klv" in _codec(stream)


def _packets(container: Any, stream: Any, torn: list[str]) -> Iterator[Any]:
    """Packets up to where the file is damaged, which `torn` is told."""
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

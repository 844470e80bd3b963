# SPDX-License-Identifier: AGPL-3.0-or-later
"""Captured bytes to printed values: what `edge sensors decode` does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.sensors.frames import Decoder, InstrumentValue, Stream
from edge.sensors.hj212 import LOCAL
from edge.sensors.maps import Map

CHUNK = 4096


def read(name: str, *, as_hex: bool) -> bytes:
    """The bytes of a file or stdin. Raises ConfigError for unreadable files and bad hex."""
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror or error}") from None
    return from_hex(data, name) if as_hex else data


def from_hex(data: bytes, name: str) -> bytes:
    """`42 4d 00 1c` to bytes, "0x" and commas allowed. Raises ConfigError at the first other."""
    words = data.decode("ascii", errors="replace").replace(",", " ").split()
    for place, word in enumerate(words, 1):
        if not re.fullmatch(r"(?:0[xX])?(?:[0-9A-Fa-f]{2})+", word):
            raise ConfigError(f"{name}: word {place} = {word[:20]!r}: byte pairs such as 4D wanted")
    return bytes.fromhex("".join(re.sub("^0[xX]", "", word) for word in words))


def check_map(found: Map | None, kind: str) -> None:
    if found is not None and found.kind != kind:
        raise ConfigError(f"--map {found.name}: a map of kind {found.kind}, not {kind}")


def lines(decoder: Decoder, data: bytes, *, as_json: bool) -> Iterator[str]:
    """A line for each value, then the summary."""
    stream = Stream(decoder)
    layout = json_line if as_json else text_line
    for reading in _feed(stream, data):
        yield layout(decoder.kind, reading)
    yield json.dumps({"summary": _summary(stream)}, ensure_ascii=False)


def _summary(stream: Stream) -> dict[str, Any]:
    totals = stream.totals
    summary: dict[str, Any] = {
        "good": totals.good,
        "bad": totals.bad,
        "bytes_skipped": totals.bytes_skipped,
    }
    unfinished = getattr(stream.decoder, "unfinished", 0)
    if unfinished:
        summary["unfinished"] = unfinished
    if totals.notes:
        summary["notes"] = list(totals.notes)
    return summary


def _feed(stream: Stream, data: bytes) -> Iterator[InstrumentValue]:
    for start in range(0, len(data), CHUNK):
        yield from stream.feed(data[start : start + CHUNK])
    yield from stream.feed(b"", final=True)


def json_line(kind: str, reading: InstrumentValue) -> str:
    """`{kind, sensor, channel, value, unit, flag, at, raw, ...}`."""
    return json.dumps(
        {
            "kind": kind,
            "sensor": reading.source,
            "channel": reading.channel,
            "value": reading.value,
            "unit": reading.unit,
            "flag": reading.flag,
            "at": at_text(kind, reading.at_wall),
            "raw": reading.raw,
            **reading.extra,
        },
        ensure_ascii=False,
    )


def text_line(kind: str, reading: InstrumentValue) -> str:
    at = at_text(kind, reading.at_wall) or ""
    flag = "" if reading.flag == "ok" else f"  [{reading.flag}]"
    who = f"{reading.source:<26}" if reading.source else ""
    return f"{who}{reading.channel:<16} {reading.value!s:>12} {reading.unit:<6} {at}{flag}"


def at_text(kind: str, wall: float | None) -> str | None:
    """The instrument's own time as ISO 8601: Beijing time for HJ 212, UTC for the others."""
    if wall is None:
        return None
    zone = LOCAL if kind == "hj212" else timezone.utc
    return datetime.fromtimestamp(wall, zone).isoformat()

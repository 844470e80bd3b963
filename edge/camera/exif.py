# SPDX-License-Identifier: AGPL-3.0-or-later
"""When a photograph was taken, from its EXIF block (JEITA CP-3451, TIFF 6.0 layout). Pure."""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections.abc import Iterator

_EXIF_IFD = 0x8769
_TAKEN = 0x9003
_TAKEN_FRACTION = 0x9291
_OFFSET = 0x9011
_ENTRIES_MAX = 512
_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)")


def taken_at(jpeg: bytes, zone: dt.tzinfo = dt.timezone.utc) -> float | None:
    """UTC seconds of DateTimeOriginal with its sub-seconds, or None where it is not told.

    `zone` is the camera's time zone, used where the file itself does not say (OffsetTimeOriginal).
    """
    block = _exif_block(jpeg)
    if block is None:
        return None
    try:
        tags = _tags(block)
    except struct.error:
        return None
    return _moment(tags, zone)


def _moment(tags: dict[int, str], zone: dt.tzinfo) -> float | None:
    match = _DATE.match(tags.get(_TAKEN, ""))
    if match is None:
        return None
    offset = _ZONE.match(tags.get(_OFFSET, ""))
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        zone = dt.timezone(dt.timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    try:
        moment = dt.datetime(*map(int, match.groups()), tzinfo=zone)  # type: ignore[misc,arg-type]
        return moment.timestamp() + _fraction(tags.get(_TAKEN_FRACTION, ""))
    except (ValueError, OverflowError):
        return None


def _fraction(digits: str) -> float:
    digits = digits.strip()
    return float(f"0.{digits}") if digits.isascii() and digits.isdigit() else 0.0


def _exif_block(jpeg: bytes) -> bytes | None:
    """The TIFF block of the first APP1 segment, walking segments up to the picture data."""
    at = 2
    while jpeg[:2] == b"\xff\xd8" and at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xDA or size < 2:
            return None
        body = jpeg[at + 4 : at + 2 + size]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            return body[6:]
        at += 2 + size
    return None


def _tags(block: bytes) -> dict[int, str]:
    """ASCII tags of the main and the Exif directory. Raises struct.error when cut off."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return {}
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    tags: dict[int, str] = {}
    directories = [first]
    for offset in directories:
        for tag, kind, count, value in _entries(block, order, offset):
            if tag == _EXIF_IFD and len(directories) == 1:
                directories.append(value)
            elif kind == 2:
                tags[tag] = _text(block, order, count, value)
    return tags


def _entries(block: bytes, order: str, offset: int) -> Iterator[tuple[int, int, int, int]]:
    (count,) = struct.unpack_from(f"{order}H", block, offset)
    for index in range(min(count, _ENTRIES_MAX)):
        yield struct.unpack_from(f"{order}HHII", block, offset + 2 + 12 * index)


def _text(block: bytes, order: str, count: int, value: int) -> str:
    raw = struct.pack(f"{order}I", value)[:count] if count <= 4 else block[value : value + count]
    return raw.split(b"\0")[0].decode("ascii", "replace")

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a photograph's file tells of itself: its EXIF block (JEITA CP-3451, TIFF 6.0 layout) and its
XMP packet. Pure."""

from __future__ import annotations

import datetime as dt
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_ORIENTATION = 0x0112
_TAKEN, _TAKEN_FRACTION, _OFFSET = 0x9003, 0x9291, 0x9011
_WIDTH, _FOCAL35 = 0xA002, 0xA405
_LAT_SIDE, _LAT, _LON_SIDE, _LON = 1, 2, 3, 4
_ENTRIES_MAX = 512
_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)")
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)")
# Zones lie between UTC-12 and UTC+14.
_FURTHEST_H = 14
# Number types of TIFF 6.0: struct code, bytes. Rationals are two longs.
_NUMBERS = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 5: ("II", 8), 9: ("i", 4), 10: ("ii", 8)}

Value = str | tuple[float, ...]
# Tags of the main and the Exif directory, and of the GPS directory, which counts from 0 anew.
Tags = dict[tuple[str, int], Value]


@dataclass(frozen=True, slots=True)
class Exif:
    """`taken`: UTC seconds, by the camera's own zone where the file has one, else by the caller's.
    `orientation` 1..8; `width` pixels of the picture as stored; lat and lon in degrees WGS-84."""

    taken: float | None = None
    orientation: int = 1
    width: int | None = None
    focal35_mm: float | None = None
    lat: float | None = None
    lon: float | None = None


def read(jpeg: bytes, zone: dt.tzinfo = dt.timezone.utc) -> Exif:
    """What the EXIF block of a JPEG tells; what it does not, or a damaged block, is None.

    `zone` is the camera's time zone, used where the file itself does not say (OffsetTimeOriginal).
    """
    block = next(_bodies(jpeg, b"Exif\0\0"), None)
    try:
        tags = {} if block is None else _tags(block)
    except struct.error:
        return Exif()
    orientation = _first(tags, "main", _ORIENTATION)
    width = _first(tags, "main", _WIDTH)
    return Exif(
        taken=_moment(tags, zone),
        orientation=int(orientation) if orientation and orientation in range(1, 9) else 1,
        width=int(width) if width else None,
        focal35_mm=_first(tags, "main", _FOCAL35) or None,
        lat=_degrees(tags, _LAT, _LAT_SIDE, "NS"),
        lon=_degrees(tags, _LON, _LON_SIDE, "EW"),
    )


def taken_at(jpeg: bytes, zone: dt.tzinfo = dt.timezone.utc) -> float | None:
    """UTC seconds of DateTimeOriginal with its sub-seconds, or None where it is not told."""
    return read(jpeg, zone).taken


def xmp(jpeg: bytes) -> str:
    """The XMP packet of a JPEG, "" where there is none."""
    return next(_bodies(jpeg, _XMP_HEAD), b"").decode("utf-8", "replace")


def _moment(tags: Tags, zone: dt.tzinfo) -> float | None:
    match = _DATE.match(_word(tags, _TAKEN))
    if match is None:
        return None
    zone = _zone(_word(tags, _OFFSET)) or zone
    try:
        moment = dt.datetime(*map(int, match.groups()), tzinfo=zone)  # type: ignore[misc,arg-type]
        return moment.timestamp() + _fraction(_word(tags, _TAKEN_FRACTION))
    except (ValueError, OverflowError):
        return None


def _zone(text: str) -> dt.tzinfo | None:
    """Of OffsetTimeOriginal; None where it tells none that can be."""
    match = _ZONE.match(text)
    if match is None or int(match[2]) > _FURTHEST_H or int(match[3]) > 59:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return dt.timezone(dt.timedelta(minutes=-minutes if match[1] == "-" else minutes))


def _word(tags: Tags, tag: int, directory: str = "main") -> str:
    value = tags.get((directory, tag), "")
    return value if isinstance(value, str) else ""


def _first(tags: Tags, directory: str, tag: int) -> float | None:
    value = tags.get((directory, tag), ())
    return value[0] if isinstance(value, tuple) and value else None


def _degrees(tags: Tags, tag: int, side: int, letters: str) -> float | None:
    """Degrees, minutes, seconds with the letter of the hemisphere, which must be there."""
    parts, letter = tags.get(("gps", tag), ()), _word(tags, side, "gps")[:1].upper()
    if not isinstance(parts, tuple) or len(parts) != 3 or letter not in tuple(letters):
        return None
    value = parts[0] + parts[1] / 60.0 + parts[2] / 3600.0
    return value if letter == letters[0] else -value


def _fraction(digits: str) -> float:
    digits = digits.strip()
    return float(f"0.{digits}") if digits.isascii() and digits.isdigit() else 0.0


def _bodies(jpeg: bytes, head: bytes) -> Iterator[bytes]:
    """What stands behind this head in APP1 segments, walking segments up to the picture data."""
    at = 2
    while jpeg[:2] == b"\xff\xd8" and at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xDA or size < 2:
            return
        body = jpeg[at + 4 : at + 2 + size]
        if marker == 0xE1 and body.startswith(head):
            yield body[len(head) :]
        at += 2 + size


def _tags(block: bytes) -> Tags:
    """Tags of the directories by their number. Raises struct.error when cut off."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return {}
    (first,) = struct.unpack_from(f"{order}I", block, 4)
    tags: Tags = {}
    directories, known = [("main", first)], {_EXIF_IFD: "main", _GPS_IFD: "gps"}
    for directory, offset in directories:
        for tag, kind, count, value in _entries(block, order, offset):
            if tag in known and directory == "main":
                directories.append((known.pop(tag), value))
            elif kind == 2:
                tags[directory, tag] = _text(block, order, count, value)
            elif kind in _NUMBERS and count <= 16:
                tags[directory, tag] = _numbers(block, order, kind, count, value)
    return tags


def _entries(block: bytes, order: str, offset: int) -> Iterator[tuple[int, int, int, int]]:
    (count,) = struct.unpack_from(f"{order}H", block, offset)
    for index in range(min(count, _ENTRIES_MAX)):
        yield struct.unpack_from(f"{order}HHII", block, offset + 2 + 12 * index)


def _inline(order: str, size: int, block: bytes, value: int) -> bytes:
    """The bytes of a value: up to four stand in the entry itself, more elsewhere in the block."""
    return struct.pack(f"{order}I", value)[:size] if size <= 4 else block[value : value + size]


def _text(block: bytes, order: str, count: int, value: int) -> str:
    return _inline(order, count, block, value).split(b"\0")[0].decode("ascii", "replace")


def _numbers(block: bytes, order: str, kind: int, count: int, value: int) -> tuple[float, ...]:
    code, size = _NUMBERS[kind]
    raw = struct.unpack(f"{order}{code * count}", _inline(order, size * count, block, value))
    if len(code) == 1:
        return tuple(float(part) for part in raw)
    pairs = zip(raw[::2], raw[1::2], strict=True)
    return tuple(over / under if under else 0.0 for over, under in pairs)

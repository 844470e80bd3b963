# SPDX-License-Identifier: AGPL-3.0-or-later
"""JPEGs made for the tests, with the EXIF and XMP blocks that aircraft and phones write."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

Entry = tuple[int, int, int, bytes]


def jpeg(image: np.ndarray[Any, Any]) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def with_blocks(data: bytes, *bodies: bytes) -> bytes:
    """The bodies as APP1 segments before everything else."""
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(b) + 2) + b for b in bodies)
    return data[:2] + segments + data[2:]


def xmp(*, element: bool = False, **entries: object) -> bytes:
    """An XMP block of a drone's photograph; `element`: entries as elements, not attributes."""
    if element:
        body = "".join(f"<drone-dji:{n}>{v}</drone-dji:{n}>" for n, v in entries.items())
        text = f"<rdf:Description>{body}</rdf:Description>"
    else:
        rows = " ".join(f'drone-dji:{name}="{value}"' for name, value in entries.items())
        text = f"<rdf:Description {rows}/>"
    return b"http://ns.adobe.com/xap/1.0/\0" + f"<x:xmpmeta>{text}</x:xmpmeta>".encode()


def exif(
    *,
    taken: str | None = None,
    zone: str | None = None,
    orientation: int | None = None,
    width: int | None = None,
    focal35: int | None = None,
    gps: tuple[float, float] | None = None,
) -> bytes:
    """A little-endian TIFF block with a main, an Exif and a GPS directory."""
    inner: list[Entry] = []
    for tag, text in ((0x9003, taken), (0x9011, zone)):
        if text is not None:
            inner.append((tag, 2, len(text) + 1, text.encode() + b"\0"))
    for tag, number in ((0xA002, width), (0xA405, focal35)):
        if number is not None:
            inner.append((tag, 4 if tag == 0xA002 else 3, 1, struct.pack("<I", number)))
    place: list[Entry] = []
    if gps is not None:
        for tag, value, letters in ((1, gps[0], "NS"), (3, gps[1], "EW")):
            letter = letters[0] if value >= 0 else letters[1]
            micro = round(abs(value) * 3600e4)
            parts = (micro // 36_000_000, 1, micro // 600_000 % 60, 1, micro % 600_000, 10_000)
            place.append((tag, 2, 2, letter.encode() + b"\0"))
            place.append((tag + 1, 5, 3, struct.pack("<6I", *parts)))
    main = [] if orientation is None else [(0x0112, 3, 1, struct.pack("<I", orientation))]
    return b"Exif\0\0" + _tiff(main, inner, place)


def _tiff(main: list[Entry], inner: list[Entry], place: list[Entry]) -> bytes:
    """The directories one behind the other, each followed by its longer values."""
    size = 8 + 2 + 12 * (len(main) + 2) + 4
    exif_at = size
    exif_block = _directory(inner, exif_at)
    gps_at = exif_at + len(exif_block)
    pointers = [
        (0x8769, 4, 1, struct.pack("<I", exif_at)),
        (0x8825, 4, 1, struct.pack("<I", gps_at)),
    ]
    head = b"II*\0" + struct.pack("<I", 8)
    return head + _directory([*main, *pointers], 8) + exif_block + _directory(place, gps_at)


def _directory(rows: list[Entry], at: int) -> bytes:
    data_at = at + 2 + 12 * len(rows) + 4
    entries, data = b"", b""
    for tag, kind, count, value in rows:
        if len(value) <= 4:
            field = value.ljust(4, b"\0")
        else:
            field = struct.pack("<I", data_at + len(data))
            data += value
        entries += struct.pack("<HHI", tag, kind, count) + field
    return struct.pack("<H", len(rows)) + entries + bytes(4) + data

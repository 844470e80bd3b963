# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reads the uncompressed multilayer OpenEXR files that Blender writes, without another library.

Format: openexr.com, "OpenEXR File Layout"; only scan-line images with compression NONE.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from tools.scenery.shapes import Floats

KINDS: dict[int, np.dtype[Any]] = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _header(data: bytes) -> tuple[dict[str, bytes], int]:
    fields, at = {}, 8
    while data[at]:
        name, at = _text(data, at)
        _, at = _text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        fields[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return fields, at + 1


def _channels(data: bytes) -> list[tuple[str, np.dtype[Any]]]:
    out: list[tuple[str, np.dtype[Any]]] = []
    at = 0
    while data[at]:
        name, at = _text(data, at)
        (kind,) = struct.unpack_from("<i", data, at)
        out.append((name, KINDS[kind]))
        at += 16
    return out


def read(path: Path) -> dict[str, Floats]:
    """Channel name to (height, width) float32; ValueError for a file of another layout."""
    data = path.read_bytes()
    if data[:4] != b"\x76\x2f\x31\x01":
        raise ValueError(f"{path}: not an OpenEXR file")
    fields, at = _header(data)
    if fields["compression"] != b"\0":
        raise ValueError(f"{path}: compressed; write it with exr_codec NONE")
    x0, y0, x1, y1 = struct.unpack("<4i", fields["dataWindow"])
    width, height = x1 - x0 + 1, y1 - y0 + 1
    channels = _channels(fields["channels"])
    line = sum(kind.itemsize for _, kind in channels) * width
    starts = np.frombuffer(data, "<u8", height, at)
    rows = np.stack([np.frombuffer(data, np.uint8, line, int(s) + 8) for s in starts])
    out, column = {}, 0
    for name, kind in channels:
        end = column + kind.itemsize * width
        raw = np.ascontiguousarray(rows[:, column:end])
        out[name] = raw.view(kind).astype(np.float32)
        column = end
    return out

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rows straight from the pages of a SQLite file whose tree can no longer be walked. Pure.

File format: https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree pages), 2.1 (records) and
4 (write-ahead log). Reads leaf pages of tables wherever they lie; order and interior pages do not
matter, so a zeroed header or a lost root costs nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

PAGE = 4096
HEADER = 100
TABLE_LEAF = 0x0D
WAL_HEADER = 32
FRAME_HEADER = 24
_INT_SIZES = (0, 1, 2, 3, 4, 6, 8)


def with_log(data: bytes, log: bytes) -> bytes:
    """The database with every committed frame of its write-ahead log laid over it."""
    if len(log) < WAL_HEADER or struct.unpack_from(">I", log, 8)[0] != PAGE:
        return data
    pages = bytearray(data)
    salts = log[16:24]
    waiting: dict[int, bytes] = {}
    for start in range(WAL_HEADER, len(log) - FRAME_HEADER - PAGE + 1, FRAME_HEADER + PAGE):
        number, commit = struct.unpack_from(">II", log, start)
        if log[start + 8 : start + 16] != salts or number == 0:
            break
        waiting[number] = log[start + FRAME_HEADER : start + FRAME_HEADER + PAGE]
        if commit:
            _lay_over(pages, waiting)
            waiting = {}
    return bytes(pages)


def _lay_over(pages: bytearray, frames: dict[int, bytes]) -> None:
    for number, page in frames.items():
        end = number * PAGE
        if len(pages) < end:
            pages.extend(bytes(end - len(pages)))
        pages[end - PAGE : end] = page


def rows(data: bytes, columns: int) -> Iterator[tuple[int, list[Any]]]:
    """(rowid, values) of every intact cell with so many columns on any table leaf page."""
    for start in range(0, len(data) - PAGE + 1, PAGE):
        page = data[start : start + PAGE]
        offset = HEADER if start == 0 else 0
        if page[offset] != TABLE_LEAF:
            continue
        (count,) = struct.unpack_from(">H", page, offset + 3)
        for cell in range(min(count, PAGE // 4)):
            found = _cell(data, page, offset + 8 + 2 * cell, columns)
            if found is not None:
                yield found


def _cell(data: bytes, page: bytes, pointer: int, columns: int) -> tuple[int, list[Any]] | None:
    try:
        (at,) = struct.unpack_from(">H", page, pointer)
        size, at = _varint(page, at)
        rowid, at = _varint(page, at)
        record = _payload(data, page, at, size)
        values = _record(record, columns)
    except (IndexError, struct.error, UnicodeDecodeError, ValueError):
        return None
    return (rowid, values)


def _payload(data: bytes, page: bytes, at: int, size: int) -> bytes:
    """A cell's payload with its overflow chain (section 1.6, "the amount of payload")."""
    most = PAGE - 35
    if not 0 < size < len(data):
        raise ValueError("not a payload")
    if size <= most:
        return page[at : at + size]
    least = (PAGE - 12) * 32 // 255 - 23
    local = least + (size - least) % (PAGE - 4)
    local = local if local <= most else least
    parts, left = [page[at : at + local]], size - local
    (number,) = struct.unpack_from(">I", page, at + local)
    while left > 0:
        start = (number - 1) * PAGE
        (number,) = struct.unpack_from(">I", data, start)
        parts.append(data[start + 4 : start + 4 + min(left, PAGE - 4)])
        left -= PAGE - 4
    return b"".join(parts)


def _record(record: bytes, columns: int) -> list[Any]:
    """Values of one record. Raises ValueError where it is not one of `columns` columns."""
    header, at = _varint(record, 0)
    types = []
    while at < header:
        kind, at = _varint(record, at)
        types.append(kind)
    if len(types) != columns or at != header:
        raise ValueError("not a record of this table")
    values = []
    for kind in types:
        value, at = _value(record, at, kind)
        values.append(value)
    if at != len(record):
        raise ValueError("does not end where it should")
    return values


def _value(record: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind == 0:
        return None, at
    if kind <= 6:
        end = at + _INT_SIZES[kind]
        return int.from_bytes(record[at:end], "big", signed=True), end
    if kind == 7:
        return struct.unpack_from(">d", record, at)[0], at + 8
    if kind in (8, 9):
        return kind - 8, at
    if kind < 12:
        raise ValueError("reserved serial type")
    end = at + (kind - 12) // 2
    if end > len(record):
        raise ValueError("longer than its record")
    return (record[at:end] if kind % 2 == 0 else record[at:end].decode()), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for step in range(8):
        byte = data[at + step]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + step + 1
    return value << 8 | data[at + 8], at + 9

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rows straight from the pages of a SQLite file whose tree can no longer be walked.

File format: https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree pages), 2.1 (records) and
4 (write-ahead log). Reads leaf pages of tables wherever they lie; order and interior pages do not
matter, so a zeroed header or a lost root costs nothing.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

PAGE = 4096
HEADER = 100
TABLE_LEAF = 0x0D
WAL_HEADER = 32
FRAME_HEADER = 24
_INT_SIZES = (0, 1, 2, 3, 4, 6, 8)


class PagedFile:
    """A database with every committed frame of its write-ahead log laid over it. Read page by page:
    an outbox may be larger than the memory of the daemon that salvages it."""

    def __init__(self, file: BinaryIO, log: BinaryIO | None = None) -> None:
        self._file, self._log = file, log
        size = file.seek(0, os.SEEK_END)
        self._frames = {} if log is None else _committed(log)
        self._size = max(size, PAGE * max(self._frames, default=0))

    def __len__(self) -> int:
        """Bytes of the database, its log included."""
        return self._size

    def page(self, number: int) -> bytes:
        """The first is 1; one that was never written is empty, the last may be cut off. Raises
        IndexError for a number that no page has."""
        frame = self._frames.get(number)
        if frame is not None and self._log is not None:
            self._log.seek(frame)
            return self._log.read(PAGE)
        if number < 1:
            raise IndexError(f"no page {number}")
        self._file.seek((number - 1) * PAGE)
        return self._file.read(PAGE)


def _committed(log: BinaryIO) -> dict[int, int]:
    """Number of a page -> where its newest committed bytes lie in the log."""
    header = log.read(WAL_HEADER)
    if len(header) < WAL_HEADER or struct.unpack_from(">I", header, 8)[0] != PAGE:
        return {}
    end, salts = log.seek(0, os.SEEK_END), header[16:24]
    found: dict[int, int] = {}
    waiting: dict[int, int] = {}
    for start in range(WAL_HEADER, end - FRAME_HEADER - PAGE + 1, FRAME_HEADER + PAGE):
        log.seek(start)
        frame = log.read(FRAME_HEADER)
        number, commit = struct.unpack_from(">II", frame)
        if frame[8:16] != salts or number == 0:
            break
        waiting[number] = start + FRAME_HEADER
        if commit:
            found |= waiting
            waiting = {}
    return found


def rows(data: PagedFile, columns: int) -> Iterator[tuple[int, list[Any]]]:
    """(rowid, values) of every intact cell with so many columns on any table leaf page."""
    for number in range(1, len(data) // PAGE + 1):
        page = data.page(number)
        offset = HEADER if number == 1 else 0
        if len(page) < PAGE or page[offset] != TABLE_LEAF:
            continue
        (count,) = struct.unpack_from(">H", page, offset + 3)
        for cell in range(min(count, PAGE // 4)):
            found = _cell(data, page, offset + 8 + 2 * cell, columns)
            if found is not None:
                yield found


def _cell(data: PagedFile, page: bytes, pointer: int, columns: int) -> tuple[int, list[Any]] | None:
    try:
        (at,) = struct.unpack_from(">H", page, pointer)
        size, at = _varint(page, at)
        rowid, at = _varint(page, at)
        record = _payload(data, page, at, size)
        values = _record(record, columns)
    except (IndexError, struct.error, UnicodeDecodeError, ValueError):
        return None
    return (rowid, values)


def _payload(data: PagedFile, page: bytes, at: int, size: int) -> bytes:
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
    followed: set[int] = set()
    while left > 0:
        if number in followed:
            raise ValueError("its chain runs in a circle")
        followed.add(number)
        overflow = data.page(number)
        (number,) = struct.unpack_from(">I", overflow)
        parts.append(overflow[4 : 4 + min(left, PAGE - 4)])
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

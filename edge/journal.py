# SPDX-License-Identifier: AGPL-3.0-or-later
"""Files of lines, most of them JSON: rows are appended, never changed; a torn one costs itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from edge.runtime import make_folder, sync_folder


def append(
    path: Path, rows: Iterable[Mapping[str, Any] | str], *, durable: bool = True, head: str = ""
) -> None:
    """Append rows, JSON objects or lines as they are; file and folder are made where missing.

    A power cut may have torn the last line, so the first row starts on a line of its own. durable:
    rows and names survive a power cut once this returns. head: the first line of a new file.
    Raises OSError; none of the rows is in the file then, unless it was the fsync that failed.
    """
    text = "".join(_line(row) for row in rows)
    if not text:
        return
    with _opened(path) as file:
        size = file.tell()
        if not size:
            text = head + text
        elif not _ends_whole(file.fileno(), size):
            text = "\n" + text
        _write(file, text.encode(), size)
        if durable:
            os.fsync(file.fileno())
    if durable and not size:
        sync_folder(path.parent)


def _line(row: Mapping[str, Any] | str) -> str:
    text = row if isinstance(row, str) else json.dumps(dict(row), ensure_ascii=False)
    return text.removesuffix("\n") + "\n"


def _write(file: FileIO, data: bytes, size: int) -> None:
    """All of it after the first `size` bytes, or nothing: a full disk takes what still fits, and
    whoever tries again would have those rows twice."""
    left = memoryview(data)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError:
        with suppress(OSError):
            file.truncate(size)
        raise


def _opened(path: Path) -> FileIO:
    try:
        return path.open("ab+", buffering=0)
    except FileNotFoundError:
        make_folder(path.parent)
        return path.open("ab+", buffering=0)


def _ends_whole(handle: int, size: int) -> bool:
    return os.pread(handle, 1, size - 1) == b"\n"


def read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """(rows, lines that are none, as after a power cut); nothing where there is no file."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return [], 0
    rows = [row for line in lines if isinstance(row := _row(line), dict)]
    return rows, sum(1 for line in lines if line.strip()) - len(rows)


def _row(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None

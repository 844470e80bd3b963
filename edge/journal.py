# SPDX-License-Identifier: AGPL-3.0-or-later
"""Files of lines, most of them JSON: rows are appended, never changed; a torn one costs itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from edge.runtime import make_folder, sync_folder


def append(
    path: Path, rows: Iterable[Mapping[str, Any] | str], *, durable: bool = True, head: str = ""
) -> None:
    """Append rows, JSON objects or lines as they are; file and folder are made where missing.

    A power cut may have torn the last line, so the first row starts on a line of its own. durable:
    rows and names survive a power cut once this returns. head: the first line of a new file.
    Raises OSError; some of the rows may then be in the file.
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
        file.write(text.encode())
        file.flush()
        if durable:
            os.fsync(file.fileno())
    if durable and not size:
        sync_folder(path.parent)


def _line(row: Mapping[str, Any] | str) -> str:
    text = row if isinstance(row, str) else json.dumps(dict(row), ensure_ascii=False)
    return text.removesuffix("\n") + "\n"


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("ab+")
    except FileNotFoundError:
        make_folder(path.parent)
        return path.open("ab+")


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

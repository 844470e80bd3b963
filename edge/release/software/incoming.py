# SPDX-License-Identifier: AGPL-3.0-or-later
"""Files that an unprivileged process laid down, taken to where only root writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.config import ConfigError
from edge.release.software.wheels import file_hash


def bring(source: Path, to: Path, most: int) -> None:
    """A copy at `to` that nobody can change any more, named by its SHA-256 and checked there; no
    more than `most` bytes. Raises ConfigError, OSError."""
    if to.exists():
        return
    handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    partial = to.with_suffix(".part")
    with os.fdopen(handle, "rb") as file, partial.open("wb") as out:
        for block in _blocks(file, most, to.name):
            out.write(block)
    if file_hash(partial) != to.name:
        raise ConfigError(f"{source}: its bytes are not those of its name")
    partial.replace(to)


def read_bounded(path: Path, most: int) -> bytes:
    """What an unprivileged process wrote: no link, no more than `most`. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        return file.read(most)


def _blocks(file: Any, most: int, name: str) -> Iterator[bytes]:
    left = most
    while block := file.read(min(1 << 20, left + 1)):
        left -= len(block)
        if left < 0:
            raise ConfigError(f"{name}: more than {most} bytes")
        yield block

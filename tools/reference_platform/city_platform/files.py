# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where the reference platform keeps bytes: a folder, or a bucket of any S3-compatible store.

Both keep the parts of a file as they come, put it together once all are there, and lay it out as
`<device>/<violation>/r<n>/<name>`. What a method returned from stands once `sync` has returned.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

BLOCK = 1 << 20


class NoFiles(RuntimeError):
    """The store of bytes does not answer or refuses; nothing is acknowledged then. One line."""


class Files(Protocol):
    """Shared by the receivers that share the load. Raises NoFiles."""

    def write(self, device: str, sha256: str, offset: int, data: bytes) -> None: ...
    def assemble(self, device: str, sha256: str, parts: Sequence[tuple[int, int]]) -> bool: ...
    def lay_out(self, device: str, sha256: str, path: str) -> None: ...
    def place(self, device: str, path: str, data: bytes) -> None: ...
    def read(self, path: str) -> bytes | None: ...
    def sync(self) -> None: ...


class FolderFiles:
    """`blobs/` holds growing and whole files by their hash, `evidence/` hard links to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._touched: set[Path] = set()
        (folder / "blobs").mkdir(parents=True, exist_ok=True)

    def _blob(self, device: str, sha256: str) -> Path:
        return self._folder / "blobs" / device / sha256

    def write(self, device: str, sha256: str, offset: int, data: bytes) -> None:
        """Put bytes at their place in the file; synced later, with the record."""
        path = self._blob(device, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, data, offset)
        finally:
            os.close(handle)
        self._touched.add(path)

    def assemble(self, device: str, sha256: str, parts: Sequence[tuple[int, int]]) -> bool:
        """Whether the whole file has this hash; one that has not is removed."""
        path = self._blob(device, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if _sha256(path) != sha256:
            path.unlink()
            self._touched.discard(path)
            return False
        _sync(path)
        return True

    def lay_out(self, device: str, sha256: str, path: str) -> None:
        target = self._evidence(device, path)
        if not target.exists():
            os.link(self._blob(device, sha256), target)
            _sync(target.parent)

    def place(self, device: str, path: str, data: bytes) -> None:
        target = self._evidence(device, path)
        target.write_bytes(data)
        _sync(target)

    def _evidence(self, device: str, path: str) -> Path:
        target = self._folder / "evidence" / device / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def read(self, path: str) -> bytes | None:
        """A laid out file; None for none, and for whatever would lie outside."""
        root = (self._folder / "evidence").resolve()
        target = (root / path).resolve()
        return target.read_bytes() if target.is_relative_to(root) and target.is_file() else None

    def sync(self) -> None:
        """Chunks reach the disk before the rows that say they did."""
        for path in self._touched:
            _sync(path)
        self._touched.clear()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

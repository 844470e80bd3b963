# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where the reference platform keeps bytes: a folder, or a bucket of any S3-compatible store.

Both keep the parts of a file as they come, put it together once all are there, and lay it out as
`<tenant>/<device>/<violation>/r<n>/<name>`. What a method returned from stands once `sync` has
returned. Nothing that was laid out is ever replaced, and no path leads out of its device's folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from edge.patterns import whole

BLOCK = 1 << 20
PART = re.compile(whole(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"))
PARTS_MAX = 3


class Box(NamedTuple):
    """Whose something is: no two cities or devices share a row, a file or a quota."""

    tenant: str
    device: str

    @property
    def path(self) -> str:
        return f"{self.tenant}/{self.device}"


class NoFiles(RuntimeError):
    """The store of bytes does not answer or refuses; nothing is acknowledged then. One line."""


def checked(box: Box, path: str) -> str:
    """The path of a laid out file below `evidence/`. Raises ValueError for one that is not made of
    plain words, whoever asks: it may climb out of its folder, or be another device's."""
    parts = path.split("/")
    if len(parts) > PARTS_MAX or not all(PART.fullmatch(part) for part in (*box, *parts)):
        raise ValueError(f"not a file of a violation: {path[:200]!r}")
    return f"{box.path}/{path}"


class Files(Protocol):
    """Shared by the receivers that share the load. Raises NoFiles where the store does not answer,
    ValueError for a path that is none or where other bytes stand already."""

    def write(self, box: Box, sha256: str, offset: int, data: bytes) -> None: ...
    def assemble(self, box: Box, sha256: str, parts: Sequence[tuple[int, int]]) -> bool: ...
    def lay_out(self, box: Box, sha256: str, path: str) -> None: ...
    def place(self, box: Box, path: str, data: bytes) -> None: ...
    def renew(self, box: Box, path: str, data: bytes) -> None: ...
    def drop(self, box: Box, sha256: str, parts: Sequence[tuple[int, int]]) -> None: ...
    def read(self, path: str) -> bytes | None: ...
    def free(self) -> int | None: ...
    def sync(self) -> None: ...


class FolderFiles:
    """`blobs/` holds growing and whole files by their hash, `evidence/` hard links to them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = folder / "evidence"
        self._touched: set[Path] = set()
        (folder / "blobs").mkdir(parents=True, exist_ok=True)

    def _blob(self, box: Box, sha256: str) -> Path:
        return self._folder / "blobs" / box.tenant / box.device / sha256

    def write(self, box: Box, sha256: str, offset: int, data: bytes) -> None:
        """Put bytes at their place in the file; synced later, with the record."""
        path = self._blob(box, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, data, offset)
        finally:
            os.close(handle)
        self._touched.add(path)

    def assemble(self, box: Box, sha256: str, parts: Sequence[tuple[int, int]]) -> bool:
        """Whether the whole file has this hash; one that has not is removed."""
        path = self._blob(box, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if _sha256(path) != sha256:
            self.drop(box, sha256, parts)
            return False
        _sync(path)
        return True

    def drop(self, box: Box, sha256: str, parts: Sequence[tuple[int, int]]) -> None:
        """Forget what came of a file."""
        path = self._blob(box, sha256)
        path.unlink(missing_ok=True)
        self._touched.discard(path)

    def lay_out(self, box: Box, sha256: str, path: str) -> None:
        """Link a received file to its place in the record's folder. Raises ValueError where
        another file stands there."""
        target = self._evidence(box, path)
        try:
            os.link(self._blob(box, sha256), target)
        except FileExistsError:
            if _sha256(target) != sha256:
                raise ValueError(f"{path}: another file stands there") from None
        _sync(target.parent)

    def place(self, box: Box, path: str, data: bytes) -> None:
        """A small file, whole or not at all, and never in the place of another."""
        target = self._evidence(box, path)
        if target.exists():
            if target.read_bytes() != data:
                raise ValueError(f"{path}: other bytes stand there")
            return
        own = self._written(data)
        try:
            os.link(own, target)
        except FileExistsError:
            raise ValueError(f"{path}: another came at the same time") from None
        finally:
            own.unlink()
        _sync(target.parent)

    def renew(self, box: Box, path: str, data: bytes) -> None:
        """State of which only the newest counts; the caller has seen that this is it."""
        target = self._evidence(box, path)
        self._written(data).replace(target)
        _sync(target.parent)

    def _written(self, data: bytes) -> Path:
        own = self._folder / "blobs" / f".placing-{os.getpid()}-{threading.get_ident()}"
        own.write_bytes(data)
        _sync(own)
        return own

    def _evidence(self, box: Box, path: str) -> Path:
        target = self._root / checked(box, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(self._root.resolve()):
            raise ValueError(f"{path}: a link leads out of the evidence folder")
        return target

    def read(self, path: str) -> bytes | None:
        """A laid out file; None for none, and for whatever would lie outside."""
        root = self._root.resolve()
        target = (root / path).resolve()
        return target.read_bytes() if target.is_relative_to(root) and target.is_file() else None

    def free(self) -> int | None:
        """Bytes that the disk still takes."""
        return shutil.disk_usage(self._folder).free

    def sync(self) -> None:
        """Chunks reach the disk before the rows that say they did."""
        for path in self._touched:
            # One that was dropped in the same turn has nothing to sync.
            with contextlib.suppress(FileNotFoundError):
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

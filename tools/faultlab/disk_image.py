# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a disk may hold after a power cut: a recorded run replayed up to any of its operations.

The record is made by disk_shim.c. Synced is kept; what is not may be there, missing, torn at its
512-byte sectors or zeros; a name that was created, renamed or removed counts only once its folder
was synced (POSIX fsync; the method is ALICE's, Pillai et al., OSDI 2014). After a failed fsync the
bytes that it was asked for are gone for good (Rebello et al., USENIX ATC 2020).
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

SECTOR = 512
_HEAD = struct.Struct("<B3xII4xQQ")
# none: only what was synced; names: every name, no byte; prefix: names in order up to one of them,
# bytes as they please; any: of both whatever.
How = Literal["none", "names", "prefix", "any"]
HOWS: tuple[How, ...] = ("none", "names", "prefix", "any")
# SQLite makes it anew after a crash, whatever it holds.
IGNORED = ("-shm", ".lock")


@dataclass(frozen=True, slots=True)
class Line:
    """One operation: `a` is its path, `b` the new path or the bytes written at `at`."""

    op: str
    a: str
    b: bytes
    ino: int
    at: int


def read_log(path: Path) -> Iterator[Line]:
    """Lines of a record in their order; a torn last one (its writer was killed) is left out."""
    data, at = path.read_bytes(), 0
    while at + _HEAD.size <= len(data):
        op, a, b, ino, offset = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + a + b > len(data):
            return
        yield Line(chr(op), data[at : at + a].decode(), data[at + a : at + a + b], ino, offset)
        at += a + b


@dataclass(frozen=True, slots=True)
class _Change:
    """Bytes written, or with `data` None a new length."""

    at: int
    data: bytes | None


@dataclass(slots=True)
class _File:
    kept: bytearray = field(default_factory=bytearray)
    pending: list[_Change] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.pending:
            _apply(self.kept, change)
        self.pending.clear()

    def content(self, how: How, rng: random.Random) -> bytes:
        """What the disk may hold after the cut: all that was synced, and a random part of the
        rest."""
        if how in ("none", "names") or not self.pending:
            return bytes(self.kept)
        data = bytearray(self.kept)
        for change in self.pending:
            _apply_some(data, change, rng)
        return bytes(data)


@dataclass(slots=True)
class _Folder:
    live: dict[str, _Node] = field(default_factory=dict)
    kept: dict[str, _Node] = field(default_factory=dict)


_Node = _File | _Folder


@dataclass(frozen=True, slots=True)
class _Naming:
    """One atomic change of names: (folder, name, what it now means or None)."""

    entries: tuple[tuple[_Folder, str, _Node | None], ...]

    def touches(self, folder: _Folder) -> bool:
        return any(where is folder for where, _, _ in self.entries)


class Disk:
    """One folder of one disk. `play` each line of a record, `image` at any moment between."""

    def __init__(self, root: Path, *, leave_out: tuple[str, ...] = ()) -> None:
        """`leave_out`: what lies below the root on other disks, such as /run on tmpfs."""
        self._root = str(root)
        self._outside = tuple(f"{root}/{name}/" for name in leave_out)
        self._top = _Folder()
        self._nodes: dict[int, _Node] = {root.stat().st_ino: self._top}
        self._pending: list[_Naming] = []

    def play(self, line: Line) -> None:
        if not f"{line.a}/".startswith(self._outside):
            _PLAY[line.op](self, line)

    def _find(self, path: str) -> tuple[_Folder, str]:
        """The folder that a path lies in, by the names of now, and its last part."""
        *parts, name = PurePosixPath(path).relative_to(self._root).parts
        folder = self._top
        for part in parts:
            inner = folder.live[part]
            assert isinstance(inner, _Folder)
            folder = inner
        return folder, name

    def _name(self, *entries: tuple[_Folder, str, _Node | None]) -> None:
        for folder, name, node in entries:
            if node is None:
                folder.live.pop(name, None)
            else:
                folder.live[name] = node
        self._pending.append(_Naming(entries))

    def _create(self, line: Line) -> None:
        node: _Node = _File() if line.op == "C" else _Folder()
        self._nodes[line.ino] = node
        self._name((*self._find(line.a), node))

    def _file(self, line: Line) -> _File | None:
        node = self._nodes.get(line.ino)
        return node if isinstance(node, _File) else None

    def _write(self, line: Line) -> None:
        file = self._file(line)
        if file is not None:
            file.pending.append(_Change(line.at, line.b if line.op == "W" else None))

    def _sync(self, line: Line) -> None:
        node = self._nodes.get(line.ino)
        if isinstance(node, _File):
            node.sync()
        if not isinstance(node, _Folder):
            return
        for naming in [n for n in self._pending if n.touches(node)]:
            _settle(naming)
            self._pending.remove(naming)

    def _sync_failed(self, line: Line) -> None:
        file = self._file(line)
        if file is not None:
            file.pending.clear()

    def _rename(self, line: Line) -> None:
        source, old = self._find(line.a)
        node = source.live[old]
        self._name((source, old, None), (*self._find(line.b.decode()), node))

    def _link(self, line: Line) -> None:
        source, old = self._find(line.a)
        self._name((*self._find(line.b.decode()), source.live[old]))

    def _unlink(self, line: Line) -> None:
        self._name((*self._find(line.a), None))

    def image(self, how: How, rng: random.Random) -> dict[str, bytes]:
        """One of the states that the disk may be in if the power goes now: path -> bytes."""
        changed: dict[int, dict[str, _Node | None]] = {}
        for naming in self._survivors(how, rng):
            for folder, name, node in naming.entries:
                changed.setdefault(id(folder), {})[name] = node
        return {
            path: file.content(how, rng)
            for path, file in _walk(self._top, "", changed)
            if not path.endswith(IGNORED)
        }

    def _survivors(self, how: How, rng: random.Random) -> list[_Naming]:
        if how == "none":
            return []
        if how == "names":
            return self._pending
        if how == "prefix":
            return self._pending[: rng.randint(0, len(self._pending))]
        return [naming for naming in self._pending if rng.random() < 0.5]


_PLAY = {
    "C": Disk._create,
    "M": Disk._create,
    "W": Disk._write,
    "T": Disk._write,
    "S": Disk._sync,
    "F": Disk._sync_failed,
    "R": Disk._rename,
    "L": Disk._link,
    "U": Disk._unlink,
}


def _walk(
    folder: _Folder, path: str, changed: dict[int, dict[str, _Node | None]]
) -> Iterator[tuple[str, _File]]:
    for name, node in {**folder.kept, **changed.get(id(folder), {})}.items():
        if isinstance(node, _File):
            yield path + name, node
        elif node is not None:
            yield from _walk(node, f"{path}{name}/", changed)


def _settle(naming: _Naming) -> None:
    for folder, name, node in naming.entries:
        if node is None:
            folder.kept.pop(name, None)
        else:
            folder.kept[name] = node


def _apply(data: bytearray, change: _Change) -> None:
    if change.data is None:
        _resize(data, change.at)
        return
    end = change.at + len(change.data)
    _resize(data, max(len(data), end))
    data[change.at : end] = change.data


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))


def _apply_some(data: bytearray, change: _Change, rng: random.Random) -> None:
    """All of it, nothing, its length alone, or some of its sectors."""
    fate = rng.random()
    if fate < 0.35:
        _apply(data, change)
    elif fate < 0.55 and change.data is not None:
        _resize(data, max(len(data), change.at + len(change.data)))
    elif fate < 0.8 and change.data is not None:
        for sector in _sectors(change):
            if rng.random() < 0.5:
                _apply(data, sector)


def _sectors(change: _Change) -> Iterator[_Change]:
    """The parts of one write that a disk writes each at once."""
    assert change.data is not None
    start, end = change.at, change.at + len(change.data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield _Change(start, change.data[start - change.at : stop - change.at])
        start = stop


def lay(image: dict[str, bytes], root: Path) -> None:
    """Write an image below a folder."""
    for path, data in image.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

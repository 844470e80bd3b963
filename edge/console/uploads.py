# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recordings coming in: streamed to disk, within a quota, by what they hold and not by their name.

The only writer of `<state>/flights/recordings`. A file has its name when it is whole and on disk;
before that it is `.<name>.<random>.part`, and what an interrupted upload left is cleared away.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool

from edge.console.flights import VIDEO_SUFFIXES, is_recording, is_recording_name
from edge.runtime import sync_folder

MB = 1_000_000
HEAD_BYTES = 4096
WRITE_BYTES = 1 << 20
STALE_S = 3600.0
TS_PACKETS = (188, 192)


class NotTaken(Exception):
    """An upload that is refused: a key of edge.console.texts, the HTTP code, and figures."""

    def __init__(self, key: str, code: int, **facts: object) -> None:
        super().__init__(key)
        self.key, self.code, self.facts = key, code, facts


@dataclass
class UploadFolder:
    """The recordings folder as something that is filled. `quota_mb` is of all files in it."""

    folder: Path
    quota_mb: int
    floor_mb: int
    _coming: dict[str, int] = field(default_factory=dict)

    def used(self) -> int:
        """Bytes in the folder, with what is on its way."""
        if not self.folder.is_dir():
            return 0
        done = sum(p.stat().st_size for p in self.folder.iterdir() if not p.name.startswith("."))
        return done + sum(self._coming.values())

    def room(self) -> int:
        """Bytes that may still come: by the quota and by what the disk must keep free."""
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free - self.floor_mb * MB
        return max(0, min(self.quota_mb * MB - self.used(), free))

    async def receive(self, name: str, size: int, chunks: AsyncIterator[bytes]) -> None:
        """Store one file of a size said beforehand. Raises NotTaken; nothing is left then."""
        self._check(name, size)
        part = self.folder / f".{name}.{secrets.token_hex(4)}.part"
        self._coming[part.name] = size
        try:
            await self._store(part, name, size, chunks)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NotTaken("upload_no_room", 507, mb=0) from None
        finally:
            del self._coming[part.name]
            part.unlink(missing_ok=True)

    def _check(self, name: str, size: int) -> None:
        if not is_recording_name(name):
            raise NotTaken("upload_bad_name", 422)
        if (self.folder / name).exists():
            raise NotTaken("upload_exists", 409)
        if size <= 0:
            raise NotTaken("upload_empty", 422)
        self._clear_stale()
        room = self.room()
        if size > room:
            raise NotTaken("upload_no_room", 413, mb=room // MB)

    def _clear_stale(self) -> None:
        if not self.folder.is_dir():
            return
        for path in self.folder.glob(".*.part"):
            if path.name not in self._coming and time.time() - path.stat().st_mtime > STALE_S:
                path.unlink(missing_ok=True)

    async def _store(self, part: Path, name: str, size: int, chunks: AsyncIterator[bytes]) -> None:
        held, got, sniffed = bytearray(), 0, False
        with part.open("xb") as file:
            async for chunk in chunks:
                got += len(chunk)
                if got > size:
                    raise NotTaken("upload_cut", 422)
                held += chunk
                if not sniffed and (len(held) >= HEAD_BYTES or got == size):
                    sniffed = self._sniffed(name, bytes(held[:HEAD_BYTES]))
                if len(held) >= WRITE_BYTES:
                    await run_in_threadpool(file.write, bytes(held))
                    held.clear()
            if got != size:
                raise NotTaken("upload_cut", 422)
            await run_in_threadpool(_finish, file, bytes(held))
        await run_in_threadpool(self._name, part, name)

    @staticmethod
    def _sniffed(name: str, head: bytes) -> bool:
        if not fits(Path(name).suffix.lower(), head):
            raise NotTaken("upload_wrong_kind", 415)
        return True

    def _name(self, part: Path, name: str) -> None:
        try:
            # Unlike a rename, a link never replaces a file of that name that came meanwhile.
            os.link(part, self.folder / name)
        except FileExistsError:
            raise NotTaken("upload_exists", 409) from None
        except OSError as error:
            # A stick's file system (FAT) has no links.
            if error.errno not in (errno.EPERM, errno.ENOTSUP):
                raise
            part.rename(self.folder / name)
        sync_folder(self.folder)

    def remove(self, name: str) -> bool:
        """False where there is no such recording."""
        if not is_recording(self.folder, name):
            return False
        (self.folder / name).unlink(missing_ok=True)
        return True


def _finish(file: BinaryIO, rest: bytes) -> None:
    file.write(rest)
    file.flush()
    os.fsync(file.fileno())


def fits(suffix: str, head: bytes) -> bool:
    """Whether the first bytes are of the kind that the name promises."""
    if suffix in VIDEO_SUFFIXES:
        return _is_video(head)
    if suffix == ".tlog":
        # Eight bytes of time before each MAVLink frame (ArduPilot, "tlog"): v1 FE, v2 FD.
        return len(head) > 8 and head[8] in (0xFE, 0xFD)
    if suffix == ".klv":
        # SMPTE 336M: every universal label begins 06 0E 2B 34.
        return b"\x06\x0e\x2b\x34" in head
    return _is_text(head)


def _is_video(head: bytes) -> bool:
    """ISO base media (MP4, MOV), Matroska, AVI, or MPEG transport stream."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        return True
    if head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return True
    return any(
        len(head) > start + 2 * packet and all(head[start + n * packet] == 0x47 for n in range(3))
        for packet, start in zip(TS_PACKETS, (0, 4), strict=True)
    )


def _is_text(head: bytes) -> bool:
    """UTF-8 (also cut within a letter at the end) or GB 18030, without control characters."""
    if any(byte < 9 or (13 < byte < 32 and byte != 27) for byte in head):
        return False
    for encoding in ("utf-8-sig", "gb18030"):
        for cut in range(4):
            try:
                head[: len(head) - cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            return True
    return False

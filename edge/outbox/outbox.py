# SPDX-License-Identifier: AGPL-3.0-or-later
"""The producers' side: insert a record with its evidence, idempotent on (kind, key)."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge.outbox import ballast
from edge.outbox.schema import (
    MANIFEST,
    PLATFORM,
    Lane,
    OutboxBroken,
    State,
    boot_id,
    connect,
    damaged,
    disk_full,
    gate,
    transaction,
)
from edge.values import EvidenceFile

# A plain name, not hidden: what a path of an evidence file looks like.
_NAME = re.compile(r"[A-Za-z0-9_][^/\x00]*")


class OutboxFull(Exception):
    """No room for a row even without the ballast; keep the value in memory and put it again."""


class Outbox:
    """One process's door into the outbox. Thread-safe; a returned `put` survives a power cut.

    daemon: whose open faults are kept beside the rows. destinations: each gets a row of its own.
    """

    def __init__(
        self, path: Path, daemon: str = "", *, destinations: Sequence[str] = (PLATFORM,)
    ) -> None:
        self._path, self._daemon, self._destinations = path, daemon, tuple(destinations)
        self._lock = threading.Lock()
        self._boot_id = boot_id()
        self._open()

    def _open(self) -> None:
        self._db = connect(self._path)
        self._inode = self._path.stat().st_ino

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def put(
        self,
        *,
        lane: Lane,
        kind: str,
        key: str,
        body: dict[str, Any],
        folder: Path | None = None,
        files: Sequence[EvidenceFile] = (),
        stands: bool = False,
    ) -> bool:
        """Insert one record; false where (kind, key) is there already.

        `files` are those that lie in `folder`, a sealed revision; all of it must be fsynced
        before this call. The folder's manifest.json travels as one more file. stands: a fault that
        is open from its start to its end (`open_faults`), kept with its row. Raises OutboxFull,
        OutboxBroken, and sqlite3.OperationalError for an I/O error, after which the process
        must exit: pages of a failed fsync are marked clean and never written again.
        """
        data = msgspec.json.encode(body)
        row = (lane, kind, key, int(State.NEW), time.time(), data, _text(folder))
        rows = [_file_row(folder, file) for file in files] + _manifest_row(folder)
        with self._lock, gate(self._path):
            if self._path.stat().st_ino != self._inode:
                self._db.close()
                self._open()
            return self._insert_with_room(row, rows, body if stands else None)

    def _insert_with_room(
        self,
        row: tuple[Any, ...],
        files: list[tuple[Any, ...]],
        fault: dict[str, Any] | None,
    ) -> bool:
        try:
            return self._insert(row, files, fault)
        except sqlite3.DatabaseError as error:
            if damaged(error):
                raise OutboxBroken(f"{self._path}: {error}") from error
            if not disk_full(error):
                raise
        if not ballast.drop(self._path.parent):
            raise OutboxFull(f"{self._path}: no space left, no ballast left")
        try:
            return self._insert(row, files, fault)
        except sqlite3.OperationalError as error:
            if disk_full(error):
                raise OutboxFull(f"{self._path}: no space left") from error
            raise

    def _insert(
        self,
        row: tuple[Any, ...],
        files: list[tuple[Any, ...]],
        fault: dict[str, Any] | None,
    ) -> bool:
        with transaction(self._db):
            boot = self._boot()
            fresh = [self._insert_for(to, (*row, boot), files) for to in self._destinations]
            if fault is not None and any(fresh):
                self._keep_fault(fault, boot)
        return any(fresh)

    def _insert_for(self, to: str, row: tuple[Any, ...], files: list[tuple[Any, ...]]) -> bool:
        done = self._db.execute(
            "INSERT INTO record (lane, kind, key, state, put_wall, body, folder, boot, destination)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (kind, key, destination) DO NOTHING",
            (*row, to),
        )
        if done.rowcount == 0:
            return False
        for file in files:
            self._insert_file(done.lastrowid, (*file, to))
        return True

    def _keep_fault(self, fault: dict[str, Any], boot: int) -> None:
        named = (self._daemon, fault["kind"], fault["subject"])
        self._db.execute(
            "DELETE FROM open_fault WHERE daemon = ? AND kind = ? AND subject = ?", named
        )
        if fault["phase"] == "start":
            body = msgspec.json.encode(fault)
            self._db.execute("INSERT INTO open_fault VALUES (?, ?, ?, ?, ?)", (*named, boot, body))

    def open_faults(self) -> list[tuple[dict[str, Any], bool]]:
        """This daemon's faults that have no end yet: (body of the row, whether it is of this
        boot, so that its monotonic time can be compared)."""
        with self._lock:
            found = self._db.execute(
                "SELECT body, boot = (SELECT n FROM boot WHERE boot_id = ?) FROM open_fault"
                " WHERE daemon = ? ORDER BY kind, subject",
                (self._boot_id, self._daemon),
            ).fetchall()
        return [(msgspec.json.decode(body), bool(same)) for body, same in found]

    def forget_fault(self, kind: str, subject: str) -> None:
        """This daemon's fault stands no longer, and no row says so. On a full disk it stays."""
        named = (self._daemon, kind, subject)
        try:
            with self._lock, gate(self._path), transaction(self._db):
                self._db.execute(
                    "DELETE FROM open_fault WHERE daemon = ? AND kind = ? AND subject = ?", named
                )
        except sqlite3.OperationalError as error:
            if not disk_full(error):
                raise

    def _insert_file(self, record: int | None, file: tuple[Any, ...]) -> None:
        # The same bytes in a later revision are one file; a lost one may be found again there.
        self._db.execute(
            "INSERT INTO file (sha256, lane, role, path, size, destination, record)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256, destination)"
            " DO UPDATE SET path = excluded.path, state = ? WHERE state = ?",
            (*file, record, State.NEW, State.MISSING),
        )
        self._db.execute("INSERT OR IGNORE INTO record_file VALUES (?, ?)", (record, file[0]))

    def boot(self) -> int:
        """The number of this boot, counted by the outbox."""
        with self._lock, gate(self._path), transaction(self._db):
            return self._boot()

    def _boot(self) -> int:
        self._db.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (self._boot_id,))
        found = self._db.execute("SELECT n FROM boot WHERE boot_id = ?", (self._boot_id,))
        return int(found.fetchone()[0])

    def known(self, kind: str, key: str) -> bool:
        """Whether a row of this name is still held; released ones have a receipt instead."""
        with self._lock:
            found = self._db.execute("SELECT 1 FROM record WHERE kind = ? AND key = ?", (kind, key))
            return found.fetchone() is not None

    def without_folder(self, kind: str) -> list[dict[str, Any]]:
        """What the rows of this kind say that have no evidence folder, as far as they are held
        (Sweep.released); one that cannot be read is left out."""
        with self._lock:
            found = self._db.execute(
                "SELECT coalesce(body, payload) FROM record WHERE kind = ? AND folder IS NULL"
                " ORDER BY id",
                (kind,),
            ).fetchall()
        return [said for (body,) in found if (said := _said(body)) is not None]

    def status(self) -> dict[str, Any]:
        """Rows by kind and state, files by lane and state, counters, age of the oldest waiting."""
        with self._lock:
            return summary(self._db)


def summary(db: sqlite3.Connection) -> dict[str, Any]:
    """Records by kind and state, files by lane and state with their bytes, and since when the
    oldest waits (wall seconds): what status, page and doctor show."""
    records = db.execute("SELECT kind, state, count(*) FROM record GROUP BY kind, state")
    files = db.execute(
        "SELECT lane, state, count(*), sum(size) FROM file GROUP BY lane, state"
    ).fetchall()
    oldest = db.execute(
        "SELECT min(put_wall) FROM record WHERE state < ?", (State.PLATFORM_ACK,)
    ).fetchone()[0]
    return {
        "records": _by_state(records.fetchall()),
        "files": _by_state([row[:3] for row in files]),
        "waiting_bytes": sum(row[3] for row in files if row[1] < State.PLATFORM_ACK),
        "oldest_wall": oldest,
        "counts": dict(db.execute("SELECT name, n FROM count ORDER BY name").fetchall()),
    }


def _said(body: bytes | None) -> dict[str, Any] | None:
    """Of a row that was sealed the envelope's data, of another its body."""
    try:
        said = msgspec.json.decode(body or b"", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    data = said.get("data", said)
    return data if isinstance(data, dict) else None


def _by_state(rows: Sequence[tuple[str, int, int]]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for name, state, n in rows:
        table.setdefault(name, {})[State(state).name.lower()] = n
    return table


def _text(folder: Path | None) -> str | None:
    return None if folder is None else str(folder.absolute())


def _file_row(folder: Path | None, file: EvidenceFile) -> tuple[Any, ...]:
    if folder is None or not _NAME.fullmatch(file.path):
        raise ValueError(f"evidence file {file.path!r} is not a plain name in a folder")
    lane: Lane = "clip" if file.role == "clip" else "picture"
    return (file.sha256, lane, file.role, str(folder.absolute() / file.path), file.size)


def _manifest_row(folder: Path | None) -> list[tuple[Any, ...]]:
    if folder is None or not (folder / MANIFEST).is_file():
        return []
    data = (folder / MANIFEST).read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    return [(sha256, "picture", "manifest", str((folder / MANIFEST).absolute()), len(data))]

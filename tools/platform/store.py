"""What the reference platform keeps: records, evidence files and the devices' keys, in SQLite."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS device_key (
  device TEXT, kid TEXT, pem TEXT, PRIMARY KEY (device, kid));
CREATE TABLE IF NOT EXISTS record (
  device TEXT, id TEXT, kind TEXT, seq INTEGER, sha256 TEXT, prev TEXT, subject TEXT,
  received REAL, payload BLOB, PRIMARY KEY (device, id));
CREATE INDEX IF NOT EXISTS record_chain ON record (device, kind, seq);
CREATE TABLE IF NOT EXISTS wanted (
  device TEXT, sha256 TEXT, path TEXT, PRIMARY KEY (device, sha256, path));
CREATE TABLE IF NOT EXISTS transfer (
  device TEXT, sha256 TEXT, size INTEGER, done INTEGER DEFAULT 0, PRIMARY KEY (device, sha256));
CREATE TABLE IF NOT EXISTS part (
  device TEXT, sha256 TEXT, start INTEGER, stop INTEGER, PRIMARY KEY (device, sha256, start));
CREATE TABLE IF NOT EXISTS quarantine (
  device TEXT, topic TEXT, why TEXT, received REAL, payload BLOB);
"""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,3}")
SHA256 = re.compile(r"[0-9a-f]{64}")


class Store:
    """One folder. Call the methods inside `with store.commit():`; acknowledge after it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "platform.db", isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + SCHEMA)
        self._touched: set[Path] = set()

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Chunks reach the disk before the rows that say they did."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            for path in self._touched:
                _sync(path)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        finally:
            self._touched.clear()
        self._db.execute("COMMIT")

    def keys(self, device: str) -> dict[str, str]:
        rows = self._db.execute("SELECT kid, pem FROM device_key WHERE device = ?", (device,))
        return dict(rows.fetchall())

    def add_key(self, device: str, kid: str, pem: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO device_key VALUES (?, ?, ?)", (device, kid, pem))

    def add_record(self, device: str, kind: str, told: dict[str, Any], payload: bytes) -> str:
        """Keep one record; the same id again is the same record. Returns its hash."""
        sha256 = hashlib.sha256(payload).hexdigest()
        self._db.execute(
            "INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (device, told["id"], kind, told["seq"], sha256, told["prev"], told["subject"],
             time.time(), payload),
        )  # fmt: skip
        return sha256

    def record_sha256(self, device: str, record_id: str) -> str | None:
        found = self._db.execute(
            "SELECT sha256 FROM record WHERE device = ? AND id = ?", (device, record_id)
        ).fetchone()
        return found[0] if found else None

    def want(self, device: str, sha256: str, path: str) -> None:
        """A record lists this file; it appears under `path` as soon as its bytes are here."""
        if not (SHA256.fullmatch(sha256) and NAME.fullmatch(path)):
            raise ValueError(f"not a file of a violation: {path!r}")
        self._db.execute("INSERT OR IGNORE INTO wanted VALUES (?, ?, ?)", (device, sha256, path))
        if self.done(device, sha256):
            self._lay_out(device, sha256)

    def done(self, device: str, sha256: str) -> bool:
        found = self._db.execute(
            "SELECT done FROM transfer WHERE device = ? AND sha256 = ?", (device, sha256)
        ).fetchone()
        return bool(found and found[0])

    def announce(self, device: str, sha256: str, size: int) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO transfer (device, sha256, size) VALUES (?, ?, ?)",
            (device, sha256, size),
        )

    def write(self, device: str, sha256: str, offset: int, data: bytes) -> None:
        """Keep one chunk; one that was not announced or lies outside is left out."""
        size = self._size(device, sha256)
        if size is None or offset + len(data) > size or self.done(device, sha256):
            return
        path = self.blob(device, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, data, offset)
        finally:
            os.close(handle)
        self._touched.add(path)
        self._db.execute(
            "INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?)",
            (device, sha256, offset, offset + len(data)),
        )

    def gaps(self, device: str, sha256: str) -> list[tuple[int, int]]:
        """Byte ranges [from, to) that are not here yet."""
        size = self._size(device, sha256) or 0
        rows = self._db.execute(
            "SELECT start, stop FROM part WHERE device = ? AND sha256 = ? ORDER BY start",
            (device, sha256),
        )
        gaps, at = [], 0
        for start, stop in rows.fetchall():
            if start > at:
                gaps.append((at, start))
            at = max(at, stop)
        return [*gaps, (at, size)] if at < size else gaps

    def finish(self, device: str, sha256: str) -> bool:
        """Check the whole file; false, and from its start again, where the hash does not fit."""
        path = self.blob(device, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            path.unlink()
            self._db.execute("DELETE FROM part WHERE device = ? AND sha256 = ?", (device, sha256))
            return False
        _sync(path)
        self._db.execute(
            "UPDATE transfer SET done = 1 WHERE device = ? AND sha256 = ?", (device, sha256)
        )
        self._lay_out(device, sha256)
        return True

    def place(self, device: str, path: str, data: bytes) -> None:
        """A small file of a violation's folder, such as its envelope."""
        target = self.evidence(device) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        _sync(target)

    def _lay_out(self, device: str, sha256: str) -> None:
        rows = self._db.execute(
            "SELECT path FROM wanted WHERE device = ? AND sha256 = ?", (device, sha256)
        )
        for (path,) in rows.fetchall():
            target = self.evidence(device) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                os.link(self.blob(device, sha256), target)

    def quarantine(self, device: str, topic: str, why: str, payload: bytes) -> None:
        self._db.execute(
            "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)",
            (device, topic, why, time.time(), payload),
        )

    def _size(self, device: str, sha256: str) -> int | None:
        found = self._db.execute(
            "SELECT size FROM transfer WHERE device = ? AND sha256 = ?", (device, sha256)
        ).fetchone()
        return found[0] if found else None

    def blob(self, device: str, sha256: str) -> Path:
        return self.folder / "blobs" / device / sha256

    def evidence(self, device: str) -> Path:
        return self.folder / "evidence" / device

    def summary(self) -> dict[str, Any]:
        rows = self._db.execute("SELECT kind, count(*) FROM record GROUP BY kind").fetchall()
        files = self._db.execute("SELECT count(*), coalesce(sum(done), 0) FROM transfer").fetchone()
        bad = self._db.execute("SELECT count(*) FROM quarantine").fetchone()[0]
        return {
            "records": dict(rows),
            "files": files[0],
            "complete": files[1],
            "quarantined": bad,
            "gaps": self.sequence_gaps(),
        }

    def sequence_gaps(self) -> list[dict[str, Any]]:
        """Numbers missing inside a device's chains: each a record lost, or still on its way."""
        rows = self._db.execute(
            "SELECT device, kind, seq, lead(seq) OVER (PARTITION BY device, kind ORDER BY seq)"
            " FROM record"
        )
        return [
            {"device": device, "kind": kind, "after": seq, "before": following}
            for device, kind, seq, following in rows
            if following is not None and following > seq + 1
        ]

    def close(self) -> None:
        self._db.close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the reference platform keeps: records, evidence files, chain heads and the devices' keys.

Rows stand in SQLite or PostgreSQL, bytes in a folder or a bucket. Receivers that share the load
share both.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from city_platform.bucket import BucketFiles
from city_platform.database import Database, Postgres, Sqlite
from city_platform.files import Files, FolderFiles
from edge.uplink import messages as m

SCHEMA = """
CREATE TABLE IF NOT EXISTS device_key (
  device TEXT, kid TEXT, pem TEXT, PRIMARY KEY (device, kid));
CREATE TABLE IF NOT EXISTS record (
  device TEXT, id TEXT, kind TEXT, seq BIGINT, sha256 TEXT, prev TEXT, subject TEXT,
  received REAL, payload BLOB, PRIMARY KEY (device, id));
CREATE INDEX IF NOT EXISTS record_chain ON record (device, kind, seq);
CREATE TABLE IF NOT EXISTS violation (
  device TEXT, id TEXT, revision BIGINT, record TEXT, received REAL,
  PRIMARY KEY (device, id, revision));
CREATE TABLE IF NOT EXISTS head (
  device TEXT, kind TEXT, seq BIGINT, sha256 TEXT, PRIMARY KEY (device, kind));
CREATE TABLE IF NOT EXISTS wanted (
  device TEXT, sha256 TEXT, path TEXT, PRIMARY KEY (device, sha256, path));
CREATE TABLE IF NOT EXISTS transfer (
  device TEXT, sha256 TEXT, size BIGINT, done INTEGER DEFAULT 0, PRIMARY KEY (device, sha256));
CREATE TABLE IF NOT EXISTS part (
  device TEXT, sha256 TEXT, start BIGINT, stop BIGINT, PRIMARY KEY (device, sha256, start));
CREATE TABLE IF NOT EXISTS quarantine (
  device TEXT, topic TEXT, why TEXT, received REAL, payload BLOB);
"""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*){0,3}")
SHA256 = re.compile(r"[0-9a-f]{64}")
FILE_MAX = 2_000_000_000


class Store:
    """One folder. Call the methods inside `with store.commit():`; acknowledge after it.

    database: URL of a PostgreSQL database; None for SQLite inside the folder.
    bucket: URL of a bucket; None for files inside the folder. Raises NoDatabase, NoFiles.
    """

    def __init__(
        self, folder: Path, database: str | None = None, bucket: str | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.files: Files = BucketFiles(bucket) if bucket else FolderFiles(folder)
        self._db: Database = (
            Postgres(database, SCHEMA) if database else Sqlite(folder / "platform.db", SCHEMA)
        )

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Bytes are durable before the rows that say they are."""
        with self._db.transaction():
            yield
            self.files.sync()

    def keys(self, device: str) -> dict[str, str]:
        return dict(self._db.rows("SELECT kid, pem FROM device_key WHERE device = ?", (device,)))

    def add_key(self, device: str, kid: str, pem: str) -> None:
        self._insert("device_key", (device, kid, pem))

    def _insert(self, table: str, values: tuple[Any, ...]) -> None:
        """A row that is there already stays as it is. `table` is one of SCHEMA's."""
        marks = ", ".join("?" * len(values))
        self._db.run(f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING", values)  # noqa: S608

    def add_record(self, device: str, kind: str, told: m.Envelope, payload: bytes) -> bool:
        """Keep one record; false where it was here before.

        Raises ValueError where other bytes stand under the same id.
        """
        if "\0" in told.id + told.subject:
            raise ValueError("NUL in id or subject")
        sha256 = hashlib.sha256(payload).hexdigest()
        before = self._record_sha256(device, told.id)
        row = (
            device,
            told.id,
            kind,
            told.seq,
            sha256,
            told.prev,
            told.subject,
            time.time(),
            payload,
        )
        if before is None:
            self._insert("record", row)
        if self._record_sha256(device, told.id) != sha256:
            raise ValueError(f"{told.id} came before with other bytes")
        return before is None

    def _record_sha256(self, device: str, record_id: str) -> str | None:
        rows = self._db.rows(
            "SELECT sha256 FROM record WHERE device = ? AND id = ?", (device, record_id)
        )
        return rows[0][0] if rows else None

    def add_violation(self, device: str, data: m.ViolationData, record_id: str) -> None:
        """The first record of each revision stands in the list; a second one only in `record`."""
        self._insert("violation", (device, data.id, data.revision, record_id, time.time()))

    def add_heads(self, device: str, heads: dict[str, m.ChainEnd]) -> None:
        """How far the device says its chains go."""
        for kind, end in heads.items():
            self._db.run(
                "INSERT INTO head VALUES (?, ?, ?, ?) ON CONFLICT (device, kind) DO UPDATE"
                " SET seq = excluded.seq, sha256 = excluded.sha256 WHERE head.seq < excluded.seq",
                (device, kind, end.seq, end.sha256),
            )

    def want(self, device: str, sha256: str, path: str) -> None:
        """A record lists this file; it appears under `path` as soon as its bytes are here."""
        if not (SHA256.fullmatch(sha256) and NAME.fullmatch(path)):
            raise ValueError(f"not a file of a violation: {path!r}")
        self._insert("wanted", (device, sha256, path))
        if self.done(device, sha256):
            self._lay_out(device, sha256)

    def done(self, device: str, sha256: str) -> bool:
        rows = self._db.rows(
            "SELECT done FROM transfer WHERE device = ? AND sha256 = ?", (device, sha256)
        )
        return bool(rows and rows[0][0])

    def announce(self, device: str, sha256: str, size: int) -> None:
        if size > FILE_MAX:
            raise ValueError(f"a file of {size} bytes")
        self._insert("transfer", (device, sha256, size, 0))

    def write(self, device: str, sha256: str, offset: int, data: bytes) -> None:
        """Keep one chunk; one that was not announced or lies outside is left out."""
        size = self._size(device, sha256)
        if size is None or offset + len(data) > size or self.done(device, sha256):
            return
        self.files.write(device, sha256, offset, data)
        self._db.run(
            "INSERT INTO part VALUES (?, ?, ?, ?) ON CONFLICT (device, sha256, start)"
            " DO UPDATE SET stop = excluded.stop WHERE part.stop < excluded.stop",
            (device, sha256, offset, offset + len(data)),
        )

    def _parts(self, device: str, sha256: str) -> list[tuple[int, int]]:
        rows = self._db.rows(
            "SELECT start, stop FROM part WHERE device = ? AND sha256 = ? ORDER BY start",
            (device, sha256),
        )
        return [(start, stop) for start, stop in rows]

    def gaps(self, device: str, sha256: str) -> list[tuple[int, int]]:
        """Byte ranges [from, to) that are not here yet."""
        size = self._size(device, sha256) or 0
        gaps, at = [], 0
        for start, stop in self._parts(device, sha256):
            if start > at:
                gaps.append((at, start))
            at = max(at, stop)
        return [*gaps, (at, size)] if at < size else gaps

    def finish(self, device: str, sha256: str) -> bool:
        """Check the whole file; false, and from its start again, where the hash does not fit."""
        if not self.files.assemble(device, sha256, self._parts(device, sha256)):
            self._db.run("DELETE FROM part WHERE device = ? AND sha256 = ?", (device, sha256))
            return False
        self._db.run(
            "UPDATE transfer SET done = 1 WHERE device = ? AND sha256 = ?", (device, sha256)
        )
        self._lay_out(device, sha256)
        return True

    def place(self, device: str, path: str, data: bytes) -> None:
        """A small file of a violation's folder, such as its envelope."""
        self.files.place(device, path, data)

    def _lay_out(self, device: str, sha256: str) -> None:
        rows = self._db.rows(
            "SELECT path FROM wanted WHERE device = ? AND sha256 = ?", (device, sha256)
        )
        for (path,) in rows:
            self.files.lay_out(device, sha256, path)

    def quarantine(self, device: str, topic: str, why: str, payload: bytes) -> None:
        told = why.replace("\0", "")
        self._insert("quarantine", (device, topic, told, time.time(), payload))

    def _size(self, device: str, sha256: str) -> int | None:
        rows = self._db.rows(
            "SELECT size FROM transfer WHERE device = ? AND sha256 = ?", (device, sha256)
        )
        return rows[0][0] if rows else None

    def here(self, device: str, path: str) -> bool:
        """Whether a listed file has come whole."""
        rows = self._db.rows(
            "SELECT 1 FROM wanted w JOIN transfer t ON t.device = w.device AND t.sha256 = w.sha256"
            " WHERE w.device = ? AND w.path = ? AND t.done = 1",
            (device, path),
        )
        return bool(rows)

    def latest(self, count: int) -> list[tuple[str, float, bytes]]:
        """Device, time of receipt and payload of the violations that came last."""
        return [
            (device, received, bytes(payload))
            for device, received, payload in self._db.rows(
                "SELECT v.device, v.received, r.payload FROM violation v"
                " JOIN record r ON r.device = v.device AND r.id = v.record"
                " ORDER BY v.received DESC LIMIT ?",
                (count,),
            )
        ]

    def summary(self) -> dict[str, Any]:
        """Counts of the whole store, with missing sequence numbers and broken chains."""
        rows = self._db.rows("SELECT kind, count(*) FROM record GROUP BY kind")
        files = self._db.rows("SELECT count(*), coalesce(sum(done), 0) FROM transfer")[0]
        bad = self._db.rows("SELECT count(*) FROM quarantine")[0][0]
        return {
            "records": dict(rows),
            "files": files[0],
            "complete": files[1],
            "quarantined": bad,
            "gaps": self.sequence_gaps(),
            "breaks": self.chain_breaks(),
        }

    def sequence_gaps(self) -> list[dict[str, Any]]:
        """Numbers missing in a device's chains: each a record lost, or still on its way.

        At the start, in the middle, and at the end, where the signed head says there are more.
        """
        rows = self._db.rows(
            "SELECT device, kind, coalesce(lag(seq) OVER (PARTITION BY device, kind ORDER BY seq),"
            " 0), seq FROM record UNION ALL"
            " SELECT h.device, h.kind, coalesce(max(r.seq), 0), h.seq + 1 FROM head h"
            " LEFT JOIN record r ON r.device = h.device AND r.kind = h.kind"
            " GROUP BY h.device, h.kind, h.seq"
        )
        return [
            {"device": device, "kind": kind, "after": after, "before": before}
            for device, kind, after, before in sorted(rows)
            if before > after + 1
        ]

    def chain_breaks(self) -> list[dict[str, Any]]:
        """Records whose `prev` is not the hash of the one before, or that stand twice."""
        rows = self._db.rows(
            "SELECT device, kind, seq, prev, lag(seq) OVER chain, lag(sha256) OVER chain"
            " FROM record WINDOW chain AS (PARTITION BY device, kind ORDER BY seq)"
        )
        return [
            {"device": device, "kind": kind, "seq": seq}
            for device, kind, seq, prev, seq_before, sha256 in rows
            if seq_before == seq or (seq_before == seq - 1 and prev != sha256)
        ]

    def close(self) -> None:
        self._db.close()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the reference platform keeps: records, evidence files, chain heads and the devices' keys.

Rows stand in SQLite or PostgreSQL, bytes in a folder or a bucket. Receivers that share the load
share both. Every key begins with tenant and device, and nothing that stands is replaced by what
comes later.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from city_platform import registry, wave_store
from city_platform.bucket import BucketFiles
from city_platform.database import Database, NoDatabase, Postgres, Sqlite
from city_platform.files import Box, Files, FolderFiles, NoFiles
from city_platform.quotas import CHUNK_LEAST, FILE_MAX, PARTS_SPARE, Limits, Quotas
from edge.uplink import messages as m

SCHEMA = """
CREATE TABLE IF NOT EXISTS device_key (
  tenant TEXT, device TEXT, kid TEXT, pem TEXT, PRIMARY KEY (tenant, device, kid));
CREATE TABLE IF NOT EXISTS record (
  tenant TEXT, device TEXT, id TEXT, kind TEXT, seq BIGINT, sha256 TEXT, prev TEXT, subject TEXT,
  received REAL, payload BLOB, PRIMARY KEY (tenant, device, id));
CREATE INDEX IF NOT EXISTS record_chain ON record (tenant, device, kind, seq);
CREATE TABLE IF NOT EXISTS violation (
  tenant TEXT, device TEXT, id TEXT, revision BIGINT, record TEXT, received REAL,
  PRIMARY KEY (tenant, device, id, revision));
CREATE TABLE IF NOT EXISTS head (
  tenant TEXT, device TEXT, kind TEXT, seq BIGINT, sha256 TEXT,
  PRIMARY KEY (tenant, device, kind));
CREATE TABLE IF NOT EXISTS wanted (
  tenant TEXT, device TEXT, path TEXT, sha256 TEXT, PRIMARY KEY (tenant, device, path));
CREATE INDEX IF NOT EXISTS wanted_hash ON wanted (tenant, device, sha256);
CREATE TABLE IF NOT EXISTS transfer (
  tenant TEXT, device TEXT, sha256 TEXT, size BIGINT, touched REAL, done INTEGER DEFAULT 0,
  PRIMARY KEY (tenant, device, sha256));
CREATE TABLE IF NOT EXISTS part (
  tenant TEXT, device TEXT, sha256 TEXT, start BIGINT, stop BIGINT,
  PRIMARY KEY (tenant, device, sha256, start));
CREATE TABLE IF NOT EXISTS quarantine (
  tenant TEXT, device TEXT, sha256 TEXT, topic TEXT, why TEXT, received REAL, payload BLOB,
  times BIGINT, PRIMARY KEY (tenant, device, sha256));
"""
SCHEMA += wave_store.SCHEMA + registry.SCHEMA
KEYS_MOST = 64
OLDER = "was made by an older receiver, whose keys had no tenant: give a new folder or database"


def open_database(folder: Path, url: str | None) -> Database:
    """The store's database: PostgreSQL by its URL, SQLite in the folder without one. Raises
    NoDatabase."""
    where = url or str(folder / "platform.db")
    try:
        return Postgres(url, SCHEMA) if url else Sqlite(folder / "platform.db", SCHEMA)
    except NoDatabase as error:
        raise NoDatabase(f"{where} {OLDER}" if "tenant" in str(error) else str(error)) from None


class Store:
    """One folder. Call the methods inside `with store.commit():`; acknowledge after it.

    database: URL of a PostgreSQL database; None for SQLite inside the folder.
    bucket: URL of a bucket; None for files inside the folder. Raises NoDatabase, NoFiles.
    """

    def __init__(
        self,
        folder: Path,
        database: str | None = None,
        bucket: str | None = None,
        *,
        limits: Limits | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.files: Files = BucketFiles(bucket) if bucket else FolderFiles(folder)
        self.database = self._db = open_database(folder, database)
        self.registry = registry.BoxRegistry(self._db)
        # Of one commit: other receivers and tools/boxes change them in between.
        self._keys: dict[Box, dict[str, str]] = {}
        self.quotas = Quotas(self._db, self.files, limits or Limits())

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Bytes are durable before the rows that say they are."""
        try:
            with self._db.transaction():
                yield
                try:
                    self.files.sync()
                except OSError as error:
                    raise NoFiles(str(error)) from None
        finally:
            self._keys = {}
            self.registry.forget()

    def apart(self) -> AbstractContextManager[None]:
        """One message inside a commit: undone alone where it raises."""
        return self._db.apart()

    def prepare(self, boxes: Collection[Box]) -> None:
        """Read at once what every message of these boxes asks for; held until the commit ends."""
        if not boxes:
            return
        marks = ", ".join(["(?, ?)"] * len(boxes))
        names = [word for box in boxes for word in box]
        sql = (
            "SELECT tenant, device, kid, pem FROM device_key"  # noqa: S608
            f" WHERE (tenant, device) IN (VALUES {marks})"
        )
        self._keys = {box: {} for box in boxes}
        for tenant, device, kid, pem in self._db.rows(sql, names):
            self._keys[Box(tenant, device)][kid] = pem
        self.registry.prepare(boxes)

    def keys(self, box: Box) -> dict[str, str]:
        if box in self._keys:
            return self._keys[box]
        sql = "SELECT kid, pem FROM device_key WHERE tenant = ? AND device = ?"
        return dict(self._db.rows(sql, box))

    def add_key(self, box: Box, kid: str, pem: str) -> None:
        """Raises ValueError above KEYS_MOST, and where the id stands for another key."""
        known = self.keys(box)
        if known.get(kid, pem) != pem:
            raise ValueError(f"key {kid} stands for another one")
        if kid not in known and len(known) >= KEYS_MOST:
            raise ValueError(f"more than {KEYS_MOST} keys")
        self._insert("device_key", (*box, kid, pem))
        self._keys.pop(box, None)

    def _insert(self, table: str, values: tuple[Any, ...]) -> bool:
        """Whether it is new: a row that is there already stays as it is. `table` is one of
        SCHEMA's."""
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING 1"  # noqa: S608
        return bool(self._db.rows(sql, values))

    def add_record(self, box: Box, kind: str, told: m.Envelope, payload: bytes) -> bool:
        """Keep one record; false where it was here before.

        Raises ValueError where other bytes stand under the same id.
        """
        if "\0" in told.subject:
            raise ValueError("NUL in subject")
        sha256 = hashlib.sha256(payload).hexdigest()
        row = (told.id, kind, told.seq, sha256, told.prev, told.subject, time.time(), payload)
        fresh = self._insert("record", (*box, *row))
        if not fresh and self._record_sha256(box, told.id) != sha256:
            raise ValueError(f"{told.id} came before with other bytes")
        return fresh

    def _record_sha256(self, box: Box, record_id: str) -> str | None:
        rows = self._db.rows(
            "SELECT sha256 FROM record WHERE tenant = ? AND device = ? AND id = ?",
            (*box, record_id),
        )
        return rows[0][0] if rows else None

    def add_violation(self, box: Box, data: m.ViolationData, record_id: str) -> bool:
        """Whether this record is the first of its revision; a second one of the same content, as
        after the loss of a box's database, stands only in `record`.

        Raises ValueError for a second one that says something else.
        """
        if self._insert("violation", (*box, data.id, data.revision, record_id, time.time())):
            return True
        ((first, payload),) = self._db.rows(
            "SELECT r.id, r.payload FROM violation v JOIN record r ON r.tenant = v.tenant"
            " AND r.device = v.device AND r.id = v.record"
            " WHERE v.tenant = ? AND v.device = ? AND v.id = ? AND v.revision = ?",
            (*box, data.id, data.revision),
        )
        said = msgspec.convert(msgspec.json.decode(payload)["data"], m.ViolationData)
        if said != data:
            raise ValueError(f"{data.id} r{data.revision} came before and said something else")
        return bool(first == record_id)

    def add_heads(self, box: Box, heads: dict[str, m.ChainEnd]) -> bool:
        """How far the device says its chains go; whether none of them is behind what it said."""
        sql = "SELECT kind, seq FROM head WHERE tenant = ? AND device = ?"
        before: dict[str, int] = dict(self._db.rows(sql, box))
        for kind, end in heads.items():
            self._db.run(
                "INSERT INTO head VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, device, kind)"
                " DO UPDATE SET seq = excluded.seq, sha256 = excluded.sha256"
                " WHERE head.seq < excluded.seq",
                (*box, kind, end.seq, end.sha256),
            )
        return all(kind in heads and heads[kind].seq >= seq for kind, seq in before.items())

    def want(self, box: Box, sha256: str, path: str) -> None:
        """A record lists this file; it appears under `path` as soon as its bytes are here.

        Raises ValueError where another file is listed under that path.
        """
        self._insert("wanted", (*box, path, sha256))
        sql = "SELECT sha256 FROM wanted WHERE tenant = ? AND device = ? AND path = ?"
        if self._db.rows(sql, (*box, path))[0][0] != sha256:
            raise ValueError(f"{path}: another file is listed under that name")
        if self.done(box, sha256):
            self.files.lay_out(box, sha256, path)

    def done(self, box: Box, sha256: str) -> bool:
        rows = self._db.rows(
            "SELECT done FROM transfer WHERE tenant = ? AND device = ? AND sha256 = ?",
            (*box, sha256),
        )
        return bool(rows and rows[0][0])

    def announce(self, box: Box, sha256: str, size: int) -> bool:
        """Whether the file may come now. Raises ValueError for one that never may."""
        if size > FILE_MAX:
            raise ValueError(f"a file of {size} bytes")
        known = self._size(box, sha256)
        if known is None and not self.quotas.room(box, size):
            return False
        if known is not None and known != size and not self.done(box, sha256):
            self.quotas.forget(box, sha256)
        self._insert("transfer", (*box, sha256, size, time.time(), 0))
        return True

    def write(self, box: Box, sha256: str, offset: int, data: bytes) -> None:
        """Keep one chunk; one that was not announced or lies outside is left out. A file cut into
        crumbs begins anew."""
        size = self._size(box, sha256)
        if size is None or offset + len(data) > size or self.done(box, sha256):
            return
        self.files.write(box, sha256, offset, data)
        self._db.run(
            "INSERT INTO part VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant, device, sha256, start)"
            " DO UPDATE SET stop = excluded.stop WHERE part.stop < excluded.stop",
            (*box, sha256, offset, offset + len(data)),
        )
        self._db.run(
            "UPDATE transfer SET touched = ? WHERE tenant = ? AND device = ? AND sha256 = ?",
            (time.time(), *box, sha256),
        )
        sql = "SELECT count(*) FROM part WHERE tenant = ? AND device = ? AND sha256 = ?"
        if self._db.rows(sql, (*box, sha256))[0][0] > PARTS_SPARE + size // CHUNK_LEAST:
            self._again(box, sha256)

    def _again(self, box: Box, sha256: str) -> None:
        sql = "DELETE FROM part WHERE tenant = ? AND device = ? AND sha256 = ?"
        self._db.run(sql, (*box, sha256))

    def _parts(self, box: Box, sha256: str) -> list[tuple[int, int]]:
        rows = self._db.rows(
            "SELECT start, stop FROM part"
            " WHERE tenant = ? AND device = ? AND sha256 = ? ORDER BY start",
            (*box, sha256),
        )
        return [(start, stop) for start, stop in rows]

    def gaps(self, box: Box, sha256: str) -> list[tuple[int, int]]:
        """Byte ranges [from, to) that are not here yet."""
        size = self._size(box, sha256) or 0
        gaps, at = [], 0
        for start, stop in self._parts(box, sha256):
            if start > at:
                gaps.append((at, start))
            at = max(at, stop)
        return [*gaps, (at, size)] if at < size else gaps

    def finish(self, box: Box, sha256: str) -> bool:
        """Check the whole file; false, and from its start again, where the hash does not fit."""
        if not self.files.assemble(box, sha256, self._parts(box, sha256)):
            self._again(box, sha256)
            return False
        self._db.run(
            "UPDATE transfer SET done = 1 WHERE tenant = ? AND device = ? AND sha256 = ?",
            (*box, sha256),
        )
        for (path,) in self._db.rows(
            "SELECT path FROM wanted WHERE tenant = ? AND device = ? AND sha256 = ?",
            (*box, sha256),
        ):
            self.files.lay_out(box, sha256, path)
        return True

    def _size(self, box: Box, sha256: str) -> int | None:
        rows = self._db.rows(
            "SELECT size FROM transfer WHERE tenant = ? AND device = ? AND sha256 = ?",
            (*box, sha256),
        )
        return rows[0][0] if rows else None

    def here(self, box: Box, path: str) -> bool:
        """Whether a listed file has come whole."""
        rows = self._db.rows(
            "SELECT 1 FROM wanted w JOIN transfer t ON t.tenant = w.tenant"
            " AND t.device = w.device AND t.sha256 = w.sha256"
            " WHERE w.tenant = ? AND w.device = ? AND w.path = ? AND t.done = 1",
            (*box, path),
        )
        return bool(rows)

    def latest(self, count: int) -> list[tuple[Box, float, bytes]]:
        """Whose, time of receipt and payload of the violations that came last."""
        return [
            (Box(tenant, device), received, bytes(payload))
            for tenant, device, received, payload in self._db.rows(
                "SELECT v.tenant, v.device, v.received, r.payload FROM violation v"
                " JOIN record r ON r.tenant = v.tenant AND r.device = v.device AND r.id = v.record"
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
            "SELECT tenant, device, kind,"
            " coalesce(lag(seq) OVER (PARTITION BY tenant, device, kind ORDER BY seq), 0), seq"
            " FROM record UNION ALL"
            " SELECT h.tenant, h.device, h.kind, coalesce(max(r.seq), 0), h.seq + 1 FROM head h"
            " LEFT JOIN record r ON r.tenant = h.tenant AND r.device = h.device"
            " AND r.kind = h.kind GROUP BY h.tenant, h.device, h.kind, h.seq"
        )
        return [
            {"tenant": tenant, "device": device, "kind": kind, "after": after, "before": before}
            for tenant, device, kind, after, before in sorted(rows)
            if before > after + 1
        ]

    def chain_breaks(self) -> list[dict[str, Any]]:
        """Records whose `prev` is not the hash of the one before, or that stand twice."""
        rows = self._db.rows(
            "SELECT tenant, device, kind, seq, prev, lag(seq) OVER chain, lag(sha256) OVER chain"
            " FROM record WINDOW chain AS (PARTITION BY tenant, device, kind ORDER BY seq)"
        )
        return [
            {"tenant": tenant, "device": device, "kind": kind, "seq": seq}
            for tenant, device, kind, seq, prev, seq_before, sha256 in rows
            if seq_before == seq or (seq_before == seq - 1 and prev != sha256)
        ]

    def close(self) -> None:
        self._db.close()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The side of edge-uplinkd: the only place where a record or file changes its state."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edge.outbox.outbox import summary
from edge.outbox.schema import PLATFORM, State, connect, transaction

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One record. `payload` and what comes with it is None until it was sealed."""

    id: int
    lane: str
    kind: str
    key: str
    boot: int
    put_wall: float
    body: bytes | None
    folder: str | None
    seq: int | None
    record_id: str | None
    payload: bytes | None
    sha256: str | None
    refused: int


@dataclass(frozen=True, slots=True)
class FileRow:
    """One evidence file; `record` is the row that brought it first."""

    sha256: str
    lane: str
    role: str
    path: str
    size: int
    record: int
    refused: int


@dataclass(frozen=True, slots=True)
class ChainPosition:
    """The end of one chain: the last sequence number given and the hash of that record."""

    seq: int = 0
    sha256: str = GENESIS


@dataclass(frozen=True, slots=True)
class SealedRecord:
    """What sealing assigns, once: the exact bytes to publish and their SHA-256."""

    seq: int | None
    record_id: str
    payload: bytes
    sha256: str


# Around the work for one row: what happens where it fails by a bug (edge.isolation).
WorkingFor = Callable[[OutboxRow], AbstractContextManager[None]]

_ROW = "id, lane, kind, key, boot, put_wall, body, folder, seq, record_id, payload, sha256, refused"
_FILE = "sha256, lane, role, path, size, record, refused"


class Dispatch:
    """Claims, seals and marks the rows of one destination. Every write happens inside
    `with dispatch.commit():`."""

    def __init__(self, path: Path, destination: str = PLATFORM) -> None:
        self._db, self._to = connect(path), destination
        self._version = -1
        with self.commit():
            self.requeue()

    def close(self) -> None:
        self._db.close()

    def commit(self) -> AbstractContextManager[None]:
        """One transaction, one fsync."""
        return transaction(self._db)

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of a commit: where it raises, nothing of it happened, and the rest may go on."""
        self._db.execute("SAVEPOINT part")
        with ExitStack() as undone:
            undone.callback(self._undo_part)
            yield
            undone.pop_all()
        self._db.execute("RELEASE part")

    def _undo_part(self) -> None:
        # SQLite itself rolls all of it back where the disk is full.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK TO part")
            self._db.execute("RELEASE part")

    def changed(self) -> bool:
        """Whether another process committed since the last call; reads shared memory only."""
        version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
        changed, self._version = version != self._version, version
        return changed

    def requeue(self) -> int:
        """All that was on its way waits again: a repeat is byte-identical and does no harm."""
        moved = 0
        for table in ("record", "file"):
            done = self._db.execute(
                f"UPDATE {table} SET state = ? WHERE state IN (?, ?)"  # noqa: S608  two literals
                " AND destination = ?",
                (State.NEW, State.INFLIGHT, State.BROKER_ACK, self._to),
            )
            moved += done.rowcount
        return moved

    def requeue_unconfirmed(self) -> None:
        """After a lost connection: records without a PUBACK and files without a `have` wait
        again; the platform will say which bytes of a file it has."""
        self._db.execute(
            "UPDATE record SET state = ? WHERE state = ? AND destination = ?",
            (State.NEW, State.INFLIGHT, self._to),
        )
        self._db.execute(
            "UPDATE file SET state = ? WHERE state IN (?, ?) AND destination = ?",
            (State.NEW, State.INFLIGHT, State.BROKER_ACK, self._to),
        )

    def waiting(self, kind: str) -> bool:
        """Whether there is anything to claim; costs no write."""
        found = self._db.execute(
            "SELECT 1 FROM record WHERE state = ? AND kind = ? AND destination = ? LIMIT 1",
            (State.NEW, kind, self._to),
        )
        return found.fetchone() is not None

    def claim(
        self,
        kind: str,
        limit: int,
        seal: Callable[[OutboxRow, ChainPosition], SealedRecord],
        working_for: WorkingFor = lambda row: nullcontext(),
    ) -> list[OutboxRow]:
        """The oldest waiting rows of a kind, sealed where they were not, now INFLIGHT; without
        those that `working_for` takes out.

        `seal(row, head)` is called once in the life of a record; a kind without a sequence
        gives `seq` None. One chain for each kind.
        """
        found = self._db.execute(
            f"SELECT {_ROW} FROM record WHERE state = ? AND kind = ? AND destination = ?"  # noqa: S608
            " ORDER BY id LIMIT ?",
            (State.NEW, kind, self._to, limit),
        ).fetchall()
        rows: list[OutboxRow] = []
        for values in found:
            row = OutboxRow(*values)
            with working_for(row), self.part():
                rows.append(self._sealed(row, seal))
        self.mark([row.id for row in rows], State.INFLIGHT)
        return rows

    def _sealed(
        self, row: OutboxRow, seal: Callable[[OutboxRow, ChainPosition], SealedRecord]
    ) -> OutboxRow:
        if row.payload is not None:
            return row
        head = self.head(row.kind)
        sealed = seal(row, head)
        self._db.execute(
            "UPDATE record SET body = NULL, seq = ?, record_id = ?, payload = ?, sha256 = ?"
            " WHERE id = ?",
            (sealed.seq, sealed.record_id, sealed.payload, sealed.sha256, row.id),
        )
        if sealed.seq is not None and sealed.seq > head.seq:
            self.set_head(row.kind, ChainPosition(sealed.seq, sealed.sha256))
        return replace(
            row,
            body=None,
            seq=sealed.seq,
            record_id=sealed.record_id,
            payload=sealed.payload,
            sha256=sealed.sha256,
        )

    def head(self, chain: str) -> ChainPosition:
        """The end of a chain; a chain is named after the kind of its records."""
        found = self._db.execute(
            "SELECT seq, sha256 FROM head WHERE chain = ?", (self._chain(chain),)
        )
        row = found.fetchone()
        return ChainPosition(*row) if row else ChainPosition()

    def set_head(self, chain: str, head: ChainPosition) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO head VALUES (?, ?, ?)",
            (self._chain(chain), head.seq, head.sha256),
        )

    def _chain(self, kind: str) -> str:
        return kind if self._to == PLATFORM else f"{self._to}/{kind}"

    def highest_seq(self, kind: str) -> int:
        """The highest number that any row still here was given."""
        found = self._db.execute(
            "SELECT max(seq) FROM record WHERE kind = ? AND destination = ?", (kind, self._to)
        ).fetchone()
        return int(found[0] or 0)

    def mark(self, ids: Iterable[int], state: State) -> None:
        """Move records to a state on their way; nothing acknowledged ever moves back."""
        self._db.executemany(
            "UPDATE record SET state = ? WHERE id = ? AND state <> ?",
            [(state, row_id, State.PLATFORM_ACK) for row_id in ids],
        )

    def mark_passed(self, ids: Iterable[int]) -> None:
        """The broker has them: INFLIGHT becomes BROKER_ACK."""
        self._db.executemany(
            "UPDATE record SET state = ? WHERE id = ? AND state = ?",
            [(State.BROKER_ACK, row_id, State.INFLIGHT) for row_id in ids],
        )

    def sent(self, record_id: str, sha256: str) -> OutboxRow | None:
        """The record with this id and exactly these bytes; costs no write."""
        found = self._db.execute(
            f"SELECT {_ROW} FROM record WHERE record_id = ? AND sha256 = ? AND destination = ?",  # noqa: S608
            (record_id, sha256, self._to),
        ).fetchone()
        return None if found is None else OutboxRow(*found)

    def acknowledge(self, record_id: str, sha256: str, receipt: bytes) -> OutboxRow | None:
        """Release the record that has this id and exactly these bytes; None for no such record."""
        row = self.sent(record_id, sha256)
        if row is not None:
            self._db.execute(
                "UPDATE record SET state = ?, receipt = ? WHERE id = ? AND state <> ?",
                (State.PLATFORM_ACK, receipt, row.id, State.PLATFORM_ACK),
            )
        return row

    def refuse(self, row_id: int, note: str) -> int:
        """Count one refusal of a record; returns how often it was refused so far."""
        done = self._db.execute(
            "UPDATE record SET refused = refused + 1, note = ?, state = ?"
            " WHERE id = ? AND state <> ? RETURNING refused",
            (note, State.NEW, row_id, State.PLATFORM_ACK),
        ).fetchone()
        return int(done[0]) if done else 0

    def bury(self, row_id: int, note: str, state: State = State.DEAD) -> bool:
        """To the dead letters, or set aside: kept, reported, sent again only when a person asks.
        False for one that was acknowledged."""
        done = self._db.execute(
            "UPDATE record SET state = ?, note = ? WHERE id = ? AND state <> ?",
            (state, note, row_id, State.PLATFORM_ACK),
        )
        return done.rowcount > 0

    def aside(self, limit: int) -> list[tuple[str, str, str, str]]:
        """What lies aside, oldest first: (kind, name, what `edge outbox retry` takes, why)."""
        found = self._db.execute(
            "SELECT kind, key, key, note, id FROM record WHERE state = :state AND destination = :to"
            " UNION ALL SELECT 'file', path, sha256, note, record FROM file"
            " WHERE state = :state AND destination = :to ORDER BY 5 LIMIT :limit",
            {"state": State.ASIDE, "to": self._to, "limit": limit},
        )
        return [row[:4] for row in found]

    def files_waiting(self, lanes: Sequence[str]) -> bool:
        """Whether a file of these lanes has not been claimed yet."""
        marks = ", ".join("?" * len(lanes))
        found = self._db.execute(
            f"SELECT 1 FROM file WHERE state = ? AND destination = ? AND lane IN ({marks})"  # noqa: S608
            " LIMIT 1",
            (State.NEW, self._to, *lanes),
        )
        return found.fetchone() is not None

    def claim_file(self, lanes: Sequence[str]) -> FileRow | None:
        """The next file to send: lanes in the order given, oldest record first; now INFLIGHT."""
        for lane in lanes:
            found = self._db.execute(
                f"SELECT {_FILE} FROM file WHERE state = ? AND lane = ? AND destination = ?"  # noqa: S608
                " ORDER BY record LIMIT 1",
                (State.NEW, lane, self._to),
            ).fetchone()
            if found:
                self.mark_file(found[0], State.INFLIGHT)
                return FileRow(*found)
        return None

    def file(self, sha256: str) -> FileRow | None:
        """The file's row for this destination."""
        found = self._db.execute(
            f"SELECT {_FILE} FROM file WHERE sha256 = ? AND destination = ?",  # noqa: S608
            (sha256, self._to),
        )
        row = found.fetchone()
        return FileRow(*row) if row else None

    def mark_file(self, sha256: str, state: State, note: str | None = None) -> bool:
        """False for one that was acknowledged."""
        done = self._db.execute(
            "UPDATE file SET state = ?, note = coalesce(?, note)"
            " WHERE sha256 = ? AND destination = ? AND state <> ?",
            (state, note, sha256, self._to, State.PLATFORM_ACK),
        )
        return done.rowcount > 0

    def refuse_file(self, sha256: str, note: str) -> int:
        """Count one refusal of a file; returns how often it was refused so far."""
        done = self._db.execute(
            "UPDATE file SET refused = refused + 1, note = ?"
            " WHERE sha256 = ? AND destination = ? RETURNING refused",
            (note, sha256, self._to),
        ).fetchone()
        return int(done[0]) if done else 0

    def links(self, sha256: str) -> list[OutboxRow]:
        """The records that list a file."""
        found = self._db.execute(
            f"SELECT {_ROW} FROM record WHERE id IN"  # noqa: S608
            " (SELECT record FROM record_file WHERE sha256 = ?) AND destination = ? ORDER BY id",
            (sha256, self._to),
        )
        return [OutboxRow(*row) for row in found]

    def manifest_sha256(self, row_id: int) -> str | None:
        """SHA-256 (hex) of the manifest that a record came with; None for one without evidence."""
        found = self._db.execute(
            "SELECT f.sha256 FROM record_file l JOIN file f USING (sha256)"
            " WHERE l.record = ? AND f.role = 'manifest' LIMIT 1",
            (row_id,),
        ).fetchone()
        return None if found is None else str(found[0])

    def heard(self, issuer: str) -> int:
        """The highest counter accepted from an issuer of downward messages, 0 for none."""
        found = self._db.execute("SELECT n FROM heard WHERE issuer = ?", (issuer,)).fetchone()
        return int(found[0]) if found else 0

    def issuers(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT issuer, n FROM heard").fetchall())

    def hear(self, issuer: str, n: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO heard VALUES (?, ?)", (issuer, n))

    def unhear(self, issuer: str) -> None:
        self._db.execute("DELETE FROM heard WHERE issuer = ?", (issuer,))

    def count(self, name: str, n: int = 1) -> None:
        count(self._db, name, n)

    def counted(self, name: str) -> int:
        found = self._db.execute("SELECT n FROM count WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else 0

    def status(self) -> dict[str, Any]:
        return summary(self._db)


def count(db: sqlite3.Connection, name: str, n: int) -> None:
    """Add to a counter that survives everything, such as dropped:telemetry:quota."""
    db.execute(
        "INSERT INTO count VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n",
        (name, n),
    )


_NAMED = {"record": "key = :key OR record_id = :key", "file": "sha256 = :key"}
_STOPPED = f"{State.ASIDE:d}, {State.DEAD:d}, {State.MISSING:d}"


def revive(db: sqlite3.Connection, key: str | None) -> int:
    """What was given up or set aside waits again: what has this key, record id or file hash (also
    where it was dropped), or all of it."""
    moved = 0
    for table, named in _NAMED.items():
        done = db.execute(
            f"UPDATE {table} SET state = :state, refused = 0 WHERE"  # noqa: S608  literals
            f" state IN ({_STOPPED}) AND :key IS NULL OR ({named})"
            f" AND state IN ({_STOPPED}, {State.DROPPED:d})",
            {"state": State.NEW, "key": key},
        )
        moved += done.rowcount
    return moved


def drop(db: sqlite3.Connection, key: str, why: str) -> int:
    """Give up for good what has this key, record id or file hash and was given up or set aside; the
    rows stay, so that nobody puts them again, and their evidence stays on the disk."""
    moved = 0
    for table, named in _NAMED.items():
        done = db.execute(
            f"UPDATE {table} SET state = :state, note = :why WHERE ({named})"  # noqa: S608  literals
            f" AND state IN ({_STOPPED})",
            {"state": State.DROPPED, "key": key, "why": why},
        )
        moved += done.rowcount
    return moved

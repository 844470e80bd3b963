# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tables of the outbox, how the file is opened, and its migrations (PRAGMA user_version)."""

from __future__ import annotations

import enum
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from edge.config import ConfigError

MANIFEST = "manifest.json"
RECEIPT = "receipt.json"

Lane = Literal["violation", "fault", "picture", "clip", "telemetry"]

# Where rows go to: a second destination is one more name, and a Dispatch of its own.
PLATFORM = "platform"

BUSY_TIMEOUT_MS = 10_000
# 4 MB of WAL between checkpoints: fewer rewrites of hot pages on an SD card.
WAL_PAGES = 1000


class State(enum.IntEnum):
    """Life of a record or file. Only PLATFORM_ACK may ever be deleted.

    ASIDE: the work for it ended edge-uplinkd twice. DROPPED: given up by an operator; the row stays
    so that nobody puts the record again.
    """

    NEW = 0
    INFLIGHT = 1
    BROKER_ACK = 2
    PLATFORM_ACK = 3
    ASIDE = 6
    DROPPED = 7
    DEAD = 8
    MISSING = 9


class OutboxBroken(Exception):
    """The database is damaged; edge-uplinkd salvages it at its next start."""


MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE boot (n INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE);
    CREATE TABLE record (
      id INTEGER PRIMARY KEY,
      lane TEXT NOT NULL,
      kind TEXT NOT NULL,
      key TEXT NOT NULL,
      state INTEGER NOT NULL DEFAULT 0,
      boot INTEGER NOT NULL,
      put_wall REAL NOT NULL,
      body BLOB,
      folder TEXT,
      seq INTEGER,
      record_id TEXT,
      payload BLOB,
      sha256 TEXT,
      refused INTEGER NOT NULL DEFAULT 0,
      note TEXT,
      receipt BLOB
    );
    CREATE UNIQUE INDEX record_key ON record (kind, key);
    CREATE UNIQUE INDEX record_sent ON record (record_id) WHERE record_id IS NOT NULL;
    CREATE INDEX record_state ON record (state, kind, id);
    CREATE TABLE file (
      sha256 TEXT PRIMARY KEY,
      lane TEXT NOT NULL,
      role TEXT NOT NULL,
      path TEXT NOT NULL,
      size INTEGER NOT NULL,
      record INTEGER NOT NULL,
      state INTEGER NOT NULL DEFAULT 0,
      refused INTEGER NOT NULL DEFAULT 0,
      note TEXT
    ) WITHOUT ROWID;
    CREATE INDEX file_state ON file (state, lane, record);
    CREATE TABLE record_file (
      record INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (record, sha256)
    ) WITHOUT ROWID;
    CREATE INDEX record_file_sha256 ON record_file (sha256);
    CREATE TABLE head (chain TEXT PRIMARY KEY, seq INTEGER NOT NULL, sha256 TEXT NOT NULL);
    CREATE TABLE heard (issuer TEXT PRIMARY KEY, n INTEGER NOT NULL);
    CREATE TABLE count (name TEXT PRIMARY KEY, n INTEGER NOT NULL);
    """,
    """
    CREATE TABLE open_fault (
      daemon TEXT NOT NULL,
      kind TEXT NOT NULL,
      subject TEXT NOT NULL,
      boot INTEGER NOT NULL,
      body BLOB NOT NULL,
      PRIMARY KEY (daemon, kind, subject)
    ) WITHOUT ROWID;
    """,
    # One row for each destination, so that each is sent, acknowledged and given up by itself.
    """
    ALTER TABLE record ADD COLUMN destination TEXT NOT NULL DEFAULT 'platform';
    DROP INDEX record_key;
    CREATE UNIQUE INDEX record_key ON record (kind, key, destination);
    DROP INDEX record_sent;
    CREATE UNIQUE INDEX record_sent ON record (record_id, destination)
      WHERE record_id IS NOT NULL;
    CREATE TABLE moved (
      sha256 TEXT NOT NULL,
      destination TEXT NOT NULL DEFAULT 'platform',
      lane TEXT NOT NULL,
      role TEXT NOT NULL,
      path TEXT NOT NULL,
      size INTEGER NOT NULL,
      record INTEGER NOT NULL,
      state INTEGER NOT NULL DEFAULT 0,
      refused INTEGER NOT NULL DEFAULT 0,
      note TEXT,
      PRIMARY KEY (sha256, destination)
    ) WITHOUT ROWID;
    INSERT INTO moved (sha256, lane, role, path, size, record, state, refused, note)
      SELECT sha256, lane, role, path, size, record, state, refused, note FROM file;
    DROP TABLE file;
    ALTER TABLE moved RENAME TO file;
    CREATE INDEX file_state ON file (state, lane, record);
    """,
    # Two states more, 6 and 7, which older programs do not know.
    "",
)

# Out of each of MIGRATIONS again, for a program that goes back; None: there is no way back.
BACK: tuple[str | None, ...] = (
    None,
    "DROP TABLE open_fault;",
    # Only while everything goes to one place: rows of a second destination have nowhere to be.
    """
    DROP INDEX record_key;
    CREATE UNIQUE INDEX record_key ON record (kind, key);
    DROP INDEX record_sent;
    CREATE UNIQUE INDEX record_sent ON record (record_id) WHERE record_id IS NOT NULL;
    ALTER TABLE record DROP COLUMN destination;
    CREATE TABLE moved (
      sha256 TEXT PRIMARY KEY,
      lane TEXT NOT NULL,
      role TEXT NOT NULL,
      path TEXT NOT NULL,
      size INTEGER NOT NULL,
      record INTEGER NOT NULL,
      state INTEGER NOT NULL DEFAULT 0,
      refused INTEGER NOT NULL DEFAULT 0,
      note TEXT
    ) WITHOUT ROWID;
    INSERT INTO moved SELECT sha256, lane, role, path, size, record, state, refused, note FROM file;
    DROP TABLE file;
    ALTER TABLE moved RENAME TO file;
    CREATE INDEX file_state ON file (state, lane, record);
    """,
    "UPDATE record SET state = 8 WHERE state IN (6, 7);"
    "UPDATE file SET state = 8 WHERE state IN (6, 7);",
)


def lowest() -> int:
    """The oldest schema that this program can take an outbox back to."""
    return max(n for n, step in enumerate(BACK, start=1) if step is None)


def connect(path: Path, *, gated: bool = True) -> sqlite3.Connection:
    """Open, create or migrate the database. Autocommit; use :func:`transaction` for writes.

    Waits for a salvage that is replacing the file: a database made in its place would leave a
    log behind that belongs to another file. Only the salvage itself is not `gated`.
    Raises OutboxBroken for a damaged file, ConfigError for one written by a newer program.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not gated:
        return _connect(path)
    with gate(path):
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    # SQLite would make it 0644, and its log and index like it.
    make_shared(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        db.execute("PRAGMA cache_size=-2048")
        _migrate(db, path)
    except (sqlite3.DatabaseError, ConfigError) as error:
        db.close()
        if isinstance(error, sqlite3.DatabaseError) and damaged(error):
            raise OutboxBroken(f"{path}: {error}") from error
        raise
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    if _version(db) == len(MIGRATIONS):
        return
    with transaction(db):
        have = _version(db)
        if have > len(MIGRATIONS):
            raise ConfigError(
                f"{path}: written by a newer program (schema {have}, this one knows"
                f" {len(MIGRATIONS)}); `edge outbox lower --to {len(MIGRATIONS)}` of that one takes"
                " it back"
            )
        for step in MIGRATIONS[have:]:
            for statement in filter(str.strip, step.split(";")):
                db.execute(statement)
        db.execute(f"PRAGMA user_version={len(MIGRATIONS)}")


def lower(path: Path, to: int) -> int:
    """Take an outbox back to an older schema, for an older program; the schema it then has.

    All of it or nothing. Raises ConfigError where there is no way back, OutboxBroken.
    """
    db = connect(path)
    try:
        with transaction(db):
            have = _version(db)
            for number in range(have, to, -1):
                _one_back(db, number, path)
            db.execute(f"PRAGMA user_version={min(to, have)}")
    finally:
        db.close()
    return min(to, have)


def _one_back(db: sqlite3.Connection, number: int, path: Path) -> None:
    step = BACK[number - 1]
    if step is None:
        raise ConfigError(f"{path}: there is no way back from schema {number}")
    try:
        for statement in filter(str.strip, step.split(";")):
            db.execute(statement)
    except sqlite3.IntegrityError as error:
        raise ConfigError(f"{path}: cannot go back from schema {number}: {error}") from None


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT: one fsync; nothing happened where the block raises."""
    db.execute("BEGIN IMMEDIATE")
    with ExitStack() as undone:
        undone.callback(_undo, db)
        yield
        # Not the connection's own commit: that is silent where SQLite has rolled all of it back
        # (a full disk) and the block went on, and what was not kept would be acknowledged.
        db.execute("COMMIT")
        undone.pop_all()


def _undo(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("ROLLBACK")


# Messages of SQLITE_CORRUPT and SQLITE_NOTADB; error codes came to Python with 3.11 only.
_DAMAGE = ("malformed", "not a database", "file is encrypted", "corrupt", "no such table")


def damaged(error: sqlite3.Error) -> bool:
    return any(word in str(error) for word in _DAMAGE)


def disk_full(error: Exception) -> bool:
    """Whether it is the disk's: no room, no quota or no inodes left, which all go away again."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, sqlite3.Error) and "disk is full" in str(error)


def make_shared(path: Path) -> None:
    """An empty file that every user of the group may write, whatever the umask; root's, too.

    One that is there is left alone, not even opened: closing it would drop the locks that SQLite
    holds on it for another connection of this process.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o660)
    except FileExistsError:
        return
    os.fchmod(handle, 0o660)
    os.close(handle)


@contextmanager
def gate(path: Path, *, alone: bool = False) -> Iterator[None]:
    """Producers pass together; a salvage that replaces the file waits for all and is alone."""
    lock = path.with_name(f"{path.name}.lock")
    make_shared(lock)
    handle = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def boot_id() -> str:
    """The kernel's name for this boot; monotonic times of one boot can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A damaged outbox: the bad file set aside, every row that can be read carried into a new one.

First along the tree, halving the ranges that fail until single rows are left out; then straight
from the pages for what the tree no longer leads to. To delete a damaged database, as others do,
would lose every message not yet sent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.outbox import pages
from edge.outbox.schema import (
    MANIFEST,
    PLATFORM,
    RECEIPT,
    OutboxBroken,
    State,
    boot_id,
    connect,
    damaged,
    gate,
    transaction,
)

log = logging.getLogger(__name__)

# Beside the outbox, in the state folder.
EVIDENCE = "evidence"
SMALL = ("boot", "head", "heard", "count", "open_fault")
# Beyond this many failing reads the tree is given up and the pages are read instead.
READS_MAX = 4000
_RECORD = (
    *("id", "lane", "kind", "key", "state", "boot", "put_wall", "body", "folder", "seq"),
    *("record_id", "payload", "sha256", "refused", "note", "receipt"),
    "destination",
)


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was carried over, and where the bad file lies. `from_evidence`: violations whose row
    was beyond reading and was made anew from their manifest."""

    rows: int
    from_pages: int
    from_evidence: int
    kept_as: Path


def check_and_salvage(path: Path) -> Salvage | None:
    """None for a sound (or absent) outbox. Producers are held off while the file is replaced."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    with gate(path, alone=True):
        if _sound(path):
            return None
        return _salvage(path)


def _sound(path: Path) -> bool:
    """Quick check, as edge-uplinkd does at every start; reads the file once."""
    try:
        db = connect(path, gated=False)
    except OutboxBroken:
        return False
    try:
        return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.DatabaseError as error:
        if damaged(error):
            return False
        raise
    finally:
        db.close()


def _salvage(path: Path) -> Salvage:
    bad = path.with_name(f"{path.name}.bad-{int(time.time())}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(bad.with_name(bad.name + suffix))
    fresh = path.with_name(f".{path.name}.salvage")
    for suffix in ("", "-wal", "-shm"):
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    db = connect(fresh)
    with transaction(db):
        rows, from_pages = _carry(bad, db)
        anew = _from_evidence(db, path.parent / EVIDENCE)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.close()
    fresh.rename(path)
    log.error(
        "outbox was damaged: %d row(s) carried over, %d made anew from evidence, kept as %s",
        rows,
        anew,
        bad,
    )
    return Salvage(rows, from_pages, anew, bad)


def _carry(bad: Path, db: sqlite3.Connection) -> tuple[int, int]:
    # Bytes first: opening the file lets SQLite replay or drop its log.
    log_path = bad.with_name(bad.name + "-wal")
    raw = pages.with_log(bad.read_bytes(), log_path.read_bytes() if log_path.exists() else b"")
    found, whole = _along_the_tree(bad, db)
    walked = len(found)
    if not whole:
        for row in _from_pages(raw):
            _keep_better(found, row)
    _insert(db, found)
    return len(found), len(found) - walked


def _along_the_tree(bad: Path, db: sqlite3.Connection) -> tuple[dict[int, tuple[Any, ...]], bool]:
    """(rows by id, whether nothing was left out); the small tables are carried on the way."""
    found: dict[int, tuple[Any, ...]] = {}
    old = sqlite3.connect(bad)
    try:
        for table in SMALL:
            _carry_small(old, db, table)
        last = old.execute("SELECT max(id) FROM record").fetchone()[0] or 0
        walk = _Walk(old)
        for row in walk.rows(0, last + 1):
            if _plausible(row):
                found[row[0]] = row
            else:
                walk.whole = False
        return found, walk.whole
    except sqlite3.DatabaseError as error:
        log.warning("salvage: the tree ends here: %s", error)
        return found, False
    finally:
        old.close()


def _carry_small(old: sqlite3.Connection, db: sqlite3.Connection, table: str) -> None:
    try:
        rows = old.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  our own table names
    except sqlite3.DatabaseError as error:
        log.warning("salvage: table %s: %s", table, error)
        return
    for row in rows:
        marks = ", ".join("?" * len(row))
        db.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608


class _Walk:
    """Rows by ranges of their id; a range that fails is halved until it is one row."""

    def __init__(self, old: sqlite3.Connection) -> None:
        self._old = old
        self._failed = 0
        self.whole = True

    def rows(self, low: int, high: int) -> Iterator[tuple[Any, ...]]:
        """Rows with ids in [low, high). Where a page cannot be read, its half is left out."""
        query = f"SELECT {', '.join(_RECORD)} FROM record WHERE id >= ? AND id < ?"  # noqa: S608
        try:
            yield from self._old.execute(query, (low, high)).fetchall()
        except sqlite3.DatabaseError:
            self._failed += 1
            self.whole = False
            if high - low > 1 and self._failed < READS_MAX:
                middle = (low + high) // 2
                yield from self.rows(low, middle)
                yield from self.rows(middle, high)


def _from_pages(raw: bytes) -> Iterator[tuple[Any, ...]]:
    # A row that was written before there was a column for it has none, and went to the platform.
    for missing in ((PLATFORM,), ()):
        for rowid, values in pages.rows(raw, len(_RECORD) - len(missing)):
            row = (rowid, *values[1:], *missing)
            if _plausible(row):
                yield row


def _plausible(row: tuple[Any, ...]) -> bool:
    record = dict(zip(_RECORD, row, strict=True))
    words = all(isinstance(record[name], str) for name in ("lane", "kind", "key", "destination"))
    numbers = all(isinstance(record[name], int) for name in ("state", "boot", "refused"))
    states = {int(state) for state in State}
    if not (words and numbers and record["state"] in states):
        return False
    if record["payload"] is not None:
        return bool(hashlib.sha256(record["payload"]).hexdigest() == record["sha256"])
    return _is_json(record["body"])


def _is_json(body: Any) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (TypeError, ValueError):
        return False


def _keep_better(found: dict[int, tuple[Any, ...]], row: tuple[Any, ...]) -> None:
    """Freed pages hold older copies: one that is sealed, then one further on, is the newer."""
    old = found.get(row[0])
    sealed, state = _RECORD.index("payload"), _RECORD.index("state")
    if old is None or (row[sealed] is not None, row[state]) > (old[sealed] is not None, old[state]):
        found[row[0]] = row


def _insert(db: sqlite3.Connection, found: dict[int, tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * len(_RECORD))
    names = ", ".join(_RECORD)
    for _, row in sorted(found.items()):
        db.execute(f"INSERT OR IGNORE INTO record ({names}) VALUES ({marks})", row)  # noqa: S608
        folder = row[_RECORD.index("folder")]
        if folder is not None:
            _files_of(db, row[0], Path(folder), row[_RECORD.index("destination")])


def _from_evidence(db: sqlite3.Connection, root: Path) -> int:
    """Rows for sealed revisions that have neither row nor receipt: the manifest is the truth."""
    db.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (boot_id(),))
    made = 0
    for manifest in sorted(root.glob(f"*/r*/{MANIFEST}")):
        folder = manifest.parent
        if (folder / RECEIPT).exists():
            continue
        try:
            body = json.loads(manifest.read_bytes())["violation"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("salvage: %s: %s", manifest, error)
            continue
        done = db.execute(
            "INSERT INTO record (lane, kind, key, put_wall, body, folder, boot) VALUES"
            " ('violation', 'violation', ?, ?, ?, ?, (SELECT max(n) FROM boot))"
            " ON CONFLICT (kind, key, destination) DO NOTHING",
            (
                f"{folder.parent.name}/{folder.name}",
                manifest.stat().st_mtime,
                json.dumps(body).encode(),
                str(folder.absolute()),
            ),
        )
        if done.rowcount and done.lastrowid is not None:
            made += 1
            _files_of(db, done.lastrowid, folder)
    return made


def _files_of(
    db: sqlite3.Connection, record: int, folder: Path, destination: str = PLATFORM
) -> None:
    """File rows made anew from the manifest, which is the truth; the platform has what it has."""
    try:
        data = (folder / MANIFEST).read_bytes()
        listed = json.loads(data)["files"]
        rows = [(f["sha256"], f["role"], f["path"], f["size"]) for f in listed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("salvage: %s: %s", folder, error)
        return
    rows = [row for row in rows if (folder / row[2]).exists()]
    rows.append((hashlib.sha256(data).hexdigest(), "manifest", MANIFEST, len(data)))
    for sha256, role, name, size in rows:
        lane = "clip" if role == "clip" else "picture"
        db.execute(
            "INSERT OR IGNORE INTO file (sha256, lane, role, path, size, record, destination)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (sha256, lane, role, str(folder / name), size, record, destination),
        )
        db.execute("INSERT OR IGNORE INTO record_file VALUES (?, ?)", (record, sha256))

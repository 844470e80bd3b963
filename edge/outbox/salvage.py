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
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.jsonfile import decoded
from edge.outbox import ballast, pages
from edge.outbox.outbox import OutboxFull
from edge.outbox.pages import PagedFile
from edge.outbox.schema import (
    MANIFEST,
    PLATFORM,
    RECEIPT,
    OutboxBroken,
    State,
    boot_id,
    connect,
    damaged,
    disk_full,
    gate,
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
_SEALED, _STATE = _RECORD.index("payload"), _RECORD.index("state")
LOG = "-wal"


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was carried over, and where the bad file lies. `from_evidence`: violations whose row
    was beyond reading and was made anew from their manifest."""

    rows: int
    from_pages: int
    from_evidence: int
    kept_as: Path


def check_and_salvage(path: Path) -> Salvage | None:
    """None for a sound (or absent) outbox. Producers are held off while the file is replaced.

    The damaged file stays in its place until the new one is whole: whatever ends this, the next
    start does it again. Raises OutboxFull where the disk has no room for the new one.
    """
    if not path.exists() or path.stat().st_size == 0:
        return None
    with gate(path, alone=True):
        _log_back(path)
        if _sound(path):
            return None
        try:
            return _salvage_with_room(path)
        finally:
            _remove(_fresh(path))


def _salvage_with_room(path: Path) -> Salvage:
    try:
        return _salvage(path)
    except (OSError, sqlite3.Error) as error:
        if not disk_full(error):
            raise
        full = error
    if ballast.drop(path.parent):
        return _salvage_with_room(path)
    raise OutboxFull(
        f"{path}: damaged, and there is no room to salvage it: {full}; it is kept as it is until"
        " the next start: make room on this disk"
    )


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
    fresh = _fresh(path)
    _remove(fresh)
    with closing(connect(fresh, gated=False)) as db:
        # Worthless until it is whole: no second copy of a row for a rollback, one sync at the end.
        db.execute("PRAGMA journal_mode=OFF").fetchall()
        db.execute("PRAGMA synchronous=OFF")
        db.execute("BEGIN IMMEDIATE")
        carried = _Carried(db)
        walked = _carry(path, carried)
        carried.files()
        rows = len(carried.known)
        anew = _from_evidence(db, path.parent / EVIDENCE)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode=WAL").fetchall()
    bad = _replace(path, fresh)
    log.error(
        "outbox was damaged: %d row(s) carried over, %d made anew from evidence, kept as %s",
        rows,
        anew,
        bad,
    )
    return Salvage(rows, rows - walked, anew, bad)


def _fresh(path: Path) -> Path:
    return path.with_name(f".{path.name}.salvage")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _remove(path: Path) -> None:
    for suffix in ("", LOG, "-shm"):
        _beside(path, suffix).unlink(missing_ok=True)


def _replace(path: Path, fresh: Path) -> Path:
    """The new file in the place of the damaged one, which gets a name of its own first: where the
    damaged one lies now."""
    _sync(fresh)
    bad = _free_name(path)
    for suffix in (LOG, ""):
        if _beside(path, suffix).exists():
            _beside(bad, suffix).hardlink_to(_beside(path, suffix))
    _sync(path.parent)
    # SQLite would lay the old log over the new file.
    for suffix in (LOG, "-shm"):
        _beside(path, suffix).unlink(missing_ok=True)
    fresh.replace(path)
    _sync(path.parent)
    return bad


def _sync(path: Path) -> None:
    """fsync a file or a folder that somebody else wrote."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _free_name(path: Path) -> Path:
    second = int(time.time())
    while (bad := path.with_name(f"{path.name}.bad-{second}")).exists():
        second += 1
    return bad


def _log_back(path: Path) -> None:
    """Power went between the last steps of a salvage: the damaged file is in its place still, and
    its log lies beside its other name only."""
    for bad in path.parent.glob(f"{path.name}.bad-*"):
        if bad.name.endswith((LOG, "-shm")) or not bad.samefile(path):
            continue
        if _beside(bad, LOG).exists() and not _beside(path, LOG).exists():
            _beside(path, LOG).hardlink_to(_beside(bad, LOG))
            _sync(path.parent)
        bad.unlink()
        _beside(bad, LOG).unlink(missing_ok=True)


class _Carried:
    """Rows as they come into the new file, none of which stays in memory. `known`: of each row
    that is there, whether it was sealed and how far it had come."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.known: dict[int, tuple[bool, int]] = {}

    def take(self, row: tuple[Any, ...]) -> None:
        """Freed pages hold older copies: one that is sealed, then one further on, is the newer."""
        number, how = row[0], (row[_SEALED] is not None, row[_STATE])
        if number in self.known:
            if how <= self.known[number]:
                return
            self.db.execute("DELETE FROM record WHERE id = ?", (number,))
            del self.known[number]
        done = self.db.execute(
            f"INSERT OR IGNORE INTO record ({', '.join(_RECORD)})"  # noqa: S608  our own names
            f" VALUES ({', '.join('?' * len(_RECORD))})",
            row,
        )
        if done.rowcount:
            self.known[number] = how

    def files(self) -> None:
        """The files of all rows, once it is known which copy of each row counts."""
        for number in sorted(self.known):
            folder, destination = self.db.execute(
                "SELECT folder, destination FROM record WHERE id = ?", (number,)
            ).fetchone()
            if folder is not None:
                _files_of(self.db, number, Path(folder), destination)


def _carry(bad: Path, carried: _Carried) -> int:
    """How many rows the tree led to."""
    whole = _along_the_tree(bad, carried)
    walked = len(carried.known)
    if not whole:
        with ExitStack() as opened:
            log_path = _beside(bad, LOG)
            frames = opened.enter_context(log_path.open("rb")) if log_path.exists() else None
            for row in _from_pages(PagedFile(opened.enter_context(bad.open("rb")), frames)):
                carried.take(row)
    return walked


def _along_the_tree(bad: Path, carried: _Carried) -> bool:
    """Whether nothing was left out; the small tables are carried on the way."""
    # Read only: it would replay its log, or drop it, before the pages are read.
    old = sqlite3.connect(f"{bad.absolute().as_uri()}?mode=ro", uri=True)
    try:
        for table in SMALL:
            _carry_small(old, carried.db, table)
        last = old.execute("SELECT max(id) FROM record").fetchone()[0] or 0
        walk = _Walk(old)
        for row in walk.rows(0, last + 1):
            if _plausible(row):
                carried.take(row)
            else:
                walk.whole = False
        return walk.whole
    except sqlite3.DatabaseError as error:
        if disk_full(error):
            raise
        log.warning("salvage: the tree ends here: %s", error)
        return False
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
    """Rows by ranges of their id; a range that fails is halved until it is one row, and what came
    of it before it failed comes again."""

    def __init__(self, old: sqlite3.Connection) -> None:
        self._old = old
        self._failed = 0
        self.whole = True

    def rows(self, low: int, high: int) -> Iterator[tuple[Any, ...]]:
        """Rows with ids in [low, high). Where a page cannot be read, its half is left out."""
        query = f"SELECT {', '.join(_RECORD)} FROM record WHERE id >= ? AND id < ?"  # noqa: S608
        try:
            yield from self._old.execute(query, (low, high))
        except sqlite3.DatabaseError:
            self._failed += 1
            self.whole = False
            if high - low > 1 and self._failed < READS_MAX:
                middle = (low + high) // 2
                yield from self.rows(low, middle)
                yield from self.rows(middle, high)


def _from_pages(raw: PagedFile) -> Iterator[tuple[Any, ...]]:
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
        return isinstance(decoded(body, dict), dict)
    except (TypeError, ValueError):
        return False


def _from_evidence(db: sqlite3.Connection, root: Path) -> int:
    """Rows for sealed revisions that have neither row nor receipt: the manifest is the truth."""
    db.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (boot_id(),))
    made = 0
    for manifest in sorted(root.glob(f"*/r*/{MANIFEST}")):
        folder = manifest.parent
        if (folder / RECEIPT).exists():
            continue
        try:
            body = decoded(manifest.read_bytes(), dict)["violation"]
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
        listed = decoded(data, dict)["files"]
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

# SPDX-License-Identifier: AGPL-3.0-or-later
"""How the outbox's database is opened, and whose trouble an error is."""

import errno
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edge.outbox.schema import WAL_PAGES, connect, damaged, disk_full, transaction


@pytest.mark.parametrize(
    ("error", "full", "torn"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True, None),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True, None),
        (OSError(errno.EIO, "Input/output error"), False, None),
        (OSError(errno.EACCES, "disk is full, says nobody"), False, None),
        (sqlite3.OperationalError("database or disk is full"), True, False),
        (sqlite3.OperationalError("database is locked"), False, False),
        (sqlite3.DatabaseError("database disk image is malformed"), False, True),
        (sqlite3.DatabaseError("file is not a database"), False, True),
        (sqlite3.OperationalError("no such table: row"), False, True),
        (ValueError("disk is full"), False, None),
    ],
)
def test_whose_trouble_an_error_is(error: Exception, full: bool, torn: bool | None) -> None:
    assert disk_full(error) is full
    if isinstance(error, sqlite3.Error):
        assert damaged(error) is torn


def test_commits_are_synced_and_the_log_is_kept_short(tmp_path: Path) -> None:
    """FULL is what keeps a committed row through a power cut, asked of the connection itself."""
    with closing(connect(tmp_path / "outbox.db")) as db:
        told = {
            name: db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "cache_size")
        }
    assert told == {
        "journal_mode": "wal",
        "synchronous": 2,
        "wal_autocheckpoint": WAL_PAGES,
        "cache_size": -2048,
    }


def test_what_sqlite_rolled_back_under_a_block_that_went_on_is_not_taken_for_committed(
    tmp_path: Path,
) -> None:
    """SQLite does so by itself where the disk is full; here it is asked to."""
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as db:
        db.execute("CREATE TABLE kept (n INTEGER UNIQUE)")
        with pytest.raises(sqlite3.OperationalError, match="no transaction"), transaction(db):
            db.execute("INSERT INTO kept VALUES (1)")
            with suppress(sqlite3.IntegrityError):
                db.execute("INSERT OR ROLLBACK INTO kept VALUES (1)")
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        with transaction(db):
            db.execute("INSERT INTO kept VALUES (2)")
        assert db.execute("SELECT n FROM kept").fetchall() == [(2,)]

# SPDX-License-Identifier: AGPL-3.0-or-later
"""SQLite for one machine, PostgreSQL for several, behind the few calls the store makes.

The store's SQL is what both speak; only the parameter mark and two type names differ.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

LOCK_WAIT_S = 60.0
Row = tuple[Any, ...]


class NoDatabase(RuntimeError):
    """The database cannot be reached, does not take anything now, or its driver is missing; nothing
    is acknowledged then. One line says which."""


class Database(Protocol):
    """One connection, of one thread. Raises NoDatabase where it is the database's own trouble."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]: ...
    def run(self, sql: str, values: Sequence[Any] = ()) -> None: ...
    def transaction(self) -> AbstractContextManager[None]: ...
    def apart(self) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


class Sqlite:
    """WAL with synchronous=FULL: what is committed survives a power cut. Several processes of one
    machine may share the file; they take turns."""

    def __init__(self, path: Path, schema: str) -> None:
        with _sqlite_said(), ExitStack() as undone:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=LOCK_WAIT_S)
            undone.callback(self._db.close)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + schema)
            undone.pop_all()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with _sqlite_said():
            return self._db.execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        with _sqlite_said():
            self._db.execute(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Holds the write lock from the start, so that two receivers never deadlock."""
        self.run("BEGIN IMMEDIATE")
        with ExitStack() as undone:
            undone.callback(self._undo)
            yield
            # Raises where SQLite has rolled all of it back meanwhile; the connection's own commit
            # is silent there, and what was not kept would be acknowledged.
            self.run("COMMIT")
            undone.pop_all()

    def _undo(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    @contextmanager
    def apart(self) -> Iterator[None]:
        """A part of a transaction that is undone alone where it raises."""
        self.run("SAVEPOINT apart")
        with ExitStack() as undone:
            undone.callback(self._undo_apart)
            yield
            undone.pop_all()
        self.run("RELEASE apart")

    def _undo_apart(self) -> None:
        # SQLite itself rolls all of it back where the disk is full.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK TO apart")
            self._db.execute("RELEASE apart")

    def close(self) -> None:
        self._db.close()


@contextmanager
def _sqlite_said() -> Iterator[None]:
    """Full, locked, unreadable or of an older form: the database's trouble, no message's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise NoDatabase(str(error)) from None


class Postgres:
    """`url` as libpq takes it: postgresql://user@host/name. Raises NoDatabase."""

    def __init__(self, url: str, schema: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise NoDatabase("psycopg is missing: pip install ./tools/reference_platform") from None
        self._url, self._driver = url, psycopg
        self._connect()
        with ExitStack() as undone:
            undone.callback(lambda: self._db.close())
            # Two receivers that start at once would both create the tables.
            with self.transaction():
                self.run("SELECT pg_advisory_xact_lock(7236)")
                self.run(schema.replace("BLOB", "BYTEA").replace("REAL", "DOUBLE PRECISION"))
            undone.pop_all()

    def _connect(self) -> None:
        with self._said():
            self._db = self._driver.connect(self._url, autocommit=True)

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except (self._driver.OperationalError, self._driver.InterfaceError) as error:
            raise NoDatabase(str(error).strip().replace("\n", "; ")) from None

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._said():
            found: list[Row] = self._db.execute(sql.replace("?", "%s"), values).fetchall()
            return found

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        with self._said():
            self._db.execute(sql.replace("?", "%s"), values or None)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """On a connection made anew where the last one broke, as after a switch to a standby."""
        if self._db.closed or self._db.broken:
            self._connect()
        with self._said(), self._db.transaction():
            yield

    @contextmanager
    def apart(self) -> Iterator[None]:
        """A part of a transaction that is undone alone where it raises."""
        with self._said(), self._db.transaction():
            yield

    def close(self) -> None:
        self._db.close()

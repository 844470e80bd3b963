# SPDX-License-Identifier: AGPL-3.0-or-later
"""SQLite for one machine, PostgreSQL for several, behind the few calls the store makes.

The store's SQL is what both speak; only the parameter mark and two type names differ.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

LOCK_WAIT_S = 60.0
Row = tuple[Any, ...]


class NoDatabase(RuntimeError):
    """The database cannot be reached or its driver is not installed; one line says which."""


class Database(Protocol):
    """One connection, of one thread."""

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]: ...
    def run(self, sql: str, values: Sequence[Any] = ()) -> None: ...
    def transaction(self) -> Any: ...
    def close(self) -> None: ...


class Sqlite:
    """WAL with synchronous=FULL: what is committed survives a power cut. Several processes of one
    machine may share the file; they take turns."""

    def __init__(self, path: Path, schema: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=LOCK_WAIT_S)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + schema)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(sql, values).fetchall()

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._db.execute(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Holds the write lock from the start, so that two receivers never deadlock."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


class Postgres:
    """`url` as libpq takes it: postgresql://user@host/name. Raises NoDatabase."""

    def __init__(self, url: str, schema: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise NoDatabase("psycopg is missing: pip install ./tools/reference_platform") from None
        try:
            self._db = psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError as error:
            raise NoDatabase(str(error).strip().replace("\n", "; ")) from None
        # Two receivers that start at once would both create the tables.
        with self._db.transaction():
            self._db.execute("SELECT pg_advisory_xact_lock(7236)")
            self._db.execute(schema.replace("BLOB", "BYTEA").replace("REAL", "DOUBLE PRECISION"))

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        found: list[Row] = self._db.execute(sql.replace("?", "%s"), values).fetchall()
        return found

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._db.execute(sql.replace("?", "%s"), values)

    def transaction(self) -> Any:
        return self._db.transaction()

    def close(self) -> None:
        self._db.close()

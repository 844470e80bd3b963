# SPDX-License-Identifier: AGPL-3.0-or-later
"""What was decided on the box against what the platform stored: nothing lost, nothing invented."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path


def decided(home: Path) -> set[str]:
    """ "<violation>/r<revision>" of every sealed manifest and every row of the outbox."""
    found = set()
    for path in (home / "state/evidence").glob("v-*/r*/manifest.json"):
        told = json.loads(path.read_bytes())
        found.add(f"{told['id']}/r{told['revision']}")
    return found | _keys(home / "state/outbox.db", "SELECT key FROM record WHERE kind='violation'")


def stored(home: Path) -> set[str]:
    """The same, of what the receiver has committed."""
    return _keys(home / "received/platform.db", "SELECT id || '/r' || revision FROM violation")


def waiting_files(home: Path) -> int:
    """Evidence files that the platform wants and has not whole."""
    told = _keys(
        home / "received/platform.db",
        "SELECT w.sha256 FROM wanted w LEFT JOIN transfer t USING (device, sha256)"
        " WHERE t.done IS NULL OR t.done = 0",
    )
    return len(told)


def quarantined(home: Path) -> int:
    """Messages that the receiver did not believe."""
    path = home / "received/platform.db"
    return len(_keys(path, "SELECT rowid FROM quarantine"))


def _keys(path: Path, query: str) -> set[str]:
    if not path.exists():
        return set()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as db:
        return {str(row[0]) for row in db.execute(query)}

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The side of edge-janitord: the only place where rows are deleted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.outbox.dispatch import count
from edge.outbox.schema import State, connect, gate, transaction

BATCH = 200


@dataclass(frozen=True, slots=True)
class Released:
    """A record that every destination has with all its files."""

    id: int
    key: str
    folder: str | None
    receipt: bytes | None


class Sweep:
    """Deletes released rows and, where telemetry outgrows its quota, the oldest of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = connect(path)

    def close(self) -> None:
        self._db.close()

    def released(self, *, bare_before: float = math.inf) -> list[Released]:
        """The oldest records of which every part was confirmed, and those of the other
        destinations like them: their receipt speaks for the folder.

        bare_before: a violation without a folder stays that was put later (UTC seconds): nothing
        else tells a producer that starts again which revisions its case has."""
        rows = self._db.execute(
            "SELECT id, key, folder, receipt FROM record r WHERE state = :confirmed AND"
            " (kind <> 'violation' OR folder IS NOT NULL OR put_wall < :bare_before) AND NOT EXISTS"
            " (SELECT 1 FROM record s LEFT JOIN record_file l ON l.record = s.id LEFT JOIN file f"
            "  ON f.sha256 = l.sha256 AND f.destination = s.destination WHERE s.kind = r.kind"
            "  AND s.key = r.key AND (s.state <> :confirmed"
            "   OR f.state NOT IN (:confirmed, :dropped)))"
            " ORDER BY id LIMIT :limit",
            {
                "confirmed": State.PLATFORM_ACK,
                "dropped": State.DROPPED,
                "bare_before": bare_before,
                "limit": BATCH,
            },
        )
        return [Released(*row) for row in rows]

    def forget(self, records: Sequence[Released]) -> None:
        """Delete their rows, and file rows that no other record lists. Receipts come first."""
        ids = [(record.id,) for record in records]
        with gate(self._path), transaction(self._db):
            self._db.executemany("DELETE FROM record WHERE id = ?", ids)
            self._db.executemany("DELETE FROM record_file WHERE record = ?", ids)
            self._db.execute(
                "DELETE FROM file WHERE state IN (?, ?) AND NOT EXISTS"
                " (SELECT 1 FROM record_file l JOIN record r ON r.id = l.record"
                "  WHERE l.sha256 = file.sha256 AND r.destination = file.destination)",
                (State.PLATFORM_ACK, State.DROPPED),
            )

    def shed(self, keep: int, reason: str) -> int:
        """Delete the oldest telemetry beyond `keep` rows; counted as dropped."""
        with gate(self._path), transaction(self._db):
            done = self._db.execute(
                "DELETE FROM record WHERE lane = 'telemetry' AND state IN (?, ?, ?) AND id <="
                " (SELECT id FROM record WHERE lane = 'telemetry'"
                "  ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (State.NEW, State.BROKER_ACK, State.ASIDE, keep),
            )
            if done.rowcount:
                count(self._db, f"dropped:telemetry:{reason}", done.rowcount)
        return done.rowcount

    def checkpoint(self) -> None:
        """Fold the WAL back into the file, so that it does not grow beside it."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where a daemon's work becomes durable rows: revisions, bare violations and faults to the outbox.

Faults are rows too, once per change; a full outbox keeps what is to be published in memory and
tries again, so a full disk delays but does not silence.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.evidence.casebook import BareRevision, StoredRevision
from edge.faults import FaultLog
from edge.outbox import Outbox, OutboxFull
from edge.uplink import wire
from edge.uplink.unsent import unsent_row
from edge.values import Fault, Violation

log = logging.getLogger(__name__)

WAITING_MAX = 2000
# What a body that is no JSON raises, and a number beyond what SQLite takes.
NO_ROW = (TypeError, ValueError, OverflowError, RecursionError)


class Publisher:
    """Called by every thread of a daemon; `counts` are for the status file, `faults` are what is
    wrong now, each change a row."""

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        *,
        record: Callable[[Violation], None] = lambda _: None,
    ) -> None:
        self._outbox, self._clock, self._record = outbox, clock, record
        self._waiting: deque[Callable[[], object]] = deque()
        self._lock = threading.Lock()
        standing = wire.standing_faults(outbox.open_faults(), clock.now(), outbox.forget_fault)
        self.faults = FaultLog(clock.now, self._fault, standing)
        self.counts = {"violations": 0, "revisions": 0, "faults": 0, "delayed": 0, "dropped": 0}

    def sealed(self, sealed: StoredRevision) -> None:
        """A revision that is durable on disk: make its row."""
        violation = sealed.violation
        self._note(violation)
        self.put(
            **wire.violation_row(
                violation.id,
                violation.revision,
                sealed.body,
                folder=sealed.folder,
                files=violation.evidence,
            )
        )

    def bare(self, violation: Violation) -> None:
        """A violation whose files could not be kept: published all the same."""
        self._note(violation)
        body = wire.violation_data(violation)
        self.put(**wire.violation_row(violation.id, violation.revision, body))

    def again(self, folder: Path, manifest: dict[str, Any]) -> bool:
        """At start: put a sealed revision that has neither row nor receipt. True where it did."""
        row = unsent_row(folder, manifest, self._outbox.known)
        if row is not None:
            self.put(**row)
        return row is not None

    def bare_revisions(self) -> list[BareRevision]:
        """At start: those that `bare` put and the outbox still holds, for `Casebook.recover`."""
        rows = self._outbox.without_folder("violation")
        return [found for row in rows if (found := _bare_revision(row)) is not None]

    def _fault(self, fault: Fault, stands: bool) -> None:
        self.counts["faults"] += 1
        self._insert(lambda: self._put_fault(fault, stands))

    def _put_fault(self, fault: Fault, stands: bool) -> None:
        """What is wrong must be told even where how it is told is wrong."""
        try:
            self._outbox.put(**wire.fault_row(fault, stands))
        except NO_ROW:
            log.exception("fault %s of %s: put without its text", fault.kind, fault.subject)
            bare = replace(fault, text="", facts={})
            self._outbox.put(**wire.fault_row(bare, stands))

    def put(self, **row: Any) -> None:
        """Insert, after what still waits; a full disk makes it wait."""
        self._insert(lambda: self._outbox.put(**row))

    def _insert(self, put: Callable[[], object]) -> None:
        with self._lock:
            self._waiting.append(put)
        self.retry()

    def retry(self) -> None:
        """Insert what waits, oldest first; called again and again by the daemon's loop."""
        with self._lock:
            self._insert_waiting()

    def _insert_waiting(self) -> None:
        while self._waiting:
            try:
                self._waiting[0]()
            except OutboxFull as error:
                self.counts["delayed"] += 1
                log.debug("%s: %d row(s) wait in memory", error, len(self._waiting))
                self._bound()
                return
            except Exception:
                # At the head it would fail for whoever puts a row after it, and hold up that row.
                self._waiting.popleft()
                raise
            self._waiting.popleft()

    def _bound(self) -> None:
        while len(self._waiting) > WAITING_MAX:
            self._waiting.popleft()
            self.counts["dropped"] += 1
            log.error("the outbox has been full for too long: a row was dropped")

    def _note(self, violation: Violation) -> None:
        self.counts["revisions"] += 1
        if violation.revision == 1:
            self.counts["violations"] += 1
        self._record(violation)
        log.info(
            "suspected %s %s r%d %s at %s: %s",
            violation.category,
            violation.id,
            violation.revision,
            violation.phase,
            violation.source.get("id"),
            violation.gate,
        )


def _bare_revision(row: Mapping[str, Any]) -> BareRevision | None:
    try:
        named = str(row["id"]), int(row["revision"]), str(row["phase"]), str(row["source"]["id"])
    except (KeyError, TypeError, ValueError) as error:
        log.warning("a violation without files, but of another shape: %r", error)
        return None
    return BareRevision(*named)

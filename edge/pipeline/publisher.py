# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where a daemon's work becomes durable rows: revisions, bare violations and faults to the outbox.

Faults are rows too, once per change; a full outbox keeps what is to be told in memory and tries
again, so a full disk delays but does not silence.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.evidence.casebook import StoredRevision
from edge.evidence.store import file_from_json
from edge.outbox import Outbox, OutboxFull
from edge.uplink import wire
from edge.values import Fault, Violation

log = logging.getLogger(__name__)

WAITING_MAX = 2000


class Publisher:
    """Called by every thread of a daemon; `counts` are for the status file."""

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
        self._open: dict[tuple[str, str], Fault] = {}
        self.counts = {"violations": 0, "revisions": 0, "faults": 0, "delayed": 0, "dropped": 0}

    def sealed(self, sealed: StoredRevision) -> None:
        """A revision that is durable on disk: make its row."""
        violation = sealed.violation
        self._told(violation)
        own = f"r{violation.revision}-"
        self.put(
            lane="violation",
            kind="violation",
            key=wire.violation_key(violation.id, violation.revision),
            body=sealed.body,
            folder=sealed.folder,
            files=[f for f in violation.evidence if f.path.startswith(own)],
        )

    def bare(self, violation: Violation) -> None:
        """A violation whose files could not be kept: told all the same."""
        self._told(violation)
        self.put(
            lane="violation",
            kind="violation",
            key=wire.violation_key(violation.id, violation.revision),
            body=wire.violation_data(violation),
        )

    def again(self, folder: Path, manifest: dict[str, Any], receipt: str) -> bool:
        """At start: put a sealed revision that has neither row nor receipt. True where it did."""
        key = wire.violation_key(manifest["id"], manifest["revision"])
        if (folder / receipt).exists() or self._outbox.known("violation", key):
            return False
        own = f"r{manifest['revision']}-"
        files = [file_from_json(row) for row in manifest["files"] if row["path"].startswith(own)]
        self.put(
            lane="violation",
            kind="violation",
            key=key,
            body=manifest["violation"],
            folder=folder,
            files=files,
        )
        return True

    def fault(self, kind: str, subject: str, text: str, **facts: Any) -> None:
        """Something is wrong from now on; told once until `healed`."""
        if (kind, subject) in self._open:
            return
        self.tell(Fault(kind, subject, "start", self._clock.now(), text, facts))

    def healed(self, kind: str, subject: str) -> None:
        """End the fault of this kind and subject, with how long it lasted; nothing where none is
        open."""
        started = self._open.get((kind, subject))
        if started is None:
            return
        now = self._clock.now()
        facts = {"lasted_s": round(now.mono - started.at.mono, 1)}
        self.tell(Fault(kind, subject, "end", now, started.text, facts))

    def tell(self, fault: Fault) -> None:
        """A start or an end, as whoever watches found it."""
        self.counts["faults"] += 1
        named = (fault.kind, fault.subject)
        if fault.phase == "start":
            self._open[named] = fault
            log.warning("fault %s of %s: %s", *named, fault.text)
        else:
            self._open.pop(named, None)
            log.info("fault %s of %s is over: %s", *named, fault.text)
        body = wire.fault_data(fault)
        self.put(lane="fault", kind="fault", key=wire.fault_key(fault), body=body)

    def open_faults(self) -> list[dict[str, Any]]:
        return [
            {"kind": k, "subject": s, "text": f.text, "wall": round(f.at.wall, 3)}
            for (k, s), f in self._open.items()
        ]

    def put(self, **row: Any) -> None:
        """Insert, after what still waits; a full disk makes it wait."""
        with self._lock:
            self._waiting.append(lambda: self._outbox.put(**row))
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
            self._waiting.popleft()

    def _bound(self) -> None:
        while len(self._waiting) > WAITING_MAX:
            self._waiting.popleft()
            self.counts["dropped"] += 1
            log.error("the outbox has been full for too long: a row was dropped")

    def _told(self, violation: Violation) -> None:
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

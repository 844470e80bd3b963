# SPDX-License-Identifier: AGPL-3.0-or-later
"""What visiond enters into the ledgers: each case's start and end, watched and blind minutes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge import ledger
from edge.config import Category
from edge.faults import FaultLog
from edge.rules.blind import BlindTime
from edge.uplink.wire import utc_text
from edge.values import Stamp, Violation

# Rows of one ledger that wait for room; beyond that the oldest are given up.
WAITING_MAX = 5000
RETRY_S = 10.0


class CameraLedgers:
    """`entered` may be called by any thread; all else by the one that owns it. Rows that the
    disk does not take are kept in memory and tried again with the next ones, or by `keep`."""

    def __init__(self, state: Path, categories: Mapping[str, Category], faults: FaultLog) -> None:
        self._state, self._categories, self._faults = state, categories, faults
        self._unwatched: dict[str, tuple[BlindTime, str]] = {}
        self._waiting: dict[str, deque[Mapping[str, Any]]] = {}
        self._retry_mono = -1e9
        self._lock = threading.Lock()

    def entered(self, violation: Violation) -> None:
        """A row of the handling ledger for the start and the end of a case."""
        category = self._categories[violation.category]
        if violation.phase == "update":
            return
        row = {
            "time": utc_text((violation.ended or violation.decided).wall),
            "id": violation.id,
            "category": violation.category,
            "name": category.zh,
            "phase": violation.phase,
            "place": violation.where.address or violation.source.get("name"),
            "occurrence": violation.occurrence,
            "outcome": violation.facts.get("outcome", ""),
            "deadline_h": category.deadline_h,
        }
        self._append("handling", [row])

    def unwatch(self, camera: str, now: Stamp, reason: str) -> None:
        """A camera that nobody works for is blind from now on."""
        self._unwatched[camera] = BlindTime(camera, now, reason), reason

    def is_unwatched(self, camera: str) -> bool:
        return camera in self._unwatched

    def keep(self, rows: Iterable[Mapping[str, Any]], now: Stamp) -> None:
        """Watched and blind minutes, `rows` of the cameras at work: appended when a stretch is
        over, five minutes at most."""
        every = list(rows)
        for blind, reason in self._unwatched.values():
            every += [span.row() for span in blind.mark(now, reason)]
        if every:
            self._append("inspection", every)
        if self._waiting and now.mono >= self._retry_mono:
            self._retry_mono = now.mono + RETRY_S
            for name in list(self._waiting):
                self._append(name, [])

    def _append(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """After what waits already."""
        with self._lock:
            every = self._waiting.pop(name, deque(maxlen=WAITING_MAX))
            every.extend(rows)
            try:
                ledger.append(self._state, name, every, time.time())
            except OSError as error:
                self._waiting[name] = every
                self._faults.start("disk", "ledger", str(error))
                return
            if not self._waiting:
                self._faults.end("disk", "ledger")

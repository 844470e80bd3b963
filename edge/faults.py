# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults that are open, in one log for each daemon: reported once at their start and their end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from edge.values import TEXT_MAX, Fault, Json, Stamp, tellable

log = logging.getLogger(__name__)


class FaultLog:
    """Open faults by (kind, subject). Thread-safe.

    put: makes a fault a row of the outbox; its second argument tells whether an end belongs to it,
    for then the outbox keeps it until that end.
    standing: what an earlier run left open, by the clocks of this boot.
    """

    def __init__(
        self,
        now: Callable[[], Stamp],
        put: Callable[[Fault, bool], object],
        standing: Iterable[Fault] = (),
    ) -> None:
        self._now, self._put = now, put
        self._open = {(fault.kind, fault.subject): fault for fault in standing}
        self._lock = threading.RLock()

    def start(self, kind: str, subject: str, text: str, **facts: Json) -> None:
        """Something is wrong from now on; nothing where that is known."""
        self.report(Fault(kind, subject, "start", self._now(), text, facts))

    def end(self, kind: str, subject: str, text: str = "", **facts: Json) -> None:
        """It is over; nothing where it is not open."""
        self.report(Fault(kind, subject, "end", self._now(), text, facts))

    def holds(self, kind: str, subject: str, wrong: bool, text: str, **facts: Json) -> None:
        """What a repeated check found: starts or ends the fault where that changes anything."""
        if wrong:
            self.start(kind, subject, text, **facts)
        else:
            self.end(kind, subject, **facts)

    def once(self, kind: str, subject: str, text: str, **facts: Json) -> None:
        """A fault that has no end, such as a record given up."""
        self._put(_fitting(Fault(kind, subject, "start", self._now(), text, facts)), False)

    def report(self, fault: Fault) -> None:
        """A start or an end, as whoever watches found it. An end says how long it lasted, and
        what it was where it has no text of its own."""
        fault = _fitting(fault)
        named = (fault.kind, fault.subject)
        with self._lock:
            started = self._open.get(named)
            if (started is None) == (fault.phase == "end"):
                return
            if started is None:
                self._open[named] = fault
                log.warning("fault %s of %s: %s", *named, fault.text)
            else:
                del self._open[named]
                lasted_s = round(fault.at.mono - started.at.mono, 1)
                facts = {"lasted_s": lasted_s, **fault.facts}
                fault = replace(fault, text=fault.text or started.text, facts=facts)
                log.info("fault %s of %s is over: %s", *named, fault.text)
            self._put(fault, True)

    def end_others(self, watched: Callable[[Fault], bool]) -> None:
        """End what an earlier run left open of what nobody watches any more, such as of a camera
        that was taken out of the site file."""
        for fault in self.standing():
            if not watched(fault):
                self.end(fault.kind, fault.subject)

    def standing(self, kind: str | None = None) -> list[Fault]:
        """What is open, of one kind or of all."""
        with self._lock:
            return [f for f in self._open.values() if kind in (None, f.kind)]

    def find(self, kind: str, subject: str) -> Fault | None:
        with self._lock:
            return self._open.get((kind, _cut(tellable(subject))))

    def status(self) -> list[dict[str, Any]]:
        """For the status file, in one shape for every daemon."""
        return [
            {"kind": f.kind, "subject": f.subject, "text": f.text, "wall": round(f.at.wall, 3)}
            for f in self.standing()
        ]


def _fitting(fault: Fault) -> Fault:
    """With a subject and a text that a record takes: one that it does not would be kept, and read
    by nobody, at the next start of the daemon either."""
    subject, text, facts = tellable([fault.subject, fault.text, fault.facts])
    return replace(fault, subject=_cut(subject), text=_cut(text), facts=facts)


def _cut(words: str) -> str:
    return words if len(words) <= TEXT_MAX else f"{words[: TEXT_MAX - 1]}…"

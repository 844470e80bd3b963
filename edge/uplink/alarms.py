# SPDX-License-Identifier: AGPL-3.0-or-later
"""The uplink's own faults: told once when they start and once when they end."""

from __future__ import annotations

from collections.abc import Callable

from edge.values import Fault, Json, Stamp


class Alarms:
    """Open faults by (kind, subject). `raised` is emptied by the daemon, which makes rows of it.

    Faults are gathered and not put at once: their rows go through the producers' door, which must
    not be entered in the middle of a state change.
    """

    def __init__(self, clock: Callable[[], Stamp]) -> None:
        self._clock = clock
        self._open: set[tuple[str, str]] = set()
        self.raised: list[Fault] = []

    def start(self, kind: str, subject: str, text: str, **facts: Json) -> None:
        if (kind, subject) not in self._open:
            self._open.add((kind, subject))
            self.once(kind, subject, text, **facts)

    def once(self, kind: str, subject: str, text: str, **facts: Json) -> None:
        """A fault that has no end, such as a record given up."""
        self.raised.append(Fault(kind, subject, "start", self._clock(), text, facts))

    def end(self, kind: str, subject: str) -> None:
        if (kind, subject) in self._open:
            self._open.discard((kind, subject))
            self.raised.append(Fault(kind, subject, "end", self._clock(), "well again"))

    @property
    def open(self) -> list[str]:
        return sorted(f"{kind}:{subject}" for kind, subject in self._open)

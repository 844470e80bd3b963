# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which camera is looked at next: by need, fair to all, each by one worker at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Entry:
    """One camera's standing with the scheduler."""

    due_every_s: float
    waiting: Callable[[], bool]
    busy: bool = False
    open_cases: int = 0
    looked_mono: float = field(default=-1e9)
    next_mono: float = field(default=-1e9)


class Scheduler:
    """Workers ask `take` for the camera that is most overdue and give it back with `done`.

    Need is the time since the last look in units of the camera's own interval; a camera with open
    candidates counts double, but one that has waited three intervals goes before any that has
    not: so nobody starves below a third of its rate while the board can give that much.
    """

    def __init__(self, bell: threading.Condition, monotonic: Callable[[], float]) -> None:
        self._bell, self._now = bell, monotonic
        self._entries: dict[Hashable, _Entry] = {}
        self._closed = False
        self._rate = 1.0
        self._only: Hashable | None = None

    def ease(self, rate: float, only: Hashable | None = None) -> None:
        """From now on looks come at this share of each camera's rate, and for `only` one camera
        where it is given: what a hot board can do. (1.0, None) is everything again."""
        with self._bell:
            self._rate, self._only = rate, only
            self._bell.notify_all()

    def add(self, camera: Hashable, fps: float, waiting: Callable[[], bool]) -> None:
        """`waiting` tells whether a frame lies in the camera's mailbox; whoever puts one there
        rings the bell."""
        with self._bell:
            self._entries[camera] = _Entry(1.0 / fps, waiting)

    def take(self, timeout_s: float) -> Hashable | None:
        """The camera to look at now, marked busy; None after the timeout or at close."""
        with self._bell:
            self._bell.wait_for(lambda: self._closed or bool(self._free()), timeout_s)
            free = self._free()
            if self._closed or not free:
                return None
            now = self._now()
            chosen = max(free, key=lambda name: _need(self._entries[name], now))
            entry = self._entries[chosen]
            entry.busy, entry.looked_mono = True, now
            # A look that came late does not delay the ones after it: the rate is kept on average.
            eased_s = entry.due_every_s / self._rate
            entry.next_mono = max(entry.next_mono + eased_s, now + eased_s / 2.0)
            return chosen

    def done(self, camera: Hashable, open_cases: int, every_s: float | None = None) -> None:
        """The camera's frame is judged: it may be given the next one. every_s: the interval that
        it wants from now on, where that has changed."""
        with self._bell:
            entry = self._entries[camera]
            entry.busy, entry.open_cases = False, open_cases
            entry.due_every_s = every_s or entry.due_every_s
            if entry.waiting():
                self._bell.notify()

    def close(self) -> None:
        with self._bell:
            self._closed = True
            self._bell.notify_all()

    def _free(self) -> list[Hashable]:
        return [
            n for n, p in self._entries.items() if not p.busy and p.waiting() and self._due(n, p)
        ]

    def _due(self, name: Hashable, entry: _Entry) -> bool:
        """Always, unless the board is eased: then at `_rate`."""
        if self._only is not None and name != self._only:
            return False
        return self._rate >= 1.0 or self._now() >= entry.next_mono


def _need(entry: _Entry, now: float) -> tuple[bool, float]:
    intervals = (now - entry.looked_mono) / entry.due_every_s
    return intervals >= 3.0, intervals * (2.0 if entry.open_cases else 1.0)

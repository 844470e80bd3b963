"""Which camera is looked at next: by need, fair to all, each by one worker at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Post:
    """One camera's standing with the roster."""

    due_every_s: float
    waiting: bool = False
    busy: bool = False
    open_cases: int = 0
    looked_mono: float = field(default=-1e9)


class Roster:
    """Workers ask `take` for the camera that is most overdue and give it back with `done`.

    Need is the time since the last look in units of the camera's own interval; a camera with open
    candidates counts double, but one that has waited three intervals goes before any that has
    not: so nobody starves below a third of its rate while the board can give that much.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._now = monotonic
        self._posts: dict[Hashable, _Post] = {}
        self._changed = threading.Condition()
        self._closed = False

    def add(self, camera: Hashable, fps: float) -> None:
        with self._changed:
            self._posts[camera] = _Post(1.0 / fps)

    def frame_waits(self, camera: Hashable) -> None:
        """A reader has put a frame into this camera's mailbox."""
        with self._changed:
            self._posts[camera].waiting = True
            self._changed.notify()

    def take(self, timeout_s: float) -> Hashable | None:
        """The camera to look at now, marked busy; None after the timeout or at close."""
        with self._changed:
            self._changed.wait_for(self._something, timeout_s)
            chosen = self._most_overdue()
            if chosen is not None:
                post = self._posts[chosen]
                post.busy, post.waiting, post.looked_mono = True, False, self._now()
            return chosen

    def done(self, camera: Hashable, open_cases: int) -> None:
        with self._changed:
            post = self._posts[camera]
            post.busy, post.open_cases = False, open_cases
            if post.waiting:
                self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _something(self) -> bool:
        return self._closed or any(p.waiting and not p.busy for p in self._posts.values())

    def _most_overdue(self) -> Hashable | None:
        now = self._now()
        free = [(n, p) for n, p in self._posts.items() if p.waiting and not p.busy]
        if self._closed or not free:
            return None
        return max(free, key=lambda item: _need(item[1], now))[0]


def _need(post: _Post, now: float) -> tuple[bool, float]:
    intervals = (now - post.looked_mono) / post.due_every_s
    return intervals >= 3.0, intervals * (2.0 if post.open_cases else 1.0)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""How long a thread's reads waited for data: not for a processor, nor for Python's own lock.

On a full machine a read takes as long as where nothing comes: whoever took that for spare time
would never learn that he has fallen behind. Linux counts how long each thread was ready to run and
did not (Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat); how long it takes to get
Python's lock back is tried from time to time, by giving it away for nothing.
"""

from __future__ import annotations

import contextlib
import os
import time

# Of so many reads one is followed by a trial, and as many trials are remembered.
TRIED_EVERY, TRIALS = 4, 8


class DataWait:
    """Of one thread: the one that calls `begin` and `end`."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._queued_s = 0.0
        self._lock_s = 0.0
        self._reads = 0

    def begin(self) -> None:
        """The read begins."""
        if self._file is None:
            self._file = _own_schedstat()
        self._queued_s = self._queue_s()

    def end(self, took_s: float) -> float:
        """Of `took_s`, the time that passed since `begin`, what the read waited for data. May be
        below 0: what was taken off fits on average only."""
        queued_s = self._queue_s() - self._queued_s
        self._reads += 1
        if self._reads % TRIED_EVERY == 1:
            self._try()
        return took_s - queued_s - self._lock_s

    def close(self) -> None:
        """Any thread may call."""
        file, self._file = self._file, -1
        if file is not None and file >= 0:
            os.close(file)

    def _try(self) -> None:
        """How long Python's lock lets wait for it now."""
        queued_s, began_s = self._queue_s(), time.monotonic()
        time.sleep(0)
        took_s = time.monotonic() - began_s - (self._queue_s() - queued_s)
        self._lock_s += (max(0.0, took_s) - self._lock_s) / min(self._reads, TRIALS)

    def _queue_s(self) -> float:
        """How long this thread has been ready to run and did not, so far; 0 where nobody tells."""
        if self._file is None or self._file < 0:
            return 0.0
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(os.pread(self._file, 96, 0).split()[1]) / 1e9
        return 0.0


def _own_schedstat() -> int:
    try:
        return os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1

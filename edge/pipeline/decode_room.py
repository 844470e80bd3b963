# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which cameras are decoded whole while their streams are not known yet: those there is room for.

A camera must know how large its packets usually are before it may sleep. That is learnt from the
packets alone, in the same time whether all is decoded meanwhile or key pictures only; decoding all
shows at once what comes between these, and costs five times as much. Fifty cameras that did so
would fill two cores, and none would fall asleep. So each begins on its key pictures. One owner
gives room to some each second, those that wait longest first, and takes it back from all as soon
as what it measures says that the machine is full, whoever fills it. What has a reason to be decoded
whole (something moves, rules that key pictures are too far apart for) needs no room and is not
asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

# Each second of work has waited so long for a processor: full; and there is room again. With two
# cores and work that comes at random that is four fifths and three fifths of them
# (M/M/2: Kleinrock, Queueing Systems I, 3.5).
FULL, ROOM = 1.5, 0.6
# Less work than this share of a core tells nothing by how long it waited.
WORK_LEAST = 0.1
# A reader so far behind is starved, and a machine full where more than this share of them is.
BEHIND_S, BEHIND_SHARE = 1.0, 0.1
# Measured so often; after it was full, none is given room for so long.
EVERY_S, AGAIN_S = 1.0, 10.0


class DecodeRoom:
    """Pure. `at_once`: how many are given room in one step, of which one core holds several."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._full_s = -AGAIN_S
        self._since: dict[str, float] = {}
        self.given: frozenset[str] = frozenset()

    def step(self, now_s: float, *, full: bool, room: bool, learning: Sequence[str]) -> None:
        """learning: cameras whose packet sizes are not known yet. full, room: what is measured;
        neither holds in between, where those that have room keep it."""
        self._since = {name: self._since.get(name, now_s) for name in learning}
        self._full_s = now_s if full else self._full_s
        given = frozenset() if full else self.given & self._since.keys()
        if room and not full and now_s - self._full_s >= AGAIN_S:
            waiting = sorted(
                (name for name in self._since if name not in given), key=self._since.__getitem__
            )
            given |= set(waiting[: self._at_once])
        self.given = given

    @property
    def waiting(self) -> int:
        """How many learn at their key pictures for want of room."""
        return len(self._since.keys() - self.given)


def slowed(ran_s: float, queued_s: float, passed_s: float) -> float:
    """How many seconds each second of work has waited for a processor."""
    return queued_s / max(ran_s, WORK_LEAST * passed_s)


class ProcessorTime:
    """What the threads of this process have run, and how long they were ready to and did not
    (Documentation/scheduler/sched-stats.rst, /proc/<pid>/task/<tid>/schedstat)."""

    def __init__(self, tasks: Path = Path("/proc/self/task")) -> None:
        self._tasks, self._seen = tasks, dict[str, tuple[int, int]]()

    def since_last(self) -> tuple[float, float] | None:
        """Seconds run, and waited, of all threads together since this was asked last; None where
        the kernel does not tell."""
        before, self._seen = self._seen, self._now()
        if not self._seen:
            return None
        gone = [
            (ran - before[task][0], queued - before[task][1])
            for task, (ran, queued) in self._seen.items()
            if task in before
        ]
        return sum(ran for ran, _ in gone) / 1e9, sum(queued for _, queued in gone) / 1e9

    def _now(self) -> dict[str, tuple[int, int]]:
        found = {}
        for task in self._tasks.iterdir():
            try:
                ran, queued = (task / "schedstat").read_bytes().split()[:2]
                found[task.name] = int(ran), int(queued)
            except (OSError, ValueError):
                # A thread that has ended, or a kernel that does not count.
                continue
        return found


class Learning(Protocol):
    """What is asked and told of a camera."""

    room: bool

    @property
    def learning(self) -> bool: ...

    @property
    def behind_s(self) -> float: ...


class DecodeRoomControl:
    """Called by the main thread of visiond, which alone gives room and takes it."""

    def __init__(self, workers: Mapping[str, Learning]) -> None:
        self._workers = workers
        self._decided = DecodeRoom(len(os.sched_getaffinity(0)))
        self._time = ProcessorTime()
        self._at_s = time.monotonic()
        self._time.since_last()
        self._slowed: float | None = None

    def tick(self) -> None:
        """Measure once a second, and tell the cameras."""
        now_s = time.monotonic()
        passed_s = now_s - self._at_s
        if passed_s < EVERY_S:
            return
        self._at_s, told = now_s, self._time.since_last()
        self._slowed = slowed(*told, passed_s) if told else None
        starved = _starved([worker.behind_s for worker in self._workers.values()])
        self._decided.step(
            now_s,
            full=starved or (self._slowed is not None and self._slowed > FULL),
            room=self._slowed is None or self._slowed < ROOM,
            learning=[name for name, worker in self._workers.items() if worker.learning],
        )
        for name, worker in self._workers.items():
            worker.room = name in self._decided.given

    def status(self) -> dict[str, Any]:
        """For the status file. slowed: seconds that each second of work waited for a processor;
        whole, key: cameras that learn while all is decoded, and at their key pictures."""
        return {
            "slowed": None if self._slowed is None else round(self._slowed, 2),
            "whole": len(self._decided.given),
            "key": self._decided.waiting,
        }


def _starved(behind_s: Collection[float]) -> bool:
    return sum(one > BEHIND_S for one in behind_s) > BEHIND_SHARE * len(behind_s)

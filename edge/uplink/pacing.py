# SPDX-License-Identifier: AGPL-3.0-or-later
"""How fast evidence may go: a rate, a byte budget a day, and chunks that fit the line. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.uplink.wire import CHUNK_MAX

CHUNK_MIN = 4 * 1024
CHUNK_FIRST = 8 * 1024
# A violation waits for at most the chunk before it: on a thin line a chunk may take this long.
CHUNK_SLOW_S = 2.0
CHUNK_FAST_S = 0.5
PARALLEL_MAX = 4
# Clips stop at this share of the day's budget, so that pictures still go through.
CLIP_SHARE = 0.8
DAY_S = 86_400.0


class TokenBucket:
    """`rate` bytes a second with a burst of two seconds; None is no limit."""

    def __init__(self, rate: float | None) -> None:
        self._rate, self._tokens, self._at = rate, 0.0, 0.0
        self.set_rate(rate)

    def set_rate(self, rate: float | None) -> None:
        self._rate = rate
        self._tokens = min(self._tokens, 2.0 * rate) if rate else 0.0

    def take(self, n: int, now: float) -> bool:
        """Spend `n` bytes if there is any credit; a large chunk may leave a debt to wait off."""
        if self._rate is None:
            return True
        self._tokens = min(2.0 * self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens <= 0.0:
            return False
        self._tokens -= n
        return True


class ChunkSize:
    """Grows while the broker answers quickly, shrinks when the line is thin."""

    def __init__(self) -> None:
        self.bytes = CHUNK_FIRST
        self.parallel = 1

    def answered(self, size: int, took_s: float) -> None:
        """One chunk of `size` bytes was acknowledged after `took_s`."""
        if took_s > CHUNK_SLOW_S:
            self.bytes = max(CHUNK_MIN, self.bytes // 2)
            self.parallel = 1
        elif took_s < CHUNK_FAST_S and size >= self.bytes:
            self.parallel = PARALLEL_MAX if self.bytes == CHUNK_MAX else 1
            self.bytes = min(CHUNK_MAX, self.bytes * 2)


def _nothing(_: int) -> int:
    return 0


@dataclass(slots=True)
class DayBudget:
    """Bytes of one UTC day; `limit` None is no limit. Each day has a count of its own, so that a
    clock that was wrong for a while, ahead or behind, neither gives a day's bytes a second time
    nor keeps those of the right day back.

    kept(day): what the daemon has written down for a day. unsaved: what it has not yet.
    """

    limit: int | None
    day: int = 0
    spent: int = 0
    kept: Callable[[int], int] = _nothing
    unsaved: dict[int, int] = field(default_factory=dict)

    def allows(self, lane: str, wall: float) -> bool:
        """Whether the lane may still send today; clips stop before the rest does."""
        self._turn(wall)
        if self.limit is None:
            return True
        share = CLIP_SHARE if lane == "clip" else 1.0
        return self.spent < share * self.limit

    def spend(self, n: int, wall: float) -> None:
        self._turn(wall)
        self.spent += n
        if self.limit is not None:
            self.unsaved[self.day] = self.unsaved.get(self.day, 0) + n

    def saved(self) -> None:
        """The daemon has added `unsaved` to what it keeps."""
        self.unsaved.clear()

    def _turn(self, wall: float) -> None:
        day = int(wall // DAY_S)
        if day != self.day:
            self.day, self.spent = day, self.kept(day) + self.unsaved.get(day, 0)


def missing(size: int, ranges: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """The platform's `need` as disjoint rising [from, to) inside the file; nonsense is left out."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        start, end = max(start, found[-1][1] if found else 0), min(end, size)
        if start < end:
            found.append((start, end))
    return found

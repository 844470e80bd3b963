# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which pictures are due at the analysed rate, told by their times alone. Pure."""

from __future__ import annotations

from collections import deque

# A picture this share of an interval early is taken: the next one could be later still. Arrival
# times stray more than those of a file.
EARLY, LIVE_EARLY = 0.25, 0.6
# A step of the source's time longer than this, or backwards, starts the grid anew.
JUMP_S = 10.0


class Pacer:
    """Chooses pictures so that on average `fps` of them a second are due.

    Due times stand on a grid, so 25 pictures a second give 10, not 8.3. A source slower than
    `fps` has every picture chosen; a gap does not cause a burst afterwards.
    """

    def __init__(self, fps: float, *, early: float = EARLY) -> None:
        if fps <= 0:
            raise ValueError(f"fps must be above 0, not {fps}")
        self._interval_s = 1.0 / fps
        self._early_s = early * self._interval_s
        self._next_s = float("-inf")
        self._last_s = float("-inf")
        self._taken_s = float("-inf")

    def pace(self, interval_s: float) -> None:
        """From now on one picture is due in so many seconds; a shorter interval counts from the
        picture taken last."""
        if interval_s != self._interval_s:
            self._interval_s = interval_s
            self._next_s = min(self._next_s, self._taken_s + interval_s)

    def due(self, time_s: float) -> bool:
        """Whether the picture of this time is to be analysed. Call once for each, in order."""
        if time_s < self._last_s or time_s - self._last_s > JUMP_S:
            self._next_s = time_s
        self._last_s = time_s
        if time_s < self._next_s - self._early_s:
            return False
        self._next_s += self._interval_s
        if time_s >= self._next_s:
            self._next_s = time_s + self._interval_s
        self._taken_s = time_s
        return True

    def take(self, time_s: float) -> None:
        """The picture of this time, which was not due, is analysed: the next is due an interval
        after it."""
        self._taken_s, self._next_s = time_s, time_s + self._interval_s


class Lag:
    """How far reading has fallen behind a live stream.

    A reader that has time to wait for data is not behind, whatever the stream's clock says: that
    clock may run at any speed. While reads return at once, the clock tells how much of what is
    read has waited in the socket since the last time the reader waited.
    """

    # Over this time, a reader that waited this share of it keeps up; shorter waits than WAIT_S
    # are the reading itself.
    OVER_S, SPARE_SHARE, WAIT_S = 1.0, 0.2, 0.002

    def __init__(self) -> None:
        self._kept_up_s: float | None = None
        self._waits: deque[tuple[float, float]] = deque()

    def behind_s(self, arrived_s: float, time_s: float, waited_s: float) -> float:
        """Seconds that the picture of stream time `time_s` is late at `arrived_s` (mono).

        waited_s: how long the read of it waited for data (edge.camera.data_wait).
        """
        delay_s = arrived_s - time_s
        if self._kept_up_s is None or self._spare(arrived_s, waited_s):
            self._kept_up_s = delay_s
        self._kept_up_s = min(self._kept_up_s, delay_s)
        return delay_s - self._kept_up_s

    def _spare(self, now_s: float, waited_s: float) -> bool:
        # Below 0 where it was less than what was taken off for other waits: on average they fit.
        if abs(waited_s) >= self.WAIT_S:
            self._waits.append((now_s, max(-self.OVER_S, min(waited_s, self.OVER_S))))
        while self._waits and self._waits[0][0] < now_s - self.OVER_S:
            self._waits.popleft()
        return sum(waited for _, waited in self._waits) >= self.SPARE_SHARE * self.OVER_S

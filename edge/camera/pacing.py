# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which pictures are due at the analysed rate, told by their timestamps alone. Pure."""

from __future__ import annotations

# A picture this share of an interval early is taken: the next one could be later still.
EARLY = 0.25
# A step of the source's time longer than this, or backwards, starts the grid anew.
JUMP_S = 10.0


class Pacer:
    """Chooses pictures so that on average `fps` of them a second are due.

    Due times stand on a grid, so 25 pictures a second give 10, not 8.3. A source slower than
    `fps` has every picture chosen; a gap does not cause a burst afterwards.
    """

    def __init__(self, fps: float) -> None:
        if fps <= 0:
            raise ValueError(f"fps must be above 0, not {fps}")
        self._interval_s = 1.0 / fps
        self._next_s = float("-inf")
        self._last_s = float("-inf")

    def due(self, time_s: float) -> bool:
        """Whether the picture of this time is to be analysed. Call once for each, in order."""
        if time_s < self._last_s or time_s - self._last_s > JUMP_S:
            self._next_s = time_s
        self._last_s = time_s
        if time_s < self._next_s - EARLY * self._interval_s:
            return False
        self._next_s += self._interval_s
        if time_s >= self._next_s:
            self._next_s = time_s + self._interval_s
        return True


class Lag:
    """How far reading has fallen behind a live stream, told by the stream's own time.

    A reader that cannot keep up finds its pictures old already when they "arrive": they have
    waited in the socket. The least delay ever seen counts as none; it is forgotten slowly, since
    the camera's clock and ours drift apart (crystals: some 100 ppm; DRIFT allows ten times that).
    """

    DRIFT = 0.001

    def __init__(self) -> None:
        self._least_s: float | None = None
        self._last_s = 0.0

    def behind_s(self, arrived_s: float, time_s: float) -> float:
        """Seconds that the picture of stream time `time_s` is late at `arrived_s` (mono)."""
        delay_s = arrived_s - time_s
        passed_s, self._last_s = arrived_s - self._last_s, arrived_s
        if self._least_s is None or abs(delay_s - self._least_s) > 3 * JUMP_S:
            # The first picture, or the stream counts anew.
            self._least_s = delay_s
        self._least_s = min(delay_s, self._least_s + self.DRIFT * max(0.0, passed_s))
        return delay_s - self._least_s

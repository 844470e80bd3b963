# SPDX-License-Identifier: AGPL-3.0-or-later
"""When a value was measured, and whose word that is.

An instrument that tells its own time measured then; the value may come later, held back by a link
that was away. A clock that is wrong is wrong by the same amount every time: that is learnt and
taken off. What tells no time, or a time that has not come yet, was measured when it arrived.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import pairwise

from edge.values import Stamp, Trust

# Closer than this the instrument's clock is right: a network, a queue, a clock of whole seconds.
AGREE_S = 10.0
# So many values, each so long after the one before, that are off by the same amount are off by
# their clock.
STEADY_VALUES, STEADY_EVERY_S, STEADY_SPREAD_S = 8, 5.0, 3.0
# Beyond this a clock is not corrected: a person has to set it.
CORRECTED_MAX_S = 600.0


class InstrumentClock:
    """One instrument's clock against the box's. One owner."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=STEADY_VALUES)
        self.off_s: float | None = None
        self.trust: Trust = "arrival"

    def place(
        self, own_wall: float | None, now: Stamp, *, history: bool = False
    ) -> tuple[Stamp, Trust]:
        """The instant of measurement of a value that arrives `now` with this time of its own.

        history: the time is the beginning of a period that is over. It is placed by what values of
        the moment have taught, and teaches nothing: how late it comes is not the clock's doing.
        """
        if own_wall is None:
            return now, "arrival"
        delay_s = now.wall - own_wall
        if not history:
            self._learn(own_wall, delay_s)
        self.trust, by_s = self._weigh(delay_s, history=history)
        at = replace(now, mono=now.mono - by_s, wall=now.wall - by_s)
        return at, self.trust

    def _weigh(self, delay_s: float, *, history: bool) -> tuple[Trust, float]:
        """(whose word, how long before its arrival it was measured)."""
        known_off = history and bool(self.off_s)
        if -AGREE_S <= delay_s <= AGREE_S and not known_off:
            return "instrument", max(0.0, delay_s)
        if self.off_s is not None and abs(self.off_s) <= CORRECTED_MAX_S:
            left_s = delay_s - self.off_s
            if left_s >= -AGREE_S:
                return "corrected", max(0.0, left_s)
        return ("arrival", 0.0) if delay_s < 0.0 else ("unconfirmed", delay_s)

    def _learn(self, own_wall: float, delay_s: float) -> None:
        if self._seen and 0.0 <= own_wall - self._seen[-1][0] < STEADY_EVERY_S:
            return
        self._seen.append((own_wall, delay_s))
        delays = [delay for _, delay in self._seen]
        rising = all(earlier[0] < later[0] for earlier, later in pairwise(self._seen))
        steady = max(delays) - min(delays) <= STEADY_SPREAD_S
        if len(delays) == STEADY_VALUES and rising and steady:
            self.off_s = min(delays) if abs(min(delays)) > AGREE_S else 0.0

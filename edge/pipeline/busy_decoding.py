# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which busy cameras are decoded between their key pictures too: as many as the machine has room
for. Pure: time and load are arguments.

A busy street whose rules are content with key pictures costs half as much, but what comes is seen
up to a key picture later. Where processors stand idle, that is no bargain.
"""

from __future__ import annotations

from collections.abc import Sequence

# Below this share of all processors' time one camera more is decoded, above that one fewer, each so
# many seconds after the last change; one camera takes some 0.08 of one processor.
ROOM, FULL, STEP_S = 0.4, 0.65, 5.0
# Above FULL nobody is looked at oftener than the rules ask, until the machine is below this: what
# such looks cost a machine of 14 busy cameras is less than what lies between the two.
AGAIN = 0.45


class BusyDecoding:
    """Owned by the main thread of visiond."""

    def __init__(self) -> None:
        self._given: list[str] = []
        # Whether looks may be given besides those that rules ask for.
        self.spare = True
        self._last: tuple[float, float, float] | None = None

    def step(
        self, now_s: float, spent: tuple[float, float] | None, wanting: Sequence[str]
    ) -> frozenset[str]:
        """spent: processor time at work and in all, as it adds up (edge.board.processor_time);
        None where that is not known: then there is neither room nor a look to spare. wanting:
        cameras that could do with key pictures, the most important first."""
        self._given = [name for name in self._given if name in wanting]
        if spent is None:
            self._given, self.spare = [], False
        elif self._last is None or now_s - self._last[0] >= STEP_S:
            if self._last is not None and spent[1] > self._last[2]:
                self._change((spent[0] - self._last[1]) / (spent[1] - self._last[2]), wanting)
            self._last = (now_s, *spent)
        return frozenset(self._given)

    def _change(self, busy: float, wanting: Sequence[str]) -> None:
        self.spare = busy <= FULL if self.spare else busy < AGAIN
        without = [name for name in wanting if name not in self._given]
        if busy < ROOM and without:
            self._given.append(without[0])
        elif busy > FULL and self._given:
            self._given.pop()

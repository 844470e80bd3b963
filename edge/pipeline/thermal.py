# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the box gives up when it is hot, and what it says about its power. Pure: time is given.

The limits are those at which a Raspberry Pi's firmware begins to slow the cores (80 °C, soft) and
slows them hard (85 °C); Jetsons and PCs throttle later and get the same margin. Slowing down by
our own choice is even and reported; the firmware's is neither.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from edge.board import BoardState
from edge.values import Json, Stamp

Step = Literal[0, 1, 2]


@dataclass(frozen=True, slots=True)
class Heat:
    """Taken at `enter_c`, left again below `leave_c`; `rate` is of the analysed rate."""

    kind: str
    enter_c: float
    leave_c: float
    rate: float
    one_stream: bool
    text: str


STEPS = (
    Heat("overheated", 80.0, 75.0, 0.5, False, "every camera is analysed at half its rate"),
    Heat("overheated_one_stream", 85.0, 80.0, 0.5, True, "one camera only is analysed"),
)
# A step is taken after so long above its limit and left after so long below: a gust of wind or
# one burst of inference must not make the rate swing.
ENTER_HOLD_S, LEAVE_HOLD_S = 10.0, 60.0
# The firmware's bits come and go many times a minute with the load.
POWER_HOLD_S = 60.0

# What the board tells -> (fault, what it means).
POWER = {
    "under_voltage": ("under_voltage", "the supply drops below 4.63 V"),
    "frequency_capped": ("throttled", "the firmware holds the clock of the cores down"),
    "throttled": ("throttled", "the firmware slows the cores down"),
    "soft_temperature_limit": ("throttled", "the firmware's soft temperature limit is at work"),
}


@dataclass(frozen=True, slots=True)
class BoardTrouble:
    """Whether a fault of the board holds now, and what is said where it does."""

    kind: str
    holds: bool
    text: str
    facts: dict[str, Json]


@dataclass(frozen=True, slots=True)
class ThermalState:
    """What holds from now on, and of every fault of the board whether it does."""

    step: Step
    rate: float = 1.0
    one_stream: bool = False
    troubles: tuple[BoardTrouble, ...] = ()


class ThermalPolicy:
    """Owned by one daemon. `step` wants one look at the board every few seconds.

    standing: kinds of the faults that an earlier run left open: it goes on where that stopped.
    """

    def __init__(self, standing: Collection[str] = ()) -> None:
        self._step: Step = 0
        for number, limit in enumerate(STEPS, start=1):
            if limit.kind in standing:
                self._step = 1 if number == 1 else 2
        self._above: list[float | None] = [None] * len(STEPS)
        self._below: float | None = None
        # kind -> when it was seen last; None: by an earlier run.
        self._power: dict[str, float | None] = {
            kind: None for kind, _ in POWER.values() if kind in standing
        }

    def step(self, board: BoardState, now: Stamp) -> ThermalState:
        """Judge one look. An unknown temperature changes nothing: unknown is not cool."""
        if board.temperature_c is not None:
            self._step = self._next_step(board.temperature_c, now.mono)
        troubles = (*self._heat(board), *self._supply(board, now.mono))
        held = STEPS[self._step - 1] if self._step else None
        if held is None:
            return ThermalState(0, troubles=troubles)
        return ThermalState(self._step, held.rate, held.one_stream, troubles)

    def _next_step(self, heat_c: float, now: float) -> Step:
        wanted = 0
        for number, limit in enumerate(STEPS):
            since = self._above[number] if heat_c >= limit.enter_c else None
            if heat_c >= limit.enter_c and since is None:
                since = now
            self._above[number] = since
            if since is not None and now - since >= ENTER_HOLD_S:
                wanted = number + 1
        if wanted > self._step:
            self._below = None
            return 1 if wanted == 1 else 2
        return self._cooled(heat_c, now)

    def _cooled(self, heat_c: float, now: float) -> Step:
        """One step back at a time, each after its own wait."""
        if self._step == 0 or heat_c >= STEPS[self._step - 1].leave_c:
            self._below = None
            return self._step
        if self._below is None:
            self._below = now
        if now - self._below < LEAVE_HOLD_S:
            return self._step
        self._below = None
        return 1 if self._step == 2 else 0

    def _heat(self, board: BoardState) -> Iterator[BoardTrouble]:
        facts = {"temperature_c": board.temperature_c}
        for number, limit in enumerate(STEPS, start=1):
            yield BoardTrouble(limit.kind, self._step >= number, limit.text, facts)

    def _supply(self, board: BoardState, now: float) -> Iterator[BoardTrouble]:
        texts: dict[str, list[str]] = {}
        for trouble in board.troubles:
            if trouble in POWER:
                kind, text = POWER[trouble]
                self._power[kind] = now
                texts.setdefault(kind, []).append(text)
        facts = {"since_boot": list(board.since_boot), "troubles": list(board.troubles)}
        for kind, seen in list(self._power.items()):
            seen = self._power[kind] = now if seen is None else seen
            holds = now - seen < POWER_HOLD_S
            if not holds:
                del self._power[kind]
            yield BoardTrouble(kind, holds, "; ".join(texts.get(kind, ())), facts)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The master of a Modbus RTU line with any number of slaves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge.clock import Clock
from edge.runtime import Stop
from edge.sensors.binding import Binding
from edge.sensors.bus import Bus
from edge.sensors.maps import Block, Entry, Serial, blocks, readings
from edge.sensors.modbus import answer, request
from edge.sensors.port import Port

# A slave that does not answer is asked less and less often, so that it does not slow the others.
QUIET_CAP_S = 30.0


@dataclass(frozen=True, slots=True)
class Slave:
    """One instrument on the line."""

    binding: Binding
    address: int
    every_s: float
    registers: tuple[Entry, ...]


@dataclass(slots=True)
class _Poll:
    """One block of one slave: when it is due, and how often it has been silent."""

    slave: Slave
    block: Block
    due: float = 0.0
    failures: int = 0

    def later(self, now: float, *, answered: bool) -> None:
        """When to ask this slave again: in step, or, unanswered, ever more seldom up to
        `QUIET_CAP_S`."""
        self.failures = 0 if answered else self.failures + 1
        every_s = self.slave.every_s
        if answered:
            # In step with the clock; after a delay from now on, never to catch up.
            due = self.due + every_s
            self.due = due if due > now else now + every_s
            return
        slower = min(QUIET_CAP_S, every_s * 2.0 ** min(self.failures // 3, 10))
        self.due = now + max(every_s, slower)


class ModbusBus(Bus):
    """Master of an RS-485 line: one request at a time, silence between answer and next request."""

    def __init__(
        self, port: Port, slaves: Sequence[Slave], clock: Clock, stop: Stop, line: Serial
    ) -> None:
        super().__init__(port, [slave.binding for slave in slaves], clock, stop)
        self._line = line
        self._polls = [_Poll(slave, b) for slave in slaves for b in blocks(slave.registers)]

    def serve(self) -> None:
        """Ask whoever is due first, one request at a time, with silence after each
        (`turnaround_s`)."""
        while not self.stop:
            self.moved = time.monotonic()
            poll = min(self._polls, key=_due)
            if self.stop.wait(min(1.0, poll.due - time.monotonic())):
                return
            if poll.due <= time.monotonic():
                answered = self._ask(poll)
                poll.later(time.monotonic(), answered=answered)
                self.stop.wait(self._line.turnaround_s)

    def _ask(self, poll: _Poll) -> bool:
        self.counts.bytes_skipped += len(self.port.discard())
        asked = request(poll.slave.address, poll.block)
        self.port.write(asked)
        got, deadline = b"", time.monotonic() + self._line.timeout_s
        while time.monotonic() < deadline and not self.stop:
            got += self.port.read(max(0.0, deadline - time.monotonic()))
            found = answer(got, poll.slave.address, poll.block)
            if found is not None:
                return self._answered(poll, found.data, found.exception, (asked, got))
        self.counts.unanswered += 1
        self.counts.bad += bool(got)
        note = "not an answer" if got else "no answer"
        self.heard.answer(asked, got, (), self.clock.now().wall, note)
        return False

    def _answered(
        self, poll: _Poll, data: bytes, exception: str, exchange: tuple[bytes, bytes]
    ) -> bool:
        slave = poll.slave
        who = f"{slave.binding.sensor.id} at address {slave.address}"
        if exception:
            self.counts.exceptions += 1
            self.heard.answer(*exchange, (), self.clock.now().wall, exception)
            self._trouble.failed(who, f"refuses {poll.block}: {exception}")
            return False
        self.counts.good += 1
        self._trouble.healed(who)
        found = readings(slave.registers, poll.block, data, "")
        self.heard.answer(*exchange, found, self.clock.now().wall)
        self.hand_over(slave.binding, found)
        return True


def _due(poll: _Poll) -> float:
    return poll.due

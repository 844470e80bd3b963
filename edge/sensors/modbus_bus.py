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
# RTU answers carry no number. An answer that may still come is waited for so long before the same
# slave is asked for other registers of the same shape: it would be taken for theirs.
LATE_S, LATE_TIMEOUTS = 10.0, 10.0
# What a refusal usually means with a new map.
HINTS = {
    "illegal address": " (does its maker count from 1, 30001 or 40001? say so in the map: first)",
    "illegal function": " (function 3 reads holding registers, 4 input registers)",
}
# The longest answer, and what may stand before it.
STRAY_BYTES = 512


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
    # Until when answers to unanswered questions may still come, and how many: a question that is
    # put again gets two, and the second must not be taken for what is asked after it.
    owed_until: float = 0.0
    owed: int = 0
    # Set where an answer came while one was owed: it may be the older one, and then the next to
    # come is this question's own. Nobody asks for anything like it until that is settled.
    unsure_until: float = 0.0

    def owe(self, until: float) -> None:
        """A question stays unanswered: one answer more may come until then."""
        now = time.monotonic()
        self.owed = 1 + (self.owed if self.owed_until > now else 0)
        self.owed_until = until

    def settle(self) -> None:
        """An answer came that nobody waited for: one fewer is owed."""
        self.owed = max(0, self.owed - 1)
        if not self.owed:
            self.owed_until = self.unsure_until = 0.0

    def unsure(self, until: float) -> None:
        """An answer came while another was owed: as many are owed still, the last of them to the
        question just put."""
        if self.owed_until > time.monotonic():
            self.owed_until = self.unsure_until = until

    def looks_like(self, other: _Poll) -> bool:
        """Whether the answer to one could be taken for that to the other."""
        same_slave = self.slave.address == other.slave.address
        mine, theirs = self.block, other.block
        shape = (mine.function, mine.count) == (theirs.function, theirs.count)
        return same_slave and shape and mine != theirs

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
        self._stray = b""

    def serve(self) -> None:
        """Ask whoever is due first, one request at a time, with silence after each
        (`turnaround_s`)."""
        while not self.stop:
            self.moved = time.monotonic()
            polls = [p for p in self._polls if p.slave.binding.sensor.id not in self.let_go]
            if not polls:
                self.stop.wait(1.0)
                continue
            poll = min(polls, key=self._when)
            if self._idle(min(1.0, self._when(poll) - time.monotonic())):
                return
            if self._when(poll) <= time.monotonic():
                answered = self._ask(poll)
                poll.later(time.monotonic(), answered=answered)
                self._idle(self._line.turnaround_s)

    def _when(self, poll: _Poll) -> float:
        """When to ask: not before the answer to a question like it has come or been given up, and
        not the same again while it is open whose answer came last: a slave that is always slower
        than the timeout would stay one answer behind for good."""
        alike = [p for p in self._polls if poll.looks_like(p)]
        own = [poll.unsure_until] if alike else []
        return max([poll.due, *own, *(p.owed_until for p in alike)])

    def _idle(self, wait_s: float) -> bool:
        """Wait; what arrives meanwhile is late. True when it is time to stop."""
        if any(poll.owed_until > time.monotonic() for poll in self._polls):
            end = time.monotonic() + wait_s
            while not self.stop and (left_s := end - time.monotonic()) > 0.0:
                self._late(self.port.read(min(0.2, left_s)))
            return bool(self.stop)
        return self.stop.wait(wait_s)

    def _late(self, data: bytes) -> None:
        """Bytes nobody waits for: thrown away, counted, and the question they answer settled."""
        if not data:
            return
        self._stray = (self._stray + data)[-STRAY_BYTES:]
        self.counts.bytes_skipped += len(data)
        for poll in self._polls:
            owed = poll.owed_until > time.monotonic()
            if owed and answer(self._stray, poll.slave.address, poll.block) is not None:
                poll.settle()
                self._stray = b""
                self.counts.late += 1

    def _ask(self, poll: _Poll) -> bool:
        self._late(self.port.discard())
        self._stray = b""
        asked = request(poll.slave.address, poll.block)
        self.port.write(asked)
        got, deadline = b"", time.monotonic() + self._line.timeout_s
        while time.monotonic() < deadline and not self.stop:
            got += self.port.read(max(0.0, deadline - time.monotonic()))
            found = answer(got, poll.slave.address, poll.block)
            if found is not None:
                # A refusal carries no count either: it may be that of an older question. What was
                # owed before this question stays owed: one answer came, one more was asked for.
                if found.exception and (until := self._owing(poll)):
                    poll.owe(until)
                poll.unsure(time.monotonic() + self._late_s)
                with self.alone(poll.slave.binding):
                    return self._answered(poll, found.data, found.exception, (asked, got))
                return False
        poll.owe(time.monotonic() + self._late_s)
        self.counts.unanswered += 1
        self.counts.bad += bool(got)
        note = "not an answer" if got else "no answer"
        self.heard.answer(asked, got, (), self.clock.now().wall, note)
        return False

    @property
    def _late_s(self) -> float:
        return max(LATE_S, LATE_TIMEOUTS * self._line.timeout_s)

    def _owing(self, poll: _Poll) -> float:
        """Until when a refused question may still be answered: where its slave owes others too."""
        now = time.monotonic()
        others = (p for p in self._polls if p.slave.address == poll.slave.address and p is not poll)
        return now + self._late_s if any(p.owed_until > now for p in others) else 0.0

    def _answered(
        self, poll: _Poll, data: bytes, exception: str, exchange: tuple[bytes, bytes]
    ) -> bool:
        slave = poll.slave
        who = f"{slave.binding.sensor.id} at address {slave.address}"
        if exception:
            self.counts.exceptions += 1
            self.heard.answer(*exchange, (), self.clock.now().wall, exception)
            self._trouble.failed(
                who, f"refuses {poll.block}: {exception}{HINTS.get(exception, '')}"
            )
            return False
        self.counts.good += 1
        self._trouble.healed(who)
        found = readings(slave.registers, poll.block, data, "")
        self.heard.answer(*exchange, found, self.clock.now().wall)
        self.hand_over(slave.binding, found)
        return True

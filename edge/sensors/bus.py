# SPDX-License-Identifier: AGPL-3.0-or-later
"""The thread that owns one line: asks or listens, reopens what was unplugged, hands samples over.

A line that hangs, floods or dies keeps its thread busy and nobody else: samples leave through a
bounded queue that drops the oldest and counts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from edge.clock import Clock
from edge.isolation import ItemGuard
from edge.runtime import Backoff, Stop, Trouble
from edge.sensors.binding import Binding
from edge.sensors.frames import InstrumentValue, Stream
from edge.sensors.heard import Heard
from edge.sensors.port import Port, PortGone
from edge.sensors.settings import DEFAULT_SETTLE_S
from edge.values import Sample

log = logging.getLogger(__name__)

# Reopening must come within 5 s of the return of an unplugged adapter.
REOPEN_FIRST_S, REOPEN_CAP_S = 0.5, 3.0
FLOOD_HZ = 20.0
QUEUE_MAX = 20_000


@dataclass(slots=True)
class Counts:
    """Of one line since the start, for status and stats."""

    opened: int = 0
    good: int = 0
    bad: int = 0
    bytes_skipped: int = 0
    unanswered: int = 0
    late: int = 0
    exceptions: int = 0
    flooded: int = 0
    dropped: int = 0
    answered: int = 0


@dataclass(slots=True)
class Queue:
    """Samples on their way to the main thread. One deque append is atomic; the oldest give way."""

    counts: Counts
    items: deque[Sample] = field(default_factory=lambda: deque(maxlen=QUEUE_MAX))

    def put(self, samples: Sequence[Sample]) -> None:
        over = len(self.items) + len(samples) - QUEUE_MAX
        self.counts.dropped += max(0, over)
        self.items.extend(samples)

    def take(self) -> list[Sample]:
        return [self.items.popleft() for _ in range(len(self.items))]


class Limiter:
    """Lets at most FLOOD_HZ values a second of each channel through, two seconds' worth at once."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._tokens: dict[tuple[str, str], tuple[float, float]] = {}

    def let(self, samples: list[Sample], mono: float) -> list[Sample]:
        passed = [sample for sample in samples if self._one(sample, mono)]
        self._counts.flooded += len(samples) - len(passed)
        return passed

    def _one(self, sample: Sample, mono: float) -> bool:
        key = (sample.sensor, sample.channel)
        tokens, at = self._tokens.get(key, (2 * FLOOD_HZ, mono))
        tokens = min(2 * FLOOD_HZ, tokens + (mono - at) * FLOOD_HZ)
        self._tokens[key] = (max(0.0, tokens - 1.0), mono)
        return tokens >= 1.0


class Bus(threading.Thread):
    """Base: open, serve, reopen. `state` is "open" or why it is not."""

    def __init__(self, port: Port, bindings: Sequence[Binding], clock: Clock, stop: Stop) -> None:
        super().__init__(name=f"bus {port.url}", daemon=True)
        self.port, self.bindings = port, tuple(bindings)
        self.clock, self.stop = clock, stop
        self.counts = Counts()
        self.queue = Queue(self.counts)
        self.heard = Heard()
        self.state = "opening"
        self.opened_mono: float | None = None
        self.moved = time.monotonic()
        self._flood_seen = 0
        # Whose work fails by a bug is let go alone, where the daemon says how (edge.isolation).
        self.guard: ItemGuard | None = None
        self.let_go: set[str] = set()
        self._limiter = Limiter(self.counts)
        self._trouble = Trouble(log)

    def run(self) -> None:
        """The thread of one line: open, serve, and open again for ever after the port went away."""
        backoff = Backoff(first_s=REOPEN_FIRST_S, cap_s=REOPEN_CAP_S)
        while not self.stop:
            try:
                self.open_line()
                self._opened()
                backoff.reset()
                self.serve()
            except PortGone as error:
                self.state, self.opened_mono = str(error), None
                self._trouble.failed(self.port.url, str(error))
            finally:
                self.port.close()
            self.moved = time.monotonic()
            self.stop.wait(max(0.2, backoff.next_s()))

    def flooding(self) -> bool:
        """Whether values were thrown away for coming too fast since the last call."""
        seen = self.counts.flooded + self.counts.dropped
        more, self._flood_seen = seen > self._flood_seen, seen
        return more

    def status(self) -> dict[str, Any]:
        """For the status file."""
        return {
            "port": self.port.url,
            "state": self.state,
            "sensors": [binding.sensor.id for binding in self.bindings],
            "repeats": sum(binding.repeats for binding in self.bindings),
            "strangers": sum(binding.strangers for binding in self.bindings),
            **asdict(self.counts),
        }

    def open_line(self) -> None:
        """Raises PortGone."""
        self.port.open()

    def _opened(self) -> None:
        self.counts.opened += 1
        self.state, self.opened_mono = "open", time.monotonic()
        self._trouble.healed(self.port.url)

    def serve(self) -> None:
        """Work until stopped. Raises PortGone when the line goes away."""
        raise NotImplementedError

    def count(self, stream: Stream) -> None:
        """Move a stream's totals into the line's counts."""
        totals = stream.totals
        self.counts.good += totals.good
        self.counts.bad += totals.bad
        self.counts.bytes_skipped += totals.bytes_skipped
        totals.good = totals.bad = totals.bytes_skipped = 0

    @contextmanager
    def alone(self, binding: Binding) -> Iterator[None]:
        """Around work for one instrument of a line that others share."""
        name = binding.sensor.id
        if self.guard is None:
            yield
            return
        with self.guard.working_for(name, partial(self._let_go, name)):
            yield

    def _let_go(self, name: str, why: str) -> None:
        self.let_go.add(name)
        if self.guard is not None:
            self.guard.report(name, why)

    def hand_over(self, binding: Binding, found: Sequence[InstrumentValue]) -> None:
        """Readings of one instrument as samples, stamped now, into the daemon's queue; a flood is
        cut. Values soon after the port was opened are marked calibrating (`settle_s`)."""
        settle_s = binding.sensor.settle_s
        if settle_s is None:
            settle_s = DEFAULT_SETTLE_S.get(binding.sensor.kind, 0.0)
        now = self.clock.now()
        settling = self.opened_mono is not None and time.monotonic() - self.opened_mono < settle_s
        samples = binding.samples(found, now, settling=settling)
        self.queue.put(self._limiter.let(samples, now.mono))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A line whose instruments talk by themselves, or after a text that asks them to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from edge.clock import Clock
from edge.runtime import Stop
from edge.sensors.binding import Binding
from edge.sensors.bus import Bus
from edge.sensors.frames import Stream
from edge.sensors.hj212 import encode
from edge.sensors.hj212_link import replies
from edge.sensors.hj212_stream import Hj212
from edge.sensors.port import Port, PortGone

# Above this a stream is read more slowly; the sender's buffer, not ours, fills.
BYTES_PER_S = 65_536.0
# A connection without a byte for so long is made anew: TCP can be dead without saying so. On a port
# of this machine an instrument that waits for a start gets it again.
SILENT_REOPEN_S = 60.0


class StreamBus(Bus):
    """Listens to instruments that talk by themselves, or after a text that asks them to."""

    def __init__(
        self,
        port: Port,
        bindings: Sequence[Binding],
        clock: Clock,
        stop: Stop,
        *,
        stream: Callable[[], Stream],
        start: bytes = b"",
        ending: bytes = b"",
        ask: bytes = b"",
        every_s: float = 1.0,
    ) -> None:
        super().__init__(port, bindings, clock, stop)
        self._new_stream = stream
        self._start, self._ending, self._ask, self._every_s = start, ending, ask, every_s

    def serve(self) -> None:
        """Read what an instrument sends by itself, or ask it every `every_s`. A TCP line that
        stays silent is opened anew (PortGone): a dead peer does not say that it is; on a port of
        this machine `start` is sent again."""
        stream, heard, asked = self._new_stream(), time.monotonic(), 0.0
        if self._start:
            self.port.write(self._start)
        while not self.stop:
            self.moved = now = time.monotonic()
            if self._ask and now - asked >= self._every_s:
                asked = now
                self.port.write(self._ask)
            data = self.port.read(min(0.5, self._every_s))
            if data:
                heard = now
                self._hear(stream, data)
                self.stop.wait(len(data) / BYTES_PER_S)
            elif now - heard > SILENT_REOPEN_S:
                heard = now
                self._silent()
        if self._ending:
            self.port.write(self._ending)

    def _silent(self) -> None:
        """An instrument that was switched off and on waits for its start again; an adapter that
        stayed plugged in tells nothing of that."""
        if not self.port.native:
            raise PortGone(f"{self.port.url}: silent for {SILENT_REOPEN_S:.0f} s")
        if self._start:
            self.port.write(self._start)

    def _hear(self, stream: Stream, data: bytes) -> None:
        found = stream.feed(data)
        self.heard.stream(data, found, self.clock.now().wall)
        self.count(stream)
        for binding in self.bindings:
            if binding.sensor.id not in self.let_go:
                with self.alone(binding):
                    self.hand_over(binding, found)
        self._reply(stream)

    def _reply(self, stream: Stream) -> None:
        decoder = stream.decoder
        if not isinstance(decoder, Hj212) or not self.bindings[0].sensor.answer:
            return
        for packet in decoder.packets:
            for reply in replies(packet):
                self.port.write(encode(reply))
                self.counts.answered += 1

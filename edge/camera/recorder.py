# SPDX-License-Identifier: AGPL-3.0-or-later
"""Keeps the packets of a record stream that is not the analysed one; decodes nothing."""

from __future__ import annotations

from edge.camera.grabber import SourceThread
from edge.camera.live import LiveSource
from edge.camera.ring import PacketRing
from edge.camera.source import Source
from edge.camera.url import Address
from edge.clock import Clock


class Recorder:
    """Fills a ring from one network stream, for ever. `line` tells how it fares."""

    def __init__(self, camera: str, address: Address, ring: PacketRing, clock: Clock) -> None:
        self.ring = ring
        self.last_packet_s = clock.now().mono
        self._address = address
        self._clock = clock
        self._source: LiveSource | None = None
        self.line = SourceThread(f"{camera} record", self._open, self._fill)

    def start(self) -> None:
        self.line.start()

    def stop(self, wait_s: float = 0.0) -> None:
        self.line.stop(wait_s)

    def _open(self) -> Source:
        self._source = LiveSource(self._address, self._clock)
        return self._source

    def _fill(self, _: Source) -> None:
        assert self._source is not None, "opened before read"
        for packet in self._source.packets():
            if self.line.stopping:
                return
            self.line.healed()
            self.last_packet_s = packet.at.mono
            self.ring.add(packet)

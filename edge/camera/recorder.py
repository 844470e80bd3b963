"""Keeps the packets of a record stream that is not the analysed one; decodes nothing."""

from __future__ import annotations

from edge.camera.grabber import Line
from edge.camera.live import LiveSource
from edge.camera.ring import PacketRing
from edge.camera.url import Address
from edge.clock import Clock


class Recorder:
    """Fills a ring from one network stream, for ever. `line` tells how it fares."""

    def __init__(self, camera: str, address: Address, ring: PacketRing, clock: Clock) -> None:
        self.ring = ring
        self.last_packet_s = clock.now().mono
        self.line: Line[LiveSource] = Line(
            f"{camera} record", lambda: LiveSource(address, clock), self._fill
        )

    def start(self) -> None:
        self.line.start()

    def stop(self, wait_s: float = 0.0) -> None:
        self.line.stop(wait_s)

    def _fill(self, source: LiveSource) -> None:
        for packet in source.packets():
            if self.line.stopping:
                return
            self.line.healed()
            self.last_packet_s = packet.at.mono
            self.ring.add(packet)

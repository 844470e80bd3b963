# SPDX-License-Identifier: AGPL-3.0-or-later
"""HJ 212 stations that call in over TCP: one thread for all of them, bounded in every way."""

from __future__ import annotations

import logging
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from edge.clock import Clock
from edge.runtime import Stop
from edge.sensors.binding import Binding
from edge.sensors.bus import Bus
from edge.sensors.frames import Stream
from edge.sensors.hj212 import encode
from edge.sensors.hj212_link import replies
from edge.sensors.hj212_stream import Hj212
from edge.sensors.maps import Serial
from edge.sensors.port import Port, PortGone

log = logging.getLogger(__name__)

CALLERS_MAX = 64
# A caller silent for longer than the longest real-time interval of the standard is dropped.
IDLE_S = 3700.0
# Bytes read from one caller in one turn: a flood waits in its own socket.
TURN_BYTES = 4096
TURN_S = 0.5
# A modem that dials anew leaves its old connection without a word: the kernel asks after this much
# silence, and gives the connection up after so many questions without an answer.
KEEPALIVE = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 120,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 30,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 4,
}


@dataclass(slots=True)
class _Caller:
    stream: Stream
    name: str
    heard: float = field(default_factory=time.monotonic)


class Listener(Bus):
    """Accepts callers at `listen://address:port`. Who does not read the answers is dropped."""

    def __init__(
        self,
        url: str,
        bindings: Sequence[Binding],
        clock: Clock,
        stop: Stop,
        *,
        stream: Callable[[], Stream],
    ) -> None:
        super().__init__(Port(url, Serial()), bindings, clock, stop)
        self._new_stream = stream
        self._callers: dict[socket.socket, _Caller] = {}
        self._server: socket.socket | None = None
        self.address: tuple[str, int] = ("", 0)
        # Callers let go because a new one found all places taken.
        self.crowded_out = 0

    def status(self) -> dict[str, Any]:
        """As of any line, and who had to make room."""
        return {**super().status(), "crowded_out": self.crowded_out}

    def open_line(self) -> None:
        """Listen at `listen://address:port`. Raises PortGone where that is taken or not ours."""
        parts = urlsplit(self.port.url)
        try:
            self._server = socket.create_server((parts.hostname or "", parts.port or 0))
        except (OSError, ValueError) as error:
            raise PortGone(f"{self.port.url}: {error}") from None
        self._server.setblocking(False)
        self.address = self._server.getsockname()[:2]

    def serve(self) -> None:
        """Answer callers until told to stop; those still connected are dropped then."""
        server = self._server
        assert server is not None, "opened before"
        with server, selectors.DefaultSelector() as selector:
            selector.register(server, selectors.EVENT_READ)
            try:
                while not self.stop:
                    self._turn(selector, server)
            finally:
                for caller in list(self._callers):
                    self._drop(selector, caller)

    def _turn(self, selector: selectors.BaseSelector, server: socket.socket) -> None:
        self.moved = now = time.monotonic()
        for key, _ in selector.select(TURN_S):
            if key.fileobj is server:
                self._accept(selector, server)
            # One that was ready as well may just have made room for a new caller.
            elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._callers:
                self._read(selector, key.fileobj)
        for sock, caller in list(self._callers.items()):
            if now - caller.heard > IDLE_S:
                self._drop(selector, sock)

    def _accept(self, selector: selectors.BaseSelector, server: socket.socket) -> None:
        try:
            sock, address = server.accept()
        except OSError as error:
            log.debug("%s: accept: %s", self.port.url, error)
            return
        if len(self._callers) >= CALLERS_MAX:
            self._make_room(selector)
        sock.setblocking(False)
        for (level, option), value in KEEPALIVE.items():
            sock.setsockopt(level, option, value)
        self._callers[sock] = _Caller(self._new_stream(), str(address))
        selector.register(sock, selectors.EVENT_READ)

    def _make_room(self, selector: selectors.BaseSelector) -> None:
        """The caller silent longest goes: it is the likeliest to be dead, and a station that is not
        calls again."""
        sock, caller = min(self._callers.items(), key=lambda item: item[1].heard)
        log.debug("%s: %s makes room for a new caller", self.port.url, caller.name)
        self.crowded_out += 1
        self._drop(selector, sock)

    def _read(self, selector: selectors.BaseSelector, sock: socket.socket) -> None:
        caller = self._callers[sock]
        try:
            data = sock.recv(TURN_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(selector, sock)
            return
        caller.heard = time.monotonic()
        self._hear(selector, sock, caller, data)

    def _hear(
        self, selector: selectors.BaseSelector, sock: socket.socket, caller: _Caller, data: bytes
    ) -> None:
        found = caller.stream.feed(data)
        self.count(caller.stream)
        if found:
            self.heard.answer(b"", data, found, self.clock.now().wall, caller.name)
        for binding in self.bindings:
            self.hand_over(binding, found)
        decoder = caller.stream.decoder
        assert isinstance(decoder, Hj212)
        answers = [encode(r) for packet in decoder.packets for r in replies(packet)]
        if not answers or not self.bindings[0].sensor.answer:
            return
        try:
            sock.sendall(b"".join(answers))
            self.counts.answered += len(answers)
        except OSError as error:
            log.debug("%s: answer to %s: %s", self.port.url, caller.name, error)
            self._drop(selector, sock)

    def _drop(self, selector: selectors.BaseSelector, sock: socket.socket) -> None:
        self._callers.pop(sock, None)
        selector.unregister(sock)
        sock.close()

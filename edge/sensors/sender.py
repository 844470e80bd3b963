# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sends minute values on to an environment platform by HJ 212 over TCP. One thread, bounded."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edge.clock import Clock
from edge.runtime import Backoff, Stop, Trouble
from edge.sensors.frames import Stream
from edge.sensors.hj212 import Hj212Packet, encode, parts
from edge.sensors.hj212_link import ANSWER_WAIT_S, RESENDS, acknowledges, minute_message, replies
from edge.sensors.hj212_stream import Hj212
from edge.sensors.minutes import Minute
from edge.sensors.settings import Forward

log = logging.getLogger(__name__)

# A day of minutes: beyond that the oldest are given up and counted.
WAITING_MAX = 1440
CONNECT_S = 10.0
TRIES = 1 + RESENDS
# How long one look for an answer takes at most.
LOOK_S = 0.5


class _Lost(Exception):
    """The connection is gone or the platform does not answer."""


@dataclass(slots=True)
class _Message:
    """What waits. tries: how often it was sent; sent_then: how many others had got through when it
    first did not."""

    packet: Hj212Packet
    tries: int = 0
    sent_then: int | None = None


class Hj212Sender(threading.Thread):
    """One platform. A message leaves the queue when 9014 has come for it, or when others got
    theirs and it did not."""

    def __init__(
        self,
        sensor: str,
        forward: Forward,
        clock: Clock,
        stop: Stop,
        *,
        answer_wait_s: float = ANSWER_WAIT_S,
    ) -> None:
        super().__init__(name=f"sender {forward.to}", daemon=True)
        self._sensor, self._forward = sensor, forward
        self._clock, self._stop_event = clock, stop
        self._wait_s = answer_wait_s
        self._waiting: queue.Queue[_Message] = queue.Queue(WAITING_MAX)
        self._trouble = Trouble(log)
        self.sent = self.dropped = self.unanswered = 0

    def add(self, minutes: Sequence[Minute]) -> None:
        """Queue this sensor's minutes, one message for each; never blocks."""
        by_began: dict[float, list[Minute]] = {}
        for minute in minutes:
            if minute.sensor == self._sensor and minute.mean is not None:
                by_began.setdefault(minute.began.wall, []).append(minute)
        for began, rows in by_began.items():
            values = _values(rows, self._forward)
            if values:
                now_wall = self._clock.now().wall
                self._put(_Message(minute_message(self._forward, values, began, now_wall)))

    def _put(self, message: _Message) -> None:
        while True:
            try:
                self._waiting.put_nowait(message)
                return
            except queue.Full:
                self.dropped += 1
                self._waiting.get_nowait()

    def run(self) -> None:
        """The thread: one TCP session after another, with back-off, until stopped."""
        backoff = Backoff(first_s=1.0, cap_s=60.0)
        while not self._stop_event:
            try:
                self._session(backoff)
            except (OSError, _Lost) as error:
                self._trouble.failed(self._forward.to, str(error))
                self._stop_event.wait(backoff.next_s())

    def _session(self, backoff: Backoff) -> None:
        url = urlsplit(self._forward.to)
        address = (url.hostname or "", url.port or 0)
        with socket.create_connection(address, CONNECT_S) as sock:
            self._trouble.healed(self._forward.to)
            sock.settimeout(LOOK_S)
            stream = Stream(Hj212(tolerant=True))
            while not self._stop_event:
                message = self._next(sock, stream)
                if message is not None:
                    self._deliver(sock, stream, message)
                    backoff.reset()

    def _next(self, sock: socket.socket, stream: Stream) -> _Message | None:
        """The next message; requests of the platform are answered meanwhile."""
        self._hear(sock, stream)
        return self._waiting.queue[0] if self._waiting.queue else None

    def _deliver(self, sock: socket.socket, stream: Stream, message: _Message) -> None:
        frames = b"".join(encode(part) for part in parts(message.packet))
        try:
            for _ in range(TRIES):
                message.tries += 1
                if self._acknowledged(sock, stream, message, frames):
                    self.sent += 1
                    self._take_out(message)
                    return
                if self._stop_event:
                    return
            raise _Lost(f"no answer to QN={message.packet.qn} after {TRIES} tries")
        except (OSError, _Lost):
            self._leave_behind(message)
            raise

    def _acknowledged(
        self, sock: socket.socket, stream: Stream, message: _Message, frames: bytes
    ) -> bool:
        sock.sendall(frames)
        deadline = time.monotonic() + self._wait_s
        while time.monotonic() < deadline and not self._stop_event:
            if any(acknowledges(p, message.packet.qn) for p in self._hear(sock, stream)):
                return True
        return False

    def _take_out(self, message: _Message) -> bool:
        """Of the head of the queue, where it has not given way to newer ones meanwhile."""
        if not self._waiting.queue or self._waiting.queue[0] is not message:
            return False
        self._waiting.get_nowait()
        return True

    def _leave_behind(self, message: _Message) -> None:
        """The others go first now. What gets no answer while they do is given up; a platform that
        answers nothing costs nothing."""
        if message.sent_then is None:
            message.sent_then = self.sent
        if not self._take_out(message):
            return
        if message.tries >= TRIES and self.sent > message.sent_then:
            self.unanswered += 1
        else:
            self._put(message)

    def _hear(self, sock: socket.socket, stream: Stream) -> list[Hj212Packet]:
        try:
            data = sock.recv(4096)
        except TimeoutError:
            return []
        if not data:
            raise _Lost("the platform hung up")
        stream.feed(data)
        decoder = stream.decoder
        assert isinstance(decoder, Hj212)
        for packet in decoder.packets:
            for reply in replies(packet):
                sock.sendall(encode(reply))
        return decoder.packets

    def status(self) -> dict[str, Any]:
        """Counters for the daemon's status; `unanswered` are those given up, `dropped` those that
        gave way to newer ones."""
        return {
            "to": self._forward.to,
            "sensor": self._sensor,
            "waiting": self._waiting.qsize(),
            "sent": self.sent,
            "dropped": self.dropped,
            "unanswered": self.unanswered,
        }


def _values(rows: Sequence[Minute], forward: Forward) -> dict[str, dict[str, float]]:
    """factor -> field -> value for the channels that are to be sent."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        factor = forward.channels.get(row.channel)
        if factor is None or row.mean is None:
            continue
        if factor == "LA":
            found |= {name: {"Data": value} for name, value in row.levels.items()}
            found["Leq"] = {"Data": row.mean}
            found["LMx"], found["LMn"] = {"Data": row.max or 0.0}, {"Data": row.min or 0.0}
        else:
            found[factor] = {"Min": row.min or 0.0, "Avg": row.mean, "Max": row.max or 0.0}
    return found

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A raw MQTT 5 broker that breaks the rules on request: what no real broker can be made to do.

Knows CONNECT, PUBLISH at QoS 0 and 1, SUBSCRIBE, PING and DISCONNECT (OASIS MQTT 5.0, section 3).
It keeps what it is sent, delivers nothing by itself, and answers as its `Manners` say.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 12, 13, 14


@dataclass(frozen=True, slots=True)
class Got:
    """One PUBLISH as it came."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    dup: bool
    retain: bool
    at: float
    size: int
    connection: int


def puback(mid: int, code: int = 0) -> bytes:
    return _packet(PUBACK << 4, struct.pack(">HB", mid, code))


def plain_answer(got: Got) -> list[bytes]:
    """As a good broker does."""
    return [puback(got.mid)]


@dataclass(slots=True)
class Manners:
    """What this broker does. `answer` gives the packets sent back for a QoS 1 PUBLISH."""

    receive_max: int | None = None
    packet_max: int | None = None
    connack: int = 0
    answer: Callable[[Got], list[bytes]] = plain_answer
    hang_up: Callable[[Got], bool] = lambda _: False
    hang_up_code: int | None = None
    hang_up_on: Callable[[str], bool] = lambda _: False
    suback: int = 1
    raw_on_connect: bytes = b""


@dataclass(slots=True)
class _Session:
    sock: socket.socket
    number: int
    unanswered: set[int] = field(default_factory=set)


class FakeBroker:
    """Listens on the loopback; one thread for each connection. `got` is what was published."""

    def __init__(self, manners: Manners | None = None, port: int = 0) -> None:
        self.manners = manners or Manners()
        self.got: list[Got] = []
        self.connects: list[float] = []
        self.subscribes: list[list[str]] = []
        self.most_unanswered = 0
        self.will: bytes | None = None
        self._sessions: list[_Session] = []
        self._mid = 0
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            session = _Session(sock, len(self.connects))
            self.connects.append(time.monotonic())
            self._sessions.append(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session: _Session) -> None:
        with contextlib.suppress(OSError, struct.error, IndexError):
            while (packet := _read(session.sock)) is not None:
                kind, flags, body = packet
                if not self._handle(session, kind, flags, body):
                    break
        session.sock.close()

    def _handle(self, session: _Session, kind: int, flags: int, body: bytes) -> bool:
        if kind == CONNECT:
            session.sock.sendall(self._connack() + self.manners.raw_on_connect)
            return self.manners.connack < 0x80
        if kind == PUBLISH:
            return self._publish(session, flags, body)
        if kind == SUBSCRIBE:
            topics = _topics_in(body)
            self.subscribes.append(topics)
            if any(map(self.manners.hang_up_on, topics)):
                return False
            answer = body[:2] + b"\x00" + bytes([self.manners.suback] * len(topics))
            session.sock.sendall(_packet(SUBACK << 4, answer))
        elif kind == PINGREQ:
            session.sock.sendall(_packet(PINGRESP << 4, b""))
        elif kind == PUBACK:
            session.unanswered.discard(-struct.unpack_from(">H", body)[0])
        return kind != DISCONNECT

    def _connack(self) -> bytes:
        told = b""
        if self.manners.receive_max is not None:
            told += b"\x21" + struct.pack(">H", self.manners.receive_max)
        if self.manners.packet_max is not None:
            told += b"\x27" + struct.pack(">I", self.manners.packet_max)
        return _packet(CONNACK << 4, bytes([0, self.manners.connack, len(told)]) + told)

    def _publish(self, session: _Session, flags: int, body: bytes) -> bool:
        got = _publish(flags, body, session.number)
        self.got.append(got)
        if self.manners.hang_up(got):
            if self.manners.hang_up_code is not None:
                session.sock.sendall(_packet(DISCONNECT << 4, bytes([self.manners.hang_up_code])))
            return False
        if got.qos == 0:
            return True
        session.unanswered.add(got.mid)
        self.most_unanswered = max(self.most_unanswered, len(session.unanswered))
        for packet in self.manners.answer(got):
            session.sock.sendall(packet)
            session.unanswered.discard(struct.unpack_from(">H", packet, 2)[0])
        return True

    def send(self, topic: str, payload: bytes) -> None:
        """Publish to whoever is connected now, at QoS 1."""
        self._mid = self._mid % 65_535 + 1
        name = topic.encode()
        body = struct.pack(">H", len(name)) + name + struct.pack(">H", self._mid) + b"\x00"
        for session in self._sessions:
            with contextlib.suppress(OSError):
                session.sock.sendall(_packet(PUBLISH << 4 | 2, body + payload))

    def cut(self) -> None:
        for session in self._sessions:
            with contextlib.suppress(OSError):
                session.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


def _read(sock: socket.socket) -> tuple[int, int, bytes] | None:
    head = sock.recv(1)
    if not head:
        return None
    size, shift = 0, 0
    while True:
        byte = sock.recv(1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    body = bytearray()
    while len(body) < size:
        part = sock.recv(size - len(body))
        if not part:
            return None
        body += part
    return head[0] >> 4, head[0] & 0x0F, bytes(body)


def _packet(first: int, body: bytes) -> bytes:
    size, out = len(body), bytearray([first])
    while True:
        byte, size = size & 0x7F, size >> 7
        out.append(byte | (0x80 if size else 0))
        if not size:
            return bytes(out) + body


def _publish(flags: int, body: bytes, connection: int) -> Got:
    (length,) = struct.unpack_from(">H", body)
    at = 2 + length
    topic, qos = body[2:at].decode(), flags >> 1 & 3
    mid = 0
    if qos:
        (mid,) = struct.unpack_from(">H", body, at)
        at += 2
    at += 1 + body[at]
    return Got(
        topic=topic,
        payload=body[at:],
        mid=mid,
        qos=qos,
        dup=bool(flags & 8),
        retain=bool(flags & 1),
        at=time.monotonic(),
        size=len(body),
        connection=connection,
    )


def _topics_in(body: bytes) -> list[str]:
    at, found = 3 + body[2], []
    while at < len(body):
        (length,) = struct.unpack_from(">H", body, at)
        found.append(body[at + 2 : at + 2 + length].decode())
        at += 3 + length
    return found

# SPDX-License-Identifier: AGPL-3.0-or-later
"""HTTP connections that do not wait for ever: a head in ten seconds, so many for one address.

uvicorn limits the time between requests, not the time of a request's head: a few dozen connections
that send a byte a minute ("slow loris") would keep everybody else out. Over TLS it hears of a
connection only after the handshake, so they are counted where they are taken.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.console.attempts import household
from edge.console.web import HEADERS

HANDSHAKE_S, HEAD_S = 10.0, 10.0
# A browser opens six; some share an address. What is above is closed unanswered.
EACH_MOST, ALL_MOST = 24, 96


class GuardedListener(socket.socket):
    """A listening socket that takes so many connections of one address, and of all together. Each
    counts until it is closed, whether or not it ever says a word."""

    def __init__(self, host: str, port: int) -> None:
        """Raises OSError where the address cannot be had."""
        super().__init__(fileno=socket.create_server((host, port)).detach())
        self._open: Counter[str] = Counter()

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. Raises ConnectionAbortedError for one too many: asyncio goes on
        with the one after it."""
        taken, address = super().accept()
        whose = household(address[0])
        if self._open[whose] >= EACH_MOST or self._open.total() >= ALL_MOST:
            taken.close()
            raise ConnectionAbortedError
        self._open[whose] += 1
        return _CountedConnection(taken, lambda: self._left(whose)), address

    def _left(self, whose: str) -> None:
        self._open[whose] -= 1
        if not self._open[whose]:
            del self._open[whose]


class _CountedConnection(socket.socket):
    """A connection that says once that it is closed."""

    def __init__(self, taken: socket.socket, left: Callable[[], None]) -> None:
        super().__init__(fileno=taken.detach())
        self._left: Callable[[], None] | None = left

    def close(self) -> None:
        super().close()
        left, self._left = self._left, None
        if left is not None:
            left()


class PatientProtocol(H11Protocol):
    """One connection. `head_s` may be set for a test."""

    head_s = HEAD_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock of the first head starts at once."""
        super().connection_made(transport)
        self._expect_head()

    def _expect_head(self) -> None:
        self._late = self.loop.call_later(self.head_s, self._too_late)

    def _too_late(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.abort()

    def _head_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Starts the clock of a request's head at its first byte and stops it when the head is
        whole."""
        if not self._busy() and self._late is None:
            self._expect_head()
        super().data_received(data)
        if self._busy():
            self._head_came()

    def on_response_complete(self) -> None:
        self._head_came()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets the headers too."""
        headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
        headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=msg.encode("ascii")),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""HTTP connections that do not wait for ever: a head in ten seconds, so many for one address.

uvicorn limits the time between requests, not the time of a request's head: a few dozen connections
that send a byte a minute ("slow loris") would keep everybody else out.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.console.web import HEADERS

HEAD_S = 10.0
# A browser opens six; some share an address. What is above is closed unanswered.
EACH_MOST, ALL_MOST = 24, 96


class PatientProtocol(H11Protocol):
    """One connection. `head_s` may be set for a test."""

    head_s = HEAD_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection unless its address, or all together, has too many open."""
        super().connection_made(transport)
        if self._crowded():
            transport.abort()
            return
        self._expect_head()

    def _crowded(self) -> bool:
        host = self.client[0] if self.client else None
        same = [c for c in self.connections if isinstance(c, H11Protocol) and c.client]
        mine = sum(1 for c in same if c.client and c.client[0] == host)
        return mine > EACH_MOST or len(self.connections) > ALL_MOST

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

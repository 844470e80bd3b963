# SPDX-License-Identifier: AGPL-3.0-or-later
"""When to connect, when to give up a connection, how long to wait: the life of the link.

Full jitter, uniform(0, min(120 s, 2^n)), reset only after 30 s of a stable connection: 10,000
devices back from an outage then peak at 2 % of the fleet per second instead of all at once
(docs/scale.md).
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from edge.runtime import Backoff, Trouble
from edge.uplink.mqtt import CONNECT_TIMEOUT_S, Arrived, Connected, Event, Lost, MqttConnection

log = logging.getLogger(__name__)

BACKOFF_CAP_S = 120.0
STABLE_S = 30.0
# Server busy, quota exceeded, connection rate exceeded, session taken over, banned and the like:
# coming straight back would only feed what the broker complains of.
PENALTY_CODES = frozenset({0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x8E, 0x97, 0x9C, 0x9D, 0x9F})
PENALTY_S = 5.0


class Owner(Protocol):
    """Who hears what the link does."""

    def connected(self, connection: MqttConnection, limits: Connected) -> None: ...
    def event(self, event: Event) -> None: ...
    def lost(self, lost: Lost) -> None: ...


class Link:
    """Keeps one connection alive. `step` is called for ever with the monotonic time."""

    def __init__(
        self,
        connect: Callable[[], MqttConnection],
        owner: Owner,
        *,
        now: float,
        first_wait_s: float = 0.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._connect, self._owner = connect, owner
        self._backoff = backoff or Backoff(cap_s=BACKOFF_CAP_S)
        self._due = now + random.uniform(0.0, first_wait_s)
        self._since = 0.0
        self._trouble = Trouble(log)
        self._connection: MqttConnection | None = None
        self._online = False
        # Of this connection, not handed over yet: what one sets off may raise (a full disk).
        self._events: deque[Event] = deque()
        self.attempts = 0
        self.last_code = 0

    @property
    def online(self) -> bool:
        """CONNACK received and not lost since; says nothing about a link that went dead."""
        return self._online

    @property
    def connection(self) -> MqttConnection | None:
        return self._connection if self._online else None

    def step(self, now: float, timeout_s: float, clock: Callable[[], float]) -> None:
        """Connect where due, or wait for the network up to `timeout_s` and pass events on."""
        if self._connection is None:
            if now >= self._due:
                self._attempt(clock)
            return
        self._events.extend(self._connection.poll(0.0 if self._events else timeout_s))
        while self._events:
            self._take(self._events.popleft(), clock())
        if self._connection and not self._online and clock() - self._since > CONNECT_TIMEOUT_S:
            self.hang_up("no CONNACK", clock())

    def _attempt(self, clock: Callable[[], float]) -> None:
        self.attempts += 1
        try:
            self._connection = self._connect()
        except (OSError, ValueError) as error:
            self._after(Lost(f"connect: {error}"), clock())
            return
        self._since = clock()

    def _take(self, event: Event, now: float) -> None:
        if isinstance(event, Connected):
            self._online, self._since = True, now
            self._trouble.healed("broker")
            self._introduce(event, now)
        elif isinstance(event, Lost):
            self._after(event, now)
        elif isinstance(event, Arrived) or self._online:
            self._owner.event(event)

    def _introduce(self, limits: Connected, now: float) -> None:
        """A connection that its owner could not take is none: it would carry half of what it
        should."""
        assert self._connection is not None
        with ExitStack() as failed:
            failed.callback(self.hang_up, "its beginning failed here", now)
            self._owner.connected(self._connection, limits)
            failed.pop_all()

    def hang_up(self, why: str, now: float) -> None:
        """Force a reconnect: the link no longer makes progress."""
        if self._connection is not None:
            self._after(Lost(why), now)

    def _after(self, lost: Lost, now: float) -> None:
        self.last_code = lost.code
        was_online, stable = self._online, self._online and now - self._since >= STABLE_S
        if self._connection is not None:
            self._connection.drop()
        self._connection, self._online = None, False
        self._events.clear()
        if stable:
            self._backoff.reset()
        wait_s = self._backoff.next_s()
        if lost.code in PENALTY_CODES:
            wait_s += PENALTY_S
        self._due = now + wait_s
        self._trouble.failed("broker", f"{lost.reason}; again in {wait_s:.1f} s")
        if was_online:
            self._owner.lost(lost)

    def close(self) -> None:
        """Orderly end of the session."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._online = None, False

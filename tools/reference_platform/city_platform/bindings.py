# SPDX-License-Identifier: AGPL-3.0-or-later
"""Makes the binding of each box that is new, beside the intake.

A binding is a transaction of all brokers. While a fleet comes in, each box's own subscriptions are
such transactions too, and one binding was seen to take five seconds: a receiver that waited for it
took nothing meanwhile. Until its binding stands, a box's messages come through `cm.unknown`.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from city_platform.files import Box
from edge.runtime import Backoff, Stop

POLL_S = 0.2


class Bindings:
    """A thread with a connection of its own. connect: opens one; broken: what it raises where the
    broker goes away; what was not bound by then is bound on the next one."""

    def __init__(
        self, connect: Callable[[], Any], broken: tuple[type[Exception], ...], exchange: str
    ) -> None:
        self._connect, self._broken, self._exchange = connect, broken, exchange
        self._lock = threading.Lock()
        self._known: set[Box] = set()
        self._due: deque[tuple[Box, str, str]] = deque()

    def start(self, stop: Stop) -> None:
        threading.Thread(target=self._work, args=(stop,), name="bindings", daemon=True).start()

    def known(self, box: Box) -> bool:
        """Whether it is bound, or will be."""
        return box in self._known

    def want(self, box: Box, queue: str, key: str) -> None:
        """From soon on the messages of this box wait in `queue`. Returns at once."""
        with self._lock:
            if box not in self._known:
                self._known.add(box)
                self._due.append((box, queue, key))

    def _work(self, stop: Stop) -> None:
        backoff = Backoff(cap_s=5.0)
        while not stop:
            try:
                self._serve(self._connect(), stop, backoff)
            except self._broken as error:
                what = str(error) or type(error).__name__
                print(f"receiver: --amqp: bindings: {what[:200]}", file=sys.stderr)
                stop.wait(backoff.next_s())

    def _serve(self, connection: Any, stop: Stop, backoff: Backoff) -> None:
        channel = connection.channel()
        while not stop:
            # Also what keeps the connection alive.
            connection.process_data_events(time_limit=POLL_S)
            while self._due and not stop:
                _, queue, key = self._due[0]
                channel.queue_bind(queue, self._exchange, key)
                self._due.popleft()
                backoff.reset()
        connection.close()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What was published on this connection and is not answered yet: never more than the broker allows.

Ours alone: paho would flood a returning broker with everything it holds and break Receive Maximum
(docs/architecture.md, "What the uplink does not trust").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.uplink.mqtt import Answered, Connected, MqttConnection

WINDOW = 8
# Fixed header, lengths, message id and our properties around topic and payload.
PACKET_OVERHEAD = 32


Done = Callable[[int, float], None]
Blame = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Sent:
    """One publish on its way. `done(code, now)` when the broker answered; `blame(why, now)` where
    the connection broke while it was the only one out, so that it may be what broke it."""

    topic: str
    size: int
    at: float
    done: Done
    blame: Blame | None = None


class InFlight:
    """Of one connection. `alone`: one at a time, after connections broke again and again."""

    def __init__(
        self, connection: MqttConnection, limits: Connected, *, alone: bool = False
    ) -> None:
        self._connection = connection
        self._out: dict[int, Sent] = {}
        self.packet_max = limits.packet_max
        self._full = max(1, min(WINDOW, limits.receive_max))
        self.size = 1 if alone else self._full
        self.answered_ok = 0

    def widen(self) -> None:
        """The connection has proved itself: back to the full window."""
        self.size = self._full

    def free(self, *, reserve: int = 0) -> int:
        """Places left; `reserve` of them are kept for what is more urgent, unless all are free."""
        left = self.size - len(self._out)
        return left if not self._out else max(0, left - reserve)

    def fits(self, topic: str, payload: bytes) -> bool:
        return len(topic.encode()) + len(payload) + PACKET_OVERHEAD <= self.packet_max

    def send(
        self,
        topic: str,
        payload: bytes,
        done: Done,
        *,
        now: float,
        retain: bool = False,
        blame: Blame | None = None,
    ) -> None:
        """Publish at QoS 1. The caller asked `free` and `fits` before."""
        mid = self._connection.publish(topic, payload, retain=retain)
        self._out[mid] = Sent(topic, len(payload), now, done, blame)

    def answered(self, event: Answered, now: float) -> None:
        """A PUBACK; one for nothing we sent is ignored."""
        sent = self._out.pop(event.mid, None)
        if sent is not None:
            self.answered_ok += event.code < 0x80
            sent.done(event.code, now)

    @property
    def busy(self) -> bool:
        return bool(self._out)

    def oldest_s(self, now: float) -> float:
        """Age of the longest unanswered publish."""
        return max((now - sent.at for sent in self._out.values()), default=0.0)

    def alone_at_loss(self) -> Sent | None:
        """The only packet that was out when the connection broke."""
        return next(iter(self._out.values())) if len(self._out) == 1 else None

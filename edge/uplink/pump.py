# SPDX-License-Identifier: AGPL-3.0-or-later
"""The uplink put together: outbox -> broker -> platform's word -> outbox, in one thread.

Nothing here blocks but the network wait of `step` and an fsync; the daemon calls `step` for ever.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from edge.faults import FaultLog
from edge.outbox import Dispatch
from edge.runtime import Backoff
from edge.uplink.in_flight import InFlight
from edge.uplink.inbox import Inbox
from edge.uplink.isolated import Isolated
from edge.uplink.link import Link
from edge.uplink.mqtt import (
    RETAIN_NOT_SUPPORTED,
    SESSION_TAKEN_OVER,
    Answered,
    Arrived,
    BrokerAddress,
    Connected,
    Event,
    Lost,
    MqttConnection,
    Subscribed,
)
from edge.uplink.presence import BootConnection, Presence
from edge.uplink.records import Records
from edge.uplink.transfer import Transfers
from edge.values import Json, Stamp

log = logging.getLogger(__name__)

POLL_S = 0.05
# Connections that broke one after the other with something on its way: from then on one packet
# at a time, so that the one that breaks them is found.
CAUTION_AFTER = 2
CAUTION_ENDS_AFTER = 8
# Taken over so often within so long: two boxes have one name.
TAKEN_OVER, TAKEN_OVER_S = 3, 600.0
# A broker that takes connections and answers nothing in time is given twice as long on the next
# one, up to this: a fleet that hung up and sent all of it again would only keep it from answering.
PATIENCE_MAX_S = 160.0
SUBSCRIBE_CAP_S = 60.0
# Longer ago than this a packet is not to blame for the end of a connection.
BLAME_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class PumpParts:
    """What the pump drives; the daemon builds them."""

    dispatch: Dispatch
    records: Records
    transfers: Transfers
    inbox: Inbox
    presence: Presence
    faults: FaultLog
    session: BootConnection
    isolated: Isolated


class Pump:
    """Owner of the link: one window for each connection, the parts attached to it in turn."""

    def __init__(
        self,
        parts: PumpParts,
        address: BrokerAddress,
        *,
        birth: Callable[[], dict[str, Json]],
        clock: Callable[[], Stamp],
        puback_deadline_s: float = 20.0,
        first_wait_s: float = 0.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._parts, self._address, self._birth, self._clock = parts, address, birth, clock
        self._deadline_s = self._patience_s = puback_deadline_s
        self._window: InFlight | None = None
        self._arrived: list[Arrived] = []
        self._broken_in_a_row = 0
        self._retain = True
        # A cluster that loses a node refuses for a moment; a box that left it at that would hear
        # nothing for as long as the connection lives.
        self._subscribe_due = math.inf
        self._subscribe_backoff = Backoff(first_s=2.0, cap_s=SUBSCRIBE_CAP_S)
        standing = parts.faults.standing("name_taken")
        self._taken_over = deque([clock().mono] if standing else [], maxlen=TAKEN_OVER)
        self.counts: Counter[str] = Counter()
        self.link = Link(
            self._connect,
            self,
            now=clock().mono,
            first_wait_s=first_wait_s,
            backoff=backoff,
        )

    @property
    def online(self) -> bool:
        return self._window is not None

    def step(self, timeout_s: float = POLL_S) -> None:
        """One turn: network in, outbox looked at, network out."""
        if self._parts.dispatch.changed():
            self._parts.records.changed()
            self._parts.transfers.changed()
            self._parts.isolated.watch()
        busy = False
        try:
            busy = self._fill()
        finally:
            # Also where a full disk ended it: who no longer listens is soon taken for dead.
            self.link.step(self._mono(), 0.0 if busy else timeout_s, self._mono)
        self._take_arrived()
        self._parts.inbox.watch(self._clock())
        self._watch()
        if aside := self._parts.isolated.settle():
            self._parts.records.set_aside(aside)

    def _mono(self) -> float:
        return self._clock().mono

    def _connect(self) -> MqttConnection:
        self.counts["connects"] += 1
        with self._parts.dispatch.commit():
            self._parts.dispatch.count("conn")
        self._parts.session.conn = self._parts.dispatch.counted("conn")
        if self.link.last_code == RETAIN_NOT_SUPPORTED:
            self._retain = False
        return MqttConnection(self._address, self._parts.presence.will(retain=self._retain))

    def connected(self, connection: MqttConnection, limits: Connected) -> None:
        """A fresh window for a fresh connection; who we are goes first."""
        alone = self._broken_in_a_row >= CAUTION_AFTER
        self._window = InFlight(connection, limits, alone=alone)
        log.info(
            "connected: window %d, packets up to %d bytes, session %s",
            self._window.size,
            limits.packet_max,
            "kept" if limits.session_present else "new",
        )
        if not alone:
            # What stands there may be what breaks it: RabbitMQ 4.0 ends a connection that is to be
            # handed a will with a delay. Our own status replaces it at once.
            connection.overhear(self._parts.presence.own_status)
        connection.subscribe(self._parts.inbox.topics)
        self._subscribe_due = math.inf
        self._parts.presence.greet(self._birth(), self._mono(), retain=limits.retain)
        self._report_retain(limits.retain)
        self._parts.transfers.attach(self._window)
        self._parts.records.attach(self._window, session_kept=limits.session_present)

    def event(self, event: Event) -> None:
        """Take what the connection reports: an answer, a message, a subscription."""
        if isinstance(event, Answered) and self._window is not None:
            if self._window.oldest_s(self._mono()) < self._deadline_s / 2.0:
                self._patience_s = self._deadline_s
            self._window.answered(event, self._mono())
            if self._window.answered_ok >= CAUTION_ENDS_AFTER:
                self._broken_in_a_row = 0
                self._window.widen()
        elif isinstance(event, Arrived) and event.topic == self._parts.presence.own_status:
            if self._parts.presence.foreign(event.payload):
                self._report_namesake()
        elif isinstance(event, Arrived):
            self._arrived.append(event)
        elif isinstance(event, Subscribed):
            self._subscribed(event)

    def _subscribed(self, event: Subscribed) -> None:
        if len(event.codes) < len(self._parts.inbox.topics):
            # Our own status: some brokers' rules do not let us hear it, which costs nothing else.
            return
        if any(code >= 0x80 for code in event.codes):
            codes = " ".join(f"0x{code:02x}" for code in event.codes)
            self._parts.faults.start("subscribe_refused", "broker", f"SUBACK {codes}")
            self._subscribe_due = self._mono() + 1.0 + self._subscribe_backoff.next_s()
        else:
            self._subscribe_backoff.reset()
            self._parts.faults.end("subscribe_refused", "broker")

    def lost(self, lost: Lost) -> None:
        """Back to the outbox with all that was on its way."""
        window, self._window = self._window, None
        self._arrived.clear()
        try:
            if lost.code == SESSION_TAKEN_OVER:
                self._report_namesake()
            elif window is not None and not self._taken_over:
                self._blame(window, lost)
        finally:
            self._parts.transfers.detach()
            self._parts.records.detach()

    def _report_retain(self, retain: bool) -> None:
        if retain:
            self._parts.faults.end("no_retain", "broker")
        else:
            text = "the broker keeps no retained messages: birth and status are repeated instead"
            self._parts.faults.start("no_retain", "broker", text)

    def _report_namesake(self) -> None:
        """Once may be a link of our own that was half open; again and again is another box. Not
        every broker says who took a session over: what stands as our status tells as well."""
        now = self._mono()
        self._taken_over.append(now)
        if len(self._taken_over) == TAKEN_OVER and now - self._taken_over[0] < TAKEN_OVER_S:
            text = f"{self._address.client_id}: another client comes in under this name"
            self._parts.faults.start("name_taken", "broker", text)

    def _blame(self, window: InFlight, lost: Lost) -> None:
        if window.busy and window.answered_ok < CAUTION_ENDS_AFTER:
            self._broken_in_a_row += 1
        sent = window.alone_at_loss() if window.size == 1 else None
        now = self._mono()
        if sent is not None and sent.blame is not None and now - sent.at < BLAME_WITHIN_S:
            sent.blame(f"connection broke on it: {lost.reason}", now)

    def _fill(self) -> bool:
        """Send what the window takes; true where there may be more at once."""
        if self._window is None:
            return False
        at = self._clock()
        self._parts.presence.fill(self._window, at)
        if not self._parts.presence.introduced(at.mono):
            return False
        sent = self._parts.records.fill(at.mono)
        sent += self._parts.transfers.fill(at.mono)
        return sent > 0

    def _take_arrived(self) -> None:
        arrived = tuple(self._arrived)
        if not arrived:
            return
        self._parts.inbox.take(arrived, self._clock())
        # They stay until they are taken: the broker brings what is not acknowledged again, but only
        # on a new connection.
        del self._arrived[: len(arrived)]
        connection = self.link.connection
        for event in arrived:
            if connection is not None:
                connection.acknowledge(event.mid)

    def _watch(self) -> None:
        """No answer within the deadline: paho would wait for ever, so the link is cut."""
        if self._taken_over and self._mono() - self._taken_over[-1] > TAKEN_OVER_S:
            self._taken_over.clear()
            self._parts.faults.end("name_taken", "broker")
        if self._window is None:
            return
        now = self._mono()
        if now >= self._subscribe_due and self.link.connection is not None:
            self._subscribe_due = math.inf
            self.link.connection.subscribe(self._parts.inbox.topics)
        age_s = self._window.oldest_s(now)
        if age_s > self._patience_s:
            self.counts["stalls"] += 1
            self._patience_s = max(self._deadline_s, min(2.0 * self._patience_s, PATIENCE_MAX_S))
            self.link.hang_up(f"no PUBACK for {age_s:.0f} s", now)

    def close(self) -> None:
        """Goodbye: status "stopping", no will, everything unconfirmed back to the outbox."""
        connection = self.link.connection
        if connection is not None:
            self._parts.presence.farewell(connection)
        self.link.close()
        if self._window is not None:
            self._window = None
            self._parts.transfers.detach()
            self._parts.records.detach()

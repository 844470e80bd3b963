# SPDX-License-Identifier: AGPL-3.0-or-later
"""Records on their way: claimed from the outbox, published, released by the platform's word.

What waits here is also a state in the outbox. The outbox is changed first: a disk may be full, and
a row that is in no list here while it is not NEW there would be sent by nobody.

A PUBACK is a broker's promise and no more: a killed broker loses what it acknowledged, and a full
queue drops what it acknowledges (docs/architecture.md, "What the uplink does not trust").
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.faults import FaultLog
from edge.outbox import ChainPosition, Dispatch, OutboxRow, SealedRecord, State
from edge.runtime import Backoff
from edge.uplink import seal
from edge.uplink.in_flight import InFlight
from edge.uplink.isolated import Isolated
from edge.uplink.wire import KINDS, Topics

log = logging.getLogger(__name__)

NO_SUBSCRIBERS = 0x10
NOT_AUTHORIZED = 0x87
QUOTA_EXCEEDED = 0x97
# Answers about a topic or the moment, not about the record: its whole kind waits, nothing is lost.
HOLDING = {
    NO_SUBSCRIBERS: "nobody_listens",
    NOT_AUTHORIZED: "not_authorized",
    QUOTA_EXCEEDED: "quota_exceeded",
}
# One window's worth tried again; often enough that a platform that is back is noticed at once.
HOLD_CAP_S = 15.0
# Answers that blame nothing: RabbitMQ gives 0x83 while a queue is full or its nodes are away. The
# kind waits as above. A record that meets one again though others of its kind passed meanwhile may
# be what is wrong: it waits longer each time, and stands in nobody's way.
UNEXPLAINED = {0x80: "quota_exceeded", 0x83: "quota_exceeded"}
UNEXPLAINED_CAP_S = 300.0
REFUSALS_MAX = 5
# Doubled with each refusal of the same record.
REFUSAL_WAIT_S = 0.5
BATCH = 64
# Rows sent and not yet released; bounds memory, and stays below the queue of 1,000 messages that
# brokers keep for a platform that is away.
OUTSTANDING_MAX = 256
PLATFORM_DEADLINE_S = 30.0
PLATFORM_DEADLINE_MAX_S = 600.0
# A PUBACK is worth less than an fsync of its own.
MARK_EVERY_S = 0.5

Seal = Callable[[OutboxRow, ChainPosition], SealedRecord]


@dataclass(frozen=True, slots=True)
class _Hold:
    until: float
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class _Unexplained:
    """Refusals of one record that may be its own; how many of its kind had passed at the last."""

    times: int
    passed: int


class Records:
    """One thread's. `fill` sends what the window takes, `platform` applies the platform's word."""

    def __init__(
        self,
        dispatch: Dispatch,
        topics: Topics,
        notarise: Seal,
        faults: FaultLog,
        isolated: Isolated,
        *,
        receipt: Callable[[OutboxRow], bytes],
        by_broker: bool = False,
    ) -> None:
        self._dispatch, self._topics, self._seal, self._faults = dispatch, topics, notarise, faults
        self._isolated, self._receipt = isolated, receipt
        self._by_broker = by_broker
        self._window: InFlight | None = None
        self._ready: dict[str, deque[OutboxRow]] = {kind: deque() for kind in KINDS}
        self._maybe_more = dict.fromkeys(KINDS, True)
        self._waiting: dict[int, float] = {}
        self._later: list[tuple[float, int]] = []
        self._unexplained: dict[int, _Unexplained] = {}
        self._passed_of: Counter[str] = Counter()
        self._holds: dict[str, _Hold] = {}
        self._deadline_s = PLATFORM_DEADLINE_S
        self._patient_at = 0.0
        self._marks: list[int] = []
        self._releases: list[OutboxRow] = []
        self._flushed = 0.0
        # What a connection that ended has left to be written down; a full disk may put it off.
        self._requeue_owed = False
        self._resend_owed = False
        self.counts: Counter[str] = Counter()

    def attach(self, window: InFlight, *, session_kept: bool) -> None:
        """A connection is there. A broker that forgot our session was restarted empty or replaced:
        what it had acknowledged is gone with it, and is sent again at once."""
        self._window = window
        self._maybe_more = dict.fromkeys(KINDS, True)
        self._resend_owed |= not session_kept
        self._settle()

    def detach(self) -> None:
        """The connection is gone: what no PUBACK was seen for is sent again, byte for byte."""
        self._window = None
        for queue in self._ready.values():
            queue.clear()
        self._later.clear()
        self._unexplained.clear()
        self._requeue_owed = True
        self._settle()

    def _settle(self) -> None:
        """What is owed to the outbox. Raises what a full disk raises, and is owed on: nothing is
        claimed before it is done."""
        if self._requeue_owed:
            self._flush(0.0, force=True)
            with self._dispatch.commit():
                self._dispatch.requeue_unconfirmed()
            self._requeue_owed = False
        if self._resend_owed and self._waiting:
            with self._dispatch.commit():
                self._dispatch.mark(self._waiting, State.NEW)
            self.counts["resent"] += len(self._waiting)
            self._waiting.clear()
        self._resend_owed = False

    def changed(self) -> None:
        """Another process put something."""
        self._maybe_more = dict.fromkeys(KINDS, True)

    def fill(self, now: float) -> int:
        """Send what may be sent; returns how many packets left."""
        if self._window is None:
            return 0
        self._settle()
        self._overdue(now)
        sent = 0
        while self._window.free() > 0 and (row := self._next(now)) is not None:
            with self._isolated.record(row):
                self._send(row, now)
            # Only now: where the disk was full, it is the next again.
            self._ready[row.kind].popleft()
            sent += 1
        self._flush(now)
        return sent

    @property
    def idle(self) -> bool:
        """Nothing is ready: evidence may use the line."""
        return not any(self._ready.values())

    @property
    def outstanding(self) -> int:
        return len(self._waiting)

    def _next(self, now: float) -> OutboxRow | None:
        """The row to send next; it stays in its queue."""
        for kind, queue in self._ready.items():
            if self._held(kind, now):
                continue
            if not queue and self._maybe_more[kind]:
                self._claim(kind)
            if queue:
                return queue[0]
        return None

    def _held(self, kind: str, now: float) -> bool:
        hold = self._holds.get(kind)
        return hold is not None and now < hold.until

    def _claim(self, kind: str) -> None:
        room = min(BATCH, OUTSTANDING_MAX - len(self._waiting))
        if room <= 0:
            return
        if not self._dispatch.waiting(kind):
            self._maybe_more[kind] = False
            return
        with self._dispatch.commit():
            rows = self._dispatch.claim(kind, room, self._seal, self._isolated.record)
        self._maybe_more[kind] = len(rows) == room
        self._ready[kind].extend(rows)

    def _send(self, row: OutboxRow, now: float) -> None:
        assert self._window is not None and row.payload is not None
        topic = self._topics.up(KINDS[row.kind].suffix)
        if seal.sha256(row.payload) != row.sha256:
            self._bury(row, "its bytes changed on the disk since it was sealed")
            return
        if not self._window.fits(topic, row.payload):
            self._bury(row, f"{len(row.payload)} bytes, broker takes {self._window.packet_max}")
            return
        self._waiting[row.id] = now + self._deadline_s
        self._window.send(
            topic,
            row.payload,
            lambda code, at: self._answered(row, code, at),
            now=now,
            blame=lambda why, at: self._blamed(row, why, at),
        )

    def _answered(self, row: OutboxRow, code: int, now: float) -> None:
        with self._isolated.record(row):
            if code in HOLDING:
                self._hold(row.kind, HOLDING[code], code, now)
                self._put_back(row)
            elif code in UNEXPLAINED:
                self._hold(row.kind, UNEXPLAINED[code], code, now)
                self._postpone(row, now)
            elif code >= 0x80:
                self._refused(row, f"refused by the broker: 0x{code:02x}", now)
            else:
                self._passed(row)

    def _blamed(self, row: OutboxRow, why: str, now: float) -> None:
        with self._isolated.record(row):
            self._refused(row, why, now)

    def _passed(self, row: OutboxRow) -> None:
        self._holds.pop(row.kind, None)
        for word in HOLDING.values():
            self._faults.end(word, row.kind)
        self.counts["published"] += 1
        self._passed_of[row.kind] += 1
        if self._by_broker or not KINDS[row.kind].sealed:
            self._releases.append(row)
            self._waiting.pop(row.id, None)
        else:
            self._marks.append(row.id)

    def _hold(self, kind: str, word: str, code: int, now: float) -> None:
        old = self._holds.get(kind)
        backoff = old.backoff if old else Backoff(first_s=2.0, cap_s=HOLD_CAP_S)
        # Several of the window come back with the same answer: one step of waiting for all.
        if old is None or now >= old.until:
            self._holds[kind] = _Hold(now + 1.0 + backoff.next_s(), backoff)
        self.counts[word] += 1
        self._faults.start(word, kind, f"broker answers 0x{code:02x}; kept and sent again")

    def _postpone(self, row: OutboxRow, now: float) -> None:
        """Not put back in its place: were it the record after all, nothing would pass any more."""
        self._waiting.pop(row.id, None)
        passed, last = self._passed_of[row.kind], self._unexplained.get(row.id)
        alone = last is None or last.passed != passed
        times = (last.times if last else 0) + alone
        self._unexplained[row.id] = _Unexplained(times, passed)
        wait_s = min(UNEXPLAINED_CAP_S, REFUSAL_WAIT_S * 2.0**times)
        self._later.append((now + wait_s, row.id))

    def _put_back(self, row: OutboxRow) -> None:
        """With all that was claimed after it, so that the order stays the outbox's."""
        queue = self._ready[row.kind]
        with self._dispatch.commit():
            self._dispatch.mark([row.id, *(other.id for other in queue)], State.NEW)
        self._waiting.pop(row.id, None)
        queue.clear()
        self._maybe_more[row.kind] = True

    def _refused(self, row: OutboxRow, why: str, now: float) -> None:
        """Count a refusal; the fifth sends it to the dead letters, and the others flow."""
        with self._dispatch.commit():
            times = self._dispatch.refuse(row.id, why)
            self._dispatch.mark([row.id], State.INFLIGHT)
        self.counts["refused"] += 1
        if times >= REFUSALS_MAX:
            self._bury(row, why)
        else:
            self._later.append((now + REFUSAL_WAIT_S * 2.0**times, row.id))
        self._waiting.pop(row.id, None)

    def _bury(self, row: OutboxRow, why: str) -> None:
        with self._dispatch.commit():
            self._dispatch.bury(row.id, why)
        self.counts["dead"] += 1
        log.warning("%s %s: to the dead letters: %s", row.kind, row.key, why)
        self._faults.once("dead_letter", row.key, why, lane=row.lane, record=row.record_id)

    def _overdue(self, now: float) -> None:
        """What was refused a while ago, and what the platform kept silent about, waits again."""
        ids = [row_id for due, row_id in self._later if due <= now]
        late = [row_id for row_id, due in self._waiting.items() if due <= now]
        if not ids and not late:
            return
        with self._dispatch.commit():
            self._dispatch.mark(ids + late, State.NEW)
        self._later = [(due, row_id) for due, row_id in self._later if due > now]
        for row_id in late:
            del self._waiting[row_id]
        if late:
            self.counts["resent"] += len(late)
            self._be_patient(now)
            log.info("platform silent about %d record(s); sent again", len(late))
        self.changed()

    def _be_patient(self, now: float) -> None:
        """Once a round, however many batches of it run out one after the other."""
        if now - self._patient_at >= self._deadline_s:
            self._patient_at = now
            self._deadline_s = min(self._deadline_s * 2.0, PLATFORM_DEADLINE_MAX_S)

    def _flush(self, now: float, *, force: bool = False) -> None:
        if not self._marks and not self._releases:
            return
        if not force and now - self._flushed < MARK_EVERY_S and len(self._marks) < BATCH:
            return
        self._flushed = now
        with self._dispatch.commit():
            self._dispatch.mark_passed(self._marks)
            for row in self._releases:
                assert row.record_id is not None and row.sha256 is not None
                with self._isolated.record(row):
                    self._dispatch.acknowledge(row.record_id, row.sha256, self._receipt(row))
        self._marks, self._releases = [], []

    def released(self, rows: Sequence[OutboxRow], now: float) -> None:
        """The platform's acknowledgements were committed: drop these rows. It is there again, so
        what else it owes an answer for is owed no longer than on any other day."""
        self.counts["acknowledged"] += len(rows)
        if self._deadline_s > PLATFORM_DEADLINE_S:
            self._deadline_s, soon = PLATFORM_DEADLINE_S, now + PLATFORM_DEADLINE_S
            self._waiting = {row_id: min(due, soon) for row_id, due in self._waiting.items()}
        self._let_go(rows)

    def set_aside(self, rows: Sequence[OutboxRow]) -> None:
        """These are off their way until an operator sends them again."""
        self.counts["set_aside"] += len(rows)
        self._let_go(rows)
        self.changed()

    def _let_go(self, rows: Sequence[OutboxRow]) -> None:
        gone = {row.id for row in rows}
        self._later = [(due, row_id) for due, row_id in self._later if row_id not in gone]
        for row in rows:
            self._waiting.pop(row.id, None)
            self._unexplained.pop(row.id, None)
            queue = self._ready[row.kind]
            if any(other.id in gone for other in queue):
                self._ready[row.kind] = deque(o for o in queue if o.id not in gone)
        if len(self._waiting) < OUTSTANDING_MAX:
            self.changed()

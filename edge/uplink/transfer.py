# SPDX-License-Identifier: AGPL-3.0-or-later
"""Evidence files in chunks: announced, sent where the platform has gaps, released by its `have`.

init -> the platform answers need [ranges] | have | hold -> chunks c/{offset} -> fin -> have.
A transfer's id is the SHA-256 of its file, so that a repeat after any failure, on any boot, goes on
where it stopped, and the same bytes in two revisions travel once. Platforms that cannot answer
(`release: puback`) and EMQX's own file transfer get the file from its start without asking.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from edge.faults import FaultLog
from edge.outbox import Dispatch, FileRow, State
from edge.runtime import Backoff
from edge.uplink.downward import EvidenceAck
from edge.uplink.file_transfer import Mode, Parcel
from edge.uplink.in_flight import PACKET_OVERHEAD, InFlight
from edge.uplink.isolated import Isolated
from edge.uplink.pacing import ChunkSize, DayBudget, TokenBucket
from edge.uplink.records import HOLD_CAP_S, HOLDING, REFUSALS_MAX, UNEXPLAINED
from edge.uplink.wire import CHUNK_MAX, Topics

log = logging.getLogger(__name__)

ACTIVE_MAX = 6
CLIPS_MAX = 2
ANSWER_DEADLINE_S = 30.0
ANSWER_DEADLINE_MAX_S = 600.0
HOLD_S = 3600.0
PARKED_MAX = 256
LOOK_AGAIN_S = 30.0
# Room in the window that only records may use.
RESERVE = 2
RANK = {"picture": 0, "clip": 1}


class Transfers:
    """One thread's. Sends only what records leave of the window, pictures before clips."""

    def __init__(
        self,
        dispatch: Dispatch,
        topics: Topics,
        faults: FaultLog,
        isolated: Isolated,
        *,
        mode: Mode,
        bucket: TokenBucket,
        budget: DayBudget,
        wall: Callable[[], float],
    ) -> None:
        self._dispatch, self._topics, self._faults = dispatch, topics, faults
        self._isolated = isolated
        self._mode, self._bucket, self._budget, self._wall = mode, bucket, budget, wall
        self._window: InFlight | None = None
        self._active: dict[str, Parcel] = {}
        self._parked: dict[str, float] = {}
        # Of these the platform said nothing; others are parked by its word or the broker's.
        self._unanswered: set[str] = set()
        self._chunk = ChunkSize()
        self._deadline_s = ANSWER_DEADLINE_S
        self._hold_until = 0.0
        self._hold = Backoff(first_s=2.0, cap_s=HOLD_CAP_S)
        self._maybe_more = True
        self._look_at = 0.0
        self.clips = True
        self.counts: Counter[str] = Counter()

    def attach(self, window: InFlight) -> None:
        self._window = window
        self._chunk = ChunkSize()
        self._maybe_more = True

    def detach(self) -> None:
        """Rows are put back by the records' own detach; the platform will say what it has."""
        self._window = None
        self._active.clear()
        self._parked.clear()
        self._unanswered.clear()

    def changed(self) -> None:
        self._maybe_more = True

    @property
    def active(self) -> int:
        return len(self._active)

    def fill(self, now: float) -> int:
        """Send what may be sent; returns how many packets left."""
        self._overdue(now)
        if now >= self._look_at:
            # A new day's budget opens lanes without anybody's doing.
            self._look_at, self._maybe_more = now + LOOK_AGAIN_S, True
        if self._window is None or now < self._hold_until:
            return 0
        self._take(now)
        sent = 0
        while self._window.free(reserve=RESERVE) > 0 and self._step(now):
            sent += 1
        return sent

    def _take(self, now: float) -> None:
        if not self._maybe_more or len(self._parked) >= PARKED_MAX:
            return
        while len(self._active) < ACTIVE_MAX:
            lanes = [lane for lane in RANK if self._lane_open(lane)]
            if not lanes or not self._dispatch.files_waiting(lanes):
                self._maybe_more = False
                return
            with self._dispatch.commit():
                row = self._dispatch.claim_file(lanes)
            if row is None:
                return
            self._active[row.sha256] = Parcel(row)

    def _lane_open(self, lane: str) -> bool:
        if not self._budget.allows(lane, self._wall()):
            return False
        if lane != "clip":
            return True
        clips = sum(t.file.lane == "clip" for t in self._active.values())
        return self.clips and clips < CLIPS_MAX

    def _step(self, now: float) -> bool:
        """Send one packet of the most urgent parcel that has one to send."""
        order = sorted(self._active.values(), key=lambda t: (RANK[t.file.lane], t.file.record))
        return any(self._advance_alone(parcel, now) for parcel in order)

    def _advance_alone(self, parcel: Parcel, now: float) -> bool:
        with self._working_for(parcel):
            return self._advance(parcel, now)
        return False

    def _working_for(self, parcel: Parcel) -> AbstractContextManager[None]:
        return self._isolated.file(parcel.file, lambda: self._done(parcel))

    def _advance(self, parcel: Parcel, now: float) -> bool:
        if not parcel.announced:
            self._init(parcel, now)
            return True
        if not parcel.asked or parcel.closed:
            return False
        if parcel.gaps:
            return self._send_chunk(parcel, now)
        if parcel.out == 0:
            self._fin(parcel, now)
            return True
        return False

    def _init(self, parcel: Parcel, now: float) -> None:
        parcel.announced = True
        parcel.due = now + self._deadline_s
        records = tuple(row.key for row in self._dispatch.links(parcel.file.sha256))
        self._send(parcel, "init", parcel.init(self._mode, records), self._announced, now)

    def _announced(self, parcel: Parcel, now: float) -> None:
        parcel.due = now + self._deadline_s
        if self._mode.blind:
            parcel.need([(0, parcel.file.size)])

    def _send_chunk(self, parcel: Parcel, now: float) -> bool:
        if sum(p.out for p in self._active.values()) >= self._chunk.parallel:
            return False
        start, end = parcel.gaps[0]
        end = min(end, start + min(self._chunk.bytes, self._room(parcel, start)))
        if not self._bucket.take(end - start, now):
            return False
        try:
            data = parcel.read(start, end)
        except OSError as error:
            self._give_up(parcel, State.MISSING, "evidence_missing", str(error))
            return True
        parcel.cut(end)
        parcel.out += 1
        self._budget.spend(len(data), self._wall())
        self.counts["bytes"] += len(data)
        self._send(
            parcel, f"c/{start}", data, lambda p, at: self._landed(p, end - start, at - now), now
        )
        return True

    def _room(self, parcel: Parcel, start: int) -> int:
        assert self._window is not None
        topic = self._topics.evidence(parcel.file.sha256, f"c/{start}", emqx=self._mode.emqx)
        return max(1, min(CHUNK_MAX, self._window.packet_max - len(topic) - PACKET_OVERHEAD))

    def _landed(self, parcel: Parcel, size: int, took_s: float) -> None:
        parcel.out -= 1
        self._chunk.answered(size, took_s)

    def _fin(self, parcel: Parcel, now: float) -> None:
        parcel.closed = True
        parcel.due = now + self._deadline_s
        part, payload = parcel.fin(self._mode)
        self._send(parcel, part, payload, self._closed, now)

    def _closed(self, parcel: Parcel, now: float) -> None:
        parcel.due = now + self._deadline_s
        self._mark(parcel.file, State.PLATFORM_ACK if self._mode.by_broker else State.BROKER_ACK)
        if self._mode.by_broker:
            self.counts["files"] += 1
            self._done(parcel)

    def _send(
        self,
        parcel: Parcel,
        part: str,
        payload: bytes,
        landed: Callable[[Parcel, float], None],
        now: float,
    ) -> None:
        assert self._window is not None
        topic = self._topics.evidence(parcel.file.sha256, part, emqx=self._mode.emqx)

        def done(code: int, at: float) -> None:
            """The broker's answer to the last piece (MQTT 5 reason code), at this second."""
            if self._active.get(parcel.file.sha256) is not parcel:
                return
            with self._working_for(parcel):
                if code in HOLDING:
                    self._halt(HOLDING[code], code, at)
                    self._back(parcel)
                elif code in UNEXPLAINED:
                    self._halt(UNEXPLAINED[code], code, at)
                    self._park(parcel, self._hold_until + LOOK_AGAIN_S)
                elif code >= 0x80:
                    self._refused(parcel, f"refused by the broker: 0x{code:02x}", at)
                else:
                    self._well()
                    landed(parcel, at)

        def blame(why: str, at: float) -> None:
            with self._working_for(parcel):
                self._refused(parcel, why, at)

        self._window.send(topic, payload, done, now=now, blame=blame)

    def _well(self) -> None:
        self._hold.reset()
        for word in HOLDING.values():
            self._faults.end(word, "evidence")

    def _halt(self, word: str, code: int, now: float) -> None:
        """Nobody listens, not allowed, quota: all evidence waits, nothing is lost."""
        self._faults.start(word, "evidence", f"broker answers 0x{code:02x}; kept")
        self.counts[word] += 1
        self._hold_until = now + 1.0 + self._hold.next_s()

    def _refused(self, parcel: Parcel, why: str, now: float) -> None:
        with self._dispatch.commit():
            times = self._dispatch.refuse_file(parcel.file.sha256, why)
        if times >= REFUSALS_MAX:
            self._give_up(parcel, State.DEAD, "dead_letter", why)
        else:
            self._park(parcel, now + 2.0**times)

    def _give_up(self, parcel: Parcel, state: State, kind: str, why: str) -> None:
        self._mark(parcel.file, state, why)
        self.counts[kind] += 1
        log.warning("%s: %s: %s", kind, parcel.file.path, why)
        self._faults.once(kind, Path(parcel.file.path).name, why, sha256=parcel.file.sha256)
        self._done(parcel)

    def _back(self, parcel: Parcel) -> None:
        self._mark(parcel.file, State.NEW)
        self._done(parcel)

    def _park(self, parcel: Parcel, due: float) -> None:
        self._parked[parcel.file.sha256] = due
        self._done(parcel)

    def _done(self, parcel: Parcel) -> None:
        self._active.pop(parcel.file.sha256, None)
        self._maybe_more = True

    def _mark(self, file: FileRow, state: State, note: str | None = None) -> None:
        with self._dispatch.commit():
            self._dispatch.mark_file(file.sha256, state, note)
            # So that a restart does not give the day's bytes a second time.
            for day, spent in self._budget.unsaved.items():
                self._dispatch.count(budget_counter(day), spent)
        self._budget.saved()

    def _overdue(self, now: float) -> None:
        """Transfers the platform keeps silent about make room, and come back later."""
        silent = [t for t in self._active.values() if t.silent(now)]
        for parcel in silent:
            self.counts["silent"] += 1
            self._park(parcel, now + self._deadline_s)
            self._unanswered.add(parcel.file.sha256)
        if silent:
            self._deadline_s = min(2.0 * self._deadline_s, ANSWER_DEADLINE_MAX_S)
        for sha256 in [s for s, due in self._parked.items() if due <= now]:
            # First in the outbox: on a full disk it stays parked, and is tried again.
            with self._dispatch.commit():
                self._dispatch.mark_file(sha256, State.NEW)
            del self._parked[sha256]
            self._unanswered.discard(sha256)
            self._maybe_more = True

    def answered(self, answer: EvidenceAck, now: float) -> None:
        """The platform's word on one file; `have` was stored by the caller's transaction."""
        if self._deadline_s > ANSWER_DEADLINE_S:
            self._hear_again(now)
        parcel = self._active.get(answer.id)
        if parcel is None:
            self._apply(answer, None, now)
            return
        with self._working_for(parcel):
            self._apply(answer, parcel, now)

    def _hear_again(self, now: float) -> None:
        """The platform answers again: nothing waits for it longer than on any other day."""
        self._deadline_s, soon = ANSWER_DEADLINE_S, now + ANSWER_DEADLINE_S
        for parcel in self._active.values():
            parcel.due = min(parcel.due, soon)
        for sha256 in self._unanswered & self._parked.keys():
            self._parked[sha256] = min(self._parked[sha256], now)

    def _apply(self, answer: EvidenceAck, parcel: Parcel | None, now: float) -> None:
        if answer.state == "have":
            self.counts["files"] += 1
            self._parked.pop(answer.id, None)
            self._unanswered.discard(answer.id)
            if parcel is not None:
                self._done(parcel)
        elif answer.state == "need":
            self._asked(answer, parcel, now)
        elif parcel is not None:
            self._park(parcel, now + HOLD_S)

    def _asked(self, answer: EvidenceAck, parcel: Parcel | None, now: float) -> None:
        if parcel is None:
            # Held back until now, or not announced on this connection: its turn comes by init.
            if answer.id in self._parked:
                self._parked[answer.id] = now
            return
        # All was sent and yet something lacks: bytes that rotted here would be sent for ever.
        if parcel.closed and not parcel.intact():
            why = "its bytes changed on the disk since it was sealed"
            self._give_up(parcel, State.MISSING, "evidence_missing", why)
            return
        if parcel.open_to_ranges():
            parcel.due = now + self._deadline_s
            parcel.need(answer.ranges)


def budget_counter(day: int) -> str:
    """Name of the counter of one UTC day's evidence bytes; `day` in days since 1970."""
    return f"evidence_bytes:{day}"

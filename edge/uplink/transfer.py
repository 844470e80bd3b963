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
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edge.outbox import Dispatch, FileRow, State
from edge.runtime import Backoff
from edge.uplink.alarms import Alarms
from edge.uplink.messages import EvidenceAck, EvidenceFin, EvidenceInit
from edge.uplink.pacing import ChunkSize, DayBudget, TokenBucket, missing
from edge.uplink.records import HOLDING, REFUSALS_MAX
from edge.uplink.window import PACKET_OVERHEAD, Window
from edge.uplink.wire import CHUNK_MAX, Topics

log = logging.getLogger(__name__)

ACTIVE_MAX = 6
CLIPS_MAX = 2
ANSWER_DEADLINE_S = 30.0
ANSWER_DEADLINE_MAX_S = 600.0
HOLD_S = 3600.0
PARKED_MAX = 256
# Room in the window that only records may use.
RESERVE = 2
RANK = {"picture": 0, "clip": 1}


@dataclass(slots=True)
class _Transfer:
    """One file under way. `gaps` are what is left to send; `out` chunks are not answered yet."""

    file: FileRow
    gaps: list[tuple[int, int]] = field(default_factory=list)
    out: int = 0
    told: bool = False
    asked: bool = False
    closed: bool = False
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Mode:
    """blind: send without waiting for `need`. by_broker: the PUBACK of fin releases the file."""

    emqx: bool = False
    by_broker: bool = False

    @property
    def blind(self) -> bool:
        return self.emqx or self.by_broker


class Transfers:
    """One thread's. Sends only what records leave of the window, pictures before clips."""

    def __init__(
        self,
        dispatch: Dispatch,
        topics: Topics,
        alarms: Alarms,
        *,
        mode: Mode,
        bucket: TokenBucket,
        budget: DayBudget,
        wall: Callable[[], float],
    ) -> None:
        self._dispatch, self._topics, self._alarms = dispatch, topics, alarms
        self._mode, self._bucket, self._budget, self._wall = mode, bucket, budget, wall
        self._window: Window | None = None
        self._active: dict[str, _Transfer] = {}
        self._parked: dict[str, float] = {}
        self._chunk = ChunkSize()
        self._deadline_s = ANSWER_DEADLINE_S
        self._hold_until = 0.0
        self._hold = Backoff(first_s=2.0, cap_s=60.0)
        self._maybe_more = True
        self.clips = True
        self.counts: Counter[str] = Counter()

    def attach(self, window: Window) -> None:
        self._window = window
        self._chunk = ChunkSize()
        self._maybe_more = True

    def detach(self) -> None:
        """Rows are put back by the records' own detach; the platform will say what it has."""
        self._window = None
        self._active.clear()
        self._parked.clear()

    def changed(self) -> None:
        self._maybe_more = True

    @property
    def active(self) -> int:
        return len(self._active)

    def fill(self, now: float) -> int:
        """Send what may be sent; returns how many packets left."""
        self._overdue(now)
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
            self._active[row.sha256] = _Transfer(row)

    def _lane_open(self, lane: str) -> bool:
        if not self._budget.allows(lane, self._wall()):
            return False
        if lane != "clip":
            return True
        clips = sum(t.file.lane == "clip" for t in self._active.values())
        return self.clips and clips < CLIPS_MAX

    def _step(self, now: float) -> bool:
        """Send one packet of the most urgent transfer that has one to send."""
        order = sorted(self._active.values(), key=lambda t: (RANK[t.file.lane], t.file.record))
        return any(self._advance(transfer, now) for transfer in order)

    def _advance(self, transfer: _Transfer, now: float) -> bool:
        if not transfer.told:
            self._init(transfer, now)
            return True
        if not transfer.asked or transfer.closed:
            return False
        if transfer.gaps:
            return self._send_chunk(transfer, now)
        if transfer.out == 0:
            self._fin(transfer, now)
            return True
        return False

    def _init(self, transfer: _Transfer, now: float) -> None:
        transfer.told = True
        transfer.due = now + self._deadline_s
        self._send(transfer, "init", self._init_payload(transfer.file), self._told, now)

    def _init_payload(self, file: FileRow) -> bytes:
        name = Path(file.path).name
        if self._mode.emqx:
            body = {"name": name, "size": file.size, "checksum": file.sha256}
            return msgspec.json.encode(body)
        records = tuple(row.key for row in self._dispatch.links(file.sha256))
        return msgspec.json.encode(
            EvidenceInit(
                name=name, size=file.size, sha256=file.sha256, role=file.role, records=records
            )
        )

    def _told(self, transfer: _Transfer, now: float) -> None:
        transfer.due = now + self._deadline_s
        if self._mode.blind:
            self._need(transfer, ((0, transfer.file.size),))

    def _need(self, transfer: _Transfer, ranges: tuple[tuple[int, int], ...]) -> None:
        transfer.gaps = missing(transfer.file.size, ranges)
        transfer.asked, transfer.closed = True, False

    def _send_chunk(self, transfer: _Transfer, now: float) -> bool:
        assert self._window is not None
        if sum(t.out for t in self._active.values()) >= self._chunk.parallel:
            return False
        start, end = transfer.gaps[0]
        end = min(end, start + min(self._chunk.bytes, self._room(transfer, start)))
        if not self._bucket.take(end - start, now):
            return False
        data = self._read(transfer, start, end)
        if data is None:
            return True
        transfer.gaps[0] = (end, transfer.gaps[0][1])
        if transfer.gaps[0][0] == transfer.gaps[0][1]:
            transfer.gaps.pop(0)
        transfer.out += 1
        self._budget.spend(len(data), self._wall())
        self.counts["bytes"] += len(data)
        self._send(
            transfer, f"c/{start}", data, lambda t, at: self._landed(t, end - start, at - now), now
        )
        return True

    def _room(self, transfer: _Transfer, start: int) -> int:
        assert self._window is not None
        topic = self._topics.evidence(transfer.file.sha256, f"c/{start}", emqx=self._mode.emqx)
        return max(1, min(CHUNK_MAX, self._window.packet_max - len(topic) - PACKET_OVERHEAD))

    def _read(self, transfer: _Transfer, start: int, end: int) -> bytes | None:
        """The bytes, or None where the file is gone or short, which is a fault of this box."""
        try:
            with Path(transfer.file.path).open("rb") as file:
                file.seek(start)
                data = file.read(end - start)
        except OSError as error:
            self._give_up(transfer, State.MISSING, "evidence_missing", str(error))
            return None
        if len(data) != end - start:
            self._give_up(transfer, State.MISSING, "evidence_missing", "shorter than its manifest")
            return None
        return data

    def _landed(self, transfer: _Transfer, size: int, took_s: float) -> None:
        transfer.out -= 1
        self._chunk.answered(size, took_s)

    def _fin(self, transfer: _Transfer, now: float) -> None:
        file = transfer.file
        transfer.closed = True
        transfer.due = now + self._deadline_s
        if self._mode.emqx:
            self._send(transfer, f"fin/{file.size}/{file.sha256}", b"", self._closed, now)
            return
        payload = msgspec.json.encode(EvidenceFin(size=file.size, sha256=file.sha256))
        self._send(transfer, "fin", payload, self._closed, now)

    def _closed(self, transfer: _Transfer, now: float) -> None:
        transfer.due = now + self._deadline_s
        self._mark(transfer.file, State.PLATFORM_ACK if self._mode.by_broker else State.BROKER_ACK)
        if self._mode.by_broker:
            self.counts["files"] += 1
            self._done(transfer)

    def _send(
        self,
        transfer: _Transfer,
        part: str,
        payload: bytes,
        landed: Callable[[_Transfer, float], None],
        now: float,
    ) -> None:
        assert self._window is not None
        topic = self._topics.evidence(transfer.file.sha256, part, emqx=self._mode.emqx)

        def done(code: int, at: float) -> None:
            if self._active.get(transfer.file.sha256) is not transfer:
                return
            if code in HOLDING:
                self._halt(transfer, code, at)
            elif code >= 0x80:
                self._refused(transfer, f"refused by the broker: 0x{code:02x}", at)
            else:
                self._well()
                landed(transfer, at)

        def blame(why: str, at: float) -> None:
            self._refused(transfer, why, at)

        self._window.send(topic, payload, done, now=now, blame=blame)

    def _well(self) -> None:
        self._hold.reset()
        for word in HOLDING.values():
            self._alarms.end(word, "evidence")

    def _halt(self, transfer: _Transfer, code: int, now: float) -> None:
        """Nobody listens, not allowed, quota: all evidence waits, nothing is lost."""
        self._alarms.start(HOLDING[code], "evidence", f"broker answers 0x{code:02x}; kept")
        self.counts[HOLDING[code]] += 1
        self._hold_until = now + 1.0 + self._hold.next_s()
        self._back(transfer)

    def _refused(self, transfer: _Transfer, why: str, now: float) -> None:
        with self._dispatch.commit():
            times = self._dispatch.refuse_file(transfer.file.sha256, why)
        if times >= REFUSALS_MAX:
            self._give_up(transfer, State.DEAD, "dead_letter", why)
        else:
            self._park(transfer, now + 2.0**times)

    def _give_up(self, transfer: _Transfer, state: State, kind: str, why: str) -> None:
        self.counts[kind] += 1
        log.warning("%s: %s: %s", kind, transfer.file.path, why)
        self._mark(transfer.file, state, why)
        self._alarms.once(kind, Path(transfer.file.path).name, why, sha256=transfer.file.sha256)
        self._done(transfer)

    def _back(self, transfer: _Transfer) -> None:
        self._mark(transfer.file, State.NEW)
        self._done(transfer)

    def _park(self, transfer: _Transfer, due: float) -> None:
        self._parked[transfer.file.sha256] = due
        self._done(transfer)

    def _done(self, transfer: _Transfer) -> None:
        self._active.pop(transfer.file.sha256, None)
        self._maybe_more = True

    def _mark(self, file: FileRow, state: State, note: str | None = None) -> None:
        with self._dispatch.commit():
            self._dispatch.mark_file(file.sha256, state, note)

    def _overdue(self, now: float) -> None:
        """Transfers the platform keeps silent about make room, and come back later."""
        silent = [t for t in self._active.values() if self._silent(t, now)]
        for transfer in silent:
            self.counts["silent"] += 1
            self._park(transfer, now + self._deadline_s)
        if silent:
            self._deadline_s = min(2.0 * self._deadline_s, ANSWER_DEADLINE_MAX_S)
        for sha256 in [s for s, due in self._parked.items() if due <= now]:
            del self._parked[sha256]
            with self._dispatch.commit():
                self._dispatch.mark_file(sha256, State.NEW)
            self._maybe_more = True

    def _silent(self, transfer: _Transfer, now: float) -> bool:
        waits = transfer.told and (not transfer.asked or transfer.closed) and transfer.out == 0
        return waits and now > transfer.due

    def answered(self, answer: EvidenceAck, now: float) -> None:
        """The platform's word on one file; `have` was stored by the caller's transaction."""
        self._deadline_s = ANSWER_DEADLINE_S
        transfer = self._active.get(answer.id)
        if answer.state == "have":
            self.counts["files"] += 1
            self._parked.pop(answer.id, None)
            if transfer is not None:
                self._done(transfer)
        elif answer.state == "need":
            self._asked(answer, transfer, now)
        elif transfer is not None:
            self._park(transfer, now + HOLD_S)

    def _asked(self, answer: EvidenceAck, transfer: _Transfer | None, now: float) -> None:
        if transfer is None:
            # Held back until now, or not announced on this connection: its turn comes by init.
            if answer.id in self._parked:
                self._parked[answer.id] = now
            return
        if transfer.out == 0 and (not transfer.gaps or transfer.closed or not transfer.asked):
            transfer.due = now + self._deadline_s
            self._need(transfer, answer.ranges)

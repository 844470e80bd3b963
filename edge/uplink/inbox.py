# SPDX-License-Identifier: AGPL-3.0-or-later
"""What came down in one turn: checked, stored, applied, only then acknowledged to the broker."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from edge.faults import FaultLog
from edge.isolation import of_the_disk
from edge.outbox import Dispatch, OutboxRow, State
from edge.uplink import downward
from edge.uplink.isolated import Isolated
from edge.uplink.mqtt import Arrived
from edge.uplink.records import Records
from edge.uplink.sealer import Sealer
from edge.uplink.transfer import Transfers
from edge.uplink.trust import (
    SANE_WALL,
    DownlinkTrust,
    RefusedMessage,
    counter_name,
    forgotten,
    room_for,
)
from edge.uplink.wire import Topics
from edge.values import Stamp

log = logging.getLogger(__name__)

FORGED_OVER_S = 600.0
# Answers that are refused for so long, so often, while records wait for one: nobody would notice.
DEAF_AFTER_S, DEAF_AFTER = 60.0, 3
# Retained configurations come once a connection: one that came before the clock was set would be
# missed until the next. Each of these may be 512 KiB.
CLOCKLESS_MAX = 8


class Obey(Protocol):
    """What is done with a message that passed; it returns once that is on disk."""

    def __call__(self, message: downward.Down) -> None: ...


class Fail(Protocol):
    """Tells the platform that the work for a message failed by a bug, and why."""

    def __call__(self, message: downward.Down, why: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Passed:
    """A message that passed, and what it came as."""

    kind: str
    payload: bytes
    message: downward.Down


class Inbox:
    """`obey` maps review, command and desired to what they set off; acks are applied here. `fail`
    reports those of them whose work failed by a bug."""

    def __init__(
        self,
        dispatch: Dispatch,
        topics: Topics,
        trust: DownlinkTrust,
        *,
        sealer: Sealer,
        records: Records,
        transfers: Transfers,
        faults: FaultLog,
        isolated: Isolated,
        obey: dict[str, Obey],
        fail: Fail,
        pace: Callable[[downward.Pace], None],
    ) -> None:
        self._dispatch, self._trust, self._sealer = dispatch, trust, sealer
        self._records, self._transfers, self._faults = records, transfers, faults
        self._isolated = isolated
        self._obey, self._fail, self._pace = obey, fail, pace
        self._kinds = topics.down
        self._heard = dispatch.issuers()
        self._forged = {f.subject: f.at.mono for f in faults.standing("forged_message")}
        self._unheard: tuple[float, int] | None = None
        self._clockless: list[Arrived] = []
        self.counts: Counter[str] = Counter()

    @property
    def topics(self) -> list[str]:
        return list(self._kinds)

    def take(self, arrived: Sequence[Arrived], at: Stamp) -> None:
        """Apply all messages of one turn; every acknowledgement among them in one transaction.

        Raises what the disk raises; nothing counts as heard then but what is on it, so that the
        same messages may be given again.
        """
        with ExitStack() as undone:
            undone.callback(self._hear_again)
            self._take(arrived, at)
            undone.pop_all()

    def _hear_again(self) -> None:
        self._heard = self._dispatch.issuers()

    def _take(self, arrived: Sequence[Arrived], at: Stamp) -> None:
        found = [self._read_alone(event, at) for event in arrived]
        passed = [one for one in found if one is not None]
        acks = [one for one in passed if isinstance(one.message, downward.Ack)]
        if acks:
            self._apply(acks, at)
        for one in passed:
            if not isinstance(one.message, downward.Ack):
                self._obey_alone(one)

    def _read_alone(self, event: Arrived, at: Stamp) -> Passed | None:
        kind, message = self._kinds.get(event.topic, ""), None
        with self._isolated.message(kind, event.payload):
            message = self._read(kind, event, at)
        return None if message is None else Passed(kind, event.payload, message)

    def _read(self, kind: str, event: Arrived, at: Stamp) -> downward.Down | None:
        if not kind:
            self.counts["refused:topic"] += 1
            return None
        try:
            message = self._trust.read(kind, event.payload, self._heard, at)
        except RefusedMessage as error:
            self._refuse(kind, error, at)
            if error.why == "clock" and len(self._clockless) < CLOCKLESS_MAX:
                self._clockless.append(event)
            return None
        self._make_room(kind, message)
        self._heard[counter_name(kind, message)] = message.n
        if kind == "ack":
            self._unheard = None
            self._faults.end("acks_refused", "platform")
        return message

    def _make_room(self, kind: str, message: downward.Down) -> None:
        oldest = room_for(kind, message, self._heard)
        if oldest is None:
            return
        floor = max(self._heard.get(forgotten(kind), 0), self._heard.pop(oldest))
        self._heard[forgotten(kind)] = floor
        self.counts["issuers_forgotten"] += 1
        with self._dispatch.commit():
            self._dispatch.hear(forgotten(kind), floor)
            self._dispatch.unhear(oldest)

    def _refuse(self, kind: str, error: RefusedMessage, at: Stamp) -> None:
        """Count a refusal. Only the first of each kind is logged as a warning, so that nobody can
        flood the log from afar. A message that is delivered again is refused as a replay: that is
        no attack, and no warning."""
        name = f"refused:{kind}:{error.why}"
        loud = error.why != "replay" and not self.counts[name]
        self.counts[name] += 1
        level = logging.WARNING if loud else logging.DEBUG
        log.log(level, "%s refused (%s): %s", kind, error.why, error)
        if kind == "ack":
            since, times = self._unheard or (at.mono, 0)
            self._unheard = (since, times + 1)
            if self._deaf(at):
                count = f"{self.counts[name]} answers refused ({error.why}) while records wait"
                self._faults.start("acks_refused", "platform", f"{count}: {error}"[:300])
        if error.why == "signature":
            self._forged[kind] = at.mono
            self._faults.start("forged_message", kind, str(error)[:200])

    def _deaf(self, at: Stamp) -> bool:
        since, times = self._unheard or (at.mono, 0)
        waiting = self._records.outstanding > 0
        return waiting and times >= DEAF_AFTER and at.mono - since > DEAF_AFTER_S

    def watch(self, at: Stamp) -> None:
        """Called all the time: an attack is over once nothing forged came for a while, and what
        could not be judged without a clock is judged once there is one."""
        if self._clockless and at.wall >= SANE_WALL:
            waiting, self._clockless = self._clockless, []
            self.take(waiting, at)
        for kind, since in list(self._forged.items()):
            if at.mono - since > FORGED_OVER_S:
                del self._forged[kind]
                self._faults.end("forged_message", kind)

    def _obey_alone(self, passed: Passed) -> None:
        with self._isolated.message(passed.kind, passed.payload) as why:
            self._obey_once(passed)
        if not why:
            self._isolated.message_done(passed.kind)
            return
        with self._isolated.message(passed.kind, passed.payload):
            self._fail(passed.message, why[0])

    def _obey_once(self, passed: Passed) -> None:
        """A command at most once: its counter is on disk first. A verdict and a configuration at
        least once: they are kept first, and bear a repeat after a crash in between."""
        kind, message = passed.kind, passed.message
        if kind != "command":
            self._obey[kind](message)
            self._hear_alone(kind, message)
            return
        self._hear_alone(kind, message)
        try:
            self._obey[kind](message)
        except Exception as error:
            # Reported whatever it is, and raised again: a bug ends the process (edge.isolation).
            if not of_the_disk(error):
                # It is not given a second time, so this is its end, and is reported before ours.
                why = f"{type(error).__name__}: {error}"
                self._isolated.let_go(kind, passed.payload, why)
                self._fail(message, why)
            raise

    def _hear_alone(self, kind: str, message: downward.Down) -> None:
        with self._dispatch.commit():
            self._dispatch.hear(counter_name(kind, message), message.n)

    def _apply(self, passed: Sequence[Passed], at: Stamp) -> None:
        released: list[OutboxRow] = []
        with self._dispatch.commit():
            for one in passed:
                with self._isolated.message(one.kind, one.payload), self._dispatch.part():
                    assert isinstance(one.message, downward.Ack)
                    self._dispatch.hear(counter_name("ack", one.message), one.message.n)
                    released += self._release(one.message)
        self._records.released(released, at.mono)
        for one in passed:
            with self._isolated.message(one.kind, one.payload) as why:
                assert isinstance(one.message, downward.Ack)
                self._follow(one.message, at)
            if not why:
                self._isolated.message_done(one.kind)

    def _follow(self, ack: downward.Ack, at: Stamp) -> None:
        for answer in ack.evidence:
            self._transfers.answered(answer, at.mono)
        if ack.nonce is not None:
            self._sealer.nonce = ack.nonce
        if ack.pace is not None:
            self._pace(ack.pace)

    def _release(self, ack: downward.Ack) -> list[OutboxRow]:
        """Exactly the records whose hash is named, and the files of which it has every byte."""
        rows = []
        for answered in ack.records:
            # Signing a receipt costs more than looking: an ack may name a thousand of no records.
            row = self._dispatch.sent(answered.id, answered.sha256)
            if row is None:
                self.counts["ack_for_nothing"] += 1
                continue
            with self._isolated.record(row):
                receipt = self._sealer.receipt(answered.id, answered.sha256, ack.iss, ack.n)
                self._dispatch.acknowledge(answered.id, answered.sha256, receipt)
                rows.append(row)
        for answer in ack.evidence:
            if answer.state == "have":
                self._dispatch.mark_file(answer.id, State.PLATFORM_ACK)
        return rows

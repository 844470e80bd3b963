# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the device says of itself: status, birth, health and the signed ends of its chains."""

from __future__ import annotations

import math
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from edge.jsonfile import decoded
from edge.outbox import Dispatch
from edge.runtime import Backoff
from edge.uplink import messages as m
from edge.uplink.chain_heads import HeadsFile
from edge.uplink.in_flight import InFlight
from edge.uplink.mqtt import MqttConnection, Will
from edge.uplink.sealer import Sealer
from edge.uplink.wire import HEALTH_EXPIRY_S, KINDS, Topics, utc_text
from edge.values import Json, Stamp

HEALTH_EVERY_S = 60.0
CHAIN_EVERY_S = 600.0
CHAIN_EVERY_RECORDS = 100
CHAIN_LOOK_S = 1.0
CHAIN_FIRST_S = 5.0
BIRTH = "birth"
# A full queue refuses who we are like anything else, and a cluster throws away what nobody asked
# for yet: without our key the platform takes no record of ours.
REFUSED_FIRST_S, REFUSED_CAP_S = 5.0, 600.0
REFUSED, NOBODY_LISTENS = 0x80, 0x10
# Of the moment: a queue that is full or without its nodes. Records wait meanwhile, for a platform
# that was not told our key takes none of them; no longer than this, whatever is wrong with a birth.
OF_THE_MOMENT = frozenset({0x80, 0x83, 0x97})
MOMENT_CAP_S, INTRODUCED_WITHIN_S = 15.0, 600.0
# Where the broker keeps no messages, who we are is said again for whoever came later.
REPEAT_EVERY_S = 600.0


@dataclass(slots=True)
class BootConnection:
    """Which boot and which connection this is."""

    boot: int
    conn: int = 0


class Presence:
    """Publishes beside the records, through the same window where an answer is wanted."""

    def __init__(
        self,
        topics: Topics,
        sealer: Sealer,
        dispatch: Dispatch,
        session: BootConnection,
        kept: HeadsFile,
    ) -> None:
        self._topics, self._sealer, self._dispatch = topics, sealer, dispatch
        self._session, self._kept = session, kept
        self._health_due = 0.0
        self._chain_due = 0.0
        self._chain_sent_mono = -CHAIN_EVERY_S
        self._repeat_due, self._birth = math.inf, b""
        self._run, self._greeted = secrets.token_hex(8), 0
        self._sent_seq: dict[str, int] = {}
        # Suffix -> payload: state of which only the latest matters, waiting for a place to go.
        self._state: dict[str, bytes] = {}
        self._again_due = math.inf
        self._refused = Backoff(first_s=REFUSED_FIRST_S, cap_s=REFUSED_CAP_S)
        self._introduced, self._introduced_by = False, math.inf

    def status(self, state: Literal["online", "offline", "stopping"]) -> bytes:
        return msgspec.json.encode(
            m.Status(state=state, boot=self._session.boot, conn=self._session.conn, run=self._run)
        )

    def will(self, *, retain: bool) -> Will:
        """What the broker says once we fell silent; `retain` False where it keeps no messages."""
        return Will(self._topics.up("status"), self.status("offline"), retain)

    def greet(self, birth: Mapping[str, Json], now: float, *, retain: bool = True) -> None:
        """On every connection: who we are, retained, before any record."""
        self._repeat_due = math.inf if retain else now + REPEAT_EVERY_S
        self._state = {"status": self.status("online"), **self._state}
        self._greeted += 1
        self._again_due = math.inf
        self._introduced_by = min(self._introduced_by, now + INTRODUCED_WITHIN_S)
        self._refused.reset()
        body = {**birth, "boot": self._session.boot, "conn": self._session.conn}
        self._birth = self._sealer.sign(body)
        self.keep(BIRTH, self._birth)
        self._health_due = now + random.uniform(0.0, HEALTH_EVERY_S)
        self._chain_due = now + random.uniform(0.0, CHAIN_FIRST_S)

    @property
    def own_status(self) -> str:
        """The topic of our own status, on which nobody else should ever speak."""
        return self._topics.up("status")

    def foreign(self, payload: bytes) -> bool:
        """Whether a status on our topic is another box's. What stands there when this run first
        comes in may be our own of an earlier one."""
        if self._greeted < 2:
            return False
        try:
            status = decoded(payload, m.Status)
        except ValueError:
            return True
        return status.state == "online" and status.run != self._run

    def keep(self, suffix: str, payload: bytes) -> None:
        """Publish retained state as soon as there is room; a newer one replaces it."""
        self._state[suffix] = payload

    def fill(self, window: InFlight, at: Stamp) -> None:
        """Send what state waits, then a chain head where one is due."""
        if at.mono >= self._repeat_due:
            self._repeat_due = at.mono + REPEAT_EVERY_S
            self._state = {"status": self.status("online"), BIRTH: self._birth, **self._state}
        self._say_again(at.mono)
        while self._state and window.free() > 0:
            suffix = next(iter(self._state))
            payload = self._state.pop(suffix)
            topic = self._topics.up(suffix)
            if window.fits(topic, payload):
                done = self._answered_birth if suffix == BIRTH else _ignore
                window.send(topic, payload, done, now=at.mono, retain=True)
        if at.mono >= self._chain_due and window.free() > 0:
            self._chain_due = at.mono + CHAIN_LOOK_S
            self._chain(window, at)

    def introduced(self, now: float) -> bool:
        """Whether the platform can know who speaks: our birth was taken, on this connection or an
        earlier one of this run, or has waited for too long."""
        return self._introduced or now >= self._introduced_by

    def _answered_birth(self, code: int, now: float) -> None:
        self._introduced |= code not in OF_THE_MOMENT
        if code >= REFUSED or code == NOBODY_LISTENS:
            wait_s = self._refused.next_s()
            cap_s = MOMENT_CAP_S if code in OF_THE_MOMENT else REFUSED_CAP_S
            self._again_due = now + REFUSED_FIRST_S + min(cap_s, wait_s)

    def _say_again(self, now: float) -> None:
        if now >= self._again_due:
            self._again_due = math.inf
            self._state.setdefault(BIRTH, self._birth)

    def farewell(self, connection: MqttConnection) -> None:
        connection.publish(self._topics.up("status"), self.status("stopping"), retain=True)

    def health_due(self, now: float) -> bool:
        """Every 60 s give or take 10 %, so that a fleet does not beat in step."""
        if now < self._health_due:
            return False
        self._health_due = now + HEALTH_EVERY_S * random.uniform(0.9, 1.1)
        return True

    def health(self, connection: MqttConnection, body: Mapping[str, Json]) -> None:
        payload = msgspec.json.encode(body)
        topic = self._topics.up("health")
        connection.publish(topic, payload, qos=0, expiry_s=HEALTH_EXPIRY_S)

    def _chain(self, window: InFlight, at: Stamp) -> None:
        """The signed chain ends: every 10 minutes while they move, or after 100 records."""
        heads = self.heads()
        seqs = {kind: int(head["seq"]) for kind, head in heads.items()}
        moved = sum(seqs.values()) - sum(self._sent_seq.values())
        due = at.mono - self._chain_sent_mono >= CHAIN_EVERY_S or moved >= CHAIN_EVERY_RECORDS
        if moved > 0 and due:
            self._kept.keep(self._dispatch)
            payload = self.signed_heads(at)
            self._kept.keep_signed(payload)
            self._sent_seq, self._chain_sent_mono = seqs, at.mono
            window.send(self._topics.up("chain"), payload, _ignore, now=at.mono)

    def heads(self) -> dict[str, dict[str, Json]]:
        found = {kind: self._dispatch.head(kind) for kind, rules in KINDS.items() if rules.sealed}
        return {k: {"seq": h.seq, "sha256": h.sha256} for k, h in found.items() if h.seq}

    def signed_heads(self, at: Stamp) -> bytes:
        """The last number and hash of every sealed kind, signed: what a verifier checks a chain's
        end against. at: the instant that the message states."""
        body = {
            "device": self._topics.device,
            "boot": self._session.boot,
            "time": utc_text(at.wall),
            "heads": self.heads(),
        }
        return self._sealer.sign(body)


def _ignore(_code: int, _now: float) -> None:
    """State that is published again on the next connection needs no answer."""

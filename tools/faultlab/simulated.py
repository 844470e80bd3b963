# SPDX-License-Identifier: AGPL-3.0-or-later
"""Simulated devices: the uplink's own link, back-off, window, envelope and trust; records in RAM.

What is left out of a real box: camera, outbox on disk, evidence pacing. One process holds at most
DEVICES_MAX of them, since paho waits with select(2), which ends at file descriptor 1023.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from city_platform import golden
from edge.uplink import downward, seal, wire
from edge.uplink import messages as m
from edge.uplink.in_flight import InFlight
from edge.uplink.link import Link
from edge.uplink.mqtt import (
    Answered,
    Arrived,
    BrokerAddress,
    Connected,
    Event,
    Lost,
    MqttConnection,
    Will,
)
from edge.uplink.records import PLATFORM_DEADLINE_S
from edge.uplink.trust import DownlinkTrust, RefusedMessage, counter_name
from edge.values import Fault, Stamp

DEVICES_MAX = 250
STEP_EVERY_S = 0.25
AGAIN_S = 5.0
PICTURE_EVERY = 10
TENANT = "city"


@dataclass(frozen=True, slots=True)
class Plan:
    """One worker's work. Times are CLOCK_MONOTONIC, which all processes of a machine share."""

    first: int
    count: int
    port: int
    key: str
    spread_s: float
    record_every_s: float
    picture_bytes: int
    put_until: float
    end: float
    host: str = "127.0.0.1"
    tag: str = "0000"
    # Software releases: share of the devices that each number fails on, and how long one takes.
    fails: dict[str, float] = field(default_factory=dict)
    update_s: float = 5.0


@dataclass(slots=True)
class Item:
    """A record, or the announcement of a file, until the platform says it is stored."""

    suffix: str
    payload: bytes
    born: float
    due: float = 0.0


@dataclass(slots=True)
class Told:
    """What a worker reports at its end."""

    connects: list[float] = field(default_factory=list)
    updates: dict[str, int] = field(default_factory=dict)
    attempts: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    latency: list[tuple[float, float]] = field(default_factory=list)
    backlog: list[tuple[float, int]] = field(default_factory=list)
    put: int = 0
    released: int = 0
    files: int = 0
    refused: int = 0
    left: int = 0
    offline: int = 0


class SimulatedDevice:
    """Owner of one link. `step` is called again and again."""

    def __init__(self, name: str, plan: Plan, ring: seal.KeyRing, told: Told) -> None:
        self._name, self._plan, self._told = name, plan, told
        private = Ed25519PrivateKey.generate()
        self._signer = seal.Signer(seal.fingerprint(private.public_key()), private)
        self._topics = wire.Topics(TENANT, name)
        self._trust, self._heard = DownlinkTrust(name, ring), dict[str, int]()
        self._window: InFlight | None = None
        self._pending: dict[str, Item] = {}
        self._chunks: deque[tuple[str, bytes]] = deque()
        self._files: dict[str, bytes] = {}
        self._seq, self._prev, self._conn = 0, "0" * 64, 0
        self._fault_seq, self._fault_prev = 0, "0" * 64
        self._releases: set[int] = set()
        self._reports: deque[tuple[float, str, str, dict[str, Any]]] = deque()
        now = time.monotonic()
        self._put_due = now + random.uniform(0.0, plan.record_every_s)
        self._link = Link(self._connect, self, now=now, first_wait_s=plan.spread_s)

    @property
    def online(self) -> bool:
        return self._link.online

    @property
    def waiting(self) -> int:
        return len(self._pending)

    def _connect(self) -> MqttConnection:
        self._conn += 1
        self._told.attempts.append(time.monotonic())
        address = BrokerAddress(
            self._plan.host, self._plan.port, client_id=f"cm-{TENANT}-{self._name}"
        )
        return MqttConnection(address, Will(self._topics.up("status"), self._status("offline")))

    def _status(self, state: Any) -> bytes:
        return msgspec.json.encode(m.Status(state=state, boot=1, conn=self._conn))

    def connected(self, connection: MqttConnection, limits: Connected) -> None:
        """Say hello as a real box does: subscribe to acks, status and birth, both retained."""
        self._told.connects.append(time.monotonic())
        self._window = InFlight(connection, limits)
        connection.subscribe([self._topics.up("ack"), self._topics.up("cmd/req")])
        self._send("status", self._status("online"), retain=True)
        pem = seal.public_pem(self._signer.public).decode()
        birth = replace_struct(golden.birth(), device=self._name, conn=self._conn,
                               keys=(m.PublicKey(kid=self._signer.kid, pem=pem),))  # fmt: skip
        self._send("birth", self._signer.sign(msgspec.to_builtins(birth)), retain=True)

    def _send(self, suffix: str, payload: bytes, *, retain: bool = False, item: Item | None = None
              ) -> None:  # fmt: skip
        assert self._window is not None

        def done(code: int, now: float) -> None:
            if item is not None and code:
                item.due = now + AGAIN_S

        now, topic = time.monotonic(), self._topics.up(suffix)
        self._window.send(topic, payload, done, now=now, retain=retain)

    def event(self, event: Event) -> None:
        """A PUBACK frees a place in the window; an ack of the platform ends a record."""
        if isinstance(event, Answered) and self._window is not None:
            self._window.answered(event, time.monotonic())
        elif isinstance(event, Arrived):
            if event.topic.endswith("/cmd/req"):
                self._obey(event.payload)
            else:
                self._take(event.payload)
            if self._link.connection is not None:
                self._link.connection.acknowledge(event.mid)

    def lost(self, lost: Lost) -> None:
        """The connection is gone: what was unanswered is due again at once."""
        self._told.losses.append(time.monotonic())
        self._window = None
        self._chunks.clear()
        for item in self._pending.values():
            item.due = 0.0

    def _take(self, payload: bytes) -> None:
        try:
            ack = self._trust.read("ack", payload, self._heard, _stamp())
        except RefusedMessage:
            self._told.refused += 1
            return
        assert isinstance(ack, downward.Ack)
        self._heard[counter_name("ack", ack)] = ack.n
        for record in ack.records:
            item = self._pending.get(record.id)
            if item is not None and seal.sha256(item.payload) == record.sha256:
                self._release(record.id, item)
        for answer in ack.evidence:
            self._evidence(answer)

    def _obey(self, payload: bytes) -> None:
        """A command of the platform; of them a simulated device knows software updates. It reports
        as uplinkd does: on trial, then how it ended, each as a signed record of its chain."""
        try:
            told = self._trust.read("command", payload, self._heard, _stamp())
        except RefusedMessage:
            self._told.refused += 1
            return
        assert isinstance(told, downward.Command)
        self._heard[counter_name("command", told)] = told.n
        number = int(told.arguments["number"])
        if told.command != "update_software" or number in self._releases:
            return
        self._releases.add(number)
        bad = random.random() < self._plan.fails.get(str(number), 0.0)
        how = "rolled_back" if bad else "settled"
        key = f"{number} {how}"
        self._told.updates[key] = self._told.updates.get(key, 0) + 1
        now, facts = time.monotonic(), {"release": number, "version": f"0.{number}"}
        end = now + random.uniform(0.5, 1.0) * self._plan.update_s
        self._reports.append((now, "software_on_trial", "start", facts))
        self._reports.append((end, "software_on_trial", "end", {**facts, "outcome": how}))
        if bad:
            self._reports.append((end, "software_rolled_back", "start", facts))

    def _report(self, kind: str, phase: str, facts: dict[str, Any]) -> None:
        """One fault, sealed and chained as the product does it."""
        self._fault_seq += 1
        text = "made to fail" if kind == "software_rolled_back" else ""
        fault = Fault(kind, "software", phase, _stamp(), text, facts)  # type: ignore[arg-type]
        body = wire.envelope(
            "fault", wire.fault_data(fault), device=self._name, tenant=TENANT, boot=1,
            seq=self._fault_seq, prev=self._fault_prev, kid=self._signer.kid,
        )  # fmt: skip
        payload = self._signer.sign(body)
        self._fault_prev = seal.sha256(payload)
        self._pending[str(body["id"])] = Item("evt/fault", payload, time.monotonic())
        self._told.put += 1

    def _release(self, key: str, item: Item) -> None:
        del self._pending[key]
        self._told.released += 1
        now = time.monotonic()
        self._told.latency.append((now, now - item.born))

    def _evidence(self, answer: downward.EvidenceAck) -> None:
        data = self._files.get(answer.id)
        if data is None:
            return
        if answer.state == "have":
            del self._files[answer.id]
            self._pending.pop(answer.id, None)
            self._told.files += 1
            return
        for start, stop in answer.ranges:
            for at in range(start, stop, wire.CHUNK_MAX):
                chunk = data[at : min(stop, at + wire.CHUNK_MAX)]
                self._chunks.append((f"evd/{answer.id}/c/{at}", chunk))
        fin = msgspec.json.encode(m.EvidenceFin(size=len(data), sha256=answer.id))
        self._chunks.append((f"evd/{answer.id}/fin", fin))

    def step(self, now: float) -> None:
        """Put what is due, send what waits or was not acknowledged in time, then chunks of
        pictures."""
        if now >= self._put_due and now < self._plan.put_until:
            self._put_due += self._plan.record_every_s
            self._put(now)
        while self._reports and self._reports[0][0] <= now:
            self._report(*self._reports.popleft()[1:])
        self._link.step(now, 0.0, time.monotonic)
        for item in list(self._pending.values()) if self._window else ():
            if self._window is None or self._window.free() == 0:
                return
            if item.due <= now:
                item.due = now + PLATFORM_DEADLINE_S
                self._send(item.suffix, item.payload, item=item)
        while self._chunks and self._window is not None and self._window.free():
            self._send(*self._chunks.popleft())

    def _put(self, now: float) -> None:
        """One violation, sealed and chained as the product does it; now and then with a picture."""
        self._seq += 1
        picture = random.randbytes(self._plan.picture_bytes)
        listed = () if self._seq % PICTURE_EVERY or not picture else (picture,)
        files = tuple(golden.evidence_file("close", "r1-close-1.jpg", data) for data in listed)
        told = replace(golden.violations()[0], id=f"{self._name}-{self._seq}", evidence=files)
        body = wire.envelope(
            "violation", wire.violation_data(told), device=self._name, tenant=TENANT, boot=1,
            seq=self._seq, prev=self._prev, kid=self._signer.kid,
        )  # fmt: skip
        payload = self._signer.sign(body)
        self._prev = seal.sha256(payload)
        self._pending[str(body["id"])] = Item("evt/violation", payload, now)
        self._told.put += 1
        for data in listed:
            sha256 = hashlib.sha256(data).hexdigest()
            self._files[sha256] = data
            init = m.EvidenceInit(name="r1-close-1.jpg", size=len(data), sha256=sha256,
                                  role="close", records=(f"{told.id}/r1",))  # fmt: skip
            self._pending[sha256] = Item(f"evd/{sha256}/init", msgspec.json.encode(init), now)

    def close(self) -> None:
        self._link.close()


def replace_struct(struct: m.Birth, **changes: Any) -> m.Birth:
    return msgspec.structs.replace(struct, **changes)


def _stamp() -> Stamp:
    return Stamp(time.monotonic(), time.time(), "ntp", 1.0)


def work(plan: Plan) -> Told:
    """Until all is put and released and everybody is back, or until the plan's end."""
    told = Told()
    ring = seal.ring(seal.read_public(Path(plan.key).read_bytes()))
    numbers = range(plan.first, plan.first + plan.count)
    devices = [SimulatedDevice(f"sim-{plan.tag}-{n:05d}", plan, ring, told) for n in numbers]
    second = 0.0
    while (now := time.monotonic()) < plan.end:
        for device in devices:
            device.step(time.monotonic())
        waiting = sum(device.waiting for device in devices)
        if now >= second:
            second = now + 1.0
            told.backlog.append((now, waiting))
        if now > plan.put_until and not waiting and all(device.online for device in devices):
            break
        time.sleep(max(0.0, STEP_EVERY_S - (time.monotonic() - now)))
    told.left = sum(device.waiting for device in devices)
    told.offline = sum(not device.online for device in devices)
    for device in devices:
        device.close()
    return told


def main() -> int:
    plan = Plan(**json.loads(sys.argv[1]))
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(work(plan)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

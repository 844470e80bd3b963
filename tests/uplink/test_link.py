# SPDX-License-Identifier: AGPL-3.0-or-later
"""When the link is tried again, and that the fleet does not come back all at once."""

from __future__ import annotations

import json
import random
import socket
import time
from typing import Any

import pytest

from edge.runtime import Backoff
from edge.uplink.link import BACKOFF_CAP_S, PENALTY_S, STABLE_S, Link
from edge.uplink.mqtt import (
    CONNECT_TIMEOUT_S,
    BrokerAddress,
    Connected,
    Event,
    Lost,
    MqttConnection,
)
from tests.uplink.box import TOPICS, Box, Platform, of_kind
from tools.faultlab.fake_broker import FakeBroker, Manners
from tools.faultlab.proxy import Proxy
from tools.faultlab.rig import Rig, eventually

UP = Connected(20, 1000, session_present=False)


class Line:
    """A connection that does what the test says."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.dropped = False

    def poll(self, _: float) -> list[Event]:
        found, self.events = self.events, []
        return found

    def drop(self) -> None:
        self.dropped = True

    close = drop


class World:
    """Owner, clock and supply of lines; `down` refuses connections."""

    def __init__(self) -> None:
        self.now, self.down, self.lines = 0.0, False, list[Line]()
        self.tries: list[float] = []
        self.losses: list[str] = []
        self.first: list[Event] = [UP]
        self.link = Link(self._connect, self, now=0.0, backoff=Backoff(cap_s=BACKOFF_CAP_S))

    def _connect(self) -> MqttConnection:
        self.tries.append(self.now)
        if self.down:
            raise ConnectionRefusedError("no route")
        self.lines.append(Line(list(self.first)))
        return self.lines[-1]  # type: ignore[return-value]

    def connected(self, _connection: MqttConnection, _limits: Connected) -> None: ...

    def event(self, _event: Event) -> None: ...

    def lost(self, lost: Lost) -> None:
        self.losses.append(lost.reason)

    def run(self, until: float, step: float = 0.5) -> None:
        while self.now < until:
            self.now += step
            self.link.step(self.now, 0.0, lambda: self.now)


def test_waits_grow_to_the_cap_and_are_spread_out() -> None:
    world = World()
    world.down = True
    world.run(3600.0)
    waits = [b - a for a, b in zip(world.tries, world.tries[1:], strict=False)]
    assert max(waits) <= BACKOFF_CAP_S + 1.0
    assert max(waits) > 60.0
    assert 40 < len(world.tries) < 140


def test_only_a_stable_connection_makes_it_brisk_again() -> None:
    def flaps(lasting_s: float) -> int:
        random.seed(4)
        world = World()
        while world.now < 1200.0:
            world.run(world.now + 1.0)
            if world.link.online:
                world.run(world.now + lasting_s)
                world.lines[-1].events = [Lost("cut")]
                world.run(world.now + 1.0)
        return len(world.tries)

    assert flaps(3.0) < 60, "a server that accepts and kicks is not hammered"
    assert flaps(STABLE_S + 1.0) > 25


def test_a_server_that_asks_for_peace_gets_it() -> None:
    world = World()
    world.first = [UP, Lost("busy", 0x89)]
    world.run(PENALTY_S - 1.0)
    assert len(world.tries) == 1


def test_no_connack_is_a_loss() -> None:
    world = World()
    world.first = []
    world.run(30.0)
    assert world.lines[0].dropped


def test_ten_thousand_devices_do_not_come_back_at_once() -> None:
    random.seed(9)
    backs = []
    for _ in range(10_000):
        backoff, at = Backoff(cap_s=BACKOFF_CAP_S), random.uniform(0.0, 1.0)
        while at < 600.0:
            at += backoff.next_s()
        backs.append(at)
    peak = max(sum(1 for at in backs if second <= at < second + 1) for second in range(600, 740))
    assert peak <= 0.03 * 10_000, f"{peak} connects in the worst second"
    assert max(backs) <= 600.0 + BACKOFF_CAP_S + 1.0


@pytest.mark.broker
def test_status_birth_and_will_at_a_real_broker(rig: Rig) -> None:
    broker = rig.broker()
    rig.receiver(broker.port)
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

    seen: dict[str, list[bytes]] = {}
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _c, _u, msg: seen.setdefault(msg.topic, []).append(msg.payload)
    client.connect("127.0.0.1", broker.port)
    client.subscribe("cm/v1/#", 1)
    client.loop_start()
    try:
        daemon = rig.uplinkd(broker.port)
        status, birth = TOPICS.up("status"), TOPICS.up("birth")
        eventually(lambda: birth in seen and TOPICS.up("cfg/reported") in seen)
        told = json.loads(seen[status][0])
        assert len(told.pop("run")) == 16
        assert told == {"state": "online", "boot": 1, "conn": 1}
        assert json.loads(seen[birth][0])["keys"][0]["pem"].startswith("-----BEGIN PUBLIC KEY")
        daemon.stop()
        eventually(lambda: json.loads(seen[status][-1])["state"] == "stopping")
        rig.uplinkd(broker.port)
        again = {"state": "online", "boot": 1, "conn": 2}
        eventually(lambda: again.items() <= json.loads(seen[status][-1]).items())
    finally:
        client.loop_stop()
        client.disconnect()


def test_a_link_that_went_dead_is_cut_after_the_deadline(
    box: Box, fake: FakeBroker, platform: Platform
) -> None:
    proxy = Proxy(("127.0.0.1", fake.port))
    path = box.rig.device_file(proxy.port)
    path.write_text(path.read_text().replace("tls: off}", "tls: off, ack_deadline_s: 1.0}"))
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) == 1)
    proxy.faults.silent = True
    box.put("v-1")
    began = time.monotonic()
    eventually(lambda: proxy.accepted >= 2, within_s=30)
    assert time.monotonic() - began < 15.0
    proxy.faults.silent = False
    proxy.cut()
    eventually(lambda: box.states() == {"broker_ack": 1})
    proxy.close()


def test_silence_of_the_broker_does_not_stop_the_daemon(box: Box, fake: FakeBroker) -> None:
    fake.manners = Manners(answer=lambda _: [])
    box.put("v-1")
    box.start()
    eventually(lambda: box.status()["online"] is True)
    box.close()
    assert box.code == 0


class Unanswered(socket.socket):
    """Nobody answers at an address of 127.0.0.x but the last: the time given to it goes by."""

    spent_s = 0.0
    dead: frozenset[tuple[str, int]] = frozenset()

    def connect(self, address: Any) -> None:
        if address in self.dead:
            Unanswered.spent_s += self.gettimeout() or 0.0
            raise TimeoutError("timed out")
        super().connect(address)


def named(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int], dead: int) -> BrokerAddress:
    """A broker whose name has these addresses, the first `dead` of which are silent."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in addresses]
    monkeypatch.setattr(Unanswered, "spent_s", 0.0)
    monkeypatch.setattr(Unanswered, "dead", frozenset(addresses[:dead]))
    monkeypatch.setattr(socket, "socket", Unanswered)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + Unanswered.spent_s)
    return BrokerAddress("broker", 8883, "box-1")


def test_ten_seconds_are_for_all_addresses_of_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = [(f"127.0.0.{n}", 8883) for n in range(2, 6)]
    address = named(monkeypatch, *silent, dead=4)
    with pytest.raises(OSError, match="timed out"):
        MqttConnection(address, None)
    assert Unanswered.spent_s == pytest.approx(CONNECT_TIMEOUT_S)


def test_the_last_address_is_tried_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        silent = [(f"127.0.0.{n}", 8883) for n in range(2, 5)]
        address = named(monkeypatch, *silent, broker.getsockname(), dead=3)
        line = MqttConnection(address, None)
        with broker.accept()[0] as came:
            assert came.recv(1) == b"\x10", "CONNECT"
        line.drop()
    assert Unanswered.spent_s == pytest.approx(0.75 * CONNECT_TIMEOUT_S)

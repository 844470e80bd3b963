# SPDX-License-Identifier: AGPL-3.0-or-later
"""Brokers that break the rules: nothing is lost, nothing is released that was not stored."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.uplink.box import TOPICS, Box, Platform, of_kind, violations
from tools.faultlab.fake_broker import FakeBroker, Got, Manners, plain_answer, puback
from tools.faultlab.rig import eventually


def acknowledge_all(box: Box, broker: FakeBroker) -> None:
    """The platform confirms everything that has arrived so far."""
    broker.send(TOPICS.up("ack"), box.platform.ack(*{got.payload for got in violations(broker)}))


def released(box: Box, n: int) -> Callable[[], bool]:
    return lambda: box.states() == {"platform_ack": n}


def test_puback_alone_releases_nothing(box: Box, fake: FakeBroker) -> None:
    box.put("v-1", "v-2")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 2})
    acknowledge_all(box, fake)
    eventually(released(box, 2))


def of_fault(box: Box, kind: str) -> list[str]:
    """The subjects that stand as faults of this kind in the daemon's status."""
    return [one["subject"] for one in box.status().get("faults", []) if one["kind"] == kind]


def every_way(got: Got) -> list[bytes]:
    return [puback(got.mid)] * 3


def wrong_mid(got: Got) -> list[bytes]:
    return [puback((got.mid + 7) % 65_536)]


def nothing(_: Got) -> list[bytes]:
    return []


class Reversed:
    """Four at a time, the last one first."""

    def __init__(self) -> None:
        self._held: list[int] = []

    def __call__(self, got: Got) -> list[bytes]:
        self._held.append(got.mid)
        if len(self._held) < 4:
            return []
        held, self._held = self._held[::-1], []
        return [puback(mid) for mid in held]


@pytest.mark.parametrize("answer", [every_way, Reversed()], ids=["three times", "reversed"])
def test_repeated_and_reversed_pubacks_do_no_harm(
    box: Box, fake: FakeBroker, answer: Callable[[Got], list[bytes]]
) -> None:
    fake.manners = Manners(
        answer=lambda got: answer(got) if "evt" in got.topic else [puback(got.mid)]
    )
    box.put(*(f"v-{n}" for n in range(8)))
    box.start()
    eventually(lambda: len({got.payload for got in violations(fake)}) == 8)
    time.sleep(0.3)
    assert "platform_ack" not in box.states()
    acknowledge_all(box, fake)
    eventually(released(box, 8))


@pytest.mark.parametrize("answer", [nothing, wrong_mid], ids=["never", "wrong message id"])
def test_without_a_right_puback_the_link_is_cut_and_all_sent_again(
    box: Box, fake: FakeBroker, answer: Callable[[Got], list[bytes]]
) -> None:
    text = box.device.read_text().replace("tls: off}", "tls: off, ack_deadline_s: 1.0}")
    box.device.write_text(text)
    fake.manners = Manners(answer=answer)
    box.put("v-1", "v-2")
    box.start()
    eventually(lambda: len(fake.connects) >= 3)
    assert "platform_ack" not in box.states()
    fake.manners = Manners()
    eventually(lambda: box.states() == {"broker_ack": 2})
    assert len({got.payload for got in violations(fake)}) == 2, "a repeat is byte-identical"
    acknowledge_all(box, fake)
    eventually(released(box, 2))


def test_a_broker_that_answers_nothing_is_given_longer_each_time(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An overloaded one would only be kept from answering by a fleet that begins anew."""
    monkeypatch.setattr("edge.uplink.link.BACKOFF_CAP_S", 0.01)
    text = box.device.read_text().replace("tls: off}", "tls: off, ack_deadline_s: 0.5}")
    box.device.write_text(text)
    fake.manners = Manners(answer=nothing)
    box.put("v-1")
    box.start()
    eventually(lambda: len(fake.connects) >= 5, within_s=60)
    assert fake.connects[4] - fake.connects[0] > 4.0, "0.5, 1, 2 and then 4 s, not 2 s in all"
    fake.manners = Manners()
    acknowledged = len(fake.connects)
    eventually(lambda: box.states() == {"broker_ack": 1}, within_s=60)
    assert len(fake.connects) <= acknowledged + 1


@pytest.mark.parametrize("limit", [1, 5])
def test_receive_maximum_is_never_exceeded(
    box: Box, fake: FakeBroker, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(got: Got) -> list[bytes]:
        time.sleep(0.002)
        return plain_answer(got)

    fake.manners = Manners(receive_max=limit, answer=slowly)
    names = [f"v-{n:03d}" for n in range(100)]
    box.put(*names)
    box.start()
    eventually(lambda: len(violations(fake)) == 100)
    assert fake.most_unanswered <= limit
    assert len(fake.connects) == 1
    order = [json.loads(got.payload)["subject"] for got in violations(fake)]
    assert order == names


def test_a_broker_with_small_packets_gets_small_chunks_and_one_dead_letter(
    box: Box, fake: FakeBroker
) -> None:
    fake.manners = Manners(packet_max=4096)
    outbox = box.outbox()
    body = {**json.loads(json.dumps(_body("v-big"))), "facts": {"trace": "x" * 5000}}
    outbox.put(lane="violation", kind="violation", key="v-big/r1", body=body)
    box.rig.put(outbox, "v-1", {"r1-a.jpg": b"p" * 20_000})
    box.start()
    eventually(lambda: box.states() == {"dead": 1, "broker_ack": 1})
    eventually(lambda: len(of_kind(fake, "evt/fault")) >= 1)
    assert b"dead_letter" in of_kind(fake, "evt/fault")[0].payload
    assert max(got.size for got in fake.got) <= 4096
    assert len(fake.connects) == 1


def _body(name: str) -> dict[str, object]:
    from edge.uplink import wire
    from tools.faultlab.rig import make_violation

    return wire.violation_data(make_violation(name))


@pytest.mark.parametrize("code", [0x10, 0x87, 0x97])
def test_a_topic_that_is_refused_waits_while_the_others_flow(
    box: Box, fake: FakeBroker, code: int
) -> None:
    def refuse(got: Got) -> list[bytes]:
        return [puback(got.mid, code if got.topic.endswith("violation") else 0)]

    fake.manners = Manners(answer=refuse)
    box.put("v-1")
    box.start()
    eventually(lambda: len(of_kind(fake, "evt/fault")) >= 1)
    told = next(n for n, got in enumerate(fake.got) if got.topic.endswith("evt/fault"))
    before = sum(got.topic.endswith("violation") for got in fake.got[:told])
    assert before <= 4, "the first refusal alarms; another may be on its way"
    assert box.states() in ({"new": 1}, {"inflight": 1})
    assert len(fake.connects) == 1
    fake.manners = Manners()
    eventually(lambda: box.states() == {"broker_ack": 1}, within_s=60)


def test_a_record_that_is_refused_five_times_is_set_aside_and_the_others_flow(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.records.REFUSAL_WAIT_S", 0.01)

    def refuse(got: Got) -> list[bytes]:
        return [puback(got.mid, 0x99 if b"v-poison" in got.payload else 0)]

    fake.manners = Manners(answer=refuse)
    box.put("v-1", "v-poison", "v-2")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 2, "dead": 1})
    sent = [got for got in violations(fake) if b"v-poison" in got.payload]
    assert len(sent) == 5
    assert len(fake.connects) == 1


def test_an_unexplained_refusal_buries_nothing_and_stands_in_nobodys_way(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full queue of RabbitMQ: 0x83, for as long as it is full. Nothing is wrong with what is
    refused, and still another record must pass."""
    monkeypatch.setattr("edge.uplink.records.REFUSAL_WAIT_S", 0.001)
    monkeypatch.setattr("edge.uplink.records.HOLD_CAP_S", 0.01)
    monkeypatch.setattr("edge.uplink.transfer.LOOK_AGAIN_S", 0.01)
    refused: list[str] = []

    def full(got: Got) -> list[bytes]:
        if b"v-1" in got.payload or "/evd/" in got.topic:
            refused.append(got.topic)
            return [puback(got.mid, 0x83)]
        return [puback(got.mid)]

    fake.manners = Manners(answer=full)
    box.rig.put(box.outbox(), "v-1", {"r1-a.jpg": b"p" * 100})
    box.put("v-2")
    box.start()
    eventually(lambda: box.states().get("broker_ack") == 1, within_s=60)
    eventually(lambda: sum("violation" in topic for topic in refused) > 3, within_s=60)
    eventually(lambda: sum("/evd/" in topic for topic in refused) > 2, within_s=60)
    fake.manners = Manners()
    eventually(lambda: box.states() == {"broker_ack": 2}, within_s=60)
    assert "dead" not in box.states() and len(fake.connects) == 1


def test_records_are_not_to_blame_while_none_of_their_kind_passes(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queues without their nodes refuse everything for minutes; what was refused often must not
    lie for minutes more once they are back."""
    monkeypatch.setattr("edge.uplink.records.HOLD_CAP_S", 0.01)
    fake.manners = Manners(
        answer=lambda got: [puback(got.mid, 0x83 if "violation" in got.topic else 0)]
    )
    box.put("v-1")
    box.start()
    # 255 s where each refusal doubles the wait.
    eventually(lambda: len(violations(fake)) >= 10, within_s=90)


@pytest.mark.parametrize("code", [0x83, 0x10], ids=["full", "nobody listens yet"])
def test_a_birth_that_was_not_taken_is_said_again(
    box: Box, fake: FakeBroker, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the key in it the platform takes no record of this box."""
    monkeypatch.setattr("edge.uplink.presence.REFUSED_FIRST_S", 0.1)
    fake.manners = Manners(
        answer=lambda got: [puback(got.mid, code if got.topic.endswith("/birth") else 0)]
    )
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) >= 3, within_s=60)
    fake.manners = Manners()
    taken = len(of_kind(fake, "birth"))
    eventually(lambda: len(of_kind(fake, "birth")) > taken, within_s=60)
    said = {got.payload for got in of_kind(fake, "birth")}
    assert len(said) == 1 and len(fake.connects) == 1


def test_nothing_is_said_before_the_broker_has_taken_who_says_it(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform that has not heard the key puts every record aside as a stranger's."""
    monkeypatch.setattr("edge.uplink.presence.REFUSED_FIRST_S", 0.1)
    fake.manners = Manners(
        answer=lambda got: [puback(got.mid, 0x83 if got.topic.endswith("/birth") else 0)]
    )
    box.put("v-1")
    box.start()
    eventually(lambda: len(of_kind(fake, "birth")) >= 3, within_s=60)
    assert violations(fake) == []
    fake.manners = Manners()
    eventually(lambda: box.states() == {"broker_ack": 1}, within_s=60)
    order = [got.topic.rsplit("/", 1)[1] for got in fake.got]
    last = max(n for n, kind in enumerate(order) if kind == "birth")
    assert last < order.index("violation")


@pytest.mark.parametrize("code", [0x87, 0x83], ids=["forbidden for good", "for as long as it is"])
def test_a_birth_that_is_never_taken_silences_nobody(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr("edge.uplink.presence.INTRODUCED_WITHIN_S", 1.0)
    fake.manners = Manners(
        answer=lambda got: [puback(got.mid, code if got.topic.endswith("/birth") else 0)]
    )
    box.put("v-1")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 1}, within_s=60)


def test_a_subscription_that_was_refused_is_asked_for_again(box: Box, fake: FakeBroker) -> None:
    """A node that is lost refuses for a moment; the box would be deaf while the link lives."""
    fake.manners = Manners(suback=0x80)
    box.start()
    eventually(lambda: bool(of_fault(box, "subscribe_refused")), within_s=60)
    asked = len(fake.subscribes)
    eventually(lambda: len(fake.subscribes) > asked, within_s=60)
    fake.manners = Manners()
    eventually(lambda: not of_fault(box, "subscribe_refused"), within_s=60)
    assert len(fake.connects) == 1


def test_a_broker_that_ends_every_connection_that_hears_its_own_status(
    box: Box, fake: FakeBroker
) -> None:
    """RabbitMQ 4.0 with a retained will of ours: until another status stands in its place."""

    def stands(topic: str) -> bool:
        return topic.endswith("/status") and not of_kind(fake, "status")

    fake.manners = Manners(hang_up_on=stands)
    box.put("v-1")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 1}, within_s=60)
    assert len(fake.connects) <= 4


def test_a_record_that_breaks_every_connection_is_found_and_set_aside(
    box: Box, fake: FakeBroker
) -> None:
    fake.manners = Manners(hang_up=lambda got: b"v-poison" in got.payload, hang_up_code=0x95)
    box.put("v-1", "v-poison", "v-2", "v-3")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 3, "dead": 1}, within_s=60)
    assert len(fake.connects) <= 12


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x00\x00",
        b"\x30\x7f" + b"\xff" * 40,
        b"\xf0\xff\xff\xff\xff\xff",
        b"\x32\x05\x00\x01\xff\x00\x01",
        b"\x40\x02\xff\xff\x40\x04\x00\x01\xff\xff",
        b"\xe0\x02\x8d\x00",
        b"\x30\x0a\x00\x03a/b\xff\xff\xff\xff\xff",
    ],
)
def test_bytes_that_are_not_mqtt_end_the_connection_and_no_more(
    box: Box, fake: FakeBroker, garbage: bytes
) -> None:
    fake.manners = Manners(raw_on_connect=garbage)
    box.put("v-1")
    box.start()
    eventually(lambda: len(fake.connects) >= 1)
    time.sleep(0.3)
    fake.manners = Manners()
    fake.cut()
    eventually(lambda: box.states() == {"broker_ack": 1})


def test_a_refused_connection_is_tried_again(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.link.PENALTY_S", 0.1)
    fake.manners = Manners(connack=0x86)
    box.put("v-1")
    box.start()
    eventually(lambda: len(fake.connects) >= 1)
    fake.manners = Manners()
    eventually(lambda: box.states() == {"broker_ack": 1})


def test_the_platform_is_asked_again_when_it_stays_silent(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.records.PLATFORM_DEADLINE_S", 0.3)
    box.put("v-1")
    box.start()
    eventually(lambda: len(violations(fake)) >= 3)
    assert len({got.payload for got in violations(fake)}) == 1
    acknowledge_all(box, fake)
    eventually(released(box, 1))


def test_a_platform_that_answers_again_is_owed_no_longer_than_before(
    box: Box, fake: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence doubles the time after which a record is sent again, up to ten minutes. The first
    answer ends that also for what was sent before it, or a lost answer costs so long."""
    monkeypatch.setattr("edge.uplink.records.PLATFORM_DEADLINE_S", 0.2)
    box.put("v-1", "v-2")
    box.start()

    def sent(name: bytes) -> int:
        return sum(name in got.payload for got in violations(fake))

    eventually(lambda: sent(b"v-2") >= 6)
    payload = next(got.payload for got in violations(fake) if b"v-1" in got.payload)
    before = sent(b"v-2")
    fake.send(TOPICS.up("ack"), box.platform.ack(payload))
    # Four times more take 3 s, and 96 s where the old time stands.
    eventually(lambda: sent(b"v-2") >= before + 4, within_s=60)


def test_an_acknowledgement_for_other_bytes_releases_nothing(
    box: Box, fake: FakeBroker, platform: Platform
) -> None:
    box.put("v-1")
    box.start()
    eventually(lambda: box.states() == {"broker_ack": 1})
    record = json.loads(violations(fake)[0].payload)["id"]
    for sha256 in ("0" * 64, "f" * 64):
        wrong = platform.message("ack", records=[{"id": record, "sha256": sha256}])
        fake.send(TOPICS.up("ack"), wrong)
    eventually(lambda: box.status()["refused"].get("ack_for_nothing") == 2)
    assert box.states() == {"broker_ack": 1}

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The uplink's limits, waits and answers to the broker, to the second and the byte."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.faults import FaultLog
from edge.isolation import ItemGuard
from edge.outbox import ChainPosition, Dispatch, Outbox, OutboxRow, SealedRecord, State
from edge.uplink import commands, keys, wire
from edge.uplink import seal as seals
from edge.uplink.downward import Command
from edge.uplink.file_transfer import Mode
from edge.uplink.in_flight import InFlight
from edge.uplink.isolated import Isolated
from edge.uplink.mqtt import Answered, BrokerAddress, Connected, MqttConnection, Will
from edge.uplink.pacing import ChunkSize, DayBudget, TokenBucket
from edge.uplink.records import OUTSTANDING_MAX, Records
from edge.uplink.sealer import Sealer
from edge.uplink.transfer import Transfers, budget_counter
from edge.uplink.wire import Topics
from edge.values import Stamp
from tests.outbox.test_exact import evidence
from tools.faultlab.rig import make_violation

LIMITS = Connected(8, 100_000, session_present=True)


class Wire:
    """A connection that only numbers what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        self.sent.append((topic, payload))
        return len(self.sent)


def window(limits: Connected = LIMITS, *, alone: bool = False) -> InFlight:
    return InFlight(Wire(), limits, alone=alone)  # type: ignore[arg-type]


def out(one: InFlight, *ages: float) -> list[tuple[int, float]]:
    """Publishes of these instants; the answers that come are kept in the list."""
    answers: list[tuple[int, float]] = []
    for at in ages:
        one.send("t", b"p", lambda code, now: answers.append((code, now)), now=at)
    return answers


@pytest.mark.parametrize(("receive_max", "places"), [(0, 1), (1, 1), (3, 3), (8, 8), (65_535, 8)])
def test_no_more_is_out_than_the_broker_and_we_allow(receive_max: int, places: int) -> None:
    one = window(Connected(receive_max, 1000, session_present=True))
    assert one.free() == one.size == places
    alone = window(Connected(receive_max, 1000, session_present=True), alone=True)
    assert alone.size == 1
    alone.widen()
    assert alone.size == places


def test_places_are_kept_for_what_is_urgent_unless_nothing_is_out() -> None:
    one = window()
    assert one.free(reserve=20) == 8
    out(one, 0.0)
    assert (one.free(), one.free(reserve=3), one.free(reserve=20)) == (7, 4, 0)


def test_a_packet_fits_to_the_byte_by_the_bytes_of_its_topic() -> None:
    one = window(Connected(8, 100, session_present=True))
    assert one.fits("ab", b"x" * 66)
    assert not one.fits("ab", b"x" * 67)
    assert not one.fits("路", b"x" * 66), "three bytes"


def test_an_answer_is_given_once_and_counts_where_it_is_good() -> None:
    one = window()
    answers = out(one, 1.0, 2.0, 3.0)
    assert (one.busy, one.oldest_s(9.0), one.alone_at_loss()) == (True, 8.0, None)
    for mid, code in ((1, 0x7F), (1, 0), (2, 0x80), (77, 0)):
        one.answered(Answered(mid, code), 5.0)
    assert (answers, one.answered_ok) == ([(0x7F, 5.0), (0x80, 5.0)], 1)
    last = one.alone_at_loss()
    assert last is not None and (last.at, last.size) == (3.0, 1)
    one.answered(Answered(3, 0), 5.0)
    assert (one.busy, one.oldest_s(9.0), one.alone_at_loss()) == (False, 0.0, None)


def test_a_chunk_shrinks_beyond_two_seconds_and_grows_below_half_a_second() -> None:
    chunk = ChunkSize()
    assert (chunk.bytes, chunk.parallel) == (8192, 1)
    chunk.answered(8192, 2.0)
    chunk.answered(8192, 0.5)
    chunk.answered(8191, 0.1)
    assert chunk.bytes == 8192, "neither slow nor fast, or not a whole chunk"
    chunk.answered(8192, 0.49)
    assert (chunk.bytes, chunk.parallel) == (16_384, 1)
    chunk.answered(8192, 2.01)
    assert chunk.bytes == 8192
    for _ in range(9):
        chunk.answered(chunk.bytes, 0.1)
    assert (chunk.bytes, chunk.parallel) == (96 * 1024, 4)
    chunk.answered(chunk.bytes, 1.0)
    assert chunk.parallel == 4
    chunk.answered(1, 3.0)
    assert (chunk.bytes, chunk.parallel) == (48 * 1024, 1)


def test_a_bucket_saves_two_seconds_and_lends_one_chunk() -> None:
    bucket = TokenBucket(100.0)
    assert not bucket.take(1, 0.0)
    assert bucket.take(1000, 60.0), "200 were saved; 800 are owed"
    assert not bucket.take(1, 68.0)
    assert bucket.take(1, 68.1)
    bucket.set_rate(None)
    assert bucket.take(10**9, 68.2)
    bucket.set_rate(10.0)
    assert bucket.take(30, 80.0), "20 were saved; 10 are owed"
    assert not bucket.take(1, 81.0)
    assert bucket.take(1, 81.1)


def test_clips_have_four_fifths_of_the_day() -> None:
    budget = DayBudget(1000)
    budget.spend(799, 10.0)
    assert budget.allows("clip", 10.0)
    budget.spend(1, 10.0)
    assert not budget.allows("clip", 10.0)
    budget.spend(199, 86_399.0)
    assert budget.allows("picture", 86_399.9)
    budget.spend(1, 86_399.0)
    assert not budget.allows("picture", 86_399.9)
    assert budget.allows("clip", 86_400.0)
    assert DayBudget(None).allows("clip", 0.0)


def test_a_clock_that_was_in_the_future_once_keeps_no_later_day_back() -> None:
    budget, kept = DayBudget(1000), {3: 400}
    budget.kept = lambda day: kept.get(day, 0)
    budget.spend(1000, 40_000 * 86_400.0)
    assert not budget.allows("picture", 40_000 * 86_400.0)
    assert budget.allows("picture", 86_400.0), "the clock was set right"
    budget.spend(1000, 86_400.0)
    assert not budget.allows("picture", 86_400.0)
    assert not budget.allows("picture", 40_000 * 86_400.0), "and wrong again: nothing twice"
    assert budget.unsaved == {1: 1000, 40_000: 1000}
    assert budget.allows("picture", 3 * 86_400.0) and budget.spent == 400
    kept |= budget.unsaved
    budget.saved()
    assert not budget.allows("picture", 86_400.0) and budget.unsaved == {}


# Records and what a broker may answer.


class Box:
    """Records over a real outbox and a connection that answers as the test says."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.path = folder / "outbox.db"
        self.outbox = Outbox(self.path, "visiond")
        self.put("violation", rows)
        self.dispatch = Dispatch(self.path)
        self.faults: list[tuple[str, str, str]] = []
        log = FaultLog(lambda: Stamp(0.0, 0.0), self._fault)
        guard = ItemGuard(folder / "ended.json", "", lambda item, why: None)
        isolated = Isolated(guard, self.dispatch, log, folder / "aside")
        self.records = Records(
            self.dispatch, Topics("t", "b"), self._seal, log, isolated, receipt=lambda row: b"{}"
        )
        self.connect()

    def put(self, kind: str, rows: int) -> None:
        for n in range(rows):
            self.outbox.put(lane=kind, kind=kind, key=f"{kind[0]}-{n}", body={"n": n})

    def connect(self, limits: Connected = LIMITS, *, session_kept: bool = True) -> None:
        self.wire = Wire()
        self.window = InFlight(self.wire, limits)  # type: ignore[arg-type]
        self.records.attach(self.window, session_kept=session_kept)

    def _fault(self, fault: Any, _: bool) -> None:
        self.faults.append((fault.kind, fault.subject, fault.phase))

    def _seal(self, row: OutboxRow, head: ChainPosition) -> SealedRecord:
        payload = f"{row.kind} {row.key}".encode()
        return SealedRecord(head.seq + 1, f"b:1:{row.key}", payload, seals.sha256(payload))

    def sent(self, now: float) -> list[str]:
        """Keys that leave now."""
        before = len(self.wire.sent)
        self.records.fill(now)
        return [payload.decode().split()[1] for _, payload in self.wire.sent[before:]]

    def answer(self, code: int, now: float, *mids: int) -> None:
        for mid in mids or tuple(self.window._out):
            self.window.answered(Answered(mid, code), now)

    def state(self, key: str) -> State:
        sql = "SELECT state FROM record WHERE key = ?"
        return State(self.dispatch._db.execute(sql, (key,)).fetchone()[0])


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("edge.runtime.random.uniform", lambda low, high: high)
    one = Box(tmp_path, 3)
    with closing(one.outbox), closing(one.dispatch):
        yield one


@pytest.mark.parametrize(
    ("code", "word"),
    [(0x10, "nobody_listens"), (0x87, "not_authorized"), (0x97, "quota_exceeded")],
)
def test_an_answer_about_the_topic_makes_its_kind_wait_and_loses_nothing(
    box: Box, code: int, word: str
) -> None:
    box.put("fault", 1)
    assert box.sent(0.0) == ["v-0", "v-1", "v-2", "f-0"]
    box.answer(code, 1.0, 1, 2, 3)
    box.answer(0, 1.0, 4)
    assert box.faults == [(word, "violation", "start")]
    assert box.records.counts[word] == 3
    assert box.sent(3.9) == [], "1 s and the first 2 of the back-off"
    assert box.sent(4.1) == ["v-0", "v-1", "v-2"], "in the outbox's order"
    box.answer(code, 5.0)
    assert box.sent(9.9) == []
    assert box.sent(10.1) == ["v-0", "v-1", "v-2"], "1 s and 4"
    box.answer(0, 11.0)
    assert box.faults[1:] == [(word, "violation", "end")]


def test_a_held_kind_is_tried_again_at_least_every_sixteen_seconds(box: Box) -> None:
    now = 0.0
    for _ in range(8):
        box.sent(now)
        box.answer(0x97, now)
        now += 16.1
    assert box.sent(now) == ["v-0", "v-1", "v-2"]


@pytest.mark.parametrize("code", [0x80, 0x83])
def test_an_answer_without_a_reason_postpones_the_record_more_each_time(
    box: Box, code: int
) -> None:
    assert box.sent(0.0) == ["v-0", "v-1", "v-2"]
    box.answer(code, 0.0, 1)
    box.answer(0, 0.0, 2, 3)
    assert box.faults[0] == ("quota_exceeded", "violation", "start")
    assert box.sent(0.9) == []
    assert box.sent(3.1) == ["v-0"], "due after 1 s, its kind after 3"
    box.answer(code, 10.0)
    assert box.sent(11.9) == []
    assert box.sent(15.1) == ["v-0"], "due after 2 s, its kind after 5"
    assert box.records.counts["refused"] == 0
    assert box.state("v-0") in (State.NEW, State.INFLIGHT), "never a dead letter"


def test_the_fifth_refusal_of_a_record_is_its_last(box: Box) -> None:
    assert box.sent(0.0) == ["v-0", "v-1", "v-2"]
    box.answer(0, 0.0, 2, 3)
    now, waits = 0.0, []
    for mid in (1, 4, 5, 6):
        box.answer(0x99, now, mid)
        since = now
        while not box.sent(now):
            now += 0.25
        waits.append(now - since)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    box.answer(0x99, now, 7)
    assert box.state("v-0") is State.DEAD
    assert box.faults == [("dead_letter", "v-0", "start")]
    assert box.records.counts["dead"] == 1


def test_what_does_not_fit_or_changed_on_the_disk_is_a_dead_letter_at_once(box: Box) -> None:
    box.connect(Connected(8, 20, session_present=True))
    assert box.sent(0.0) == []
    assert [kind for kind, _, _ in box.faults] == ["dead_letter"] * 3


def test_a_silent_platform_is_asked_again_after_thirty_seconds_then_sixty(box: Box) -> None:
    box.sent(0.0)
    box.answer(0, 0.0)
    box.records.fill(1.0)
    assert box.records.outstanding == 3
    assert box.sent(29.9) == []
    assert box.sent(30.0) == ["v-0", "v-1", "v-2"]
    box.answer(0, 30.0)
    assert box.records.counts["resent"] == 3
    assert box.sent(89.9) == []
    assert box.sent(90.0) == ["v-0", "v-1", "v-2"]
    box.answer(0, 90.0)
    with box.dispatch.commit():
        released = box.dispatch.acknowledge("b:1:v-0", seals.sha256(b"violation v-0"), b"{}")
    assert released is not None
    box.records.released([released], 100.0)
    assert (box.records.outstanding, box.records.counts["acknowledged"]) == (2, 1)
    assert box.sent(129.9) == []
    assert box.sent(130.0) == ["v-1", "v-2"], "it answers again: as on any other day"
    for _ in range(9):
        box.records._be_patient(1e9)
        box.records._patient_at = -1e9
    assert box.records._deadline_s == 600.0


def test_no_more_wait_for_the_platform_than_brokers_keep(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert OUTSTANDING_MAX == 256, "of the 1,000 that brokers keep for a platform that is away"
    monkeypatch.setattr("edge.uplink.records.OUTSTANDING_MAX", 5)
    box.put("sensor", 4)
    for now in range(4):
        box.sent(now)
        box.answer(0, now)
    assert box.records.outstanding == 5


def test_a_broker_that_forgot_the_session_is_sent_all_again(box: Box) -> None:
    box.sent(0.0)
    box.answer(0, 0.0)
    box.records.detach()
    box.connect(session_kept=True)
    assert box.sent(1.0) == []
    box.records.detach()
    box.connect(session_kept=False)
    assert box.sent(2.0) == ["v-0", "v-1", "v-2"]


def test_what_no_puback_was_seen_for_goes_again_byte_for_byte(box: Box) -> None:
    box.sent(0.0)
    first = list(box.wire.sent)
    box.answer(0, 0.0, 2)
    box.records.detach()
    box.connect()
    assert box.sent(1.0) == ["v-0", "v-2"]
    assert box.wire.sent == [first[0], first[2]]


# What goes to the broker and the wire.


class Paho:
    """Remembers what the connection asks of paho; made anew for each test."""

    seen: dict[str, tuple[tuple[Any, ...], dict[str, Any]]]

    def __init__(self, *args: Any, **named: Any) -> None:
        Paho.seen = {"made": (args, named)}

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **named: Any) -> None:
            Paho.seen[name] = (args, named)

        return call


def test_what_is_asked_of_the_broker_when_a_connection_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.uplink.mqtt.Client", Paho)
    address = BrokerAddress("host", 1883, "box-1", username="u", password=lambda: "p")
    line = MqttConnection(address, Will("t", b"gone", True))
    made = Paho.seen["made"][1]
    assert (made["client_id"], made["reconnect_on_failure"], made["manual_ack"]) == (
        "box-1",
        False,
        True,
    )
    assert Paho.seen["max_inflight_messages_set"][0] == (65_535,), "paho holds nothing back"
    assert Paho.seen["username_pw_set"][0] == ("u", "p")
    (topic, payload, qos, retain), more = Paho.seen["will_set"]
    assert (topic, payload, qos, retain) == ("t", b"gone", 1, True)
    assert more["properties"].WillDelayInterval == 45
    where, asked = Paho.seen["connect"]
    assert where == ("host", 1883)
    assert (asked["keepalive"], asked["clean_start"]) == (30, False), "the session is kept"
    properties = asked["properties"]
    assert (properties.SessionExpiryInterval, properties.MaximumPacketSize) == (86_400, 1 << 20)
    line.overhear("o")
    options = Paho.seen["subscribe"][1]["options"]
    assert (options.QoS, options.noLocal) == (0, True), "never our own"
    line.subscribe(["a", "b"])
    (topics,) = Paho.seen["subscribe"][0]
    assert [(topic, options.QoS) for topic, options in topics] == [("a", 1), ("b", 1)]
    line.acknowledge(7)
    assert Paho.seen["ack"][0] == (7, 1)


def test_without_a_will_or_a_name_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.uplink.mqtt.Client", Paho)
    MqttConnection(BrokerAddress("host", 1, "b"), None)
    assert not {"will_set", "username_pw_set", "tls_set_context"} & set(Paho.seen)


def test_thirty_two_levels_are_read_and_one_more_is_not() -> None:
    assert wire.parse(b'{"a":' * 32 + b"1" + b"}" * 32)
    with pytest.raises(wire.Malformed, match="deeper than 32"):
        wire.parse(b'{"a":' * 33 + b"1" + b"}" * 33)
    assert wire.parse(b'{"a":[' + b",".join([b"{}"] * 60) + b"]}"), "wide is not deep"


def test_times_and_numbers_on_the_wire() -> None:
    assert wire.utc_text(0.0) == "1970-01-01T00:00:00.000000Z" == wire.utc_text(float("nan"))
    assert wire.utc_text(1e12) == "9999-12-31T23:59:59.000000Z"
    assert wire.utc_text(-1e12) == "0001-01-01T00:00:00.000000Z"
    assert wire.utc_seconds(wire.utc_text(1_764_300_000.123456)) == 1_764_300_000.123456
    with pytest.raises(ValueError, match="no zone"):
        wire.utc_seconds("2026-01-01T00:00:00")
    assert wire.plain([2**53 - 1, 2**53, -(2**53), True, float("inf")]) == [
        2**53 - 1,
        "9007199254740992",
        "-9007199254740992",
        True,
        None,
    ]


def test_the_first_key_has_number_one_and_the_next_two(tmp_path: Path) -> None:
    keys.rotate(tmp_path / "keys", "box-1")
    keys.rotate(tmp_path / "keys", "box-1")
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == [
        *("001.pem", "002.json", "002.pem")
    ]


# Commands: what is meant where a word is left out, and how far each may go.

CLIP = {"camera": "c", "at_wall": 1.0}
LOOK = {"category": "c", "lat": 36.0, "lon": 120.0}
LEFT_OUT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "clip": (CLIP, {"before_s": 10.0, "after_s": 10.0}),
    "look": (LOOK, {"radius_m": 15.0, "source": "desk", "note": ""}),
    "send_logs": ({}, {"minutes": 60}),
}
SHA = "a" * 64
# Command, its other arguments, the one in question, values that are taken and that are not.
BOUNDS: list[tuple[str, dict[str, Any], str, tuple[Any, ...], tuple[Any, ...]]] = [
    ("clip", CLIP, "before_s", (0, 60), (-0.1, 60.1)),
    ("clip", CLIP, "after_s", (0, 60), (-0.1, 60.1)),
    ("look", LOOK, "lat", (-90, 90), (-90.1, 90.1)),
    ("look", LOOK, "lon", (-180, 180), (-180.1, 180.1)),
    ("look", LOOK, "radius_m", (1, 500), (0.9, 501)),
    ("look", LOOK, "note", ("x" * 500,), ("x" * 501,)),
    ("send_logs", {}, "minutes", (1, 1440), (0, 1441)),
    ("update_model", {"name": "m", "sha256": SHA}, "release", (1,), (0,)),
    ("update_software", {"sha256": SHA}, "number", (1, 1_000_000_000), (0, 1_000_000_001)),
]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_a_command_means_where_it_does_not_say(name: str) -> None:
    given, meant = LEFT_OUT[name]
    found = msgspec.to_builtins(msgspec.convert(given, commands.ORDERS[name].arguments))
    assert found == given | meant


@pytest.mark.parametrize(("name", "others", "word", "taken", "refused"), BOUNDS)
def test_how_far_a_command_may_go(
    name: str, others: dict[str, Any], word: str, taken: tuple[Any, ...], refused: tuple[Any, ...]
) -> None:
    kind = commands.ORDERS[name].arguments
    for value in taken:
        msgspec.convert(others | {word: value}, kind)
    for value in refused:
        with pytest.raises(msgspec.ValidationError, match=word):
            msgspec.convert(others | {word: value}, kind)


def test_what_was_claimed_and_not_sent_goes_once_after_a_loss(box: Box) -> None:
    box.connect(Connected(1, 1000, session_present=True))
    assert box.sent(0.0) == ["v-0"]
    box.records.detach()
    box.connect()
    assert box.sent(1.0) == ["v-0", "v-1", "v-2"]
    box.answer(0, 1.0)
    assert box.sent(2.0) == []


def test_the_row_has_the_number_that_its_bytes_have(box: Box) -> None:
    signer = seals.Signer("k", Ed25519PrivateKey.generate())
    sealer = Sealer(signer, Topics("t", "b"), box.dispatch, lambda: 0.0)
    body = wire.violation_data(make_violation("v-9"))
    box.outbox.put(lane="violation", kind="violation", key="v-9/r1", body=body)
    with box.dispatch.commit():
        *_, row = box.dispatch.claim("violation", 9, box._seal)
        head = ChainPosition(41, "a" * 64)
        found = sealer.seal(replace(row, body=msgspec.json.encode(body)), head)
    said = wire.parse(found.payload)
    assert (found.seq, said["seq"], said["prev"]) == (42, 42, "a" * 64)
    assert (found.record_id, found.sha256) == (said["id"], seals.sha256(found.payload))


# Evidence.


def sender(box: Box, folder: Path, *names: str) -> Transfers:
    """Transfers that a broker's own word releases, over files of one case."""
    kept = evidence(folder, "v-7", *names)
    box.outbox.put(lane="violation", kind="violation", key="v-7", body={"n": 7}, **kept)
    one = Transfers(
        box.dispatch, Topics("t", "b"), box.records._faults, box.records._isolated,
        mode=Mode(by_broker=True), bucket=TokenBucket(None), budget=DayBudget(10**9),
        wall=lambda: 86_400.0 * 5,
    )  # fmt: skip
    one.attach(box.window)
    return one


def parts(box: Box, one: Transfers, now: float, code: int = 0) -> list[str]:
    """What leaves now, by its part; all of it is answered with this code."""
    before = len(box.wire.sent)
    one.fill(now)
    box.answer(code, now)
    return [topic.rpartition("evd/")[2].partition("/")[2] for topic, _ in box.wire.sent[before:]]


def test_a_file_is_announced_sent_and_closed_and_its_bytes_are_counted_once(
    box: Box, tmp_path: Path
) -> None:
    one = sender(box, tmp_path, "a.jpg")
    seen = []
    while left := parts(box, one, 1.0):
        seen += left
    assert Counter(seen) == {"init": 2, "c/0": 2, "fin": 2}, "the picture and the manifest"
    assert (one.active, one.counts["files"]) == (0, 2)
    sizes = sum(path.stat().st_size for path in (tmp_path / "evidence/v-7/r1").iterdir())
    assert one.counts["bytes"] == sizes
    assert box.dispatch.counted(budget_counter(5)) == sizes, "kept for a restart, once"


def test_all_evidence_waits_for_a_broker_that_holds_and_an_answer_makes_it_brisk(
    box: Box, tmp_path: Path
) -> None:
    one = sender(box, tmp_path, "a.jpg")
    assert parts(box, one, 0.0, 0x97)
    first = one._hold_until
    assert box.faults == [("quota_exceeded", "evidence", "start")]
    assert parts(box, one, first - 0.1) == []
    assert parts(box, one, first, 0x97)
    assert one._hold_until - first > first, "longer each time"
    assert parts(box, one, 100.0, 0) == ["init", "init"]
    assert box.faults[-1] == ("quota_exceeded", "evidence", "end")
    assert parts(box, one, 101.0, 0x97)
    assert one._hold_until <= 101.0 + 1.0 + 2.0 + 4.0, "from the beginning again"


# The journal, where a system has one.


@pytest.mark.parametrize(("script", "state"), [("echo log", "done"), ("exit 3", "failed")])
def test_the_logs_are_packed_and_say_how_journalctl_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, state: str
) -> None:
    found, one = commanded(tmp_path, monkeypatch, f"#!/bin/sh\n{script}\n")
    while len(found) < 2:
        one.step(10.0 + len(found), Stamp(0.0, 0.0))
        time.sleep(0.02)
        one._look_at = 0.0
    assert [result.state for result, _ in found] == ["accepted", state]
    names = [file.path for file in found[1][1]]
    assert names == ["logs.txt.gz"]
    if script == "exit 3":
        assert "journalctl ended with 3" in found[1][0].reason


def test_a_system_without_a_journal_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _ = commanded(tmp_path, monkeypatch, None)
    assert [(result.state, result.reason) for result, _ in found][1:] == [
        ("failed", "this system has no journal")
    ]


def commanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, journalctl: str | None
) -> tuple[list[tuple[Any, list[Any]]], commands.Commands]:
    """`send_logs` on a system with this journalctl; the results as they come."""
    bench = tmp_path / "bin"
    bench.mkdir()
    if journalctl is not None:
        (bench / "journalctl").write_text(journalctl)
        (bench / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(bench) if journalctl is None else f"{bench}:/bin:/usr/bin")
    found: list[tuple[Any, list[Any]]] = []
    one = commands.Commands(
        tmp_path / "run", tmp_path / "commands",
        report=lambda result, folder, files: found.append((result, files)),
        restart=lambda: None, update=lambda asked: None,
        guard=ItemGuard(tmp_path / "ended.json", "", lambda item, why: None),
    )  # fmt: skip
    command = Command(
        device="b", iss="desk", n=1, cmd_id="c-1", exp=9e9, command="send_logs", arguments={}
    )
    one.obey(command, 0.0)
    return found, one

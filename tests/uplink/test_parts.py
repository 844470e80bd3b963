# SPDX-License-Identifier: AGPL-3.0-or-later
"""The parts of the uplink one at a time: what each sends, keeps, gives up and drops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import ConfigError
from edge.config.device import Broker
from edge.faults import FaultLog
from edge.isolation import ItemGuard
from edge.outbox import ChainPosition, Dispatch, Outbox, State
from edge.uplink import credentials, seal
from edge.uplink.chain_heads import HeadsFile, take_over
from edge.uplink.credentials import Credentials
from edge.uplink.downward import Desired, EvidenceAck
from edge.uplink.file_transfer import Mode
from edge.uplink.isolated import Isolated, _short
from edge.uplink.mqtt import Answered, Arrived, BrokerAddress, Connected, MqttConnection, Subscribed
from edge.uplink.pacing import DayBudget, TokenBucket
from edge.uplink.sealer import Sealer
from edge.uplink.transfer import Transfers
from edge.uplink.wire import Topics
from edge.values import Stamp
from tests.outbox.test_exact import evidence
from tests.uplink.box import Platform
from tests.uplink.test_desired import NEW, Desk
from tests.uplink.test_exact import Box, Paho
from tests.uplink.test_limits import PLATFORM, TRUST, WALL, asked

WIDE = Connected(8, 100_000, session_present=True)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("edge.runtime.random.uniform", lambda low, high: high)
    one = Box(tmp_path, 3)
    with closing(one.outbox), closing(one.dispatch):
        yield one


# Records.


def test_a_packet_that_broke_the_connection_is_counted_as_refused(box: Box) -> None:
    box.sent(0.0)
    box.window._out[1].blame("broke", 0.0)  # type: ignore[misc]
    assert box.records.counts["refused"] == 1
    assert box.records.outstanding == 2


def test_an_unexplained_record_waits_five_minutes_at_most(box: Box) -> None:
    box.sent(0.0)
    box.answer(0, 0.0, 2, 3)
    now, waits = 0.0, []
    for _ in range(11):
        box.answer(0x80, now)
        ((due, _),) = box.records._later
        waits.append(due - now)
        now = due
        # Others of its kind pass meanwhile.
        box.records._passed_of["violation"] += 1
        box.records._holds.clear()
        box.records._waiting.clear()
        assert box.sent(now) == ["v-0"]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]


def test_pubacks_are_written_down_twice_a_second_or_sixty_four_at_a_time(box: Box) -> None:
    box.sent(100.0)
    box.answer(0, 100.0)
    box.records.fill(100.0)
    assert box.state("v-0") is State.BROKER_ACK
    box.put("fault", 1)
    box.records.changed()
    box.sent(100.1)
    box.answer(0, 100.1)
    box.records.fill(100.4)
    assert box.state("f-0") is State.INFLIGHT
    box.records.fill(100.5)
    assert box.state("f-0") is State.BROKER_ACK


def test_sixty_four_rows_are_claimed_at_a_time(box: Box) -> None:
    box.put("sensor", 70)
    for waiting in (64, 70):
        box.records._claim("sensor")
        assert len(box.records._ready["sensor"]) == waiting
    assert not box.records._maybe_more["sensor"]


def test_the_last_place_for_what_waits_is_used(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.uplink.records.OUTSTANDING_MAX", 4)
    box.put("sensor", 3)
    for now in range(3):
        box.sent(float(now))
        box.answer(0, float(now))
    assert box.records.outstanding == 4


def test_results_of_commands_are_released_by_the_broker_alone(box: Box) -> None:
    box.put("cmd_res", 1)
    box.sent(0.0)
    box.answer(0, 0.0)
    box.records.fill(1.0)
    assert box.state("c-0") is State.PLATFORM_ACK
    assert box.records.outstanding == 3


def test_what_is_set_aside_is_off_the_line(box: Box) -> None:
    box.connect(Connected(1, 1000, session_present=True))
    box.sent(0.0)
    rows = [*box.records._ready["violation"]]
    assert [row.key for row in rows] == ["v-1", "v-2"]
    box.records.set_aside(rows[:1])
    assert [row.key for row in box.records._ready["violation"]] == ["v-2"]
    assert box.records.counts["set_aside"] == 1
    assert not box.records.idle


@pytest.mark.parametrize(("code", "left"), [(0x97, 2), (0x99, 2), (0x83, 2), (0, 3)])
def test_what_the_broker_refused_is_not_waited_for(box: Box, code: int, left: int) -> None:
    assert box.records.idle
    assert box.records.fill(0.0) == 3
    assert box.records.idle and box.records.outstanding == 3
    box.answer(code, 0.0, 1)
    assert box.records.outstanding == left


# Evidence.


class Upload:
    """Transfers that a platform answers, over the files of one case."""

    def __init__(self, box: Box, folder: Path, *names: str, role: str = "overview") -> None:
        self.box = box
        kept = evidence(folder, "v-7", *names, role=role)
        self.folder = Path(kept["folder"])
        box.outbox.put(lane="violation", kind="violation", key="v-7", body={"n": 7}, **kept)
        box.connect(WIDE)
        self.budget = DayBudget(10**9)
        self.one = Transfers(
            box.dispatch, Topics("t", "b"), box.records._faults, box.records._isolated,
            mode=Mode(), bucket=TokenBucket(None), budget=self.budget, wall=lambda: 86_400.0 * 5,
        )  # fmt: skip
        self.one.attach(box.window)

    def sent(self, now: float, code: int | None = 0) -> list[str]:
        before = len(self.box.wire.sent)
        self.one.fill(now)
        if code is not None:
            self.box.answer(code, now)
        left = self.box.wire.sent[before:]
        return [topic.rpartition("evd/")[2].partition("/")[2] for topic, _ in left]

    def ids(self) -> list[str]:
        return list(self.one._active)

    def told(self, state: str, now: float, ranges: tuple[tuple[int, int], ...] = ()) -> None:
        for sha256 in self.ids():
            self.one.answered(EvidenceAck(id=sha256, state=state, ranges=ranges), now)  # type: ignore[arg-type]


def test_six_files_are_under_way_and_two_places_stay_free_for_records(
    box: Box, tmp_path: Path
) -> None:
    up = Upload(box, tmp_path, *(f"{n}.jpg" for n in range(9)))
    assert up.sent(0.0, None) == ["init"] * 6
    assert (up.one.active, box.window.free()) == (6, 2)
    box.answer(0, 0.0)
    assert up.sent(1.0) == [], "no place for a seventh"
    up.told("have", 1.0)
    assert up.one.counts["files"] == 6
    assert up.sent(1.0) == ["init"] * 4


def test_two_clips_are_under_way_at_a_time_and_pictures_go_first(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path, "a.mp4", "b.mp4", "c.mp4", role="clip")
    assert up.sent(0.0) == ["init"] * 3, "the manifest and two clips"
    assert [p.file.lane for p in up.one._active.values()] == ["picture", "clip", "clip"]
    up.one.clips = False
    up.told("have", 0.0)
    assert up.sent(0.0) == []
    up.one.clips = True
    assert up.sent(29.9) == [], "looked for again every 30 s"
    assert up.sent(30.0) == ["init"]


def test_a_picture_goes_before_a_clip_that_came_first(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path, "a.mp4", role="clip")
    up.sent(0.0)
    one = up.one
    one._active = dict(sorted(one._active.items(), key=lambda item: item[1].file.lane != "clip"))
    lanes = {sha: parcel.file.lane for sha, parcel in one._active.items()}
    assert list(lanes.values()) == ["clip", "picture"]
    up.told("need", 0.0, ((0, 10**6),))
    one._chunk.parallel = 1
    before = len(box.wire.sent)
    one.fill(1.0)
    first = box.wire.sent[before][0].split("/evd/")[1].split("/")[0]
    assert lanes[first] == "picture"


def test_a_silent_platform_is_asked_again_after_30_s_then_later(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path, "a.jpg")
    assert up.sent(0.0) == ["init", "init"]
    assert up.sent(30.0) == []
    now, waits = 30.1, []
    for _ in range(7):
        up.sent(now)
        assert up.one.active == 0
        (due,) = set(up.one._parked.values())
        waits.append(due - now)
        assert up.sent(due - 0.1) == []
        assert up.sent(due) == ["init", "init"]
        now = due + up.one._deadline_s + 0.1
    assert [round(wait_s) for wait_s in waits] == [30, 60, 120, 240, 480, 600, 600]
    assert up.one.counts["silent"] == 14
    up.sent(now)
    parked = up.one._parked
    up.one.answered(EvidenceAck(id="0" * 64, state="hold"), now)
    assert up.one._deadline_s == 30.0
    assert set(parked.values()) == {now}, "all of it has its turn at once"
    assert up.sent(now) == ["init", "init"]


def test_what_the_platform_wants_later_rests_for_an_hour(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path, "a.jpg")
    up.sent(0.0)
    up.told("hold", 10.0)
    assert up.sent(3609.9) == []
    assert up.sent(3610.0) == ["init", "init"]
    up.told("hold", 3611.0)
    sha256 = next(iter(up.one._parked))
    up.one.answered(EvidenceAck(id=sha256, state="need", ranges=((0, 5),)), 3612.0)
    assert up.sent(3612.0) == ["init"], "asked for after all"


def test_chunks_follow_the_gaps_and_the_end_is_announced_once(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path, "a.jpg")
    up.sent(0.0)
    sizes = {sha: p.file.size for sha, p in up.one._active.items()}
    assert up.sent(1.0) == [], "nothing before the platform says what it lacks"
    for sha, size in sizes.items():
        up.one.answered(EvidenceAck(id=sha, state="need", ranges=((2, 3), (5, size + 9))), 1.0)
    seen = []
    while left := up.sent(2.0):
        seen += left
    assert sorted(seen) == ["c/2", "c/2", "c/5", "c/5", "fin", "fin"]
    assert up.one.counts["bytes"] == sum(1 + size - 5 for size in sizes.values())
    assert box.dispatch.counted("evidence_bytes:5") == up.one.counts["bytes"]
    up.told("have", 3.0)
    assert up.one.active == 0


@pytest.mark.parametrize("blamed", [False, True])
def test_a_refused_file_waits_twice_as_long_each_time_and_is_given_up_at_the_fifth(
    box: Box, tmp_path: Path, blamed: bool
) -> None:
    up = Upload(box, tmp_path)
    now, waits = 0.0, []
    for _ in range(4):
        assert up.sent(now, None) == ["init"]
        if blamed:
            (out,) = box.window._out.values()
            out.blame("broke", now)  # type: ignore[misc]
            box.window._out.clear()
        else:
            box.answer(0x99, now)
        (due,) = up.one._parked.values()
        waits.append(due - now)
        now = due
    assert waits == [2.0, 4.0, 8.0, 16.0]
    up.sent(now, None)
    box.window._out.popitem()[1].blame("broke", now)  # type: ignore[misc]
    assert up.one.counts["dead_letter"] == 1
    assert box.faults[-1] == ("dead_letter", "manifest.json", "start")
    assert up.sent(9_999.0) == []


def test_an_unexplained_answer_lets_other_files_go_first(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path)
    assert up.sent(0.0, 0x80) == ["init"]
    assert up.one._hold_until == 3.0
    assert set(up.one._parked.values()) == {33.0}
    assert box.faults == [("quota_exceeded", "evidence", "start")]


def test_a_file_that_is_gone_is_a_fault_and_the_others_go_on(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path, "a.jpg")
    (up.folder / "a.jpg").unlink()
    up.sent(0.0)
    up.told("need", 0.0, ((0, 10**6),))
    seen = up.sent(1.0) + up.sent(1.1)
    assert up.one.counts["evidence_missing"] == 1
    assert "c/0" in seen
    assert box.faults == [("evidence_missing", "a.jpg", "start")]


def test_a_lost_connection_forgets_what_the_platform_said(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path, "a.jpg")
    up.sent(0.0)
    up.told("hold", 0.0)
    up.one.detach()
    assert (up.one.active, up.one._parked, up.sent(1.0, None)) == (0, {}, [])


def test_no_more_than_256_files_are_parked(box: Box, tmp_path: Path) -> None:
    up = Upload(box, tmp_path, "a.jpg")
    up.one._parked = {f"{n}": 1e9 for n in range(256)}
    assert up.sent(0.0) == []
    del up.one._parked["0"]
    assert up.sent(0.0) == ["init", "init"]
    assert up.one.fill(0.0) == 0


# What was set aside.


def test_twenty_are_named_and_thirty_two_messages_kept(box: Box, tmp_path: Path) -> None:
    box.put("sensor", 25)
    faults: list[tuple[str, str]] = []
    log = FaultLog(lambda: Stamp(0.0, 0.0), lambda f, _: faults.append((f.subject, f.phase)))
    guard = ItemGuard(tmp_path / "guard.json", "", lambda item, why: None)
    one = Isolated(guard, box.dispatch, log, tmp_path / "messages")
    with box.dispatch.commit():
        rows = box.dispatch.claim("sensor", 25, box._seal)
    one._rows = [(row, "why " * 300) for row in rows]
    assert [row.key for row in one.settle()] == [f"s-{n}" for n in range(25)]
    assert len(faults) == 20
    assert one.settle() == []
    again: list[str] = []
    started = FaultLog(lambda: Stamp(0.0, 0.0), lambda f, _: again.append(f.phase))
    Isolated(guard, box.dispatch, started, tmp_path / "messages")
    assert again == ["start"] * 20, "known from the start of the next run"
    notes = box.dispatch._db.execute("SELECT DISTINCT length(note) FROM record").fetchall()
    assert (500,) in notes
    faults.clear()
    for n in range(34):
        one.let_go("review", b"%d" % n, "bug")
    assert len(list((tmp_path / "messages").iterdir())) == 32
    assert one.counts["set_aside:review"] == 34
    one.let_go("review", b"0", "again")
    assert (tmp_path / "messages").exists() and faults == [("review", "start")]
    one.message_done("review")
    assert faults[-1] == ("review", "end")


# Numbers that are never given twice.


@pytest.fixture
def dispatch(tmp_path: Path) -> Iterator[Dispatch]:
    Outbox(tmp_path / "o.db", "visiond").close()
    with closing(Dispatch(tmp_path / "o.db")) as one:
        yield one


def test_what_was_lost_is_jumped_by_ten_thousand_and_what_was_not_is_kept(
    dispatch: Dispatch, tmp_path: Path
) -> None:
    heads = HeadsFile(tmp_path / "kept" / "heads.json")
    with dispatch.commit():
        dispatch.set_head("violation", ChainPosition(41, "a" * 64))
        dispatch.hear("command:desk", 9)
        dispatch.count("conn", 3)
    heads.keep(dispatch)
    assert heads.restore(dispatch) == []
    assert (dispatch.counted("conn"), dispatch.heard("command:desk")) == (3, 9)
    with dispatch.commit():
        dispatch.set_head("violation", ChainPosition(40, "b" * 64))
        dispatch.count("conn", -1)
        dispatch.hear("review:desk", 12)
    assert heads.restore(dispatch) == ["violation"]
    assert dispatch.head("violation") == ChainPosition(10_041, "a" * 64)
    assert dispatch.counted("conn") == 2 + 1 + 10_000
    assert dispatch.heard("review:desk") == 12
    heads.keep_signed(b"signed")
    assert (tmp_path / "kept" / "chain.json").read_bytes() == b"signed"


def test_a_new_box_goes_on_by_the_platform_s_word_alone(dispatch: Dispatch, tmp_path: Path) -> None:
    platform, other = Platform(), Platform()
    ring = seal.KeyRing({platform.signer.kid: platform.signer.public})
    body = {
        "type": "replacement", "tenant": "city", "device": "box-1",
        "heads": {"violation": {"seq": 7, "sha256": "a" * 64}},
    }  # fmt: skip
    path = tmp_path / "replacement.json"
    assert take_over(path, "city", "box-1", ring, dispatch) == []
    for payload, tenant, keys in (
        (other.signer.sign(body), "city", ring),
        (platform.signer.sign(body), "town", ring),
        (platform.signer.sign(body), "city", None),
        (b"{", "city", ring),
    ):
        path.write_bytes(payload)
        with pytest.raises(ConfigError, match=r"replacement\.json"):
            take_over(path, tenant, "box-1", keys, dispatch)
    assert dispatch.head("violation").seq == 0
    path.write_bytes(platform.signer.sign(body))
    assert take_over(path, "city", "box-1", ring, dispatch) == ["violation"]
    assert dispatch.head("violation") == ChainPosition(7, "a" * 64)
    assert take_over(path, "city", "box-1", ring, dispatch) == [], "once"


def test_a_receipt_says_who_when_and_for_what(dispatch: Dispatch) -> None:
    signer = seal.Signer("k", Ed25519PrivateKey.generate())
    sealer = Sealer(signer, Topics("t", "b"), dispatch, lambda: 0.0)
    said = json.loads(sealer.receipt("id", "a" * 64, "desk", 3))
    assert {key: said[key] for key in ("receipt", "device", "record", "iss", "n", "at")} == {
        "receipt": 1, "device": "b", "record": "id", "iss": "desk", "n": 3,
        "at": "1970-01-01T00:00:00.000000Z",
    }  # fmt: skip
    row = SimpleNamespace(folder="f", record_id="id", sha256="a" * 64)
    assert json.loads(sealer.broker_receipt(row))["iss"] == "puback"  # type: ignore[arg-type]
    assert json.loads(sealer.broker_receipt(row))["n"] == 0  # type: ignore[arg-type]
    for name in ("folder", "record_id", "sha256"):
        lacking = SimpleNamespace(**{**vars(row), name: None})
        assert sealer.broker_receipt(lacking) == b""  # type: ignore[arg-type]


def test_the_very_first_message_of_an_issuer_has_number_one() -> None:
    body = {"type": "ack", "device": "box-1", "iss": "new"}
    at = Stamp(0.0, WALL, "ntp", 1.0)
    assert TRUST.read("ack", PLATFORM.signer.sign({**body, "n": 1}), {}, at).n == 1


# Certificates and the wire.


def test_a_renewed_pair_is_tried_every_other_time_and_kept_once_it_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[str, str]] = []
    context = MagicMock()
    context.load_cert_chain.side_effect = lambda cert, key: loaded.append((cert.name, key.name))
    monkeypatch.setattr(credentials, "trusting", lambda broker, ca: context)
    for name in ("c", "k", "c.next"):
        (tmp_path / name).write_text(name)
    one = Credentials(Broker(host="h", cert="c", key="k"), tmp_path)
    assert one.tls is not None and one.password is None
    one.context()
    one.accepted()
    (tmp_path / "k.next").write_text("k.next")
    for _ in range(3):
        one.context()
    assert loaded == [("c", "k"), ("c.next", "k.next"), ("c", "k"), ("c.next", "k.next")]
    one.accepted()
    assert [(tmp_path / name).read_text() for name in ("c", "k")] == ["c.next", "k.next"]
    one.context()
    one.accepted()
    assert loaded[-1] == ("c", "k")
    assert Credentials(Broker(host="h", tls="off"), tmp_path).tls is None


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        (Broker(host="h", ca="none"), "broker.ca"),
        (Broker(host="h", cert="c"), "both or none"),
        (Broker(host="h", cert="c", key="none"), "broker.key"),
        (Broker(host="h", tls="off", password_file="none"), "password_file"),
    ],
)
def test_a_missing_file_of_the_broker_is_named(tmp_path: Path, broker: Broker, words: str) -> None:
    (tmp_path / "c").write_text("")
    with pytest.raises(ConfigError, match=words):
        Credentials(broker, tmp_path)


def test_what_the_broker_says_becomes_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.uplink.mqtt.Client", Paho)
    line = MqttConnection(BrokerAddress("h", 1, "b"), None)
    limits = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
    limits.ReceiveMaximum, limits.MaximumPacketSize, limits.RetainAvailable = 9, 5000, 0
    good, bad = (
        ReasonCode(PacketTypes.CONNACK, "Success"),
        ReasonCode(PacketTypes.CONNACK, "Banned"),
    )
    flags: Any = SimpleNamespace(session_present=True)
    client: Any = None
    line._on_connect(client, None, flags, good, limits)
    line._on_connect(client, None, flags, good, None)
    line._on_publish(client, None, 5, ReasonCode(PacketTypes.PUBACK, "Quota exceeded"), None)
    codes = [ReasonCode(PacketTypes.SUBACK, "Granted QoS 1")]
    line._on_subscribe(client, None, 1, codes, None)
    message: Any = SimpleNamespace(topic="t", payload=b"p", mid=3, qos=1, retain=True)
    line._on_message(client, None, message)
    line._on_message(client, None, SimpleNamespace(**{**vars(message), "qos": 0}))  # type: ignore[arg-type]
    gone = ReasonCode(PacketTypes.DISCONNECT, "Session taken over")
    line._on_disconnect(client, None, None, gone, None)
    line._on_connect(client, None, flags, bad, None)
    *events, lost = line._events
    assert events == [
        Connected(9, 5000, session_present=True, retain=False),
        Connected(65_535, 268_435_455, session_present=True, retain=True),
        Answered(5, 0x97),
        Subscribed((1,)),
        Arrived("t", b"p", 3, retain=True),
        Arrived("t", b"p", 0, retain=True),
    ]
    assert (lost.reason, lost.code) == ("disconnected: Session taken over", 0x8E), "only the first"
    line.acknowledge(3)
    line.poll(0.0)
    line.close()
    assert not {"ack", "loop", "disconnect"} & set(Paho.seen), "the connection is over"


def test_a_goodbye_hangs_up_and_a_drop_says_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for leave, words in (("close", 1), ("drop", 0)):
        client = MagicMock()
        monkeypatch.setattr("edge.uplink.mqtt.Client", lambda *_, one=client, **__: one)
        line = MqttConnection(BrokerAddress("h", 1, "b"), None)
        getattr(line, leave)()
        assert client.disconnect.call_count == words
        assert client.socket().close.call_count == 1
        client.loop.reset_mock()
        assert line.poll(0.0) == [] and not client.loop.called


def test_a_refused_connection_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.uplink.mqtt.Client", Paho)
    line = MqttConnection(BrokerAddress("h", 1, "b"), None)
    banned: Any = ReasonCode(PacketTypes.CONNACK, "Banned")
    line._on_connect(None, None, None, banned, None)  # type: ignore[arg-type]
    (lost,) = line.poll(0.0)
    assert (lost.reason, lost.code) == ("refused: Banned", 0x8A)  # type: ignore[union-attr]
    assert line.poll(0.0) == []


def test_a_clean_step_of_what_was_set_aside_tells_who_has_it_already(
    box: Box, tmp_path: Path
) -> None:
    up = Upload(box, tmp_path, "a.jpg")
    up.sent(0.0)
    first, second = (parcel.file for parcel in up.one._active.values())
    with box.dispatch.commit():
        box.dispatch.mark_file(first.sha256, State.PLATFORM_ACK)
    isolated = box.records._isolated
    isolated._files = [(first, "why"), (second, "why")]
    assert isolated.settle() == []
    told = [subject for kind, subject, _ in box.faults if kind == "record_set_aside"]
    assert len(told) == 2 and len(set(told)) == 2
    assert box.records._faults.find("record_set_aside", told[0]) is None, "has no end"
    assert box.records._faults.find("record_set_aside", told[1]) is not None


def test_a_way_back_needs_the_number_that_was_seen(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.want(9, NEW)
    desk.desired.step(2.0)
    for rev, follows, status in ((5, None, "rejected"), (5, 8, "rejected"), (5, 9, "applying")):
        wanted = Desired(device="b", iss="d", n=1, rev=rev, follows=follows, exp=9e9, site=NEW)
        desk.desired.obey(wanted, 3.0)
        assert desk.reported[-1].status == status


def test_a_bug_in_a_command_is_answered(tmp_path: Path) -> None:
    one, results = asked(tmp_path, "snapshot", {"camera": "c"})
    one.failed(one._pending[0].command, "KeyError: x")
    assert [result.state for result in results] == ["accepted", "failed"]
    assert results[1].reason == "a bug: KeyError: x"
    assert (tmp_path / "commands/c-1/told.json").exists()


def test_a_file_is_named_by_case_revision_and_name_and_a_key_as_it_is():
    assert _short("/var/lib/edge/evidence/v-1/r2/r2-a.jpg") == "v-1/r2/r2-a.jpg"
    assert _short("v-1/r2/more/than/three") == "v-1/r2/more/than/three"
    assert _short("k" * 300) == "k" * 200

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The uplink's waits, counts and sizes, just within and just beyond, in one process and no time."""

from __future__ import annotations

import errno
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from edge.faults import FaultLog
from edge.ipc import Spool, write_answer
from edge.isolation import ItemGuard
from edge.outbox import ChainPosition, State
from edge.uplink import commands, downward, seal
from edge.uplink.in_flight import InFlight
from edge.uplink.inbox import Inbox
from edge.uplink.link import Link
from edge.uplink.messages import CommandResult
from edge.uplink.mqtt import Answered, Arrived, BrokerAddress, Connected, Lost, Subscribed
from edge.uplink.presence import BootConnection, Presence
from edge.uplink.pump import Pump, PumpParts
from edge.uplink.trust import DownlinkTrust, RefusedMessage, counter_name, room_for
from edge.uplink.wire import Topics
from edge.values import Stamp
from tests.uplink.box import Platform
from tests.uplink.test_desired import NEW, OLD, Desk
from tests.uplink.test_exact import Wire, window

PLATFORM = Platform()
TOPICS = Topics("city", "box-1")
TRUST = DownlinkTrust("box-1", seal.KeyRing({PLATFORM.signer.kid: PLATFORM.signer.public}))
WALL = 1_780_000_000.0
UP = Connected(20, 1000, session_present=True)


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every random wait is as long as it may be."""
    monkeypatch.setattr("edge.runtime.random.uniform", lambda low, high: high)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.runtime.random.uniform", lambda low, high: low)


def refused(kind: str, payload: bytes, at: Stamp) -> str:
    try:
        TRUST.read(kind, payload, {}, at)
    except RefusedMessage as error:
        return error.why
    return ""


# Whose word counts.


@pytest.mark.parametrize(
    ("kind", "most"),
    [("ack", 262_144), ("review", 16_384), ("command", 65_536), ("desired", 524_288)],
)
def test_how_long_a_message_may_be(kind: str, most: int) -> None:
    at = Stamp(0.0, WALL, "ntp", 1.0)
    assert refused(kind, b"x" * most, at) == "json"
    assert refused(kind, b"x" * (most + 1), at) == "size"


@pytest.mark.parametrize(
    ("exp", "wall", "why"),
    [
        (WALL, WALL, "expired"),
        (WALL + 0.001, WALL, ""),
        (WALL + 600.0, WALL, ""),
        (WALL + 600.5, WALL, "expired"),
        (1_767_225_600.5, 1_767_225_600.0, ""),
        (1_767_225_600.5, 1_767_225_599.0, "clock"),
    ],
)
def test_when_a_command_is_too_old_too_new_or_cannot_be_judged(
    exp: float, wall: float, why: str
) -> None:
    body = {"type": "command", "device": "box-1", "iss": "desk", "n": 1, "cmd_id": "c-1"}
    payload = PLATFORM.signer.sign({**body, "exp": exp, "command": "restart", "arguments": {}})
    assert refused("command", payload, Stamp(0.0, wall, "ntp", 1.0)) == why


@pytest.mark.parametrize(
    ("n", "quality", "why"),
    [
        (round((WALL + 86_400.0) * 1e6), "ntp", ""),
        (round((WALL + 86_400.0) * 1e6) + 1, "holdover", "ahead"),
        (round((WALL + 86_400.0) * 1e6) + 1, "gnss", "ahead"),
        (round((WALL + 86_400.0) * 1e6) + 1, "unsynced", ""),
        (4_102_444_800_000_000, "unsynced", ""),
        (4_102_444_800_000_001, "unsynced", "ahead"),
    ],
)
def test_how_far_ahead_a_counter_may_be(n: int, quality: Any, why: str) -> None:
    payload = PLATFORM.signer.sign({"type": "ack", "device": "box-1", "iss": "desk", "n": n})
    assert refused("ack", payload, Stamp(0.0, WALL, quality, 1.0)) == why


def test_sixty_four_issuers_are_remembered_of_each_kind() -> None:
    new = downward.Ack(device="box-1", iss="new", n=9)
    heard = {f"ack:i{n}": 100 + n for n in range(63)}
    others = {"ack:": 1, **{f"review:i{n}": 1 for n in range(70)}}
    assert room_for("ack", new, heard | others) is None
    full = {"ack:i63": 50, **heard, **others}
    assert room_for("ack", new, full) == "ack:i63"
    assert room_for("ack", downward.Ack(device="b", iss="i5", n=9), full) is None
    assert counter_name("ack", new) == "ack:new"


# What came down.


class Heard:
    """An inbox over a dispatch, records and transfers that only remember."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []
        self.now = 0.0
        self.parts = MagicMock()
        self.parts.dispatch.issuers.side_effect = dict
        self.parts.records.outstanding = 1
        self.parts.isolated.message.side_effect = lambda kind, payload: nullcontext([])
        log = FaultLog(lambda: self.at(), lambda fault, _: self._fault(fault))
        self.obeyed: list[int] = []
        self.inbox = Inbox(
            self.parts.dispatch, TOPICS, TRUST, sealer=self.parts.sealer,
            records=self.parts.records, transfers=self.parts.transfers, faults=log,
            isolated=self.parts.isolated, fail=self.parts.fail, pace=self.parts.pace,
            obey={"desired": lambda message: self.obeyed.append(message.n)},
        )  # fmt: skip

    def _fault(self, fault: Any) -> None:
        self.faults.append((fault.kind, fault.phase))

    def at(self, wall: float = WALL) -> Stamp:
        return Stamp(self.now, wall, "ntp", 1.0)

    def take(self, kind: str, payload: bytes, *, wall: float = WALL) -> None:
        suffix = {"desired": "cfg/desired", "command": "cmd/req"}.get(kind, kind)
        self.inbox.take([Arrived(TOPICS.up(suffix), payload, 1, retain=False)], self.at(wall))

    def ack(self, n: int) -> None:
        body = {"type": "ack", "device": "box-1", "iss": "desk", "n": n}
        self.take("ack", PLATFORM.signer.sign(body))


def test_an_attack_is_over_ten_minutes_after_the_last_forged_message() -> None:
    heard = Heard()
    forged = b'{"type":"ack","device":"box-1","iss":"desk","n":1,"kid":"x","sig":"AA=="}'
    heard.take("ack", forged)
    heard.now = 300.0
    heard.take("ack", forged)
    for now, faults in ((900.0, 1), (900.1, 2)):
        heard.now = now
        heard.inbox.watch(heard.at())
        assert [kind for kind, _ in heard.faults] == ["forged_message"] * faults
    assert heard.inbox.counts["refused:ack:signature"] == 2


@pytest.mark.parametrize(
    ("moments", "outstanding", "deaf"),
    [
        ((0.0, 30.0, 60.1), 1, True),
        ((0.0, 30.0, 60.0), 1, False),
        ((0.0, 60.1), 1, False),
        ((0.0, 30.0, 60.1), 0, False),
    ],
)
def test_three_refused_answers_in_more_than_a_minute_are_a_fault_while_records_wait(
    moments: tuple[float, ...], outstanding: int, deaf: bool
) -> None:
    heard = Heard()
    heard.parts.records.outstanding = outstanding
    heard.ack(50)
    for heard.now in moments:
        heard.ack(50)
    assert heard.faults == ([("acks_refused", "start")] if deaf else [])
    heard.ack(51)
    assert heard.faults == ([("acks_refused", "start"), ("acks_refused", "end")] if deaf else [])
    heard.now += 70.0
    heard.ack(51)
    assert len(heard.faults) == (2 if deaf else 0), "counted from the beginning again"


def test_eight_configurations_wait_for_the_clock() -> None:
    heard = Heard()
    for n in range(1, 11):
        body = {"type": "desired", "device": "box-1", "iss": "desk", "n": n, "rev": n, "site": {}}
        heard.take("desired", PLATFORM.signer.sign({**body, "exp": WALL + 60}), wall=1000.0)
    assert heard.inbox.counts["refused:desired:clock"] == 10
    heard.inbox.watch(heard.at(1_767_225_599.0))
    assert heard.obeyed == []
    heard.inbox.watch(heard.at())
    assert heard.obeyed == list(range(1, 9))
    heard.inbox.watch(heard.at())
    assert len(heard.obeyed) == 8, "once"


def test_only_the_first_refusal_of_a_kind_is_a_warning_and_a_replay_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard = Heard()
    heard.ack(5)
    caplog.set_level(logging.DEBUG, "edge.uplink.inbox")
    for _ in range(3):
        heard.ack(5)
        heard.take("ack", b"{")
    levels = [record.levelno for record in caplog.records]
    assert levels.count(logging.WARNING) == 1 and len(levels) == 6


def test_exactly_the_records_and_files_that_an_answer_names_are_released() -> None:
    heard = Heard()
    rows = {"id-1": "row-1", "id-2": None}
    heard.parts.dispatch.sent.side_effect = lambda name, sha256: rows[name]
    body = {
        "type": "ack", "device": "box-1", "iss": "desk", "n": 1, "nonce": "abc",
        "records": [{"id": name, "sha256": "a" * 64} for name in rows],
        "evidence": [{"id": "b" * 64, "state": "have"}, {"id": "c" * 64, "state": "hold"}],
        "pace": {"kbit_s": 5.0, "clips": False},
    }  # fmt: skip
    heard.take("ack", PLATFORM.signer.sign(body))
    heard.parts.records.released.assert_called_once_with(["row-1"], 0.0)
    assert heard.inbox.counts == {"ack_for_nothing": 1}
    heard.parts.dispatch.mark_file.assert_called_once_with("b" * 64, State.PLATFORM_ACK)
    heard.parts.dispatch.hear.assert_called_once_with("ack:desk", 1)
    heard.parts.sealer.receipt.assert_called_once_with("id-1", "a" * 64, "desk", 1)
    assert [call.args[0].id for call in heard.parts.transfers.answered.call_args_list] == [
        "b" * 64,
        "c" * 64,
    ]
    assert heard.parts.sealer.nonce == "abc"
    heard.parts.pace.assert_called_once_with(downward.Pace(kbit_s=5.0, clips=False))


def test_a_command_is_heard_before_it_is_obeyed_and_a_configuration_after() -> None:
    heard = Heard()
    steps: list[str] = []
    heard.parts.dispatch.hear.side_effect = lambda name, n: steps.append(f"heard {name}")
    for kind in ("desired", "command"):
        heard.inbox._obey[kind] = lambda message, kind=kind: steps.append(kind)
    body = {"device": "box-1", "iss": "desk", "n": 1, "exp": WALL + 60}
    heard.take("desired", PLATFORM.signer.sign({**body, "type": "desired", "rev": 1, "site": {}}))
    restart = {"type": "command", "cmd_id": "c-1", "command": "restart", "arguments": {}}
    heard.take("command", PLATFORM.signer.sign({**body, **restart}))
    assert steps == ["desired", "heard desired:desk", "heard command:desk", "command"]
    assert heard.parts.isolated.message_done.call_count == 2


@pytest.mark.parametrize(
    ("error", "told"), [(KeyError("x"), 1), (OSError(errno.ENOSPC, "full"), 0)]
)
def test_a_command_that_fails_by_a_bug_is_answered_before_the_process_ends(
    error: Exception, told: int
) -> None:
    heard = Heard()
    heard.inbox._obey["command"] = MagicMock(side_effect=error)
    body = {"type": "command", "device": "box-1", "iss": "desk", "n": 1, "exp": WALL + 60}
    payload = PLATFORM.signer.sign({**body, "cmd_id": "c-1", "command": "restart", "arguments": {}})
    with pytest.raises(type(error)):
        heard.take("command", payload)
    assert heard.parts.fail.call_count == heard.parts.isolated.let_go.call_count == told
    assert heard.inbox._heard == {}, "only what is on the disk was heard"


# A configuration from afar.


def test_daemons_have_forty_five_seconds_to_come_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.alive("visiond", 11)
    desk.want(3, NEW)
    desk.desired.step(44.9)
    assert desk.last == (3, "applying")
    desk.desired.step(45.0)
    assert desk.last == (3, "applying"), "looked at once a second"
    desk.desired.step(45.9)
    assert desk.last == (3, "rolled_back")
    assert desk.site.read_text() == OLD


def test_a_daemon_is_back_once_it_is_the_same_one_for_six_seconds(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.alive("visiond", 11)
    desk.want(3, NEW)
    desk.alive("visiond", 22)
    for now in (1.0, 6.9):
        desk.desired.step(now)
        assert desk.last == (3, "applying")
    desk.desired.step(7.9)
    assert desk.last == (3, "applied")


@pytest.mark.parametrize(("age_s", "waited_for"), [(13.0, True), (17.0, False)])
def test_a_status_of_fifteen_seconds_is_that_of_a_living_daemon(
    tmp_path: Path, age_s: float, waited_for: bool
) -> None:
    desk = Desk(tmp_path)
    desk.alive("visiond", 11)
    path = desk.run / "status" / "visiond.json"
    os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    desk.want(3, NEW)
    desk.desired.step(2.0)
    assert desk.last == (3, "applying" if waited_for else "applied")


def test_twenty_errors_are_reported(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.want(1, {"cameras": [{"id": f"c{n}", "source": f"/etc/{n}"} for n in range(25)]})
    assert len(desk.reported[-1].errors) == 21, "the revision first"


def test_a_bug_in_the_trial_brings_the_old_one_back_and_one_that_waits_is_refused(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.alive("visiond", 11)
    desk.want(3, NEW)
    desk.want(5, {**NEW, "name": "fifth"})
    desk.desired.failed(downward.Desired(device="b", iss="d", n=1, rev=3, exp=9e9, site={}), "x")
    assert desk.last == (3, "applying"), "it is watched on"
    desk.desired.failed(downward.Desired(device="b", iss="d", n=1, rev=6, exp=9e9, site={}), "x")
    assert desk.reported[-1].errors == ("rev 6", "a bug: x")
    desk.desired.abandon("x")
    assert desk.last == (3, "rolled_back") and desk.site.read_text() == OLD
    desk.want(7, NEW)
    desk.want(9, NEW)
    desk.desired.abandon("x")
    desk.desired.abandon("y")
    assert desk.reported[-1].errors == ("rev 9", "a bug: y")


# When the link is tried.


class Line:
    """A connection that does what the test says and remembers what it was asked."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.asked: list[tuple[Any, ...]] = []
        self.waits: list[float] = []
        self.mids = itertools.count(1)

    def poll(self, timeout_s: float) -> list[Any]:
        self.waits.append(timeout_s)
        found, self.events = self.events, []
        return found

    def publish(self, topic: str, payload: bytes, **more: Any) -> int:
        self.asked.append(("publish", topic, payload, more))
        return next(self.mids)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *words: self.asked.append((name, *words))

    def count(self, what: str) -> int:
        return sum(asked[0] == what for asked in self.asked)


@pytest.mark.parametrize(
    ("code", "stood_s", "wait_s"),
    [
        (0, 29.9, 2.0), (0, 30.0, 1.0), (0x86, 0.0, 7.0), (0x87, 0.0, 7.0), (0x88, 0.0, 7.0),
        (0x89, 0.0, 7.0), (0x8A, 0.0, 7.0), (0x8C, 0.0, 7.0), (0x8E, 0.0, 7.0), (0x97, 0.0, 7.0),
        (0x9C, 0.0, 7.0), (0x9D, 0.0, 7.0), (0x9F, 0.0, 7.0), (0x8B, 0.0, 2.0), (0x80, 0.0, 2.0),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("longest")
def test_how_long_the_link_waits_after_a_loss(code: int, stood_s: float, wait_s: float) -> None:
    lines: list[Line] = []
    owner = MagicMock()

    def connect() -> Any:
        lines.append(Line())
        return lines[-1]

    link = Link(connect, owner, now=0.0, first_wait_s=20.0)
    clock = lambda at: link.step(at, 0.5, lambda: at)  # noqa: E731
    clock(19.9)
    assert lines == []
    clock(20.0)
    lines[0].events = [Lost("refused once")]
    clock(20.0)
    assert not owner.lost.called, "it never was online"
    clock(20.9)
    assert link.attempts == len(lines) == 1
    clock(21.0)
    lines[1].events = [UP]
    clock(22.0)
    assert link.online and lines[1].waits == [0.5]
    lines[1].events = [Lost("gone", code)]
    clock(22.0 + stood_s)
    assert (link.online, link.last_code, lines[1].count("drop")) == (False, code, 1)
    owner.lost.assert_called_once_with(Lost("gone", code))
    clock(22.0 + stood_s + wait_s - 0.1)
    assert link.attempts == 2
    clock(22.0 + stood_s + wait_s)
    assert link.attempts == 3


@pytest.mark.usefixtures("longest")
def test_the_link_waits_two_minutes_at_most_and_ten_seconds_for_a_connack() -> None:
    def never() -> Any:
        raise OSError("no route")

    link, now, waits = Link(never, MagicMock(), now=0.0), 0.0, []
    for attempt in range(1, 11):
        began = now
        while link.attempts < attempt:
            now += 1.0
            link.step(now, 0.0, lambda at=now: at)
        waits.append(now - began)
    assert waits[1:] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0]
    line = Line()
    silent = Link(lambda: line, MagicMock(), now=0.0)  # type: ignore[arg-type, return-value]
    for now, hung_up in ((0.0, 0), (10.0, 0), (10.1, 1)):
        silent.step(now, 0.0, lambda: now)  # noqa: B023
        assert line.count("drop") == hung_up


# The pump.


class Driven:
    """A pump whose parts only remember; the broker does what the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.lines: list[Line] = []
        self.faults: list[tuple[str, str]] = []
        self.parts = parts = MagicMock()
        parts.dispatch.changed.return_value = False
        parts.dispatch.counted.return_value = 7
        parts.inbox.topics = ["a", "b", "c", "d"]
        parts.presence.own_status = "own"
        parts.records.fill.return_value = parts.transfers.fill.return_value = 0
        parts.isolated.settle.return_value = []
        parts.faults = FaultLog(self.at, lambda f, _: self.faults.append((f.kind, f.phase)))
        names = PumpParts.__dataclass_fields__
        made = PumpParts(**{name: getattr(parts, name) for name in names})
        monkeypatch.setattr("edge.uplink.pump.MqttConnection", self._connect)
        address = BrokerAddress("h", 1, "box-1")
        self.pump = Pump(made, address, birth=dict, clock=self.at)

    def at(self) -> Stamp:
        return Stamp(self.now, self.now)

    def _connect(self, address: BrokerAddress, will: Any) -> Line:
        self.lines.append(Line())
        return self.lines[-1]

    @property
    def line(self) -> Line:
        return self.lines[-1]

    def tell(self, *events: Any) -> None:
        self.line.events = list(events)
        self.pump.step()

    def connect(self, limits: Connected = UP) -> None:
        self.pump.step()
        self.tell(limits)

    def send(self, blame: Any = None) -> None:
        window = self.pump._window
        assert window is not None
        window.send("t", b"p", lambda code, at: None, now=self.now, blame=blame)

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.pump.step()


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch, at_once: None) -> Driven:
    return Driven(monkeypatch)


def test_a_silent_broker_is_given_twice_as_long_each_time_up_to_160_s(driven: Driven) -> None:
    for patience_s in (20.0, 40.0, 80.0, 160.0, 160.0):
        driven.connect()
        driven.send()
        driven.later(patience_s)
        assert driven.pump.online
        driven.later(0.1)
        assert not driven.pump.online
    assert driven.pump.counts == {"connects": 5, "stalls": 5}
    driven.connect()
    driven.send()
    driven.now += 9.9
    driven.tell(Answered(1, 0))
    driven.send()
    driven.later(20.1)
    assert not driven.pump.online, "an answer within half the time makes it as before"


def test_after_two_losses_one_packet_at_a_time_until_eight_were_answered(driven: Driven) -> None:
    for _ in range(2):
        driven.connect()
        assert driven.pump._window.size == 8 and driven.line.count("overhear") == 1
        driven.send()
        driven.tell(Lost("broke"))
    driven.connect()
    assert driven.pump._window.size == 1 and driven.line.count("overhear") == 0
    assert driven.line.asked[-1] == ("subscribe", ["a", "b", "c", "d"])
    for n in range(1, 9):
        assert driven.pump._window.size == 1
        driven.send()
        driven.tell(Answered(n, 0))
    assert driven.pump._window.size == 8
    driven.send()
    driven.tell(Lost("broke"))
    driven.connect()
    assert driven.pump._window.size == 8, "after eight answers nothing is to blame"


def test_an_idle_connection_that_breaks_is_no_reason_for_caution(driven: Driven) -> None:
    for _ in range(4):
        driven.connect()
        driven.tell(Lost("idle"))
    driven.connect()
    assert driven.pump._window.size == 8


@pytest.mark.parametrize(("after_s", "blamed"), [(4.9, 1), (5.0, 0)])
def test_the_packet_that_was_out_alone_is_to_blame_within_five_seconds(
    driven: Driven, after_s: float, blamed: int
) -> None:
    for _ in range(2):
        driven.connect()
        driven.send()
        driven.tell(Lost("broke"))
    driven.connect()
    blame = MagicMock()
    driven.send(blame)
    driven.now += after_s
    driven.tell(Lost("broke"))
    assert blame.call_count == blamed
    if blamed:
        blame.assert_called_once_with("connection broke on it: broke", driven.now)


@pytest.mark.parametrize(("last_s", "told"), [(599.9, True), (600.0, False)])
def test_taken_over_three_times_within_ten_minutes_is_a_namesake(
    driven: Driven, last_s: float, told: bool
) -> None:
    began = driven.now
    for after_s in (0.0, 300.0, last_s):
        driven.now = began + after_s
        driven.connect()
        driven.send()
        driven.now = began + after_s
        driven.tell(Lost("taken over", 0x8E))
    assert driven.faults == ([("name_taken", "start")] if told else [])
    assert driven.pump._broken_in_a_row == 0, "no packet is to blame"
    driven.later(600.0)
    assert len(driven.faults) == (1 if told else 0)
    driven.later(0.1)
    assert len(driven.faults) == (2 if told else 0)


def test_a_foreign_status_on_our_topic_counts_as_a_namesake(driven: Driven) -> None:
    driven.connect()
    driven.parts.presence.foreign.side_effect = lambda payload: payload == b"other"
    for payload in (b"other", b"own", b"other", b"other"):
        driven.tell(Arrived("own", payload, 0, retain=True))
    assert driven.faults == [("name_taken", "start")]
    assert not driven.parts.inbox.take.called


@pytest.mark.usefixtures("longest")
def test_a_refused_subscription_is_asked_for_again_later_and_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driven = Driven(monkeypatch)
    driven.connect()
    driven.tell(Subscribed((0x87,)))
    assert driven.faults == [], "our own status; its refusal costs nothing"
    for wait_s in (2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        asked = driven.line.count("subscribe")
        driven.tell(Subscribed((1, 1, 0x80, 1)))
        driven.later(wait_s + 0.9)
        assert driven.line.count("subscribe") == asked
        driven.later(0.11)
        assert driven.line.count("subscribe") == asked + 1
        driven.later(0.1)
        assert driven.line.count("subscribe") == asked + 1, "once"
    driven.tell(Subscribed((1, 1, 1, 0x7F)))
    assert driven.faults == [("subscribe_refused", "start"), ("subscribe_refused", "end")]
    driven.tell(Subscribed((0x80, 1, 1, 1)))
    asked = driven.line.count("subscribe")
    driven.later(3.0)
    assert driven.line.count("subscribe") == asked + 1, "brisk again"


def test_nothing_but_who_we_are_goes_before_the_birth_was_taken(driven: Driven) -> None:
    driven.parts.presence.introduced.return_value = False
    driven.connect()
    driven.later(1.0)
    assert not driven.parts.records.fill.called and not driven.parts.transfers.fill.called
    assert driven.line.waits[-1] == 0.05
    driven.parts.presence.introduced.return_value = True
    driven.parts.transfers.fill.return_value = 1
    driven.later(1.0)
    assert driven.line.waits[-1] == 0.0, "there may be more at once"
    driven.parts.presence.greet.assert_called_once_with({}, 1000.0, retain=True)
    driven.parts.records.attach.assert_called_once_with(driven.pump._window, session_kept=True)


def test_a_broker_that_keeps_no_messages_is_a_fault_and_the_will_is_not_retained(
    driven: Driven,
) -> None:
    driven.connect(Connected(20, 1000, session_present=False, retain=False))
    assert driven.faults == [("no_retain", "start")]
    driven.tell(Lost("refused", 0x9A))
    driven.connect()
    retained = [call.kwargs["retain"] for call in driven.parts.presence.will.call_args_list]
    assert retained == [True, False]
    assert driven.faults[1:] == [("no_retain", "end")]
    assert driven.pump._parts.session.conn == 7


def test_what_arrived_is_confirmed_once_it_is_stored_and_given_again_where_that_failed(
    driven: Driven,
) -> None:
    driven.connect()
    driven.parts.inbox.take.side_effect = OSError("full")
    with pytest.raises(OSError, match="full"):
        driven.tell(Arrived("a", b"1", 11, retain=False))
    assert driven.line.count("acknowledge") == 0
    driven.parts.inbox.take.side_effect = None
    driven.tell(Arrived("a", b"2", 12, retain=False))
    (given, _) = driven.parts.inbox.take.call_args.args
    assert [event.mid for event in given] == [11, 12]
    asked = [asked for asked in driven.line.asked if asked[0] == "acknowledge"]
    assert asked == [("acknowledge", 11), ("acknowledge", 12)]


def test_a_change_by_others_and_what_was_set_aside_reach_the_parts(driven: Driven) -> None:
    driven.parts.dispatch.changed.return_value = True
    driven.parts.isolated.settle.return_value = ["row"]
    driven.pump.step()
    for part in (driven.parts.records.changed, driven.parts.transfers.changed):
        assert part.call_count == 1
    assert driven.parts.isolated.watch.call_count == 1
    driven.parts.records.set_aside.assert_called_once_with(["row"])


def test_a_loss_puts_back_what_was_on_its_way(driven: Driven) -> None:
    driven.connect()
    driven.tell(Arrived("a", b"1", 11, retain=False), Lost("gone"))
    assert not driven.pump.online
    assert not driven.parts.inbox.take.called, "it was not confirmed, so it comes again"
    for detached in (driven.parts.records.detach, driven.parts.transfers.detach):
        assert detached.call_count == 1


def test_only_state_is_retained() -> None:
    connection = MagicMock()
    one = InFlight(connection, UP)
    one.send("t", b"p", lambda code, at: None, now=0.0)
    connection.publish.assert_called_once_with("t", b"p", retain=False)


def test_a_goodbye_is_said_once_and_all_goes_back_to_the_outbox(driven: Driven) -> None:
    driven.connect()
    driven.pump.close()
    driven.parts.presence.farewell.assert_called_once_with(driven.line)
    assert driven.line.count("close") == 1
    for detached in (driven.parts.records.detach, driven.parts.transfers.detach):
        assert detached.call_count == 1
    driven.pump.close()
    assert driven.parts.presence.farewell.call_count == 1
    assert driven.parts.records.detach.call_count == 1


# What the device says of itself.


@pytest.fixture
def presence(longest: None) -> Iterator[Presence]:
    dispatch, sealer = MagicMock(), MagicMock()
    dispatch.head.side_effect = lambda kind: ChainPosition(0, "")
    sealer.sign.side_effect = lambda body: json.dumps(body).encode()
    one = Presence(TOPICS, sealer, dispatch, BootConnection(3, 4), MagicMock())
    one.dispatch = dispatch  # type: ignore[attr-defined]
    yield one


class Out:
    """A window over a wire, filled by a presence."""

    def __init__(self, presence: Presence) -> None:
        self.window, self.presence = window(), presence
        self.wire: Wire = self.window._connection  # type: ignore[assignment]

    def sent(self, now: float, code: int | None = 0) -> list[str]:
        """What leaves now, by its last word; all of it is answered with this code."""
        before = len(self.wire.sent)
        self.presence.fill(self.window, Stamp(now, WALL))
        for mid in list(self.window._out) if code is not None else ():
            self.window.answered(Answered(mid, code), now)
        return [topic.rpartition("/")[2] for topic, _ in self.wire.sent[before:]]


def test_status_and_birth_go_first_and_health_every_minute(presence: Presence) -> None:
    presence.greet({"device": "box-1"}, 0.0)
    out = Out(presence)
    assert not presence.introduced(0.0)
    assert out.sent(0.0) == ["status", "birth"]
    birth = json.loads(out.wire.sent[1][1])
    assert (birth["boot"], birth["conn"], birth["device"]) == (3, 4, "box-1")
    assert json.loads(out.wire.sent[0][1])["state"] == "online"
    assert presence.introduced(0.0)
    for now, due in ((59.9, False), (60.0, True), (125.9, False), (126.0, True)):
        assert presence.health_due(now) is due, "every 60 s give or take 10 %"
    assert out.sent(7_000.0) == [], "retained: said once"


@pytest.mark.parametrize(
    ("code", "waits", "taken"),
    [
        (0x80, (10.0, 15.0, 20.0, 20.0), False),
        (0x83, (10.0, 15.0, 20.0, 20.0), False),
        (0x97, (10.0, 15.0, 20.0, 20.0), False),
        (0x87, (10.0, 15.0, 25.0, 45.0, 85.0, 165.0, 325.0, 605.0, 605.0), True),
        (0x10, (10.0, 15.0, 25.0, 45.0), True),
    ],
)
def test_a_birth_that_was_not_taken_is_said_again(
    presence: Presence, code: int, waits: tuple[float, ...], taken: bool
) -> None:
    presence.greet({}, 0.0)
    out, now = Out(presence), 0.0
    assert out.sent(now, code) == ["status", "birth"]
    for wait_s in waits:
        assert presence.introduced(now) is taken
        assert out.sent(now + wait_s - 0.1) == []
        now += wait_s
        assert out.sent(now, code) == ["birth"]
    assert out.sent(now + 606.0, 0) == ["birth"]
    assert out.sent(now + 9_000.0) == []


def test_records_wait_ten_minutes_at_most_for_a_birth(presence: Presence) -> None:
    presence.greet({}, 100.0)
    presence.greet({}, 300.0)
    assert not presence.introduced(699.9)
    assert presence.introduced(700.0), "counted from the first connection"


def test_without_retained_messages_all_is_said_again_every_ten_minutes(presence: Presence) -> None:
    presence.greet({}, 0.0, retain=False)
    out = Out(presence)
    assert out.sent(0.0) == ["status", "birth"]
    assert out.sent(599.9) == []
    assert out.sent(600.0) == ["status", "birth"]
    assert out.sent(1199.9) == []
    assert out.sent(1200.0) == ["status", "birth"]


def test_the_ends_of_chains_go_after_a_hundred_records_or_ten_minutes(presence: Presence) -> None:
    seq = {"violation": 1}
    head = lambda kind: ChainPosition(seq.get(kind, 0), "a" * 64)  # noqa: E731
    presence.dispatch.head.side_effect = head  # type: ignore[attr-defined]
    presence.greet({}, 0.0)
    out = Out(presence)
    out.sent(0.0)
    assert out.sent(4.9) == []
    assert out.sent(5.0) == ["chain"]
    seq["violation"] = 100
    assert out.sent(6.0) == [], "99 more"
    seq["violation"] = 101
    assert out.sent(6.9) == [], "looked at once a second"
    assert out.sent(7.0) == ["chain"]
    seq["violation"] = 102
    assert out.sent(606.9) == []
    assert out.sent(607.9) == ["chain"]
    assert out.sent(9_000.0) == [], "nothing moved"
    assert json.loads(out.wire.sent[-1][1])["heads"] == {
        "violation": {"seq": 102, "sha256": "a" * 64}
    }
    assert presence._kept.keep.call_count == 3  # type: ignore[attr-defined]
    assert presence._kept.keep_signed.call_count == 3  # type: ignore[attr-defined]


def test_whose_status_stands_on_our_topic(presence: Presence) -> None:
    def status(state: str, run: str) -> bytes:
        return json.dumps({"state": state, "boot": 1, "conn": 1, "run": run}).encode()

    presence.greet({}, 0.0)
    assert not presence.foreign(status("online", "other")), "it may be our own of an earlier run"
    presence.greet({}, 1.0)
    assert presence.foreign(status("online", "other")) and presence.foreign(b"{")
    assert not presence.foreign(status("offline", "other"))
    assert not presence.foreign(presence.status("online"))


def test_who_we_are_waits_for_a_place_and_what_never_fits_is_left_out(presence: Presence) -> None:
    presence.greet({"models": "x" * 200_000}, 0.0)
    out = Out(presence)
    for n in range(8):
        out.window.send("t", b"", lambda code, at: None, now=float(n))
    assert out.sent(0.0, None) == []
    out.window.answered(Answered(1, 0), 0.0)
    assert out.sent(0.0, None) == ["status"]
    out.window.answered(Answered(2, 0), 0.0)
    assert out.sent(0.0, None) == [], "the birth is longer than the broker takes"
    presence.farewell(out.wire)  # type: ignore[arg-type]
    assert json.loads(out.wire.sent[-1][1])["state"] == "stopping"


# Commands.


def asked(folder: Path, name: str, arguments: dict[str, Any]) -> tuple[Any, list[CommandResult]]:
    results: list[CommandResult] = []
    for daemon in ("visiond", "sensord"):
        Spool(folder / "run", daemon).folder.mkdir(parents=True, exist_ok=True)
    one = commands.Commands(
        folder / "run", folder / "commands",
        report=lambda result, place, files: results.append(result),
        restart=MagicMock(), update=MagicMock(),
        guard=ItemGuard(folder / "ended.json", "", lambda item, why: None),
    )  # fmt: skip
    command = downward.Command(
        device="b", iss="desk", n=1, cmd_id="c-1", exp=9e9, command=name, arguments=arguments
    )  # type: ignore[arg-type]
    one.obey(command, 0.0)
    return one, results


def test_an_answer_is_waited_for_four_minutes(tmp_path: Path) -> None:
    one, results = asked(tmp_path, "snapshot", {"camera": "c"})
    for now in (0.5, 240.0, 240.9):
        one.step(now, Stamp(now, now))
    assert [result.state for result in results] == ["accepted"]
    one.step(241.0, Stamp(241.0, 241.0))
    assert [result.state for result in results] == ["accepted", "failed"]
    assert results[1].reason == "no answer within 240 s"
    assert json.loads((tmp_path / "commands/c-1/told.json").read_bytes()) == {}
    one.step(500.0, Stamp(500.0, 500.0))
    assert len(results) == 2


def test_what_was_asked_before_a_restart_is_waited_for_once_more(tmp_path: Path) -> None:
    asked(tmp_path, "snapshot", {"camera": "c"})
    again, results = asked(tmp_path, "snapshot", {"camera": "c"})
    assert [(one.state, one.reason) for one in results] == [
        ("rejected", "this cmd_id was used before")
    ]
    again.recover(100.0)
    again.step(340.0, Stamp(340.0, 340.0))
    again.step(341.1, Stamp(341.1, 341.1))
    assert [result.state for result in results] == ["rejected", "failed"]
    again.recover(400.0)
    again.step(900.0, Stamp(900.0, 900.0))
    assert len(results) == 2, "reported already"


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("restart", {"daemon": "sensord"}, "restart"),
        ("recheck", {"camera": "c"}, "recheck"),
        ("clip", {"camera": "c", "at_wall": 5.0}, "clip"),
    ],
)
def test_who_is_asked_for_what(
    tmp_path: Path, name: str, arguments: dict[str, Any], kind: str
) -> None:
    _, results = asked(tmp_path, name, arguments)
    daemon = "sensord" if name == "restart" else "visiond"
    (request,) = Spool(tmp_path / "run", daemon).take()
    assert request["kind"] == kind
    assert {key: request[key] for key in arguments if name != "restart"} == (
        {} if name == "restart" else arguments
    )
    states = ["accepted", "done"] if name == "restart" else ["accepted"]
    assert [result.state for result in results] == states


def test_which_commands_are_answered_by_who_serves_them() -> None:
    handed_over = {name for name, order in commands.ORDERS.items() if not order.answers}
    assert handed_over == {"restart", "update_model", "update_software", "update_pack"}
    ours = {name for name, order in commands.ORDERS.items() if order.daemon is None}
    assert ours == {"restart", "send_logs", "update_software"}


def test_an_answer_is_reported_with_its_data_and_its_files(tmp_path: Path) -> None:
    one, results = asked(tmp_path, "snapshot", {"camera": "c"})
    folder = tmp_path / "commands/c-1"
    (folder / "north.jpg").write_bytes(b"picture")
    (folder / ".half").write_bytes(b"")
    write_answer(folder, True, reason="seen", data={"answer": "note"})
    one.step(1.0, Stamp(1.0, 1.0))
    assert (results[1].state, results[1].reason) == ("done", "seen")
    assert results[1].data["answer"] == "note"
    assert [file["path"] for file in results[1].data["files"]] == ["north.jpg"]
    assert one._pending == []


@pytest.mark.parametrize("taken", [True, False])
def test_a_release_of_the_software_is_handed_over_or_refused(tmp_path: Path, taken: bool) -> None:
    one, results = asked(tmp_path, "snapshot", {"camera": "c"})
    one._update = MagicMock(side_effect=None if taken else OSError("no slots"))
    wanted = {"number": 5, "sha256": "a" * 64}
    command = downward.Command(
        device="b", iss="desk", n=2, cmd_id="c-2", exp=9e9, command="update_software",
        arguments=wanted,
    )  # fmt: skip
    one.obey(command, 0.0)
    assert [result.state for result in results[1:]] == ["accepted", "done" if taken else "failed"]
    assert one._update.call_args.args[0].number == 5


def test_a_bug_in_following_a_command_is_its_end(tmp_path: Path) -> None:
    one, results = asked(tmp_path, "snapshot", {"camera": "c"})
    one._give_up(one._pending[0], "KeyError: x")
    assert one._pending == [] and results[1].state == "failed"
    again, _ = asked(tmp_path, "snapshot", {"camera": "c"})
    again.recover(0.0)
    assert again._pending == [], "nor after a restart"


def test_a_request_that_rotted_is_lost_aloud(tmp_path: Path) -> None:
    asked(tmp_path, "snapshot", {"camera": "c"})
    (tmp_path / "commands/c-1/request.json").write_bytes(b"\xff{")
    again, results = asked(tmp_path, "snapshot", {"camera": "c"})
    results.clear()
    again.recover(0.0)
    assert (results[0].cmd_id, results[0].state) == ("c-1", "failed")
    again.recover(0.0)
    assert len(results) == 1


def test_this_daemon_answers_before_it_ends_itself(tmp_path: Path) -> None:
    one, results = asked(tmp_path, "restart", {"daemon": "uplinkd"})
    assert [result.state for result in results] == ["accepted", "done"]
    assert one._restart.call_count == 1
    assert (tmp_path / "commands/c-1/told.json").exists()

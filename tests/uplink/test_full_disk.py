# SPDX-License-Identifier: AGPL-3.0-or-later
"""The disk of the outbox is full at the worst moments: what was on its way goes once there is room
again, without a start of the daemon."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.outbox import State
from edge.uplink.link import Link
from edge.uplink.mqtt import Answered, Arrived, Connected, Event, Lost, MqttConnection
from tests.small_disk import fill, small_disk
from tests.uplink.test_exact import Box
from tests.uplink.test_limits import Driven
from tests.uplink.test_link import Line
from tests.uplink.test_parts import WIDE, Upload

FULL = pytest.raises(sqlite3.OperationalError, match="disk is full")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "size=6m") as folder:
        yield folder


@pytest.fixture
def box(disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr("edge.runtime.random.uniform", lambda low, high: high)
    one = Box(disk, 3)
    with closing(one.outbox), closing(one.dispatch):
        yield one


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not one block is free while it runs."""
    filler = fill(disk)
    yield
    filler.unlink()


def test_what_the_platform_kept_silent_about_goes_again(box: Box, disk: Path) -> None:
    box.sent(0.0)
    box.answer(0, 0.0)
    box.records.fill(1.0)
    with full(disk):
        for now in (40.0, 41.0):
            with FULL:
                box.records.fill(now)
    assert box.sent(42.0) == ["v-0", "v-1", "v-2"]
    assert box.records.counts["resent"] == 3


@pytest.mark.parametrize("code", [0x10, 0x99])
def test_what_the_broker_did_not_take_goes_again(box: Box, disk: Path, code: int) -> None:
    box.sent(0.0)
    with full(disk), FULL:
        box.answer(code, 1.0, 1)
    assert box.records.outstanding == 3
    box.answer(0, 2.0, 2, 3)
    assert "v-0" in box.sent(40.0)


def test_one_that_is_to_be_given_up_stands_in_nobody_s_way(box: Box, disk: Path) -> None:
    box.connect(Connected(8, 20, session_present=True))
    with full(disk), FULL:
        box.records.fill(0.0)
    assert box.sent(1.0) == []
    assert [box.state(f"v-{n}") for n in range(3)] == [State.DEAD] * 3


def test_records_of_a_lost_connection_go_on_the_next(box: Box, disk: Path) -> None:
    box.sent(0.0)
    box.answer(0, 0.0, 1)
    with full(disk):
        with FULL:
            box.records.detach()
        with FULL:
            box.connect()
    assert box.sent(2.0) == ["v-1", "v-2"]
    assert box.state("v-0") is State.BROKER_ACK


def test_a_broker_that_forgot_us_is_sent_all_again(box: Box, disk: Path) -> None:
    box.sent(0.0)
    box.answer(0, 0.0)
    box.records.detach()
    with full(disk):
        with FULL:
            box.connect(session_kept=False)
        with FULL:
            box.records.fill(1.0)
    assert box.sent(2.0) == ["v-0", "v-1", "v-2"]


def test_files_of_a_lost_connection_are_announced_on_the_next(box: Box, disk: Path) -> None:
    up = Upload(box, disk, "a.jpg", "b.jpg")
    assert up.sent(0.0) == ["init"] * 3
    with full(disk):
        up.one.detach()
        with FULL:
            box.records.detach()
    box.connect(WIDE)
    up.one.attach(box.window)
    assert up.sent(2.0) == ["init"] * 3


def test_a_file_that_rested_is_announced_again(box: Box, disk: Path) -> None:
    up = Upload(box, disk, "a.jpg")
    up.sent(0.0)
    up.told("hold", 1.0)
    with full(disk), FULL:
        up.one.fill(3700.0)
    assert up.sent(3701.0) == ["init"] * 2


class Disk:
    """Owner of a link whose disk is full for some of what it hears."""

    def __init__(self, *fails: type[Event]) -> None:
        self.fails, self.heard = fails, list[Event]()
        self.lines: list[Line] = []
        self.link = Link(self._connect, self, now=0.0)

    def _connect(self) -> MqttConnection:
        self.lines.append(Line([]))
        return self.lines[-1]  # type: ignore[return-value]

    def _hear(self, event: Event) -> None:
        self.heard.append(event)
        if isinstance(event, self.fails):
            raise sqlite3.OperationalError("database or disk is full")

    def connected(self, _: MqttConnection, limits: Connected) -> None:
        self._hear(limits)

    def event(self, event: Event) -> None:
        self._hear(event)

    def lost(self, lost: Lost) -> None:
        self._hear(lost)

    def turn(self, *events: Event) -> None:
        for line in self.lines[-1:]:
            line.events += events
        self.link.step(0.0, 0.0, lambda: 0.0)


def test_what_came_after_an_event_that_failed_is_heard_too() -> None:
    here = Disk(Answered)
    here.turn()
    events = (Answered(1, 0x97), Arrived("t", b"x", 1, False), Lost("gone"))
    with FULL:
        here.turn(WIDE, *events)
    here.turn()
    assert here.heard == [WIDE, *events]


def test_a_connection_that_could_not_be_taken_over_is_given_up() -> None:
    here = Disk(Connected)
    here.turn()
    with FULL:
        here.turn(WIDE, Arrived("t", b"x", 1, False))
    here.turn()
    assert here.lines[0].dropped and not here.link.online
    assert [type(event) for event in here.heard] == [Connected, Lost]


def no_room(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> Driven:
    monkeypatch.setattr("edge.runtime.random.uniform", lambda low, high: 0.0)
    return Driven(monkeypatch)


def test_both_parts_let_go_of_a_connection_whose_loss_cannot_be_written_down(
    driven: Driven,
) -> None:
    for _ in range(2):
        driven.connect()
        driven.send()
        driven.tell(Lost("broke"))
    driven.connect()
    driven.send(no_room)
    driven.parts.reset_mock()
    with FULL:
        driven.tell(Lost("broke"))
    assert driven.parts.transfers.detach.called and driven.parts.records.detach.called


def test_the_broker_is_heard_while_nothing_can_be_sent(driven: Driven) -> None:
    driven.connect()
    driven.parts.records.fill.side_effect = no_room
    with FULL:
        driven.tell(Lost("gone"))
    assert not driven.pump.online

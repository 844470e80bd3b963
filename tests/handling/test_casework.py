# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pass of the janitor over the cases: sources, due times, rechecks, power cuts, the wire."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from box_of_cases import TEN, Box

from edge.handling.casework import step_from
from edge.handling.life import fold
from edge.handling.looks import PLAN
from edge.handling.misdetected import MisdetectedFile
from edge.handling.rechecks import SPACING_S, result_of
from edge.handling.store import read_steps
from edge.ipc import Spool
from edge.outbox import ChainPosition, Dispatch, OutboxRow, SealedRecord
from edge.uplink import messages as m

HOUR = 3600.0
OUTCOMES = ("filed", "duplicate", "permitted", "settled")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path / "state", tmp_path / "run")
    yield made
    made.close()


def test_a_case_goes_from_found_to_filed_and_every_step_is_sent_once(box: Box) -> None:
    box.found("v-000001", TEN)
    assert box.work(TEN + 60) == 1
    box.reviewed("v-000001", "confirmed", TEN + 600, outcome="filed", reason="第二次")
    assert box.work(TEN + 660) == 2
    assert box.work(TEN + 720) == 0
    life = box.life("v-000001")
    assert (life.state, life.due) == ("filed", TEN + 600 + 4 * HOUR)
    assert [row["step"] for row in box.sent] == ["found", "confirmed", "filed"]
    assert [row["state"] for row in box.sent] == ["suspected", "confirmed", "filed"]
    assert box.sent[2]["reason"] == "第二次"
    assert box.sent[1]["role"] == "page"
    assert box.sent[1]["by"] == "wang"


def test_working_hours_leave_out_the_break_and_the_night(box: Box) -> None:
    box.found("v-000001", TEN, category="exposed-refuse")
    box.reviewed("v-000001", "confirmed", TEN)
    box.work(TEN + 60)
    # 10:00 plus 8 office hours: 2 until noon, 3.5 in the afternoon, 2.5 on the next morning.
    assert box.life("v-000001").due == TEN + 25 * HOUR


def test_rejected_on_the_wire_is_a_misdetection(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "rejected", TEN + 60, reason="parasol")
    box.work(TEN + 120)
    assert box.life("v-000001").state == "misdetected"


def test_misdetections_are_named_to_those_who_count_until_it_is_taken_back(box: Box) -> None:
    told = MisdetectedFile(box.state)
    box.found("v-000001", TEN)
    box.found("v-000002", TEN + 5, camera="west")
    box.work(TEN + 60)
    assert told.of("east") == {}
    box.reviewed("v-000001", "rejected", TEN + 90)
    box.work(TEN + 200)
    assert (told.of("east"), told.of("west")) == ({"east/v-000001": 1}, {})
    (box.state / "handling" / "misdetected.json").write_bytes(b"[1")
    assert told.of("east") == {"east/v-000001": 1}
    box.reviewed("v-000001", "confirmed", TEN + 300)
    box.work(TEN + 400)
    assert told.of("east") == {}


def test_a_flights_word_is_a_step_once_and_two_clear_flights_settle(box: Box) -> None:
    box.found("v-000001", TEN, kind="drone", lat=36.1, lon=120.2)
    box.found("v-000002", TEN)
    box.work(TEN + 60)
    places = box.state / "handling" / "open_places.json"
    assert not places.exists()
    for case in ("v-000001", "v-000002"):
        box.reviewed(case, "confirmed", TEN + HOUR)
    box.work(TEN + 2 * HOUR)
    (row,) = json.loads(places.read_text())
    assert (row["case"], row["lat"], row["found_at"]) == ("v-000001", 36.1, TEN)
    for day in (1, 2):
        flight = box.state / "flights" / f"day-{day}"
        flight.mkdir(parents=True)
        word = {"case": "v-000001", "answer": "gone", "at": TEN + day * 24 * HOUR, "second": 3.0}
        other = {**word, "case": "v-000404", "flight": f"f-{day}"}
        told = [{**word, "flight": f"f-{day}"}, other]
        (flight / "rechecks.json").write_text(json.dumps(told))
    (box.state / "flights" / "torn").mkdir()
    (box.state / "flights" / "torn" / "rechecks.json").write_text("[{")
    for _ in range(2):
        box.work(TEN + 50 * HOUR)
    life = box.life("v-000001")
    assert (life.state, life.rechecks, life.gone) == ("settled", 2, 2)
    assert [s.by for s in life.steps if s.kind == "gone"] == ["f-1", "f-2"]
    assert json.loads(places.read_text()) == []


def test_a_limit_that_passes_makes_the_case_overdue_at_that_instant(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "confirmed", TEN)
    box.work(TEN + 60)
    box.work(TEN + 5 * HOUR)
    box.work(TEN + 6 * HOUR)
    life = box.life("v-000001")
    assert (life.overdue, life.overdue_at) == (True, TEN + 4 * HOUR)
    assert sum(row["step"] == "overdue" for row in box.sent) == 1


def test_a_pause_stops_the_clock(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "confirmed", TEN)
    box.reviewed("v-000001", "confirmed", TEN + HOUR, outcome="paused", reason="等待鉴定")
    box.work(TEN + 2 * HOUR)
    box.work(TEN + 10 * HOUR)
    assert not box.life("v-000001").overdue
    box.reviewed("v-000001", "confirmed", TEN + 11 * HOUR, outcome="resumed")
    box.work(TEN + 11 * HOUR + 60)
    assert box.life("v-000001").due == pytest.approx(TEN + 14 * HOUR, abs=1.0)


def test_one_unreadable_line_or_row_is_one(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.found("v-000001", TEN)
    box.outbox.put(lane="violation", kind="violation", key="x", body={"id": "v-000009"})
    (box.state / "reviews").mkdir()
    (box.state / "reviews" / "2026-03.jsonl").write_bytes(b'{"violation": "v-0000\n\xff\xfe\n')
    box.reviewed("v-000001", "confirmed", TEN + 60)
    box.reviewed("v-000404", "confirmed", TEN + 60)
    assert box.work(TEN + 120) == 2
    assert "cannot be read" in caplog.text


def test_what_was_sealed_for_the_platform_is_read_as_before(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    """uplinkd seals a row within a second; then its bytes stand in another column."""
    box.found("v-000001", TEN)
    dispatch = Dispatch(box.state / "outbox.db")
    with dispatch.commit():
        dispatch.claim("violation", 10, sealed)
    dispatch.close()
    box.reviewed("v-000001", "confirmed", TEN + 60)
    assert box.work(TEN + 120) == 2
    assert "cannot be read" not in caplog.text


def sealed(row: OutboxRow, head: ChainPosition) -> SealedRecord:
    payload = json.dumps({"data": json.loads(row.body or b"")}).encode()
    digest = hashlib.sha256(payload).hexdigest()
    return SealedRecord(head.seq + 1, f"box-1:1:{head.seq + 1}", payload, digest)


@pytest.mark.parametrize("cut", range(6))
def test_a_power_cut_at_any_step_loses_and_doubles_nothing(box: Box, cut: int) -> None:
    box.found("v-000001", TEN)
    box.found("v-000002", TEN + 5)
    box.reviewed("v-000001", "confirmed", TEN + 600, outcome="filed")
    box.fail_after = cut
    for _ in range(2):
        try:
            box.work(TEN + 660)
        except OSError:
            box.fail_after = None
    box.fail_after = None
    box.work(TEN + 720)
    whole = {row["id"]: row["step"] for row in box.sent}
    assert sorted(whole.values()) == ["confirmed", "filed", "found", "found"]
    assert {s.id for s in read_steps(box.state)[0]} == set(whole)


def test_a_torn_last_line_spoils_nobody_elses(box: Box) -> None:
    box.found("v-000001", TEN)
    box.work(TEN + 60)
    file = next((box.state / "handling").glob("steps-*.jsonl"))
    file.write_bytes(file.read_bytes() + b'{"id":"torn')
    box.reviewed("v-000001", "confirmed", TEN + 600)
    box.work(TEN + 660)
    steps, torn = read_steps(box.state)
    assert ([s.kind for s in steps], torn) == (["found", "confirmed"], 1)


def test_the_receiver_comes_to_the_same_states_from_the_wire_alone(box: Box) -> None:
    rng = random.Random(7)
    for n in range(12):
        case = f"v-{n:06d}"
        box.found(case, TEN + n)
        box.reviewed(case, rng.choice(["confirmed", "rejected"]), TEN + 100 + rng.random() * 900)
        box.reviewed(case, "confirmed", TEN + 100 + rng.random() * 900,
                     outcome=rng.choice(OUTCOMES))  # fmt: skip
    box.work(TEN + 2000)
    box.work(TEN + 9 * HOUR)
    told = [msgspec.convert(row, m.HandlingData) for row in box.sent]
    rng.shuffle(told)
    for n in range(12):
        case = f"v-{n:06d}"
        there = fold(step_from(row) for row in told if row.violation == case)
        here = box.life(case)
        assert there is not None
        assert (there.state, there.due, there.overdue, there.outcome) == (
            here.state, here.due, here.overdue, here.outcome,
        )  # fmt: skip


def answer(box: Box, still_there: bool | None) -> None:
    """What visiond does with every look that waits for it."""
    for asked in Spool(box.run, "visiond").take():
        assert asked["kind"] == "look"
        assert asked["classes"] == ["vendor_stall"]
        body = {"done": still_there is not None, "still_there": still_there}
        (Path(asked["into"]) / "answer.json").write_text(json.dumps(body))


def run_round(box: Box, first: float, seen: list[bool | None]) -> float:
    now = first
    for one in seen:
        box.work(now, looks=True)
        answer(box, one)
        now += SPACING_S
    box.work(now, looks=True)
    return now


def test_gone_twice_settles_by_itself_and_says_so(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "confirmed", TEN)
    box.work(TEN + 60, looks=True)
    # The first round is on the next day at ten, for the limit ends at two in the afternoon.
    assert not (box.state / "rechecks").exists()
    box.work(TEN + 24 * HOUR - SPACING_S - 120, looks=True)
    assert not (box.state / "rechecks").exists()
    for day in (1, 2):
        first = TEN + day * 24 * HOUR - SPACING_S
        box.work(first + 1, looks=True)
        run_round(box, first + 61, [False, None, False])
    life = box.life("v-000001")
    assert (life.gone, life.state, life.settled_by) == (2, "settled", "box")
    assert "not seen in 2 rechecks" in life.steps[-1].reason


def test_still_there_keeps_the_case_open_and_looks_again(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "confirmed", TEN)
    first = TEN + 24 * HOUR - SPACING_S
    box.work(first + 1, looks=True)
    run_round(box, first + 61, [False, True, False])
    life = box.life("v-000001")
    assert (life.state, life.gone, life.rechecks) == ("confirmed", 0, 1)
    assert box.sent[-1]["step"] == "still_there"
    assert not (box.state / "rechecks" / "v-000001-2" / PLAN).exists()


@pytest.mark.parametrize(
    ("looks", "step"),
    [
        (["not_there", "not_there", "not_there"], "gone"),
        (["not_there", "blind", "not_there"], "gone"),
        (["not_there", "blind", "blind"], "cannot_see"),
        (["blind", "blind", "blind"], "cannot_see"),
        (["not_there", "there", "blind"], "still_there"),
    ],
)
def test_what_a_round_comes_to(looks: list[str], step: str) -> None:
    assert result_of(looks) == step  # type: ignore[arg-type]


def test_a_camera_that_never_answers_was_blind(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "confirmed", TEN)
    first = TEN + 24 * HOUR - SPACING_S
    for minutes in range(0, 60, 4):
        box.work(first + 1 + minutes * 60, looks=True)
        # The folder is as old as the made clock says, not as the test's.
        for folder in (box.state / "rechecks").glob("*/look-*"):
            os.utime(folder, (first, first))
    life = box.life("v-000001")
    assert [step.kind for step in life.steps][-1] == "cannot_see"
    assert life.steps[-1].facts["looks"] == ["blind"] * 3
    assert (life.rechecks, life.gone) == (1, 0)


def test_a_power_cut_after_a_round_does_not_make_two_of_it(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "confirmed", TEN)
    first = TEN + 24 * HOUR - SPACING_S
    box.work(first + 1, looks=True)
    for n in range(3):
        box.work(first + 61 + n * SPACING_S, looks=True)
        answer(box, False)
    journal = next((box.state / "handling").glob("steps-*.jsonl"))
    before = journal.read_bytes()
    for later in (2, 3):
        # The record is in the outbox, its line in the journal is lost.
        journal.write_bytes(before)
        box.work(first + later * SPACING_S + 200, looks=True)
    assert (box.life("v-000001").gone, box.life("v-000001").state) == (1, "confirmed")
    assert len({row["id"] for row in box.sent if row["step"] == "gone"}) == 1


def test_a_clock_that_is_set_back_makes_no_second_word(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "confirmed", TEN + 9000)
    box.reviewed("v-000001", "confirmed", TEN + 9100, by="", reviewer="li")
    for minute in range(5):
        box.work(TEN + 600 + 60 * minute)
    assert sum(row["step"] == "confirmed" for row in box.sent) == 2
    assert box.life("v-000001").confirmed_at == TEN + 600


def test_a_damaged_plan_of_a_round_is_made_anew(box: Box) -> None:
    box.found("v-000001", TEN)
    box.reviewed("v-000001", "confirmed", TEN)
    first = TEN + 24 * HOUR - SPACING_S
    box.work(first + 1, looks=True)
    plan = box.state / "rechecks" / "v-000001-1" / PLAN
    plan.write_bytes(b"{")
    box.work(first + 61, looks=True)
    box.work(first + 121, looks=True)
    assert json.loads(plan.read_bytes())["at"]

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Slaves that answer late, often or never: no register is given another's value, at any moment."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sensors.maps import Serial
from edge.sensors.modbus_bus import LATE_S, QUIET_CAP_S
from tests.sensors.line_in_its_own_time import OwnTime, bus_of, values

LINE = Serial(timeout_s=0.15, turnaround_s=0.01)
METER, TWINS = ("pm", "pm-rs485", 1), {4: 35, 9: 150}
RIGHT = {("pm", "pm25", 35.0), ("pm", "pm10", 150.0)}


@pytest.mark.parametrize("late_s", [0.02, 0.14, 0.16, 0.2, 0.33, 0.7])
def test_an_answer_that_comes_late_is_not_taken_for_the_next_questions(late_s, monkeypatch):
    """RTU answers have no number: PM10 must never get the value of PM2.5."""
    bus = bus_of(monkeypatch, OwnTime({1: (TWINS, [late_s])}, 60.0), LINE, METER)
    found = values(bus)
    late = late_s > LINE.timeout_s
    assert found <= RIGHT and (late or found == RIGHT)
    assert (bus.counts.unanswered > 0) == (bus.counts.late > 0) == late


@pytest.mark.parametrize("late_s", [0.18, 0.3])
def test_a_slave_that_stays_one_answer_behind_gives_no_register_anothers_value(late_s, monkeypatch):
    """The same question put again while its answer is owed: each answer then comes to the question
    after its own, in time. What is owed must not be given up before the last of them came."""
    bus = bus_of(monkeypatch, OwnTime({1: (TWINS, [late_s])}, 60 * LATE_S), LINE, METER)
    assert values(bus) <= RIGHT
    assert bus.counts.good + bus.counts.late > 10


def test_a_question_that_was_put_again_has_two_answers_to_come(monkeypatch):
    """The first answer comes after the question was put again, and the second soon after it, when
    the other register would have been asked: it must not become its value."""
    bus = bus_of(monkeypatch, OwnTime({1: (TWINS, [0.45, 0.2])}, 600.0), LINE, METER)
    assert values(bus) <= RIGHT


LATE = st.lists(st.floats(0.0, 2.0), min_size=1, max_size=6)
HELD_UP = st.lists(st.just(0.0) | st.floats(0.0, 0.5), min_size=1, max_size=9)


@settings(max_examples=60)
@given(late_s=LATE, held_up_s=HELD_UP)
def test_whatever_the_delays_of_the_slave_and_of_this_program(late_s, held_up_s):
    with pytest.MonkeyPatch.context() as monkeypatch:
        time = OwnTime({1: (TWINS, late_s)}, 120.0, held_up_s)
        assert values(bus_of(monkeypatch, time, LINE, METER)) <= RIGHT


def test_a_dead_slave_is_asked_ever_more_seldom_and_stops_nobody(monkeypatch):
    time = OwnTime({1: ({0: 615}, [0.02])}, 600.0)
    slaves = ("noise", "noise-rs485", 1), ("dead", "noise-rs485", 9)
    bus = bus_of(monkeypatch, time, LINE, *slaves)
    assert values(bus) == {("noise", "LA", 61.5)}
    dead = [at_s for at_s, address in time.asked if address == 9]
    assert 10 < len(dead) < 60
    assert dead[-1] - dead[-2] == pytest.approx(QUIET_CAP_S, abs=1.0)
    assert len(time.asked) - len(dead) > 600.0 / 0.1

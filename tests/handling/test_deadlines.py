# SPDX-License-Identifier: AGPL-3.0-or-later
"""Due times by the clock and in office hours, over weekends, holidays and worked weekends."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.dated import Calendar
from edge.handling.deadlines import Office, due_at, left_hours

ZONE = ZoneInfo("Asia/Shanghai")
HOURS = ("08:30-12:00", "14:00-17:30")
# 1 to 5 May 2026 are a holiday, Saturday the 9th is worked for it.
CALENDAR = Calendar(
    holidays=frozenset(date(2026, 5, day) for day in range(1, 6)),
    workdays=frozenset({date(2026, 5, 9)}),
)
OFFICE = Office(HOURS, CALENDAR, ZONE)


def wall(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-04-27T09:00", 2, "2026-04-27T11:00"),
        ("2026-04-27T11:00", 2, "2026-04-27T15:00"),
        ("2026-04-27T08:30", 3.5, "2026-04-27T12:00"),
        ("2026-04-27T08:30", 7, "2026-04-27T17:30"),
        ("2026-04-27T08:30", 7.5, "2026-04-28T09:00"),
        ("2026-04-27T23:00", 1, "2026-04-28T09:30"),
        ("2026-04-27T12:30", 1, "2026-04-27T15:00"),
        # Thursday evening before the holiday: Wednesday the 6th is the next office day.
        ("2026-04-30T17:00", 1, "2026-05-06T09:00"),
        # Friday evening: Saturday the 9th is worked.
        ("2026-05-08T17:00", 1, "2026-05-09T09:00"),
        ("2026-05-09T17:00", 1, "2026-05-11T09:00"),
    ],
)
def test_working_hours_by_hand(start: str, hours: float, due: str) -> None:
    assert due_at(wall(start), hours, OFFICE) == wall(due)


def test_hours_by_the_clock_know_no_office() -> None:
    assert due_at(wall("2026-04-30T23:00"), 4, None) == wall("2026-05-01T03:00")


def test_an_office_that_never_works_is_said() -> None:
    with pytest.raises(ValueError, match="working hours are not over"):
        due_at(0.0, 1, Office((), CALENDAR, ZONE))


@given(st.floats(wall("2026-04-20T00:00"), wall("2026-05-20T00:00")), st.floats(0.1, 60))
def test_what_is_left_is_what_was_given(start: float, hours: float) -> None:
    due = due_at(start, hours, OFFICE)
    assert left_hours(start, due, OFFICE) == pytest.approx(hours, abs=1e-6)
    assert left_hours(due, due, OFFICE) == 0.0
    assert left_hours(start, due_at(start, hours, None), None) == pytest.approx(hours)

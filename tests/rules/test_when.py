# SPDX-License-Identifier: AGPL-3.0-or-later
"""Time windows: midnight, seasons, 调休, exams, leap days, other time zones."""

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge.config import ConfigError, When, convert
from edge.config.catalogue import load_calendar, shipped_packs
from edge.config.dated import Calendar, Packs
from edge.rules.zones import LocalMoment, hours_text, when_fits
from edge.values import Stamp

ROOT = Path(__file__).resolve().parents[2]
CALENDAR = load_calendar([], shipped_packs())


def fits(when, local, zone="Asia/Shanghai", calendar=CALENDAR):
    at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    moment = LocalMoment.of(Stamp(0.0, at.timestamp()), ZoneInfo(zone), calendar)
    return when_fits(convert(when, When, "test"), moment)


NIGHT = {"hours": ["20:00-02:00"]}
FRIDAY_NIGHT = {"hours": ["20:00-02:00"], "weekdays": ["fri"]}


@pytest.mark.parametrize(
    ("when", "local", "expected"),
    [
        ({}, "2026-03-01T03:00", True),
        ({"hours": ["08:00-18:00"]}, "2026-03-02T08:00", True),
        ({"hours": ["08:00-18:00"]}, "2026-03-02T18:00", False),
        ({"hours": ["06:00-24:00"]}, "2026-03-02T23:59", True),
        ({"hours": ["06:00-08:00", "17:00-19:00"]}, "2026-03-02T17:30", True),
        (NIGHT, "2026-03-02T20:00", True),
        (NIGHT, "2026-03-02T01:59", True),
        (NIGHT, "2026-03-02T02:00", False),
        (NIGHT, "2026-03-02T12:00", False),
        # 2026-03-06 is a Friday: its night lasts into Saturday, Thursday's does not count.
        (FRIDAY_NIGHT, "2026-03-06T23:00", True),
        (FRIDAY_NIGHT, "2026-03-07T01:00", True),
        (FRIDAY_NIGHT, "2026-03-06T01:00", False),
        (FRIDAY_NIGHT, "2026-03-07T21:00", False),
        ({"season": ["07-01", "09-30"]}, "2026-09-30T12:00", True),
        ({"season": ["07-01", "09-30"]}, "2026-10-01T12:00", False),
        ({"season": ["11-15", "03-15"]}, "2026-01-01T12:00", True),
        ({"season": ["11-15", "03-15"]}, "2026-06-01T12:00", False),
        # The season is that of the evening on which the night began.
        ({**NIGHT, "season": ["07-01", "09-30"]}, "2026-10-01T01:00", True),
        ({**NIGHT, "season": ["07-01", "09-30"]}, "2026-07-01T01:00", False),
        ({"season": ["02-01", "02-29"]}, "2026-02-28T12:00", True),
        ({"season": ["02-01", "02-29"]}, "2026-03-01T12:00", False),
        ({"season": ["02-01", "02-29"]}, "2028-02-29T12:00", True),
        ({"season": ["02-29", "03-10"]}, "2026-03-01T12:00", True),
        ({"from_date": "2026-05-01", "to_date": "2026-05-03"}, "2026-05-03T23:59", True),
        ({"from_date": "2026-05-01", "to_date": "2026-05-03"}, "2026-05-04T00:00", False),
        ({"from_date": "2028-02-29"}, "2028-02-29T00:00", True),
        ({"days": ["holiday"]}, "2026-10-01T12:00", True),
        ({"days": ["workday"]}, "2026-10-01T12:00", False),
        # 调休: Saturday 2026-10-10 is worked, and still a Saturday.
        ({"days": ["workday"]}, "2026-10-10T12:00", True),
        ({"days": ["weekend"]}, "2026-10-10T12:00", False),
        ({"weekdays": ["sat"]}, "2026-10-10T12:00", True),
        ({"days": ["weekend"]}, "2026-10-17T12:00", True),
        ({"days": ["exam"]}, "2026-06-07T12:00", True),
        ({"days": ["exam"]}, "2026-06-06T12:00", False),
        ({"days": ["workday", "weekend"]}, "2026-10-01T12:00", False),
    ],
)
def test_windows(when, local, expected):
    assert fits(when, local) is expected


def test_the_clock_is_the_local_one_whatever_the_zone():
    window = {"hours": ["08:00-09:00"]}
    for zone in ("Asia/Shanghai", "UTC", "America/Phoenix", "Asia/Kathmandu", "Europe/Berlin"):
        assert fits(window, "2026-07-01T08:30", zone)
        assert not fits(window, "2026-07-01T09:30", zone)


def test_summer_time_skips_and_repeats_an_hour_of_the_wall_clock():
    berlin = ZoneInfo("Europe/Berlin")
    window = convert({"hours": ["02:00-03:00"]}, When, "test")

    def at(wall):
        return when_fits(window, LocalMoment.of(Stamp(0.0, wall), berlin, Calendar()))

    spring = datetime(2026, 3, 29, 1, 30, tzinfo=berlin).timestamp()
    assert not any(at(spring + 600 * n) for n in range(12)), "02:xx does not exist that night"
    autumn = datetime(2026, 10, 25, 1, 30, tzinfo=berlin).timestamp()
    assert sum(at(autumn + 600 * n) for n in range(24)) == 12, "02:xx happens twice"


def test_how_a_window_is_told():
    when = convert({"hours": ["18:00-23:00"], "days": ["holiday"]}, When, "test")
    assert hours_text(when) == "18:00-23:00, holiday"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source: x\nholidays: [{name: a, first: 2026-02-30}]", "2026-02-30 is not a day"),
        ("source: x\nholidays: [{name: a, first: 2026-02-03, last: 2026-02-01}]", "before"),
        (
            "source: x\nholidays: [{name: a, first: 2026-02-03}]\n"
            "workdays: [{name: b, first: 2026-02-03}]",
            "both a holiday and a workday",
        ),
        ("source: x\nholiday: []", "holiday"),
    ],
)
def test_a_wrong_calendar_is_refused(tmp_path, text, says):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_calendar([tmp_path / "c.yaml"], Packs())


def test_holidays_of_2026_as_announced():
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    kinds = [(day, CALENDAR.kinds(day)) for day in year]
    assert sum("holiday" in kind for _, kind in kinds) == 3 + 9 + 3 + 5 + 3 + 3 + 7
    assert sum("workday" in kind and day.weekday() >= 5 for day, kind in kinds) == 6

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Noise and fume are judged by the limits of the day; without a pack nothing is over or within."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from edge.config import When
from edge.config.catalogue import load_calendar
from edge.config.dated import Packs
from edge.rules.zones import LocalMoment, when_fits
from edge.sensors.fume import FumeJudge
from edge.sensors.hours import LocalTime
from edge.sensors.noise import NoiseJudge
from edge.sensors.settings import Instrument, NoisePoint, Shop, Special
from tests.sensors.limits_today import PACKS
from tests.sensors.test_judges import CATEGORIES, Run

ZONE = ZoneInfo("Asia/Shanghai")


def local(packs):
    calendar = load_calendar([], packs)
    fits = lambda when, at: when_fits(when, LocalMoment(at, calendar))  # noqa: E731
    return LocalTime("Asia/Shanghai", fits, packs)


def judge(packs, **point):
    made = NoisePoint(id="p", sensor="s", window_s=60, **point)
    category = CATEGORIES[made.category]
    return NoiseJudge(made, category, local(packs), instrument=Instrument(), every_s=1.0)


def at(day, hour=23):
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE).timestamp()


def stricter(valid_from):
    """GB 12523 with a night limit of 50, from a day on."""
    old = PACKS.at("noise", date(2026, 5, 1), "GB 12523")
    rule = msgspec.structs.replace(old.standard, classes={"site": (65.0, 50.0)})
    return msgspec.structs.replace(
        old, edition="made", published="2026-12-01", valid_from=valid_from, standard=rule
    )


def test_time_travel_over_four_years_takes_the_limit_of_each_day():
    packs = Packs((*PACKS.files, stricter("2027-03-01")))
    noise = judge(packs)
    for n in range(4 * 365 + 1):
        day = date(2025, 1, 1) + timedelta(days=n)
        limit = noise.limit(at(day))
        edition = "GB 12523-2011" if day.year < 2026 else "GB 12523-2025 (figures of 2011)"
        wanted = ("made", 50.0) if day >= date(2027, 3, 1) else (edition, 55.0)
        assert (limit.method.name, limit.night_db) == wanted, day


def test_the_verdict_turns_on_the_day_the_new_edition_comes_into_force():
    packs = Packs((*PACKS.files, stricter("2027-03-01")))
    before = Run(judge(packs), at(date(2027, 2, 28))).go(200, {"LA": 53.0})
    after = Run(judge(packs), at(date(2027, 3, 1))).go(200, {"LA": 53.0})
    assert before.told == []
    assert after.told[0][1].facts["limit_db"] == 50.0


def test_without_a_pack_a_loud_night_is_unknown_and_an_open_case_ends_saying_so():
    gone = Packs(tuple(p for p in PACKS.files if p.pack != "noise"))
    noise = judge(gone)
    run = Run(noise, at(date(2026, 3, 1), 1)).go(300, {"LA": 90.0})
    assert run.told == []
    assert noise.periods[-1].verdict.result == "unknown"
    assert "no pack" in noise.periods[-1].verdict.reason
    assert noise.status()["night_db"] is None
    own = judge(gone, day_db=60.0, night_db=50.0)
    assert Run(own, at(date(2026, 3, 1), 1)).go(300, {"LA": 90.0}).told != []


def test_without_a_pack_of_fume_limits_nothing_is_over_them():
    gone = Packs(tuple(p for p in PACKS.files if p.pack != "fume"))
    shop = Shop(id="shop", sensor="s")
    found = [
        FumeJudge(shop, CATEGORIES, local(packs), stale_s=10.0, every_s=1.0).limit(
            at(date(2026, 3, 1))
        )
        for packs in (PACKS, gone)
    ]
    assert found[0].mg_m3 == 2.0 and found[1] is None


def test_a_notice_that_bans_the_work_is_judged_by_day_too():
    """Not by a limit that no standard knows: by whether there is work."""
    ban = Special(name="高考", when=When(days=("exam",), hours=("06:00-22:00",)), banned=True)
    point = {"special": (ban,), "night_work_db": 52.0}
    exam = Run(judge(PACKS, **point), at(date(2026, 6, 7), 10)).go(300, {"LA": 60.0})
    assert {rule for rule, _ in exam.phases} == {"night-work"}
    assert "高考 bans it" in exam.told[0][1].zone.reason
    assert exam.told[0][1].facts["special"] == "高考"
    other = Run(judge(PACKS, **point), at(date(2026, 6, 10), 10)).go(300, {"LA": 60.0})
    assert other.told == []
    next_year = Run(judge(PACKS, **point), at(date(2027, 6, 7), 10)).go(300, {"LA": 60.0})
    assert next_year.phases

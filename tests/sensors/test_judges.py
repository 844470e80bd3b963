# SPDX-License-Identifier: AGPL-3.0-or-later
"""Noise, fume and dust judged from tables of what happened, minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from edge.config import Position, When
from edge.config.catalogue import load_calendar, load_categories, shipped_packs
from edge.config.shipped import shipped
from edge.rules.zones import LocalMoment, when_fits
from edge.sensors import metrology
from edge.sensors.dust import DustJudge
from edge.sensors.fume import FumeJudge
from edge.sensors.hours import LocalTime
from edge.sensors.kitchen import KitchenReader
from edge.sensors.noise import NoiseJudge
from edge.sensors.settings import (
    Calibration,
    DustPoint,
    Instrument,
    NoisePoint,
    Permit,
    Shop,
    Special,
    Weather,
)
from edge.values import Finding, Sample, Stamp

CATEGORIES = load_categories([shipped("config/categories.yaml")])
PACKS = shipped_packs()
CALENDAR = load_calendar([], PACKS)
ZONE = ZoneInfo("Asia/Shanghai")
LOCAL = LocalTime(
    "Asia/Shanghai", lambda when, at: when_fits(when, LocalMoment(at, CALENDAR)), PACKS
)


def wall(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


NIGHT, DAY = wall("2026-03-01 23:00"), wall("2026-03-02 10:00")


class Run:
    """Feeds a judge second by second; `levels(t)` gives {channel: value} or None for silence."""

    def __init__(self, judge, start: float, *, sensor: str = "s", unit: str = "dB", step_s=1.0):
        self.judge, self.start, self.sensor, self.unit = judge, start, sensor, unit
        self.t, self.step_s = 0.0, step_s
        self.told: list[tuple[float, Finding]] = []

    def go(self, seconds: float, levels: Callable[[float], dict | None] | dict | None, **more):
        end = self.t + seconds
        while self.t < end:
            now = Stamp(1000.0 + self.t, self.start + self.t, "ntp", 1.0)
            values = levels(self.t) if callable(levels) else levels
            samples = [self._sample(c, v, now) for c, v in (values or {}).items()]
            for finding in self.judge.step(samples, now, **more):
                self.told.append((self.t, finding))
            self.t += self.step_s
        return self

    def _sample(self, channel: str, value, now: Stamp) -> Sample:
        value, flag = value if isinstance(value, tuple) else (value, "ok")
        sensor, _, name = channel.rpartition("/")
        return Sample(sensor or self.sensor, name, float(value), self.unit, flag, now)

    @property
    def phases(self) -> list[tuple[str, str]]:
        return [(f.rule.partition(".")[2], f.phase) for _, f in self.told]


def noise(**fields) -> NoiseJudge:
    point = NoisePoint(id="p", sensor="s", **fields)
    category = CATEGORIES[point.category]
    return NoiseJudge(point, category, LOCAL, instrument=Instrument(), every_s=1.0)


def test_night_construction_is_told_after_the_second_period():
    run = Run(noise(), NIGHT).go(2500, {"LA": 60.9})
    ((at, finding),) = run.told
    assert (finding.phase, finding.category) == ("new", "construction-noise")
    assert 2400 <= at <= 2402
    assert finding.decided.wall - finding.began.wall == pytest.approx(2400, abs=2)
    assert finding.facts["exceeds"] == ["leq"]
    assert finding.facts["metrology"]["standing"] == "indicative"


@pytest.mark.parametrize(
    ("start", "level", "told"),
    [(DAY, 70.4, 0), (DAY, 70.6, 1), (NIGHT, 55.4, 0), (NIGHT, 55.6, 1)],
)
def test_limits_of_day_and_night(start, level, told):
    assert len(Run(noise(), start).go(2500, {"LA": level}).told) == told


def test_peaks_at_night_violate_without_a_high_mean():
    def level(t):
        return {"LA": 71.0 if t % 600 < 1 else 50.0}

    ((_, finding),) = Run(noise(), NIGHT).go(2500, level).told
    assert finding.facts["exceeds"] == ["lmax"]


def test_one_loud_period_is_no_violation():
    run = Run(noise(), NIGHT).go(1200, {"LA": 70.0}).go(3600, {"LA": 45.0})
    assert run.told == []


def test_silence_is_unknown_and_ends_nothing_and_begins_nothing():
    run = Run(noise(), NIGHT).go(2500, {"LA": 60.0}).go(1300, None)
    assert run.phases == [("over-limit", "new")]
    assert run.judge.status()["state"] == "unknown"
    gap = Run(noise(), NIGHT).go(1200, {"LA": 60.0}).go(1200, None).go(1200, {"LA": 60.0})
    assert gap.told == []


def test_invalid_samples_do_not_count():
    run = Run(noise(), NIGHT).go(2500, {"LA": (90.0, "over_range")})
    assert run.told == []
    assert run.judge.status()["state"] == "unknown"


def test_it_ends_when_quiet_by_more_than_the_hysteresis():
    run = Run(noise(), NIGHT).go(2500, {"LA": 60.0}).go(4800, {"LA": 54.5})
    assert run.phases[0] == ("over-limit", "new")
    assert ("over-limit", "end") not in run.phases
    run.go(2500, {"LA": 50.0})
    assert run.phases[-1] == ("over-limit", "end")
    assert run.told[-1][1].facts["ended_because"] == "within the limit"


def test_soon_again_counts_as_a_repeat():
    run = Run(noise(window_s=60), NIGHT)
    for _ in range(2):
        run.go(200, {"LA": 60.0}).go(200, {"LA": 40.0})
    assert [f.occurrence for _, f in run.told if f.phase == "new"] == [1, 2]


def test_no_sensor_for_hours_ends_it_saying_so():
    judge = NoiseJudge(
        NoisePoint(id="p", sensor="s", window_s=60), CATEGORIES["construction-noise"], LOCAL,
        instrument=Instrument(), every_s=5.0,
    )  # fmt: skip
    run = Run(judge, NIGHT, step_s=5).go(300, {"LA": 60.0}).go(9000, None)
    assert run.phases[-1] == ("over-limit", "end")
    assert run.told[-1][1].facts["ended_because"] == "no valid data"


def test_a_period_never_runs_from_day_into_night():
    start = wall("2026-03-01 21:50")
    run = Run(noise(), start).go(7200, {"LA": 60.0})
    (_, finding), *_ = run.told
    assert finding.began.wall >= wall("2026-03-01 22:00")


PERMIT = Permit(id="014", when=When(from_date="2026-03-01", to_date="2026-03-02"))


def test_permit_suppresses_night_work_but_not_the_level():
    loud = {"LA": 60.0}
    without = Run(noise(night_work_db=52, window_s=60), NIGHT).go(300, loud)
    assert {rule for rule, _ in without.phases} == {"over-limit", "night-work"}
    judge = noise(night_work_db=52, window_s=60, permits=(PERMIT,))
    permitted = Run(judge, NIGHT).go(300, loud)
    assert {rule for rule, _ in permitted.phases} == {"over-limit"}
    assert permitted.told[0][1].zone.permit == "014"
    assert judge.suppressed >= 3


def test_exam_days_take_the_nights_limit():
    special = Special(name="高考", when=When(days=("exam",)), as_night=True)
    exam = wall("2026-06-07 10:00")
    run = Run(noise(window_s=60, special=(special,)), exam).go(200, {"LA": 60.0})
    assert run.told[0][1].facts["special"] == "高考"
    assert Run(noise(window_s=60, special=(special,)), DAY).go(200, {"LA": 60.0}).told == []


def test_background_is_taken_off():
    assert Run(noise(window_s=60, background_db=53.0), NIGHT).go(200, {"LA": 56.5}).told == []
    assert Run(noise(window_s=60, background_db=40.0), NIGHT).go(200, {"LA": 56.5}).told != []


@pytest.mark.parametrize(("wind", "state"), [(4.0, "over"), (5.1, "unknown")])
def test_wind_makes_levels_invalid(wind, state):
    weather = Weather(sensor="w", wind="wind")
    run = Run(noise(window_s=60, weather=weather), NIGHT)
    run.go(200, {"w/wind": wind, "LA": 60.0})
    assert run.judge.status()["state"] == state


def test_day_and_night_levels_of_a_day():
    judge = noise()
    start = wall("2026-03-01 21:00")
    run = Run(judge, start, step_s=10).go(3600, {"LA": 60.0}).go(3600, {"LA": 50.0})
    day = judge.status()["today"]
    assert (day["ld_db"], day["ln_db"], day["ldn_db"]) == (60.0, 50.0, 60.0)
    run.go(7200, {"LA": 50.0})
    (finished,) = judge.take_days()
    assert finished.date == "2026-03-01"
    assert judge.status()["today"]["ld_db"] is None


def test_restart_keeps_an_open_case_open():
    run = Run(noise(window_s=60), NIGHT).go(200, {"LA": 60.0})
    after = noise(window_s=60)
    after.restore(run.judge.snapshot(), Stamp(5.0, NIGHT + 230, "ntp", 1.0))
    again = Run(after, NIGHT + 230).go(200, {"LA": 60.0})
    assert [f.phase for _, f in again.told if f.phase == "new"] == []
    assert again.judge.status()["open"] == ["noise.over-limit"]


CALIBRATED = Calibration(date="2026-03-01", before_db=93.9, after_db=94.1)


@pytest.mark.parametrize(
    ("fields", "standing"),
    [
        ({}, "legal"),
        ({"accuracy_class": None}, "indicative"),
        ({"expires": "2026-02-28"}, "indicative"),
        ({"certificate": ""}, "indicative"),
        ({"calibration": None}, "indicative"),
        (
            {"calibration": Calibration(date="2026-03-01", before_db=93.6, after_db=94.2)},
            "indicative",
        ),
    ],
)
def test_metrology(fields, standing):
    whole = {
        "accuracy_class": 1, "certificate": "C1", "expires": "2026-12-31",
        "calibration": CALIBRATED,
    }  # fmt: skip
    found = metrology.assess(Instrument(**{**whole, **fields}), "2026-03-01", PACKS)
    assert found["standing"] == standing
    assert bool(found["reasons"]) == (standing == "indicative")


NOON = wall("2026-03-02 12:00")
HOURS = When(hours=("10:00-14:00",))


def kitchen(fan, purifier, fume=0.5) -> dict:
    return {"fan": fan, "purifier": purifier, "fume": fume}


def fume(**fields) -> FumeJudge:
    shop = Shop(id="shop", sensor="s", limit=1.0, hours=HOURS, **fields)
    return FumeJudge(shop, CATEGORIES, LOCAL, stale_s=10.0, every_s=1.0)


def fumes(judge: FumeJudge, start: float = NOON) -> Run:
    return Run(judge, start, unit="mg/m3")


def wobble(fan, purifier, fume=0.5):
    return lambda t: kitchen(fan, purifier, fume * (1.0 + 0.01 * (t % 7)))


def test_f1_purifier_not_used():
    run = fumes(fume()).go(290, wobble(1, 0)).go(60, wobble(1, 1))
    assert run.told == []
    run.go(310, wobble(1, 0)).go(120, wobble(1, 1))
    assert run.phases == [("F1", "new"), ("F1", "end")]
    assert run.told[0][1].category == "fume-not-used"


def test_f1_outside_business_hours_is_none():
    assert fumes(fume(), wall("2026-03-02 15:00")).go(900, wobble(1, 0)).told == []


def test_f2_two_periods_over_the_limit():
    run = fumes(fume()).go(1199, wobble(1, 1, 1.3))
    assert run.told == []
    run.go(5, wobble(1, 1, 1.3)).go(900, wobble(1, 1, 0.5))
    assert [p for p in run.phases if p[0] == "F2"] == [("F2", "new"), ("F2", "end")]
    assert run.told[0][1].category == "fume-over-limit"


def test_f2_needs_both_machines_running():
    assert ("F2", "new") not in fumes(fume()).go(1300, wobble(1, 0, 3.0)).phases


def test_f3_cooking_without_machines():
    assert fumes(fume()).go(310, wobble(0, 0, 0.7)).phases == [("F3", "new")]
    assert fumes(fume()).go(310, wobble(0, 0, 0.3)).phases == []
    seen = fumes(fume()).go(310, wobble(0, 0, 0.1), smoke_seen=True)
    assert seen.phases == [("F3", "new")]
    assert seen.told[0][1].facts["kitchen"]["smoke_seen"]


def test_shop_known_to_have_no_purifier():
    run = fumes(fume(purifier_state="none")).go(310, wobble(1, 0, 0.7))
    assert run.phases == [("F3.none", "new")]


def test_no_catering_zone():
    run = fumes(fume(no_catering=True)).go(610, wobble(1, 1, 0.3))
    assert run.phases == [("no-catering", "new")]


@pytest.mark.parametrize(
    ("rows", "sign"),
    [
        ([(905, None)], "no data"),
        ([(3700, kitchen(1, 1, 0.31))], "constant value with the fan on"),
        ([(3700, lambda t: kitchen(1, 1, 0.01 + 0.001 * (t % 5)))], "too low with the fan on"),
    ],
)
def test_f4_signs(rows, sign):
    run = fumes(fume(), wall("2026-03-02 10:00"))
    for seconds, values in rows:
        run.go(seconds, values)
    assert run.phases == [("F4", "new")]
    assert sign in run.told[0][1].facts["odd"]
    assert run.told[0][1].priority == "lead"


def test_constant_value_with_the_fan_off_is_nothing_odd():
    assert fumes(fume(), wall("2026-03-02 10:00")).go(3700, kitchen(0, 0, 0.0)).told == []


def test_f5_usage_of_the_day():
    start = wall("2026-03-02 10:00")
    judge = fume()
    run = fumes(judge, start).go(4000, wobble(1, 1)).go(280, wobble(1, 0))
    run.go(1, kitchen(0, 0, 0.0))
    run.start, run.t = wall("2026-03-03 00:00"), 50_400.0
    run.start -= run.t
    run.go(10, kitchen(0, 0, 0.0))
    assert [p for p in run.phases if p[0] == "F5"] == [("F5", "new"), ("F5", "end")]
    (day,) = judge.take_days()
    assert day.usage == pytest.approx(4000 / 4280, abs=0.01)


def test_run_hours_that_a_monitor_reports_count():
    judge = fume()
    run = fumes(judge, wall("2026-03-02 10:00")).go(5, {"fan_hours": 9.5, "purifier_hours": 6.25})
    run.start, run.t = wall("2026-03-03 00:00") - 60_000.0, 60_000.0
    run.go(5, kitchen(0, 0, 0.0))
    assert run.told[0][1].facts["day"]["usage"] == pytest.approx(0.6579, abs=1e-4)


def two_days(first, second, *, after_s=600.0, restart=False):
    """F5 of two days of (hours of the fan, of the purifier): seen, and told by the monitor
    `after_s` after midnight, as CN 2041 tells the day that is over. None: told of no day."""
    judge, start = fume(), wall("2026-03-02 00:00")
    run = Run(judge, start, unit="", step_s=60.0)
    for day, (fan_h, purifier_h) in enumerate((first, second, (0, 0))):
        for minute in range(20 if day == 2 else 1440):
            hour = minute / 60.0 - 10.0
            seen = kitchen(0 <= hour < fan_h, 0 <= hour < purifier_h, 0.3 + minute % 7 / 10)
            if restart and day and minute == 5:
                kept, run.judge = run.judge.snapshot(), fume()
                run.judge.restore(kept, Stamp(1000.0 + run.t, start + run.t))
            run.go(60.0, seen)
            if day and after_s is not None and minute * 60.0 == after_s:
                came = Stamp(1000.0 + run.t, start + run.t, "ntp", 1.0)
                of = Stamp(came.mono - after_s - 86_400.0, start + (day - 1) * 86_400.0)
                told = zip(("fan", "purifier"), (first, second)[day - 1], strict=True)
                rows = [Sample("s", f"{name}_hours", h, "h", "ok", of, came, "unconfirmed")
                        for name, h in told]  # fmt: skip
                for finding in run.judge.step(rows, came):
                    run.told.append((run.t, finding))
    return [f.facts["day"] for _, f in run.told if f.rule == "fume.F5" and f.phase == "new"]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "guilty"),
    [((10, 5), (4, 4), ["2026-03-02"]), ((10, 10), (6, 3), ["2026-03-03"])],
)
def test_run_hours_count_for_the_day_they_tell_of(first, second, guilty, restart):
    found = two_days(first, second, restart=restart)
    assert [day["date"] for day in found] == guilty
    assert [day["usage"] for day in found] == [pytest.approx(0.5, abs=0.01)]
    if guilty == ["2026-03-03"]:
        # By then it is known that this monitor tells a day's hours after its end.
        assert found[0]["reported_h"] == {"fan": 6, "purifier": 3}


def test_a_day_whose_run_hours_do_not_come_is_judged_without():
    assert [day["date"] for day in two_days((4, 4), (6, 3), after_s=None)] == ["2026-03-03"]


def test_a_clock_set_right_moves_no_hours_into_another_day():
    """A station five minutes fast: its midnight, corrected, was 23:55 of the day before."""
    reader = KitchenReader(Shop(id="x", sensor="s"), 10.0, LOCAL)
    came = Stamp(90_000.0, wall("2026-03-03 00:05"))
    of = Stamp(came.mono - 87_000.0, wall("2026-03-01 23:55"))
    reader.take([Sample("s", "fan_hours", 9.0, "h", "ok", of, came, "corrected")])
    assert reader.hours_of("2026-03-02") == {"fan": 9.0} and reader.told_late == "2026-03-02"


@pytest.mark.parametrize(
    ("fields", "seen", "rule"),
    [({}, (1, 0, 0.5), "F1"), ({}, (0, 0, 1.5), "F3"),
     ({"no_catering": True}, (1, 1, 1.5), "no-catering")],
)  # fmt: skip
@pytest.mark.parametrize("stale_s", [5.0, 3.0])
def test_looks_at_a_shop_are_no_gaps(fields, seen, rule, stale_s):
    """sensord looks at a shop every 5 to 5.5 s, and may call a monitor silent sooner than that."""
    judge = FumeJudge(
        Shop(id="x", sensor="s", **fields), CATEGORIES, LOCAL, stale_s=stale_s, every_s=1.0
    )
    run = Run(judge, wall("2026-03-02 12:00"), unit="", step_s=5.25).go(700, kitchen(*seen))
    assert (rule, "new") in run.phases


def test_gap_of_a_minute_invents_nothing():
    """Not used for 4 of the 5 minutes, a minute unplugged, then used: nobody saw 5 minutes."""
    run = fumes(fume()).go(240, wobble(1, 0)).go(60, None).go(20, wobble(1, 0)).go(9, wobble(1, 1))
    assert run.told == []


def test_unknown_machines_are_unknown_not_normal():
    run = fumes(fume()).go(30, wobble(1, 1)).go(30, None)
    assert run.judge.status()["state"] == "unknown"


def test_currents_tell_whether_a_machine_runs():
    judge = fume(fan="fan_current", fan_on_a=2.0, purifier="purifier_current", purifier_on_a=0.3)
    run = fumes(judge).go(310, {"fan_current": 5.1, "purifier_current": 0.02})
    assert run.phases == [("F1", "new")]


def dust(**fields) -> DustJudge:
    point = DustPoint(id="d", sensor="s", limit=1.0, **fields)
    return DustJudge(point, CATEGORIES["dust-level"], LOCAL, every_s=1.0)


def dusts(judge: DustJudge, unit: str = "mg/m3") -> Run:
    return Run(judge, DAY, unit=unit)


def test_dust_counts_exceedances_of_the_day():
    run = dusts(dust(average_min=5, allowed=2)).go(905, {"tsp": 1.2})
    assert [f.facts["exceedances_today"] for _, f in run.told] == [3]
    run.go(700, {"tsp": 0.3})
    assert run.phases == [("over-limit", "new"), ("over-limit", "end")]


def test_a_dust_case_without_data_ends_and_says_so():
    """After two hours, as one of noise: nobody can vouch for it any more."""
    run = dusts(dust(average_min=5)).go(605, {"tsp": 1.2})
    run.step_s = 30.0
    run.go(5400, None)
    assert run.phases[0] == ("over-limit", "new") and ("over-limit", "end") not in run.phases
    run.go(2400, None)
    assert run.phases[-1] == ("over-limit", "end")
    at, finding = run.told[-1]
    assert finding.facts["ended_because"] == "no valid data" and 7200 < at < 8400
    assert run.judge.status()["open"] == []


def test_a_dust_case_of_long_means_waits_for_two_of_them():
    run = dusts(dust(average_min=1440))
    run.step_s = run.judge._every_s = 60.0
    run.start = wall("2026-03-02 00:00")
    run.go(86_460, {"tsp": 1.2})
    run.go(86_400, None)
    assert run.judge.status()["open"]
    run.go(2 * 86_400, None)
    assert run.told[-1][1].facts["ended_because"] == "no valid data"


def test_dust_units_background_and_validity():
    assert dusts(dust(average_min=1), "ug/m3").go(130, {"tsp": 1200.0}).told
    assert not dusts(dust(average_min=1), "").go(130, {"tsp": 1200.0}).told
    around = dust(average_min=1, background_sensor="b")
    assert not dusts(around).go(130, {"tsp": 1.5, "b/tsp": 0.7}).told
    sparse = dusts(dust(average_min=1)).go(130, lambda t: {"tsp": 5.0} if t % 60 < 40 else None)
    assert not sparse.told


def steps(shops: Iterable[FumeJudge], now: Stamp) -> None:
    for shop in shops:
        shop.step((), now)


def test_six_hundred_shops_are_one_small_step():
    shops = [
        FumeJudge(Shop(id=f"shop-{n}"), CATEGORIES, LOCAL, stale_s=30.0, every_s=60.0)
        for n in range(600)
    ]
    for t in range(3):
        steps(shops, Stamp(float(t), NOON + t, "ntp", 1.0))
    assert all(shop.status()["state"] == "unknown" for shop in shops)


def test_f1_goes_on_over_the_pauses_of_the_fan():
    """Two minutes of cooking, a minute of rest, again: never five minutes in one piece."""

    def evening(t):
        return kitchen(1 if t % 180 < 120 else 0, 0, 0.5 * (1.0 + 0.01 * (t % 7)))

    run = fumes(fume()).go(540, evening)
    assert [phase for rule, phase in run.phases if rule == "F1"] == ["new"]
    assert 290 <= run.told[0][1].facts["held_s"] <= 310
    run.go(1000, kitchen(0, 0, 0.01))
    assert [phase for rule, phase in run.phases if rule == "F1"] == ["new", "end"]


def test_f1_forgets_over_a_long_rest_and_when_the_purifier_runs():
    def lunch(t):
        return kitchen(1 if t < 200 or t > 1300 else 0, 0, 0.5 * (1.0 + 0.01 * (t % 7)))

    assert fumes(fume()).go(1500, lunch).told == []
    run = fumes(fume()).go(200, wobble(1, 0)).go(30, wobble(1, 1)).go(200, wobble(1, 0))
    assert run.told == []


@pytest.mark.parametrize("value", [9999.9, -9999.0, 200.0, float("nan"), 0.0])
def test_what_is_no_level_is_no_level(value):
    """A placeholder neither makes a violation, nor hides one, nor ends the daemon."""
    run = Run(noise(), DAY).go(2500, lambda t: {"LA": value if t % 600 == 5 else 60.0})
    assert run.told == []
    assert run.judge.periods[-1].levels.lmax_db == 60.0
    half = Run(noise(), DAY).go(2500, lambda t: {"LA": value if t % 2 else 73.0})
    assert half.judge.periods[-1].verdict.result == "unknown"


def test_quiet_near_the_background_ends_a_case():
    run = Run(noise(background_db=50.0), NIGHT)
    run.go(2700, {"LA": 62.0}).go(3400, {"LA": 50.5})
    assert run.phases == [("over-limit", "new"), ("over-limit", "end")]


def test_a_level_counts_by_its_seconds():
    """More values while it is loud, copies, and half of the time silent: the seconds decide."""
    judge = noise()
    for t in range(1300):
        now = Stamp(1000.0 + t, DAY + t, "ntp", 1.0)
        loud = t % 100 < 20
        sample = Sample("s", "LA", 75.0 if loud else 60.0, "dB", "ok", now)
        judge.step([sample] * (5 if loud else 1), now)
    assert judge.periods[-1].levels.leq_db == pytest.approx(68.53, abs=0.01)
    fast = noise()
    for n in range(5200):
        now = Stamp(1000.0 + n / 4, DAY + n / 4, "ntp", 1.0)
        heard = n / 4 % 1200 < 300
        fast.step([Sample("s", "LA", 75.0, "dB", "ok", now)] if heard else [], now)
    assert fast.periods[-1].levels.valid_share == pytest.approx(0.25, abs=0.002)
    assert fast.periods[-1].verdict.result == "unknown"


def test_a_late_value_is_judged_in_the_period_in_which_it_was_measured():
    """Levels of 21:50 that come at 22:00 are no night levels."""
    start = wall("2026-03-01 22:00")
    judge = noise(window_s=60)
    for t in range(200):
        now = Stamp(1000.0 + t, start + t, "ntp", 1.0)
        then = Stamp(now.mono - 600.0, now.wall - 600.0, "ntp", 1.0)
        quiet = Sample("s", "LA", 45.0, "dB", "ok", now)
        judge.step([quiet, Sample("s", "LA", 69.0, "dB", "ok", then, now, "instrument")], now)
    assert judge.periods[-1].levels.lmax_db == 45.0
    assert judge.late == 200


def test_one_spike_makes_no_dust_and_placeholders_hide_none():
    once = dusts(dust(average_min=15)).go(1805, lambda t: {"tsp": 900.0 if t == 30 else 0.05})
    assert not once.told
    often = dusts(dust(average_min=15)).go(1805, lambda t: {"tsp": 900.0 if t % 60 == 30 else 0.1})
    assert not often.told
    hidden = dusts(dust(average_min=15)).go(905, lambda t: {"tsp": -9999.0 if t % 60 == 0 else 3})
    assert hidden.phases == [("over-limit", "new")]


@pytest.mark.parametrize(
    ("grid", "size", "limit"),
    [(None, "small", 2.0), ("370202001001001", "small", 1.5), ("370202001001001", "large", 1.0),
     ("110101001001001", "medium", 1.0), ("440305001001001", "small", 1.0), ("440100", "small", 2)],
)  # fmt: skip
def test_a_shop_without_a_limit_has_that_of_its_province(grid, size, limit):
    shop = Shop(id="shop", size=size, position=Position(grid=grid))
    judge = FumeJudge(shop, CATEGORIES, LOCAL, stale_s=10.0, every_s=1.0)
    assert judge.limit(DAY).mg_m3 == limit

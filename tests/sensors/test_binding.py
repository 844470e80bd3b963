# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whose value it is, when it was measured, and whether it can be one at all."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensors import raw
from edge.sensors.binding import Binding
from edge.sensors.frames import InstrumentValue, Stream
from edge.sensors.hj212 import Hj212Packet, encode
from edge.sensors.kinds import KINDS, Options
from edge.sensors.order import disordered
from edge.sensors.plausible import possible, usable
from edge.sensors.settings import Sensor, SensorSettings
from edge.sensors.times import InstrumentClock
from edge.values import Sample, Stamp
from tests.sensors.frames_of import MN
from tests.sensors.test_judges import LOCAL, wall

NOW = Stamp(5000.0, wall("2026-03-01 22:03:00"), "ntp", 1.0)


def binding(kind: str = "hj212", **fields) -> Binding:
    sensor = Sensor(id="s", kind=kind, port="x", **fields)
    return Binding(sensor, SensorSettings({"s": sensor}, {}, (), (), ()))


def station(cp: str, *, qn: str = "20260301220300000", cn: str = "2011") -> tuple:
    data = encode(Hj212Packet(qn, "39", cn, MN, 4, cp))
    return Stream(KINDS["hj212"](Options())).feed(data)


def at_second(seconds: float) -> Stamp:
    return Stamp(NOW.mono + seconds, NOW.wall + seconds, "ntp", 1.0)


def test_a_value_that_was_held_back_keeps_its_own_time():
    (sample,) = binding().samples(station("DataTime=20260301215500;LA-Rtd=66.0,LA-Flag=N"), NOW)
    assert LOCAL.at(sample.at.wall).strftime("%H:%M") == "21:55"
    assert (sample.came.wall, sample.trust, sample.flag) == (NOW.wall, "unconfirmed", "ok")


def test_without_a_data_time_the_messages_number_tells_its_age():
    (sample,) = binding().samples(station("LA-Rtd=60.0", qn="20250101000000000"), NOW)
    assert (sample.flag, sample.why) == ("stale", "late")


def test_a_repeated_message_is_one_value():
    own = binding()
    once = station("DataTime=20260301220259;LA-Rtd=66.0")
    assert len(own.samples(once, NOW)) == 1
    assert own.samples(once, at_second(10.0)) == []
    assert own.repeats == 1
    other = station("DataTime=20260301220259;LA-Rtd=66.0", qn="20260301220301000")
    assert len(own.samples(other, at_second(11.0))) == 1


def several(mn: str, number: int, value: float) -> tuple:
    """One message of a station with seven factors."""
    factors = ("LA", "L5", "L10", "L50", "L90", "L95", "Leq")
    cp = ";".join(f"{name}-Rtd={value},{name}-Flag=N" for name in factors)
    packet = Hj212Packet(f"20260301220300{number:03d}", "39", "2011", mn, 4, cp)
    return Stream(KINDS["hj212"](Options())).feed(encode(packet))


def test_one_message_of_another_station_takes_no_sensor_over():
    """However many values it holds: another identity must come with five messages."""
    own = binding()
    assert len(own.samples(several("OURS", 0, 55.0), NOW)) == 7
    assert own.samples(several("OTHER", 1, 99.0), NOW) == []
    assert [s.value for s in own.samples(several("OURS", 2, 55.0), NOW)] == [55.0] * 7
    assert own.strangers == 7
    taken = [len(own.samples(several("OTHER", 3 + n, 99.0), NOW)) for n in range(5)]
    assert taken == [0, 0, 0, 0, 7]


def test_messages_that_arrive_together_are_counted_one_by_one():
    own = binding()
    own.samples(several("OURS", 0, 55.0), NOW)
    at_once = [reading for n in range(1, 7) for reading in several("NEW", n, 60.0)]
    assert len(own.samples(at_once, NOW)) == 14


def test_a_clock_that_is_always_wrong_by_the_same_is_corrected():
    clock = InstrumentClock()
    placed = [clock.place(NOW.wall - 200.0 + t, at_second(t)) for t in range(0, 60, 2)]
    assert placed[0][1] == "unconfirmed"
    assert placed[-1][1] == "corrected"
    assert placed[-1][0].wall == pytest.approx(NOW.wall + 58.0, abs=0.01)
    assert clock.off_s == pytest.approx(200.0)


def of_station(own: Binding, now: Stamp, off_s: float, cn: str, told_wall: float) -> list[Sample]:
    """What a station whose clock is `off_s` slow sends now, of the time `told_wall`."""
    text = LOCAL.at(told_wall - off_s).strftime("%Y%m%d%H%M%S")
    qn = LOCAL.at(now.wall - off_s).strftime("%Y%m%d%H%M%S") + f"{int(cn) % 1000:03d}"
    return own.samples(station(f"DataTime={text};LA-Rtd=60.0", qn=qn, cn=cn), now)


@pytest.mark.parametrize("off_s", [400.0, 55.0, -55.0, -300.0])
def test_a_minute_message_hides_no_wrong_clock(off_s):
    """A station that sends values of the moment and, between them, those of minutes that are over;
    the latter are put into their minute by what the former have taught."""
    own = binding()
    for step in range(0, 180, 10):
        now = at_second(float(step))
        moment = of_station(own, now, off_s, "2011", now.wall)
        if step % 60 == 0:
            minute = of_station(own, now, off_s, "2051", now.wall - 60.0)
    assert own.clock.off_s == pytest.approx(off_s, abs=1.0)
    assert moment[0].trust == minute[0].trust == "corrected"
    assert now.wall - moment[0].at.wall == pytest.approx(0.0, abs=1.0)
    assert minute[0].came.wall - minute[0].at.wall == pytest.approx(60.0, abs=1.0)


def test_minute_messages_alone_teach_nothing_about_a_clock():
    own = binding()
    for minute in range(20):
        now = at_second(60.0 * minute)
        of_station(own, now, 0.0, "2051", now.wall - 60.0)
    assert own.clock.off_s is None


def test_a_backlog_is_no_wrong_clock():
    """Eight minutes of seconds sent at once: their delays differ, so nothing is corrected."""
    clock = InstrumentClock()
    for n in range(480):
        at, trust = clock.place(NOW.wall - 480.0 + n, at_second(n / 1000.0))
        assert at.wall == pytest.approx(NOW.wall - 480.0 + n, abs=0.5)
        assert trust in ("unconfirmed", "instrument")
    assert clock.off_s is None


def test_a_time_that_has_not_come_yet_is_not_believed():
    at, trust = InstrumentClock().place(NOW.wall + 300.0, NOW)
    assert (at.wall, trust) == (NOW.wall, "arrival")


@pytest.mark.parametrize("value", [9999.9, -9999.0, 200.0, 0.0, -0.1, 194.1])
@pytest.mark.parametrize("kind", ["modbus", "line", "hj212"])
def test_what_no_level_can_be_is_flagged_whatever_the_protocol(kind, value):
    reading = InstrumentValue("LA", value, "dB")
    (sample,) = binding(kind).samples((reading,), NOW)
    assert (sample.flag, sample.why) == ("over_range", "range")


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(("dB", "mg/m3", "ug/m3", "%", "C", "m/s", "")),
    st.sampled_from(("LA", "tsp", "fan", "lat", "x")),
)
def test_a_sample_is_usable_only_where_it_is_possible(value, unit, channel):
    for sample in binding("line").samples((InstrumentValue(channel, value, unit),), NOW):
        assert usable(sample) == (sample.flag == "ok")
        assert math.isfinite(sample.value)
        if unit == "dB" and channel == "LA" and sample.flag == "ok":
            assert 0.0 < sample.value <= 194.0
        assert possible(channel, value, unit) or sample.flag != "ok"


@pytest.mark.parametrize(
    ("levels", "wrong"),
    [
        ({"LA": 65.0, "LMx": 60.0}, True),
        ({"LA": 65.0, "LMx": 70.0, "LMn": 50.0}, False),
        ({"LMn-Data": 66.0, "Leq-Data": 65.0}, True),
        ({"L10-Data": 50.0, "L50-Data": 55.0, "L90-Data": 40.0}, True),
        ({"L10-Data": 58.0, "L50-Data": 55.0, "L90-Data": 40.0, "Leq-Data": 56.0}, False),
        ({"L10-DayData": 50.0, "L50-NightData": 55.0}, False),
        ({"LA-Rtd": 80.0, "LMx-Data": 70.0}, False),
        ({"LA": 65.02, "LMx": 65.0}, False),
    ],
)
def test_statistics_out_of_order_are_suspect(levels, wrong):
    readings = [InstrumentValue(channel, value, "dB") for channel, value in levels.items()]
    samples = binding("line").samples(readings, NOW)
    assert {s.flag for s in samples} == ({"suspect"} if wrong else {"ok"})
    assert {s.why for s in samples} == ({"order"} if wrong else {""})


@given(st.dictionaries(st.sampled_from(("LMx", "L10", "L50", "L90", "LMn")), st.floats(20, 120)))
def test_order_is_what_it_says(levels):
    chain = [levels[name] for name in ("LMx", "L10", "L50", "L90", "LMn") if name in levels]
    falling = all(a >= b - 0.1 for a, b in pairwise(chain))
    assert bool(disordered(levels.items())) == (not falling)


def test_both_times_are_kept_on_the_card(tmp_path):
    own = binding()
    samples = own.samples(station("DataTime=20260301215500;LA-Rtd=66.0"), NOW)
    file = tmp_path / "hour.csv"
    file.write_text(raw.HEADER + "".join(raw.line(s) for s in samples) + "12.0,s,LA,50,dB,ok\n")
    late, old = raw.read([file], set(), 0.0, 1e12)
    assert (late.at.wall, late.came.wall, late.trust) == (
        NOW.wall - 480.0, NOW.wall, "unconfirmed",
    )  # fmt: skip
    assert (old.at.wall, old.came.wall, old.trust) == (12.0, 12.0, "arrival")


def test_a_flagged_sample_changes_no_sample():
    flagged = Sample("s", "LA", 90.0, "dB", "suspect", NOW, why="jump")
    assert not usable(flagged)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What holds for every decoder and every judge, whatever comes in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sensors.binding import Binding
from edge.sensors.dust import DustJudge
from edge.sensors.frames import Stream
from edge.sensors.fume import FumeJudge
from edge.sensors.kinds import KINDS, Options
from edge.sensors.noise import NoiseJudge
from edge.sensors.plausible import possible
from edge.sensors.settings import (
    DustPoint,
    Instrument,
    NoisePoint,
    Sensor,
    SensorSettings,
    Shop,
)
from edge.values import Sample, Stamp
from tests.sensors import day_of_faults
from tests.sensors.frames_of import KINDS_WITH_CHECK, random_frame
from tests.sensors.test_judges import CATEGORIES, DAY, LOCAL, NIGHT

FLAGS = ("calibrating", "maintenance", "fault", "over_range", "suspect", "stale")
HOSTILE = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from((-9999.0, 9999.9, 999.9, 65535.0, 6553.5, -3276.8, 1e308, -1e308, 0.0)),
)
NOW = Stamp(5000.0, DAY, "ntp", 1.0)


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=st.binary(max_size=400), seed=st.integers(0, 2**16))
@settings(max_examples=60, deadline=None)
def test_nothing_that_a_decoder_says_reaches_a_judge_unless_it_can_be(kind, data, seed):
    """Random bytes between and inside good frames: every sample is flagged or possible."""
    rng = random.Random(seed)
    stream = data
    if kind in KINDS_WITH_CHECK:
        frame = bytearray(random_frame(kind, rng))
        for _ in range(rng.randrange(4)):
            frame[rng.randrange(len(frame))] = rng.randrange(256)
        stream = random_frame(kind, rng) + bytes(frame) + data + random_frame(kind, rng)
    sensor = Sensor(id="s", kind=kind, port="x", map="m")
    binding = Binding(sensor, SensorSettings({"s": sensor}, {}, (), (), ()))
    decoder = Stream(KINDS[kind](Options()))
    found = [*decoder.feed(stream), *decoder.feed(b"", final=True)]
    for sample in binding.samples(found, NOW):
        assert sample.flag != "ok" or possible(sample.channel, sample.value, sample.unit)


class Case:
    """A judge, its channel, and a level that makes it find something."""

    def __init__(self, judge, channel: str, unit: str, values: dict[str, float], seconds: int):
        self.judge, self.channel, self.unit = judge, channel, unit
        self.values, self.seconds = values, seconds

    def verdicts(self, extra: dict[int, Sample]) -> tuple[list[tuple[int, str]], list[str]]:
        """(findings by second and phase, results of periods) with flagged samples slipped in."""
        found = []
        for t in range(self.seconds):
            at = Stamp(1000.0 + t, NIGHT + t, "ntp", 1.0)
            wobble = 1.0 + 0.002 * (t % 7)
            samples = [
                Sample("s", name, value * (wobble if name == self.channel else 1.0),
                       self.unit if name == self.channel else "", "ok", at)
                for name, value in self.values.items()
            ]  # fmt: skip
            if t in extra:
                flagged = extra[t]
                samples.insert(t % 2, Sample("s", self.channel, flagged.value, self.unit,
                                             flagged.flag, at, why=flagged.why))  # fmt: skip
            found += [(t, f.phase) for f in self.judge.step(samples, at)]
        told = getattr(self.judge, "told", ())
        return found, [row.verdict.result for row in told]


def noise() -> Case:
    point = NoisePoint(id="p", sensor="s", window_s=60)
    category = CATEGORIES[point.category]
    judge = NoiseJudge(point, category, LOCAL, instrument=Instrument(), every_s=1.0)
    return Case(judge, "LA", "dB", {"LA": 60.0}, 200)


def dust() -> Case:
    point = DustPoint(id="p", sensor="s", average_min=1, limit=1.0)
    judge = DustJudge(point, CATEGORIES["dust-level"], LOCAL, every_s=1.0)
    return Case(judge, "tsp", "mg/m3", {"tsp": 1.4}, 200)


def fume() -> Case:
    shop = Shop(id="p", sensor="s", limit=1.0, window_s=60)
    judge = FumeJudge(shop, CATEGORIES, LOCAL, stale_s=10.0, every_s=1.0)
    return Case(judge, "fume", "mg/m3", {"fan": 1.0, "purifier": 1.0, "fume": 1.5}, 200)


CASES = {"noise": noise, "dust": dust, "fume": fume}
BARE = {name: make().verdicts({}) for name, make in CASES.items()}


@pytest.mark.parametrize("name", CASES)
@given(
    places=st.lists(st.integers(0, 199), max_size=40, unique=True),
    value=HOSTILE,
    flag=st.sampled_from(FLAGS),
)
@settings(max_examples=25, deadline=None)
def test_a_flagged_sample_changes_no_verdict(name, places, value, flag):
    extra = {t: Sample("s", "x", value, "", flag, NOW) for t in places}
    assert CASES[name]().verdicts(extra) == BARE[name]
    assert BARE[name][0], "the bare case finds something"


@pytest.mark.parametrize("name", CASES)
@given(places=st.sets(st.integers(0, 199), max_size=120), flag=st.sampled_from(FLAGS))
@settings(max_examples=25, deadline=None)
def test_a_good_sample_that_is_lost_leads_to_unknown_at_most(name, places, flag):
    """Flags on values that were good: what was over is over or unknown, never within."""
    case = CASES[name]()
    found = []
    for t in range(case.seconds):
        at = Stamp(1000.0 + t, NIGHT + t, "ntp", 1.0)
        samples = [
            Sample("s", channel, value, case.unit if channel == case.channel else "",
                   flag if t in places and channel == case.channel else "ok", at)
            for channel, value in case.values.items()
        ]  # fmt: skip
        found += [f.phase for f in case.judge.step(samples, at)]
    results = {row.verdict.result for row in getattr(case.judge, "told", ())}
    assert results <= {"over", "unknown"}
    assert "end" not in found


def test_three_hours_with_a_fault_every_minute():
    """The long form is a command: python -m tests.sensors.day_of_faults --hours 24."""
    day = day_of_faults.Day(seed=5)
    for t in range(int(7.5 * 3600), int(9.9 * 3600)):
        day.second(t)
    assert [(f.rule, f.phase) for _, f in day.found if f.phase != "update"] == [
        ("dust.over-limit", "new"),
        ("dust.over-limit", "end"),
    ]
    assert day.wrong == 0

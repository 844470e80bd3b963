# SPDX-License-Identifier: AGPL-3.0-or-later
"""Acoustic arithmetic against the written vectors, a second method, and its own laws."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cli import main
from edge.config import ConfigError
from edge.sensors import series
from edge.sensors.acoustics import (
    combine,
    day_night,
    exceeded,
    leq,
    levels_of,
)
from edge.sensors.verdict import correction, judge, rounded
from tests.sensors.limits_today import limit_for

RAMP = [50 + n / 10 for n in range(100)]


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (leq([60, 70]), 67.40),
        (leq([55.0] * 1199 + [85.0]), 57.63),
        (combine([(54, 18 * 60), (68, 2 * 60)]), 59.33),
        (combine([(60, 1), (62, 1), (58, 1)]), 60.30),
        (leq(RAMP), 55.87),
        (exceeded(RAMP, 10), 59.0),
        (exceeded(RAMP, 50), 55.0),
        (exceeded(RAMP, 90), 51.0),
        (day_night(60, 50), 60.00),
        (day_night(52.5, 52.5), 58.52),
    ],
)
def test_written_vectors(got, expected):
    assert got == pytest.approx(expected, abs=0.005 + 1e-9)


@pytest.mark.parametrize(
    ("difference", "taken"),
    [(2.4, None), (2.5, None), (2.51, -3), (3.0, -3), (3.5, -2), (4.5, -2), (5.4, -2), (5.5, -1),
     (8.9, -1), (10.0, -1), (10.3, -1), (10.5, -1), (10.51, 0), (25.0, 0)],
)  # fmt: skip
def test_background_table_of_rounded_differences(difference, taken):
    assert (
        correction(50.0 + difference - 50.0, limit_for("GB 12348", "2").method.corrections) == taken
    )


@pytest.mark.parametrize(
    ("value", "whole"),
    [(70.4, 70), (70.5, 70), (71.5, 72), (70.51, 71), (leq([70.5] * 999), 70), (69.5, 70)],
)
def test_rounding_is_half_to_even(value, whole):
    """GB/T 8170; and what summing adds in the twelfth decimal is no reason to round up."""
    assert rounded(value) == whole


@pytest.mark.parametrize(
    ("standard", "zone_class", "level", "background", "result", "judged"),
    [
        ("GB 12523", "site", 70.4, None, "within", 70.0),
        ("GB 12523", "site", 70.6, None, "over", 71.0),
        ("GB 22337", "2", 62.2, 51.9, "over", 61.0),
        ("GB 22337", "2", 61.4, 51.9, "within", 60.0),
        ("GB 12523", "site", 54.0, 53.0, "within", 54.0),
        ("GB 12523", "site", 71.0, 70.0, "unknown", None),
        ("GB 3096", "2", 60.04, None, "within", 60.0),
        ("GB 3096", "2", 60.3, 59.0, "over", 60.3),
    ],
)
def test_measured_first_then_background_then_whole_decibels(
    standard, zone_class, level, background, result, judged
):
    levels = levels_of([level] * 100, expected=100)
    found = judge(levels, limit_for(standard, zone_class), "day", background_db=background)
    assert (found.result, found.value_db) == (result, judged)
    assert all(step.clause and step.zh and step.en for step in found.steps)


def test_nothing_is_judged_from_a_single_value():
    site = limit_for("GB 12523", "site")
    once = levels_of([60.0] * 1199 + [110.0], expected=1200)
    assert judge(once, site, "day").result == "unknown"
    twice = levels_of([60.0] * 1198 + [110.0] * 2, expected=1200)
    assert judge(twice, site, "day").result == "over"
    peak = levels_of([50.0] * 1199 + [71.0], expected=1200)
    assert judge(peak, site, "night").single
    peaks = levels_of([50.0] * 1198 + [71.0] * 2, expected=1200)
    assert not judge(peaks, site, "night").single


def test_a_day_of_levels_by_a_second_method():
    """86,400 seconds of synthetic traffic: numpy on whole arrays against the sums here."""
    rng = np.random.default_rng(9)
    seconds = np.arange(86_400)
    db = 52 + 8 * np.sin(seconds / 13_750) + rng.normal(0, 3, seconds.size)
    db[rng.integers(0, seconds.size, 200)] += 25
    db = np.round(db, 1)
    found = levels_of(db.tolist(), expected=86_400)
    energies = 10 ** (db / 10)
    assert found.leq_db == pytest.approx(10 * np.log10(energies.mean()), abs=0.01)
    for n, value in zip((5, 10, 50, 90, 95), found.ln_db, strict=True):
        assert value == pytest.approx(np.percentile(db, 100 - n, method="lower"), abs=0.1001)
    day = (seconds >= 6 * 3600) & (seconds < 22 * 3600)
    day_db, night_db = leq(db[day].tolist()), leq(db[~day].tolist())
    weighted = np.where(day, energies, energies * 10)
    assert day_night(day_db, night_db) == pytest.approx(10 * np.log10(weighted.mean()), abs=0.01)
    minutes = [(leq(block.tolist()), 60.0) for block in db.reshape(-1, 60)]
    assert combine(minutes) == pytest.approx(found.leq_db, abs=1e-6)


@given(st.lists(st.floats(20, 130), min_size=1, max_size=60))
def test_a_mean_of_energy_lies_between_mean_and_maximum(levels):
    value = leq(levels)
    assert sum(levels) / len(levels) - 1e-9 <= value <= max(levels) + 1e-9


@given(st.lists(st.floats(20, 130), min_size=2, max_size=60), st.data())
def test_blocks_combine_to_the_whole(levels, data):
    at = data.draw(st.integers(1, len(levels) - 1))
    parts = [(leq(levels[:at]), at), (leq(levels[at:]), len(levels) - at)]
    assert combine(parts) == pytest.approx(leq(levels), abs=1e-9)


def test_night_construction_violates_twice():
    levels = levels_of([60.9] * 1199 + [72.3], expected=1200)
    verdict = judge(levels, limit_for("GB 12523", "site"), "night")
    assert (verdict.result, verdict.exceeds) == ("over", ("leq", "lmax"))


@pytest.mark.parametrize(
    ("share", "background", "result"),
    [(1.0, None, "over"), (0.75, None, "over"), (0.74, None, "unknown"), (1.0, 53.0, "within"),
     (1.0, 54.0, "unknown")],
)  # fmt: skip
def test_verdicts(share, background, result):
    levels = levels_of([56.0] * round(100 * share), expected=100)
    limit = limit_for("GB 12523", "site")
    assert judge(levels, limit, "night", background_db=background).result == result


@pytest.mark.parametrize(
    ("standard", "zone_class", "day", "night", "peak"),
    [
        ("GB 3096", "0", 50, 40, 55),
        ("GB 3096", "4b", 70, 60, 75),
        ("GB 22337", "2", 60, 50, None),
        ("GB 12348", "3", 65, 55, 70),
        ("GB 12523", "2", 70, 55, 70),
    ],
)
def test_limits(standard, zone_class, day, night, peak):
    limit = limit_for(standard, zone_class)
    assert (limit.of("day"), limit.of("night"), limit.peak("night")) == (day, night, peak)
    assert limit.peak("day") is None


def _levels(capsys, tmp_path, rows, *options):
    file = tmp_path / "samples.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["levels", "--samples", str(file), "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_command_measures_and_judges(capsys, tmp_path):
    rows = [{"t_s": n, "db": 60.9} for n in range(1199)] + [{"t_s": 1199, "db": 72.3}]
    found = _levels(capsys, tmp_path, rows, "--period", "night")
    assert {k: found[k] for k in ("leq_db", "lmax_db", "lmin_db", "l50_db", "valid_share")} == {
        "leq_db": 60.95, "lmax_db": 72.3, "lmin_db": 60.9, "l50_db": 60.9, "valid_share": 1.0,
    }  # fmt: skip
    assert found["judgement"]["exceeds"] == ["leq", "lmax"]


def test_command_tells_gaps_and_invalid_samples(capsys, tmp_path):
    rows = [{"t_s": n, "db": 60.0} for n in range(400)]
    rows += [{"t_s": n, "db": None} for n in range(400, 500)]
    rows += [{"t_s": n, "db": 99.0, "flag": "fault"} for n in range(500, 600)]
    rows += [{"t_s": n, "db": 60.0} for n in range(800, 1200)]
    found = _levels(capsys, tmp_path, rows, "--period", "night")
    assert found["valid_share"] == pytest.approx(800 / 1200, abs=1e-4)
    assert found["judgement"]["result"] == "unknown"
    assert found["lmax_db"] == 60.0


def test_command_finds_day_and_night_from_utc_and_never_mixes_them(capsys, tmp_path):
    night_falls = 1772373600  # 2026-03-01 22:00 in Shanghai
    rows = [{"t_s": night_falls + n, "db": 60.0} for n in range(-1800, 1300)]
    found = _levels(capsys, tmp_path, rows)["judgement"]
    assert (found["period"], found["result"], found["from_s"]) == ("night", "over", night_falls)


@pytest.mark.parametrize("line", ["{", '{"t_s": 1}', '{"t_s": "x", "db": 1}', '{"t_s":1,"db":"a"}'])
def test_wrong_line_is_named(line, tmp_path):
    file = tmp_path / "samples.jsonl"
    file.write_text('{"t_s": 0, "db": 50}\n' + line)
    with pytest.raises(ConfigError, match="line 2"):
        series.read(str(file))


def test_tables_are_taken_too(tmp_path):
    ours = tmp_path / "day.csv"
    ours.write_text(
        "wall,sensor,channel,value,unit,flag\n"
        "1795344354.4,a,LA,45.1,dB,ok\n1795344354.4,a,LMx,99,dB,ok\n"
        "1795344355.4,a,LA,46.1,dB,fault\n"
    )
    assert [point.db for point in series.read(str(ours))] == [45.1, None]
    report = tmp_path / "report.csv"
    report.write_text("t_s,db\n0,50.5\n1,\n2,51\n")
    assert [point.db for point in series.read(str(report))] == [50.5, None, 51.0]
    report.write_text("time;level\n0;1\n")
    with pytest.raises(ConfigError, match="columns t_s"):
        series.read(str(report))
    report.write_text("t_s,db\n0,x\n")
    with pytest.raises(ConfigError, match="line 2"):
        series.read(str(report))


def test_a_cell_without_end_is_one_line_of_words(tmp_path):
    report = tmp_path / "report.csv"
    report.write_text("t_s,db\n0,50.5\n1," + "5" * 150_000)
    with pytest.raises(ConfigError, match=r"report.csv: line 3: field larger"):
        series.read(str(report))


def test_leq_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="no level"):
        leq([])
    assert levels_of([], expected=10) is None
    assert math.isfinite(leq([0.0]))


@pytest.mark.parametrize("value", [9999.9, -9999, 200.0])
def test_levels_that_are_none_are_left_out(capsys, tmp_path, value):
    rows = [{"t_s": n, "db": value if n == 600 else 60.0} for n in range(1200)]
    found = _levels(capsys, tmp_path, rows, "--period", "day")
    assert (found["leq_db"], found["lmax_db"], found["samples"]) == (60.0, 60.0, 1199)
    none = _levels(capsys, tmp_path, [{"t_s": n, "db": value} for n in range(9)], "--period", "day")
    assert none["judgement"]["result"] == "unknown"


def _second_method(points, step_s):
    """Leq of what is covered, with numpy on a fine clock: the value that holds at each instant."""
    times = np.array([t for t, _ in points])
    grid = np.arange(times[0], times[-1] + step_s, 0.005) + 0.0025
    at = np.searchsorted(times, grid, side="right") - 1
    held = grid - times[at]
    steps = np.append(np.diff(times), step_s)
    usual = np.where(steps[at] <= 1.5 * step_s, steps[at], step_s)
    covered = held < usual
    values = np.array([db for _, db in points])[at]
    leq_db = 10 * np.log10(np.mean(10 ** (values[covered] / 10)))
    return leq_db, covered.sum() * 0.005


@pytest.mark.parametrize("seed", range(8))
def test_irregular_and_gapped_series_by_a_second_method(seed):
    """Jitter, lost samples and long gaps: levels and covered seconds agree to 0.01 dB."""
    rng = np.random.default_rng(seed)
    steps = 1.0 + rng.uniform(-0.3, 0.3, 1500)
    steps[rng.random(1500) < 0.02] += rng.uniform(5, 60)
    steps[1499] = 1.0
    times = np.concatenate([[0.0], np.cumsum(steps)])
    db = np.round(55 + 10 * rng.random(1501) + 20 * (rng.random(1501) < 0.02), 1)
    points = [(round(t, 2), float(v)) for t, v in zip(times, db, strict=True)]
    rows = series.weighed(tuple(series.Point(t, v) for t, v in points))
    levels = levels_of(
        [r.db for r in rows], expected=points[-1][0], seconds=[r.seconds for r in rows]
    )
    step_s = float(np.median(np.diff([t for t, _ in points])))
    leq_db, covered_s = _second_method(points, step_s)
    assert levels.leq_db == pytest.approx(leq_db, abs=0.01)
    assert sum(r.seconds for r in rows) == pytest.approx(covered_s, rel=0.01)


def test_a_recording_may_change_its_pace():
    rows = [(float(n), 60.0) for n in range(600)] + [(600 + n / 8, 80.0) for n in range(480)]
    weighed = series.weighed(tuple(series.Point(t, v) for t, v in rows))
    assert sum(r.seconds for r in weighed) == pytest.approx(660.0)
    levels = levels_of([r.db for r in weighed], expected=660, seconds=[r.seconds for r in weighed])
    assert levels.leq_db == pytest.approx(70.0, abs=0.01)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("t_s,db\n1777600000000,71\n", "milliseconds"),
        ("wall,sensor,channel,value,unit,flag\n1,a,LA,60,dB,ok\n1,b,LA,80,dB,ok\n", "--sensor"),
        ("t_s,db\n0,60\n0,80\n", "two meters"),
        ('{"t_s": 0, "db": true}\n', "line 1"),
    ],
)
def test_series_that_cannot_be_one_are_refused(tmp_path, text, told):
    file = tmp_path / "levels.csv"
    file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        series.assess(series.read(str(file)), series.SeriesTerms(period="day"))


def test_excels_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "bom.csv"
    file.write_bytes(b"\xef\xbb\xbft_s,db\r\n0,60.5\r\n1,60.5\r\n")
    assert [p.db for p in series.read(str(file))] == [60.5, 60.5]
    two = tmp_path / "two.csv"
    two.write_text("wall,sensor,channel,value,unit,flag\n1,a,LA,60,dB,ok\n1,b,LA,80,dB,ok\n")
    assert [p.db for p in series.read(str(two), "b")] == [80.0]

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
    correct_background,
    day_night,
    exceeded,
    leq,
    levels_of,
)
from edge.sensors.limits import LIMITS, limit_for
from edge.sensors.verdict import judge

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
    ("difference", "correction"),
    [(2.4, None), (2.5, -3), (3.0, -3), (3.5, -2), (5.4, -2), (5.5, -1), (8.9, -1), (10.0, -1),
     (10.1, 0), (25.0, 0)],
)  # fmt: skip
def test_background_table(difference, correction):
    found = correct_background(50.0 + difference, 50.0)
    if correction is None:
        assert found.value_db is None
    else:
        assert found.value_db == pytest.approx(50.0 + difference + correction)


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
    verdict = judge(levels, LIMITS["GB 12523"]["site"], "night")
    assert (verdict.result, verdict.exceeds) == ("over", ("leq", "lmax"))


@pytest.mark.parametrize(
    ("share", "background", "result"),
    [(1.0, None, "over"), (0.75, None, "over"), (0.74, None, "unknown"), (1.0, 53.0, "within"),
     (1.0, 54.0, "unknown")],
)  # fmt: skip
def test_verdicts(share, background, result):
    levels = levels_of([56.0] * round(100 * share), expected=100)
    limit = LIMITS["GB 12523"]["site"]
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


def test_leq_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="no level"):
        leq([])
    assert levels_of([], expected=10) is None
    assert math.isfinite(leq([0.0]))

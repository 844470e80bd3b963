# SPDX-License-Identifier: AGPL-3.0-or-later
"""The measures that trackers and timings are judged by, on cases worked out by hand."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tools.bench.arena import Arena, Contestant
from tools.bench.chart import draw
from tools.bench.crowds import Crowd, play
from tools.bench.identity import Picture, score
from tools.bench.limits import LIMITS, judge
from tools.bench.trackers import TRACKERS

ROOT = Path(__file__).parents[2]
A, B, NOWHERE = (0.1, 0.1, 0.2, 0.2), (0.5, 0.5, 0.6, 0.6), (0.8, 0.1, 0.9, 0.2)


def picture(true, given):
    def split(rows):
        ids = np.array([one for one, _ in rows], np.int64)
        return ids, np.array([box for _, box in rows], np.float32).reshape(-1, 4)

    return Picture(*split(true), *split(given))


TRUE = [(1, A), (2, B)]
CASES = {
    "perfect": ([[(7, A), (9, B)]] * 4, 1.0, 0, 1.0),
    "nothing": ([[]] * 4, 0.0, 0, 0.0),
    "swapped half way": ([[(7, A), (9, B)]] * 2 + [[(9, A), (7, B)]] * 2, 0.5, 2, 0.75),
    "new ids half way": ([[(7, A), (9, B)]] * 2 + [[(8, A), (6, B)]] * 2, 0.5, 2, 0.75),
    "one false box each": ([[(7, A), (9, B), (5, NOWHERE)]] * 4, 16 / 20, 0, 0.5),
    "one missed": ([[(7, A)]] * 4, 8 / 12, 0, 0.5),
}


@pytest.mark.parametrize("name", CASES)
def test_identity_measures(name):
    given, idf1, switches, mota = CASES[name]
    result = score(picture(TRUE, one) for one in given)
    assert result.idf1 == pytest.approx(idf1)
    assert (result.switches, result.mota) == (switches, pytest.approx(mota))


def test_a_street_is_the_same_at_any_frame_rate():
    slow, fast = (play(Crowd(fps=fps, seconds=6), seed=3) for fps in (2, 10))
    by_time = {round(instant.at_s, 3): instant for instant in fast}
    for instant in slow:
        other = by_time[round(instant.at_s, 3)]
        assert instant.ids.tolist() == other.ids.tolist()
        assert np.abs(instant.truth - other.truth).max() < 1e-9


def test_every_limit_is_judged_both_ways():
    good = judge({one.key: one.limit for one in LIMITS})
    step = {one.key: one.limit + (-0.5 if one.least else 0.5) for one in LIMITS}
    assert all(one.met for one in good) and len(good) == len(LIMITS)
    assert not any(one.met for one in judge(step))


def test_the_chart_is_a_picture(tmp_path):
    import cv2

    draw("title", judge({one.key: one.limit * 1.1 for one in LIMITS}), tmp_path / "c.png")
    assert cv2.imread(str(tmp_path / "c.png")).shape[1] == 1200


def test_a_missing_environment_is_said_not_hidden():
    with Arena([Contestant("x", "no-such-venv", {})]) as arena:
        arena.run(1, 1, lambda _: None)
    assert "tools/setup no-such-venv" in arena.contestants["x"].error
    assert arena.ratio("x", "x") is None


def test_a_contestant_answers_line_by_line(tmp_path):
    from tools.fakes.onnx_files import bright, write

    manifest = write(tmp_path, bright(128, 192, ["a"]), ["a"])
    settings = {"loop": "bare", "manifest": str(manifest), "shape": [128, 192]}
    done = subprocess.run(
        [sys.executable, "-m", "tools.bench.contestant"],
        input=f'{json.dumps(settings)}\n{{"frames": 3}}\n',
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=150,
    )
    ready, answer = (json.loads(line) for line in done.stdout.splitlines())
    assert ready == {"ready": True} and answer["cpu_ms"] > 0 and answer["peak_mb"] > 20


def test_our_tracker_is_among_the_compared():
    assert "ours" in TRACKERS

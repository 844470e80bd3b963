# SPDX-License-Identifier: AGPL-3.0-or-later
"""What leaves a box for a labeller: the most telling first, never more than the budget."""

from __future__ import annotations

import json
import time

import pytest

from edge.cli import main
from tools.training.foreign import read_box


def keep(state, camera, n, why, score, *, days_ago=1.0, picture=True):
    folder = state / "harvest" / camera
    folder.mkdir(parents=True, exist_ok=True)
    row = {
        "camera": camera,
        "at_s": time.time() - days_ago * 86_400,
        "why": why,
        "label": "vendor_stall",
        "score": score,
        "box": [0.2, 0.2, 0.8, 0.8],
    }
    (folder / f"{n}.json").write_text(json.dumps(row))
    if picture:
        (folder / f"{n}.jpg").write_bytes(b"jpeg")


def names(out):
    return sorted(path.stem for path in out.rglob("*.json"))


@pytest.fixture
def box(tmp_path):
    state = tmp_path / "state"
    keep(state, "north", 1, "near_limit", 0.34)
    keep(state, "north", 2, "near_limit", 0.21)
    keep(state, "north", 3, "disagreement", 0.8)
    keep(state, "south", 4, "near_limit", 0.36)
    keep(state, "south", 5, "disagreement", 0.4, days_ago=30)
    keep(state, "south", 6, "near_limit", 0.35, picture=False)
    (state / "harvest" / "south" / "7.json").write_text("{torn")
    return state


def export(state, out, *words):
    return main(["harvest", "--state", str(state), "--out", str(out), *words])


def test_a_week_of_a_box_as_the_data_team_reads_it(box, tmp_path, capsys):
    out = tmp_path / "week"
    assert export(box, out) == 0
    assert names(out) == ["1", "2", "3", "4"]
    assert "2 unreadable" in capsys.readouterr().err
    assert len(list(read_box(out, unjudged=True))) == 4


def test_the_budget_keeps_the_most_telling(box, tmp_path, capsys):
    assert export(box, tmp_path / "two", "--per-day", "2") == 0
    assert names(tmp_path / "two") == ["1", "3", "4"], "disagreement, then the nearest to the limit"
    assert export(box, tmp_path / "one", "--most", "1") == 0
    assert names(tmp_path / "one") == ["3"]
    assert "3 over the budget" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--days", "0"), ("--most", "0")])
def test_wrong_words_are_one_line(box, tmp_path, words, capsys):
    assert export(box, tmp_path / "out", *words) == 2
    assert export(tmp_path / "nowhere", tmp_path / "out") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A class may count from a score of its own, in one category and nowhere else."""

from __future__ import annotations

import pytest
from stage import Stage, parked
from stage_judge import CATEGORIES, judge, phases, play, rule, zone

from edge.config import ConfigError
from edge.config.catalogue import load_categories

YARD = (zone("yard", "forbidden"),)
SHORT = {"dwell_s": 20, "confirm_s": 5}


def grilling(score: float, *, smoke: float = 0.0, **more: object) -> list[tuple[str, str]]:
    people = parked("person", 0.57, 0.74, 0, 60, size=(0.04, 0.18))
    actors = [parked("grill", 0.5, 0.75, 0, 60, score=score), people]
    if smoke:
        actors.append(parked("smoke", 0.5, 0.72, 0, 60, size=(0.12, 0.3), score=smoke))
    sitting = judge(rule("outdoor-barbecue", **{**SHORT, **more}), zones=YARD)
    return phases(play(Stage(actors, 60.0, start_wall=1.7e9), sitting))


def test_a_faint_grill_counts_where_people_stand_by():
    assert ("outdoor-barbecue", "new") in grilling(0.22)
    assert not grilling(0.12)


def test_smoke_keeps_the_score_of_its_category():
    assert CATEGORIES["outdoor-barbecue"].least("smoke") == 0.35
    assert CATEGORIES["outdoor-barbecue"].least("grill") == 0.15


def test_a_rule_that_asks_for_more_asks_more_of_every_class():
    assert CATEGORIES["outdoor-barbecue"].least("grill", 0.7) == pytest.approx(0.3)
    assert not grilling(0.22, min_score=0.7)


def test_the_tracker_is_told_from_where_tracks_start():
    assert judge(rule("outdoor-barbecue"), zones=YARD).starts == {"grill": 0.15}
    assert judge(rule("street-vendor")).starts == {}


@pytest.mark.parametrize("scores", ["{stove: 0.2}", "{grill: 0.6}", "{grill: -1}", "{grill: x}"])
def test_a_wrong_table_is_one_line(tmp_path, scores):
    path = tmp_path / "categories.yaml"
    path.write_text(
        "categories:\n  - {id: own, kind: grilling, zh: a, en: b, classes: [grill], "
        f"class_scores: {scores}}}\n"
    )
    with pytest.raises(ConfigError, match="class_scores") as error:
        load_categories([path])
    assert "\n" not in str(error.value)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A case that no rule goes on with after a restart ends, and is counted and named no more."""

import json

import pytest
from stage import Actor, Stage, parked
from stage_judge import judge, phases, rule, zone

from edge.values import Scene, Stamp

GRID = "350203001001001"
ROAD = (zone("road", grid=GRID), zone("square"))
TRUCK = Actor(
    "muck_truck",
    [(10, 0.12, 0.85), (18, 0.9, 0.85)],
    size=(0.22, 0.24),
    traits=(("open_loaded", 0.9),),
)
STALL = parked("vendor_stall", 0.16, 0.85, 5, 200, size=(0.2, 0.24))
SELLER = parked("person", 0.2, 0.84, 0, 900, size=(0.04, 0.18))
VENDOR = {"dwell_s": 40, "confirm_s": 10}


def until_open(stage, sitting):
    """The scene with which the first case is open, and that case."""
    for scene in stage.scenes(5.0):
        if found := sitting.step(scene).findings:
            return scene.at, found[0]
    raise AssertionError("no case")


def after(sitting, fresh, at, stage, *, down_s=5.0):
    """What is found on the next boot, `down_s` later."""
    now = Stamp(3.0, at.wall + down_s, "ntp", 5.0)
    fresh.restore(json.loads(json.dumps(sitting.snapshot())), now)
    found = []
    for scene in stage.scenes(2.0):
        then = Stamp(3.0 + scene.at.mono, now.wall + scene.at.mono, "ntp", 5.0)
        found += fresh.step(Scene(scene.camera, then, scene.tracks)).findings
    return found


def test_a_truck_that_was_passing_at_a_restart_ends_and_is_no_cause_of_what_comes_later():
    rules = rule("uncovered-load"), rule("street-vendor", **VENDOR)
    sitting, fresh = judge(*rules, zones=ROAD), judge(*rules, zones=ROAD)
    at, case = until_open(Stage([TRUCK], 60), sitting)
    found = after(sitting, fresh, at, Stage([STALL, SELLER], 90))
    assert phases(found) == [("street-vendor", "new")]
    assert found[0].parent is None
    assert fresh.memory.open_in(GRID, "uncovered-load") == 0
    (end,) = fresh.interrupted([case])
    assert (end.key, end.phase, end.ended, end.moments) == (case.key, "end", None, ())
    assert end.facts["ended_because"] == "watching was interrupted"
    assert (case.facts["open_in_grid"], end.facts["open_in_grid"]) == (1, 0)


@pytest.mark.parametrize("kept", [[], [rule("street-vendor", **VENDOR, zones=["road"])]])
def test_a_case_of_a_rule_that_the_site_gave_up_or_changed_ends(kept):
    sitting = judge(rule("street-vendor", **VENDOR), zones=ROAD)
    at, case = until_open(Stage([STALL, SELLER], 90), sitting)
    fresh = judge(*kept, zones=ROAD)
    assert after(sitting, fresh, at, Stage([SELLER], 10)) == []
    assert fresh.memory.open_in(GRID, "street-vendor") == 0
    assert [end.key for end in fresh.interrupted([case])] == [case.key]


def test_a_case_whose_place_is_still_watched_goes_on():
    rules = (rule("street-vendor", **VENDOR),)
    sitting, fresh = judge(*rules, zones=ROAD), judge(*rules, zones=ROAD)
    at, case = until_open(Stage([STALL, SELLER], 90), sitting)
    assert after(sitting, fresh, at, Stage([STALL, SELLER], 10)) == []
    assert fresh.memory.open_in(GRID, "street-vendor") == 1
    assert fresh.interrupted([case]) == []


def test_without_any_snapshot_every_case_that_was_open_ends():
    sitting = judge(rule("street-vendor", **VENDOR), zones=ROAD)
    _, case = until_open(Stage([STALL, SELLER], 90), sitting)
    fresh = judge(rule("street-vendor", **VENDOR), zones=ROAD)
    assert [end.key for end in fresh.interrupted([case])] == [case.key]

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The judge as a whole: restarts, memory, clocks, zones, and what a sensor says."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage import Actor, Stage, parked
from stage_judge import CATEGORIES, GROUND, SHANGHAI, judge, phases, play, rule, zone

from edge.config import ConfigError, Zone
from edge.geometry import inside
from edge.rules.reporting import corroboration
from edge.rules.view import Memory, Open
from edge.rules.zones import ZoneMap
from edge.values import Sample, Stamp

SHORT = {"dwell_s": 40, "confirm_s": 10}
VENDOR = rule("street-vendor", **SHORT)
KEEPER = parked("person", 0.56, 0.74, 0, 900, size=(0.04, 0.18))


def stall(start=5.0, end=120.0, **more):
    return parked("vendor_stall", 0.5, 0.75, start, end, **more)


def restarted(sitting, at, fresh, now):
    """A second judge that takes over by way of JSON on disk."""
    data = json.loads(json.dumps(sitting.snapshot()))
    fresh.restore(data, now)
    del at
    return fresh


def test_a_restart_goes_on_with_the_clock():
    stage = Stage([stall(), KEEPER], 160)
    scenes = list(stage.scenes(2.0))
    first, found = judge(VENDOR), []
    for scene in scenes[:60]:
        found += first.step(scene).findings
    # Another boot: monotonic seconds start anew, ten seconds are lost.
    later = [s for s in scenes if s.at.mono >= 40.0]
    second = restarted(first, None, judge(VENDOR), Stamp(3.0, later[0].at.wall, "ntp"))
    shift = 3.0 - later[0].at.mono
    for scene in later:
        at = Stamp(scene.at.mono + shift, scene.at.wall, "ntp")
        moved = type(scene)(scene.camera, at, scene.tracks)
        found += second.step(moved).findings
    assert phases(found) == [("street-vendor", "new"), ("street-vendor", "end")]
    assert found[0].began.wall == pytest.approx(stage.start_wall + 5.0, abs=1.0)


def test_an_open_case_is_not_told_again_after_a_restart():
    scenes = list(Stage([stall(end=400), KEEPER], 300).scenes(2.0))
    first = judge(VENDOR)
    told = [f for s in scenes[:200] for f in first.step(s).findings]
    second = restarted(first, None, judge(VENDOR), scenes[200].at)
    again = [f for s in scenes[200:] for f in second.step(s).findings]
    assert [f.phase for f in told] == ["new"]
    assert again == []


@pytest.mark.parametrize(("outage_s", "began_s"), [(880.0, 5.0), (920.0, 950.0), (7200.0, 7230.0)])
def test_nobody_is_charged_with_an_outage_of_the_camera(outage_s, began_s):
    """The stall is seen at the first look after the outage, under the number of before."""
    stage = Stage([stall(end=9000), parked("person", 0.56, 0.74, 0, 9000, size=(0.04, 0.18))],
                  100.0 + outage_s, blind=[(30.0, 30.0 + outage_s)])  # fmt: skip
    (new,) = play(stage, judge(VENDOR), fps=2.0)
    assert new.began.mono == pytest.approx(began_s, abs=0.6)


def test_a_case_that_is_open_goes_on_after_an_outage_as_after_a_restart():
    stage = Stage([stall(end=2200), KEEPER], 2250, blind=[(100.0, 2100.0)])
    found = play(stage, judge(VENDOR), fps=2.0)
    assert [f.phase for f in found] == ["new", "update", "end"]
    assert found[0].key == found[2].key and found[2].ended is not None
    assert found[2].ended.mono == pytest.approx(2200.0, abs=1.0)


def test_nobody_who_was_reminded_is_said_to_have_left_during_an_outage():
    person = parked("person", 0.56, 0.74, 0, 5000, size=(0.04, 0.18))
    stage = Stage([stall(end=5000), person], 2100.0, blind=[(65.0, 2065.0)])
    sitting = judge(rule("street-vendor", **SHORT, set={"remind": "horn", "grace_s": 30}))
    judgements = [sitting.step(scene) for scene in stage.scenes(2.0)]
    assert sum(len(one.prompts) for one in judgements) == 1
    assert [f for one in judgements for f in one.findings] == []


def test_a_snapshot_of_another_version_is_refused():
    for data in ({}, {"version": 99}, [], None):
        with pytest.raises(ValueError, match="snapshot"):
            judge(VENDOR).restore(data, Stamp(0.0, 0.0))
    damaged = judge(VENDOR).snapshot() | {"now": [1, 2, "ntp", 0], "memory": {}}
    with pytest.raises(ValueError, match="damaged"):
        judge(VENDOR).restore(damaged, Stamp(0.0, 0.0))


def test_a_snapshot_with_one_damaged_rule_is_not_taken_over_by_the_others():
    rules = (VENDOR, rule("outdoor-barbecue", **SHORT))
    scenes = list(Stage([stall(end=400), KEEPER], 100).scenes(2.0))
    first = judge(*rules)
    for scene in scenes:
        first.step(scene)
    data = json.loads(json.dumps(first.snapshot()))
    assert first.busy and len(data["rules"]) == 2
    data["rules"][list(data["rules"])[-1]] = {"places": 7}
    fresh = judge(*rules)
    with pytest.raises(ValueError, match="damaged"):
        fresh.restore(data, scenes[-1].at)
    assert not fresh.busy, "a fresh judge watches nothing"


def test_the_end_of_a_recording_ends_what_is_open():
    stage = Stage([stall(end=500), KEEPER], 100)
    sitting = judge(VENDOR)
    assert [f.phase for f in play(stage, sitting, fps=2.0)] == ["new"]
    (last,) = sitting.finish(stage.stamp(100.0)).findings
    assert (last.phase, last.ended, last.facts["still_there"]) == ("end", None, True)


def test_re_alarm_while_it_lasts():
    sitting = judge(rule("street-vendor", **SHORT, realarm_s=60))
    found = play(Stage([stall(end=260), KEEPER], 300), sitting, fps=2.0)
    assert [f.phase for f in found] == ["new", "update", "update", "update", "end"]
    assert len({f.key for f in found}) == 1


def test_a_second_stay_counts_up_and_names_the_first():
    found = play(Stage([stall(5, 90), stall(300, 400), KEEPER], 450), judge(VENDOR), fps=2.0)
    new = [f for f in found if f.phase == "new"]
    assert [f.occurrence for f in new] == [1, 2]
    assert [f.facts["first_here"] for f in new] == [True, False]
    assert new[1].facts["previous"] == new[0].key
    assert new[0].key != new[1].key


TWICE = Stage([stall(5, 90), stall(300, 400), KEEPER], 450)


def test_a_misdetection_does_not_make_the_next_one_a_repeat():
    first = next(f for f in play(TWICE, judge(VENDOR), fps=2.0) if f.phase == "new")
    told = judge(VENDOR)
    told.misdetected([first.key])
    new = [f for f in play(TWICE, told, fps=2.0) if f.phase == "new"]
    assert [f.occurrence for f in new] == [1, 1]
    assert [f.facts["first_here"] for f in new] == [True, True]
    assert "previous" not in new[1].facts


def test_a_misdetection_that_was_taken_back_counts_again_after_a_restart():
    first = next(f for f in play(TWICE, judge(VENDOR), fps=2.0) if f.phase == "new")
    scenes = list(TWICE.scenes(2.0))
    before, after = judge(VENDOR), judge(VENDOR)
    before.misdetected([first.key])
    after.misdetected([])
    for scene in scenes[:400]:
        before.step(scene)
    restarted(before, None, after, scenes[400].at)
    told = [f for s in scenes[400:] for f in after.step(s).findings]
    assert [f.occurrence for f in told if f.phase == "new"] == [2]


def test_open_cases_of_a_grid_return_to_nought():
    grid = "370282001001002"
    sitting = judge(VENDOR, zones=(zone(grid=grid),))
    counts = []
    for scene in Stage([stall(5, 90), KEEPER], 140).scenes(2.0):
        sitting.step(scene)
        counts.append(sitting.memory.open_in(grid, "street-vendor"))
    assert max(counts) == 1
    assert counts[-1] == 0
    assert sitting.memory.snapshot().open == {}


def test_candidates_show_a_running_clock():
    sitting = judge(VENDOR)
    shown = [
        c for s in Stage([stall(), KEEPER], 60).scenes(2.0) for c in sitting.step(s).candidates
    ]
    assert shown[-1].due_s == 50.0
    assert [c.held_s for c in shown] == sorted(c.held_s for c in shown)
    assert len({c.key for c in shown}) == 1
    assert sitting.busy


def test_a_reminder_is_asked_for_before_anything_is_told():
    sitting = judge(rule("street-vendor", **SHORT, set={"remind": "horn", "grace_s": 30}))
    prompts, found = [], []
    for scene in Stage([stall(end=200), KEEPER], 120).scenes(2.0):
        judgement = sitting.step(scene)
        prompts += judgement.prompts
        found += judgement.findings
    assert [p.hook for p in prompts] == ["horn"]
    assert "整改" in prompts[0].zh
    assert found[0].decided.mono - prompts[0].at.mono == pytest.approx(30.0, abs=1.0)


def reminded(*, fails=False, **words):
    """(prompts, facts of the new findings): two stalls, one after the other. fails: the hook of
    each prompt fails before the next look."""
    words = {"remind": "horn", "grace_s": 30, **words}
    sitting = judge(rule("street-vendor", **SHORT, set=words))
    second = parked("vendor_stall", 0.2, 0.75, 130, 400)
    beside = parked("person", 0.26, 0.74, 0, 900, size=(0.04, 0.18))
    prompts, found = [], []
    for scene in Stage([stall(end=65), second, KEEPER, beside], 300).scenes(2.0):
        judgement = sitting.step(scene)
        prompts += judgement.prompts
        for prompt in judgement.prompts if fails else ():
            sitting.not_reminded(prompt.key)
        found += [f.facts for f in judgement.findings if f.phase == "new"]
    return prompts, found


def test_whether_people_went_after_a_reminder_is_judged():
    prompts, found = reminded(remind_every_s=0)
    assert len(prompts) == 2
    assert [(f["outcome"], f["reminded"]) for f in found] == [
        ("self_corrected", "left"), ("to_report", "stayed"),
    ]  # fmt: skip


def test_nobody_counts_as_reminded_by_a_hook_that_failed():
    """Neither the one that was to be reminded, nor who would have counted as told with it."""
    for often in (0, 3600):
        prompts, found = reminded(fails=True, remind_every_s=often)
        assert len(prompts) == 2, "the next reminder is tried"
        assert [(f["outcome"], f["reminded"]) for f in found] == [("to_report", "failed")] * 2


def test_a_reminder_is_heard_at_most_so_often_and_never_in_quiet_hours():
    prompts, found = reminded(remind_every_s=3600)
    assert len(prompts) == 1
    assert [f["reminded"] for f in found] == ["left", "stayed"]
    prompts, found = reminded(quiet_hours="00:00-24:00")
    assert prompts == []
    assert [f.get("reminded") for f in found] == [None, None]


def test_the_words_of_a_reminder_are_the_sites():
    prompts, _ = reminded(remind_text="城管提醒：{category}请离开")
    category = CATEGORIES["street-vendor"].zh
    assert prompts[0].zh == f"城管提醒：{category}请离开"


@pytest.mark.parametrize("hours", ["22-7", "25:00-07:00", "22:00-07:00;", "night"])
def test_quiet_hours_that_are_none_are_refused(hours):
    with pytest.raises(ConfigError, match="quiet_hours"):
        judge(rule("street-vendor", set={"quiet_hours": hours}))


def test_began_is_told_by_the_better_clock():
    """Booted without network: the wall clock is years off until NTP answers."""
    stage = Stage([stall(), KEEPER], 80, steps=[(0, -1e8), (30, 1e8)], quality="unsynced")
    found = []
    sitting = judge(VENDOR)
    for scene in stage.scenes(2.0):
        at = scene.at
        quality = "ntp" if at.mono >= 30 else "unsynced"
        moved = type(scene)(scene.camera, Stamp(at.mono, at.wall, quality), scene.tracks)
        found += sitting.step(moved).findings
    assert found[0].began.wall == pytest.approx(stage.start_wall + 5.0, abs=1.0)
    assert found[0].began.quality == "ntp"


def test_the_picture_tells_an_unseen_stall_from_a_free_place():
    """The detector is blind for two minutes: with pictures the stall is known to stand there."""
    import numpy as np

    rng = np.random.default_rng(4)
    street = rng.integers(60, 160, (180, 320, 3), dtype=np.uint8)
    with_stall = street.copy()
    with_stall[106:136, 144:176] = rng.integers(0, 255, (30, 32, 3), dtype=np.uint8)

    def run(gone_at):
        sitting, found = judge(VENDOR), []
        stage = Stage([stall(end=300, unseen=[(30, 150)]), KEEPER], 260)
        for scene in stage.scenes(2.0):
            picture = with_stall if scene.at.mono < gone_at else street
            if not scene.at.mono >= 150:
                found += sitting.step(
                    type(scene)(scene.camera, scene.at, scene.tracks, image=picture)
                ).findings
                continue
            found += sitting.step(scene).findings
        return found

    (kept,) = run(gone_at=999.0)
    assert kept.began.mono == pytest.approx(5.0, abs=1.0)
    (fresh,) = run(gone_at=60.0)
    assert fresh.began.mono == pytest.approx(150.0, abs=2.0)


@given(
    boxes=st.lists(
        st.tuples(*[st.floats(0.0, 0.8)] * 2, *[st.floats(0.02, 0.2)] * 2), min_size=1, max_size=5
    )
)
@settings(max_examples=60, deadline=None)
def test_shares_of_boxes_in_zones(boxes):
    corners = ((0.2, 0.1), (0.9, 0.3), (0.7, 0.9), (0.1, 0.7))
    found = ZoneMap([Zone(id="a", polygon=corners), Zone(id="b", polygon=GROUND)])
    rows = [(x, y, x + w, y + h) for x, y, w, h in boxes]
    import numpy as np

    shares = found.shares(np.array(rows, np.float32))
    for row, (x1, y1, x2, y2) in zip(shares, rows, strict=True):
        grid = [
            (x1 + (x2 - x1) * (i + 0.5) / 20, y1 + (y2 - y1) * (j + 0.5) / 20)
            for i in range(20)
            for j in range(20)
        ]
        for k, polygon in enumerate((corners, GROUND)):
            truth = sum(inside(point, polygon) for point in grid) / 400
            assert row[k] == pytest.approx(truth, abs=0.12)


@pytest.mark.parametrize(
    ("value", "unit", "flag", "says"),
    [
        (200.0, "ug/m3", "ok", "supports"),
        (0.2, "mg/m3", "ok", "supports"),
        (100.0, "ug/m3", "ok", "neutral"),
        (50.0, "ug/m3", "ok", "contradicts"),
        (500.0, "ug/m3", "fault", "absent"),
        (500.0, "ug/m3", "stale", "absent"),
        (500.0, "dB", "ok", "absent"),
    ],
)
def test_a_sensor_supports_contradicts_or_is_absent(value, unit, flag, says):
    sample = Sample("s", "pm10", value, unit, flag, Stamp(0.0, 0.0))
    assert corroboration([sample], ["pm10"], 150.0)["says"] == says
    assert corroboration([sample], ["tsp"], 150.0) == {"says": "absent"}


def test_truck_chain_of_one_cause():
    truck = Actor(
        "muck_truck",
        [(10, 0.12, 0.85), (18, 0.9, 0.85)],
        size=(0.22, 0.24),
        traits=(("open_loaded", 0.9), ("dirty", 0.9)),
    )
    zones = (zone("road"), zone("lane-1", "lane"))
    sitting = judge(rule("uncovered-load"), rule("dirty-wheels"), zones=zones)
    new = [f for f in play(Stage([truck], 60), sitting) if f.phase == "new"]
    assert [f.category for f in new] == ["uncovered-load", "dirty-wheels"]
    assert new[1].parent == new[0].key
    assert CATEGORIES["uncovered-load"].recipe.plate
    assert SHANGHAI


def test_an_open_case_keeps_its_unit_grid_over_a_restart():
    memory = Memory()
    box, at = (0.4, 0.4, 0.6, 0.6), Stamp(1.0, 1e9, "ntp", 3.0)
    case = Open("350203001001001", "street-vendor", box)
    memory.opened("k", case, (0.5, 0.6), size=0.2, aspect=16 / 9, now=at)
    restored = Memory.restore(memory.snapshot())
    assert restored.open_in("350203001001001", "street-vendor") == 1
    assert restored.open_in("", "street-vendor") == 0

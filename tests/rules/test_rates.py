# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every recorded case of every rule kind: the same events at any analysed rate and resolution."""

from itertools import cycle
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from generate import CASES
from stage_judge import ROOT

from edge.config import Camera, convert
from edge.config.catalogue import load_calendar, load_categories, shipped_packs
from edge.config.category import Categories
from edge.rules.judge import Judge

RATES = (2.0, 5.0, 15.0, 25.0)
HEIGHTS = (480, 720, 1080)
SHIPPED = load_categories([ROOT / "config/categories.yaml"])
CALENDAR = load_calendar([], shipped_packs())
# Looks half a second apart see a beginning or an end that much later; a case that is told by the
# third look tells it later again.
NEAR_S = 2.5
# Of each kind one case that is one, and one that is none, for the fast form.
SOME = {
    "occupation": ("vendor-id-switches", "vendor-moves-on"),
    "grilling": ("barbecue", "steamer"),
    "plume": ("dust", "exhaust"),
    "spill": ("spill", "truck-waits"),
    "uncovered": ("open-load", "covered-load"),
    "dumping": ("dumping-body-raised", "dumping-approved"),
    "wash": ("wash-skipped", "wash-used"),
}


def sitting(case):
    own = convert({"categories": case.categories}, Categories, "test").categories
    categories = {**SHIPPED, **{category.id: category for category in own}}
    camera = {"id": "c1", "source": "rtsp://c", "zones": case.zones, "rules": case.rules}
    return Judge(
        convert(camera, Camera, "test"),
        categories=categories,
        calendar=CALENDAR,
        timezone=ZoneInfo("Asia/Shanghai"),
    )


def events(case, fps, height):
    """[(category, occurrence, began, ended)] in the order of time."""
    judge, told, at = sitting(case), [], None
    for scene in case.stage.scenes(fps, height):
        told += judge.step(scene).findings
        at = scene.at
    told += judge.finish(at).findings
    return sorted(
        (f.category, f.occurrence, f.began.mono, f.ended.mono if f.ended else -1.0)
        for f in told
        if f.phase == "end"
    )


def same(name, looks):
    case = CASES[name]
    wanted = sorted((row[0], row[1]) for row in case.truth)
    for fps, height in looks:
        found = events(case, fps, height)
        where = f"{name} at {fps:g}/s, {height}p"
        assert [row[0] for row in found] == [category for category, _ in wanted], where
        for (_, _, began, _), (_, start) in zip(found, wanted, strict=True):
            assert began == pytest.approx(start, abs=20.0), where
        yield found


def assert_same(name, looks):
    all_found = list(same(name, looks))
    first = all_found[0]
    for found, (fps, height) in zip(all_found, looks, strict=True):
        for one, other in zip(first, found, strict=True):
            assert one[:2] == other[:2]
            assert other[2] == pytest.approx(one[2], abs=NEAR_S), (name, fps, height)
            assert other[3] == pytest.approx(one[3], abs=NEAR_S), (name, fps, height)


def test_every_kind_is_among_the_fast_ones():
    from edge.rules.judge import RULES

    # What the truck file decides is asked in tests/daemons/test_trucks.py. A state is judged by
    # pixels, which recorded tracks have none of: tests/rules/test_state.py.
    seen = {name for name, kind in RULES.items() if not kind.WITH_FILE} - {"state"}
    assert set(SOME) == seen


@pytest.mark.parametrize("name", [name for pair in SOME.values() for name in pair])
def test_same_events_at_other_rates(name):
    assert_same(name, [(2.0, 480), (5.0, 1080)])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_same_events_at_every_rate(name):
    heights = cycle(HEIGHTS)
    assert_same(name, [(fps, next(heights)) for fps in RATES])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for pair in SOME.values() for name in pair])
def test_same_events_at_every_rate_and_resolution(name):
    assert_same(name, [(fps, height) for fps in RATES for height in HEIGHTS])


# At a look a second or fewer, looks fall together with the regular gaps of these detectors.
IN_STEP = {"dust-flickers": (0.5,)}


@pytest.mark.slow
@pytest.mark.parametrize("fps", [0.5, 1.0])
@pytest.mark.parametrize("name", CASES)
def test_same_events_at_a_look_a_second_and_in_two(name, fps):
    """Beginnings and ends are as near as looks that far apart can know them."""
    if fps in IN_STEP.get(name, ()):
        pytest.skip("the stage's detector misses in step with the looks")
    whole, found = events(CASES[name], 5.0, 720), events(CASES[name], fps, 720)
    assert [row[:2] for row in found] == [row[:2] for row in whole]
    for one, other in zip(found, whole, strict=True):
        assert one[2:] == pytest.approx(other[2:], abs=NEAR_S / min(1.0, fps))


def by_need(case, fps=5.0, *, comes=0.0):
    """(events, share of the looks) where the next look comes no sooner than the rules need it, but
    for the share `comes` of the pictures: something came there, and is looked at at once."""
    judge, told, due, given, next_s = sitting(case), [], 0, 0, -1.0
    rng = np.random.default_rng(4)
    for scene in case.stage.scenes(fps, 720):
        due += 1
        if scene.at.mono >= next_s or rng.random() < comes:
            given += 1
            told += judge.step(scene).findings
            next_s = scene.at.mono + judge.need_s - 0.25 / fps
    told += judge.finish(scene.at).findings
    ends = [f for f in told if f.phase == "end"]
    return sorted(
        (f.category, f.occurrence, f.began.mono, f.ended.mono if f.ended else -1.0) for f in ends
    ), given / due


def assert_same_by_need(name, *, comes=0.0):
    whole, (found, share) = events(CASES[name], 5.0, 720), by_need(CASES[name], comes=comes)
    assert [row[:2] for row in found] == [row[:2] for row in whole]
    for one, other in zip(found, whole, strict=True):
        assert one[2:] == pytest.approx(other[2:], abs=NEAR_S)
    return share


@pytest.mark.parametrize("name", [name for pair in SOME.values() for name in pair])
def test_same_events_at_the_looks_that_the_rules_need(name):
    assert_same_by_need(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_every_case_gives_the_same_events_at_the_looks_that_its_rules_need(name):
    """Also where a detector misses in step with looks that far apart."""
    assert_same_by_need(name)


@pytest.mark.parametrize("name", [pair[0] for pair in SOME.values()])
def test_same_events_where_more_is_looked_at_because_something_comes(name):
    assert_same_by_need(name, comes=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("comes", [0.05, 0.2])
@pytest.mark.parametrize("name", CASES)
def test_every_case_gives_the_same_events_where_more_is_looked_at(name, comes):
    assert_same_by_need(name, comes=comes)


def test_a_stall_is_looked_at_once_a_second_and_a_truck_each_time():
    assert assert_same_by_need("vendor-stays") < 0.3
    assert assert_same_by_need("open-load") == 1.0


@pytest.mark.parametrize("every_s", [2.0, 4.0, 6.0])
def test_sparse_pictures_still_tell_a_stall_by_the_shipped_limits(every_s):
    """What the hard-negative reel proves rests on this: at its rate a stall would be told."""
    case = CASES["vendor-stays"]
    found = events(case, 1 / every_s, 720)
    assert [row[0] for row in found] == ["street-vendor"]
    assert found[0][2] == pytest.approx(8.0, abs=every_s)

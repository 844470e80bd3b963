# SPDX-License-Identifier: AGPL-3.0-or-later
"""The same events at any analysed rate and any resolution, whatever the tracker and street do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage import Actor, Stage, parked
from stage_judge import judge, play, rule

SHORT = {"dwell_s": 30, "confirm_s": 10}
STAY = 40.0
RATES = (2.0, 5.0, 15.0, 25.0)
HEIGHTS = (480, 720, 1080)
# Limits and gaps are not asked about within so many seconds: no two rates agree on an instant.
CLEAR_S = 4.0

times = st.floats(0, 20).map(lambda t: round(t, 1))


@st.composite
def stays(draw):
    """A stall that stays clearly longer or shorter than it may, seen as badly as can be."""
    start = draw(times)
    length = draw(st.one_of(st.floats(8, STAY - CLEAR_S), st.floats(STAY + 24, 90)))
    end = start + round(length, 1)
    gap = round(start + draw(st.floats(2, 12)), 1)
    unseen = [(gap, gap + draw(st.sampled_from((0, 1.5, 8, 20))))] if draw(st.booleans()) else []
    switches = draw(st.lists(st.floats(start, end), max_size=4))
    stall = parked(
        "vendor_stall",
        draw(st.sampled_from((0.3, 0.5, 0.7))),
        0.75,
        start,
        end,
        unseen=[u for u in unseen if u[1] > u[0]],
        switches=sorted(switches),
    )
    return stall, length > STAY


@st.composite
def streets(draw):
    stall, stays_on = draw(stays())
    x = stall.way[0][1]
    keeper = parked("person", x + 0.06, 0.74, 0, 130, size=(0.04, 0.18))
    walkers = [
        Actor("person", [(t, 0.05, 0.85), (t + 9, 0.95, 0.85)], size=(0.05, 0.25))
        for t in draw(st.lists(st.floats(0, 90), max_size=3))
    ]
    cart = Actor("vendor_stall", [(3, 0.1, 0.93), (60, 0.9, 0.93)], size=(0.1, 0.14))
    actors = [stall, keeper, *walkers, *([cart] if draw(st.booleans()) else [])]
    return Stage(actors, 190, seed=draw(st.integers(0, 999))), stall, stays_on


@settings(max_examples=4, deadline=None)
@given(street=streets())
def test_one_event_at_every_rate_and_resolution(street):
    stage, stall, stays_on = street
    start, x = stall.way[0][0], stall.way[0][1]
    for fps, height in [(2.0, 720), (5.0, 480), (15.0, 1080), (25.0, 720)]:
        found = play(stage, judge(rule("street-vendor", **SHORT)), fps=fps, height=height)
        assert [f.phase for f in found] == (["new", "end"] if stays_on else []), (fps, height)
        if found:
            assert found[0].began.mono == pytest.approx(start, abs=1.5)
            assert found[0].place == pytest.approx((x, 0.75), abs=0.03)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=40, deadline=None)
@given(street=streets())
def test_one_event_at_every_rate_and_resolution_long(street):
    stage, _, stays_on = street
    for fps in RATES:
        for height in HEIGHTS:
            found = play(stage, judge(rule("street-vendor", **SHORT)), fps=fps, height=height)
            assert len(found) == (2 if stays_on else 0), (fps, height)


@settings(max_examples=25, deadline=None)
@given(
    stops=st.lists(st.floats(3, STAY - CLEAR_S), min_size=1, max_size=4),
    fps=st.sampled_from(RATES[:2]),
    switch=st.floats(0, 100),
)
def test_a_cart_that_always_moves_on_is_never_one(stops, fps, switch):
    way, t, x = [], 2.0, 0.1
    for stay in stops:
        way += [(t, x, 0.75), (t + stay, x, 0.75)]
        t, x = t + stay + 6.0, x + 0.22
    cart = Actor("vendor_stall", way, switches=(switch,))
    keeper = Actor("person", [(a, b + 0.06, c) for a, b, c in way], size=(0.04, 0.18))
    stage = Stage([cart, keeper], t + 50)
    assert play(stage, judge(rule("street-vendor", **SHORT)), fps=fps) == []


@pytest.mark.parametrize("fps", RATES)
def test_a_spillage_at_every_rate(fps):
    from stage_judge import zone

    truck = Actor("muck_truck", [(10, 0.12, 0.85), (18, 0.9, 0.85)], size=(0.22, 0.24))
    heap = parked("spillage", 0.5, 0.83, 14.5, 40, size=(0.06, 0.03), score=0.6)
    lane = (zone("lane-1", "lane"),)
    found = play(Stage([truck, heap], 70), judge(rule("road-spillage"), zones=lane), fps=fps)
    assert [f.phase for f in found] == ["new", "end"]
    assert found[0].began.mono == pytest.approx(14.5, abs=1.5)

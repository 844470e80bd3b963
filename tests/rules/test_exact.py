# SPDX-License-Identifier: AGPL-3.0-or-later
"""What stands, moves, belongs together and counts: limits of the rules, within and beyond."""

from dataclasses import replace

import numpy as np
import pytest

from edge.hold import Hold, Terms
from edge.rules.judge import RULES
from edge.rules.spot import Spot, alike, duplicate, patch_of, unlike
from edge.rules.view import Memory, Open, TrackCourses
from edge.rules.zones import OUTSIDE
from edge.values import Scene, Stamp, Track


def track(number=1, label="car", x=0.4, y=0.6, side=0.2, **more):
    """A square of this side (aspect 1) whose foot is at x, y."""
    box = (x - side / 2, y - side, x + side / 2, y)
    return Track(number, label, box, 0.9, Stamp(0, 0), Stamp(0, 0), **more)


def scene(now, *tracks):
    return Scene("c", Stamp(now, now), tracks, aspect=1.0)


def walked(speed, seconds=2.0, side=0.2, step=0.5):
    """The courses after a track went right at this speed, and where it is."""
    courses = TrackCourses()
    for n in range(int(seconds / step) + 1):
        last = track(x=0.3 + speed * n * step, side=side)
        courses.step(scene(n * step, last))
    return courses, last


# 0.12 sizes a second beyond what jitter alone comes to: 0.12 * 0.2 + 0.005.
@pytest.mark.parametrize(("speed", "moves"), [(0.0285, False), (0.0295, True), (0.005, False)])
def test_what_moves_does_so_by_its_own_size_beyond_jitter(speed, moves):
    courses, last = walked(speed)
    assert courses.moving(last, 1.0) is moves
    assert courses.course(last).speed(1.0) == pytest.approx(max(0.0, speed - 0.005) / 0.2)
    assert not courses.moving(track(99), 1.0), "nobody knows it yet"


def test_speed_is_of_the_last_two_seconds_and_looks_seconds_apart_count():
    courses = TrackCourses()
    for n in range(5):
        courses.step(scene(float(n), track(x=0.1 + 0.1 * n)))
    for n in range(5, 8):
        courses.step(scene(float(n), track(x=0.5)))
    assert courses.course(track()).velocity == pytest.approx((0.0, 0.0))
    slow = TrackCourses()
    for now, x in ((0.0, 0.3), (9.0, 0.39)):
        slow.step(scene(now, track(x=x)))
    assert slow.course(track()).velocity == pytest.approx((0.01, 0.0))


def test_pictures_closer_than_a_third_of_a_second_add_no_point():
    courses = TrackCourses()
    for n in range(17):
        courses.step(scene(n * 0.125, track(x=0.4)))
    times = [point[0] for point in courses.course(track()).points]
    assert times == [0.0, 0.375, 0.75, 1.125, 1.5, 1.875]


def test_how_long_it_stood_reaches_back_four_seconds():
    courses, last = walked(0.0, seconds=10.0)
    assert courses.course(last).stood_since(0.05, 1.0) == 6.0
    for now in (10.5, 11.0):
        courses.step(scene(now, track(x=0.36)))
    assert courses.course(last).stood_since(0.07, 1.0) == 7.0
    assert courses.course(last).stood_since(0.05, 1.0) == 10.5


@pytest.mark.parametrize(
    ("gap_s", "away", "label", "same"),
    [
        (3.0, 0.0, "car", True),
        (3.1, 0.0, "car", False),
        (1.0, 0.29, "car", True),
        (1.0, 0.31, "car", False),
        (1.0, 0.0, "bus", False),
    ],
)
def test_a_new_id_goes_on_with_a_track_that_broke_off_there(gap_s, away, label, same):
    courses, last = walked(0.0)
    after = track(2, label=label, x=0.3 + away)
    courses.step(scene(2.0 + gap_s, after))
    assert (courses.course(after).subject == courses.course(last).subject) is same
    came = courses.course(after).came[0]
    assert came == (0.0 if same else 2.0 + gap_s)


def test_a_track_that_moved_is_expected_further_on():
    courses, _ = walked(0.1, seconds=3.0)
    there = track(2, x=0.3 + 0.1 * 3.0 + 0.1 * 2.0)
    courses.step(scene(5.0, there))
    assert courses.course(there).subject == 1
    assert courses.course(there).velocity == pytest.approx((0.1, 0.0))


def test_predicted_boxes_are_no_looks_and_the_long_gone_are_forgotten():
    courses = TrackCourses()
    courses.step(scene(0.0, *(track(n, x=0.01 * n) for n in range(30))))
    courses.step(scene(5.0, track(50, coasted=True)))
    assert courses.course(track(50)) is None
    courses.step(scene(30.0, track(51)))
    assert courses.course(track(3)) is not None
    courses.step(scene(30.1, track(51)))
    assert courses.course(track(3)) is None
    assert courses.course(track(51)) is not None


# What is remembered of a place.


def opened(memory, key, place=(0.5, 0.5), category="a", size=0.2, wall=0.0, grid="g", **more):
    box = more.pop("box", (0.4, 0.4, 0.6, 0.6))
    case = Open(grid, category, box, **more)
    return memory.opened(key, case, place, size=size, aspect=1.0, now=Stamp(wall, wall))


@pytest.mark.parametrize(
    ("place", "category", "count"),
    [((0.5, 0.64), "a", 2), ((0.5, 0.66), "a", 1), ((0.5, 0.5), "b", 1)],
)
def test_the_same_place_lies_within_three_quarters_of_a_size(place, category, count):
    memory = Memory()
    assert opened(memory, "k1").count == 1
    again = opened(memory, "k2", place, category, wall=5.0)
    assert (again.count, again.key) == (count, "k1" if count == 2 else "")


def test_misdetections_neither_count_nor_are_named_and_count_again_when_taken_back():
    memory = Memory()
    opened(memory, "k1")
    memory.judged(["k1"])
    assert memory.open_in("g", "a") == 0
    wrong = opened(memory, "k2")
    assert (wrong.count, wrong.key) == (1, "")
    memory.judged([])
    right = opened(memory, "k3")
    assert (right.count, right.key) == (3, "k2")
    assert (memory.open_in("g", "a"), memory.open_in("g", "b"), memory.open_in(None, "a")) == (
        3, 0, 0,
    )  # fmt: skip
    memory.ended("k2", Stamp(9.0, 9.0))
    assert memory.open_in("g", "a") == 2


def test_a_case_is_caused_by_the_same_truck_or_at_the_same_place():
    memory = Memory()
    opened(memory, "truck", box=(0.1, 0.1, 0.2, 0.2), subject=7)
    other = Open("g", "b", (0.7, 0.7, 0.8, 0.8), subject=7)
    assert memory.cause_of("new", other) == "truck"
    assert memory.cause_of("new", replace(other, subject=None)) is None
    assert memory.cause_of("new", replace(other, category="a")) is None
    assert memory.cause_of("truck", other) is None
    for x2, same in ((0.2538, True), (0.254, False)):
        # Two squares of 0.1 that are 0.0538 apart: 0.0462 of 0.1538 is both, 0.3.
        beside = replace(other, subject=None, box=(x2 - 0.1, 0.1, x2, 0.2))
        assert (memory.cause_of("new", beside) == "truck") is same


# A place, and which track is there.


def spot(x=0.4, y=0.6, side=0.2, **more):
    one = track(x=x, y=y, side=side)
    parts = {
        "key": "k", "label": "car", "anchor": one.foot, "home": one.box, "size": side,
        "began": Stamp(0, 0), "hold": Hold(Terms(dwell_s=10.0), 0.0), "seen": Stamp(0, 0),
        "box": one.box, "verdict": OUTSIDE,
    }  # fmt: skip
    return Spot(**{**parts, **more})


def test_a_track_fits_best_on_the_anchor_and_not_beyond_the_rim():
    here = spot()
    assert here.fits(track(), 1.0) == 1.0
    rim = here.reach * 0.2
    assert here.fits(track(x=0.4 + rim * 0.999), 1.0) == pytest.approx(0.5, abs=0.01)
    far = track(x=0.9)
    assert here.fits(far, 1.0) == -1.0
    part = track(y=0.5, side=0.085)
    assert spot(reach=0.01).fits(part, 1.0) == 0.1, "what a passer-by left of it"
    assert spot(reach=0.01).fits(track(y=0.5, side=0.075), 1.0) == -1.0, "too little of it"


@pytest.mark.parametrize(
    ("second", "doubled"),
    [
        (track(2, y=0.6, side=0.1), True),
        (track(2, x=0.47, y=0.6, side=0.2), False),
        (track(2, x=0.466, y=0.6, side=0.2), True),
        (track(2, x=0.4, y=0.62, side=0.24), True),
        (track(2, x=0.9), False),
    ],
)
def test_a_second_box_on_the_same_thing_is_no_thing_of_its_own(second, doubled):
    assert duplicate([spot()], second, {0: track()}) is doubled


def test_likeness_is_of_structure_not_of_light():
    rng = np.random.default_rng(1)
    image = rng.integers(60, 160, (120, 120, 3)).astype(np.uint8)
    image = np.kron(image[:12, :12], np.ones((10, 10, 1), np.uint8))
    whole = patch_of(image, (0.0, 0.0, 1.0, 1.0))
    brighter = patch_of((image * 0.5 + 60).astype(np.uint8), (0.0, 0.0, 1.0, 1.0))
    assert whole.shape == (144,)
    assert alike(whole, whole) == pytest.approx(1.0)
    assert alike(whole, brighter) > 0.99
    assert patch_of(np.full((120, 120, 3), 90, np.uint8), (0.0, 0.0, 1.0, 1.0)) is None
    assert patch_of(image, (0.0, 0.0, 0.045, 1.0)) is None, "five pixels"
    assert patch_of(image, (0.0, 0.0, 0.05, 1.0)) is not None, "six"


def test_looks_of_another_kind_say_nothing():
    assert unlike((1.0, 0.0), (0.0, 1.0)) == 1.0
    assert unlike((1.0, 0.0), (1.0, 0.0)) == 0.0
    assert unlike((1.0, 0.0), (1.0, 0.0, 0.0)) == unlike(None, (1.0,)) == unlike((1.0,), None) == 0


# What docs/rules.md says of the kinds: what each needs, and how it has to be looked at.
KINDS = {
    "WITH_FILE": {"haulage"},
    "FROM_PICTURES": {"spill", "state"},
    "FAINT": {"grilling", "plume"},
    "BRIEF": {"dumping", "haulage", "spill", "uncovered", "wash"},
}
LOOKS_S = {"plume": 0.3, **dict.fromkeys(KINDS["BRIEF"], 0.2)}


@pytest.mark.parametrize("flag", KINDS)
def test_what_each_kind_needs_to_be_judged(flag):
    assert {name for name, kind in RULES.items() if getattr(kind, flag)} == KINDS[flag]


def test_how_far_apart_the_looks_of_each_kind_may_be():
    assert {name: kind.LOOK_S for name, kind in RULES.items() if kind.LOOK_S != 1.0} == LOOKS_S

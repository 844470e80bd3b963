# SPDX-License-Identifier: AGPL-3.0-or-later
"""What stands, moves, belongs together and counts: limits of the rules, within and beyond."""

import json
from dataclasses import replace
from datetime import timezone

import msgspec
import numpy as np
import pytest

from edge.config.dated import Calendar
from edge.hold import Hold, Terms
from edge.rules.judge import RULES
from edge.rules.passage import Passages, _unclipped
from edge.rules.snapshots import MemorySnapshot, SpotSnapshot
from edge.rules.spot import Spot, alike, duplicate, new_spot, patch_of, unlike
from edge.rules.trucks import PlateMatch
from edge.rules.vetting import WORDS, Vetted
from edge.rules.view import Memory, Open, SceneView, TrackCourses
from edge.rules.zones import OUTSIDE, WHOLE_FRAME, LocalMoment, ZoneMap
from edge.values import Scene, Stamp, Track


def track(number=1, label="car", x=0.4, y=0.6, side=0.2, score=0.9, **more):
    """A square of this side (aspect 1) whose foot is at x, y."""
    box = (x - side / 2, y - side, x + side / 2, y)
    return Track(number, label, box, score, Stamp(0, 0), Stamp(0, 0), **more)


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


# A truck on its way.


class Road:
    """Trucks that come by, as a rule follows them."""

    def __init__(self, min_score=0.5):
        self.courses, self.memory = TrackCourses(), Memory()
        self.trucks = Passages("c/haul", ("truck", "car"), min_score)

    def step(self, now, *tracks):
        seen = scene(now, *tracks)
        self.courses.step(seen)
        moment = LocalMoment.of(seen.at, timezone.utc, Calendar())
        view = SceneView(seen, moment, self.courses, ZoneMap([WHOLE_FRAME]), self.memory)
        return self.trucks.step(view)


def test_a_truck_is_followed_from_where_it_came_to_its_furthest():
    road = Road()
    for n in range(11):
        (truck,) = road.step(n * 0.5, track(x=0.2 + 0.05 * n, score=0.5 + 0.04 * n))
    assert truck.key == "c/haul/200-600/0.000"
    assert truck.seen_s == 5.0 and truck.stood_s <= 1.0
    assert truck.moved(1.0) == pytest.approx(0.5 / 0.2)
    assert truck.facts(1.0) == {
        "class": "car", "seen_s": 5.0, "displacement": 2.5, "best_score": 0.9, "track_ids": 1,
        "truck_box": [0.6, 0.4, 0.8, 0.6], "truck_at_s": 5.0,
    }  # fmt: skip
    assert truck.moments() == (5.0, 1.0, 4.0)
    (truck,) = road.step(5.5, track(x=0.2))
    assert truck.moved(1.0) == pytest.approx(2.5), "the furthest it has been"


def test_looks_closer_than_a_fifth_of_a_second_add_no_point_and_240_are_kept():
    road = Road()
    for n in range(21):
        (truck,) = road.step(n * 0.125, track())
    assert [round(at, 3) for at, _ in truck.way] == [n * 0.25 for n in range(11)]
    for n in range(11, 400):
        (truck,) = road.step(n * 0.25, track())
    assert len(truck.way) == 240
    assert truck.stood_s == pytest.approx(truck.seen_s)


@pytest.mark.parametrize(("after_s", "adds"), [(1.0, 1.0), (2.0, 2.0), (9.0, 2.0)])
def test_time_that_nobody_looked_counts_for_two_seconds_at_most(after_s, adds):
    road = Road()
    road.step(0.0, track())
    (truck,) = road.step(after_s, track())
    assert truck.seen_s == adds


def test_weak_boxes_keep_a_truck_and_start_one_from_three_fifths_of_the_score():
    road = Road(min_score=0.5)
    assert road.step(0.0, track(score=0.29)) == []
    assert len(road.step(0.1, track(score=0.3))) == 1
    assert road.step(0.2, track(label="person")) == []


def test_a_truck_has_left_after_two_seconds_and_is_remembered_for_a_quarter_of_an_hour():
    road = Road()
    road.step(0.0, track())
    assert road.trucks.left(1.9) == [] and len(road.trucks.left(2.0)) == 1
    road.step(900.0)
    assert len(road.trucks.all()) == 1
    road.step(900.1)
    assert road.trucks.all() == []


def test_an_id_that_changes_is_counted_and_the_truck_goes_on():
    road = Road()
    road.step(0.0, track(1))
    road.step(0.5, track(1))
    (truck,) = road.step(1.0, track(2))
    assert (truck.ids, len(road.trucks.all())) == (2, 1)


@pytest.mark.parametrize(
    ("place", "times"),
    [
        ((0.28, 0.5, 0.32, 0.55), (0.0, 0.125)),
        ((0.48, 0.5, 0.52, 0.55), (0.125, 0.5)),
        ((0.28, 0.4, 0.32, 0.45), None),
        ((0.28, 0.5, 0.32, 0.62), (0.0, 0.125)),
        ((0.28, 0.5, 0.32, 0.64), None),
    ],
)
def test_the_ground_that_a_truck_covered_is_below_its_lower_half(place, times):
    road = Road()
    road.step(0.0, track(x=0.3))
    (truck,) = road.step(0.5, track(x=0.7))
    found = truck.over(place)
    assert (found is None) is (times is None)
    if times:
        assert found == pytest.approx(times, abs=0.13)
    assert [at for at, _ in truck.between()] == [0.0, 0.125, 0.25, 0.375, 0.5]
    assert truck.between()[2][1] == pytest.approx((0.4, 0.4, 0.6, 0.6))


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        ((0.1, 0.1, 0.5, 0.98), 1.0),
        ((0.1, 0.1, 0.5, 0.989), 0.25),
        ((0.011, 0.1, 0.5, 0.9), 0.5),
        ((0.1, 0.011, 0.5, 0.9), 0.5),
        ((0.5, 0.1, 0.989, 0.9), 0.5),
        ((0.5, 0.013, 0.987, 0.987), 1.0),
    ],
)
def test_a_truck_that_the_picture_cuts_off_is_no_good_look(box, whole):
    assert _unclipped(box) == whole


def test_the_best_look_is_the_largest_surest_and_whole():
    road = Road()
    road.step(0.0, track(y=0.6, side=0.2, score=0.9))
    road.step(0.5, track(y=0.6, side=0.21, score=0.8))
    (truck,) = road.step(1.0, track(y=0.995, side=0.4, score=0.9))
    assert truck.best[0] == 0.0
    (truck,) = road.step(1.5, track(y=0.7, side=0.22, score=0.9))
    assert truck.best[0] == 1.5


@pytest.mark.parametrize(("shuffle", "since"), [(0.0, 6.0), (0.09, 6.0), (0.11, 8.0)])
def test_the_clock_of_a_place_runs_since_its_track_came_to_a_stand(shuffle, since):
    road, one = Road(), None
    for n in range(21):
        one = track(x=0.4 + (shuffle if n >= 16 else 0.0))
        road.step(n * 0.5, one)
    view = SceneView(
        scene(10.0, one), LocalMoment.of(Stamp(10, 10), timezone.utc, Calendar()),
        road.courses, ZoneMap([WHOLE_FRAME]), road.memory,
    )  # fmt: skip
    made = new_spot(view, "c/haul", Terms(dwell_s=10.0), one, OUTSIDE)
    assert made.began.mono == since and made.hold.held_s == 10.0 - since
    assert made.tallies == {"seen": 10.0 - since}
    assert made.key == f"c/haul/{one.foot[0] * 1000:.0f}-600/{since:.3f}"
    assert made.size == pytest.approx(0.2)


# What a place keeps over a restart.


def test_a_place_comes_back_from_its_snapshot_on_the_clock_of_now():
    patch = np.linspace(-0.1, 0.1, 144, dtype=np.float32)
    first = spot(
        began=Stamp(10.0, 1010.0, "ntp", 1.0), seen=Stamp(20.0, 1020.0), state="open", reach=0.7,
        decided=Stamp(15.0, 1015.0), reported_mono=15.0, occurrence=3, outcome="self_corrected",
        reminded="left", ids=4, gaps=2, score=0.8, allowed=True, suppressed=True,
        tallies={"seen": 9.0}, look=(0.6, 0.8), patch=patch, zone_id="yard",
    )  # fmt: skip
    first.hold.step(5.0, "seen")
    stored = json.loads(msgspec.json.encode(first.snapshot()))
    again = Spot.restore(msgspec.convert(stored, SpotSnapshot), Terms(dwell_s=10.0), 100.0)
    assert (again.began.mono, again.began.wall, again.seen.mono) == (110.0, 1010.0, 120.0)
    assert (again.decided.mono, again.reported_mono) == (115.0, 115.0)
    assert again.hold.held_s == first.hold.held_s == 5.0
    for name in (
        *("key", "label", "anchor", "home", "size", "reach", "box", "state", "verdict"),
        *("occurrence", "outcome", "reminded", "ids", "gaps", "score", "allowed", "suppressed"),
        *("tallies", "look", "zone_id"),
    ):
        assert getattr(again, name) == getattr(first, name), name
    assert again.patch == pytest.approx(patch, abs=1e-4)
    assert list(stored) == [
        *("key", "label", "anchor", "home", "size", "began", "hold", "seen", "box", "state"),
        *("decided", "told", "zone", "occurrence", "outcome", "reminded", "counts", "lawful"),
        *("tallies", "look", "patch", "zone_id"),
    ]
    bare = json.loads(msgspec.json.encode(spot().snapshot()))
    del bare["reminded"]
    again = Spot.restore(msgspec.convert(bare, SpotSnapshot), Terms(dwell_s=10.0), 0.0)
    assert (again.decided, again.look, again.patch, again.reminded) == (None, None, None, "")


def test_what_is_remembered_of_places_comes_back():
    memory = Memory()
    opened(memory, "k1", wall=5.0)
    opened(memory, "k2", wall=9.0)
    opened(memory, "k3", (0.9, 0.9), "b", grid="h")
    memory.ended("k1", Stamp(9.0, 9.0))
    memory.suppressed("a", "zone")
    memory.suppressed("a", "zone")
    stored = json.loads(msgspec.json.encode(memory.snapshot()))
    assert stored["suppressed"] == {"zone/a": 2}
    again = Memory.restore(msgspec.convert(stored, MemorySnapshot))
    assert again.snapshot() == memory.snapshot()
    assert (again.open_in("g", "a"), again.open_in("h", "b")) == (1, 1)
    assert opened(again, "k4", wall=20.0).count == 3


# Words of a truck's papers.


@pytest.mark.parametrize(
    ("status", "state", "review", "breach", "en"),
    [
        ("registered", "valid", False, False, None),
        ("registered", "expired", False, True, None),
        ("unregistered", None, True, False, "not in the truck file; please review"),
        ("unknown", None, True, False, "plate unknown (too short); please review"),
    ],
)
def test_why_a_truck_is_reported_or_reviewed(status, state, review, breach, en):
    found = Vetted(PlateMatch(status, None, why="too short"), state)
    assert (found.review, found.breach) == (review, breach)
    assert found.why[1] == (en or WORDS[state][1])
    assert found.facts()["why_en"] == found.why[1]
    assert (found.facts()["company"], found.facts()["off_line_m"]) == (None, None)

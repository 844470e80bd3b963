# SPDX-License-Identifier: AGPL-3.0-or-later
"""Spillage by comparison of the road before and after a truck, without any detection of it."""

import cv2
import pytest
from road import Road, darker, heap, mud
from stage_judge import judge, rule, zone

LANE = (zone("lane-1", "lane"),)


def told(road, category="road-spillage", length=30.0, fps=3.0, **more):
    sitting = judge(rule(category, **more), zones=LANE)
    found = []
    for scene in road.scenes(length, fps):
        found += sitting.step(scene).findings
    return found


@pytest.mark.parametrize("size", [(480, 270), (960, 540)])
@pytest.mark.parametrize("fps", [2.0, 5.0])
def test_new_matter_behind_a_truck_is_a_case(size, fps):
    (new,) = told(Road(size=size, paints=[heap(15.0)]), fps=fps)
    assert new.phase == "new"
    assert new.facts["heap_by"] == "before/after pictures"
    assert new.place == pytest.approx((0.5, 0.82), abs=0.05)
    assert new.began.mono == pytest.approx(15.0, abs=6.0)
    roles = [role for role, _ in new.moments]
    assert {"before", "after", "overview", "plate"} <= set(roles)
    at = dict(new.moments)
    assert at["before"] < 12.0 < at["plate"] < 18.0 < at["after"]


@pytest.mark.parametrize(
    "road",
    [
        Road(),
        Road(paints=[heap(0.0)]),
        Road(paints=[heap(15.0)], truck_seen=False),
        Road(paints=[heap(15.0, y=0.5)]),
        Road(paints=[darker(13.0, 99.0, 0.7)]),
        Road(paints=[darker(13.0, 99.0, 0.5)]),
        Road(light=lambda t: 1.0 if t < 15.0 else 0.7),
        Road(light=lambda t: 1.0 if t < 15.0 else 1.35),
        Road(shake_px=1.5),
        Road(noise=9.0),
        Road(light=lambda t: 0.25, noise=6.0),
        Road(light=lambda t: 1.0 + 0.02 * t),
    ],
    ids=[
        "nothing new",
        "lay there before",
        "no truck",
        "beside its way",
        "shadow",
        "water",
        "darker exposure",
        "brighter exposure",
        "wind",
        "noise",
        "night",
        "dawn",
    ],
)
def test_what_is_no_spillage(road):
    assert told(road) == []


@pytest.mark.parametrize(
    "road",
    [
        Road(paints=[heap(15.0)], light=lambda t: 1.0 if t < 15.0 else 0.75),
        Road(paints=[heap(15.0)], shake_px=1.0),
        Road(paints=[heap(15.0)], light=lambda t: 0.4, noise=4.0),
        Road(paints=[heap(15.0, scale=0.7)]),
        Road(paints=[heap(0.0, x=0.25), heap(15.0, x=0.7)]),
        Road(paints=[darker(13.0, 99.0, 0.7, x=0.25), heap(15.0, x=0.7)]),
    ],
    ids=["other exposure", "wind", "dusk", "small", "beside an old heap", "beside a shadow"],
)
def test_spillage_is_found_in_spite_of(road):
    assert [f.phase for f in told(road)] == ["new"]


def test_swept_away_ends_the_case():
    gone = heap(15.0)

    def until_26(image, t):
        if t < 26.0:
            gone(image, t)

    new, end = told(Road(paints=[until_26]), length=44.0)
    assert (new.phase, end.phase) == ("new", "end")
    assert end.facts["ended_because"] == "seen empty"


def test_mud_of_wheels_is_its_own_category():
    road = Road(paints=[mud(15.0)])
    assert [f.category for f in told(road, "mud-tracks")] == ["mud-tracks"]
    assert told(road, "road-spillage") == []
    assert told(Road(paints=[heap(15.0)]), "mud-tracks") == []


def test_grey_pictures_are_compared_too():
    road = Road(paints=[heap(15.0, colour=(200, 200, 200))])
    colour = road.picture
    road.picture = lambda t: cv2.cvtColor(colour(t), cv2.COLOR_BGR2GRAY)
    assert [f.phase for f in told(road)] == ["new"]


def lorries(speed: float, size: float = 0.16):
    """A queue that creeps over the lane, of which the detector sees nothing (haze)."""

    def paint(image, t):
        h, w = image.shape[:2]
        for k in range(6):
            x = (k * 0.3 + speed * t) % 1.8 - 0.4
            a, b = (int(x * w), int(0.62 * h)), (int((x + size) * w), int(0.84 * h))
            cv2.rectangle(image, a, b, (150 + 10 * (k % 3), 150, 160 - 12 * (k % 3)), -1)

    return paint


@pytest.mark.parametrize("speed", [0.02, 0.08, 0.3])
def test_a_road_under_creeping_lorries_was_never_known_empty(speed):
    assert told(Road(paints=[lorries(speed)]), length=45.0) == []
    assert told(Road(comes=1.0, paints=[lorries(speed)]), length=45.0) == []


def test_a_truck_that_was_there_from_the_start_says_nothing_of_the_road_before_it():
    assert told(Road(comes=0.0, paints=[heap(3.0)]), length=30.0) == []


def test_what_moves_on_after_the_truck_is_no_matter():
    def cart(image, t):
        if t >= 15.0:
            h, w = image.shape[:2]
            x = 0.45 + 0.01 * (t - 15.0) * 4
            a, b = (int(x * w), int(0.74 * h)), (int((x + 0.06) * w), int(0.82 * h))
            cv2.rectangle(image, a, b, (40, 75, 105), -1)

    assert told(Road(paints=[cart]), length=30.0) == []

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the rules measure in pictures, zones and clocks, in numbers: the same on every board."""

import copy
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
import pytest

from edge.config import When, Zone
from edge.config.dated import Calendar
from edge.rules import lane, taught
from edge.rules.lane import Aftermath, Backdrop, swept, thumb
from edge.rules.snapshots import StampRow
from edge.rules.stirring import Ground
from edge.rules.taught import TaughtPlace, cells_of, held_out, square, tone_of
from edge.rules.zones import (
    OUTSIDE,
    LocalMoment,
    ZoneMap,
    ZoneRule,
    at_mono,
    reread,
    shift_between,
    when_fits,
)
from edge.values import Stamp

# A taught place.

BOX = (0.33, 0.2, 0.67, 0.8)


def bin_(seed, look, light=1.0, haze=0.0):
    """A bin before a wall of coloured stones, empty or overflowing."""
    picture = np.full((240, 320, 3), (90, 100, 110), np.float32)
    for n in range(14):
        x, y = np.random.default_rng(100 + n).integers(0, 300, 2)
        colour = np.random.default_rng(200 + n).uniform(40, 200, 3).tolist()
        cv2.rectangle(picture, (int(x), int(y)), (int(x) + 24, int(y) + 16), colour, -1)
    cv2.rectangle(picture, (120, 80), (200, 190), (60, 120, 60), -1)
    if look == "full":
        cv2.circle(picture, (160, 84), 34, (40, 60, 190), -1)
        cv2.circle(picture, (140, 96), 16, (200, 200, 210), -1)
    noise = np.random.default_rng(seed).normal(0, 3, picture.shape)
    return np.clip(picture * light * (1 - haze) + 190 * haze + noise, 0, 255).astype(np.uint8)


TAUGHT = ((1, 1.0), (2, 0.8), (3, 1.15), (4, 0.9))


@pytest.fixture(scope="module")
def looks():
    return {
        look: [square(bin_(seed, look, light), BOX) for seed, light in TAUGHT]
        for look in ("empty", "full")
    }


@pytest.fixture(scope="module")
def place(looks):
    return TaughtPlace(looks)


@pytest.mark.parametrize(
    ("seen", "look", "why", "margin", "odd"),
    [
        (("empty", 1.0, 0.0), "empty", "", 21.70, 0.569),
        (("full", 1.0, 0.0), "full", "", 21.20, 0.567),
        (("full", 0.6, 0.0), "full", "", 21.06, 0.526),
        (("full", 1.0, 0.4), "full", "", 19.93, 0.525),
        (("empty", 0.7, 0.3), None, "flat", 0.0, 0.0),
    ],
)
def test_how_sure_a_place_is_of_its_look(place, seen, look, why, margin, odd):
    answer = place.tell(square(bin_(9, *seen), BOX))
    assert (answer.look, answer.why) == (look, why)
    assert (answer.margin, answer.odd) == pytest.approx((margin, odd), rel=0.01)


def test_the_cells_of_a_place_in_both_ways_of_undoing_the_light(looks):
    cells = cells_of(looks["full"][0], tone_of(looks["full"]))
    assert cells.shape == (2, 144, 11)
    assert cells.mean(axis=(1, 2)) == pytest.approx((0.14477, 0.16547), rel=1e-3)
    assert cells.std(axis=(1, 2)) == pytest.approx((0.25341, 1.12803), rel=1e-3)
    assert np.abs(cells).max() == pytest.approx(8.0)


def test_a_place_is_judged_by_the_pictures_left_out_where_a_look_can_spare_one(looks):
    found = held_out(looks)
    assert (found.right, found.wrong, found.untold) == (6, 0, 2)
    assert (found.count, found.accuracy) == (8, 1.0)
    few = held_out({**looks, "full": looks["full"][:3]})
    assert (few.count, few.wrong) == (7, 0) and few.untold >= 3


@pytest.mark.parametrize(("off", "told"), [(0, True), (3, True), (5, True), (9, False)])
def test_a_camera_may_be_off_by_five_pixels_of_the_square(place, off, told):
    image = bin_(9, "full")
    pixel = (BOX[2] - BOX[0]) * image.shape[1] / taught.SIDE
    moved = np.roll(image, round(off * pixel), axis=1)
    answer = place.tell(square(moved, BOX))
    assert (answer.look == "full") is told
    assert told or answer.why in ("moved", "covered", "between")


@pytest.mark.parametrize(
    ("grey", "bright", "dark"), [(19.0, 39.0, True), (19.0, 42.0, False), (21.0, 22.0, False)]
)
def test_where_nothing_is_seen(place, grey, bright, dark):
    cut = np.full((96, 96, 3), grey, np.float32)
    cut[16:80, 16:24] = bright
    cut[16:80, 24:80] -= (bright - grey) / 7
    assert (place.tell(np.round(cut).astype(np.uint8)).why == "dark") is dark


@pytest.mark.parametrize(("covered", "why"), [(0.18, ""), (0.181, "covered")])
def test_how_much_may_stand_before_a_place(place, covered, why):
    assert place.tell(square(bin_(9, "full"), BOX), covered=covered).why == why


def test_three_pictures_of_two_looks_are_the_least(looks):
    few = {look: cuts[:3] for look, cuts in looks.items()}
    assert TaughtPlace(few).names == ("empty", "full")
    for wrong in ({"empty": few["empty"]}, {**few, "full": few["full"][:2]}):
        with pytest.raises(ValueError, match="of 3 pictures"):
            TaughtPlace(wrong)


def test_a_square_reaches_a_quarter_beyond_the_place_and_the_edge_goes_on():
    image = np.zeros((100, 100, 3), np.uint8)
    image[40:60, 40:60] = 255
    cut = square(image, (0.4, 0.4, 0.6, 0.6))
    assert cut.shape == (96, 96, 3)
    assert cut[20:76, 20:76].min() > 200 and cut[:12].max() < 40
    image[:, 90:] = 255
    assert square(image, (0.9, 0.4, 1.0, 0.6))[:, 85:].min() > 200


# A lane before and after.

NOBODY = np.zeros((0, 4), np.float32)
MATTER = (70, 84, 80, 110)


def road(seed, matter=None, shade=None, light=1.0):
    picture = np.full((108, 192, 3), (96, 100, 104), np.float32)
    picture[:, ::16] += 30
    picture[40:44] += 50
    if shade:
        top, low, left, right = shade
        picture[top:low, left:right] *= 0.6
    if matter:
        top, low, left, right = matter
        picture[top:low, left:right] = (40, 70, 120)
    noise = np.random.default_rng(seed).normal(0, 2, picture.shape)
    return np.clip(picture * light + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def backdrop():
    found = Backdrop()
    taken = [found.look(road(n), n * 0.25, NOBODY) for n in range(60)]
    assert sum(taken) == 30, "twice a second"
    return found


def test_a_road_is_known_after_four_looks_that_are_two_and_a_half_seconds_old(backdrop):
    assert backdrop.before(5.49) is None
    middle, known = backdrop.before(5.5)
    assert known.mean() > 0.99
    assert middle[20, 8] == pytest.approx((96, 100, 104), abs=3.5)
    old = Backdrop()
    for second in range(41):
        old.look(road(second), float(second), NOBODY)
    assert old.before(15.4) is None and old.before(15.5) is not None, "kept for 30 s"


@pytest.mark.parametrize(("jump", "empty"), [(8.0, True), (40.0, False)])
def test_ground_that_looks_otherwise_each_time_was_never_known_empty(jump, empty):
    one = Backdrop()
    for second in range(12):
        picture = road(second).astype(np.float32)
        picture[60:80, 60:100] += jump * (second % 2)
        one.look(np.clip(picture, 0, 255).astype(np.uint8), float(second), NOBODY)
    _, known = one.before(14.0)
    assert bool(known[62:78, 62:98].mean() > 0.9) is empty
    assert known[:50].mean() > 0.95


def test_pixels_under_a_track_are_used_by_nobody():
    one = Backdrop()
    car = np.array([[0.25, 0.25, 0.5, 0.5]], np.float32)
    for second in range(12):
        one.look(road(second), float(second), car)
    _, known = one.before(14.0)
    rows, columns = np.nonzero(~known)
    assert (rows.min(), rows.max()) == (26, 54), "and a little round it"
    assert (columns.min(), columns.max()) == (46, 97)


def test_the_ground_a_truck_went_over_is_the_lower_half_of_its_boxes():
    rows, columns = np.nonzero(swept([(0.3, 0.2, 0.7, 0.9)]))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (58, 100, 56, 135)
    rows, _ = np.nonzero(swept([(0.3, 0.2, 0.7, 1.0)]))
    assert rows.max() == 107
    assert not swept([]).any()


PATCH = {"area": 0.020255, "elongation": 2.14, "breadth": 0.072917}


@pytest.mark.parametrize(
    ("change", "contrast", "quiet", "levels"),
    [
        ({"matter": MATTER}, 50.9, 0, 57.03),
        ({"matter": MATTER, "light": 1.3}, 66.2, 0, 74.03),
        ({"shade": MATTER}, None, 2, 41.92),
        ({"matter": (5, 15, 5, 20)}, None, 2, 1.96),
        ({}, None, 2, 1.96),
    ],
)
def test_what_lies_there_that_did_not_lie_there_before(backdrop, change, contrast, quiet, levels):
    after = Aftermath(backdrop.before(14.75), swept([(0.3, 0.2, 0.7, 0.9)]))
    assert after.change_in((0.45, 0.68, 0.55, 0.75)) is None
    found = []
    for n in range(5):
        one = Backdrop()
        one.look(road(100 + n, **change), float(n), NOBODY)
        found.append(after.look(one.fresh))
    assert [len(patches) for patches in found] == [0, 0, 0, *[int(contrast is not None)] * 2]
    assert after.quiet == quiet
    assert after.change_in((0.45, 0.68, 0.55, 0.75)) == pytest.approx(levels, rel=0.02)
    assert after.change_in((0.0, 0.0, 0.05, 0.05)) is None, "far from the truck's way"
    for patch in found[-1]:
        assert patch.box == pytest.approx((0.421875, 0.657407, 0.578125, 0.787037), abs=1e-4)
        assert patch.contrast == pytest.approx(contrast, abs=0.5)
        assert {name: getattr(patch, name) for name in PATCH} == pytest.approx(PATCH, rel=1e-3)
        assert patch.length == pytest.approx(2.14 * 0.072917, rel=1e-3)


def test_what_moves_from_look_to_look_is_no_matter(backdrop):
    after = Aftermath(backdrop.before(14.75), swept([(0.3, 0.2, 0.7, 0.9)]))
    for n in range(6):
        one = Backdrop()
        one.look(road(100 + n, matter=(70, 84, 60 + 12 * n, 70 + 12 * n)), float(n), NOBODY)
        assert after.look(one.fresh) == []


def test_a_thumb_has_one_size_and_three_colours():
    assert thumb(np.zeros((1080, 1920, 3), np.uint8)).shape == (108, 192, 3)
    grey = thumb(np.full((50, 60), 7, np.uint8))
    assert grey.shape == (108, 192, 3) and (grey == 7).all()
    assert lane.covered(np.array([[0.5, 0.5, 0.5, 0.5]], np.float32)).sum() == 4 * 2


# Zones.


def moment(hour=12, minute=0, day=2, **calendar):
    at = datetime(2026, 3, day, hour, minute, tzinfo=timezone.utc)
    return LocalMoment(at, Calendar(**calendar) if calendar else Calendar())


def zone(name, x1, x2, kind="watch", **more):
    return Zone(id=name, kind=kind, polygon=((x1, 0.0), (x2, 0.0), (x2, 1.0), (x1, 1.0)), **more)


def test_shares_of_a_box_are_exact():
    zones = ZoneMap([zone("left", 0.0, 0.5), zone("middle", 0.25, 0.75)])
    boxes = np.array(
        [[0.0, 0.0, 1.0, 1.0], [0.4, 0.1, 0.6, 0.3], [0.6, 0.0, 0.7, 0.1],
         [-1.0, 0.0, 0.5, 2.0]], np.float32,
    )  # fmt: skip
    assert zones.shares(boxes) == pytest.approx(
        np.array([[0.5, 0.5], [0.5, 1.0], [0.0, 1.0], [1.0, 0.5]]), abs=1e-3
    )
    triangle = ZoneMap([Zone(id="t", polygon=((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))])
    (half, corner), whole = triangle.shares(boxes[:2])[:, 0], triangle.shares(boxes[:1])[0, 0]
    assert (half, whole, corner) == pytest.approx((0.5, 0.5, 1.0), abs=2e-3)


ZONES = (
    zone("street", 0.0, 1.0, permit=None),
    zone("market", 0.0, 1.0, "permitted", permit="P-1", grid="g-2",
         when=When(hours=("08:00-10:00",))),
    zone("door", 0.0, 1.0, "forbidden", categories=("vendor",)),
    zone("front", 0.0, 1.0, "frontage"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("shares", "hour", "allowed", "zones"),
    [
        ((0.4, 0.5, 0.39, 0.0), 9, True, ("market",)),
        ((0.4, 0.49, 0.39, 0.0), 9, False, ("street",)),
        ((0.4, 0.5, 0.39, 0.0), 11, False, ("street",)),
        ((0.4, 0.5, 0.4, 0.0), 9, False, ("door",)),
        ((0.4, 0.0, 0.0, 0.49), 9, False, ("street",)),
    ],
)
def test_what_the_zones_say_of_a_place(shares, hour, allowed, zones):
    rule = ZoneRule(ZONES, category="vendor", asked=[0], leaving=("frontage",))
    verdict = rule.ask(shares, moment(hour))
    assert (verdict.judged, verdict.decision.allowed, verdict.decision.zones) == (
        True, allowed, zones,
    )  # fmt: skip
    assert verdict.decision.permit == ("P-1" if allowed else None)
    assert rule.grid_of(verdict.decision) == ("g-2" if allowed else None)
    assert rule.strongest(shares, moment(hour)) == 1
    assert rule.on_kind("forbidden", shares, moment(hour)) is (shares[2] >= 0.4)


@pytest.mark.parametrize("shares", [(0.39, 1.0, 1.0, 0.0), (1.0, 0.0, 0.0, 0.5)])
def test_ground_that_nobody_asked_about_or_left_to_another_is_outside(shares):
    rule = ZoneRule(ZONES, category="vendor", asked=[0], leaving=("frontage",))
    assert rule.ask(shares, moment()) == OUTSIDE
    other = ZoneRule(ZONES, category="other", asked=[0])
    assert other.ask((1.0, 0.0, 1.0, 0.0), moment()).decision.zones == ("street",)


@pytest.mark.parametrize(
    ("when", "hour", "minute", "fits"),
    [
        (When(hours=("08:00-10:30",)), 8, 0, True),
        (When(hours=("08:00-10:30",)), 7, 59, False),
        (When(hours=("08:00-10:30",)), 10, 29, True),
        (When(hours=("08:00-10:30",)), 10, 30, False),
        (When(hours=("22:00-06:00",), weekdays=("mon",)), 22, 0, True),
        (When(hours=("22:00-06:00",), weekdays=("mon",)), 5, 59, False),
        (When(hours=("22:00-06:00",), weekdays=("sun",)), 5, 59, True),
        (When(hours=("22:00-06:00",), weekdays=("sun",)), 6, 0, False),
        (When(from_date="2026-03-02", to_date="2026-03-02"), 0, 0, True),
        (When(from_date="2026-03-03"), 0, 0, False),
        (When(to_date="2026-03-01"), 0, 0, False),
        (When(season=("03-02", "03-02")), 0, 0, True),
        (When(season=("11-01", "03-02")), 0, 0, True),
        (When(season=("11-01", "03-01")), 0, 0, False),
        (When(season=("11-01", "02-01")), 0, 0, False),
    ],
)
def test_windows_to_the_minute_and_the_day(when, hour, minute, fits):
    assert when_fits(when, moment(hour, minute)) is fits, "Monday, 2 March 2026"


def test_every_minute_of_every_day_has_its_own_number():
    start = datetime(2026, 3, 1, tzinfo=timezone.utc)
    numbers = {
        LocalMoment(start + timedelta(minutes=n), Calendar()).minute for n in range(3 * 1440)
    }
    assert len(numbers) == 3 * 1440
    assert max(numbers) - min(numbers) == 3 * 1440 - 1


# Clocks.


def test_a_stamp_comes_back_as_it_was_and_is_shifted():
    at = Stamp(5.0, 100.0, "gnss", 3.0)
    assert StampRow.of(at).stamp(0.0) == at
    assert StampRow.of(at).stamp(2.5).mono == 7.5


@pytest.mark.parametrize(
    ("before", "after", "shift_s", "down_s"),
    [
        ("ntp", "ntp", -1050.0, 50.0),
        ("holdover", "recording", -1050.0, 50.0),
        ("unsynced", "ntp", -1000.0, 0.0),
        ("ntp", "unsynced", -1000.0, 0.0),
    ],
)
def test_how_long_nobody_watched(before, after, shift_s, down_s):
    saved, now = Stamp(1010.0, 500.0, before, 1.0), Stamp(10.0, 550.0, after, 1.0)
    assert shift_between(saved, now) == (shift_s, down_s)
    assert shift_between(replaced(saved, 600.0), now)[1] == 0.0, "a clock set back"


def replaced(at, wall):
    return Stamp(at.mono, wall, at.quality, at.error_ms)


@pytest.mark.parametrize(
    ("was", "now", "stepped_s", "again"),
    [
        ("unsynced", "ntp", 1.0, False),
        ("unsynced", "ntp", 1.1, True),
        ("unsynced", "ntp", -1.1, True),
        ("unsynced", "holdover", 9.0, True),
        ("holdover", "gnss", 9.0, True),
        ("holdover", "recording", 9.0, False),
        ("ntp", "gnss", 9.0, False),
        ("gnss", "unsynced", 9.0, False),
    ],
)
def test_an_earlier_stamp_is_read_by_a_clock_that_is_trusted_more(was, now, stepped_s, again):
    at, present = Stamp(0.0, 100.0, was, 5.0), Stamp(10.0, 110.0 + stepped_s, now, 1.0)
    found = reread(at, present)
    assert (found != at) is again
    assert found.wall == (pytest.approx(100.0 + stepped_s) if again else 100.0)
    assert at_mono(4.0, present) == Stamp(4.0, 104.0 + stepped_s, now, 1.0)


# Dust: how the ground stirs.

AREA = (30 / 96, 20 / 54, 60 / 96, 40 / 54)


def ground(looks, amount, stirred=8):
    """A site seen twice a second; over the last looks its middle rolls by so many grey levels."""
    found = Ground()
    y, x = np.mgrid[:54, :96].astype(np.float32)
    for n in range(looks):
        grey = 100 + 20 * np.sin(x / 7) + 10 * np.cos(y / 5) + (n % 3) * 2
        grey = grey + np.random.default_rng(n).normal(0, 1, grey.shape)
        if n >= looks - stirred:
            grey[20:40, 30:60] += amount * np.sin(x[20:40, 30:60] / 3 + n * 0.9)
        picture = np.clip(np.repeat(grey[..., None], 3, axis=2), 0, 255).astype(np.uint8)
        found.look(picture, n * 0.5, NOBODY)
        found.look(picture, n * 0.5 + 0.4, NOBODY)
    return found


@pytest.mark.parametrize(
    ("amount", "within", "outside", "unusual", "times"),
    [(0.0, 0.185, 0.183, 0.205, 0.926), (4.0, 2.408, 0.187, 2.163, 12.04),
     (12.0, 7.359, 0.195, 6.578, 36.79)],
)  # fmt: skip
def test_how_much_the_ground_of_a_site_stirs(amount, within, outside, unusual, times):
    found = ground(68, amount).stir(AREA, NOBODY)
    assert (found.within, found.outside, found.unusual, found.times) == pytest.approx(
        (within, outside, unusual, times), rel=0.01
    )


def test_ground_is_measured_after_four_looks_and_known_after_four_that_are_twelve_seconds_old():
    assert ground(3, 0.0).stir(AREA, NOBODY) is None
    assert ground(4, 0.0).stir(AREA, NOBODY).unusual is None
    assert ground(48, 0.0).stir(AREA, NOBODY).unusual is None
    assert ground(49, 0.0).stir(AREA, NOBODY).unusual is not None


@pytest.mark.parametrize(
    ("area", "others", "told"),
    [
        (AREA, (0.3, 0.3, 0.7, 0.9), False),
        (AREA, (0.0, 0.0, 0.2, 0.2), True),
        ((0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.0, 0.0), False),
        ((0.5, 0.5, 0.5 + 2.5 / 96, 0.5 + 2.5 / 54), (0.0, 0.0, 0.0, 0.0), False),
        ((0.5, 0.5, 0.5 + 3.5 / 96, 0.5 + 2.5 / 54), (0.0, 0.0, 0.0, 0.0), True),
    ],
)
def test_an_area_says_nothing_below_twelve_free_pixels_of_it_or_beside_it(area, others, told):
    found = ground(68, 4.0).stir(area, np.array([others], np.float32))
    assert (found is not None) is told


def test_looks_at_the_ground_are_half_a_second_apart_and_kept_for_three():
    found = ground(68, 0.0)
    assert [at for at, _ in found._recent] == [30.5, 31.0, 31.5, 32.0, 32.5, 33.0, 33.5]
    assert [at for at, _, _ in found._usual] == [float(at) for at in range(0, 33, 4)]
    seldom = Ground()
    for n in range(6):
        seldom.look(np.zeros((54, 96, 3), np.uint8), n * 5.0, NOBODY)
    assert [at for at, _ in seldom._recent] == [10.0, 15.0, 20.0, 25.0]
    for n in range(6, 40):
        seldom.look(np.zeros((54, 96, 3), np.uint8), n * 5.0, NOBODY)
    assert [at for at, _, _ in seldom._usual] == [n * 5.0 for n in range(16, 40)], "24 of them"


# What teaching makes of a place, to a thousandth: every step between pixels and an answer.


def numbers(values):
    """Mean, spread, least and most."""
    found = np.asarray(values, np.float64)
    return found.mean(), found.std(), found.min(), found.max()


LEARNT = {
    "_means": (0.13465, 0.73232, -3.95012, 7.86124),
    "_spread": (0.05395, 0.13325, 0.00354, 1.63611),
    "_weight": (0.00032, 0.00166, 0.0, 0.04009),
    "_usual": (1.56689, 0.1893, 1.01034, 1.95814),
    "_rim": (0.0, 0.03944, -0.02967, 0.2024),
}


@pytest.mark.parametrize("name", LEARNT)
def test_what_a_place_has_learnt(place, name):
    assert numbers(getattr(place, name)) == pytest.approx(LEARNT[name], rel=2e-3, abs=1e-5)


def test_a_quarter_of_the_features_count_and_five_ninths_of_the_cells_are_rim(place):
    assert (place._weight > 0).sum() == 792 == place._weight.size // 4
    assert (taught._RIM_CELLS.sum(), taught._AROUND.sum()) == (80, 5120)


def test_pictures_are_taught_in_ten_more_lights(looks):
    made = taught.variants(looks["full"][0], np.random.default_rng(0))
    assert [(round(v.mean(), 1), round(v.std(), 1)) for v in map(np.float64, made)] == [
        (98.8, 30.2), (100.4, 30.7), (59.7, 21.3), (118.0, 36.1), (77.9, 29.1), (117.1, 24.0),
        (76.8, 25.8), (156.0, 23.5), (56.6, 27.7), (92.5, 31.3), (44.7, 15.0),
    ]  # fmt: skip


def test_edges_rim_and_light_of_one_picture(looks):
    cut = looks["full"][0]
    tone = tone_of(looks["full"])
    close = {"rel": 2e-3, "abs": 1e-5}
    grey, colours = taught._by_colour(cut)
    assert numbers(grey) == pytest.approx((102.59814, 15.53268, 91.89301, 204.05), **close)
    assert numbers(colours) == pytest.approx((-0.0606, 0.28509, -0.77398, 1.03036), **close)
    grey, colours = taught._by_contrast(cut, tone)
    assert numbers(grey) == pytest.approx((127.08978, 144.01971, 27.83121, 1067.75598), **close)
    assert numbers(colours) == pytest.approx((0.03506, 2.36344, -4.0, 8.0), **close)
    assert numbers(tone) == pytest.approx((110.42217, 263.55261, -365.48242, 1155.74292), **close)
    edges = taught._edges(cut.astype(np.float32) @ taught.GREY)
    assert numbers(edges) == pytest.approx((0.00864, 0.06594, 0.0, 1.7871), **close)
    rim = taught._rim_of(cut)
    assert numbers(rim) == pytest.approx((0.0, 0.05002, -0.03374, 0.27391), **close)
    assert not rim[16:-16, 16:-16].any()


def test_a_slope_is_never_far_below_what_the_spreads_say():
    x = np.arange(10, dtype=np.float32)
    assert taught._line(x, 2 * x + 1) == pytest.approx((2.0, 1.0))
    assert taught._line(x, 0 * x) == pytest.approx((0.03, -0.135))
    assert taught._line(x, np.array([0, 9] * 5, np.float32)) == pytest.approx(
        (0.54834, 2.03245), rel=1e-4
    )


@pytest.mark.parametrize(
    ("by", "found"), [((0, 0), (0, 0)), ((3, -2), (3, -2)), ((-5, 5), (-5, 5))]
)
def test_by_how_much_the_camera_is_off(place, looks, by, found):
    moved = np.roll(looks["full"][0], (by[1], by[0]), (0, 1))
    assert place._shift(moved) == found
    back = taught.shifted(moved, found)
    assert (back[24:-24, 24:-24] == looks["full"][0][24:-24, 24:-24]).all()


def test_a_large_picture_is_softened_before_it_is_thinned():
    large = np.kron(bin_(1, "full"), np.ones((4, 4, 1), np.uint8))
    cut = square(large, BOX).astype(np.float64)
    assert (cut.mean(), cut.std()) == pytest.approx((98.76678, 30.21093), rel=1e-4)


def looked(place, away, odd=0.5):
    """The answer where the second look is so much further away."""
    cells = place._means[0]
    place = copy.copy(place)
    place._odd = lambda _: odd
    place._means = np.stack([cells, cells])
    place._spread = np.ones_like(place._spread)
    place._weight = np.zeros_like(place._weight)
    place._weight[0, 0, 0] = 1.0
    place._means[1, 0, 0, 0] += np.sqrt(away)
    return place._nearest(cells)


@pytest.mark.parametrize(
    ("away", "odd", "why", "margin"),
    [
        (0.41, 0.5, "", 0.41), (0.39, 0.5, "between", 0.39), (9.0, 1.0, "", 9.0),
        (9.0, 1.01, "covered", 9.0), (39.0, 0.5, "", 39.0), (41.0, 0.5, "", 40.0),
    ],
)  # fmt: skip
def test_the_nearest_look_must_be_likelier_by_enough(place, away, odd, why, margin):
    answer = looked(place, away, odd)
    assert (answer.why, answer.look) == (why, None if why else "empty")
    assert answer.margin == pytest.approx(margin, rel=1e-4)


def test_counts_of_pictures_left_out():
    found = taught.HeldOut(right=3, wrong=1, untold=2)
    assert (found.accuracy, found.count) == (0.75, 6)
    assert taught.HeldOut(0, 0, 4).accuracy == 0.0

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Limits of single rules within and beyond, and every number that a case carries as it is rounded.

Values are chosen so that no digit is nought and no two are alike.
"""

from dataclasses import replace
from datetime import timezone
from types import SimpleNamespace

import numpy as np
import pytest
from stage_judge import CATEGORIES, judge, rule, zone

from edge.config import Camera
from edge.config.dated import Calendar
from edge.hold import Hold, Terms
from edge.rules import lane
from edge.rules.blind import WatchSpan
from edge.rules.evaluation import Claim, Score, TruthEvent, UnjudgedSpan, evaluate, match, off_by
from edge.rules.judge import RULES
from edge.rules.lane import Patch
from edge.rules.passage import Passage, Passages, RoadWatch
from edge.rules.recording import finding_row
from edge.rules.reporting import corroboration, graded, place_candidate, place_facts
from edge.rules.rule_settings import settle
from edge.rules.spot import Spot, assign
from edge.rules.stirring import Stir
from edge.rules.taught import PlaceAnswer
from edge.rules.view import PLACES, Memory, Open, SceneView, TrackCourses, Verdicts, standing_by
from edge.rules.zones import OUTSIDE, WHOLE_FRAME, LocalMoment, ZoneMap, ZoneRule
from edge.values import Finding, Sample, Scene, Stamp, Track, ZoneDecision

ODD = 0.123456789
GRID = "370282001001001"
HERE = (0.3, 0.4, 0.5, 0.6)


def track(number=1, label="car", box=HERE, score=0.9, **more):
    return Track(number, label, box, score, Stamp(0, 0), Stamp(0, 0), **more)


def scene(now, *tracks, **more):
    return Scene("c", Stamp(now, now), tracks, aspect=1.0, **more)


def view_of(now, *tracks, courses=None, **more):
    moment = LocalMoment.of(Stamp(now, now), timezone.utc, Calendar())
    seen = scene(now, *tracks, **more)
    return SceneView(seen, moment, courses or TrackCourses(), ZoneMap([WHOLE_FRAME]), Memory())


def made(category, **changes):
    """One rule of a category on a camera whose whole picture is asked."""
    one = rule(category, **changes)
    kind = RULES[CATEGORIES[category].kind]
    camera = Camera(id="c", source="rtsp://camera", rules=(one,))
    settings = settle(camera, one, CATEGORIES[category], kind.SETTINGS)
    zones = ZoneRule([WHOLE_FRAME], category=category, asked=[0])
    return kind(settings, zones)


def spot_of(label="car", box=HERE, size=0.2, **more):
    parts = {
        "key": "c/k/1-2/3.000", "label": label, "anchor": ((box[0] + box[2]) / 2, box[3]),
        "home": box, "size": size, "began": Stamp(0, 0), "hold": Hold(Terms(dwell_s=10.0), 0.0),
        "seen": Stamp(0, 0), "box": box, "verdict": OUTSIDE,
    }  # fmt: skip
    return Spot(**{**parts, **more})


def passage(way=((0.0, HERE),), **more):
    at = Stamp(way[0][0], way[0][0])
    parts = {
        "subject": 1, "label": "muck_truck", "key": "c/truck/1-2/3.000", "began": at, "seen": at,
        "track": track(), "way": list(way), "best": way[0],
    }  # fmt: skip
    return Passage(**{**parts, **more})


# Digits of what is reported.


def test_numbers_of_a_truck_have_two_to_four_digits():
    best = (1.23456789, tuple(v + ODD / 1000 for v in HERE))
    truck = passage(best=best, furthest=ODD, seen_s=ODD * 100, score=ODD)
    assert truck.facts(1.0) == {
        "class": "muck_truck", "seen_s": 12.35, "displacement": 0.62, "best_score": 0.123,
        "track_ids": 1, "truck_box": [0.3001, 0.4001, 0.5001, 0.6001], "truck_at_s": 1.235,
    }  # fmt: skip
    assert truck.moved(1.0) == pytest.approx(ODD / 0.2)


def test_numbers_of_a_place_are_rounded_to_what_is_known():
    held = Hold(Terms(dwell_s=10.0), 0.0)
    held.step(ODD * 10, "seen")
    held.step(ODD * 30, "missed")
    one = spot_of(hold=held, seen=Stamp(ODD * 100, 0), score=ODD, ids=3, gaps=2)
    rules = made("street-vendor")
    facts = place_facts(view_of(20.0), rules.settings, one, "g-1")
    del facts["limits"], facts["deadline_h"]
    assert facts == {
        "class": "car", "dwell_s": 12.3, "held_s": 1.2, "dwell_limit_s": rules.settings.dwell_s,
        "seen_share": 1.0, "best_score": 0.123, "track_ids": 3, "gaps": 2, "grid": "g-1",
        "open_in_grid": 0, "first_here": True, "outcome": "to_report",
        "clock_quality": "unsynced",
    }  # fmt: skip
    assert place_facts(view_of(20.0), rules.settings, replace(one, occurrence=2), None)[
        "first_here"] is False  # fmt: skip
    assert place_candidate(rules.settings, one, 45.0).held_s == 1.23
    assert place_candidate(rules.settings, one, 0.5).held_s == 0.5


TALLIED = {
    "street-vendor": {"attended_share": 0.123},
    "outdoor-barbecue": {
        "with_grill_share": 0.123, "with_smoke_share": 0.247, "with_fire_share": 0.37,
        "attended_share": 0.123, "at_stall_share": 0.494, "sources": 1, "smoke_flutter": 1.23,
        "backed_by": ["smoke", "fire"], "fume": {"says": "absent"},
    },
    "construction-dust": {
        "stirred_share": 0.25, "growth": 0.0, "drift_sizes": 0.0, "dust": {"says": "absent"},
    },
}  # fmt: skip


@pytest.mark.parametrize("category", TALLIED)
def test_shares_of_the_time_that_a_place_was_seen(category):
    tallies = {
        "seen": 1.0, "attended": ODD, "with_grill": ODD, "with_smoke": 2 * ODD,
        "with_fire": 3 * ODD, "at_stall": 4 * ODD, "smoke_least": 1.0, "smoke_most": 1.23456,
        "watched": 1.0, "stirred": 2 * ODD,
    }  # fmt: skip
    rules = made(category)
    assert rules.facts(view_of(1.0), spot_of(tallies=tallies)) == TALLIED[category]


def test_a_share_of_nothing_is_none_and_none_is_above_one():
    one = spot_of(tallies={"attended": 0.5})
    assert (one.tally_share("attended"), one.tally_share("smoke")) == (0.0, 0.0)
    one.tally("seen", 0.25)
    assert (one.tally_share("attended"), one.tally_share("smoke")) == (1.0, 0.0)
    one.tally("seen", 0.75)
    assert one.tally_share("attended") == 0.5


def test_what_a_spill_says_of_its_heap():
    rules = made("road-spillage")
    one = spot_of(box=tuple(v + ODD / 1000 for v in HERE), tallies={"change": 12.345})
    gone = spot_of()
    gone.hold.step(1.0, "missed")
    rules._spots = [one, spot_of(), gone]
    assert rules.facts(view_of(1.0), one) == {
        "heap_box": [0.3001, 0.4001, 0.5001, 0.6001], "heap_by": "detection",
        "change_levels": 12.3, "truck": None, "heaps": 2,
    }  # fmt: skip
    never = replace(one, label="matter", tallies={})
    assert rules.facts(view_of(1.0), never)["heap_by"] == "before/after pictures"
    assert rules.facts(view_of(1.0), never)["change_levels"] is None
    assert rules.facts(view_of(1.0), replace(one, tallies={"change": 0.0}))["change_levels"] == 0.0


def test_what_is_said_of_a_truck_and_of_a_taught_place():
    loads, washes = made("uncovered-load"), made("wash-skipped")
    truck = passage(tallies={"judged": 1.0, "guilty": ODD, "surest": ODD * 5, "washed": ODD * 100})
    assert loads.facts(truck) == {
        "trait": loads.settings.word("trait"), "trait_share": 0.123, "trait_best": 0.617,
    }  # fmt: skip
    assert loads.facts(passage())["trait_share"] == loads.facts(passage())["trait_best"] == 0.0
    washes.used, washes.skipped = 2, 1
    assert washes.facts(truck) == {
        "washed_s": 12.3, "wash_limit_s": washes.settings.dwell_s, "wash_used_share": 0.667,
        "trucks_left": 3,
    }  # fmt: skip
    washes.used = washes.skipped = 0
    assert washes.facts(truck)["wash_used_share"] is None
    taught = made(next(c.id for c in CATEGORIES.values() if c.kind == "state"))
    taught._answers[4] = PlaceAnswer("full", "", ODD, ODD * 2)
    one = spot_of(tallies={"taught": 4.0})
    assert taught.facts(view_of(1.0), one) == {
        "look": "full", "look_margin": 0.123, "look_odd": 0.247, "cannot_tell": None,
    }  # fmt: skip


def test_digits_of_ledgers_and_scores():
    assert WatchSpan("c", ODD, ODD * 10, "night").row() == {
        "camera": "c", "start": 0.123, "seconds": 1.235, "reason": "night",
    }  # fmt: skip
    score = Score(tp=2, fp=5, fn=1, duplicates=2, delays_s=[ODD, ODD * 2])
    assert score.row(7.0) == {
        "tp": 2, "fp": 5, "fn": 1, "precision": 0.2857, "recall": 0.6667, "f1": 0.4,
        "delay_p50_s": 0.185, "duplicates": 2, "false_alarms_per_hour": 0.4286,
    }  # fmt: skip
    assert Score(fn=1).row()["precision"] == 0.0 and Score().row()["precision"] == 1.0
    assert (Score(fp=1).row()["recall"], Score(fp=1).row()["f1"]) == (1.0, 0.0)
    assert "false_alarms_per_hour" not in score.row()


def finding(**more):
    parts = {
        "key": "k", "camera": "c", "category": "street-vendor", "rule": "occupation",
        "phase": "end", "began": Stamp(ODD, 1), "decided": Stamp(ODD * 10, 1),
        "ended": Stamp(ODD * 100, 1), "place": (ODD, ODD * 2), "box": HERE, "subject": None,
        "zone": ZoneDecision(False, "in the watch zone"), "facts": {"class": "car", "other": 1},
    }  # fmt: skip
    return Finding(**{**parts, **more})


def test_a_golden_line_holds_the_judgement_and_leaves_out_what_is_usual():
    assert finding_row(finding(), {}) == {
        "id": "case-1", "phase": "end", "category": "street-vendor", "began_s": 0.12,
        "decided_s": 1.23, "ended_s": 12.35, "place": [0.123, 0.247],
        "zone": "in the watch zone", "occurrence": 1, "facts": {"class": "car"},
    }  # fmt: skip
    names = {"other": 1}
    row = finding_row(finding(ended=None, parent="other", priority="lead"), names)
    assert (row["id"], row["ended_s"], row["parent"], row["priority"]) == (
        "case-2", None, "case-1", "lead",
    )  # fmt: skip
    assert finding_row(finding(parent="nobody"), names)["parent"] == "case-0"


# Instruments beside a case, and what a model is good for.


@pytest.mark.parametrize(
    ("value", "unit", "says"),
    [
        (150.0, "ug/m3", "supports"), (149.9, "µg/m3", "neutral"), (75.0, "µg/m³", "neutral"),
        (74.9, "ug/m³", "contradicts"), (0.15, "mg/m3", "supports"), (0.0749, "mg/m³",
        "contradicts"), (150.0, "ppm", "absent"),
    ],
)  # fmt: skip
def test_what_a_reading_says_of_a_case(value, unit, says):
    sample = Sample("s", "pm10", value, unit, "ok", Stamp(0, 0))
    told = corroboration([sample], ("pm10",), 150.0)
    assert told["says"] == says
    if says != "absent":
        assert told == {
            "says": says, "sensor": "s", "channel": "pm10", "value": value, "unit": unit,
            "limit_ug_m3": 150.0,
        }  # fmt: skip
    assert corroboration([sample], ("tsp",), 150.0) == {"says": "absent"}
    assert corroboration([replace(sample, flag="suspect")], ("pm10",), 1.0) == {"says": "absent"}
    more = replace(sample, sensor="t", value=value * 2)
    if says != "absent":
        assert corroboration([sample, more], ("pm10",), 150.0)["sensor"] == "t"


@pytest.mark.parametrize(
    ("facts", "trust", "grade", "priority"),
    [
        ({"class": "grill"}, {"grill": "unproven"}, "unproven", "lead"),
        ({"class": "grill"}, {"grill": "weak"}, "weak", "normal"),
        ({"class": "smoke"}, {"grill": "unproven"}, "unproven", "lead"),
        ({"class": "grill", "backed_by": ["fire"]}, {"grill": "unproven"}, "unproven", "normal"),
        ({"class": "grill", "backed_by": []}, {"grill": "unproven"}, "unproven", "lead"),
        ({"class": "grill", "dust": {"says": "supports"}}, {"grill": "unproven"}, "unproven",
         "normal"),
        ({"class": "grill", "fume": {"says": "neutral"}}, {"grill": "unproven"}, "unproven",
         "lead"),
        ({"class": "grill"}, {}, None, "normal"),
    ],
)  # fmt: skip
def test_an_unproven_class_makes_a_lead_where_nothing_else_says_so(facts, trust, grade, priority):
    found = graded(finding(facts=facts), trust, ("grill",))
    assert (found.facts.get("trust"), found.priority) == (grade, priority)


# Memory of places.


def test_of_more_places_than_are_kept_the_oldest_closed_one_is_forgotten():
    memory = Memory()

    def note(n):
        case = Open("g", "a", HERE)
        memory.opened(f"k{n}", case, (n * 10.0, 0.0), size=0.2, aspect=1.0, now=Stamp(n, n))

    for n in range(PLACES):
        note(n)
    memory.ended("k3", Stamp(900, 900))
    memory.ended("k5", Stamp(901, 901))
    note(PLACES)
    kept = [past.key for past in memory.snapshot().past]
    assert len(kept) == PLACES == 500
    assert "k3" not in kept and {"k0", "k5", f"k{PLACES}"} <= set(kept)
    note(PLACES + 1)
    assert "k5" not in [past.key for past in memory.snapshot().past]
    note(PLACES + 2)
    assert "k0" not in [past.key for past in memory.snapshot().past], "none is closed: the oldest"


@pytest.mark.parametrize(("away", "people"), [(0.0, 1), (0.099, 1), (0.101, 0)])
def test_people_within_reach_of_a_box_stand_by(away, people):
    person = track(7, "person", (0.5 + away, 0.4, 0.55 + away, 0.6))
    assert standing_by(view_of(0.0, person), HERE, 0.1) == people
    assert standing_by(view_of(0.0, replace(person, label="dog")), HERE, 0.1) == 0
    assert standing_by(view_of(0.0, replace(person, coasted=True)), HERE, 0.1) == 0


# A lane.


def test_the_road_round_a_corridor_is_fourteen_pixels_of_it():
    corridor = np.zeros((lane.HEIGHT, lane.WIDTH), np.bool_)
    assert lane._round(corridor) == (slice(0, 108), slice(0, 192))
    corridor[40:50, 100:120] = True
    assert lane._round(corridor) == (slice(26, 63), slice(86, 133))
    corridor[5, 5] = corridor[105, 190] = True
    assert lane._round(corridor) == (slice(0, 108), slice(0, 192))
    corridor[:] = False
    corridor[0, 0] = True
    assert lane._round(corridor) == (slice(0, 14), slice(0, 14))


@pytest.mark.parametrize(
    ("y", "x", "covered"),
    [
        (0.55, 0.4, True), (0.6, 0.4, True), (0.63, 0.4, True), (0.631, 0.4, False),
        (0.5, 0.4, True), (0.499, 0.4, False), (0.55, 0.27, True), (0.55, 0.269, False),
        (0.55, 0.53, True), (0.55, 0.531, False),
    ],
)  # fmt: skip
def test_what_falls_off_a_tail_lies_a_little_outside_the_lower_half(y, x, covered):
    place = (x - 0.01, y - 0.02, x + 0.01, y)
    assert (passage().over(place) is not None) is covered


def test_the_moments_of_a_truck_are_its_best_look_and_a_quarter_and_three_of_its_way():
    truck = passage(way=[(float(n), HERE) for n in range(8)], best=(5.5, HERE))
    assert truck.moments() == (5.5, 2.0, 6.0)
    assert passage(way=[(float(n), HERE) for n in range(7)]).moments() == (0.0, 1.0, 5.0)


@pytest.mark.parametrize(
    ("patch", "shape", "fits"),
    [
        ({}, "heap", True), ({"area": 0.0005}, "heap", True), ({"area": 0.00049}, "heap", False),
        ({"contrast": 16.0}, "heap", True), ({"contrast": 15.9}, "heap", False),
        ({"elongation": 4.0, "breadth": 0.05}, "heap", False),
        ({"elongation": 3.9, "breadth": 0.055}, "heap", True),
        ({"elongation": 4.0, "breadth": 0.05}, "stripes", True),
        ({"elongation": 4.0, "breadth": 0.049}, "stripes", False),
        ({"elongation": 4.0, "breadth": 0.0699}, "stripes", True),
        ({"elongation": 4.0, "breadth": 0.071}, "stripes", False),
        ({"elongation": 4.0, "breadth": 0.071}, "any", True), ({}, "stripes", False),
        ({"elongation": 4.0, "breadth": 0.05}, "any", True),
    ],
)  # fmt: skip
def test_new_matter_is_a_heap_or_stripes_by_its_shape(patch, shape, fits):
    rules = made("road-spillage", set={"shape": shape})
    one = Patch(**{"box": HERE, "area": 0.01, "contrast": 30.0, "elongation": 1.5,
                   "breadth": 0.1, **patch})  # fmt: skip
    assert rules._fits_shape(one, passage()) is fits


@pytest.mark.parametrize(
    ("truck", "drove"),
    [
        ({}, True), ({"seen_s": 0.4}, True), ({"seen_s": 0.39}, False),
        ({"furthest": 0.1}, True), ({"furthest": 0.099}, False),
        ({"stood_s": 5.9}, True), ({"stood_s": 6.0}, False),
    ],
)  # fmt: skip
def test_a_truck_that_drove_may_have_spilt(truck, drove):
    one = passage(**{"seen_s": 5.0, "furthest": 0.5, **truck})
    assert made("road-spillage")._drove(view_of(9.0), one) is drove


@pytest.mark.parametrize(
    ("began_s", "start_s", "found"),
    [
        (3.0, 0.0, True), (1.5, 0.0, True), (1.4, 0.0, False), (25.0, 0.0, True),
        (25.1, 0.0, False), (3.0, 1.0, True), (3.0, 1.1, False),
    ],
)  # fmt: skip
def test_matter_is_put_on_the_truck_that_went_over_just_before(began_s, start_s, found):
    rules = made("road-spillage")
    rules._start_mono = start_s
    way = [(2.0, HERE), (5.0, HERE)]
    rules._trucks._by_subject[1] = passage(way=way, seen_s=5.0, furthest=0.5)
    heap = spot_of(box=(0.38, 0.5, 0.42, 0.55), began=Stamp(began_s, 0))
    assert (rules._truck_of(view_of(30.0), heap) is not None) is found
    later = passage(way=[(2.0, HERE), (5.5, HERE)], seen_s=5.0, furthest=0.5, subject=2)
    rules._trucks._by_subject[2] = later
    if found:
        assert rules._truck_of(view_of(30.0), heap) is later
        later.reported = True
        assert rules._truck_of(view_of(30.0), heap).subject == 1


def test_a_rule_that_compares_the_road_searches_while_it_does():
    rules = made("road-spillage")
    assert (rules.busy, rules.searching) == (False, False)
    rules._road._after[1] = None
    assert (rules.busy, rules.searching) == (True, True)
    rules._road._after.clear()
    rules._spots = [spot_of()]
    assert (rules.busy, rules.searching) == (True, False)
    rules._spots[0].hold.step(1.0, "missed")
    assert rules.searching
    rules._spots = [spot_of()]
    rules._spots[0].hold.step(1.0, "hidden")
    assert rules.searching


# Dumping.


@pytest.mark.parametrize(
    ("box", "raised"),
    [
        ((0.3, 0.36, 0.5, 0.6), True), ((0.3, 0.361, 0.5, 0.6), False),
        ((0.3, 0.34, 0.5, 0.6199), True), ((0.3, 0.34, 0.5, 0.621), False),
        ((0.3, 0.3, 0.5399, 0.6), True), ((0.3, 0.3, 0.541, 0.6), False),
        ((0.3, 0.3, 0.459, 0.6), False),
    ],
)  # fmt: skip
def test_a_body_is_raised_where_the_box_grows_upwards_alone(box, raised):
    rules = made("dumping")
    home = spot_of("truck", (0.3, 0.4, 0.5, 0.6))
    grown = tuple(round(v, 6) for v in box)
    assert rules._raised(view_of(0.0), home, track(box=grown)) is raised


def test_a_box_that_the_picture_cuts_off_has_no_raised_body():
    rules = made("dumping")
    home = spot_of("truck", (0.3, 0.7, 0.5, 0.985))
    for low, raised in ((0.989, True), (0.99, False)):
        box = (0.3, 0.62, 0.5, low)
        assert rules._raised(view_of(0.0), home, track(box=box)) is raised


@pytest.mark.parametrize(
    ("began_s", "stood", "away", "new"),
    [
        (20.0, (10.0, 13.0), 0.0, True), (20.0, (10.0, 12.9), 0.0, False),
        (2.9, (1.0, 9.0), 0.0, False), (3.0, (1.0, 9.0), 0.0, True),
        (9.0, (10.0, 20.0), 0.0, True), (8.9, (10.0, 20.0), 0.0, False),
        (50.0, (10.0, 20.0), 0.0, True), (50.1, (10.0, 20.0), 0.0, False),
        (20.0, (10.0, 20.0), 0.119, True), (20.0, (10.0, 20.0), 0.121, False),
    ],
)  # fmt: skip
def test_a_heap_is_new_beside_a_vehicle_that_stood_there(began_s, stood, away, new):
    rules = made("dumping")
    rules._start_mono = 0.0
    rules._stood[1] = (*stood, (0.3 - away, 0.4, 0.5 - away, 0.6))
    heap = spot_of("litter", (0.5, 0.5, 0.6, 0.6), size=0.1, began=Stamp(began_s, 0))
    assert rules._is_new(view_of(60.0), heap) is new
    rules._old.keep(1.0, (0.6, 0.5, 0.7, 0.6))
    assert not rules._is_new(view_of(60.0), heap), "it touches one that lay there before"


# Dust.


def test_clouds_over_most_of_the_frame_are_weather_and_a_fifth_of_forty_looks_make_it_so():
    rules = made("construction-dust")
    share = rules.settings.number("fog_share")
    small, large = track(box=(0.0, 0.0, 1.0, share)), track(box=(0.0, 0.0, 1.0, share + 0.001))
    assert rules._weather([]) is False
    assert rules._weather([small]) is False and rules._weather([large]) is True
    for _ in range(2):
        assert rules._weather([small]) is True
    assert rules._weather([small]) is False, "one of five is a fifth, no more"
    for n in range(40):
        assert rules._weather([small]) is False, n
    for _ in range(8):
        rules._weather([large])
    assert rules._weather([small]) is False, "eight of forty"
    rules._weather([large])
    assert rules._weather([small]) is True, "nine of forty"


@pytest.mark.parametrize(
    ("dust", "exhaust"),
    [
        ((0.5, 0.45, 0.6, 0.55), True), ((0.559, 0.45, 0.659, 0.55), True),
        ((0.561, 0.45, 0.661, 0.55), False), ((0.5, 0.441, 0.659, 0.6), True),
        ((0.5, 0.439, 0.661, 0.6), False), ((0.3, 0.4, 0.5, 0.62), True),
        ((0.3, 0.4, 0.62, 0.7), False),
    ],
)  # fmt: skip
def test_small_dust_at_a_vehicle_is_its_exhaust(dust, exhaust):
    rules = made("construction-dust")
    box = tuple(round(v, 6) for v in dust)
    assert rules._exhaust_of(view_of(0.0), track(box=box), track()) is exhaust


@pytest.mark.parametrize(
    ("stir", "tallied"),
    [
        (Stir(0.4, 0.1, None), 1.0), (Stir(0.39, 0.1, None), 0.0), (Stir(0.8, 0.4, 2.5), 1.0),
        (Stir(0.79, 0.4, 2.5), 0.0), (Stir(0.8, 0.4, 2.4), 0.0),
    ],
)  # fmt: skip
def test_dust_stirs_by_twice_the_rest_and_makes_the_ground_unusual(stir, tallied):
    one = spot_of()
    made("construction-dust")._tally(one, stir, 1.0)
    assert (one.tallies["watched"], one.tallies.get("stirred", 0.0)) == (1.0, tallied)
    made("construction-dust")._tally(one, None, 1.0)
    assert one.tallies["watched"] == 1.0


def test_growth_and_drift_are_of_the_middle_of_each_third_of_the_looks():
    rules, one = made("construction-dust"), spot_of()
    looks = [(0.1, 0.2, 0.5)] * 3 + [(0.15, 0.26, 0.5)] * 3 + [(0.2, 0.32, 0.5)] * 3
    rules._looks[one.key] = looks
    assert rules._change(view_of(0.0), one) == pytest.approx((2.0, 0.6))
    rules._looks[one.key] = looks[:8]
    assert rules._change(view_of(0.0), one) != (0.0, 0.0)
    rules._looks[one.key] = looks[:7]
    assert rules._change(view_of(0.0), one) == (0.0, 0.0)


# Truth and claims.

EVENT = TruthEvent("a", 30.0, 60.0, (0.5, 0.5), 0.1)


def claim(began_s=30.0, x=0.5, name="v", decided_s=None):
    return Claim(name, "a", began_s, decided_s, (x, 0.5))


@pytest.mark.parametrize(
    ("event", "one", "off"),
    [
        (EVENT, claim(50.0), 20.0), (EVENT, claim(50.1), None), (EVENT, claim(10.0), 20.0),
        (EVENT, claim(9.9), None), (EVENT, claim(x=0.6), 0.0), (EVENT, claim(x=0.601), None),
        (replace(EVENT, start_s=0.0), claim(45.0), 45.0),
        (replace(EVENT, start_s=0.0), claim(45.1), None),
        (replace(EVENT, start_s=-9.0), claim(45.0), 45.0),
        (replace(EVENT, start_s=0.1), claim(45.0), None),
        (replace(EVENT, start_s=0.0, dwell_s=5.0), claim(20.0), 20.0),
        (replace(EVENT, start_s=0.0, dwell_s=5.0), claim(20.1), None),
        (replace(EVENT, start_s=0.0, dwell_s=60.0), claim(60.0), 60.0),
    ],
)  # fmt: skip
def test_how_far_a_claim_may_be_from_its_event(event, one, off):
    assert off_by(event, one, 45.0) == (None if off is None else pytest.approx(off))


@pytest.mark.parametrize(
    ("at_s", "holds"), [(10.0, True), (9.9, False), (20.0, True), (20.1, False)]
)
def test_spans_that_are_not_judged_hold_with_both_ends(at_s, holds):
    assert UnjudgedSpan(10.0, 20.0).holds(at_s, "a") is holds
    assert UnjudgedSpan(10.0, 20.0, "a").holds(at_s, "a") is holds
    assert not UnjudgedSpan(10.0, 20.0, "b").holds(at_s, "a")


def counts(events, found, **more):
    score = evaluate(events, found, **more).get("a", Score())
    return score.tp, score.fp, score.fn, score.duplicates, score.delays_s


def test_what_counts_as_found_false_missed_and_twice():
    assert counts([EVENT], [claim(decided_s=42.0)]) == (1, 0, 0, 0, [12.0])
    assert counts([replace(EVENT, start_s=-5.0)], [claim(3.0, decided_s=9.0)])[4] == [9.0]
    assert counts([EVENT], [claim(), claim(31.0, name="w")]) == (1, 1, 0, 1, [])
    assert counts([EVENT], [claim(x=0.9)]) == (0, 1, 1, 0, [])
    assert counts([EVENT], [claim(), claim(55.0, name="w")])[1:4] == (1, 0, 1), "of its time"
    assert counts([EVENT], [claim(), claim(60.1, name="w")])[1:4] == (1, 0, 0), "after its end"
    assert counts([EVENT], []) == (0, 0, 1, 0, [])
    spared = replace(EVENT, must=False)
    assert counts([spared], [claim()]) == (0, 0, 0, 0, [])
    assert counts([spared], []) == (0, 0, 0, 0, [])
    aside = (UnjudgedSpan(30.0, 31.0),)
    assert counts([EVENT], [claim()], ignore=aside) == (0, 0, 0, 0, [])
    assert counts([], [claim(30.5, x=0.9)], ignore=aside) == (0, 0, 0, 0, [])
    assert counts([replace(EVENT, start_s=-3.0)], [], ignore=(UnjudgedSpan(0.0, 1.0),))[2] == 0


def test_as_many_as_possible_are_paired_then_the_nearest():
    second = replace(EVENT, start_s=45.0)
    early, late = claim(33.0, name="e"), claim(47.0, name="l")
    assert match([EVENT, second], [early, late], 0.0) == {0: 0, 1: 1}
    assert match([EVENT, second], [late, early], 0.0) == {0: 1, 1: 0}
    # The first event could take either; the second only the first claim.
    shared, own = claim(48.0, name="s"), claim(12.0, name="o")
    assert match([EVENT, second], [shared, own], 0.0) == {0: 1, 1: 0}
    spared = replace(EVENT, must=False)
    assert match([spared, second], [claim(40.0)], 0.0) == {1: 0}, "what must be found comes first"
    assert match([EVENT], [claim(40.0), claim(31.0)], 0.0) == {0: 1}


# Passing trucks are shown before they are judged.


def test_a_truck_under_way_is_a_candidate_until_it_is_reported_and_again_after_the_realarm():
    sitting = judge(rule("uncovered-load"), zones=(zone("road"),))
    shown = []
    for n in range(9):
        box = (0.2 + 0.05 * n, 0.5, 0.4 + 0.05 * n, 0.7)
        seen = scene(n * 0.5, track(3, "muck_truck", box, traits=(("open_loaded", 0.1),)))
        shown.append([(c.held_s, c.due_s, c.box) for c in sitting.step(seen).candidates])
    assert shown[0] == [] and shown[-1] == [(1.0, 1.0, pytest.approx((0.6, 0.5, 0.8, 0.7)))]


def test_road_watches_stop_when_nothing_new_came_and_hold_four_at_most():
    road = RoadWatch(moved=0.5, keep_s=20.0)
    road._backdrop.fresh = ("picture", "clean")
    after = SimpleNamespace(quiet=0, look=lambda fresh: ["patch"])
    trucks = [passage(subject=n) for n in range(6)]

    def left(now, watched, wanted=(), quiet=0, known=trucks):
        after.quiet = quiet
        road._after = dict.fromkeys(range(watched), after)
        road._found(view_of(now), known, wanted)
        return sorted(road._after)

    assert left(0.0, 4) == [0, 1, 2, 3]
    assert len(road.found) == 4 and road.found[0][1] == "patch"
    assert left(0.0, 6) == [2, 3, 4, 5]
    assert left(0.0, 2, quiet=11) == [0, 1] and left(0.0, 2, quiet=12) == []
    assert left(20.0, 2) == [0, 1] and left(20.1, 2) == []
    assert left(20.1, 2, wanted=(1,)) == [1]
    assert left(0.0, 2, known=trucks[:1], wanted=(1,)) == [0], "it is forgotten"


def test_the_trucks_of_a_road_are_noted_once_each():
    road = RoadWatch(moved=0.5, keep_s=20.0)
    road._backdrop.before = lambda mono: None
    one = passage(furthest=0.5)
    road._note(view_of(0.5), one)
    assert road.busy and list(road._before) == [1]
    road._note(view_of(0.99), one)
    assert list(road._before) == [1] and not road._done
    road._note(view_of(1.0), one)
    assert (road._before, road._done, road.busy) == ({}, {1}, False)
    assert Passages("n", ("car",), 0.5).all() == [] and Verdicts().findings == []


def test_a_truck_that_is_reported_counts_in_its_unit_grid():
    for own, grid in ((None, ""), (GRID, GRID)):
        zones = (zone("road", grid=own),) if own else (zone("road"),)
        sitting = judge(rule("uncovered-load"), zones=zones)
        found = []
        for n in range(20):
            box = (0.2 + 0.02 * n, 0.5, 0.4 + 0.02 * n, 0.7)
            seen = scene(n * 0.2, track(3, "muck_truck", box, traits=(("open_loaded", 0.9),)))
            found += sitting.step(seen).findings
        assert found[0].facts["grid"] == own and found[0].facts["open_in_grid"] == 1
        assert sitting.memory.open_in(grid, "uncovered-load") == 1
        kept = sitting.memory.snapshot()
        assert [case.grid for case in kept.open.values()] == [grid]
        assert kept.past == (), "where it passed is no place"
        assert (found[0].moments[0][0], found[0].facts["dwell_limit_s"]) == ("overview", 0.0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_tracks_go_to_the_places_that_they_fit_best(order):
    spots = [spot_of(box=(0.3, 0.4, 0.5, 0.6)), spot_of(box=(0.36, 0.4, 0.56, 0.6))]
    left, right = track(1, box=(0.31, 0.4, 0.51, 0.6)), track(2, box=(0.36, 0.4, 0.56, 0.6))
    tracks = [(left, right)[n] for n in order]
    placed, rest = assign(view_of(0.0, *tracks), spots, tracks)
    assert ({i: t.id for i, t in placed.items()}, rest) == ({0: 1, 1: 2}, [])
    placed, rest = assign(view_of(0.0, left), spots, [left])
    assert ({i: t.id for i, t in placed.items()}, rest) == ({0: 1}, [])
    # Known at a place, a track stays there though another one fits it better.
    spots[1].track = left
    placed, rest = assign(view_of(0.0, left, right), spots, [left, right])
    assert {i: t.id for i, t in placed.items()} == {1: 1, 0: 2}
    spots[1].track = track(1, box=(0.9, 0.9, 0.99, 0.99))
    third = track(3, box=(0.7, 0.4, 0.9, 0.6))
    placed, rest = assign(view_of(0.0, third), spots, [third])
    assert (placed, rest) == ({}, [third])


def test_the_looks_of_a_cloud_are_forgotten_with_it():
    sitting = judge(rule("construction-dust"), zones=(zone("site-7", "site"),))
    (rules,) = sitting._rules.values()
    cloud = track(1, "dust", (0.3, 0.45, 0.6, 0.8))
    for n in range(6):
        sitting.step(scene(n * 1.0, cloud))
    assert len(rules._looks) == 1
    for n in range(6, 200):
        sitting.step(scene(n * 1.0))
    assert (rules._spots, rules._looks) == ([], {})

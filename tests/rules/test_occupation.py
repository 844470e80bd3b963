# SPDX-License-Identifier: AGPL-3.0-or-later
"""Stalls: place-anchored dwell, gaps, switches, rivals, and what is not an offence."""

from dataclasses import replace

import numpy as np
import pytest
from stage import Actor, Stage, parked
from stage_judge import judge, judged, phases, play, rule, zone

VENDOR = parked("person", 0.56, 0.74, 0, 400, size=(0.04, 0.18))
NEW_END = [("street-vendor", "new"), ("street-vendor", "end")]


def stall(start=10.0, end=330.0, **more):
    return parked("vendor_stall", 0.5, 0.75, start, end, **more)


def cleared(*actors, length=400.0, **more):
    return play(Stage([*actors, VENDOR], length, **more), judge(rule("street-vendor")))


def test_a_stall_that_stays_is_one_violation_with_its_end():
    new, end = cleared(stall())
    assert (new.phase, end.phase) == ("new", "end")
    assert new.began.mono == pytest.approx(10.0, abs=0.5)
    assert new.decided.mono == pytest.approx(250.0, abs=2.0)
    assert end.ended is not None
    assert end.ended.mono == pytest.approx(330.0, abs=0.5)
    assert new.place == pytest.approx((0.5, 0.75), abs=0.02)
    assert new.facts["limits"]["dwell_s"] == 180
    assert new.facts["dwell_limit_s"] == 180
    assert new.zone.zones == ("pavement",)


@pytest.mark.parametrize(
    "actor",
    [
        stall(switches=(60, 90, 150, 200)),
        stall(unseen=[(100, 120)]),
        stall(unseen=[(60, 80), (120, 140)], switches=(200,)),
    ],
    ids=["id switches", "20 s gap", "gaps and switches"],
)
def test_switches_and_gaps_change_nothing(actor):
    found = cleared(actor)
    assert phases(found) == NEW_END
    assert found[0].began.mono == pytest.approx(10.0, abs=0.5)
    assert found[0].decided.mono == pytest.approx(250.0, abs=3.0)


def test_passers_by_change_nothing():
    walkers = [
        Actor("person", [(t, 0.1, 0.8), (t + 12, 0.9, 0.8)], size=(0.06, 0.3))
        for t in range(30, 240, 15)
    ]
    found = cleared(stall(unseen=[(36, 38), (66, 68)]), *walkers)
    assert phases(found) == NEW_END


def test_a_bus_in_front_neither_resets_nor_duplicates():
    bus = parked("bus", 0.5, 0.95, 80, 170, size=(0.6, 0.55))
    found = cleared(stall(end=410, unseen=[(80, 170)]), bus, length=450)
    assert [f.phase for f in found] == ["new", "end"]
    assert found[0].began.mono == pytest.approx(10.0, abs=0.5)
    assert found[0].decided.mono > 250.0, "hidden time beyond a gap is not counted"


def test_a_cart_that_moves_on_before_the_limit_is_none():
    way = [(0, 0.2, 0.75), (100, 0.2, 0.75), (110, 0.6, 0.75), (220, 0.6, 0.75), (230, 0.9, 0.75)]
    assert cleared(Actor("vendor_stall", way)) == []


def test_a_cart_on_the_move_is_none():
    assert cleared(Actor("vendor_stall", [(0, 0.1, 0.7), (350, 0.9, 0.7)])) == []


def test_side_by_side_each_has_its_own_case():
    row = [parked("vendor_stall", x, 0.75, 10, 330) for x in (0.3, 0.41, 0.52)]
    people = [parked("person", a.way[0][1] + 0.05, 0.74, 0, 400, size=(0.03, 0.15)) for a in row]
    found = cleared(*row, *people)
    assert sorted(f.phase for f in found) == ["end"] * 3 + ["new"] * 3
    assert len({f.key for f in found}) == 3


def test_ground_seen_empty_starts_a_new_clock():
    first = Actor(
        "vendor_stall", [(0, 0.5, 0.75), (120, 0.5, 0.75), (135, 0.9, 0.75), (160, 0.9, 0.75)]
    )
    second = parked("vendor_stall", 0.5, 0.75, 145, 350)
    assert cleared(first, second) == []


def test_another_object_by_its_look_starts_a_new_clock():
    red, blue = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    first, second = stall(0, 150, look=red), stall(152, 350, look=blue)
    assert cleared(first, second) == []
    assert phases(cleared(stall(0, 150, look=red), stall(152, 350, look=red))) == NEW_END


def test_an_abandoned_stall_is_no_vending():
    found = play(Stage([stall()], 400), judge(rule("street-vendor")))
    assert found == []


def test_flicker_is_not_presence():
    blinks = [(t, t + 9.0) for t in range(12, 320, 12)]
    assert cleared(stall(unseen=blinks)) == []


def test_outside_the_zone_is_nothing():
    assert cleared(parked("vendor_stall", 0.5, 0.35, 0, 400)) == []


def test_a_permitted_zone_is_counted_not_raised():
    sitting = judge(
        rule("street-vendor"), zones=(zone(), zone("market", "permitted", permit="2026-17"))
    )
    assert play(Stage([stall(), VENDOR], 400), sitting) == []
    assert sitting.memory.snapshot().suppressed == {"market/street-vendor": 1}


def test_prohibition_wins_over_a_permit():
    zones = (zone(), zone("market", "permitted"), zone("school", "forbidden"))
    found = play(Stage([stall(), VENDOR], 400), judge(rule("street-vendor"), zones=zones))
    assert [f.phase for f in found] == ["new", "end"]
    assert found[0].zone.reason == "in the forbidden zone school"


def test_shuffling_a_step_keeps_the_open_case():
    way = [(10, 0.5, 0.75), (270, 0.5, 0.75), (274, 0.58, 0.75), (380, 0.58, 0.75)]
    assert phases(cleared(Actor("vendor_stall", way), length=450)) == NEW_END


def test_what_is_two_thirds_hidden_is_hidden():
    """A van before most of the stall: nobody could see it, so its absence says nothing."""
    van = parked("bus", 0.44, 0.95, 80, 170, size=(0.115, 0.5))
    found = cleared(stall(end=410, unseen=[(80, 170)]), van, length=450)
    assert phases(found) == NEW_END
    assert found[0].began.mono == pytest.approx(10.0, abs=0.5)


def test_another_object_ends_a_case_within_seconds():
    """An object of another look stands there for three seconds: the case before it is over."""
    red, blue = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    stage = Stage([stall(0, 300, look=red), stall(301, 400, look=blue), VENDOR], 400)
    ended = [
        scene.at.mono
        for scene, judgement in zip(
            stage.scenes(5.0), judged(stage, judge(rule("street-vendor"))), strict=True
        )
        if any(finding.phase == "end" for finding in judgement.findings)
    ]
    assert ended
    assert ended[0] < 301 + 15


OURS, THEIRS = (1.0, 0.0), (0.0, 1.0)
# A street of this texture lets a place be known again by its ground.
STREET = np.kron(
    np.random.default_rng(3).integers(40, 200, (36, 64, 1), np.uint8),
    np.ones((10, 10, 3), np.uint8),
)


def with_rival(at_s, fps, *, image=None, length=150.0):
    """What is told of a stall where another object is seen `at_s` (spans of seconds after 80, two
    decimals), and nothing else is for as long as that and 4 s more."""
    sitting, found = judge(rule("street-vendor", dwell_s=40, confirm_s=10)), []
    until = max(end for _, end in at_s) + 4.0
    for scene in Stage([stall(5, 400), VENDOR], length).scenes(fps):
        since, tracks = round(scene.at.mono - 80.0, 2), []
        for track in scene.tracks:
            if track.label != "vendor_stall":
                tracks.append(track)
            elif any(begin <= since < end for begin, end in at_s):
                tracks.append(replace(track, id=999, look=THEIRS))
            elif not 0.0 <= since < until:
                tracks.append(replace(track, look=OURS))
        found += sitting.step(replace(scene, tracks=tuple(tracks), image=image)).findings
    return [(f.phase, f.occurrence) for f in found]


@pytest.mark.parametrize("fps", [0.5, 1.0, 2.0, 5.0, 25.0])
def test_one_glance_at_another_object_ends_nothing_though_nothing_is_seen_after_it(fps):
    assert with_rival([(0.0, 1.0 / fps)], fps) == [("new", 1)]


@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0, 25.0])
@pytest.mark.parametrize(
    ("spans", "ends"),
    [
        ([(0.0, 2.5)], False),
        ([(0.0, 4.5)], True),
        ([(0.0, 1.0), (2.0, 3.0)], False),
        ([(0.0, 1.0), (2.0, 3.0), (4.0, 5.0), (6.0, 7.0), (8.0, 9.0)], True),
    ],
)
def test_another_object_counts_for_as_long_as_it_is_seen_at_any_rate(spans, ends, fps):
    told = with_rival(spans, fps)
    assert told[:2] == ([("new", 1), ("end", 1)] if ends else [("new", 1)])


@pytest.mark.parametrize("fps", [2.0, 25.0])
def test_ground_that_looks_as_before_forgets_who_stood_before_it(fps):
    spans = [(0.0, 2.0), (3.0, 5.0)]
    assert with_rival(spans, fps, image=STREET) == [("new", 1)]


def test_two_glances_with_an_outage_between_them_are_no_watching():
    sitting, found = judge(rule("street-vendor", dwell_s=40, confirm_s=10)), []
    for scene in Stage([stall(5, 400), VENDOR], 150).scenes(2.0):
        there = [t for t in scene.tracks if t.label == "vendor_stall"]
        since = scene.at.mono - 80.0
        if 0.0 < since < 20.0:
            continue
        look = THEIRS if since in (0.0, 20.0) else OURS
        own = [replace(t, look=look, id=999 if look is THEIRS else t.id) for t in there]
        others = [t for t in scene.tracks if t.label != "vendor_stall"]
        found += sitting.step(replace(scene, tracks=(*own, *others))).findings
    assert phases(found) == NEW_END[:1]

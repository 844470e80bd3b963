# SPDX-License-Identifier: AGPL-3.0-or-later
"""Identities through gaps, crossings, rates and class flips."""

import numpy as np
import pytest

from edge.values import Detections, Stamp
from edge.vision.association import LENGTH, likeness, look
from edge.vision.tracker import PATH_MOST, Tracker

NAMES = ("person", "cart", "truck")


def seen(*rows):
    """Rows of x1 y1 x2 y2 [score [label]]."""
    full = [(*row, 0.8, 0)[:6] if len(row) < 6 else row for row in rows]
    full = [row if len(row) == 6 else (*row, 0) for row in full]
    table = np.array(full, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32), NAMES)


def at(seconds):
    return Stamp(seconds, 1e9 + seconds)


def box(x, y=0.5, w=0.06, h=0.2):
    return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def walk(tracker, path, times):
    """Ids told at each time for objects at the centres path(t) -> [(x, y)]."""
    return [
        [track.id for track in tracker.update(seen(*(box(*p) for p in path(t))), at(t))]
        for t in times
    ]


@pytest.mark.parametrize("fps", [1, 2, 5, 10, 30])
def test_one_walker_is_one_track_at_any_rate(fps):
    """A frame width in 25 s: a walker 12 m away."""
    ids = walk(Tracker(), lambda t: [(0.1 + 0.04 * t, 0.5)], np.arange(0, 18, 1 / fps))
    assert {one for row in ids for one in row} == {1}
    assert all(ids[2:])


def test_a_class_that_counts_from_less_starts_a_track_from_less():
    own = Tracker(strong_of={"cart": 0.15})
    for t in (0.0, 0.2, 0.4):
        faint = seen((*box(0.3), 0.2, 1), (*box(0.7), 0.2, 2))
        tracks = own.update(faint, at(t))
    assert [track.label for track in tracks] == ["cart"]
    assert not Tracker().update(seen((*box(0.3), 0.2, 1)), at(0.0))


def test_irregular_times():
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.03, 0.9, 60))
    ids = walk(Tracker(), lambda t: [(0.1 + 0.025 * t, 0.5), (0.9 - 0.025 * t, 0.8)], times)
    assert {one for row in ids for one in row} == {1, 2}


def test_two_who_cross_keep_their_ids():
    path = lambda t: [(0.2 + 0.06 * t, 0.5), (0.8 - 0.06 * t, 0.53)]  # noqa: E731
    tracker = Tracker()
    for t in np.arange(0, 10, 0.2):
        tracks = tracker.update(seen(*(box(*p) for p in path(t))), at(t))
    left = {track.id: track.box[0] for track in tracks}
    assert left[1] > 0.6 and left[2] < 0.3


def test_hidden_for_a_moment_and_found_again():
    tracker = Tracker()
    told = {}
    for t in np.arange(0, 8, 0.2):
        rows = [] if 3 < t < 4.5 else [box(0.2 + 0.05 * t)]
        told[t] = tracker.update(seen(*rows), at(float(t)))
    assert {track.id for tracks in told.values() for track in tracks} == {1}
    hidden = [tracks[0] for t, tracks in told.items() if 3.1 < t < 4.4]
    assert all(track.coasted for track in hidden)
    assert hidden[-1].box[0] > hidden[0].box[0] + 0.02
    assert hidden[0].seen.mono == pytest.approx(3.0, abs=0.21)


def test_what_is_gone_is_forgotten_and_its_id_never_used_again():
    tracker = Tracker(lost_s=1.0)
    walk(tracker, lambda t: [(0.5, 0.5)], np.arange(0, 2, 0.2))
    gone = walk(tracker, lambda t: [], np.arange(2, 4, 0.2))
    assert gone[0] == [1] and gone[-1] == []
    assert walk(tracker, lambda t: [(0.5, 0.5)], np.arange(4, 5, 0.2))[-1] == [2]


def test_sparse_pictures_stretch_the_memory():
    tracker = Tracker(lost_s=1.0)
    times = np.arange(0, 40, 2.0)
    ids = [
        [
            track.id
            for track in tracker.update(seen(*([] if index == 10 else [box(0.5)])), at(float(t)))
        ]
        for index, t in enumerate(times)
    ]
    assert ids[-1] == [1]


def test_weak_boxes_carry_a_track_but_start_none():
    tracker = Tracker()
    for t in np.arange(0, 3, 0.2):
        score = 0.8 if t < 1 else 0.15
        tracks = tracker.update(seen((*box(0.5), score), (*box(0.2), 0.2)), at(float(t)))
    assert [track.id for track in tracks] == [1] and not tracks[0].coasted


def test_a_flicker_is_not_told():
    tracker = Tracker()
    assert tracker.update(seen((*box(0.5), 0.4)), at(0.0)) == ()
    assert tracker.update(seen(), at(0.2)) == ()


def test_a_sure_box_is_told_at_once():
    assert len(Tracker().update(seen((*box(0.5), 0.9)), at(0.0))) == 1


def test_the_class_is_voted():
    tracker = Tracker()
    for index in range(20):
        label = 2 if index % 4 == 0 else 1
        (track,) = tracker.update(seen((*box(0.5), 0.8, label)), at(index * 0.2))
        assert track.id == 1
    assert track.label == "cart"


def test_two_names_for_one_object_are_one_track():
    tracker = Tracker()
    for index in range(5):
        rows = ((*box(0.5), 0.8, 1), (*box(0.501), 0.6, 2))
        tracks = tracker.update(seen(*rows), at(index * 0.2))
    assert [track.label for track in tracks] == ["cart"]


def test_a_vendor_behind_his_cart_is_his_own_track():
    tracker = Tracker()
    for index in range(5):
        rows = ((*box(0.5, w=0.2), 0.8, 1), (*box(0.5, 0.45), 0.7, 0))
        tracks = tracker.update(seen(*rows), at(index * 0.2))
    assert sorted(track.label for track in tracks) == ["cart", "person"]


def test_ids_belong_to_the_instance():
    one, two = Tracker(), Tracker()
    for tracker in (one, two):
        assert tracker.update(seen((*box(0.3), 0.9)), at(0.0))[0].id == 1


def test_the_path_is_bounded_keeps_its_start_and_runs_forward():
    tracker = Tracker()
    for index in range(2000):
        t = index * 0.2
        (track,) = tracker.update(seen((*box(0.5 + 0.3 * np.sin(t / 9)), 0.9)), at(t))
    times = [step[0] for step in track.path]
    assert len(track.path) <= PATH_MOST and times[0] == 0.0 and times == sorted(times)
    assert track.path[-1][2] == pytest.approx(0.6, abs=1e-6)


def test_a_parked_object_stays_where_it_is_while_hidden():
    rng = np.random.default_rng(0)
    tracker = Tracker(lost_s=5.0)
    for index in range(50):
        jitter = rng.normal(0, 0.002, 2)
        tracks = tracker.update(
            seen((*box(0.5 + jitter[0], 0.5 + jitter[1]), 0.9)), at(index * 0.2)
        )
    for index in range(20):
        tracks = tracker.update(seen(), at(10 + index * 0.2))
    assert tracks[0].coasted and abs(tracks[0].foot[0] - 0.5) < 0.03


def test_a_stamp_that_does_not_move_on_is_no_harm():
    tracker = Tracker()
    for t in (0.0, 0.2, 0.2, 0.1, 0.4):
        tracks = tracker.update(seen((*box(0.5), 0.9)), at(t))
    assert [track.id for track in tracks] == [1]


def test_a_thousand_boxes_of_noise_do_not_stop_it():
    rng = np.random.default_rng(0)
    tracker = Tracker()
    for index in range(5):
        corner = rng.uniform(0, 0.9, (300, 2))
        rows = np.concatenate([corner, corner + 0.05, rng.random((300, 1))], 1)
        tracker.update(seen(*rows.tolist()), at(index * 0.2))


def test_crossings_by_the_hundred_beat_chance():
    """A crowd whose truth is known: identity agreement of the whole chain."""
    from tools.bench.crowds import Crowd, play
    from tools.bench.identity import Picture, score
    from tools.bench.trackers import ours

    update = ours(5.0)
    pictures = []
    for instant in play(Crowd(seconds=20), seed=7):
        ids, boxes = update(instant)
        pictures.append(Picture(instant.ids, instant.truth, ids, boxes))
    result = score(pictures)
    assert result.idf1 > 0.72 and result.mota > 0.8


def ids_after(gap_s, before=(0.0, 0.2, 0.4, 0.6)):
    """Ids of what stands at one place before a time without pictures and at once after it."""
    tracker = Tracker()
    told = [tracker.update(seen(box(0.5)), at(t)) for t in (*before, before[-1] + gap_s)]
    return [track.id for track in told[len(before) - 1]], [track.id for track in told[-1]]


@pytest.mark.parametrize("gap_s", [2.0, 4.9])
def test_what_stands_there_at_the_next_look_is_the_same(gap_s):
    assert ids_after(gap_s) == ([1], [1])


@pytest.mark.parametrize("gap_s", [6.0, 7200.0])
def test_what_stands_there_after_an_outage_is_known_by_another_number(gap_s):
    assert ids_after(gap_s) == ([1], [2])


def test_an_outage_is_no_usual_interval_between_pictures():
    assert ids_after(30.0, before=(0.0, 30.0, 60.0)) == ([1], [1]), "seldom, but regular"
    assert ids_after(7200.0, before=(0.0,)) == ([1], [2]), "seen once, and then no more"


def painted(colour):
    picture = np.full((200, 200, 3), 128, np.uint8)
    picture[50:150, 50:150] = colour
    return picture


def test_looks_tell_colours_apart_and_forgive_brightness():
    where = (0.25, 0.25, 0.75, 0.75)
    red, dim, green = (
        look(painted(c), where) for c in ((30, 30, 200), (22, 22, 150), (30, 190, 30))
    )
    assert len(red) == LENGTH and likeness(red, red) == pytest.approx(1.0)
    assert likeness(red, dim) > 0.9 and likeness(red, green) < 0.2


@pytest.mark.parametrize("where", [(0.5, 0.5, 0.5, 0.5), (1.2, 0, 1.4, 0.2), (0.9, 0.9, 0.2, 0.2)])
def test_a_box_without_pixels_has_no_look(where):
    assert look(painted((1, 2, 3)), where) is None


def test_tracks_get_a_look_from_the_picture():
    tracker = Tracker()
    picture = painted((30, 30, 200))
    for index in range(3):
        tracks = tracker.update(seen((0.25, 0.25, 0.75, 0.75, 0.9)), at(index * 0.2), picture)
    assert tracks[0].look is not None


def test_a_box_of_another_class_must_overlap_clearly_better():
    """The person who steps before his cart covers the cart's place a little better than the cart
    that was pushed aside: the track of the cart goes with the cart."""
    tracker = Tracker()
    for index in range(5):
        first = tracker.update(seen((*box(0.5), 0.9, 1)), at(index * 0.2))
    both = seen((*box(0.512), 0.9, 1), (*box(0.503), 0.9, 0))
    tracks = {track.id: track for track in tracker.update(both, at(1.0))}
    assert tracks[first[0].id].box[0] == pytest.approx(box(0.512)[0], abs=0.005)

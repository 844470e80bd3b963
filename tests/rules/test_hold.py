# SPDX-License-Identifier: AGPL-3.0-or-later
"""The one clock: seconds, not samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.hold import Hold, Terms

TERMS = Terms(dwell_s=60.0, share=0.8, window_s=20.0, gap_s=20.0, hidden_s=300.0)


def run(states, *, step=0.5, terms=TERMS):
    """`states`: (seconds, sight) in a row, looked at every `step` seconds."""
    hold, now = Hold(terms, 0.0), 0.0
    for seconds, sight in states:
        for _ in range(round(seconds / step)):
            now += step
            hold.step(now, sight)
    return hold


@pytest.mark.parametrize(
    ("states", "held", "gone"),
    [
        ([(60, "seen")], 60.0, False),
        ([(30, "seen"), (15, "missed")], 30.0, False),
        ([(30, "seen"), (15, "missed"), (20, "seen")], 65.0, False),
        ([(30, "seen"), (20, "missed"), (1, "seen")], 51.0, False),
        ([(30, "seen"), (30, "missed")], 30.0, True),
        ([(30, "seen"), (100, "hidden")], 30.0, False),
        ([(30, "seen"), (100, "hidden"), (10, "seen")], 60.0, False),
        ([(30, "seen"), (301, "hidden")], 30.0, True),
        ([(30, "seen"), (100, "kept")], 30.0, False),
        ([(30, "seen"), (100, "kept"), (10, "seen")], 40.0, False),
        ([(30, "seen"), (10, "missed"), (100, "hidden"), (10, "missed")], 30.0, False),
    ],
)
def test_what_counts(states, held, gone):
    hold = run(states)
    assert hold.held_s == pytest.approx(held, abs=1.0)
    assert hold.gone == gone


def test_blinks_do_not_spoil_the_share():
    assert run([(2, "seen"), (1.5, "missed")] * 20 + [(1, "seen")]).share == pytest.approx(1.0)
    assert run([(2, "seen"), (6, "missed")] * 9 + [(1, "seen")]).share < 0.5


def test_blind_time_is_not_visible_time():
    hold = run([(20, "seen"), (60, "hidden"), (2, "seen")])
    assert hold.share == pytest.approx(1.0)
    assert hold.held_for(40.0)


def test_nobody_looked_is_not_seen():
    hold = Hold(TERMS, 0.0)
    hold.step(0.5, "seen")
    hold.step(100.0, "seen")
    assert hold.held_s == pytest.approx(20.5, abs=0.6), "no more than a forgiven gap"


def test_never_decided_inside_a_gap():
    hold = run([(59, "seen"), (10, "missed")])
    assert not hold.held_for(60.0)
    hold.step(hold.now + 0.5, "seen")
    assert hold.held_for(60.0) is (hold.share >= 0.8)


@given(
    parts=st.lists(
        st.tuples(st.integers(2, 30), st.sampled_from(("seen", "missed", "hidden"))), max_size=8
    ),
    steps=st.lists(st.sampled_from((0.04, 0.1, 0.2, 0.5, 1.0)), min_size=2, max_size=2),
)
def test_the_rate_of_looking_changes_nothing(parts, steps):
    fine, coarse = (run([(5, "seen"), *parts, (3, "seen")], step=step) for step in steps)
    # Each change of state may be noticed one look later.
    slack = (max(steps) + 0.05) * (len(parts) + 2)
    # A gap of exactly the forgiven length lies on one side or the other: not asked about.
    missed = [seconds for seconds, sight in parts if sight == "missed"]
    gap = any(20 <= sum(missed[i:j]) <= 25 for i in range(9) for j in range(i + 1, 10))
    if not gap and not any(2 <= seconds <= 3 for seconds in missed):
        assert fine.held_s == pytest.approx(coarse.held_s, abs=slack)


def test_a_snapshot_goes_on_where_it_was():
    hold = run([(30, "seen"), (5, "missed")])
    twin = Hold.restore(TERMS, hold.snapshot(), 1000.0)
    for h, shift in ((hold, 0.0), (twin, 1000.0)):
        for t in range(36, 80):
            h.step(t + shift, "seen")
    assert twin.held_s == pytest.approx(hold.held_s)
    assert twin.share == pytest.approx(hold.share)


def looked(*looks, terms=TERMS):
    """Looks at these seconds, each with what it said."""
    hold = Hold(terms, 0.0)
    for now, sight in looks:
        hold.step(now, sight)
    return hold


def test_looks_too_far_apart_are_no_watching():
    usual = Terms(60.0)
    assert looked((5, "seen"), (10, "seen"), terms=usual).held_s == 10.0
    assert looked((5, "seen"), (45, "seen"), terms=usual).held_s == 35.0, "a forgiven gap of 30 s"
    assert looked((5, "seen"), (45, "hidden"), terms=usual).hidden_s == 40.0
    assert looked((5, "seen"), (4, "seen"), terms=usual).now == 5.0, "time never runs back"
    assert not looked((5, "seen"), (905, "hidden"), terms=usual).gone
    assert looked((5, "seen"), (906, "hidden"), terms=usual).gone, "a quarter of an hour"


@pytest.mark.parametrize(
    ("missed_s", "share"), [(2.0, 1.0), (2.5, 1.0), (3.0, 10 / 13), (5.0, 10 / 15), (15.0, 5 / 20)]
)
def test_a_miss_longer_than_a_blink_lowers_the_share_at_once(missed_s, share):
    """The last 20 s in view: a stall that is gone for 15 of them was seen in a quarter."""
    hold = run([(10, "seen"), (missed_s, "missed")])
    assert hold.share == pytest.approx(share)
    assert hold.unseen_s == pytest.approx(missed_s)


def test_the_share_is_of_the_last_window_in_view_only():
    assert run([(40, "seen"), (10, "missed"), (0.5, "seen")]).share == pytest.approx(9.5 / 20)
    assert run([(10, "seen"), (10, "missed"), (15, "seen")]).share == pytest.approx(14.5 / 20)
    assert run([(5, "seen"), (10, "missed"), (20.5, "seen")]).share == pytest.approx(1.0)
    assert run([(10, "seen"), (10, "missed"), (5, "seen"), (8, "missed")]).share == pytest.approx(
        4.5 / 20
    )
    assert Hold(TERMS, 0.0).share == 1.0
    assert looked((0, "seen"), (0, "seen")).share == 1.0
    assert looked((1, "hidden"), (2, "hidden")).share == 1.0


def test_a_gap_counts_to_its_last_second_and_not_beyond():
    assert run([(30, "seen"), (22, "missed"), (0.5, "seen")]).held_s == pytest.approx(52.5)
    assert run([(30, "seen"), (22.5, "missed"), (0.5, "seen")]).held_s == pytest.approx(30.0)
    assert not run([(30, "seen"), (22.5, "missed")]).gone
    assert run([(30, "seen"), (23, "missed")]).gone
    assert run([(30, "seen"), (22.5, "missed"), (1, "seen"), (1, "missed")]).gone is False


def test_ground_that_still_looks_the_same_begins_the_gap_anew():
    assert not run([(30, "seen"), (22, "missed"), (0.5, "kept"), (22, "missed")]).gone
    assert run([(30, "seen"), (22, "missed"), (0.5, "kept"), (23, "missed")]).gone
    assert not run([(30, "seen"), (300, "kept")]).gone
    assert run([(30, "seen"), (301, "kept")]).gone, "nobody would vouch for it"
    assert not run([(30, "seen"), (300, "hidden")]).gone


def test_only_what_is_seen_at_this_look_is_held():
    assert run([(60, "seen")]).held_for(60.0)
    assert not run([(59.5, "seen")]).held_for(60.0)
    assert not run([(60, "seen"), (0.5, "missed")]).held_for(60.0)
    assert not run([(60, "seen"), (10, "missed"), (0.5, "seen")]).held_for(60.0), "its share fell"
    assert run([(60, "seen"), (4, "missed"), (0.5, "seen")]).held_for(60.0) is False
    assert run([(60, "seen"), (3, "missed"), (0.5, "seen")]).held_for(60.0), "seen in 16.5 of 20 s"


def test_a_restart_goes_on_in_the_middle_of_a_gap():
    before = run([(30, "seen"), (5, "missed"), (3, "hidden"), (2, "kept")])
    after = Hold.restore(TERMS, before.snapshot(), 1000.0)
    assert after.now == 1040.0
    assert (after.held_s, after.share) == (before.held_s, before.share)
    assert (after.unseen_s, after.hidden_s, after.gone) == (7.0, 3.0, False)
    for hold, shift in ((before, 0.0), (after, 1000.0)):
        hold.step(shift + 40.5, "seen")
    assert after.held_s == before.held_s == pytest.approx(40.5)
    assert after.share == before.share
    assert after.snapshot().runs == before.snapshot().runs


def test_what_counts_as_held_where_nobody_says_otherwise():
    plain = Terms(dwell_s=60.0)
    assert (plain.share, plain.window_s, plain.gap_s, plain.hidden_s, plain.blink_s,
            plain.look_s) == (0.8, 20.0, 30.0, 900.0, 2.5, 5.0)  # fmt: skip
    held, short = Hold(plain, 0.0), Hold(plain, 0.0)
    for hold, missed_s in ((held, 4), (short, 5)):
        for second in range(1, 101):
            hold.step(float(second), "missed" if 90 < second <= 90 + missed_s - 1 else "seen")
    assert (held.share, short.share) == (0.8, 0.75)
    assert (held.held_for(60.0), short.held_for(60.0)) == (True, False)


@pytest.mark.parametrize("every_s", [0.2, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(("missed_s", "blink"), [(2.0, True), (4.0, False)])
def test_a_miss_is_as_long_at_every_rate_of_looks(every_s, missed_s, blink):
    """What looks missed, with half of the wait for the first of them and half of that for the one
    that saw it again: one miss of looks 2 s apart is a blink, two in a row are none."""
    hold = run([(20, "seen"), (missed_s, "missed"), (every_s, "seen")], step=every_s)
    assert (hold.share == 1.0) is blink


@pytest.mark.parametrize(
    ("first_s", "then_s", "again_s", "blink"),
    [(0.2, 2.2, 0.2, True), (1.0, 1.8, 0.2, True), (0.2, 2.2, 2.0, False), (0.2, 2.6, 0.2, False)],
)
def test_nobody_knows_when_between_two_looks_it_went_or_came_again(first_s, then_s, again_s, blink):
    """Missed `first_s` after it was seen last, for `then_s` more in looks close together, and seen
    `again_s` later: of the first wait and of the last, half counts as missed."""
    hold = run([(20, "seen")], step=0.2)
    at_s = hold.now + first_s
    for n in range(round(then_s / 0.2) + 1):
        hold.step(at_s + 0.2 * n, "missed")
    hold.step(at_s + then_s + again_s, "seen")
    assert (hold.share == 1.0) is blink

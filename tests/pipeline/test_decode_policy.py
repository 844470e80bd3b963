# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which pictures of a quiet camera are decoded, and that nothing due is lost by it."""

from itertools import pairwise

import av
import numpy as np
import pytest

from edge.pipeline.decode_policy import (
    APART_MOST_S,
    APART_S,
    FAINT_SEARCH_S,
    IDLE_AFTER_S,
    NOTHING_AFTER_S,
    QUIET_AFTER_S,
    SEARCH_S,
    SELDOM_AFTER_S,
    WOKEN_S,
    DecodePolicy,
    Streaming,
    look_every_s,
)

NO_KEYS = Streaming(fps=25.0)
FIT = Streaming(fps=25.0, key_s=2.0, able=True, key_most_s=2.0)


def step(policy, t, *, stirs=False, moves=None, stream=FIT, look_s=4.0, every_s=0.0, **more):
    return policy.step(
        float(t),
        stirs=stirs,
        moves=stirs if moves is None else moves,
        came=more.pop("came", stirs),
        searching=more.pop("searching", False),
        watched=more.pop("watched", False),
        look_s=look_s,
        every_s=every_s,
        stream=stream,
        asleep=more.pop("asleep", False),
        between=more.pop("between", False),
    )


def wants(
    busy_at, *, fps=5.0, stream=NO_KEYS, asleep=False, seconds=120, look_s=4.0, every_s=0.0, **more
):
    policy = DecodePolicy(fps, **more)
    return [
        step(
            policy,
            t,
            stirs=bool(busy_at(t)),
            look_s=look_s,
            every_s=every_s(t) if callable(every_s) else every_s,
            stream=stream,
            asleep=asleep,
        )
        for t in range(seconds)
    ]


def test_an_idle_camera_leaves_out_what_nothing_depends_on():
    told = wants(lambda t: False)
    first = told.index("nonref")
    assert first == IDLE_AFTER_S and set(told[first:]) == {"nonref"}


def test_whatever_comes_is_decoded_in_full_at_once_and_for_a_while():
    told = wants(lambda t: t in (50, 52))
    assert told[49] == "nonref" and told[50:82] == ["all"] * 32 and told[82] == "nonref"


@pytest.mark.parametrize(("fps", "stream_fps"), [(10.0, 25.0), (5.0, 0.0), (5.0, 10.0)])
def test_a_stream_with_hardly_more_pictures_than_are_due_or_unknown(fps, stream_fps):
    assert set(wants(lambda t: False, fps=fps, stream=Streaming(fps=stream_fps))) == {"all"}


def test_a_camera_put_to_sleep_decodes_key_pictures():
    assert set(wants(lambda t: True, asleep=True)) == {"key"}


BUSY = Streaming(fps=25.0, key_s=1.0, key_most_s=1.04)


def test_a_busy_street_whose_rules_need_no_more_is_decoded_at_its_key_pictures():
    told = wants(lambda t: True, stream=BUSY, every_s=1.0)
    first = told.index("key")
    assert 1 <= first <= SELDOM_AFTER_S and set(told[first:]) == {"key"}


def test_once_a_rule_needs_every_look_all_is_decoded_again():
    told = wants(lambda t: True, stream=BUSY, every_s=lambda t: 0.0 if 50 <= t < 53 else 1.0)
    assert told[49] == "key" and told[50:53] == ["all"] * 3 and told[60] == "key"
    # Then nothing that others build on is left out until it is known to last.
    assert set(told[53:57]) == {"nonref"}


@pytest.mark.parametrize(
    ("stream", "more"),
    [
        (Streaming(25.0, 2.0, key_most_s=2.0), {"every_s": 1.0}),
        # On average they are near enough, but one let the street wait for five seconds.
        (Streaming(25.0, 1.0, key_most_s=5.0), {"every_s": 1.0}),
        (Streaming(25.0), {"every_s": 1.0}),
        (BUSY, {"every_s": 0.2}),
        (BUSY, {"every_s": 1.0, "whole": True}),
    ],
)
def test_where_key_pictures_are_too_far_apart_or_unknown_no_look_waits_for_one(stream, more):
    """With a look a second, those that nothing is built on are left out all the same."""
    spares = more["every_s"] >= 1.0 and not more.get("whole")
    assert set(wants(lambda t: True, stream=stream, **more)) == {"nonref" if spares else "all"}


def test_where_there_is_room_what_lies_between_key_pictures_is_decoded_too():
    policy = DecodePolicy(5.0)
    told = [
        step(policy, t, stirs=True, stream=BUSY, every_s=1.0, between=20 <= t < 40)
        for t in range(60)
    ]
    assert set(told[10:20]) == set(told[40:]) == {"key"} and set(told[20:40]) == {"nonref"}
    assert policy.keys_do, "the rules are content with key pictures all the while"


def test_looks_come_as_the_rules_need_them_and_never_above_the_ceiling():
    assert look_every_s(5.0, 0.0, want="all") == pytest.approx(0.2)
    assert look_every_s(5.0, 1.0, want="all") == pytest.approx(1.0)
    assert look_every_s(0.5, 1.0, want="all") == pytest.approx(2.0)
    # Key pictures a second apart are each due, however they stray.
    assert look_every_s(5.0, 1.0, want="key") < 0.8


def test_a_quiet_camera_is_watched_by_its_key_pictures():
    told = wants(lambda t: t < 5, stream=FIT)
    first = told.index("watch")
    assert first == 4 + QUIET_AFTER_S and set(told[first:]) == {"watch"}


@pytest.mark.parametrize(
    ("stream", "more", "left"),
    [
        (Streaming(25.0, 10.0, True, key_most_s=10.0), {}, "nonref"),
        (FIT, {"look_s": 1.0}, "nonref"),
        (FIT, {"brief": True}, "nonref"),
        (FIT, {"whole": True}, "all"),
    ],
)
def test_where_a_key_picture_is_too_little_it_is_not_watched_so(stream, more, left):
    assert set(wants(lambda t: False, stream=stream, **more)[60:]) == {left}


def looks(policy, from_s, to_s, **more):
    """{time: want} of five looks a second."""
    times = [n / 5 for n in range(round(from_s * 5), round(to_s * 5))]
    return {t: step(policy, t, **more) for t in times}


def test_a_stir_that_was_nothing_is_short():
    policy = DecodePolicy(5.0)
    assert set(looks(policy, 0, 20).values()) == {"all", "watch"}
    woken = Streaming(25.0, 2.0, True, 1, key_most_s=2.0)
    later = looks(policy, 20, 30, stream=woken)
    assert min(t for t, want in later.items() if want == "watch") == pytest.approx(
        20.0 + NOTHING_AFTER_S, abs=0.21
    )


def test_woken_by_itself_it_looks_at_all_that_is_due_for_a_moment():
    policy = DecodePolicy(5.0)
    looks(policy, 0, 20)
    assert policy.need_s(20.0, 1.0) == 1.0
    step(policy, 20.0, stream=Streaming(25.0, 2.0, True, 1, key_most_s=2.0))
    assert policy.need_s(20.0, 1.0) == 0.0 and policy.need_s(20.0 + WOKEN_S, 1.0) == 1.0


def test_what_moves_no_object_is_short_and_what_does_is_waited_for():
    for moves, after_s in ((False, NOTHING_AFTER_S), (True, QUIET_AFTER_S)):
        policy = DecodePolicy(5.0)
        looks(policy, 0, 20)
        assert set(looks(policy, 20, 22, stirs=True, moves=moves).values()) == {"all"}
        later = looks(policy, 22, 40)
        first = min(t for t, want in later.items() if want == "watch")
        assert first == pytest.approx(21.8 + after_s, abs=0.21)


def test_asleep_only_an_object_wakes_it_and_stirs_are_looked_at():
    """Headlights that sweep over a key picture move its pixels; the detector looked at it."""
    asleep = Streaming(25.0, 2.0, True, key_most_s=2.0, asleep=True)
    policy = DecodePolicy(5.0)
    looks(policy, 0, 20)
    assert step(policy, 22, stirs=True, moves=False, came=False, stream=asleep) == "watch"
    assert step(policy, 24, stirs=True, moves=False, came=True, stream=asleep) == "all"
    # What a look saw once is looked at as often as can be, as what woke it by itself is.
    assert policy.need_s(24.0, 1.0) == 0.0 and policy.need_s(24.0 + WOKEN_S, 1.0) == 1.0


NEW = Streaming(25.0, None, True, asleep=True, room=False)


def test_without_room_a_new_camera_is_looked_at_in_its_key_pictures():
    """What stands there was not seen before the first look: it did not come."""
    policy = DecodePolicy(5.0)
    assert policy.first(room=False) == "watch" and policy.first(room=True) == "all"
    assert step(policy, 0, stirs=True, moves=False, came=True, stream=NEW) == "watch"
    assert step(policy, 2, stirs=True, moves=False, came=True, stream=NEW) == "all"
    assert step(DecodePolicy(5.0), 0, stirs=True, moves=True, stream=NEW) == "all"


@pytest.mark.parametrize("more", [{"brief": True}, {"whole": True}, {"sleeps": False}])
def test_what_key_pictures_cannot_be_enough_for_needs_no_room(more):
    policy = DecodePolicy(5.0, **more)
    assert policy.first(room=False) == "all"
    assert step(policy, 0, came=False, stream=NEW) == "all"


def test_while_it_is_measured_a_clock_waits_for_no_key_picture():
    """A late one is waited for five seconds: longer than a clock may be without a look."""
    assert step(DecodePolicy(5.0), 0, stream=NEW, look_s=4.0) == "watch"
    assert step(DecodePolicy(5.0), 0, stream=NEW, look_s=2.0) == "all"
    assert step(DecodePolicy(5.0), 0, stream=Streaming(25.0, None, True)) == "all"


ASLEEP = Streaming(25.0, 2.0, True, key_most_s=2.0, asleep=True)


def keys(policy, times, *, missed):
    """Looks at key pictures, asleep; what is held is not seen at those of `missed`."""
    return [step(policy, t, searching=t in missed, stream=ASLEEP) for t in times]


def test_what_is_held_and_is_lost_for_good_is_looked_for_a_moment_in_every_picture():
    """The detector has lost what no pixel says has gone. A camera stayed awake for as long as it
    took, which was most of the time on a street with people at the edge of what it can see."""
    policy = DecodePolicy(5.0)
    looks(policy, 0, 20)
    assert keys(policy, (20,), missed=(20,)) == ["all"]
    lost = looks(policy, 20.2, 22, searching=True)
    assert max(t for t, want in lost.items() if want == "all") <= 20 + SEARCH_S
    later = range(22, 622, 2)
    told = keys(policy, later, missed=later)
    began = [t for t, want in zip(later, told, strict=True) if want == "all"]
    apart = [b - a for a, b in pairwise([20, *began])]
    assert apart[0] == pytest.approx(2 * APART_S, abs=2)
    assert all(b >= a for a, b in pairwise(apart)) and apart[-1] <= APART_MOST_S + 2


def test_a_detector_that_misses_in_step_with_key_pictures_is_given_more_now_and_then():
    """Without it a stall in the night was lost, which every picture told of."""
    policy = DecodePolicy(5.0)
    looks(policy, 0, 20)
    for key in range(20, 140, round(APART_S) + 1):
        assert keys(policy, (key,), missed=(key,)) == ["all"], "it is looked for at once"
        assert step(policy, key + 0.2, searching=True) == "all"
        assert step(policy, key + 0.4) == "watch", "and not longer than until it is found"


def test_smoke_is_looked_for_until_a_rule_would_call_it_gone():
    """It wavers: of 47 made plumes, 3 were lost asleep where it was looked for as other things."""
    policy = DecodePolicy(5.0, faint=True)
    looks(policy, 0, 20)
    for key in (20, 26, 32):
        assert keys(policy, (key,), missed=(key,)) == ["all"], "also a few seconds later"
        lost = looks(policy, key + 0.2, key + 4, searching=True)
        longest_s = max(t for t, want in lost.items() if want == "all") - key
        assert longest_s == pytest.approx(FAINT_SEARCH_S, abs=0.21)
        assert step(policy, key + 4) == "watch"


def test_a_noisy_night_keeps_nobody_awake():
    """The detector misses what is held at every second key picture, and finds it at the next."""
    policy = DecodePolicy(5.0)
    looks(policy, 0, 20)
    told = keys(policy, range(20, 320, 2), missed=range(20, 320, 4))
    assert told.count("all") * SEARCH_S <= 0.05 * 300


def test_it_is_still_once_nothing_has_moved_for_a_while():
    policy = DecodePolicy(5.0, brief=True)
    still = []
    for n in range(5 * 30):
        step(policy, n / 5, stirs=10 <= n / 5 < 14)
        still.append(policy.still(n / 5))
    first = next(n for n in range(5 * 14, len(still)) if still[n])
    assert still[5 * 9] and not any(still[5 * 10 : first]) and all(still[first:])
    assert QUIET_AFTER_S - 0.3 <= first / 5 - 14 <= QUIET_AFTER_S + 0.3


def test_sizes_that_told_of_three_movements_open_the_way_for_what_passes():
    policy, told = DecodePolicy(5.0, brief=True), []
    for n in range(5 * 200):
        t = n / 5
        moving = any(a <= t < a + 4 for a in (20, 50, 80))
        last = max((a + 0.3 for a in (20, 50, 80) if a + 0.3 <= t), default=-1.0)
        stream = Streaming(25.0, 2.0, True, 0, last, key_most_s=2.0)
        told.append(step(policy, t, stirs=moving, stream=stream))
    assert "watch" not in told[: 5 * 84] and told[-1] == "watch"
    assert policy.sizes.noticed == 3 and policy.sizes.missed == 0


@pytest.mark.parametrize("between", [0, 1, 2])
def test_enough_pictures_are_left_of_a_real_stream(tmp_path, between):
    """With no, one and two B-frames between others: at least a third, and the rest unharmed."""
    path = tmp_path / "b.mp4"
    options = {"preset": "veryfast", "bf": str(between), "b_strategy": "0"}
    rng = np.random.default_rng(3)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        scene = rng.integers(0, 255, (96, 400, 3), np.uint8)
        for number in range(75):
            image = np.ascontiguousarray(scene[:, number : number + 128])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        out.mux(stream.encode())

    def decoded(skip):
        with av.open(str(path)) as file:
            file.streams.video[0].codec_context.skip_frame = skip
            return {f.pts: f.to_ndarray(format="gray") for f in file.decode(video=0)}

    whole, left = decoded("DEFAULT"), decoded("NONREF")
    assert len(whole) == 75 and len(left) >= 75 / 3
    assert len(left) < 75 or between == 0
    assert all((whole[pts] == image).all() for pts, image in left.items())


def test_a_stream_sleeps_at_its_key_pictures_unless_the_site_says_otherwise():
    def wants(**asked):
        return set(looks(DecodePolicy(5.0, **asked), 0, 120).values())

    assert "watch" in wants()
    assert wants(sleeps=False) == {"all", "nonref"}
    assert wants(whole=True) == {"all"}

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Packet sizes tell that something came, by the stream's own usual and by nothing else."""

from itertools import pairwise

import numpy as np
import pytest

from edge.camera.quiet import (
    BYTES_MOST,
    HOLD_MOST_S,
    KEPT_BYTES,
    SOMETHING_S,
    HeldPacket,
    QuietStream,
)
from edge.camera.watch import HALVED_S, PacketWatch, Restraint, SizeRecord, plan
from edge.values import Stamp

FPS, GOP = 25, 50


def sizes(seconds, *, base=4000, noise=0.05, swing=0.3, seed=1, grows=()):
    """(seconds, size, key) of a stream whose packets shrink over the group and waver a little.

    grows: (from s, to s, bytes a packet) of what moves.
    """
    rng = np.random.default_rng(seed)
    for n in range(seconds * FPS):
        t, place = n / FPS, n % GOP
        size = base * (1 + swing * (1 - place / GOP)) * (1 + noise * rng.standard_normal())
        size += sum(more for a, b, more in grows if a <= t < b)
        yield t, int(60_000 if place == 0 else max(20, size)), place == 0


def stirs(packets, *, known_still_s=60.0):
    watch = PacketWatch(FPS)
    return [t for t, size, key in packets if watch.add(t, size, key, learn=t < known_still_s)]


def times(found, apart_s=1.5):
    """How often it stirred: what is told of nearer together than that is one."""
    return sum(now - before > apart_s for before, now in pairwise([-apart_s - 1.0, *found]))


def test_a_still_street_stirs_next_to_never():
    """A few times an hour at most, a second or two each."""
    told = [times(stirs(sizes(600, seed=seed), known_still_s=600)) for seed in range(3)]
    assert sum(told) <= 3


@pytest.mark.parametrize(("base", "noise"), [(300, 0.05), (4000, 0.05), (18_000, 0.08)])
def test_what_comes_stirs_within_a_third_of_a_second(base, noise):
    found = stirs(sizes(70, base=base, noise=noise, grows=[(62.0, 66.0, 0.4 * base)]))
    assert next(t for t in found if t > 60.0) <= 62.4


@pytest.mark.parametrize("noise", [0.1, 0.14])
def test_what_is_small_or_slow_adds_up_until_it_stirs(noise):
    """A truck an eighth of the picture high, at walking pace: a quarter of a second of it is no
    more than what the packets waver by, and it waited for the next key picture."""
    for seed in range(5):
        found = stirs(sizes(70, base=800, noise=noise, seed=seed, grows=[(62.0, 66.0, 350)]))
        assert next(t for t in found if t > 60.0) <= 63.0


def test_what_comes_in_from_the_edge_stirs_before_it_is_in_whole():
    """A stall a sixth of the picture wide comes in over a second: half of that is enough."""
    late = []
    for seed in range(9):
        comes = [(62.0 + n / FPS, 66.0, 20) for n in range(FPS)]
        found = stirs(sizes(70, base=700, noise=0.13, seed=seed, grows=comes))
        late.append(next(t for t in found if t > 62.0) - 62.0)
    assert sorted(late)[4] <= 0.6


def test_one_large_packet_by_itself_is_the_encoders_own():
    assert not stirs(sizes(70, grows=[(62.2, 62.24, 9000)]), known_still_s=70)


def test_what_comes_in_a_lost_step_is_told_by_the_packets_after_it():
    found = stirs(sizes(70, grows=[(62.2, 62.24, 9000), (62.24, 64.0, 2000)]), known_still_s=60)
    assert 62.2 < next(t for t in found if t > 60.0) <= 62.4


def test_the_groups_own_shape_is_no_news():
    """Packets that are three times as large after a key picture are so every time."""
    assert len(stirs(sizes(120, swing=2.0), known_still_s=120)) <= 2


def test_a_slow_change_of_the_light_is_learnt():
    packets = [(t, int(s * (1 + t / 600)), k) for t, s, k in sizes(300)]
    assert times(stirs(packets, known_still_s=300)) <= 1


def test_nothing_is_asked_before_enough_is_known():
    watch = PacketWatch(FPS)
    for t, size, key in sizes(4):
        assert not watch.add(t, size, key, learn=True)
    assert not watch.ready


@pytest.mark.parametrize(
    ("told", "missed", "tells"),
    [(2, 0, None), (3, 0, True), (0, 3, False), (9, 1, True), (8, 2, False)],
)
def test_sizes_must_have_told_before_they_are_believed(told, missed, tells):
    record = SizeRecord(told, missed)
    assert record.tells is tells


@pytest.mark.parametrize(
    ("facts", "watching", "says"),
    [
        ({"key_s": 2.0, "look_s": 4.0}, "key", "every 2 s"),
        ({"key_s": None, "look_s": 4.0}, "whole", "measuring"),
        ({"key_s": 10.0, "look_s": 4.0}, "whole", "every 10 s, looks wanted every 4 s"),
        ({"key_s": 2.04, "look_s": 2.0}, "key", "2.04"),
        ({"key_s": 2.0, "look_s": 1.0}, "whole", "looks wanted every 1 s"),
        ({"key_s": 2.0, "look_s": 4.0, "brief": True}, "whole", "not known yet"),
        ({"key_s": 2.0, "look_s": 4.0, "brief": True, "tells": False}, "whole", "do not tell"),
        ({"key_s": 2.0, "look_s": 4.0, "brief": True, "tells": True}, "key", "packet sizes"),
        ({"key_s": 2.0, "look_s": 4.0, "able": False}, "whole", "pictures only"),
        ({"key_s": 0.04, "look_s": 4.0}, "whole", "little lies between"),
    ],
)
def test_a_plan_for_each_stream(facts, watching, says):
    made = plan(**{"brief": False, "tells": None, "able": True, **facts})
    assert made.watching == watching and says in made.why


def at(t):
    return Stamp(t, 1_700_000_000.0 + t)


class Same:
    """Finds no two key pictures different."""

    smallest = 0.02
    told_nothing = 0

    def __call__(self, image, now_s, fresh, times):
        return False

    def nothing(self):
        self.told_nothing += 1


def quiet():
    made = QuietStream(PacketWatch(FPS), Same())
    made.sleep(at(0.0))
    return made


def fill(made, seconds, size=1000):
    """Whether there was room for each packet."""
    packets = [HeldPacket(n, at(n / FPS), size, n / FPS) for n in range(int(seconds * FPS))]
    return [made.hold(one, n % GOP == 0) for n, one in enumerate(packets)]


def test_woken_by_sizes_it_gives_back_the_group_under_way():
    made = quiet()
    assert all(fill(made, 7.0))
    held = made.wake(at(7.0), "sizes")
    assert [one.packet for one in held] == list(range(150, 175)) and not made.asleep


def test_woken_by_a_key_picture_it_gives_back_the_group_before_it():
    made = quiet()
    fill(made, 6.04)
    assert [one.packet for one in made.wake(at(6.0), "picture")] == list(range(100, 151))


def test_from_within_a_group_it_sleeps_and_gives_that_group_back():
    made = QuietStream(PacketWatch(FPS), Same())
    for n in range(75):
        made.keep(HeldPacket(n, at(n / FPS), 1000, n / FPS), n % GOP == 0)
    assert made.holding
    made.sleep(at(3.0))
    assert made.fresh, "the next key picture has none before it to be compared with"
    assert made.hold(HeldPacket(75, at(3.0), 1000, 3.0), False)
    assert [one.packet for one in made.wake(at(3.0), "sizes")] == list(range(50, 76))
    # And again, before the next key picture.
    made.keep(HeldPacket(76, at(3.04), 1000, 3.04), False)
    made.sleep(at(3.08))
    assert [one.packet for one in made.wake(at(3.1), "asked")] == list(range(50, 77))


def test_a_group_of_which_too_much_was_decoded_is_not_kept():
    made = QuietStream(PacketWatch(FPS), Same())
    made.keep(HeldPacket(0, at(0.0), KEPT_BYTES, 0.0), True)
    made.keep(HeldPacket(1, at(0.04), 1, 0.04), False)
    assert not made.holding
    made.keep(HeldPacket(2, at(0.08), 1, 0.08), False)
    assert not made.holding, "until the next key picture"
    made.keep(HeldPacket(3, at(0.12), 1, 0.12), True)
    assert made.holding


def test_more_than_may_be_held_is_not():
    made = quiet()
    assert made.hold(HeldPacket(0, at(0.0), BYTES_MOST, 0.0), True)
    assert not made.hold(HeldPacket(1, at(0.04), 1, 0.04), False)


def test_a_key_picture_that_does_not_come_is_not_waited_for():
    """A camera with irregular key pictures: no rule lets a look wait longer than this."""
    made = quiet()
    fill(made, 0.04)
    assert made.hold(HeldPacket(1, at(HOLD_MOST_S), 1, HOLD_MOST_S), False)
    assert not made.hold(HeldPacket(2, at(HOLD_MOST_S + 0.1), 1, HOLD_MOST_S + 0.1), False)


def test_a_key_picture_that_was_read_late_did_come():
    """A reader that got no processor for six seconds finds them all at once. Each camera of a full
    machine would be decoded whole for it, which keeps the machine full."""
    made = quiet()
    fill(made, 1.0)
    late = [HeldPacket(n, at(7.0), 1000, n / FPS) for n in range(25, 50)]
    assert all(made.hold(one, False) for one in late)


def test_without_room_it_learns_at_its_key_pictures():
    made = QuietStream(PacketWatch(FPS), Same())
    assert not made.may_sleep(at(0.0), wanted=True) and not made.may_sleep(at(0.0), wanted=False)
    made.room = False
    assert made.may_sleep(at(0.0), wanted=True) and made.learning
    assert not made.may_sleep(at(0.0), wanted=False)


def woken_for_nothing(made, from_s, by):
    """It wakes, the looks let it sleep a second later, and it does."""
    made.wake(at(from_s), by)
    assert not made.may_sleep(at(from_s), wanted=False)
    made.may_sleep(at(from_s + 1.2), wanted=True)
    made.sleep(at(from_s + 3.0))


def test_what_woke_it_for_nothing_must_be_more_to_wake_it_again():
    made = quiet()
    woken_for_nothing(made, 10.0, "sizes")
    # Light makes packets larger, and changes no picture.
    assert made.watch.restraint.times == 4.0 and made.restraint.times == 1.0
    woken_for_nothing(made, 20.0, "picture")
    # What key pictures told of in vain is no reason to doubt sizes.
    assert made.restraint.times == 4.0 and made.watch.restraint.times == 4.0
    assert made.differs.told_nothing == 1
    assert made.for_nothing == made.wakes == 2


def test_what_woke_it_and_was_something_teaches_nothing():
    made = quiet()
    made.wake(at(10.0), "sizes")
    made.may_sleep(at(10.0 + SOMETHING_S + 1.0), wanted=True)
    made.sleep(at(18.0))
    assert made.watch.restraint.times == 1.0 and made.for_nothing == 0


def test_restraint_is_forgotten_and_allows_one_wake_in_a_while():
    held, wakes = Restraint(), []
    for t in range(3600):
        # Whatever comes each second is just above twice what is usual.
        if held.at(float(t)) < 2.0:
            wakes.append(t)
            held.tighten()
    assert 0.7 * 2 * HALVED_S <= np.diff(wakes).mean() <= 1.3 * 2 * HALVED_S
    assert held.at(1e6) == 1.0


def stirred(more):
    """Until three seconds after something came that makes each packet so many bytes larger."""
    watch, told = PacketWatch(FPS), []
    for t, size, key in sizes(70, grows=[(62.0, 66.0, more)]):
        told += [t] if watch.add(t, size, key, learn=t < 60) else []
        if told and t > told[0] + 3.0:
            break
    assert told and told[0] > 62.0
    return watch


@pytest.mark.parametrize(("more", "times"), [(220, 1.5), (4000, 4.0)])
def test_what_was_hardly_more_than_usual_was_chance_and_is_doubted_less(more, times):
    """A street stirs by itself now and then: what came a minute later waited for it."""
    watch = stirred(more)
    watch.note_nothing()
    assert watch.restraint.times == pytest.approx(times, rel=0.01)

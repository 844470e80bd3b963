# SPDX-License-Identifier: AGPL-3.0-or-later
"""Many still cameras on a machine without room for them: they come to sleep by themselves.

The real reader, policy and owner of room, on cameras and processors of the test's own: each packet
decoded and each look costs what was measured on an EPYC core, and no more is done in a stretch of
time than the cores have. A reader that does not get to its packets finds them later, all at once.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from edge.camera.live import LiveSource
from edge.camera.pacing import LIVE_EARLY, Pacer
from edge.camera.source import Picture
from edge.camera.url import parse_source
from edge.camera.watch import LATE
from edge.clock import SystemClock
from edge.pipeline.decode_policy import DecodePolicy, Streaming, look_every_s
from edge.pipeline.decode_room import DecodeRoom, slowed
from edge.values import Stamp
from tests.camera.making import video

FPS, KEY_S, DT_S = 25.0, 2.0, 0.04
GROUP = round(FPS * KEY_S)
# CPU seconds of a packet read, one decoded, a key picture, and a look.
READ_S, DECODE_S, KEY_COST_S, LOOK_COST_S = 0.00005, 0.0024, 0.020, 0.014
BLACK = np.zeros((18, 32, 3), np.uint8)


class Same:
    """Finds no two key pictures different."""

    smallest = 0.02

    def __call__(self, image, now_s, fresh, times):
        return False

    def nothing(self):
        pass


class MadeSource(LiveSource):
    """A source whose decoder only counts what it would have cost."""

    spent_s = 0.0

    def _pictures(self, packet, at):
        self._key_seen = self._key_seen or packet.is_keyframe
        if self._key_seen:
            self.spent_s += KEY_COST_S if packet.is_keyframe else DECODE_S
            self._last_at = at
            yield Picture(at, at.mono, lambda: BLACK)

    def _drained(self, at):
        yield from ()

    def handle(self, packet, at, waited_s):
        """What reading and decoding this packet costs, and its pictures."""
        self.spent_s = READ_S
        self._note_lag(packet, at, waited_s)
        self.statistics.add(
            self._came_s(at), packet.dts / FPS, packet.dts / FPS, packet.is_keyframe
        )
        return list(self._wanted(packet, at)), self.spent_s


class StillCamera:
    """One camera, its reader and its policy; `looked` is when its pictures came that were seen."""

    tells_waits_apart = True

    def __init__(self, path, number, wakes_s=()):
        self.source = MadeSource(parse_source(str(path)), SystemClock(), differs=Same())
        self.source.close()
        self.policy, self.pacer = DecodePolicy(5.0), Pacer(5.0, early=LIVE_EARLY)
        self.source.want = self.policy.first(room=False)
        self.source.quiet.room = False
        self.every_s, self.waits, self.sent = 0.2, deque(), 0
        self.began_s = number * 0.618 % 1.0 * KEY_S
        self.wakes_s = wakes_s
        self.picture, self.read_s, self.looked = None, self.began_s, []
        self.picture_came_s, self.ages_s = 0.0, []
        self.sizes = np.random.default_rng(number)

    def send(self, now_s):
        while self.began_s + self.sent / FPS <= now_s:
            n, self.sent = self.sent, self.sent + 1
            key = n % GROUP == 0
            size = 60_000 if key else 3_000 + 40 * (n % GROUP) + int(self.sizes.normal(0, 60))
            if any(0.0 <= self.began_s + n / FPS - at < 0.6 for at in self.wakes_s):
                size *= 4
            self.waits.append(SimpleNamespace(
                size=size, is_keyframe=key, pts=n, dts=n, time_base=Fraction(1, round(FPS))
            ))  # fmt: skip

    def read(self, now_s):
        """One packet; what it cost."""
        packet = self.waits.popleft()
        came_s = self.began_s + packet.dts / FPS
        until_s = came_s if self.tells_waits_apart else now_s
        waited_s, self.read_s = max(0.0, until_s - self.read_s), now_s
        pictures, cost_s = self.source.handle(packet, Stamp(now_s, now_s), waited_s)
        for picture in pictures:
            self.pacer.pace(self.every_s)
            if self.pacer.due(picture.time_s):
                self.picture, self.picture_came_s = picture, came_s
        return cost_s

    def look(self, now_s):
        """The detector and the rules found what they found before."""
        at, self.picture = self.picture.at, None
        first = not self.looked
        self.looked.append(at.mono)
        self.ages_s.append(now_s - self.picture_came_s)
        quiet, numbers = self.source.quiet, self.source.statistics
        self.source.want = self.policy.step(
            at.mono,
            stirs=first,
            moves=False,
            came=first,
            searching=False,
            watched=False,
            look_s=4.0,
            every_s=0.0,
            stream=Streaming(
                FPS, numbers.key_s, True, quiet.wakes, quiet.watch.stirred_s,
                numbers.key_most_s, quiet.asleep, quiet.room,
            ),
            asleep=False,
        )  # fmt: skip
        need_s = self.policy.need_s(at.mono, 0.0)
        self.every_s = look_every_s(5.0, need_s, want=self.source.want)
        return LOOK_COST_S

    @property
    def asleep(self):
        return self.source.quiet.asleep and not self.source.quiet.learning


class Machine:
    """So many cameras on so many cores (a number, or a function of the time)."""

    def __init__(self, tmp_path, count, cores, *, admits=True, wakes_s=()):
        path = video(tmp_path / "any.mp4", [0.0, 0.04])
        self.cameras = [StillCamera(path, n, wakes_s) for n in range(count)]
        self.cores = cores if callable(cores) else lambda _: cores
        self.admits, self.room = admits, DecodeRoom(2)
        self.asleep, self.slowed = [], []
        self._ran_s = self._queued_s = self._left_s = 0.0
        if not admits:
            for one in self.cameras:
                one.source.want, one.source.quiet.room = "all", True
                one.tells_waits_apart = False

    def run(self, seconds):
        for step in range(round(seconds / DT_S)):
            now_s = step * DT_S
            self._left_s = min(0.0, self._left_s) + self.cores(now_s) * DT_S
            for one in self.cameras:
                one.send(now_s)
            while self._left_s > 0.0 and self._turn(now_s):
                pass
            waiting = sum(bool(one.waits) + bool(one.picture) for one in self.cameras)
            self._queued_s += waiting * DT_S
            if step % round(1.0 / DT_S) == 0:
                self._decide(now_s)
        return self

    def _turn(self, now_s):
        """Everybody does one thing, as far as there is time; whether anybody had anything."""
        did = False
        for one in np.random.default_rng(int(now_s * 1e3)).permutation(self.cameras):
            if self._left_s <= 0.0:
                break
            cost_s = one.look(now_s) if one.picture else one.read(now_s) if one.waits else 0.0
            did, self._left_s = did or cost_s > 0.0, self._left_s - cost_s
            self._ran_s += cost_s
        return did

    def _decide(self, now_s):
        self.asleep.append(sum(one.asleep for one in self.cameras))
        self.slowed.append(slowed(self._ran_s, self._queued_s, 1.0))
        self._ran_s = self._queued_s = 0.0
        if not self.admits:
            return
        learning = {str(n): one for n, one in enumerate(self.cameras) if one.source.quiet.learning}
        measured = self.slowed[-1]
        self.room.step(now_s, full=measured > 1.5, room=measured < 0.6, learning=list(learning))
        for name, one in learning.items():
            one.source.quiet.room = name in self.room.given


def first_all_asleep(machine, after_s=0):
    """Seconds after `after_s` until all are asleep."""
    counts = machine.asleep[after_s:]
    return next((s for s, n in enumerate(counts) if n == len(machine.cameras)), None)


def longest_unseen_s(machine):
    """Between the pictures that were looked at, of any camera after its first one."""
    return max(float(np.diff(one.looked).max()) for one in machine.cameras)


@pytest.fixture
def machine(tmp_path):
    return lambda *words, **more: Machine(tmp_path, *words, **more)


def test_fifty_that_start_at_once_on_two_cores_fall_asleep(machine):
    """All decoded until they were known, 40 of them never did."""
    made = machine(50, 1.6).run(35)
    assert first_all_asleep(made) <= 30
    # Never unseen for longer than rules allow, while they learn.
    assert longest_unseen_s(made) <= KEY_S * LATE


def test_without_both_the_same_machine_locks_itself_in(machine):
    """All decoded, and the wait for a processor taken for spare time: as it was, and not the test's
    machine being too large."""
    made = machine(20, 0.64, admits=False).run(60)
    assert max(made.asleep) == 0
    assert np.mean(made.slowed[5:]) > 5.0


def test_where_there_is_room_they_are_decoded_whole_meanwhile(machine):
    made = machine(4, 2.0).run(8)
    assert all(len(one.looked) > 20 for one in made.cameras)


def test_a_machine_that_others_filled_comes_to_rest_once_they_leave(machine):
    """For half a minute it gives them a sixth of what even sleeping costs."""
    made = machine(20, lambda t: 0.1 if t < 30 else 0.8).run(75)
    assert first_all_asleep(made, 30) <= 40


def test_all_woken_at_once_fall_asleep_again(machine):
    made = machine(20, 0.64, wakes_s=(40.0,)).run(85)
    assert made.asleep[39] == 20 and min(made.asleep[40:50]) < 5
    assert first_all_asleep(made, 50) <= 30


def test_where_not_even_key_pictures_fit_what_is_seen_is_what_happens_now(machine):
    """A third of what key pictures and looks at them cost: some are left out, none is looked at
    that is old. Before, after two minutes pictures were looked at that had come a minute ago."""
    made = machine(20, 0.1).run(120)
    ages_s = np.concatenate([one.ages_s[len(one.ages_s) // 3 :] for one in made.cameras])
    assert np.percentile(ages_s, 95) < 8.0 and len(ages_s) > 20

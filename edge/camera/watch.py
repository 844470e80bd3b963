# SPDX-License-Identifier: AGPL-3.0-or-later
"""Can a stream be watched by its key pictures and the sizes of its packets, and does it stir? Pure.

An encoder spends bits on what changes. While a street stands still, the packet at a given place
after a key picture is about as large as the one at that place a group of pictures ago; something
that comes makes some of them larger at once. How much larger shows against this stream's own usual
wavering, and nothing else: no two cameras encode alike.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass
from typing import Literal

# Windows hold so many seconds of packets, this many at least: one is too few to judge by. What is
# large or quick shows in the shortest; what is small or slow adds up until a longer one tells. A
# window stirs that is larger than expected by so many usual deviations: sums of few packets stray
# further from what is usual than sums of many. A still street stirs so a few times an hour at most.
WINDOWS, WINDOW_LEAST = ((0.24, 6.0), (0.5, 4.0), (1.0, 3.5)), 3
# The size expected at a place of the group is the median of so many groups.
GROUPS, GROUPS_LEAST = 9, 3
# It stirs by this share more at least, and by so many bytes a packet: what no picture that changed
# anywhere would be without.
SHARE_LEAST, BYTES_LEAST = 0.05, 24.0
# Deviations are those of so many sums; fewer tell nothing.
SUMS, SUMS_LEAST = 400, 30
# What woke a camera for nothing must be four times as much to wake it again, MOST times as much at
# most, and half as much after each HALVED_S: so it wakes once in twice that time, whatever goes on.
TIGHTER, MOST, HALVED_S = 4.0, 32.0, 60.0
# What was below so many times the limit was chance rather than weather: half as much again then.
CHANCE, CHANCE_TIGHTER = 1.25, 1.5
# What stirs again so soon is the same.
ONE_EVENT_S = 1.5
# So many movements must have been seen before it is known whether sizes tell of them, and they must
# have told of this share.
NOTICED_LEAST, NOTICED_SHARE = 3, 0.9
# Key pictures may come so much later than looks are wanted: a clock's 2 s are then the 2.5 s that
# a rule takes for the detector's own miss (edge.hold.Terms.blink_s), and no more.
LATE = 1.25
# Nearer together, leaving out what lies between spares next to nothing.
KEY_LEAST_S = 0.4
# Beyond it a group of pictures is too long to be decoded from its beginning in time.
PLACES_MOST = 300


class Restraint:
    """How many times as much it takes to be told of something, where what was told was nothing."""

    def __init__(self) -> None:
        self.times = 1.0
        self._at_s: float | None = None

    def tighten(self, *, chance: bool = False) -> None:
        self.times = min(MOST, (CHANCE_TIGHTER if chance else TIGHTER) * self.times)

    def at(self, now_s: float) -> float:
        """The same, less what is forgotten by now."""
        passed_s = now_s - self._at_s if self._at_s is not None else 0.0
        self._at_s = now_s
        if self.times > 1.0:
            self.times = max(1.0, self.times * 0.5 ** (passed_s / HALVED_S))
        return self.times


class _Window:
    """The last packets of one length of time: how much larger than expected, and how much they
    usually are."""

    def __init__(self, most: int, deviations: float, sums: int) -> None:
        self._most, self._deviations, self._sums = most, deviations, sums
        self._recent: deque[tuple[float, float]] = deque(maxlen=most)
        self._off: deque[float] = deque(maxlen=SUMS)
        self._spread: float | None = None

    @property
    def ready(self) -> bool:
        """Whether enough was learnt to be asked."""
        return self._spread is not None and len(self._off) >= self._sums

    def told(self, packet: tuple[float, float], *, learn: bool) -> float:
        """How many times the limit it is above what is expected, with one packet more: (bytes above
        what is expected, what is expected)."""
        recent = self._recent
        recent.append(packet)
        if len(recent) < self._most:
            return 0.0
        # One packet by itself is the encoder's own: what comes is in the ones after it too.
        most = max(recent)
        off = sum(r for r, _ in recent) - most[0]
        expected = sum(e for _, e in recent) - most[1]
        told = off / self._limit(expected) if self.ready else 0.0
        if learn:
            self._off.append(off)
            self._spread = 1.4826 * statistics.median(abs(one) for one in self._off)
        return told

    def _limit(self, expected: float) -> float:
        assert self._spread is not None
        least = max(SHARE_LEAST * expected, BYTES_LEAST * (self._most - 1))
        return max(self._deviations * self._spread, least)


class PacketWatch:
    """Packet sizes of one connection. One owner: the thread that reads."""

    def __init__(self, fps: float) -> None:
        lengths = [(max(WINDOW_LEAST, round(s * fps)), deviations) for s, deviations in WINDOWS]
        self._apart = lengths[0][0]
        # Sums are as far apart as the shortest window is long: of longer ones, neighbours overlap.
        self._windows = [
            _Window(most, deviations, SUMS_LEAST * most // self._apart)
            for most, deviations in lengths
        ]
        self._groups: list[deque[int]] = []
        self._usual: list[float] = []
        self._place = -1
        self._since = 0
        self.restraint = Restraint()
        # How many times the limit, without restraint, it was at most since it stirred.
        self._told_most = math.inf
        # When it stirred last, by the arrival of the packet; read by the thread that looks.
        self.stirred_s = -math.inf

    def add(self, at_s: float, size: int, key: bool, *, learn: bool) -> bool:
        """One packet, in order of arrival; true where the stream stirs.

        learn: what is seen now is known to stand still, so it is what is usual.
        """
        if key:
            self._place = -1
            return False
        self._place = min(self._place + 1, PLACES_MOST - 1)
        usual = self._expected_at(self._place, size)
        if learn:
            self._learn(self._place, size)
        if usual is None:
            return False
        self._since += 1
        teaches = learn and self._since >= self._apart
        self._since = 0 if teaches else self._since
        packet, times = (size - usual, usual), self.restraint.at(at_s)
        told = max(one.told(packet, learn=teaches) for one in self._windows)
        stirs = told > times
        if stirs:
            fresh = at_s - self.stirred_s > ONE_EVENT_S
            self._told_most = told if fresh else max(self._told_most, told)
            self.stirred_s = at_s
        return stirs

    def note_nothing(self) -> None:
        """What it stirred for last was nothing."""
        self.restraint.tighten(chance=self._told_most < CHANCE)

    @property
    def ready(self) -> bool:
        """Whether enough was learnt to be asked."""
        return self._windows[0].ready

    def _expected_at(self, place: int, size: int) -> float | None:
        while len(self._groups) <= place:
            self._groups.append(deque(maxlen=GROUPS))
            self._usual.append(float(size))
        if len(self._groups[place]) < GROUPS_LEAST:
            return None
        return self._usual[place]

    def _learn(self, place: int, size: int) -> None:
        group = self._groups[place]
        group.append(size)
        self._usual[place] = statistics.median(group)


# key: decode key pictures, the rest as soon as it stirs or a key picture differs from the last.
# whole: this stream cannot be watched with less.
Watching = Literal["key", "whole"]


@dataclass(slots=True)
class SizeRecord:
    """Whether the sizes of this stream have told so far of what moved in it. A constant bit rate
    hides what comes; only having been told shows that it will be told."""

    noticed: int = 0
    missed: int = 0

    def note(self, noticed: bool) -> None:
        self.noticed, self.missed = self.noticed + noticed, self.missed + (not noticed)

    @property
    def tells(self) -> bool | None:
        """None while too little has moved to know."""
        if self.noticed + self.missed < NOTICED_LEAST:
            return None
        return self.noticed >= NOTICED_SHARE * (self.noticed + self.missed)


@dataclass(frozen=True, slots=True)
class WatchPlan:
    """How a quiet stream is watched, and why, in words for the page."""

    watching: Watching
    why: str


def plan(
    *, key_s: float | None, look_s: float, brief: bool, tells: bool | None, able: bool
) -> WatchPlan:
    """key_s: seconds between key pictures, as measured. look_s: the longest that the rules allow
    between two looks. brief: a rule judges what may be gone before the next key picture. tells:
    whether packet sizes tell of it (SizeRecord). able: the source has packets to hold back."""
    if not able:
        return WatchPlan("whole", "nothing can be held back: it gives pictures only")
    if key_s is None:
        return WatchPlan("whole", "measuring")
    if key_s < KEY_LEAST_S:
        return WatchPlan("whole", f"key pictures every {key_s:g} s: little lies between them")
    if key_s > look_s * LATE:
        return WatchPlan(
            "whole", f"key pictures every {key_s:g} s, looks wanted every {look_s:g} s"
        )
    if brief and not tells:
        known = "not known yet to tell" if tells is None else "do not tell"
        return WatchPlan("whole", f"packet sizes {known} of what passes quickly")
    return WatchPlan("key", f"key pictures every {key_s:g} s" + (", packet sizes" if tells else ""))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many of a camera's pictures are decoded: fewer while nothing is there to be followed. Pure.

A street on which nothing moves is watched by its key pictures and the sizes of its packets
(edge.camera.quiet), where the stream is fit for it: once anything stirs, what was held back is
decoded, so that nothing is lost. Where it is not fit, pictures that no other picture is built on
("non-reference", mostly B-frames) are left out, which costs up to a third less. Key pictures only,
and nothing to wake it, is for a camera that the board has put to sleep, and for a busy street whose
rules ask for looks no closer together than key pictures are, where the machine has no room for more
(edge.pipeline.busy_decoding): else the pictures between them tell of what comes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.camera.quiet import HOLD_MOST_S
from edge.camera.source import Want
from edge.camera.watch import LATE, SizeRecord, WatchPlan, plan

# After so long without anything that moves: after an object did, and after what was no object.
QUIET_AFTER_S, NOTHING_AFTER_S = 5.0, 1.0
# All that is due is looked at for so long after it woke by itself.
WOKEN_S = 3.0
# What stirs for so long without that an object moves or comes is looked at in key pictures.
STIRRING_MOST_S = 8.0
# What is held and was missed at a key picture, though no pixel changed, is looked for in every
# picture for so long: with key pictures 2 s apart, 2.5 s after it was seen a rule forgives a
# detector no more (edge.hold.Terms.blink_s). The next such search begins so much later at the
# soonest, twice as much after each in vain: what no picture shows, decoding all would miss too.
SEARCH_S, APART_S, APART_MOST_S = 0.6, 15.0, 120.0
# Smoke and dust waver by themselves: a second later the detector may see them again, and a rule
# takes 2.5 s without for their absence. They are looked for as long as that, and oftener.
FAINT_SEARCH_S, FAINT_APART_S = 2.5, 5.0
IDLE_AFTER_S = 30.0
# What is left must still hold the pictures due: cameras put one or two B-frames between others.
LEFT_LEAST = 1 / 3
# Where looks are further apart than this many of the pictures that are left, leaving the others out
# makes no look late, and what comes shows in those that are left.
LEFT_APART = 4.0
# The rules have asked for no more than its key pictures for so long.
SELDOM_AFTER_S = 5.0
# Key pictures come so much closer together than looks are wanted: each is due.
EACH_KEY = 0.7
# A movement lasts so long at least, and is over after as long without; sizes noticed it if they
# stirred from so long before it on.
MOVEMENT_S, NOTICED_BEFORE_S = 1.0, 1.0


@dataclass(frozen=True, slots=True)
class Streaming:
    """What is known of the stream at a look. able: its packets can be held back; wakes, stirred_s:
    how often it woke by itself and when its packet sizes stirred last (mono). key_s, key_most_s:
    between key pictures, on average and at most lately; asleep: only these are decoded now.
    room: the machine has room to decode all while the stream is not known yet
    (edge.pipeline.decode_room)."""

    fps: float = 0.0
    key_s: float | None = None
    able: bool = False
    wakes: int = 0
    stirred_s: float = -math.inf
    key_most_s: float | None = None
    asleep: bool = False
    room: bool = True


class DecodePolicy:
    """Of one camera. Owned by the thread that looks.

    whole: the site wants every picture decoded, always. sleeps: it wants a quiet stream decoded at
    its key pictures only. brief: see edge.camera.watch.plan. faint: a rule judges what wavers.
    """

    def __init__(
        self,
        fps: float,
        *,
        whole: bool = False,
        sleeps: bool = True,
        brief: bool = False,
        faint: bool = False,
    ) -> None:
        self._fps, self._whole, self._brief = fps, whole, brief
        self._sleeps = sleeps and not whole
        self._busy_mono: float | None = None
        self._moving_mono: float | None = None
        self._moved_mono = -math.inf
        self._wakes = 0
        self._often_mono: float | None = None
        # Key pictures are all that the rules ask for, whatever is decoded.
        self.keys_do = False
        self._search_s, self._apart_least_s = (
            (FAINT_SEARCH_S, FAINT_APART_S) if faint else (SEARCH_S, APART_S)
        )
        self._apart_s = self._apart_least_s
        self._woke_mono = -math.inf
        self._real_mono = self._stir_mono = self._stir_began = -math.inf
        self._search_mono = -math.inf
        self.sizes = SizeRecord()
        self.awake: str | None = None
        self._begins = False
        self.plan = WatchPlan("whole", "measuring" if self._sleeps else "the site says so")

    def step(
        self,
        now_mono: float,
        *,
        stirs: bool,
        moves: bool,
        came: bool,
        searching: bool,
        watched: bool,
        look_s: float,
        every_s: float,
        stream: Streaming,
        asleep: bool,
        between: bool = False,
    ) -> Want:
        """stirs: something moves or changes; moves: an object does; came: or one was
        seen for the first time; searching: something held was not seen; watched:
        somebody looks at the page; look_s: the longest that the rules allow between two looks;
        every_s: what they ask for now; asleep: the board gives it nothing; between: it may
        decode what lies between key pictures though the rules need no more than these."""
        self._note_movement(now_mono, moves, stream)
        # Asleep, what stirs is looked at: that wakes it where an object moves or came. At the very
        # first look all is new, and nobody knows what came.
        if stream.asleep:
            stirs = came and self._busy_mono is not None
            self._woke_mono = now_mono if stirs else self._woke_mono
            if self._busy_mono is None:
                self._busy_mono = now_mono - 2.0 * NOTHING_AFTER_S
        self._note_busy(now_mono, stirs, moves or watched, stream)
        self._note_often(now_mono, every_s, stream)
        if self._sleeps:
            self.plan = plan(
                key_s=stream.key_most_s,
                look_s=look_s,
                brief=self._brief,
                tells=self.sizes.tells,
                able=stream.able,
            )
        self._begins = self._measures(stream, look_s)
        searches = self._searches(now_mono, searching, stream.asleep)
        self.awake = self._why_awake(now_mono, watched, searches)
        if asleep:
            return "key"
        if self._whole:
            return "all"
        if self.keys_do and not between:
            return "key"
        return self._idle(now_mono, stream, self.need_s(now_mono, every_s))

    def first(self, *, room: bool) -> Want:
        """What is decoded until the first look: key pictures where these may be enough and the
        machine has no room for more."""
        return "watch" if self._sleeps and not self._brief and not room else "all"

    def still(self, now_mono: float) -> bool:
        """Whether nothing has moved or stirred for a while, as the looks say."""
        if self._busy_mono is None:
            return False
        busy_s = now_mono - self._busy_mono
        return busy_s >= NOTHING_AFTER_S and now_mono - self._real_mono >= QUIET_AFTER_S

    def _measures(self, stream: Streaming, look_s: float) -> bool:
        """Whether it is watched by its key pictures while it is still measured how far apart they
        come: the rules let a look wait for as long as a late one is waited for."""
        unknown = stream.able and stream.key_most_s is None and look_s * LATE >= HOLD_MOST_S
        return unknown and self.first(room=stream.room) == "watch"

    def need_s(self, now_mono: float, need_s: float) -> float:
        """How far apart looks may be, of what the rules need: as near as can be for a moment after
        it woke by itself, or for what a look saw, to see what it was."""
        return 0.0 if now_mono - self._woke_mono < WOKEN_S else need_s

    def _why_awake(self, now_mono: float, watched: bool, searches: bool) -> str | None:
        """Why it is not let sleep, in words for the page; None where it is."""
        assert self._busy_mono is not None
        reasons = (
            (self.plan.watching != "key" and not self._begins, self.plan.why),
            (watched, "somebody looks at its page"),
            (now_mono - self._real_mono < QUIET_AFTER_S, "an object moves, or did just now"),
            (now_mono - self._busy_mono < NOTHING_AFTER_S, "something stirs, or did just now"),
            (searches, "what a rule holds was not seen by the last looks"),
        )
        return next((why for holds, why in reasons if holds), None)

    def _searches(self, now_mono: float, searching: bool, asleep: bool) -> bool:
        """Whether what is held and was not seen is worth every picture now."""
        if not searching:
            self._apart_s = self._apart_least_s
            return False
        since_s = now_mono - self._search_mono
        if asleep and since_s >= self._apart_s:
            self._apart_s = min(APART_MOST_S, 2.0 * self._apart_s)
            self._search_mono, since_s = now_mono, 0.0
        return since_s < self._search_s

    def _idle(self, now_mono: float, stream: Streaming, every_s: float) -> Want:
        left_fps = stream.fps * LEFT_LEAST
        seldom = every_s * left_fps >= LEFT_APART
        if self.plan.watching == "key" or self._begins:
            return "watch" if not self.awake else "nonref" if seldom else "all"
        assert self._busy_mono is not None
        idle_s = now_mono - max(self._busy_mono, self._search_mono)
        spared = seldom or (idle_s >= IDLE_AFTER_S and left_fps >= self._fps)
        return "nonref" if spared else "all"

    def _note_busy(self, now_mono: float, stirs: bool, real: bool, stream: Streaming) -> None:
        if stirs:
            began = now_mono - self._stir_mono > NOTHING_AFTER_S
            self._stir_began = now_mono if began else self._stir_began
            self._stir_mono = now_mono
            stirs = now_mono - self._stir_began < STIRRING_MOST_S
        if stirs or real or stream.wakes != self._wakes or self._busy_mono is None:
            self._busy_mono = now_mono
        if stream.wakes != self._wakes:
            self._woke_mono = now_mono
        if real:
            self._real_mono = now_mono
        self._wakes = stream.wakes

    def _note_often(self, now_mono: float, every_s: float, stream: Streaming) -> None:
        """When more than key pictures was asked for last; a stream not yet measured counts so, and
        one that let a key picture wait: nothing between them could be decoded meanwhile."""
        seldom = stream.key_most_s is not None and stream.key_most_s <= every_s * LATE
        if not seldom or self._often_mono is None:
            self._often_mono = now_mono
        self.keys_do = now_mono - self._often_mono >= SELDOM_AFTER_S

    def _note_movement(self, now_mono: float, moves: bool, stream: Streaming) -> None:
        """Whether packet sizes tell of what moves is learnt from all that does."""
        if moves:
            self._moving_mono = now_mono if self._moving_mono is None else self._moving_mono
            self._moved_mono = now_mono
        elif self._moving_mono is not None and now_mono - self._moved_mono > MOVEMENT_S:
            if self._moved_mono - self._moving_mono >= MOVEMENT_S:
                self.sizes.note(stream.stirred_s >= self._moving_mono - NOTICED_BEFORE_S)
            self._moving_mono = None


def look_every_s(fps: float, need_s: float, *, want: Want) -> float:
    """Seconds between the pictures that are looked at: `fps` a second at most, and as seldom as the
    rules need them; where only key pictures are decoded, each that comes no sooner than needed."""
    seldom_s = need_s * EACH_KEY if want == "key" else need_s
    return max(1.0 / fps, seldom_s)

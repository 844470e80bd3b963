# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many of a camera's pictures are decoded: fewer while nothing is there to be followed. Pure.

A street on which nothing moves is watched by its key pictures and the sizes of its packets
(edge.camera.quiet), where the stream is fit for it: once anything stirs, what was held back is
decoded, so that nothing is lost. Where it is not fit, pictures that no other picture is built on
("non-reference", mostly B-frames) are left out, which costs up to a third less. Key pictures only,
and nothing to wake it, is for a camera that the board has put to sleep, and for a busy street whose
rules ask for looks no closer together than key pictures are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.camera.source import Want
from edge.camera.watch import LATE, SizeRecord, WatchPlan, plan

# After so long without anything that moves: on its own, and after a stir that was nothing.
QUIET_AFTER_S, NOTHING_AFTER_S = 10.0, 2.5
IDLE_AFTER_S = 30.0
# What is left must still hold the pictures due: cameras put one or two B-frames between others.
LEFT_LEAST = 1 / 3
# The rules have asked for no more than its key pictures for so long.
SELDOM_AFTER_S = 5.0
# Key pictures come so much closer together than looks are wanted: each is due.
EACH_KEY = 0.7
# A movement lasts so long at least, and is over after as long without; sizes told of it if they
# stirred from so long before it on.
MOVEMENT_S, TOLD_BEFORE_S = 1.0, 1.0


@dataclass(frozen=True, slots=True)
class Streaming:
    """What is known of the stream at a look. able: its packets can be held back; wakes, stirred_s:
    how often it woke by itself and when its packet sizes stirred last (mono). key_s, key_most_s:
    between key pictures, on average and at most lately."""

    fps: float = 0.0
    key_s: float | None = None
    able: bool = False
    wakes: int = 0
    stirred_s: float = -math.inf
    key_most_s: float | None = None


class DecodePolicy:
    """Of one camera. Owned by the thread that looks.

    whole: the site wants every picture decoded, always. sleeps: it wants a quiet stream decoded at
    its key pictures only. brief: see edge.camera.watch.plan.
    """

    def __init__(
        self, fps: float, *, whole: bool = False, sleeps: bool = True, brief: bool = False
    ) -> None:
        self._fps, self._whole, self._brief = fps, whole, brief
        self._sleeps = sleeps and not whole
        self._busy_mono: float | None = None
        self._moving_mono: float | None = None
        self._moved_mono = -math.inf
        self._wakes = 0
        self._often_mono: float | None = None
        self._nothing = False
        self.sizes = SizeRecord()
        self.plan = WatchPlan("whole", "measuring" if self._sleeps else "the site says so")

    def step(
        self,
        now_mono: float,
        *,
        still: bool,
        stirs: bool,
        look_s: float,
        every_s: float,
        stream: Streaming,
        asleep: bool,
    ) -> Want:
        """still: nothing moves, changes or is looked for; stirs: something does move; look_s: the
        longest that the rules allow between two looks; every_s: what they ask for now; asleep: the
        board gives it nothing."""
        self._note_movement(now_mono, stirs, stream)
        self._note_busy(now_mono, still, stream)
        self._note_often(now_mono, every_s, stream)
        if self._sleeps:
            self.plan = plan(
                key_s=stream.key_s,
                look_s=look_s,
                brief=self._brief,
                tells=self.sizes.tells,
                able=stream.able,
            )
        if asleep:
            return "key"
        if self._whole:
            return "all"
        if self._often_mono is not None and now_mono - self._often_mono >= SELDOM_AFTER_S:
            return "key"
        return self._idle(now_mono, stream)

    def _idle(self, now_mono: float, stream: Streaming) -> Want:
        assert self._busy_mono is not None
        idle_s = now_mono - self._busy_mono
        if self.plan.watching == "key":
            after_s = NOTHING_AFTER_S if self._nothing else QUIET_AFTER_S
            return "watch" if idle_s >= after_s else "all"
        enough = stream.fps * LEFT_LEAST >= self._fps
        return "nonref" if idle_s >= IDLE_AFTER_S and enough else "all"

    def _note_busy(self, now_mono: float, still: bool, stream: Streaming) -> None:
        if not still or self._busy_mono is None:
            self._busy_mono, self._nothing = now_mono, False
        if stream.wakes != self._wakes:
            # It stirred: nothing, until a look says otherwise.
            self._nothing = self._nothing or still
            self._wakes, self._busy_mono = stream.wakes, now_mono

    def _note_often(self, now_mono: float, every_s: float, stream: Streaming) -> None:
        """When more than key pictures was asked for last; a stream not yet measured counts so, and
        one that let a key picture wait: nothing between them could be decoded meanwhile."""
        seldom = stream.key_most_s is not None and stream.key_most_s <= every_s * LATE
        if not seldom or self._often_mono is None:
            self._often_mono = now_mono

    def _note_movement(self, now_mono: float, stirs: bool, stream: Streaming) -> None:
        """Whether packet sizes tell of what moves is learnt from all that does."""
        if stirs:
            self._moving_mono = now_mono if self._moving_mono is None else self._moving_mono
            self._moved_mono = now_mono
        elif self._moving_mono is not None and now_mono - self._moved_mono > MOVEMENT_S:
            if self._moved_mono - self._moving_mono >= MOVEMENT_S:
                self.sizes.note(stream.stirred_s >= self._moving_mono - TOLD_BEFORE_S)
            self._moving_mono = None


def look_every_s(fps: float, need_s: float, *, want: Want) -> float:
    """Seconds between the pictures that are looked at: `fps` a second at most, and as seldom as the
    rules need them; where only key pictures are decoded, each that comes no sooner than needed."""
    seldom_s = need_s * EACH_KEY if want == "key" else need_s
    return max(1.0 / fps, seldom_s)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a quiet stream holds back, and when it stops being quiet. Pure: it decodes nothing.

Asleep, only key pictures are decoded and compared; the packets between are held. Once it stirs,
what is held is given back to be decoded from a key picture on, so that whatever came is followed
from where it came in, as if every picture had been decoded all along.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from edge.camera.watch import PacketWatch, Restraint
from edge.values import Image, Stamp

# Awake for so long after it stirred, for the looks to say whether anything is there; the second:
# where it would sleep again within a group of pictures.
STAY_S, WITHIN_S = 1.0, 1.5
# Where the looks let it sleep sooner than this after it woke by itself, they have found nothing.
# They let it wait longer for what moves (edge.pipeline.decode_policy.QUIET_AFTER_S) and for what
# stirs for more than a second and is no light, though the detector knows it for nothing: to wake
# for that was right, and the next of its kind need be no larger.
SOMETHING_S = 2.5
# No rule lets a picture wait longer, not even a key picture that is late.
HOLD_MOST_S = 5.0
# More than this is not held: a group of pictures as large as that is decoded as it comes.
BYTES_MOST = 12_000_000
# While all is decoded, so much of the group under way is kept, to sleep from its middle on: larger
# groups wait for the next key picture.
KEPT_BYTES = 3_000_000
# Where each picture stands alone (Motion JPEG), one in so long is taken for a key picture, or in so
# many bytes, of which two groups and a picture are held.
EACH_ALONE_S, GROUP_BYTES = 0.8, BYTES_MOST // 4


class Differs(Protocol):
    """Whether a key picture (BGR) differs from the one before; `fresh`: there is none before;
    `times`: as often what else would be told."""

    def __call__(self, image: Image, now_s: float, fresh: bool, times: float) -> bool: ...

    def nothing(self) -> None:
        """What it woke for last was nothing."""
        ...

    @property
    def smallest(self) -> float:
        """What it tells of now, as a share of the picture's height."""
        ...


@dataclass(frozen=True, slots=True)
class HeldPacket:
    """One packet as libav gave it, when it was read, and when (mono) it came: before that where
    the reader was late for it."""

    packet: Any
    at: Stamp
    size: int
    came_s: float


# What woke it: packet sizes, a key picture, a key picture that did not come, or whoever looks.
Waker = Literal["sizes", "picture", "late", "asked"]


@dataclass(slots=True)
class QuietStream:
    """One connection's. Owned by the thread that reads; `asleep`, `wakes` and the watch's
    `stirred_s` may be read by any. every_s: how far apart key pictures are at most where they are
    of our own choice.

    May be set by any: room: the machine has room to decode all while the usual sizes are not known
    yet (edge.pipeline.decode_room). still: nothing moves, as looks at all that is due say, so sizes
    are what is usual: a camera that may not sleep before they are known (a rule judges what passes
    quickly) would never learn them else."""

    watch: PacketWatch
    differs: Differs
    every_s: float | None = None
    room: bool = True
    still: bool = False
    asleep: bool = False
    wakes: int = 0
    for_nothing: int = 0
    restraint: Restraint = field(default_factory=Restraint)
    woken_by: Waker = "asked"
    # No key picture was compared since it fell asleep.
    fresh: bool = True
    _groups: list[list[HeldPacket]] = field(default_factory=list)
    _bytes: int = 0
    _until_s: float = 0.0
    _woke_s: float = -1e9
    _let_s: float | None = None

    def may_sleep(self, at: Stamp, *, wanted: bool, anchor: bool = True) -> bool:
        """Whether it is let, it is fit, it did not stir just now, and a group begins or is held;
        woken by something, it sleeps within a group no sooner than WITHIN_S later. To be asked at
        each packet while it is awake."""
        if not wanted:
            self._let_s = None
        elif self._let_s is None:
            self._let_s = at.mono
        rested = self.woken_by == "asked" or at.mono - self._woke_s >= WITHIN_S
        begins = anchor or (self.holding and rested)
        return wanted and self.fit and begins and at.mono >= self._until_s

    @property
    def fit(self) -> bool:
        """Whether its usual sizes are known. Where the machine has no room to decode all until they
        are, they are learnt just as fast while it is looked at in its key pictures."""
        return self.watch.ready or not self.room

    @property
    def waits_for(self) -> str:
        """What it waits for before it sleeps, where it is let."""
        return "the next key picture" if self.watch.ready else "enough packets to know their sizes"

    @property
    def learning(self) -> bool:
        """Whether its usual sizes are not known yet."""
        return not self.watch.ready

    @property
    def holding(self) -> bool:
        """Whether the group under way is held from its key picture on."""
        return bool(self._groups)

    def keep(self, held: HeldPacket, anchor: bool) -> None:
        """Take in one packet that is decoded: it may sleep from the next one on."""
        if anchor:
            self._groups, self._bytes = [[]], 0
        self._bytes += held.size
        if self._groups and self._bytes <= KEPT_BYTES:
            self._groups[0].append(held)
        else:
            self._groups = []

    def hold(self, held: HeldPacket, anchor: bool) -> bool:
        """Take one packet in; false where that is more, or longer, than may be held."""
        if anchor:
            self._groups, self.fresh = [*self._groups[-1:], []], False
        if not self._groups:
            return False
        group = self._groups[-1]
        group.append(held)
        size = sum(one.size for group in self._groups for one in group)
        return size <= BYTES_MOST and held.came_s - group[0].came_s <= HOLD_MOST_S

    def differs_from_last(self, image: Image, now_s: float, fresh: bool) -> bool:
        """Whether this key picture wakes it."""
        return self.differs(image, now_s, fresh, self.restraint.at(now_s))

    def sleep(self, at: Stamp) -> None:
        """Nothing is decoded from here on but key pictures: from one of these on, or from within a
        group that is held."""
        let_s = self._let_s if self._let_s is not None else at.mono
        if let_s - self._woke_s < SOMETHING_S and self.woken_by in ("sizes", "picture"):
            self._note_nothing()
        self.asleep, self.fresh = True, True

    def _note_nothing(self) -> None:
        """What told in vain is believed less: light makes packets larger and is no change of a
        picture, and what key pictures tell of in vain is no reason to doubt sizes. A street whose
        pictures had changed some times would else not be told of a truck by its packets."""
        self.for_nothing += 1
        if self.woken_by == "sizes":
            self.watch.note_nothing()
        else:
            self.restraint.tighten()
            self.differs.nothing()

    def wake(self, at: Stamp, by: Waker) -> list[HeldPacket]:
        """Awake: what was held, from the last key picture on, or from the one before that where a
        key picture told."""
        self.asleep, self.woken_by, self._woke_s = False, by, at.mono
        if by != "asked":
            self.wakes, self._until_s = self.wakes + 1, at.mono + STAY_S
        groups = self._groups if by == "picture" else self._groups[-1:]
        self._groups = [[*group] for group in self._groups[-1:]]
        self._bytes = sum(one.size for group in self._groups for one in group)
        return [one for group in groups for one in group]

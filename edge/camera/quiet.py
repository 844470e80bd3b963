# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a quiet stream holds back, and when it stops being quiet. Pure: it decodes nothing.

Asleep, only key pictures are decoded and compared; the packets between are held. Once it stirs,
what is held is given back to be decoded from a key picture on, so that whatever came is followed
from where it came in, as if every picture had been decoded all along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edge.camera.watch import PacketWatch
from edge.values import Image, Stamp

# A stream of key pictures only (Motion JPEG) is looked at so often while it is quiet.
ANCHOR_S = 1.0
# Awake for so long after it stirred, for the looks to say whether anything is there.
STAY_S = 3.0
# More than this is not held: a group of pictures as large as that is decoded as it comes.
BYTES_MOST = 12_000_000

# Whether a key picture (BGR) differs from the one before; `fresh`: there is none before.
Differs = Callable[[Image, float, bool], bool]


@dataclass(frozen=True, slots=True)
class HeldPacket:
    """One packet as libav gave it, and when it came."""

    packet: Any
    at: Stamp
    size: int


@dataclass(slots=True)
class QuietStream:
    """One connection's. Owned by the thread that reads; `asleep`, `wakes` and the watch's
    `stirred_s` may be read by any."""

    watch: PacketWatch
    differs: Differs
    asleep: bool = False
    wakes: int = 0
    _groups: list[list[HeldPacket]] = field(default_factory=list)
    _until_s: float = 0.0
    _anchor_s: float = -1e9

    def anchors(self, at: Stamp, key: bool, all_key: bool) -> bool:
        """Whether a group of pictures begins here."""
        if not key or (all_key and at.mono - self._anchor_s < ANCHOR_S):
            return False
        self._anchor_s = at.mono
        return True

    def may_sleep(self, at: Stamp) -> bool:
        """Whether enough is known of it to begin, and it did not stir just now."""
        return self.watch.ready and at.mono >= self._until_s

    @property
    def holding(self) -> bool:
        """Whether there is a key picture to compare with."""
        return bool(self._groups)

    def hold(self, held: HeldPacket, anchor: bool) -> bool:
        """Take one packet in; false where that is more than may be held."""
        if anchor:
            self._groups = [*self._groups[-1:], []]
        if not self._groups:
            return False
        self._groups[-1].append(held)
        return sum(one.size for group in self._groups for one in group) <= BYTES_MOST

    def sleep(self) -> None:
        self.asleep, self._groups = True, []

    def wake(self, at: Stamp, *, from_before: bool) -> list[HeldPacket]:
        """Awake: what was held, from the last key picture on or from the one before that."""
        self.asleep, self.wakes, self._until_s = False, self.wakes + 1, at.mono + STAY_S
        groups = self._groups if from_before else self._groups[-1:]
        held = [one for group in groups for one in group]
        self._groups = []
        return held

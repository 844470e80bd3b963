# SPDX-License-Identifier: AGPL-3.0-or-later
"""The form in which a judge's places outlive a restart: `FORM` of it, the same JSON in every
program of that form, so that an older one reads what a newer one left.

What stands in a row without names on the disk has names here.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edge.hold import HoldSnapshot
from edge.values import Box, ClockQuality, Point, Stamp, ZoneDecision

# Said in a software release's manifest: a release of another form is refused, or forgets.
FORM = 1
# standing: its clock runs. reminded: told to go, not reported yet. open: a violation is out.
State = Literal["standing", "reminded", "open"]


class StampRow(msgspec.Struct, frozen=True, array_like=True):
    """A stamp; its monotonic seconds are of the boot that wrote it."""

    mono: float
    wall: float
    quality: ClockQuality
    error_ms: float

    @staticmethod
    def of(at: Stamp) -> StampRow:
        return StampRow(at.mono, at.wall, at.quality, at.error_ms)

    def stamp(self, shift_s: float) -> Stamp:
        """`shift_s` is added to the monotonic seconds: see `edge.rules.zones.shift_between`."""
        return Stamp(self.mono + shift_s, self.wall, self.quality, self.error_ms)


class SizeRow(msgspec.Struct, frozen=True, array_like=True):
    """A place's size, frame heights, and how far it reaches, sizes."""

    size: float
    reach: float


class CountsRow(msgspec.Struct, frozen=True, array_like=True):
    """Ids and gaps so far, and the best score."""

    ids: int
    gaps: int
    score: float


class LawfulRow(msgspec.Struct, frozen=True, array_like=True):
    """Whether a permit holds here, and whether that has been counted."""

    allowed: bool
    suppressed: bool


class ZoneRow(msgspec.Struct, frozen=True, array_like=True):
    """What the zones said last."""

    judged: bool
    allowed: bool
    reason: str
    zones: tuple[str, ...]
    permit: str | None
    hours: str | None

    @staticmethod
    def of(judged: bool, zone: ZoneDecision) -> ZoneRow:
        return ZoneRow(judged, zone.allowed, zone.reason, zone.zones, zone.permit, zone.hours)

    @property
    def decision(self) -> ZoneDecision:
        return ZoneDecision(self.allowed, self.reason, self.zones, self.permit, self.hours)


class SpotSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One place; the fields are those of `edge.rules.spot.Spot`."""

    key: str
    label: str
    anchor: Point
    home: Box
    size: SizeRow
    began: StampRow
    hold: HoldSnapshot
    seen: StampRow
    box: Box
    state: State
    decided: StampRow | None
    reported_mono: float = msgspec.field(name="told")
    zone: ZoneRow
    occurrence: int
    outcome: str
    # Programs before reminders wrote none.
    reminded: str = ""
    counts: CountsRow
    lawful: LawfulRow
    tallies: dict[str, float]
    look: tuple[float, ...] | None
    patch: tuple[float, ...] | None
    # Programs that knew a zone's place by its number alone wrote none.
    zone_id: str = ""


class HeapRow(msgspec.Struct, frozen=True, array_like=True):
    """Where matter lay, and when it was lost from sight there (monotonic s)."""

    mono: float
    box: Box


class HeapsSnapshot(msgspec.Struct, frozen=True):
    """What a rule about matter on the ground keeps beside its places."""

    spots: tuple[SpotSnapshot, ...]
    old: tuple[HeapRow, ...]


class PastRow(msgspec.Struct, frozen=True, array_like=True):
    """Offences at one place; the fields are those of `edge.rules.view.Past`. Programs that knew a
    place by its latest offence alone wrote no keys."""

    category: str
    place: Point
    size: float
    count: int
    key: str
    began_wall: float
    ended_wall: float
    keys: tuple[str, ...] | None = None


class OpenRow(msgspec.Struct, frozen=True, array_like=True):
    """A case that is open."""

    grid: str
    category: str
    box: Box


class MemorySnapshot(msgspec.Struct, frozen=True):
    """What a camera remembers of its places."""

    past: tuple[PastRow, ...]
    open: dict[str, OpenRow]
    suppressed: dict[str, int]


class JudgeSnapshot(msgspec.Struct, frozen=True):
    """All of a judge that has seen something. rules: by name, each in the form of its kind."""

    version: int
    now: StampRow
    memory: MemorySnapshot
    rules: dict[str, Any]

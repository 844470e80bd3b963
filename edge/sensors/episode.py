# SPDX-License-Identifier: AGPL-3.0-or-later
"""From "it is so now" to one violation while it lasts: new, update, end, and how often before."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from edge.values import Finding, Json, Stamp, ZoneDecision

# A case of measured levels that nobody can vouch for any more ends after so long, saying so.
UNKNOWN_ENDS_S = 7200.0
WHOLE: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class EpisodeSubject:
    """What an episode is about. `realarm_s`, `reopen_s` as in the category."""

    point: str
    category: str
    rule: str
    realarm_s: float = 3600.0
    reopen_s: float = 3600.0
    priority: str = "normal"


class EpisodeSnapshot(msgspec.Struct, frozen=True):
    """What a restart needs to go on with; monotonic seconds are of the boot that wrote it."""

    began: Stamp | None
    reported: Stamp | None = msgspec.field(name="told")
    ended_wall: float | None
    count: int


class Episode:
    """One rule at one point. Ask it with what is true now; it says what is to be published."""

    def __init__(self, case: EpisodeSubject) -> None:
        self.case = case
        self._began: Stamp | None = None
        self._reported: Stamp | None = None
        self._ended_wall: float | None = None
        self._count = 0

    @property
    def open(self) -> bool:
        return self._began is not None

    @property
    def used(self) -> bool:
        """Whether there is anything to remember."""
        return self._count > 0

    def begin(self, began: Stamp, now: Stamp, zone: ZoneDecision, facts: Json) -> Finding:
        """It has been shown. Every time is counted; soon after the last one it says so."""
        back_s = math.inf if self._ended_wall is None else now.wall - self._ended_wall
        if 0.0 <= back_s <= self.case.reopen_s:
            facts = {**facts, "reopened_after_s": round(back_s, 1)}
        self._count += 1
        self._began, self._reported = began, now
        return self._finding("new", now, None, zone, facts)

    def go_on(self, now: Stamp, zone: ZoneDecision, facts: Json) -> Finding | None:
        """It lasts: an update when the re-alarm interval has passed."""
        assert self._began is not None and self._reported is not None, "not open"
        if now.mono - self._reported.mono < self.case.realarm_s:
            return None
        self._reported = now
        return self._finding("update", now, None, zone, facts)

    def end(self, now: Stamp, zone: ZoneDecision, facts: Json) -> Finding:
        """It is gone, or can no longer be vouched for; the facts say which."""
        finding = self._finding("end", now, now, zone, facts)
        self._began = self._reported = None
        self._ended_wall = now.wall
        return finding

    def _finding(
        self, phase: Any, now: Stamp, ended: Stamp | None, zone: ZoneDecision, facts: Json
    ) -> Finding:
        assert self._began is not None
        case = self.case
        return Finding(
            key=f"{case.point}/{case.category}/{case.rule}",
            camera=case.point,
            category=case.category,
            rule=case.rule,
            phase=phase,
            began=self._began,
            decided=now,
            ended=ended,
            place=(0.5, 0.5),
            box=WHOLE,
            subject=None,
            zone=zone,
            facts=facts,
            occurrence=self._count,
            priority="lead" if case.priority == "lead" else "normal",
        )

    def snapshot(self) -> EpisodeSnapshot:
        """Given back to `restore` after a restart."""
        return EpisodeSnapshot(self._began, self._reported, self._ended_wall, self._count)

    def restore(self, kept: EpisodeSnapshot, now: Stamp) -> None:
        """Continue after a restart: instants move onto this boot's monotonic clock."""
        self._began, self._reported = rebased(kept.began, now), rebased(kept.reported, now)
        self._ended_wall, self._count = kept.ended_wall, kept.count


def rebased(stored: Stamp | None, now: Stamp) -> Stamp | None:
    """A stored instant on this boot's monotonic clock, by the wall clock."""
    if stored is None:
        return None
    return replace(stored, mono=now.mono - max(0.0, now.wall - stored.wall))


class Held:
    """How long a condition has been seen to hold; time nobody saw does not count.

    gap_s: looks further apart than this are a gap. A gap is forgiven, never added; after
    `forget_s` unseen the count starts afresh.
    """

    def __init__(self, *, gap_s: float, forget_s: float = 1800.0) -> None:
        self._gap_s, self._forget_s = gap_s, forget_s
        self._last: float | None = None
        # Whether the look before this one saw it: only time between two such looks counts.
        self._unbroken = False
        self.began: Stamp | None = None
        self.held_s = 0.0

    def step(self, holds: bool | None, now: Stamp) -> None:
        """`holds` None: nobody knows."""
        if holds is None:
            self._unbroken = False
            if self._last is not None and now.mono - self._last > self._forget_s:
                self.clear()
            return
        if not holds:
            self.clear()
            return
        if self.began is None or self._last is None:
            self.began, self.held_s = now, 0.0
        elif self._unbroken and now.mono - self._last <= self._gap_s:
            self.held_s += now.mono - self._last
        self._last, self._unbroken = now.mono, True

    def clear(self) -> None:
        self.began, self._last, self.held_s, self._unbroken = None, None, 0.0, False

    def for_s(self, seconds: float) -> bool:
        return self.began is not None and self.held_s >= seconds

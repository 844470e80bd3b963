# SPDX-License-Identifier: AGPL-3.0-or-later
"""The one temporal primitive: has something held for N seconds, forgiving gaps of G?

It counts seconds, not samples: two looks a second or twenty-five give the same answer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

import msgspec

# What one look at a place said. seen: it was there. missed: the place was in view, it was not
# found. kept: not found, but the ground still looks as it did while it was there. hidden: the
# place could not be seen (something stood in front, nobody looked).
Sight = Literal["seen", "missed", "kept", "hidden"]
# Looks further apart than this are no watching: what stands there then may be another thing.
WATCHED_S = 5.0


@dataclass(frozen=True, slots=True)
class Terms:
    """When a state counts as held.

    dwell_s: for so long; share: seen for this part of the last `window_s` seconds in which the
    place could be seen; gap_s: it may be missed for so long in one go; hidden_s: it may be out of
    view for so long; blink_s: a miss as short as this is the detector's, not the world's; it lasts
    from halfway between the last look that saw it and the first that did not, to halfway between
    the last that did not and the next that did;
    look_s: looks further apart than this are no watching, so the time between them is hidden.
    """

    dwell_s: float
    share: float = 0.8
    window_s: float = 20.0
    gap_s: float = 30.0
    hidden_s: float = 900.0
    blink_s: float = 2.5
    look_s: float = WATCHED_S


class RunRow(msgspec.Struct, frozen=True, array_like=True):
    """Visible seconds in one state."""

    seconds: float
    seen: bool


class SinceSeenRow(msgspec.Struct, frozen=True, array_like=True):
    """Seconds since it was last seen: in view and missed, of those with changed ground, hidden."""

    missed_s: float
    absent_s: float
    hidden_s: float


class HoldSnapshot(msgspec.Struct, frozen=True):
    """A clock as a checkpoint keeps it; its form is part of `edge.rules.snapshots.FORM`."""

    now: float
    held: float
    since: SinceSeenRow
    runs: tuple[RunRow, ...]


class Hold:
    """One state's clock, started at the moment it was first seen.

    `held_s` grows with time seen and, once it is seen again, with forgiven gaps; time hidden
    beyond `gap_s` neither counts for nor against.
    """

    __slots__ = (
        "_absent_s",
        "_first_s",
        "_hidden_s",
        "_missed_s",
        "_runs",
        "_terms",
        "_visible_s",
        "held_s",
        "now",
    )

    def __init__(self, terms: Terms, began: float) -> None:
        self._terms = terms
        self.now = began
        self.held_s = 0.0
        # Since last seen: unseen though in view, of that with changed ground, and out of view.
        self._missed_s = self._absent_s = self._hidden_s = 0.0
        # From the look that saw it last to the first that did not.
        self._first_s = 0.0
        self._runs: deque[tuple[float, bool]] = deque()
        self._visible_s = 0.0

    def step(self, now: float, sight: Sight) -> None:
        """Account for the time since the last look; `now` is monotonic seconds, never smaller."""
        passed, self.now = max(0.0, now - self.now), max(now, self.now)
        if sight == "hidden" or passed > self._terms.look_s:
            self._hidden_s += passed
            passed = 0.0
        if sight == "seen":
            self._see(passed)
        elif sight != "hidden":
            self._first_s = passed if self._missed_s == 0.0 else self._first_s
            self._missed_s += passed
            self._absent_s = self._absent_s + passed if sight == "missed" else 0.0

    def _see(self, passed: float) -> None:
        """Seen now: settle what lies between this look and the last sighting."""
        if self._missed_s == 0.0 and self._hidden_s == 0.0:
            self._push(passed, True)
            self.held_s += passed
            return
        terms = self._terms
        missed = self._missed_s + passed
        # Nobody knows when between two looks it went, or was there again. With all of both counted
        # as missed, one miss of looks 2 s apart lasts 4 s, and the share is one of their rate.
        lasted_s = missed - (self._first_s + passed) / 2.0
        self._push(missed, lasted_s <= terms.blink_s)
        if missed <= terms.gap_s + terms.blink_s:
            self.held_s += missed
        self.held_s += min(self._hidden_s, terms.gap_s)
        self._missed_s = self._absent_s = self._hidden_s = 0.0

    def _push(self, seconds: float, seen: bool) -> None:
        """Add to the window of visible time, as runs of one state, and forget what is older."""
        if seconds <= 0.0:
            return
        runs = self._runs
        if runs and runs[-1][1] == seen:
            runs[-1] = (runs[-1][0] + seconds, seen)
        else:
            runs.append((seconds, seen))
        self._visible_s += seconds
        over = self._visible_s - self._terms.window_s
        while over > 0.0:
            cut = min(over, runs[0][0])
            if cut < runs[0][0]:
                runs[0] = (runs[0][0] - cut, runs[0][1])
            else:
                runs.popleft()
            self._visible_s -= cut
            over -= cut

    @property
    def share(self) -> float:
        """Share seen of the last `window_s` of visible time; 1.0 before anything was visible."""
        pending = self._missed_s if self._missed_s > self._terms.blink_s else 0.0
        pending = min(pending, self._terms.window_s)
        visible = min(self._visible_s + pending, self._terms.window_s)
        if visible <= 0.0:
            return 1.0
        seen = sum(seconds for seconds, was_seen in self._runs if was_seen)
        dropped = max(0.0, self._visible_s + pending - self._terms.window_s)
        for seconds, was_seen in self._runs:
            cut = min(dropped, seconds)
            seen -= cut if was_seen else 0.0
            dropped -= cut
            if dropped <= 0.0:
                break
        return max(0.0, seen / visible)

    @property
    def unseen_s(self) -> float:
        """Seconds in view, but not seen, since the last sighting."""
        return self._missed_s

    @property
    def hidden_s(self) -> float:
        """Seconds out of view since the last sighting."""
        return self._hidden_s

    @property
    def gone(self) -> bool:
        """Missed for longer than a gap, or hidden for longer than anyone would vouch for."""
        terms = self._terms
        return (
            self._absent_s > terms.gap_s + terms.blink_s
            or self._missed_s > terms.hidden_s
            or self._hidden_s > terms.hidden_s
        )

    def lapsed(self, now: float) -> bool:
        """Whether nobody looked until `now` for so long that nobody would vouch for it: what a look
        sees there then, `step` not yet told of it, may be another thing."""
        passed = now - self.now
        terms = self._terms
        return passed > terms.look_s and self._hidden_s + passed > terms.hidden_s

    def held_for(self, seconds: float) -> bool:
        """Held for so long, and seen for the agreed share lately, this very look included."""
        return self._missed_s == 0.0 and self.held_s >= seconds and self.share >= self._terms.share

    def snapshot(self) -> HoldSnapshot:
        """For the checkpoint; `restore` goes on from it after a restart."""
        since = SinceSeenRow(self._missed_s, self._absent_s, self._hidden_s)
        return HoldSnapshot(self.now, self.held_s, since, tuple(RunRow(*r) for r in self._runs))

    @staticmethod
    def restore(terms: Terms, kept: HoldSnapshot, shift_s: float) -> Hold:
        """The clock as it stood; `shift_s` moves its monotonic seconds onto this boot's."""
        hold = Hold(terms, kept.now + shift_s)
        hold.held_s, since = kept.held, kept.since
        hold._missed_s, hold._absent_s = since.missed_s, since.absent_s
        hold._hidden_s = since.hidden_s
        hold._runs = deque((run.seconds, run.seen) for run in kept.runs)
        hold._visible_s = sum(seconds for seconds, _ in hold._runs)
        return hold

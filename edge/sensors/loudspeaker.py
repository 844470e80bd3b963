# SPDX-License-Identifier: AGPL-3.0-or-later
"""A loudspeaker that plays one recording over and over, at one place: windows to a case. Pure.

噪声污染防治法 (in force 2022-06-05) Art. 63 forbids, in trade, loudspeakers and other ways of
continuously repeated loud sound for advertising. The box can vouch for the *repetition*, its time
and its place; how loud it was says a meter beside it, if there is one, and that it was
advertising a person. So the case is a lead or a suspicion, never more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from edge.config import Category
from edge.sensors.episode import UNKNOWN_ENDS_S, Episode, EpisodeSnapshot, EpisodeSubject
from edge.sensors.hours import LocalTime
from edge.sensors.repetition import Repetition
from edge.sensors.settings import SoundPoint
from edge.values import Finding, Json, Stamp, ZoneDecision

# Windows listed in the facts.
WINDOWS_KEPT = 12
# Periods of windows in a row are those of one recording: the same, or one a multiple of the other.
SAME_SHARE, SAME_S = 0.02, 0.15
LAW: Json = {
    "article": "噪声污染防治法 Art. 63",
    "since": "2022-06-05",
    # Either is enough; the second is what repetition shows.
    "tests": {
        "loudspeaker": "使用高音广播喇叭 loudspeakers used for advertising",
        "repeated": "持续反复发出高噪声 other ways of continuously repeated loud sound",
    },
    "shown": "repeated",
    "not_shown": "loudness without a meter; that it was advertising",
}


@dataclass(frozen=True, slots=True)
class LoopJudgement:
    """windows: so many windows in a row with one recording; clear_windows: without end it."""

    windows: int = 2
    clear_windows: int = 2


@dataclass(frozen=True, slots=True)
class LoopWindow:
    """One judged window: when it began (wall and mono) and what it is."""

    began: Stamp
    found: Repetition

    def as_json(self) -> dict[str, Json]:
        """The round as the evidence states it: what repeats, how often and how surely."""
        found = self.found
        return {
            "began_wall": round(self.began.wall, 1),
            "kind": found.kind,
            "period_s": round(found.period_s, 2),
            "similarity": round(found.similarity, 3),
            "score": round(found.score, 1),
        }


def same_recording(one_s: float, other_s: float) -> bool:
    """Whether two periods may be of one recording: a loop is like itself after two rounds too."""
    low, high = sorted((one_s, other_s))
    if low <= 0.0:
        return False
    rounds = max(1, round(high / low))
    return abs(high - rounds * low) <= max(SAME_S, SAME_SHARE * high)


class LoopWatch:
    """Begins after enough windows in a row that repeat with one period, ends after enough not."""

    def __init__(self, terms: LoopJudgement) -> None:
        self._terms = terms
        self._loops: list[float] = []
        self._clear = 0
        self.open = False

    def step(
        self, repeats: bool, period_s: float, at_s: float
    ) -> Literal["begin", "on", "end"] | None:
        """One window. at_s is its time, for whoever reads the steps."""
        if not repeats:
            self._loops, self._clear = [], self._clear + 1
            if self.open and self._clear >= self._terms.clear_windows:
                self.open = False
                return "end"
            return "on" if self.open else None
        self._clear = 0
        if self._loops and not same_recording(self._loops[-1], period_s):
            self._loops = []
        self._loops.append(period_s)
        if self.open:
            return "on"
        if len(self._loops) >= self._terms.windows:
            self.open = True
            return "begin"
        return None


class LoudspeakerSnapshot(msgspec.Struct, frozen=True):
    """What of a sound point outlives a restart."""

    case: EpisodeSnapshot


class LoudspeakerJudge:
    """Judges the windows of one place. One owner; windows in the order of time."""

    def __init__(
        self, point: SoundPoint, category: Category, local: LocalTime, *, window_s: float
    ) -> None:
        self.point, self._local, self._window_s = point, local, window_s
        self._terms = LoopJudgement(point.windows, point.clear_windows)
        self._watch = LoopWatch(self._terms)
        self.windows: deque[LoopWindow] = deque(maxlen=WINDOWS_KEPT)
        terms = (category.realarm_s, category.reopen_s)
        subject = EpisodeSubject(
            point.id, point.category, "loudspeaker.repeated", *terms, category.priority
        )
        self._case = Episode(subject)
        self._heard_mono: float | None = None

    def step(
        self, window: LoopWindow, now: Stamp, *, level_db: float | None = None
    ) -> tuple[Finding, ...]:
        """One window that ended. level_db: Leq of the meter beside it, over the same time."""
        self.windows.append(window)
        self._heard_mono = now.mono
        fits = self._local.fits(self.point.when, window.began.wall)
        loop = fits and window.found.kind == "loop"
        return tuple(self._judged(loop, window, now, level_db))

    def _judged(
        self, loop: bool, window: LoopWindow, now: Stamp, level_db: float | None
    ) -> Iterable[Finding]:
        said = self._watch.step(loop, window.found.period_s, window.began.mono)
        zone, facts = self._zone(window), self._facts(window, level_db)
        if said == "begin" and not self._case.open:
            began = list(self.windows)[-self._terms.windows].began
            yield self._case.begin(began, now, zone, facts)
        elif said == "end" and self._case.open:
            yield self._case.end(now, zone, {**facts, "ended_because": "no repetition any more"})
        elif self._case.open and (update := self._case.go_on(now, zone, facts)):
            yield update

    def unheard(self, now: Stamp) -> tuple[Finding, ...]:
        """The end of a case that no window has vouched for in `UNKNOWN_ENDS_S`: the microphone is
        gone."""
        if self._heard_mono is None:
            self._heard_mono = now.mono
        if not self._case.open or now.mono - self._heard_mono <= UNKNOWN_ENDS_S:
            return ()
        self._watch = LoopWatch(self._terms)
        facts = {"sense": "sound", "sensor": self.point.id, "law": LAW, "kept": self.point.keep}
        zone = ZoneDecision(False, "no sound any more")
        return (self._case.end(now, zone, {**facts, "ended_because": "no sound"}),)

    def _zone(self, window: LoopWindow) -> ZoneDecision:
        words = f"sound that repeats itself every {window.found.period_s:.2f} s"
        return ZoneDecision(False, words, hours=" ".join(self.point.when.hours) or None)

    def _facts(self, window: LoopWindow, level_db: float | None) -> dict[str, Json]:
        rows = [kept.as_json() for kept in list(self.windows)[-self._terms.windows :]]
        return {
            "sense": "sound",
            "sensor": self.point.id,
            **window.as_json(),
            "window_s": self._window_s,
            "windows": rows,
            "level_db": None if level_db is None else round(level_db, 1),
            "level": "of the meter beside it" if level_db is not None else "no meter here",
            "law": LAW,
            "kept": self.point.keep,
            "pattern": "self-similarity of the spectrum; no word recognised",
        }

    def status(self) -> dict[str, Any]:
        """What the page shows: the last window and whether a case is open."""
        last = self.windows[-1].as_json() if self.windows else None
        return {
            "id": self.point.id,
            "name": self.point.name,
            "sense": "sound",
            "state": last["kind"] if last else "unknown",
            "last": last,
            "open": [self._case.case.rule] if self._case.open else [],
        }

    def snapshot(self) -> Json:
        """What must outlive a restart, as plain JSON; `restore` is its inverse."""
        return msgspec.to_builtins(LoudspeakerSnapshot(self._case.snapshot()))

    def restore(self, data: Any, now: Stamp) -> None:
        """Raises ValueError for another shape, before anything is taken over."""
        self._case.restore(msgspec.convert(data, LoudspeakerSnapshot).case, now)
        self._watch.open = self._case.open

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page Health shows: faults, the board, cameras with their blind time, the outbox.

Blind time is read from the inspection ledger (`<state>/ledger/inspection-YYYY-MM.jsonl`): spans of
a camera, watched or not and why. What no span covers is "off": the box or its daemon did not run.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from edge.clock import SystemClock
from edge.console.clock import LocalClock
from edge.console.faults import advice_for
from edge.console.reading import DAEMONS, BoxFolders
from edge.console.texts import Language, half

DAY_S = 86_400.0
PICTURE_OLD_S = 30.0
# Of a month's file only what the page asks for stays in memory.
KEPT_S = 9 * DAY_S
WATCHED, OFF = "watched", "off"


class WatchedSpan(NamedTuple):
    """A stretch of one camera's time in wall seconds; reason: WATCHED, or why not."""

    camera: str
    begin: float
    seconds: float
    reason: str


# The sizes of a ledger file and what was in it: it grows by a row a camera every five minutes.
_Span = WatchedSpan


@dataclass(slots=True)
class WatchedTime:
    """Seconds of one camera in a span of time: watched, and blind by reason."""

    watched_s: float = 0.0
    blind_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, reason: str, seconds: float) -> None:
        if reason == WATCHED:
            self.watched_s += seconds
        else:
            self.blind_s[reason] += seconds

    @property
    def all_blind_s(self) -> float:
        return sum(self.blind_s.values())

    @property
    def share(self) -> float:
        """Of the time that is recorded, how much was watched."""
        whole = self.watched_s + self.all_blind_s
        return self.watched_s / whole if whole else 0.0

    @property
    def reasons(self) -> list[tuple[str, float]]:
        """Longest first."""
        return sorted(self.blind_s.items(), key=lambda row: -row[1])


class BlindLedger:
    """The inspection ledger of one box, read-only; a file is read again when it has grown."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "ledger"
        self._files: dict[str, tuple[int, list[_Span]]] = {}

    def spans(self, begin: float, end: float) -> list[WatchedSpan]:
        """What is recorded of the time from `begin` to `end` (wall seconds), of the days kept."""
        return [s for s in self._spans(begin) if s.begin + s.seconds > begin and s.begin < end]

    def minutes(self, begin: float, end: float) -> dict[str, WatchedTime]:
        """camera -> what its time from `begin` to `end` (wall seconds) went into."""
        spans = [span for span in self._spans(begin) if span[1] + span[2] > begin and span[1] < end]
        found: dict[str, WatchedTime] = defaultdict(WatchedTime)
        covered: dict[str, float] = defaultdict(float)
        first: dict[str, float] = {}
        for camera, start, seconds, reason in spans:
            inside = min(end, start + seconds) - max(begin, start)
            found[camera].add(reason, inside)
            covered[camera] += inside
            first[camera] = min(first.get(camera, end), max(begin, start))
        for camera, minutes in found.items():
            # Five minutes at the end are still in the daemon's hands.
            missing = end - first[camera] - covered[camera] - 300.0
            if missing > 60.0:
                minutes.add(OFF, missing)
        return dict(found)

    def _spans(self, begin: float) -> Iterable[_Span]:
        """Of the months that reach back to `begin`, and the one before it for spans across."""
        since = datetime.fromtimestamp(begin - DAY_S, timezone.utc).strftime("%Y-%m")
        for path in sorted(self._folder.glob("inspection-*.jsonl")):
            if path.stem.removeprefix("inspection-") >= since:
                yield from self._of(path)

    def _of(self, path: Path) -> list[_Span]:
        size = path.stat().st_size
        known = self._files.get(path.name)
        if known is None or known[0] != size:
            spans = [s for line in path.read_bytes().splitlines() if (s := _span(line))]
            old = _newest(spans) - KEPT_S
            known = self._files[path.name] = size, [s for s in spans if s[1] + s[2] > old]
        return known[1]


def _newest(spans: Sequence[WatchedSpan]) -> float:
    """When the newest begins, but for those of a clock that was ahead: it is no time to count from.
    Where all are ahead it is this clock that is behind."""
    latest = time.time() + DAY_S
    begins = [span.begin for span in spans]
    return max((at for at in begins if at <= latest), default=max(begins, default=0.0))


def _span(line: bytes) -> _Span | None:
    try:
        row = json.loads(line)
        return WatchedSpan(
            str(row["camera"]),
            float(row["start"]),
            float(row["seconds"]),
            str(row["reason"]) or WATCHED,
        )
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class Wrong:
    """One fault as the page shows it."""

    kind: str
    name: str
    subject: str
    text: str
    do: str
    wall: float | None


def faults(reading: BoxFolders, language: Language) -> list[Wrong]:
    """Open faults of all daemons."""
    return [_wrong(row, language) for row in reading.faults()]


def _wrong(row: Mapping[str, Any], language: Language) -> Wrong:
    kind, said = str(row.get("kind", "")), str(row.get("text", ""))
    advice = advice_for(kind)
    return Wrong(
        kind=kind,
        name=advice.name(language),
        subject=str(row.get("subject", "")),
        # Other faults name cameras, whose names are Chinese in English sentences too.
        text=half(said, language) if kind.startswith("pack_") else said,
        do=advice.do(language),
        wall=row.get("wall"),
    )


def doubts(
    statuses: Mapping[str, Mapping[str, Any]], clock: str, now: float
) -> list[tuple[str, str]]:
    """(what keeps the page from saying that nothing is wrong, of which camera), though no daemon
    has raised a fault of it: a red light never stands beside "no fault"."""
    found: list[tuple[str, str]] = []
    if clock not in ("ntp", "gnss"):
        found.append(("clock", ""))
    if not statuses.get("uplinkd", {}).get("online"):
        found.append(("link", ""))
    reported = {fault.get("subject") for s in statuses.values() for fault in s.get("faults", ())}
    for name, row in statuses.get("visiond", {}).get("cameras", {}).items():
        last = row.get("last_wall")
        old = last is not None and not row.get("recording") and now - float(last) > PICTURE_OLD_S
        if name not in reported and (row.get("blind") or old):
            found.append(("camera", str(name)))
    return found


def silent(statuses: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Daemons that ran once and say nothing now. The janitor comes once a minute."""
    most_s = {"janitord": 180.0}
    return [
        name
        for name in DAEMONS
        if (status := statuses.get(name)) and status["age_s"] > most_s.get(name, 15.0)
    ]


# Reasons of blind time that are called by another name as a fault.
REASON_FAULTS = {"stall": "stream_stall", "config": "not_sound", "set_aside": "item_set_aside"}


def reason_name(reason: str, language: Language, words: Mapping[str, str]) -> str:
    """Why a camera was blind, by the names of the faults."""
    if reason in words:
        return words[reason]
    kind = REASON_FAULTS.get(reason, reason)
    return advice_for(kind).name(language)


def today_and_week(
    ledger: BlindLedger, clock: LocalClock, now: float
) -> dict[str, tuple[WatchedTime, WatchedTime]]:
    """camera -> (since the local midnight, in seven days)."""
    at = datetime.fromtimestamp(now, clock.zone)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    today, week = ledger.minutes(midnight, now), ledger.minutes(now - 7 * DAY_S, now)
    names = {*today, *week}
    return {name: (today.get(name, WatchedTime()), week.get(name, WatchedTime())) for name in names}


def clock_trust() -> tuple[str, float]:
    """How far the box's clock can be believed: quality, error in ms."""
    stamp = SystemClock().now()
    return stamp.quality, stamp.error_ms

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Minutes watched and minutes blind, and why: tells "no violation" from "not looking". Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal

from edge.values import Json, Stamp

Rollup = Literal["day", "week", "month"]
# Why a camera does not watch; a word of its own is shown as it is.
REASONS = ("stall", "night", "covered", "blurred", "moved", "overheated", "paused", "off")
LONGEST_S = 300.0
WATCHED = ""


@dataclass(frozen=True, slots=True)
class WatchSpan:
    """A stretch of one state. `reason` "" is watched. Wall seconds for people, length by mono."""

    camera: str
    start_wall: float
    seconds: float
    reason: str

    def row(self) -> Json:
        """One span without pictures for the inspection ledger; `start` in wall s."""
        return {
            "camera": self.camera,
            "start": round(self.start_wall, 3),
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
        }


class BlindTime:
    """What one camera's time went into. One owner: its daemon, which stores the spans."""

    def __init__(self, camera: str, at: Stamp, reason: str = "off") -> None:
        self._camera, self._since, self._reason = camera, at, reason

    def mark(self, at: Stamp, reason: str | None) -> list[WatchSpan]:
        """State from now on; returns what is finished, to be stored: at a change, and every five
        minutes, so that a power cut loses no more than that."""
        now = reason or WATCHED
        passed = at.mono - self._since.mono
        if now == self._reason and passed < LONGEST_S:
            return []
        span = WatchSpan(self._camera, at.wall - passed, passed, self._reason)
        self._since, self._reason = at, now
        return [span] if passed > 0.0 else []

    def close(self, at: Stamp) -> list[WatchSpan]:
        """The daemon stops: the stretch that is not finished yet."""
        passed = at.mono - self._since.mono
        span = WatchSpan(self._camera, at.wall - passed, passed, self._reason)
        self._since = at
        return [span] if passed > 0.0 else []


def rolled_up(
    rows: Iterable[Mapping[str, Any]], by: Rollup, timezone: tzinfo
) -> list[dict[str, Any]]:
    """Minutes for each camera and day, ISO week or month: watched, blind, and blind by reason.

    A span over midnight is divided. Rows are what `WatchSpan.row` writes. Time that no span covers
    (the box was off) counts as neither: the caller knows how long the period was.
    """
    sums: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        for period, seconds in _divided(float(row["start"]), float(row["seconds"]), by, timezone):
            cell = sums.setdefault((period, str(row["camera"])), {})
            reason = str(row["reason"])
            cell[reason] = cell.get(reason, 0.0) + seconds
    return [_row(period, camera, cell) for (period, camera), cell in sorted(sums.items())]


def _divided(start: float, seconds: float, by: Rollup, timezone: tzinfo) -> list[tuple[str, float]]:
    parts, end = [], start + seconds
    while start < end:
        local = datetime.fromtimestamp(start, timezone)
        next_day = datetime.combine(local.date() + timedelta(days=1), datetime.min.time())
        midnight = next_day.replace(tzinfo=timezone).timestamp()
        until = min(end, midnight)
        parts.append((_period(local, by), until - start))
        start = until
    return parts


def _period(local: datetime, by: Rollup) -> str:
    if by == "day":
        return local.date().isoformat()
    if by == "month":
        return f"{local.year}-{local.month:02d}"
    year, week, _ = local.isocalendar()
    return f"{year}-W{week:02d}"


def _row(period: str, camera: str, cell: Mapping[str, float]) -> dict[str, Any]:
    blind = {reason: s for reason, s in cell.items() if reason != WATCHED}
    whole = sum(cell.values())
    watched = cell.get(WATCHED, 0.0)
    return {
        "period": period,
        "camera": camera,
        "watched_min": round(watched / 60.0, 1),
        "blind_min": round(sum(blind.values()) / 60.0, 1),
        "watched_share": round(watched / whole, 4) if whole else 0.0,
        "why": " ".join(f"{name}:{s / 60.0:.1f}" for name, s in sorted(blind.items())),
    }

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Local time: day or night, and whether a window of the configuration fits. Wall seconds in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from edge.config.dated import NO_PACKS, Packs
from edge.config.site import When
from edge.sensors.limits import Period

# Whether a window fits an instant by the site's calendar; the daemon passes it in.
Fits = Callable[[When, datetime], bool]


class LocalTime:
    """The site's time zone, calendar and packs of limits."""

    def __init__(self, timezone: str, fits: Fits | None = None, packs: Packs | None = None) -> None:
        self.zone, self._fits, self.packs = ZoneInfo(timezone), fits, packs or NO_PACKS

    def at(self, wall: float) -> datetime:
        return datetime.fromtimestamp(wall, self.zone)

    def fits(self, when: When, wall: float) -> bool:
        """Whether all that `when` says fits; an empty window always does."""
        if when == When():
            return True
        assert self._fits is not None, "a window needs the site's calendar"
        return self._fits(when, self.at(wall))

    def period(self, wall: float, day: str) -> Period:
        """Whether `wall` lies in the day span ("06:00-22:00") or in the night."""
        at = self.at(wall)
        minutes = at.hour * 60 + at.minute
        first, last = _span(day)
        if first < last:
            return "day" if first <= minutes < last else "night"
        return "day" if minutes >= first or minutes < last else "night"

    def next_change(self, wall: float, day: str) -> float:
        """The next instant at which day becomes night or night day, as wall seconds."""
        midnight = self.midnight(wall)
        edges = (midnight + 60.0 * minutes for minutes in _span(day))
        return min(edge if edge > wall else edge + 86_400.0 for edge in edges)

    def midnight(self, wall: float) -> float:
        """The start of the local day of `wall`, as wall seconds."""
        at = self.at(wall)
        return at.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    def day(self, wall: float) -> dt.date:
        """The local day of an instant."""
        return self.at(wall).date()

    def date(self, wall: float) -> str:
        return self.day(wall).isoformat()


def _span(text: str) -> tuple[int, int]:
    first, last = (60 * int(part[:2]) + int(part[3:]) for part in text.split("-"))
    return first, last


def night_hours(day: str) -> float:
    """How long the night is that a day span leaves."""
    first, last = _span(day)
    return 24.0 - ((last - first) % 1440) / 60.0

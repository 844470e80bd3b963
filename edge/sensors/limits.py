# SPDX-License-Identifier: AGPL-3.0-or-later
"""Noise limits as a table: standard, zone class, day and night, allowed peak at night (dB(A))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Standard = Literal["GB 12523", "GB 3096", "GB 22337", "GB 12348"]
ZoneClass = Literal["0", "1", "2", "3", "4", "4a", "4b", "site"]
Period = Literal["day", "night"]
# Measured indoors because the outdoor condition is not met (GB 12348; GB 22337, GB 12523 alike).
INDOORS_DB = -10.0


@dataclass(frozen=True, slots=True)
class Limit:
    """Limits of one place. `night_over_db`: by how much a peak at night may exceed `night_db`."""

    day_db: float
    night_db: float
    night_over_db: float | None = None

    def of(self, period: Period) -> float:
        return self.day_db if period == "day" else self.night_db

    def peak(self, period: Period) -> float | None:
        """The highest allowed Lmax, None where the standard sets none."""
        if period == "day" or self.night_over_db is None:
            return None
        return self.night_db + self.night_over_db

    def shifted(self, by_db: float) -> Limit:
        return replace(self, day_db=self.day_db + by_db, night_db=self.night_db + by_db)


def _classes(rows: str, over_db: float | None) -> dict[str, Limit]:
    cells = (row.split() for row in rows.split(","))
    return {name: Limit(float(day), float(night), over_db) for name, day, night in cells}


# GB 3096-2008 (environment; sudden noise at night), GB 22337-2008 (boundary of shops and places of
# entertainment), GB 12348-2008 (boundary of industry; occasional noise at night), GB 12523-2025
# (boundary of building sites; figures as in 2011). Read in reprints: domain.md §3.1.
LIMITS: Mapping[Standard, Mapping[str, Limit]] = {
    "GB 3096": _classes("0 50 40,1 55 45,2 60 50,3 65 55,4a 70 55,4b 70 60", 15.0),
    "GB 22337": _classes("0 50 40,1 55 45,2 60 50,3 65 55,4 70 55,4a 70 55", None),
    "GB 12348": _classes("0 50 40,1 55 45,2 60 50,3 65 55,4 70 55,4a 70 55", 15.0),
    "GB 12523": {"site": Limit(70.0, 55.0, 15.0)},
}
# How long one measurement takes: sites 20 min, steady sources 1 min, environment 10 min.
WINDOW_S: Mapping[Standard, float] = {
    "GB 12523": 1200.0,
    "GB 22337": 60.0,
    "GB 12348": 60.0,
    "GB 3096": 600.0,
}


def limit_for(standard: Standard, zone_class: str) -> Limit | None:
    """The limits of a place, None where the standard has no such class."""
    classes = LIMITS[standard]
    return classes["site"] if standard == "GB 12523" else classes.get(zone_class)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Noise standards as a table: limits by zone class, measuring time, how each is judged (dB(A)).

GB 3096-2008 (environment), GB 22337-2008 (boundary of shops and places of entertainment),
GB 12348-2008 (boundary of industry) were read in reprints; GB 12523-2025 (boundary of building
sites) could not be read: its figures are those of 2011.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Standard = Literal["GB 12523", "GB 3096", "GB 22337", "GB 12348"]
ZoneClass = Literal["0", "1", "2", "3", "4", "4a", "4b", "site"]
Period = Literal["day", "night"]
# Measured indoors because the outdoor condition is not met (GB 12348; GB 22337, GB 12523 alike).
INDOORS_DB = -10.0
# By how much a peak at night may exceed the limit: noise that comes by chance, and noise that
# comes again and again (GB 12348-2008 4.1.3 and 4.1.2).
OCCASIONAL_DB, FREQUENT_DB = 15.0, 10.0
# The night has eight hours; a city of districts may shift it (噪声污染防治法 Art. 88).
NIGHT_H = 8.0


@dataclass(frozen=True, slots=True)
class Method:
    """How a standard judges. `emission`: HJ 706-2014 corrects and rounds the measured level.

    clauses: where the standard says what: `measure`, `limit`, `peak`, `frequent`.
    """

    name: str
    emission: bool = True
    clauses: Mapping[str, str] = field(default_factory=dict)

    def clause(self, what: str) -> str:
        """`GB 12348-2008 4.1.1`, or the standard's name alone."""
        return f"{self.name} {self.clauses.get(what, '')}".strip()


@dataclass(frozen=True, slots=True)
class Limit:
    """Limits of one place. `night_over_db`: by how much a peak at night may exceed `night_db`."""

    day_db: float
    night_db: float
    night_over_db: float | None = None
    method: Method = Method("")

    def of(self, period: Period) -> float:
        return self.day_db if period == "day" else self.night_db

    def peak(self, period: Period) -> float | None:
        """The highest allowed Lmax, None where the standard sets none."""
        if period == "day" or self.night_over_db is None:
            return None
        return self.night_db + self.night_over_db

    @property
    def peak_clause(self) -> str:
        """Where the standard limits peaks, of the kind that `night_over_db` is for."""
        frequent = self.night_over_db == FREQUENT_DB and "frequent" in self.method.clauses
        return self.method.clause("frequent" if frequent else "peak")

    def shifted(self, by_db: float) -> Limit:
        return replace(self, day_db=self.day_db + by_db, night_db=self.night_db + by_db)


@dataclass(frozen=True, slots=True)
class LimitRule:
    """One standard: its limits, how long one measurement takes, peaks at night.

    frequent_db: for noise that comes again and again, None where the standard knows no such.
    """

    method: Method
    window_s: float
    occasional_db: float | None
    frequent_db: float | None
    classes: Mapping[str, Limit]


def _rule(
    method: Method,
    rows: str,
    *,
    window_s: float,
    occasional_db: float | None = OCCASIONAL_DB,
    frequent_db: float | None = None,
) -> LimitRule:
    cells = (row.split() for row in rows.split(","))
    classes = {
        name: Limit(float(day), float(night), occasional_db, method) for name, day, night in cells
    }
    return LimitRule(method, window_s, occasional_db, frequent_db, classes)


RULES: Mapping[Standard, LimitRule] = {
    "GB 3096": _rule(
        Method("GB 3096-2008", False, {"limit": "5.1", "peak": "5.4", "measure": "6"}),
        "0 50 40,1 55 45,2 60 50,3 65 55,4a 70 55,4b 70 60",
        window_s=600.0,
    ),
    "GB 22337": _rule(
        Method("GB 22337-2008", True, {"limit": "4.1.1", "measure": "5"}),
        "0 50 40,1 55 45,2 60 50,3 65 55,4 70 55,4a 70 55",
        window_s=60.0,
        occasional_db=None,
    ),
    "GB 12348": _rule(
        Method(
            "GB 12348-2008",
            True,
            {"limit": "4.1.1", "frequent": "4.1.2", "peak": "4.1.3", "measure": "5"},
        ),
        "0 50 40,1 55 45,2 60 50,3 65 55,4 70 55,4a 70 55",
        window_s=60.0,
        frequent_db=FREQUENT_DB,
    ),
    "GB 12523": _rule(
        Method("GB 12523-2025 (figures of 2011)", True, {}), "site 70 55", window_s=1200.0
    ),
}
LIMITS: Mapping[Standard, Mapping[str, Limit]] = {name: r.classes for name, r in RULES.items()}
# How long one measurement takes: sites 20 min, steady sources 1 min, environment 10 min.
WINDOW_S: Mapping[Standard, float] = {name: rule.window_s for name, rule in RULES.items()}


def limit_for(standard: Standard, zone_class: str, *, frequent: bool = False) -> Limit | None:
    """The limits of a place, None where the standard has no such class. frequent: the source is
    known to come again and again at night; where the standard is stricter then, its figure."""
    rule = RULES[standard]
    found = rule.classes.get("site" if standard == "GB 12523" else zone_class)
    if found is None or not frequent or rule.frequent_db is None:
        return found
    return replace(found, night_over_db=rule.frequent_db)

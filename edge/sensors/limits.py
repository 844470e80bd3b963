# SPDX-License-Identifier: AGPL-3.0-or-later
"""Noise limits of a day (dB(A)): by zone class, with how they are judged, out of the packs.

The figures stand in config/packs/noise-*.yaml with clause and state; which edition counts is asked
by the day on which the measuring period began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, get_args

from edge.config.dated import Packs
from edge.config.packs import NoiseStandard, Pack

Standard = Literal["GB 12523", "GB 3096", "GB 22337", "GB 12348"]
STANDARDS: tuple[Standard, ...] = get_args(Standard)
ZoneClass = Literal["0", "1", "2", "3", "4", "4a", "4b", "site"]
Period = Literal["day", "night"]
# (least whole difference, what is taken off); below the last nothing is known.
Corrections = tuple[tuple[int, int], ...]
_FROM = (11, 6, 4, 3)
# Until a pack says how long a period of this standard is, so that there are periods at all.
WINDOW_WITHOUT_PACK_S = 1200.0


@dataclass(frozen=True, slots=True)
class Method:
    """How a standard judges. `emission`: HJ 706-2014 corrects and rounds the measured level.

    clauses: where the standard says what: `measure`, `limit`, `peak`, `frequent`.
    """

    name: str
    emission: bool = True
    clauses: Mapping[str, str] = field(default_factory=dict)
    corrections: Corrections = ()

    def clause(self, what: str) -> str:
        """`GB 12348-2008 4.1.1`, or the standard's name alone."""
        return f"{self.name} {self.clauses.get(what, '')}".strip()


@dataclass(frozen=True, slots=True)
class Limit:
    """Limits of one place. `night_over_db`: by how much a peak at night may exceed `night_db`;
    `frequent`: of noise that comes again and again; `indoors_db`: what is added indoors."""

    day_db: float
    night_db: float
    night_over_db: float | None = None
    method: Method = Method("")
    frequent: bool = False
    indoors_db: float = 0.0

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
        return self.method.clause("frequent" if self.frequent else "peak")

    def shifted(self, by_db: float) -> Limit:
        return replace(self, day_db=self.day_db + by_db, night_db=self.night_db + by_db)


def in_force(packs: Packs, standard: Standard, day: date) -> Pack | None:
    """The edition of a standard on a day."""
    return packs.at("noise", day, standard)


def window_of(packs: Packs, standard: Standard, day: date) -> float:
    """How long one measurement takes, s."""
    pack = in_force(packs, standard, day)
    return pack.standard.window_s if pack and pack.standard else WINDOW_WITHOUT_PACK_S


def limit_on(
    packs: Packs,
    standard: Standard,
    zone_class: str,
    day: date,
    *,
    frequent: bool = False,
) -> Limit | None:
    """The limits of a place on a day; None where no pack is in force or it has no such class.

    frequent: the source is known to come again and again at night; where the standard is stricter
    then, its figure. `indoors_db` is not added yet.
    """
    pack, how = in_force(packs, standard, day), packs.at("measuring", day, "noise")
    if pack is None or pack.standard is None or how is None:
        return None
    rule = pack.standard
    levels = rule.classes.get("site" if standard == "GB 12523" else zone_class)
    if levels is None:
        return None
    again = frequent and rule.frequent_db is not None
    peak_db = rule.frequent_db if again else rule.occasional_db
    method, named = _method(pack, rule, how), again and "frequent" in rule.clauses
    return Limit(*levels, peak_db, method, named, rule.indoors_db)


def _method(pack: Pack, rule: NoiseStandard, how: Pack) -> Method:
    corrections = tuple((n, int(how.number(f"background_from_{n}_db"))) for n in _FROM)
    return Method(pack.edition, rule.emission, rule.clauses, corrections)

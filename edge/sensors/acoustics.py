# SPDX-License-Identifier: AGPL-3.0-or-later
"""Acoustic arithmetic: equivalent, percentile and day-night levels, background correction.

All levels are A-weighted sound pressure levels in dB. Means are means of energy, never of decibels
(domain.md §3.2). Pure: lists in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PERCENTILES = (5, 10, 50, 90, 95)
# A period counts where at least this share of its samples is valid (HJ 212-2017 table C.16 asks
# 75 % of the real-time values for a valid minute).
VALID_SHARE = 0.75
DAY_HOURS, NIGHT_HOURS = 16.0, 8.0
NIGHT_PENALTY_DB = 10.0


def energy(level_db: float) -> float:
    """Relative energy of a level: 10^(L/10)."""
    return math.pow(10.0, level_db / 10.0)


def level(mean_energy: float) -> float:
    """The level of a mean energy."""
    return 10.0 * math.log10(mean_energy)


def leq(levels_db: Sequence[float]) -> float:
    """Equivalent level of samples of equal length. Raises ValueError where there are none."""
    if not levels_db:
        raise ValueError("no level to take a mean of")
    return level(math.fsum(energy(value) for value in levels_db) / len(levels_db))


def combine(blocks: Iterable[tuple[float, float]]) -> float:
    """Equivalent level of (level dB, seconds) blocks, weighted with their lengths."""
    rows = [(energy(value), seconds) for value, seconds in blocks]
    total_s = math.fsum(seconds for _, seconds in rows)
    if total_s <= 0.0:
        raise ValueError("no block with a length")
    return level(math.fsum(e * seconds for e, seconds in rows) / total_s)


def exceeded(levels_db: Sequence[float], percent: float) -> float:
    """L_N: the level exceeded `percent` of the time.

    Index rule: sorted from loud to quiet, the value at place ceil(n * N / 100), counted from 1; of
    100 samples the 10th, 50th and 90th.
    """
    ordered = sorted(levels_db, reverse=True)
    place = math.ceil(round(len(ordered) * percent / 100.0, 9))
    return ordered[max(1, place) - 1]


def day_night(
    day_db: float,
    night_db: float,
    *,
    day_h: float = DAY_HOURS,
    night_h: float = NIGHT_HOURS,
) -> float:
    """L_dn: the day's mean with 10 dB added to the night (GB 3096: 16 h and 8 h)."""
    return combine([(day_db, day_h), (night_db + NIGHT_PENALTY_DB, night_h)])


@dataclass(slots=True)
class DaySums:
    """Ld, Ln and Ldn of one local day from samples of equal length, without keeping them."""

    date: str
    energy: dict[str, float] = field(default_factory=lambda: {"day": 0.0, "night": 0.0})
    samples: dict[str, int] = field(default_factory=lambda: {"day": 0, "night": 0})

    def add(self, period: str, level_db: float) -> None:
        self.energy[period] += energy(level_db)
        self.samples[period] += 1

    def as_json(self) -> dict[str, float | int | str | None]:
        """`ld_db`, `ln_db` and, where both are there, `ldn_db`; samples say how complete it is."""
        both = {p: level(self.energy[p] / n) for p, n in self.samples.items() if n}
        day_db, night_db = both.get("day"), both.get("night")
        whole = day_db is not None and night_db is not None
        return {
            "date": self.date,
            "ld_db": None if day_db is None else round(day_db, 2),
            "ln_db": None if night_db is None else round(night_db, 2),
            "ldn_db": round(day_night(day_db or 0.0, night_db or 0.0), 2) if whole else None,
            "day_samples": self.samples["day"],
            "night_samples": self.samples["night"],
        }


@dataclass(frozen=True, slots=True)
class Corrected:
    """A level after background correction; `value_db` is None where the method cannot say."""

    value_db: float | None
    correction_db: int
    difference_db: float


def correct_background(measured_db: float, background_db: float) -> Corrected:
    """Correction by the table of GB 12348 (also used with GB 12523 and GB 22337).

    The difference is rounded to a whole number: above 10 none, 6..10 -1, 4..5 -2, 3 -3; below 3
    the background must be lowered first. The exact energy difference would be a little different.
    """
    difference = measured_db - background_db
    rounded = math.floor(difference + 0.5)
    if difference > 10.0:
        return Corrected(measured_db, 0, difference)
    for least, correction in ((6, -1), (4, -2), (3, -3)):
        if rounded >= least:
            return Corrected(measured_db + correction, correction, difference)
    return Corrected(None, 0, difference)


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of one period. `valid_share`: valid samples of those that belong in it."""

    leq_db: float
    lmax_db: float
    lmin_db: float
    sd_db: float
    ln_db: tuple[float, ...]
    valid_share: float
    samples: int

    @property
    def usable(self) -> bool:
        return self.valid_share >= VALID_SHARE

    def as_json(self) -> dict[str, float | int]:
        """`leq_db`, `l10_db`, ... rounded to 0.01 dB."""
        named = zip((f"l{n}_db" for n in PERCENTILES), self.ln_db, strict=True)
        return {
            "leq_db": round(self.leq_db, 2),
            "lmax_db": round(self.lmax_db, 2),
            "lmin_db": round(self.lmin_db, 2),
            **{name: round(value, 2) for name, value in named},
            "sd_db": round(self.sd_db, 2),
            "valid_share": round(self.valid_share, 4),
            "samples": self.samples,
        }


def levels_of(
    valid_db: Sequence[float],
    *,
    expected: int,
    peaks_db: Sequence[float] = (),
    floors_db: Sequence[float] = (),
) -> Levels | None:
    """Levels of a period's valid samples, None where there is none.

    expected: how many samples belong in the period; peaks_db, floors_db: the meter's own maxima
    and minima of each second, where it sends them (an energy mean of a second hides its peak).
    """
    if not valid_db:
        return None
    mean = math.fsum(valid_db) / len(valid_db)
    return Levels(
        leq_db=leq(valid_db),
        lmax_db=max((*valid_db, *peaks_db)),
        lmin_db=min((*valid_db, *floors_db)),
        sd_db=math.sqrt(math.fsum((v - mean) ** 2 for v in valid_db) / len(valid_db)),
        ln_db=tuple(exceeded(valid_db, n) for n in PERCENTILES),
        valid_share=min(1.0, len(valid_db) / max(1, expected, len(valid_db))),
        samples=len(valid_db),
    )

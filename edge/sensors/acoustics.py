# SPDX-License-Identifier: AGPL-3.0-or-later
"""Acoustic arithmetic: equivalent, percentile and day-night levels, background correction.

All levels are A-weighted sound pressure levels in dB. Means are means of energy, never of decibels
(ISO 1996-1). Pure: lists in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat

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
    return combine((value, 1.0) for value in levels_db)


def combine(blocks: Iterable[tuple[float, float]]) -> float:
    """Equivalent level of (level dB, seconds) blocks, weighted with their lengths. Raises
    ValueError where no block has a length."""
    rows = [(value, seconds) for value, seconds in blocks if seconds > 0.0]
    if not rows:
        raise ValueError("no block with a length")
    # Energies relative to the loudest block: no level is too high or too low for a float.
    top = max(value for value, _ in rows)
    total_s = math.fsum(seconds for _, seconds in rows)
    return top + level(math.fsum(energy(v - top) * seconds for v, seconds in rows) / total_s)


def exceeded(
    levels_db: Sequence[float], percent: float, seconds: Sequence[float] | None = None
) -> float:
    """L_N: the level exceeded `percent` of the time.

    Sorted from loud to quiet, the value with which `percent` of the time is reached; with samples
    of equal length the one at place ceil(n * N / 100), counted from 1: of 100 samples the 10th,
    50th and 90th.
    """
    rows = sorted(zip(levels_db, seconds or repeat(1.0), strict=False), reverse=True)
    wanted_s = round(math.fsum(s for _, s in rows) * percent / 100.0, 9)
    for (value, _), passed_s in zip(rows, accumulate(s for _, s in rows), strict=True):
        if round(passed_s, 9) >= wanted_s:
            return value
    return rows[-1][0]


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
    """Ld, Ln and Ldn of one local day, by the seconds that each sample stands for."""

    date: str
    energy: dict[str, float] = field(default_factory=lambda: {"day": 0.0, "night": 0.0})
    seconds: dict[str, float] = field(default_factory=lambda: {"day": 0.0, "night": 0.0})

    def add(self, period: str, level_db: float, seconds: float = 1.0) -> None:
        self.energy[period] += energy(level_db) * seconds
        self.seconds[period] += seconds

    def as_json(self) -> dict[str, float | str | None]:
        """`ld_db`, `ln_db` and, where both are there, `ldn_db`; seconds say how complete it is."""
        both = {p: level(self.energy[p] / s) for p, s in self.seconds.items() if s > 0.0}
        day_db, night_db = both.get("day"), both.get("night")
        whole = day_db is not None and night_db is not None
        return {
            "date": self.date,
            "ld_db": None if day_db is None else round(day_db, 2),
            "ln_db": None if night_db is None else round(night_db, 2),
            "ldn_db": round(day_night(day_db or 0.0, night_db or 0.0), 2) if whole else None,
            "day_seconds": round(self.seconds["day"], 1),
            "night_seconds": round(self.seconds["night"], 1),
        }


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of one period. `valid_share`: seconds with a valid level of those that belong in
    it. `rest_db`: Leq without its loudest value; `second_db`: the second highest level or peak.
    Nothing is judged from a single value, so both are kept."""

    leq_db: float
    lmax_db: float
    lmin_db: float
    sd_db: float
    ln_db: tuple[float, ...]
    valid_share: float
    samples: int
    rest_db: float
    second_db: float

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
    expected: float,
    seconds: Sequence[float] | None = None,
    peaks_db: Sequence[float] = (),
    floors_db: Sequence[float] = (),
) -> Levels | None:
    """Levels of a period's valid samples, None where there is none.

    seconds: how long each sample lasts (edge.sensors.weighting); expected: how long the period is.
    Without `seconds` all are equal and `expected` is a number of samples. peaks_db, floors_db: the
    meter's own maxima and minima, where it sends them (a second's mean hides its peak).
    """
    if not valid_db:
        return None
    weights = list(seconds) if seconds is not None else [1.0] * len(valid_db)
    total = math.fsum(weights)
    if total <= 0.0:
        return None
    mean = math.fsum(v * w for v, w in zip(valid_db, weights, strict=True)) / total
    variance = math.fsum((v - mean) ** 2 * w for v, w in zip(valid_db, weights, strict=True))
    highest = sorted((*valid_db, *peaks_db))[-2:]
    return Levels(
        leq_db=combine(zip(valid_db, weights, strict=True)),
        lmax_db=highest[-1],
        lmin_db=min((*valid_db, *floors_db)),
        sd_db=math.sqrt(variance / total),
        ln_db=tuple(exceeded(valid_db, n, weights) for n in PERCENTILES),
        valid_share=min(1.0, total / max(1e-9, expected, total if seconds is None else 0.0)),
        samples=len(valid_db),
        rest_db=_without_loudest(valid_db, weights),
        second_db=highest[0],
    )


def _without_loudest(valid_db: Sequence[float], weights: Sequence[float]) -> float:
    """Leq of all but the loudest sample; minus infinity where nothing is left."""
    loudest = max(range(len(valid_db)), key=valid_db.__getitem__)
    rest = [(v, w) for n, (v, w) in enumerate(zip(valid_db, weights, strict=True)) if n != loudest]
    return combine(rest) if any(w > 0.0 for _, w in rest) else -math.inf

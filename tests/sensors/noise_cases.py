# SPDX-License-Identifier: AGPL-3.0-or-later
"""Made noise measurements, judged by the product and by tables written out by hand.

    python -m tests.sensors.noise_cases --cases 1000

The second calculation shares nothing with the product: limits are copied from the standards' own
tables, levels are added up in decimal arithmetic, rounding is Decimal's. It prints differences.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, getcontext

from edge.sensors.acoustics import levels_of
from edge.sensors.verdict import judge
from tests.sensors.limits_today import limit_for

getcontext().prec = 40

# Standard, class: (day, night), dB(A), by hand.
BY_HAND = {
    ("GB 3096", "0"): (50, 40),
    ("GB 3096", "1"): (55, 45),
    ("GB 3096", "2"): (60, 50),
    ("GB 3096", "3"): (65, 55),
    ("GB 3096", "4a"): (70, 55),
    ("GB 3096", "4b"): (70, 60),
    ("GB 22337", "0"): (50, 40),
    ("GB 22337", "1"): (55, 45),
    ("GB 22337", "2"): (60, 50),
    ("GB 22337", "3"): (65, 55),
    ("GB 22337", "4"): (70, 55),
    ("GB 12348", "0"): (50, 40),
    ("GB 12348", "1"): (55, 45),
    ("GB 12348", "2"): (60, 50),
    ("GB 12348", "3"): (65, 55),
    ("GB 12348", "4"): (70, 55),
    ("GB 12523", "site"): (70, 55),
}
# By how much Lmax may pass the night limit: (occasional, frequent); None: not limited.
PEAKS = {"GB 3096": (15, 15), "GB 22337": None, "GB 12348": (15, 10), "GB 12523": (15, 15)}
# Whole difference to the background: what is taken off. Above 10 nothing, below 3 no answer.
TAKEN_OFF = {3: 3, 4: 2, 5: 2, 6: 1, 7: 1, 8: 1, 9: 1, 10: 1}


@dataclass(frozen=True, slots=True)
class Made:
    """One measurement as a station would bring it home."""

    standard: str
    zone_class: str
    period: str
    indoors: bool
    frequent: bool
    background_db: float | None
    valid: int
    levels_db: tuple[float, ...]


def made(rng: random.Random) -> Made:
    """Levels around the limit, where verdicts turn: with peaks, gaps, backgrounds of all kinds."""
    standard, zone_class = rng.choice(list(BY_HAND))
    period = rng.choice(("day", "night"))
    indoors = rng.random() < 0.1
    limit = BY_HAND[standard, zone_class][period == "night"] - (10 if indoors else 0)
    centre = limit + rng.choice((-6.0, -1.0, -0.4, 0.0, 0.3, 0.5, 0.51, 1.0, 2.0, 4.0, 9.0))
    spread = rng.choice((0.0, 0.0, 0.2, 3.0))
    levels = [max(1.0, round(centre + rng.gauss(0.0, spread), 1)) for _ in range(60)]
    for _ in range(rng.choice((0, 0, 1, 2, 5))):
        levels[rng.randrange(60)] = round(
            limit + rng.choice((9.9, 10.1, 14.9, 15.0, 15.1, 20.0)), 1
        )
    known = standard != "GB 3096" and rng.random() < 0.6
    background = round(
        centre - rng.choice((0.5, 2.4, 2.6, 3.4, 4.5, 5.5, 8.9, 10.3, 10.6, 15.0)), 1
    )
    valid = rng.choice((60, 60, 60, 45, 44))
    return Made(
        standard, zone_class, period, indoors, rng.random() < 0.3,
        max(1.0, background) if known else None, valid, tuple(levels[:valid]),
    )  # fmt: skip


def whole(value: Decimal) -> Decimal:
    """GB/T 8170: half to even. Decimal sums keep 40 digits; the ninth decides nothing."""
    return round(value, 9).quantize(Decimal(1), ROUND_HALF_EVEN)


def mean_level(levels: list[Decimal]) -> Decimal:
    return 10 * (sum(Decimal(10) ** (v / 10) for v in levels) / len(levels)).log10()


def emission(measured: Decimal, limit: int, case: Made) -> Decimal | None:
    """What is compared with the limit, by HJ 706-2014 6.1, 5.2, 5.3, 5.4 in this order."""
    if case.standard == "GB 3096":
        return round(measured, 9).quantize(Decimal("0.1"), ROUND_HALF_EVEN)
    if round(measured, 6) <= limit:
        return measured
    if case.background_db is None:
        return whole(measured)
    difference = whole(measured - Decimal(str(case.background_db)))
    if difference < 3:
        return None
    return whole(measured - TAKEN_OFF.get(int(difference), 0))


def by_hand(case: Made) -> str:
    """over, within or unknown."""
    limit = BY_HAND[case.standard, case.zone_class][case.period == "night"]
    limit -= 10 if case.indoors else 0
    if case.valid < 45:
        return "unknown"
    levels = [Decimal(str(v)) for v in case.levels_db]
    value = emission(mean_level(levels), limit, case)
    if value is None:
        return "unknown"
    levels.remove(max(levels))
    rest = emission(mean_level(levels), limit, case)
    if value > limit and (rest is None or rest <= limit):
        return "unknown"
    peaks = PEAKS[case.standard]
    if case.period == "night" and peaks is not None:
        peak = max(Decimal(str(v)) for v in case.levels_db)
        if peak > limit + peaks[case.frequent]:
            return "over"
    return "over" if value > limit else "within"


def by_product(case: Made) -> str:
    limit = limit_for(case.standard, case.zone_class, frequent=case.frequent)
    limit = limit.shifted(limit.indoors_db) if case.indoors else limit
    levels = levels_of(case.levels_db, expected=60)
    return judge(levels, limit, case.period, background_db=case.background_db).result


def differences(cases: int, seed: int) -> tuple[list[Made], dict[str, int]]:
    """Cases judged differently, and how many of each verdict there were."""
    rng = random.Random(seed)
    found, counts = [], {"over": 0, "within": 0, "unknown": 0}
    for _ in range(cases):
        case = made(rng)
        right = by_hand(case)
        counts[right] += 1
        if by_product(case) != right:
            found.append(case)
    return found, counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    found, counts = differences(args.cases, args.seed)
    print(json.dumps({"cases": args.cases, **counts, "different": len(found)}))
    for case in found[:5]:
        print(case, by_hand(case), by_product(case))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

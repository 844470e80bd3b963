# SPDX-License-Identifier: AGPL-3.0-or-later
"""One measuring period against one limit. The answer is over, within or unknown; never a guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edge.sensors.acoustics import Levels, correct_background
from edge.sensors.limits import Limit, Period

Result = Literal["over", "within", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a period says. `over_by_db` is the worst excess; `reason` why it is unknown."""

    result: Result
    period: Period
    limit_db: float
    peak_limit_db: float | None
    value_db: float | None
    over_by_db: float | None
    exceeds: tuple[str, ...]
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The judgement of one period as it goes into the facts of a violation; levels in dB."""
        return {
            "result": self.result,
            "period": self.period,
            "limit_db": self.limit_db,
            "lmax_limit_db": self.peak_limit_db,
            "judged_db": None if self.value_db is None else round(self.value_db, 2),
            "over_by_db": None if self.over_by_db is None else round(self.over_by_db, 2),
            "exceeds": list(self.exceeds),
            **({"reason": self.reason} if self.reason else {}),
        }


def judge(
    levels: Levels | None,
    limit: Limit,
    period: Period,
    *,
    background_db: float | None = None,
) -> Verdict:
    """Compare one period with its limit; values are judged as whole decibels are printed, to 0.1.

    Lmax is not corrected for background: a single peak is no mean.
    """
    limit_db, peak_db = limit.of(period), limit.peak(period)
    if levels is None or not levels.usable:
        share = 0.0 if levels is None else levels.valid_share
        return _unknown(period, limit_db, peak_db, f"only {share:.0%} of the samples are valid")
    value = levels.leq_db
    if background_db is not None:
        corrected = correct_background(levels.leq_db, background_db).value_db
        if corrected is None:
            return _unknown(period, limit_db, peak_db, "less than 3 dB above the background")
        value = corrected
    excess = {"leq": round(value, 1) - limit_db}
    if peak_db is not None:
        excess["lmax"] = round(levels.lmax_db, 1) - peak_db
    over = tuple(name for name, by_db in excess.items() if by_db > 0.0)
    worst = max(excess.values())
    return Verdict("over" if over else "within", period, limit_db, peak_db, value, worst, over)


def _unknown(period: Period, limit_db: float, peak_db: float | None, reason: str) -> Verdict:
    return Verdict("unknown", period, limit_db, peak_db, None, None, (), reason)

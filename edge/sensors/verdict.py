# SPDX-License-Identifier: AGPL-3.0-or-later
"""One measuring period against one limit, as the standards judge it, each step with its clause.

1. A measured level at or below the limit meets it, whatever the background (HJ 706-2014 6.1).
2. Above it, the background is taken off by the table of whole decibels: the difference is rounded
   first (HJ 706-2014 5.2); below 3 dB the background must be lowered first: unknown (5.3).
3. The emission value is rounded to whole decibels (HJ 706-2014 5.4) by GB/T 8170, half to even, in
   one go, and compared.
4. Lmax at night is compared directly, uncorrected, in tenths as meters print it.

5.4 and 6.1 of HJ 706-2014 were read as the ministry quotes them (its answer of 2019-01-07 on the
decimals of noise results); 5.2 and 5.3 repeat table 4 of GB 12348-2008.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edge.sensors.acoustics import Levels
from edge.sensors.limits import Corrections, Limit, Method, Period

Result = Literal["over", "within", "unknown"]


@dataclass(frozen=True, slots=True)
class WorkStep:
    """One step of the judgement in words that an inspector can follow by hand."""

    clause: str
    zh: str
    en: str

    def as_json(self) -> dict[str, str]:
        return {"clause": self.clause, "zh": self.zh, "en": self.en}


@dataclass(frozen=True, slots=True)
class PeriodVerdict:
    """What a period says. `over_by_db` is the worst excess; `reason` why it is unknown.

    `single`: only one value exceeds, and nothing is judged from a single value.
    """

    result: Result
    period: Period
    limit_db: float | None
    peak_limit_db: float | None
    value_db: float | None
    over_by_db: float | None
    exceeds: tuple[str, ...]
    reason: str = ""
    steps: tuple[WorkStep, ...] = ()
    single: bool = False

    def steps_json(self) -> list[dict[str, str]]:
        """The steps for a case's facts and the page."""
        return [step.as_json() for step in self.steps]

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


@dataclass(frozen=True, slots=True)
class Emission:
    """A level without the background; `value_db` is None where the method cannot say."""

    value_db: float | None
    steps: tuple[WorkStep, ...]


def rounded(value: float, places: int = 0) -> float:
    """By GB/T 8170: half to even, in one go. What floats add beyond 1e-6 is no digit."""
    return round(round(value, 6), places)


def correction(difference_db: float, corrections: Corrections) -> int | None:
    """What is taken off at this difference of measured and background; None below 3 dB."""
    whole = rounded(difference_db)
    return next((by_db for least, by_db in corrections if whole >= least), None)


def judge(
    levels: Levels | None,
    limit: Limit,
    period: Period,
    *,
    background_db: float | None = None,
) -> PeriodVerdict:
    """Compare one period with its limit. Where the standard knows no background correction
    (GB 3096), `background_db` is left out of it."""
    limit_db, peak_db = limit.of(period), limit.peak(period)
    if levels is None or not levels.usable:
        share = 0.0 if levels is None else levels.valid_share
        return _unknown(period, limit_db, peak_db, f"only {share:.0%} of the seconds are valid")
    found = emission(levels.leq_db, limit_db, limit.method, background_db)
    if found.value_db is None:
        reason = "less than 3 dB above the background"
        return _unknown(period, limit_db, peak_db, reason, found.steps)
    if found.value_db > limit_db and not _without_one(
        levels, limit_db, limit.method, background_db
    ):
        reason = "above the limit by a single value only"
        return _unknown(period, limit_db, peak_db, reason, found.steps)
    return _compared(levels, limit, period, found)


def _without_one(levels: Levels, limit_db: float, method: Method, around_db: float | None) -> bool:
    """Whether the period is over without its loudest value too."""
    rest = emission(levels.rest_db, limit_db, method, around_db).value_db
    return rest is not None and rest > limit_db


def _compared(levels: Levels, limit: Limit, period: Period, found: Emission) -> PeriodVerdict:
    limit_db, peak_db = limit.of(period), limit.peak(period)
    value_db = found.value_db
    assert value_db is not None
    excess, steps = {"leq": value_db - limit_db}, list(found.steps)
    steps.append(_compare_step("Leq", value_db, limit_db, limit.method.clause("limit")))
    if peak_db is not None:
        excess["lmax"] = rounded(levels.lmax_db, 1) - peak_db
        steps.append(_compare_step("Lmax", levels.lmax_db, peak_db, limit.peak_clause))
    over = tuple(name for name, by_db in excess.items() if by_db > 0.0)
    single = over == ("lmax",) and peak_db is not None and rounded(levels.second_db, 1) <= peak_db
    result: Result = "over" if over else "within"
    worst = max(excess.values())
    return PeriodVerdict(
        result, period, limit_db, peak_db, value_db, worst, over, "", tuple(steps), single
    )


def emission(
    measured_db: float, limit_db: float, method: Method, background_db: float | None
) -> Emission:
    """The value that is compared with the limit, and how it was found."""
    if not method.emission:
        return Emission(rounded(measured_db, 1), (_measured_step(measured_db, method),))
    first = _measured_step(measured_db, method)
    if measured_db <= limit_db:
        return Emission(measured_db, (first, _met_step(measured_db, limit_db)))
    if background_db is None:
        return _whole(measured_db, (first,))
    by_db = correction(measured_db - background_db, method.corrections)
    second = _background_step(measured_db, background_db, by_db)
    if by_db is None:
        return Emission(None, (first, second))
    return _whole(measured_db + by_db, (first, second))


def _whole(value_db: float, steps: tuple[WorkStep, ...]) -> Emission:
    whole = rounded(value_db)
    step = WorkStep(
        "HJ 706-2014 5.4, GB/T 8170-2008",
        f"排放值修约到个位：{value_db:.2f} → {whole:.0f} dB(A)",
        f"emission value rounded to whole decibels: {value_db:.2f} -> {whole:.0f} dB(A)",
    )
    return Emission(whole, (*steps, step))


def _measured_step(measured_db: float, method: Method) -> WorkStep:
    return WorkStep(
        method.clause("measure"),
        f"实测等效声级 Leq = {measured_db:.2f} dB(A)",
        f"measured Leq = {measured_db:.2f} dB(A)",
    )


def _met_step(measured_db: float, limit_db: float) -> WorkStep:
    return WorkStep(
        "HJ 706-2014 6.1",
        f"实测值 {measured_db:.2f} 不高于限值 {limit_db:.0f}：直接评价为达标，不作背景修正",
        f"measured {measured_db:.2f} is not above the limit {limit_db:.0f}: met, no correction",
    )


def _background_step(measured_db: float, background_db: float, by_db: int | None) -> WorkStep:
    difference = measured_db - background_db
    whole = rounded(difference)
    head_zh = f"与背景 {background_db:.1f} 之差 {difference:.2f}，修约为 {whole:.0f} dB"
    head_en = (
        f"above the background {background_db:.1f} by {difference:.2f}, rounded {whole:.0f} dB"
    )
    if by_db is None:
        tail = (
            "：小于 3 dB，应降低背景后重测",
            ": below 3 dB, lower the background and measure again",
        )
        return WorkStep("HJ 706-2014 5.3", head_zh + tail[0], head_en + tail[1])
    return WorkStep(
        "HJ 706-2014 5.2",
        f"{head_zh}：修正 {by_db} dB，得 {measured_db + by_db:.2f}",
        f"{head_en}: correction {by_db} dB gives {measured_db + by_db:.2f}",
    )


def _compare_step(name: str, value_db: float, limit_db: float, clause: str) -> WorkStep:
    over = rounded(value_db, 1) > limit_db
    sign, zh, en = (">", "超标", "over") if over else ("≤", "未超标", "within")
    return WorkStep(
        clause,
        f"{name} {value_db:.1f} {sign} 限值 {limit_db:.0f}：{zh}",
        f"{name} {value_db:.1f} {sign} limit {limit_db:.0f}: {en}",
    )


def without_limit(period: Period) -> PeriodVerdict:
    """A period on a day for which no pack gives a limit: unknown, and it says why."""
    return _unknown(period, None, None, "no pack of limits in force on this day 当日无有效限值包")


def _unknown(
    period: Period,
    limit_db: float | None,
    peak_db: float | None,
    reason: str,
    steps: tuple[WorkStep, ...] = (),
) -> PeriodVerdict:
    return PeriodVerdict("unknown", period, limit_db, peak_db, None, None, (), reason, steps)

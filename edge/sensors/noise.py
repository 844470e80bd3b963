# SPDX-License-Identifier: AGPL-3.0-or-later
"""Noise at one point: seconds to measuring periods, periods to violations. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from edge.config import Category
from edge.sensors import metrology
from edge.sensors.acoustics import DaySums, Levels
from edge.sensors.episode import UNKNOWN_ENDS_S, Episode, EpisodeSnapshot, EpisodeSubject
from edge.sensors.hours import LocalTime
from edge.sensors.limits import Limit, Method, Period, limit_on, window_of
from edge.sensors.plausible import usable
from edge.sensors.settings import Instrument, NoisePoint, Permit, Special, Weather
from edge.sensors.verdict import PeriodVerdict, judge, without_limit
from edge.sensors.window import AHEAD_MAX, SensorLag, Window
from edge.values import Finding, Json, Sample, Stamp, ZoneDecision

# Periods kept for the facts of a violation.
PERIODS_KEPT = 12
# Rain or wind is believed for so long after it was last reported.
WEATHER_S = 600.0


@dataclass(frozen=True, slots=True)
class MeasuredPeriod:
    """One finished measuring period, as it goes into facts and status."""

    began: Stamp
    verdict: PeriodVerdict
    levels: Levels | None
    weather_lost: int

    def as_json(self) -> dict[str, Any]:
        levels = self.levels.as_json() if self.levels else {"valid_share": 0.0}
        lost = {"weather_lost": self.weather_lost} if self.weather_lost else {}
        return {"began_wall": self.began.wall, **levels, **self.verdict.as_json(), **lost}


class NoiseSnapshot(msgspec.Struct, frozen=True):
    """What of a noise point outlives a restart."""

    over: EpisodeSnapshot
    work: EpisodeSnapshot
    day: DaySums | None


class NoiseJudge:
    """Judges one point. One owner; samples in the order of time, of any sensor."""

    def __init__(
        self,
        point: NoisePoint,
        category: Category,
        local: LocalTime,
        *,
        instrument: Instrument,
        every_s: float,
    ) -> None:
        self.point, self._local, self._instrument = point, local, instrument
        self._every_s = every_s
        self._length_s = 0.0
        self._lag = SensorLag()
        self._window: Window | None = None
        # Samples measured after the period that is open, for the next one.
        self._ahead: list[Sample] = []
        self._weather: dict[str, tuple[float, float]] = {}
        self._known_at: float | None = None
        self.periods: deque[MeasuredPeriod] = deque(maxlen=PERIODS_KEPT)
        self.suppressed = 0
        # Values of periods that had been judged when they came.
        self.late = 0
        self.day: DaySums | None = None
        self.finished_days: list[DaySums] = []
        terms = (category.realarm_s, category.reopen_s)
        self._over = Episode(EpisodeSubject(point.id, point.category, "noise.over-limit", *terms))
        self._work = Episode(EpisodeSubject(point.id, point.category, "noise.night-work", *terms))

    def step(self, samples: Iterable[Sample], now: Stamp) -> tuple[Finding, ...]:
        """Take samples in and close the period if its time is up.

        A level belongs to the period in which it was measured, not to that in which it arrived;
        a station's usual delay is waited for.
        """
        samples = list(samples)
        self._lag.note(s for s in samples if s.sensor == self.point.sensor)
        at = self._lag.behind(now)
        if self._window is None:
            self._window = self._opened(at)
        for sample in samples:
            self._take(sample)
        window = self._window
        if self._local.period(at.wall, self.point.day) != window.period:
            # A period that runs from day into night can be judged by neither limit.
            self._next(window, self._opened(at))
            return ()
        passed_s = at.mono - window.began.mono
        if passed_s < self._length_s:
            return ()
        began = at if passed_s >= 2.0 * self._length_s else _later(window.began, self._length_s)
        self._next(window, self._opened(began))
        return tuple(self._closed(window, now))

    def _opened(self, at: Stamp) -> Window:
        point, day = self.point, self._local.day(at.wall)
        self._length_s = point.window_s or window_of(self._local.packs, point.standard, day)
        period = self._local.period(at.wall, point.day)
        return Window(at, period, at.mono + self._length_s, self._every_s)

    def _next(self, window: Window, following: Window) -> None:
        """The period that begins, with what has come for it already."""
        self._sum(window)
        self._window, waiting, self._ahead = following, self._ahead, []
        for sample in waiting:
            self._take_level(sample)

    def _take(self, sample: Sample) -> None:
        point, weather = self.point, self.point.weather
        if weather and sample.sensor == weather.sensor and usable(sample):
            self._weather[sample.channel] = (sample.value, sample.at.mono)
        mine = sample.sensor == point.sensor and sample.channel in (
            point.channel,
            point.peak_channel,
        )
        if mine and usable(sample):
            self._take_level(sample)

    def _take_level(self, sample: Sample) -> None:
        window, at = self._window, sample.at
        assert window is not None, "opened before samples are taken"
        other = self._local.period(at.wall, self.point.day) != window.period
        if at.mono < window.began.mono:
            self.late += 1
        elif at.mono >= window.end_mono or other:
            self._ahead = [*self._ahead, sample][-AHEAD_MAX:]
        elif self._foul(at.mono):
            window.weather_lost += 1
        elif sample.channel == self.point.channel:
            window.add(at.mono, sample.value)
        else:
            window.peaks_db.append(sample.value)

    def _sum(self, window: Window) -> None:
        """Ld, Ln and Ldn of the local day, by the hours of this point."""
        for mono, value, seconds in window.rows():
            wall = window.began.wall + mono - window.began.mono
            today = self._local.date(wall)
            if self.day is None or self.day.date != today:
                if self.day is not None:
                    self.finished_days.append(self.day)
                self.day = DaySums(today)
            self.day.add(self._local.period(wall, self.point.day), value, seconds)

    def take_days(self) -> list[DaySums]:
        """Days that ended since the last call, for the ledger."""
        days, self.finished_days = self.finished_days, []
        return days

    def _foul(self, mono: float) -> bool:
        """Rain, or wind above the limit, reported lately."""
        weather = self.point.weather
        if weather is None:
            return False
        bounds = ((weather.rain, 0.0), (weather.wind, self._wind_max(weather)))
        return any(
            name in self._weather
            and self._weather[name][0] > most
            and mono - self._weather[name][1] <= WEATHER_S
            for name, most in bounds
            if name
        )

    def _wind_max(self, weather: Weather) -> float:
        """m/s; without a pack that says it, any wind is too much."""
        if weather.wind_max_m_s is not None:
            return weather.wind_max_m_s
        assert self._window is not None, "opened before samples are taken"
        day = self._local.day(self._window.began.wall)
        pack = self._local.packs.at("measuring", day, "noise")
        return pack.number("wind_max_m_s") if pack else 0.0

    def _closed(self, window: Window, now: Stamp) -> Iterable[Finding]:
        levels = window.levels(self._length_s)
        special = self._special(window.began.wall)
        own = self.limit(window.began.wall)
        if own is None:
            yield from self._unjudged(window, levels, now)
            return
        limit, period = self._effective(own, special, window.period)
        verdict = judge(levels, limit, period, background_db=self.point.background_db)
        self.periods.append(MeasuredPeriod(window.began, verdict, levels, window.weather_lost))
        if verdict.result != "unknown" or self._known_at is None:
            self._known_at = now.mono
        yield from self._judge_level(limit, period, special, now)
        yield from self._judge_work(levels, window.period, special, now)

    def _unjudged(self, window: Window, levels: Levels | None, now: Stamp) -> Iterable[Finding]:
        """No pack of that day: nothing is over or within; an open case ends after a while."""
        verdict = without_limit(window.period)
        self.periods.append(MeasuredPeriod(window.began, verdict, levels, window.weather_lost))
        if self._over.open and self._lost(now):
            zone = ZoneDecision(False, verdict.reason, hours=self.point.day)
            facts = {**self._facts(None, now), "ended_because": verdict.reason}
            yield self._over.end(now, zone, facts)

    def limit(self, wall: float) -> Limit | None:
        """The limits that hold at this point on the day of `wall`, its own words winning; None
        where neither it nor a pack in force says them."""
        point = self.point
        found = limit_on(
            self._local.packs,
            point.standard,
            point.zone_class,
            self._local.day(wall),
            frequent=point.frequent,
        )
        if found is None and (point.day_db is None or point.night_db is None):
            return None
        return _own(point, found or Limit(0.0, 0.0, None, Method("the site's own limits")))

    def _effective(
        self, own: Limit, special: Special | None, period: Period
    ) -> tuple[Limit, Period]:
        if special is None:
            return own, period
        limit = own.shifted(-special.stricter_db)
        return limit, "night" if special.as_night else period

    def _special(self, wall: float) -> Special | None:
        return next((s for s in self.point.special if self._local.fits(s.when, wall)), None)

    def _permit(self, wall: float) -> Permit | None:
        return next((p for p in self.point.permits if self._local.fits(p.when, wall)), None)

    def _judge_level(
        self, limit: Limit, period: Period, special: Special | None, now: Stamp
    ) -> Iterable[Finding]:
        zone, facts = self._zone(limit, period, special, now), self._facts(special, now)
        recent = list(self.periods)[-self.point.windows :]
        confirmed = len(recent) == self.point.windows and all(
            measured.verdict.result == "over" for measured in recent
        )
        # Nothing is judged from a single value.
        confirmed = confirmed and (len(recent) > 1 or not recent[0].verdict.single)
        if not self._over.open:
            if confirmed:
                yield self._over.begin(recent[0].began, now, zone, facts)
            return
        if self._cleared(limit, period):
            yield self._over.end(now, zone, {**facts, "ended_because": "within the limit"})
        elif self._lost(now):
            yield self._over.end(now, zone, {**facts, "ended_because": "no valid data"})
        elif update := self._over.go_on(now, zone, facts):
            yield update

    def _cleared(self, limit: Limit, period: Period) -> bool:
        """Quiet by more than the hysteresis for the agreed number of periods."""
        recent = list(self.periods)[-self.point.clear_windows :]
        quieter = limit.shifted(-self.point.hysteresis_db)
        return len(recent) == self.point.clear_windows and all(
            self._quiet(measured, quieter, period) for measured in recent
        )

    def _quiet(self, measured: MeasuredPeriod, quieter: Limit, period: Period) -> bool:
        """As measured, not rounded; or without the background, where one is known."""
        levels, judged_db = measured.levels, measured.verdict.value_db
        if measured.verdict.result != "within" or levels is None or judged_db is None:
            return False
        known = self.point.background_db is not None
        level_db = min(levels.leq_db, judged_db) if known else levels.leq_db
        peak_db = quieter.peak(period)
        return level_db <= quieter.of(period) and (peak_db is None or levels.lmax_db <= peak_db)

    def _lost(self, now: Stamp) -> bool:
        return self._known_at is not None and now.mono - self._known_at > UNKNOWN_ENDS_S

    def _judge_work(
        self, levels: Levels | None, period: Period, special: Special | None, now: Stamp
    ) -> Iterable[Finding]:
        """At work at night, or while a notice bans the work, without a permit; with one the event
        is suppressed and counted."""
        least = self.point.night_work_db
        if least is None or levels is None or not levels.usable:
            return
        banned = special is not None and special.banned
        at_work = (period == "night" or banned) and levels.leq_db >= least
        ban = f"at work while {special.name} bans it" if special else ""
        words = ban if banned else "at work at night"
        permit = self._permit(now.wall)
        zone = ZoneDecision(
            allowed=permit is not None,
            reason=words + (" with a permit" if permit else ", no permit"),
            permit=permit.id if permit else None,
            hours=self.point.day,
        )
        facts = {**self._facts(special if banned else None, now), "night_work_db": least}
        if at_work and permit and not self._work.open:
            self.suppressed += 1
        elif at_work and not self._work.open:
            yield self._work.begin(self.periods[-1].began, now, zone, facts)
        elif self._work.open and (permit or levels.leq_db < least - self.point.hysteresis_db):
            yield self._work.end(now, zone, facts)
        elif self._work.open and (update := self._work.go_on(now, zone, facts)):
            yield update

    def _zone(
        self, limit: Limit, period: Period, special: Special | None, now: Stamp
    ) -> ZoneDecision:
        permit = self._permit(now.wall)
        words = f"{self.point.standard} class {self.point.zone_class}, {period}: "
        words += f"limit {limit.of(period):.0f} dB(A)"
        if special:
            # A notice's own demand: the standard knows no such limit.
            words += f", special period {special.name} by the city's notice"
        if permit:
            # A permit allows the work, not the level.
            words += f"; night work permitted by {permit.id}"
        return ZoneDecision(
            allowed=False,
            reason=words,
            permit=permit.id if permit else None,
            hours=self.point.day,
        )

    def _facts(self, special: Special | None, now: Stamp) -> dict[str, Json]:
        last = self.periods[-1]
        weather = {name: value for name, (value, _) in self._weather.items()}
        return {
            **last.as_json(),
            "sense": "noise",
            "sensor": self.point.sensor,
            "channel": self.point.channel,
            "standard": self.point.standard,
            "class": self.point.zone_class,
            "day_hours": self.point.day,
            "window_s": self._length_s,
            "windows": [one.as_json() for one in list(self.periods)[-self.point.windows :]],
            "steps": last.verdict.steps_json(),
            "background_db": self.point.background_db,
            "special": special.name if special else None,
            "weather": weather or ("none measured" if self.point.weather is None else "unknown"),
            "metrology": metrology.assess(
                self._instrument, self._local.date(now.wall), self._local.packs
            ),
            "pattern": "source not told apart by sound",
        }

    def status(self) -> dict[str, Any]:
        """For the status file: the last period and what is open."""
        last = self.periods[-1].as_json() if self.periods else None
        limit = self.limit(self._window.began.wall) if self._window else None
        return {
            "id": self.point.id,
            "name": self.point.name,
            "sense": "noise",
            "sensor": self.point.sensor,
            "channel": self.point.channel,
            "standard": self.point.standard,
            "class": self.point.zone_class,
            "day_hours": self.point.day,
            "day_db": limit.day_db if limit else None,
            "night_db": limit.night_db if limit else None,
            "window_s": self._length_s,
            "state": last["result"] if last else "unknown",
            "last": last,
            "steps": self.periods[-1].verdict.steps_json() if self.periods else [],
            "late": self.late,
            "open": [e.case.rule for e in (self._over, self._work) if e.open],
            "suppressed": self.suppressed,
            "today": self.day.as_json() if self.day else None,
        }

    def snapshot(self) -> Json:
        """What must outlive a restart, as plain JSON; `restore` is its inverse."""
        kept = NoiseSnapshot(self._over.snapshot(), self._work.snapshot(), self.day)
        return msgspec.to_builtins(kept)

    def restore(self, data: Any, now: Stamp) -> None:
        """Raises ValueError for another shape, before anything is taken over."""
        kept = msgspec.convert(data, NoiseSnapshot)
        self._over.restore(kept.over, now)
        self._work.restore(kept.work, now)
        self._known_at, self.day = now.mono, kept.day


def _own(point: NoisePoint, found: Limit) -> Limit:
    """The limits of the class, the point's own words in their place, lower indoors."""
    over_db = found.night_over_db if point.night_over_db is None else point.night_over_db
    own = replace(
        found,
        day_db=point.day_db or found.day_db,
        night_db=point.night_db or found.night_db,
        night_over_db=over_db,
        frequent=found.frequent and over_db == found.night_over_db,
    )
    return own.shifted(own.indoors_db) if point.indoors else own


def _later(at: Stamp, by_s: float) -> Stamp:
    return replace(at, mono=at.mono + by_s, wall=at.wall + by_s)

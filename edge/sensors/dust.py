# SPDX-License-Identifier: AGPL-3.0-or-later
"""Measured dust at one point: means over the rule's time, counted against the day's allowance."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec

from edge.config import Category
from edge.sensors.acoustics import VALID_SHARE
from edge.sensors.episode import UNKNOWN_ENDS_S, Episode, EpisodeSnapshot, EpisodeSubject
from edge.sensors.hours import LocalTime
from edge.sensors.plausible import usable
from edge.sensors.settings import DustPoint
from edge.sensors.weighting import Mean, weighted_mean
from edge.sensors.window import AHEAD_MAX, SensorLag
from edge.values import Finding, Json, Sample, Stamp, ZoneDecision

TO_MG = {"mg/m3": 1.0, "ug/m3": 1e-3, "ng/m3": 1e-6}
CLEAR_WINDOWS = 2
EXCEEDANCES_SHOWN = 50


class DustSnapshot(msgspec.Struct, frozen=True):
    """What of a dust point outlives a restart."""

    episode: EpisodeSnapshot
    day: str
    exceedances: list[dict[str, Any]]


class DustJudge:
    """Judges one point by (pollutant, averaging time, limit, allowed exceedances a day)."""

    def __init__(
        self, point: DustPoint, category: Category, local: LocalTime, *, every_s: float
    ) -> None:
        self.point, self._local, self._every_s = point, local, every_s
        self._length_s = point.average_min * 60.0
        self._limit_mg = point.limit * TO_MG[point.unit]
        self._slot: int | None = None
        self._slot_at: Stamp | None = None
        self._values: dict[str, dict[float, float]] = {"here": {}, "background": {}}
        self._lag = SensorLag()
        self._ahead: list[Sample] = []
        # Values of slots that had been judged when they came.
        self.late = 0
        self._day = ""
        self.exceedances: list[dict[str, Any]] = []
        self.last: dict[str, Any] | None = None
        self._clean = 0
        # When a mean was known last.
        self._known_at: float | None = None
        terms = (category.realarm_s, category.reopen_s)
        case = EpisodeSubject(point.id, point.category, "dust.over-limit", *terms)
        self._episode = Episode(case)

    def step(self, samples: Iterable[Sample], now: Stamp) -> tuple[Finding, ...]:
        """Take samples in; means are over slots of the local clock (:00, :15, ...), each value in
        the slot in which it was measured."""
        samples = list(samples)
        self._lag.note(s for s in samples if s.sensor == self.point.sensor)
        at = self._lag.behind(now)
        slot, findings = self._slot_of(at.wall), tuple[Finding, ...]()
        if self._slot is not None and slot != self._slot:
            # What came together with the end of the slot may still belong to it.
            for sample in samples:
                self._take(sample)
            samples = []
            findings = tuple(self._closed(now))
        if slot != self._slot:
            self._slot, self._slot_at = slot, at
            self._values = {"here": {}, "background": {}}
            samples, self._ahead = [*self._ahead, *samples], []
        for sample in samples:
            self._take(sample)
        return findings

    def _slot_of(self, wall: float) -> int:
        """The number of the averaging slot; slots of different days differ."""
        slot = math.floor((wall - self._local.midnight(wall)) / self._length_s)
        return slot + 100_000 * self._local.at(wall).toordinal()

    def _take(self, sample: Sample) -> None:
        point = self.point
        if not usable(sample) or sample.unit not in TO_MG:
            return
        whose = (sample.sensor, sample.channel)
        around = (point.background_sensor, point.background_channel or point.channel)
        mine = whose == (point.sensor, point.channel)
        if not mine and whose != around:
            return
        slot = self._slot_of(sample.at.wall)
        if self._slot is None or slot > self._slot:
            self._ahead = [*self._ahead, sample][-AHEAD_MAX:]
        elif slot < self._slot:
            self.late += 1
        else:
            values = self._values["here" if mine else "background"]
            values.setdefault(round(sample.at.mono, 2), sample.value * TO_MG[sample.unit])

    def _closed(self, now: Stamp) -> Iterable[Finding]:
        assert self._slot_at is not None
        today = self._local.date(self._slot_at.wall)
        if today != self._day:
            self._day, self.exceedances = today, []
        mean, share = self._mean()
        if mean is not None or self._known_at is None:
            self._known_at = now.mono
        result = self._result(mean)
        self.last = {
            "began_wall": self._slot_at.wall,
            "mean_mg_m3": None if mean is None else round(mean.value, 6),
            "valid_share": round(share, 4),
            "result": result,
        }
        if result == "over":
            self.exceedances.append(self.last)
        quiet = mean is not None and mean.value <= self._limit_mg * (1.0 - self.point.hysteresis)
        self._clean = self._clean + 1 if quiet else 0 if result == "over" else self._clean
        yield from self._judge(result, now)

    def _result(self, mean: Mean | None) -> str:
        """Nothing is judged from a single value: it must be over without its highest too."""
        if mean is None:
            return "unknown"
        if mean.value <= self._limit_mg:
            return "within"
        return "over" if mean.rest > self._limit_mg else "unknown"

    def _mean(self) -> tuple[Mean | None, float]:
        here, around = self._values["here"], self._values["background"]
        found = weighted_mean(here, self._every_s)
        share = 0.0 if found is None else min(1.0, found.seconds / self._length_s)
        beside = weighted_mean(around, self._every_s)
        if found is None or share < VALID_SHARE or (self.point.background_sensor and not beside):
            return None, share
        return (found.less(beside.value) if beside else found), share

    def _judge(self, result: str, now: Stamp) -> Iterable[Finding]:
        facts, zone = self._facts(), ZoneDecision(False, self._words())
        if not self._episode.open:
            if result == "over" and len(self.exceedances) > self.point.allowed:
                assert self._slot_at is not None
                yield self._episode.begin(self._slot_at, now, zone, facts)
        elif self._clean >= CLEAR_WINDOWS:
            yield self._episode.end(now, zone, {**facts, "ended_because": "within the limit"})
        elif self._lost(now):
            yield self._episode.end(now, zone, {**facts, "ended_because": "no valid data"})
        elif update := self._episode.go_on(now, zone, facts):
            yield update

    def _lost(self, now: Stamp) -> bool:
        """No mean for too long to vouch for the case; of long ones two are waited for."""
        limit_s = max(UNKNOWN_ENDS_S, CLEAR_WINDOWS * self._length_s)
        return self._known_at is not None and now.mono - self._known_at > limit_s

    def _words(self) -> str:
        point = self.point
        return (
            f"{point.channel}, {point.average_min}-min mean, limit {point.limit:g} {point.unit}, "
            f"{point.allowed} exceedance(s) a day allowed"
        )

    def _facts(self) -> dict[str, Json]:
        return {
            **(self.last or {}),
            "sense": "dust",
            "sensor": self.point.sensor,
            "channel": self.point.channel,
            "limit_mg_m3": self._limit_mg,
            "average_min": self.point.average_min,
            "allowed": self.point.allowed,
            "exceedances": self.exceedances[-EXCEEDANCES_SHOWN:],
            "exceedances_today": len(self.exceedances),
            "background_subtracted": self.point.background_sensor is not None,
            "basis": self.point.basis,
            "metrology": {"standing": "indicative", "reasons": ["online sensor"]},
        }

    def status(self) -> dict[str, Any]:
        """What the page shows of this limit: the last mean, today's exceedances, what is open."""
        return {
            "id": self.point.id,
            "name": self.point.name,
            "sense": "dust",
            "sensor": self.point.sensor,
            "channel": self.point.channel,
            "limit": self.point.limit,
            "unit": self.point.unit,
            "average_min": self.point.average_min,
            "state": self.last["result"] if self.last else "unknown",
            "last": self.last,
            "exceedances_today": len(self.exceedances),
            "late": self.late,
            "open": [self._episode.case.rule] if self._episode.open else [],
        }

    def snapshot(self) -> Json:
        """What must outlive a restart, as plain JSON; `restore` is its inverse."""
        kept = DustSnapshot(self._episode.snapshot(), self._day, self.exceedances)
        return msgspec.to_builtins(kept)

    def restore(self, data: Any, now: Stamp) -> None:
        """Raises ValueError for another shape, before anything is taken over."""
        kept = msgspec.convert(data, DustSnapshot)
        self._episode.restore(kept.episode, now)
        self._day, self.exceedances = kept.day, list(kept.exceedances)
        self._known_at = now.mono

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cooking fume of one shop: the events F1 to F5 of docs/sensors.md and forbidden places. Pure.

An online monitor never yields the legal concentration (that is sampled by hand and normalised):
whatever is found here is a warning value and a lead for an inspection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from edge.config import Category
from edge.sensors.episode import Episode, EpisodeSnapshot, EpisodeSubject, Held
from edge.sensors.fume_limits import FumeLimit, fume_limit
from edge.sensors.fume_signs import Means, Oddities
from edge.sensors.hours import LocalTime
from edge.sensors.kitchen import Day, Kitchen, KitchenReader, both
from edge.sensors.plausible import usable
from edge.sensors.settings import Shop
from edge.values import Finding, Json, Sample, Stamp, ZoneDecision

# rule -> (category, phrase). One violation each, with evidence of its own.
EVENTS: Mapping[str, tuple[str, str]] = {
    "F1": ("fume-not-used", "fan on, purifier off"),
    "F2": ("fume-over-limit", "mean above the limit with fan and purifier on"),
    "F3": ("fume-not-installed", "cooking without fan and purifier"),
    "F3.none": ("fume-not-installed", "cooking in a shop known to have no purifier"),
    "F4": ("fume-no-data", "data missing or implausible"),
    "F5": ("fume-not-used", "purifier ran for less of the fan's time than required"),
    "no-catering": ("fume-no-catering", "cooking where catering is forbidden"),
}
# Shops are many and slow: one step in so many seconds.
SHOPS_EVERY_S = 5.0
CLEAR_S = 60.0
# A fan that stops for less than this pauses between two dishes: the clock of F1 waits, and goes on.
PAUSE_S = 900.0
FORGET_S = {"F1": PAUSE_S}
COOKING_S = 600.0
F2_WINDOWS = 2
F2_HYSTERESIS = 0.1
# A day with less cooking than this says nothing about usage.
USAGE_LEAST_S = 3600.0
# Monitors that count run hours send those of a day (HJ 212 CN 2041) within the hour after it.
HOURS_WAIT_S = 3600.0


class FumeSnapshot(msgspec.Struct, frozen=True):
    """What of a shop outlives a restart; only rules that ever found anything."""

    episodes: dict[str, EpisodeSnapshot]
    day: Day | None
    over: Day | None = None
    told_late: str = ""


class FumeJudge:
    """Judges one shop. One owner; `step` at least every few seconds, with or without samples."""

    def __init__(
        self,
        shop: Shop,
        categories: Mapping[str, Category],
        local: LocalTime,
        *,
        stale_s: float,
        every_s: float,
    ) -> None:
        self.shop, self._local = shop, local
        self._reader = KitchenReader(shop, stale_s, local)
        self._every_s = every_s
        self._episodes = {rule: Episode(_case(shop, rule, categories)) for rule in EVENTS}
        # A shop is looked at more seldom than some monitors fall silent: one look is no gap.
        gap_s = max(stale_s, 2.0 * SHOPS_EVERY_S)
        self._held = {rule: Held(gap_s=gap_s, forget_s=FORGET_S.get(rule, 1800.0))
                      for rule in EVENTS}  # fmt: skip
        self._idle = Held(gap_s=gap_s)
        self._clear = {rule: Held(gap_s=gap_s) for rule in EVENTS}
        self._windows = Means(shop.window_s, every_s)
        self._oddities = Oddities(shop, stale_s)
        self._started: Stamp | None = None
        self._limit: FumeLimit | None = None
        self._last: Stamp | None = None
        self.kitchen = Kitchen()
        self.day: Day | None = None
        # The day before, while the monitor has not told its run hours.
        self._over: Day | None = None
        self.finished_days: list[Day] = []

    def step(
        self, samples: Iterable[Sample], now: Stamp, *, smoke_seen: bool = False
    ) -> tuple[Finding, ...]:
        """smoke_seen: the shop's camera shows cooking smoke now."""
        self._started = self._started or now
        self._limit = self.limit(now.wall)
        samples = list(samples)
        self._reader.take(samples)
        kitchen = self._reader.now(now, smoke_seen=smoke_seen)
        open_now = self._local.fits(self.shop.hours, now.wall)
        findings = [*self._count(kitchen, now, open_now)]
        fume = [s for s in samples if self._is_fume(s)]
        self._windows.step(fume, now, both(kitchen.fan, kitchen.purifier))
        # What the screening calls constant is what F4 is about.
        odd = [s.value for s in samples if self._is_fume(s) or self._is_frozen(s)]
        self._oddities.step(odd, kitchen, now, open_now)
        self.kitchen, self._last = kitchen, now
        for rule, (holds, after_s) in self._conditions(kitchen, open_now).items():
            findings += self._judge(rule, holds, after_s, now)
        return (*findings, *self._judge_over(now), *self._judge_odd(now))

    def limit(self, wall: float) -> FumeLimit | None:
        """What holds here on the day of `wall`: the shop's own, else the packs'; None without."""
        shop = self.shop
        if shop.limit is not None:
            return FumeLimit(shop.limit, shop.basis)
        found = fume_limit(self._local.packs, self._local.day(wall), shop.position.grid, shop.size)
        return FumeLimit(found.mg_m3, shop.basis or found.basis) if found else None

    def _is_fume(self, sample: Sample) -> bool:
        mine = (sample.sensor, sample.channel) == (self.shop.sensor, self.shop.fume)
        return mine and usable(sample)

    def _conditions(self, k: Kitchen, open_now: bool) -> dict[str, tuple[bool | None, float]]:
        """rule -> (does it hold now, for how long it must)."""
        shop = self.shop
        limit = self._limit
        high = None if k.fume_mg is None or limit is None else k.fume_mg > 0.5 * limit.mg_m3
        cooking = True if k.smoke_seen else high
        off = both(_no(k.fan), _no(k.purifier))
        has_one = shop.purifier_state != "none"
        forbidden = shop.no_catering and _either(k.fan, cooking)
        return {
            "F1": (self._not_used(k, open_now), shop.not_used_s),
            "F3": (both(off, cooking, has_one), shop.not_used_s),
            "F3.none": (both(_either(k.fan, cooking), not has_one), shop.not_used_s),
            "no-catering": (forbidden, COOKING_S),
        }

    def _is_frozen(self, sample: Sample) -> bool:
        mine = (sample.sensor, sample.channel) == (self.shop.sensor, self.shop.fume)
        return mine and sample.why == "constant"

    def _not_used(self, k: Kitchen, open_now: bool) -> bool | None:
        """Fan on, purifier off. A fan that is off says nothing of the purifier: neither."""
        if not open_now or self.shop.purifier_state == "none":
            return False
        return None if k.fan is False else both(k.fan, _no(k.purifier))

    def _judge(
        self, rule: str, holds: bool | None, after_s: float, now: Stamp
    ) -> Iterable[Finding]:
        """Open once held for long enough, end once the opposite has been seen for a minute."""
        episode, held, clear = self._episodes[rule], self._held[rule], self._clear[rule]
        held.step(holds, now)
        clear.step(_no(holds), now)
        if rule == "F1":
            self._idle.step(_no(self.kitchen.fan), now)
        over = clear.for_s(CLEAR_S) or (rule == "F1" and self._idle.for_s(PAUSE_S))
        if not episode.open:
            if held.for_s(after_s):
                assert held.began is not None
                yield episode.begin(held.began, now, self._zone(rule), self._facts(held.held_s))
        elif over:
            yield episode.end(now, self._zone(rule), self._facts(held.held_s))
        elif update := episode.go_on(now, self._zone(rule), self._facts(held.held_s)):
            yield update

    def _judge_over(self, now: Stamp) -> Iterable[Finding]:
        """F2: two periods in a row above the limit, or the hour's mean above it."""
        windows = self._windows
        closed = windows.take_closed()
        # Without a pack in force nothing is over or within a limit.
        if closed is None or self._limit is None:
            return
        limit = self._limit.mg_m3
        episode, facts = self._episodes["F2"], {**self._facts(0.0), **windows.as_json()}
        began = windows.last_over(F2_WINDOWS, limit)
        if began is None and windows.hour_over(limit):
            began = closed[0]
        mean = closed[1]
        if not episode.open:
            if began is not None:
                yield episode.begin(began, now, self._zone("F2"), facts)
        elif mean is not None and mean.value <= limit * (1.0 - F2_HYSTERESIS):
            yield episode.end(now, self._zone("F2"), facts)
        elif update := episode.go_on(now, self._zone("F2"), facts):
            yield update

    def _judge_odd(self, now: Stamp) -> Iterable[Finding]:
        """F4: what a monitor does when someone has been at it, or when it is dead."""
        if self.shop.sensor is None:
            return
        odd, episode = self._oddities.now(now), self._episodes["F4"]
        facts = {**self._facts(0.0), "odd": list(odd)}
        if odd and not episode.open:
            yield episode.begin(self._oddities.since(now), now, self._zone("F4"), facts)
        elif not odd and episode.open:
            yield episode.end(now, self._zone("F4"), facts)

    def _count(self, kitchen: Kitchen, now: Stamp, open_now: bool) -> Iterable[Finding]:
        """Run times of the day, and F5 when the day is over."""
        today = self._local.date(now.wall)
        if self.day is None:
            self.day = Day(today)
        if self.day.date != today:
            yield from self._finish(now)
            self._over, self.day = self.day, Day(today)
        passed_s = now.mono - self._last.mono if self._last else 0.0
        # Between two looks far apart nobody knows what ran.
        if 0.0 < passed_s <= 60.0:
            self.day.add(kitchen, passed_s, open_now=open_now)
        self.day.reported |= self._reader.hours_of(today)
        if self._over is not None and not self._hours_may_come(self._over, now):
            yield from self._finish(now)

    def _hours_may_come(self, over: Day, now: Stamp) -> bool:
        """Whether a monitor that tells a day's hours after midnight has yet to tell this one's."""
        told_late = self._reader.told_late
        waited_s = now.wall - self._local.midnight(now.wall)
        return "" < told_late < over.date and waited_s < HOURS_WAIT_S

    def _finish(self, now: Stamp) -> Iterable[Finding]:
        """F5 of the day that is over, by what was seen of it and what the monitor told of it."""
        over, self._over = self._over, None
        if over is not None:
            over.reported |= self._reader.hours_of(over.date)
            self.finished_days.append(over)
            yield from self._judge_usage(over, now)

    def _judge_usage(self, day: Day, now: Stamp) -> Iterable[Finding]:
        usage = day.usage
        ran_s = max(day.fan_s, day.reported.get("fan", 0.0) * 3600.0)
        if usage is None or ran_s < USAGE_LEAST_S or usage >= self.shop.usage:
            return
        facts = {**self._facts(0.0), "day": day.as_json(), "required": self.shop.usage}
        began = Stamp(now.mono, now.wall - 86_400.0, now.quality, now.error_ms)
        zone = ZoneDecision(False, f"{EVENTS['F5'][1]} on {day.date}")
        yield self._episodes["F5"].begin(began, now, zone, facts)
        yield self._episodes["F5"].end(now, zone, facts)

    def _zone(self, rule: str) -> ZoneDecision:
        name = self.shop.name or self.shop.id
        return ZoneDecision(
            False, f"{name}: {EVENTS[rule][1]}", hours=" ".join(self.shop.hours.hours)
        )

    def _facts(self, held_s: float) -> dict[str, Json]:
        return {
            "sense": "fume",
            "shop": {"id": self.shop.id, "name": self.shop.name, "address": self.shop.address},
            "sensor": self.shop.sensor,
            "kitchen": asdict(self.kitchen),
            "held_s": round(held_s, 1),
            "limit_mg_m3": self._limit.mg_m3 if self._limit else None,
            "limit_basis": self._limit.basis if self._limit else None,
            "usage_today": self.day.as_json() if self.day else None,
            "metrology": {
                "standing": "indicative",
                "reasons": ["an online monitor gives a warning value, not the legal one"],
            },
        }

    def take_days(self) -> list[Day]:
        """Days that ended since the last call, for the ledger."""
        days, self.finished_days = self.finished_days, []
        return days

    def status(self) -> dict[str, Any]:
        """What the page shows of this shop: machines (None is unknown, not off), fume in mg/m³,
        share of the fan's time that the purifier ran today, open rules."""
        kitchen = self.kitchen
        opened = [rule for rule, episode in self._episodes.items() if episode.open]
        return {
            "id": self.shop.id,
            "name": self.shop.name,
            "sensor": self.shop.sensor,
            "channel": self.shop.fume,
            "limit": self._limit.mg_m3 if self._limit else None,
            "unit": "mg/m3",
            "machines": {
                "fan": {"channel": self.shop.fan, "on_a": self.shop.fan_on_a},
                "purifier": {"channel": self.shop.purifier, "on_a": self.shop.purifier_on_a},
            },
            "state": "open" if opened else "normal" if kitchen.known else "unknown",
            "fan": kitchen.fan,
            "purifier": kitchen.purifier,
            "fume_mg_m3": kitchen.fume_mg,
            "usage_today": self.day.usage if self.day else None,
            "open": opened,
        }

    def snapshot(self) -> Json:
        """What must outlive a restart, as plain JSON; `restore` is its inverse."""
        used = {rule: e.snapshot() for rule, e in self._episodes.items() if e.used}
        kept = FumeSnapshot(used, self.day, self._over, self._reader.told_late)
        return msgspec.to_builtins(kept)

    def restore(self, data: Any, now: Stamp) -> None:
        """Raises ValueError for another shape, before anything is taken over."""
        kept = msgspec.convert(data, FumeSnapshot)
        for rule, stored in kept.episodes.items():
            if rule in self._episodes:
                self._episodes[rule].restore(stored, now)
        self.day, self._over, self._reader.told_late = kept.day, kept.over, kept.told_late


def _case(shop: Shop, rule: str, categories: Mapping[str, Category]) -> EpisodeSubject:
    category = categories[EVENTS[rule][0]]
    terms = (category.realarm_s, category.reopen_s)
    # A day's usage is for the ledger and the inspector, not for the officer on duty.
    priority = "lead" if rule == "F5" else category.priority
    return EpisodeSubject(shop.id, category.id, f"fume.{rule}", *terms, priority)


def _no(value: bool | None) -> bool | None:
    return None if value is None else not value


def _either(*parts: bool | None) -> bool | None:
    return _no(both(*(_no(part) for part in parts)))

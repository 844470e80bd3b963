# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a row of fume values says: means over periods, and signs of missing or tampered data."""

from __future__ import annotations

import math
from collections.abc import Iterable

from edge.sensors.acoustics import VALID_SHARE
from edge.sensors.episode import Held
from edge.sensors.kitchen import Kitchen, both
from edge.sensors.settings import Shop
from edge.sensors.weighting import Mean, weighted_mean
from edge.values import Json, Sample, Stamp

HOUR_S = 3600.0
CONSTANT_EPS = 1e-9


class Means:
    """Means of fume over consecutive periods, from the time in which both machines run."""

    def __init__(self, window_s: float, every_s: float) -> None:
        self._window_s, self._every_s = window_s, every_s
        self._began: Stamp | None = None
        self._values: dict[float, float] = {}
        self._closed: tuple[Stamp, Mean | None] | None = None
        self._means: list[tuple[Stamp, Mean | None]] = []

    def step(self, values: Iterable[Sample], now: Stamp, running: bool | None) -> None:
        """Take one step's values; closes a mean when its window is over. Only values with the fan
        running count, and a window with too few seconds of them has no mean, not a low one."""
        if self._began is None:
            self._began = now
        for sample in values:
            if running and sample.at.mono >= self._began.mono - self._every_s:
                self._values.setdefault(round(sample.at.mono, 2), sample.value)
        if now.mono - self._began.mono < self._window_s:
            return
        found = weighted_mean(self._values, self._every_s)
        enough = found is not None and found.seconds >= VALID_SHARE * self._window_s
        self._closed = (self._began, found if enough else None)
        kept = max(2, math.ceil(HOUR_S / self._window_s))
        self._means = [*self._means, self._closed][-kept:]
        self._began, self._values = now, {}

    def last_over(self, periods: int, limit: float) -> Stamp | None:
        """When the first of the last `periods` began, where all are known and over `limit`, each
        without its highest value too: nothing is judged from a single one."""
        recent = self._means[-periods:]
        over = len(recent) == periods and all(m is not None and m.rest > limit for _, m in recent)
        return recent[0][0] if over else None

    def take_closed(self) -> tuple[Stamp, Mean | None] | None:
        """The period that the last step closed, reported once."""
        closed, self._closed = self._closed, None
        return closed

    def hour_over(self, limit: float) -> bool:
        """Whether the last hour's mean is over, where all of its periods are known; without the
        highest value of each too."""
        needed = math.ceil(HOUR_S / self._window_s)
        known = [mean.rest for _, mean in self._means[-needed:] if mean is not None]
        return len(known) == needed and math.fsum(known) / needed > limit

    def as_json(self) -> dict[str, Json]:
        means = [None if m is None else round(m.value, 4) for _, m in self._means]
        return {"window_s": self._window_s, "means_mg_m3": means}


class Oddities:
    """Missing, frozen, or too clean to be true (docs/sensors.md, F4)."""

    def __init__(self, shop: Shop, stale_s: float) -> None:
        self._shop = shop
        self._missing = Held(gap_s=stale_s + 60.0)
        self._frozen = Held(gap_s=stale_s + 60.0)
        self._low = Held(gap_s=stale_s + 60.0)
        self._value: float | None = None

    def step(self, values: list[float], kitchen: Kitchen, now: Stamp, open_now: bool) -> None:
        """Take one step's values; silence counts in business hours only, the rest while the fan
        runs."""
        self._missing.step(open_now and not kitchen.known, now)
        for value in values:
            same = self._value is not None and abs(value - self._value) < CONSTANT_EPS
            self._frozen.step(both(same, kitchen.fan), now)
            self._low.step(both(value <= self._shop.low_mg, kitchen.fan), now)
            self._value = value

    def now(self, at: Stamp) -> tuple[str, ...]:
        """Names of the signs that have held long enough; rule F4 reports them."""
        checks = (
            ("no data", self._missing.for_s(self._shop.no_data_s)),
            ("constant value with the fan on", self._frozen.for_s(self._shop.odd_s)),
            ("too low with the fan on", self._low.for_s(self._shop.odd_s)),
        )
        return tuple(name for name, holds in checks if holds)

    def since(self, now: Stamp) -> Stamp:
        began = [h.began for h in (self._missing, self._frozen, self._low) if h.began is not None]
        return min(began, key=_mono) if began else now


def _mono(at: Stamp) -> float:
    return at.mono

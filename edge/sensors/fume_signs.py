# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a row of fume values says: means over periods, and signs of missing or tampered data."""

from __future__ import annotations

import math

from edge.sensors.acoustics import VALID_SHARE
from edge.sensors.episode import Held
from edge.sensors.kitchen import Kitchen, both
from edge.sensors.settings import Shop
from edge.values import Json, Stamp

HOUR_S = 3600.0
CONSTANT_EPS = 1e-9


class Means:
    """Means of fume over consecutive periods, from the time in which both machines run."""

    def __init__(self, window_s: float, every_s: float) -> None:
        self._window_s, self._every_s = window_s, every_s
        self._began: Stamp | None = None
        self._values: list[float] = []
        self._closed: tuple[Stamp, float | None] | None = None
        self.means: list[tuple[Stamp, float | None]] = []

    def step(self, values: list[float], now: Stamp, running: bool | None) -> None:
        """Take one step's values; closes a mean when its window is over. Only values with the fan
        running count, and a window with too few of them has no mean (None), not a low one."""
        if self._began is None:
            self._began = now
        if running:
            self._values += values
        if now.mono - self._began.mono < self._window_s:
            return
        share = len(self._values) * self._every_s / self._window_s
        mean = math.fsum(self._values) / len(self._values) if share >= VALID_SHARE else None
        self._closed = (self._began, mean)
        kept = max(2, math.ceil(HOUR_S / self._window_s))
        self.means = [*self.means, self._closed][-kept:]
        self._began, self._values = now, []

    def take_closed(self) -> tuple[Stamp, float | None] | None:
        closed, self._closed = self._closed, None
        return closed

    def hour_mean(self) -> float | None:
        """Mean of the last hour's periods, where all of them are known."""
        needed = math.ceil(HOUR_S / self._window_s)
        known = [mean for _, mean in self.means[-needed:] if mean is not None]
        return math.fsum(known) / needed if len(known) == needed else None

    def as_json(self) -> dict[str, Json]:
        return {
            "window_s": self._window_s,
            "means_mg_m3": [None if m is None else round(m, 4) for _, m in self.means],
        }


class Oddities:
    """Missing, frozen, or too clean to be true (domain.md §4.3, F4 and the cheating signs)."""

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
        """Names of the signs that have held long enough; rule F4 tells them."""
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

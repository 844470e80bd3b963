# SPDX-License-Identifier: AGPL-3.0-or-later
"""A shop's machines and fume as one state: fan, purifier and value, each known or not. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edge.sensors.hours import LocalTime
from edge.sensors.plausible import usable
from edge.sensors.settings import Shop
from edge.sensors.times import CORRECTED_MAX_S
from edge.values import Sample, Stamp

FAR_PAST = -1e12
# States of a machine by HJ 212 (SBx-RS): 0 off, 1 running to 5 blow-back; any other is none.
SWITCH_MAX = 5.0
# Daily run hours that a monitor reports itself (HJ 212 CN 2041: SB1 fan, SB2 purifier).
RUN_HOURS = {"fan_hours": "fan", "purifier_hours": "purifier"}
# Days of such hours in memory: today and the one that is over.
DAYS_KEPT = 2


@dataclass(frozen=True, slots=True)
class Kitchen:
    """What is known now. None: unknown (never reported, stale, or flagged)."""

    fan: bool | None = None
    purifier: bool | None = None
    fume_mg: float | None = None
    smoke_seen: bool = False

    @property
    def known(self) -> bool:
        return self.fan is not None or self.purifier is not None or self.fume_mg is not None


def both(*parts: bool | None) -> bool | None:
    """And, where unknown stays unknown unless a part is false."""
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


class KitchenReader:
    """Turns samples of one shop's sensor into a Kitchen; forgets what is older than `stale_s`."""

    def __init__(self, shop: Shop, stale_s: float, local: LocalTime) -> None:
        self._shop, self._stale_s, self._local = shop, stale_s, local
        self._latest: dict[str, tuple[float, float]] = {}
        self._hours: dict[str, dict[str, float]] = {}
        # The last day whose hours came after it was over; "" where none ever did.
        self.told_late = ""

    def take(self, samples: Iterable[Sample]) -> None:
        """The latest value of each channel of this shop's monitor; flagged values are left out.
        Running hours that the monitor counts itself are kept apart, for comparison."""
        for sample in samples:
            if sample.sensor != self._shop.sensor or not usable(sample):
                continue
            if sample.channel in RUN_HOURS:
                self._take_hours(sample)
            elif sample.at.mono >= self._latest.get(sample.channel, (0.0, FAR_PAST))[1]:
                self._latest[sample.channel] = (sample.value, sample.at.mono)

    def _take_hours(self, sample: Sample) -> None:
        """Day history (CN 2041) comes after midnight, with the beginning of the day it tells of."""
        wall = sample.at.wall
        if sample.trust == "corrected" and sample.came.mono - sample.at.mono > CORRECTED_MAX_S:
            # A correction may move that beginning to before midnight.
            wall += CORRECTED_MAX_S
        day = self._local.date(wall)
        self._hours.setdefault(day, {})[RUN_HOURS[sample.channel]] = sample.value
        while len(self._hours) > DAYS_KEPT:
            del self._hours[min(self._hours)]
        if day < self._local.date(sample.came.wall):
            self.told_late = max(day, self.told_late)

    def hours_of(self, day: str) -> dict[str, float]:
        """Run hours that the monitor has told of a local day, by machine."""
        return dict(self._hours.get(day, {}))

    def now(self, at: Stamp, *, smoke_seen: bool) -> Kitchen:
        """The kitchen at this moment; what has not been heard lately is None, unknown."""
        shop = self._shop
        return Kitchen(
            fan=self._running(shop.fan, shop.fan_on_a, at),
            purifier=self._running(shop.purifier, shop.purifier_on_a, at),
            fume_mg=self._value(shop.fume, at),
            smoke_seen=smoke_seen,
        )

    def _value(self, channel: str, at: Stamp) -> float | None:
        value, mono = self._latest.get(channel, (0.0, FAR_PAST))
        return value if at.mono - mono <= self._stale_s else None

    def _running(self, channel: str, on_from_a: float | None, at: Stamp) -> bool | None:
        value = self._value(channel, at)
        if value is None:
            return None
        if on_from_a is not None:
            return value >= on_from_a
        return value >= 0.5 if 0.0 <= value <= SWITCH_MAX else None


@dataclass(slots=True)
class Day:
    """Run times of one shop on one local day, seconds; `unknown_s` within business hours."""

    date: str
    fan_s: float = 0.0
    purifier_s: float = 0.0
    linked_s: float = 0.0
    unknown_s: float = 0.0
    reported: dict[str, float] = field(default_factory=dict)

    def add(self, kitchen: Kitchen, seconds: float, *, open_now: bool) -> None:
        self.fan_s += seconds if kitchen.fan else 0.0
        self.purifier_s += seconds if kitchen.purifier else 0.0
        self.linked_s += seconds if kitchen.fan and kitchen.purifier else 0.0
        self.unknown_s += seconds if open_now and kitchen.fan is None else 0.0

    @property
    def usage(self) -> float | None:
        """Share of the fan's run time with the purifier on; the target is 100 %. None: no run.

        Where the monitor reports its own hours (HJ 212 CN 2041) and we saw less, those count.
        """
        fan_h, purifier_h = self.reported.get("fan", 0.0), self.reported.get("purifier", 0.0)
        if fan_h * 3600.0 > self.fan_s and "purifier" in self.reported:
            return min(1.0, purifier_h / fan_h)
        return self.linked_s / self.fan_s if self.fan_s > 0.0 else None

    def as_json(self) -> dict[str, Any]:
        """One day for the ledger: hours, and the purifier's share of the fan's time (None without
        any)."""
        usage = self.usage
        return {
            "date": self.date,
            "fan_h": round(self.fan_s / 3600.0, 3),
            "purifier_h": round(self.purifier_s / 3600.0, 3),
            "unknown_h": round(self.unknown_s / 3600.0, 3),
            "usage": None if usage is None else round(usage, 4),
            "reported_h": self.reported,
        }

# SPDX-License-Identifier: AGPL-3.0-or-later
"""One-minute aggregates of every channel. Pure: samples in, finished minutes out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.sensors.acoustics import PERCENTILES, VALID_SHARE, exceeded, leq
from edge.sensors.plausible import usable
from edge.values import Sample, Stamp

MINUTE_S = 60.0
# A flood cannot make a minute larger than this.
SAMPLES_MAX = 3000


@dataclass(frozen=True, slots=True)
class Minute:
    """One channel over one minute. `mean` is of energy for decibels; None with too few samples."""

    sensor: str
    channel: str
    unit: str
    began: Stamp
    ended: Stamp
    n: int
    valid: int
    mean: float | None
    min: float | None
    max: float | None
    flags: dict[str, int]
    levels: dict[str, float]


@dataclass(slots=True)
class _Open:
    unit: str
    values: list[float] = field(default_factory=list)
    flags: Counter[str] = field(default_factory=Counter)
    n: int = 0


class Minutes:
    """Collects; a minute closes with the first step after the wall clock's minute has changed.

    A channel that was heard before and is silent now gives minutes with n = 0: the gap is recorded.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Open] = {}
        self._began: Stamp | None = None

    def step(self, samples: Iterable[Sample], now: Stamp) -> tuple[Minute, ...]:
        """Take samples; returns the minutes that the wall clock finished meanwhile, one per
        channel."""
        began = self._began
        finished: tuple[Minute, ...] = ()
        if began is None:
            self._began = now
        elif now.wall // MINUTE_S != began.wall // MINUTE_S:
            finished = tuple(
                _close(key, channel, began, now) for key, channel in self._open.items()
            )
            self._open = {key: _Open(channel.unit) for key, channel in self._open.items()}
            self._began = now
        for sample in samples:
            self._add(sample)
        return finished

    def _add(self, sample: Sample) -> None:
        key = (sample.sensor, sample.channel)
        channel = self._open.setdefault(key, _Open(sample.unit))
        channel.n += 1
        channel.flags[sample.flag] += 1
        late = self._began is not None and sample.at.wall < self._began.wall - MINUTE_S
        if usable(sample) and not late and len(channel.values) < SAMPLES_MAX:
            channel.values.append(sample.value)


def _close(key: tuple[str, str], channel: _Open, began: Stamp, ended: Stamp) -> Minute:
    values = channel.values
    enough = bool(values) and len(values) >= VALID_SHARE * min(channel.n, SAMPLES_MAX)
    mean = None
    if enough:
        mean = leq(values) if channel.unit == "dB" else math.fsum(values) / len(values)
    return Minute(
        sensor=key[0],
        channel=key[1],
        unit=channel.unit,
        began=began,
        ended=ended,
        n=channel.n,
        valid=len(values),
        mean=None if mean is None else round(mean, 4),
        min=min(values) if values else None,
        max=max(values) if values else None,
        flags=dict(channel.flags),
        levels=_levels(values) if enough and channel.unit == "dB" else {},
    )


def _levels(values: list[float]) -> dict[str, float]:
    return {f"L{n}": exceeded(values, n) for n in PERCENTILES}

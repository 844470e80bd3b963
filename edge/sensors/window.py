# SPDX-License-Identifier: AGPL-3.0-or-later
"""One measuring period being filled with levels at the instants at which they were measured."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from edge.sensors.acoustics import Levels, leq, levels_of
from edge.sensors.limits import Period
from edge.sensors.weighting import spans, spikes
from edge.values import Sample, Stamp

# Values nearer to each other are the same instant: copies, or a clock of whole seconds.
SAME_S = 0.01
# A period is kept open for a station's usual delay, up to this.
LAG_MAX_S = 60.0
LAG_SAMPLES = 64
# Samples kept for the next period: a minute of the longest usual delay at the fastest pace.
AHEAD_MAX = 2000


class SensorLag:
    """By how much a station's values come late: the longest of its last samples."""

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=LAG_SAMPLES)
        self._at: Stamp | None = None

    def note(self, samples: Iterable[Sample]) -> None:
        """Look at when samples were measured and when they came. A value older than `LAG_MAX_S`
        was held back somewhere; nobody waits for its like."""
        for sample in samples:
            delay_s = sample.came.mono - sample.at.mono
            if 0.0 <= delay_s <= LAG_MAX_S:
                self._delays.append(delay_s)

    def behind(self, now: Stamp) -> Stamp:
        """The instant up to which values are complete; it never goes back."""
        by_s = max(self._delays, default=0.0)
        at = replace(now, mono=now.mono - by_s, wall=now.wall - by_s)
        if self._at is None or at.mono >= self._at.mono:
            self._at = at
        return self._at


@dataclass(slots=True)
class Window:
    """Levels from `began` to before `end_mono`. every_s: the meter's usual interval."""

    began: Stamp
    period: Period
    end_mono: float
    every_s: float
    peaks_db: list[float] = field(default_factory=list)
    weather_lost: int = 0
    _levels: dict[int, list[float]] = field(default_factory=dict)

    def add(self, mono: float, level_db: float) -> None:
        """One level. Several of one instant are one, their mean."""
        self._levels.setdefault(round((mono - self.began.mono) / SAME_S), []).append(level_db)

    def rows(self) -> Iterator[tuple[float, float, float]]:
        """(mono, level, seconds it stands for), in the order of time, without spikes."""
        places = sorted(self._levels)
        values = [leq(self._levels[place]) for place in places]
        times = [self.began.mono + place * SAME_S for place in places]
        wrong = spikes(values)
        rows = zip(times, values, spans(times, self.every_s, self.end_mono), strict=True)
        return (row for n, row in enumerate(rows) if n not in wrong)

    def levels(self, length_s: float) -> Levels | None:
        """What the period comes to, None without a level."""
        rows = list(self.rows())
        return levels_of(
            [value for _, value, _ in rows],
            expected=length_s,
            seconds=[seconds for _, _, seconds in rows],
            peaks_db=self.peaks_db,
        )

# SPDX-License-Identifier: AGPL-3.0-or-later
"""From readings to samples: whose value it is, what it is called here, whether to believe it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from edge.sensors.frames import InstrumentValue
from edge.sensors.order import disordered
from edge.sensors.plausible import possible
from edge.sensors.settings import Sensor, SensorSettings
from edge.sensors.times import InstrumentClock
from edge.values import Flag, Sample, Stamp

# How far a station's own time may lie off before its values are news of the past. Minute, hour and
# day values carry the start of their period.
AGE_MAX_S = {"2011": 600.0, "2051": 2400.0, "2061": 4800.0, "2031": 90_000.0}
REAL_TIME = "2011"
# A sender's identity that is not configured is learnt; another one must repeat itself so often.
NEW_SOURCE_FRAMES = 5
# Values by which a repeated message is known: some minutes of a station with many factors.
REMEMBERED = 2048


class Binding:
    """One sensor of a line. `strangers` counts values of a sender that is not this sensor,
    `repeats` values that came before: same sender, message number, factor and time."""

    def __init__(self, sensor: Sensor, settings: SensorSettings) -> None:
        self.sensor, self._settings = sensor, settings
        self._source: str | None = sensor.mn
        self._other: tuple[str, int] = ("", 0)
        self._logged: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self.clock = InstrumentClock()
        self.strangers = 0
        self.repeats = 0

    def samples(
        self, readings: Iterable[InstrumentValue], now: Stamp, *, settling: bool = False
    ) -> list[Sample]:
        """Samples of what arrived `now`. settling: the instrument has only just been switched on.

        Every sample is measured against what its quantity can be, and the levels of one report
        against each other.
        """
        found: list[tuple[InstrumentValue, Sample]] = []
        frame, ours = None, False
        for reading in readings:
            if not isinstance(reading.value, float) or not math.isfinite(reading.value):
                continue
            came_in = _frame_of(reading)
            if came_in != frame:
                # Once for a frame, however many values it has.
                frame, ours = came_in, self._ours(reading.source)
            if not ours:
                self.strangers += 1
                continue
            channel = self._channel(reading.channel)
            if channel is not None and not self._repeated(reading):
                found.append((reading, self._sample(reading, channel, now, settling)))
        return _ordered(found)

    def _repeated(self, reading: InstrumentValue) -> bool:
        """A station sends a message again until it is answered; it is still one value."""
        number = reading.extra.get("QN")
        if not number:
            return False
        cn = reading.extra.get("CN", "")
        key = (reading.source, number, cn, reading.channel, reading.at_wall, reading.value)
        if key in self._logged:
            self.repeats += 1
            return True
        self._logged[key] = None
        while len(self._logged) > REMEMBERED:
            self._logged.popitem(last=False)
        return False

    def _sample(self, reading: InstrumentValue, channel: str, now: Stamp, settling: bool) -> Sample:
        sensor = self.sensor
        unit = sensor.units.get(channel) or sensor.units.get(reading.channel) or reading.unit
        assert isinstance(reading.value, float)
        # Instruments without such numbers tell values of the moment.
        history = reading.extra.get("CN", REAL_TIME) != REAL_TIME
        at, trust = self.clock.place(reading.at_wall, now, history=history)
        flag, why = self._flag(reading, now, settling)
        if flag == "ok" and not possible(channel, reading.value, unit):
            flag, why = "over_range", "range"
        came = None if at is now else now
        return Sample(sensor.id, channel, reading.value, unit, flag, at, came, trust, why)

    def _flag(self, reading: InstrumentValue, now: Stamp, settling: bool) -> tuple[Flag, str]:
        if settling and reading.flag == "ok":
            return "calibrating", "settling"
        allowed = AGE_MAX_S.get(reading.extra.get("CN", ""))
        late = reading.at_wall is not None and allowed is not None
        if late and abs(now.wall - (reading.at_wall or 0.0)) > (allowed or 0.0):
            return "stale", "late"
        return reading.flag, reading.why

    def _channel(self, name: str) -> str | None:
        own = self.sensor.rename.get(name)
        return own if own or not self.sensor.keep_others else name

    def _ours(self, source: str) -> bool:
        """Short checks let a damaged sender through now and then; its identity is one more."""
        if not source or source == self._source:
            self._other = ("", 0)
            return True
        if self.sensor.mn is not None:
            return False
        if self._source is None:
            self._source = source
            return True
        name, count = self._other
        self._other = (source, count + 1) if name == source else (source, 1)
        if self._other[1] < NEW_SOURCE_FRAMES:
            return False
        self._source, self._other = source, ("", 0)
        return True


def _frame_of(reading: InstrumentValue) -> tuple[str, str, str]:
    """What tells one frame from the next: its sender, its number, what it is."""
    return reading.source, reading.extra.get("QN", ""), reading.extra.get("CN", "")


def _ordered(found: Sequence[tuple[InstrumentValue, Sample]]) -> list[Sample]:
    """The samples, those suspect whose report contradicts itself."""
    wrong: set[tuple[float | None, str]] = set()
    for at_wall in {reading.at_wall for reading, _ in found}:
        report = [(r.channel, s.value) for r, s in found if r.at_wall == at_wall and s.flag == "ok"]
        wrong |= {(at_wall, channel) for channel in disordered(report)}
    return [
        replace(s, flag="suspect", why="order") if (r.at_wall, r.channel) in wrong else s
        for r, s in found
    ]

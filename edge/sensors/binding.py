# SPDX-License-Identifier: AGPL-3.0-or-later
"""From readings to samples: whose value it is, what it is called here, whether to believe it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from edge.sensors.frames import InstrumentValue
from edge.sensors.settings import Sensor, SensorSettings
from edge.values import Flag, Sample, Stamp

# How far a station's own time may lie off before its values are news of the past. Minute, hour and
# day values carry the start of their period.
AGE_MAX_S = {"2011": 600.0, "2051": 2400.0, "2061": 4800.0, "2031": 90_000.0}
# A sender's identity that is not configured is learnt; another one must repeat itself so often.
NEW_SOURCE_FRAMES = 5


class Binding:
    """One sensor of a line. `strangers` counts values of a sender that is not this sensor."""

    def __init__(self, sensor: Sensor, settings: SensorSettings) -> None:
        self.sensor, self._settings = sensor, settings
        self._source: str | None = sensor.mn
        self._other: tuple[str, int] = ("", 0)
        self.strangers = 0

    def samples(
        self, readings: Iterable[InstrumentValue], now: Stamp, *, settling: bool = False
    ) -> list[Sample]:
        """Samples at `now`. settling: the instrument has only just been switched on."""
        found = []
        for reading in readings:
            if not isinstance(reading.value, float) or not math.isfinite(reading.value):
                continue
            if not self._ours(reading.source):
                self.strangers += 1
                continue
            channel = self._channel(reading.channel)
            if channel is not None:
                found.append(self._sample(reading, channel, now, settling))
        return found

    def _sample(self, reading: InstrumentValue, channel: str, now: Stamp, settling: bool) -> Sample:
        sensor = self.sensor
        unit = sensor.units.get(channel) or sensor.units.get(reading.channel) or reading.unit
        flag = self._flag(reading, now, settling)
        assert isinstance(reading.value, float)
        return Sample(sensor.id, channel, reading.value, unit, flag, now)

    def _flag(self, reading: InstrumentValue, now: Stamp, settling: bool) -> Flag:
        if settling and reading.flag == "ok":
            return "calibrating"
        allowed = AGE_MAX_S.get(reading.extra.get("CN", ""))
        late = reading.at_wall is not None and allowed is not None
        if late and abs(now.wall - (reading.at_wall or 0.0)) > (allowed or 0.0):
            return "stale"
        return reading.flag

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

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Samples as they come from the lines: screened, shown, stored, made into minutes, and on to be
judged."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge.isolation import ItemGuard
from edge.pipeline.publisher import Publisher
from edge.pipeline.sensor_build import SensorParts
from edge.pipeline.settings import Settings
from edge.sensors import raw
from edge.sensors.history import History
from edge.sensors.hours import LocalTime
from edge.sensors.live import LiveValues
from edge.sensors.minutes import Minute, Minutes
from edge.sensors.screening import Screening
from edge.uplink import messages, wire
from edge.values import Sample, Stamp

# Minutes travel in batches of so many, to spare the card and the link.
BATCH_MINUTES = 2


class SensorIntake:
    """Owned by sensord's main thread. broken: sensors that were set aside, as it is now."""

    def __init__(
        self,
        settings: Settings,
        parts: SensorParts,
        local: LocalTime,
        publisher: Publisher,
        guard: ItemGuard,
        broken: Collection[str],
    ) -> None:
        state, run, sensors = settings.state, settings.run, parts.sensors.sensors
        self.store, self._recent = raw.SampleStore(state), raw.Recent(run)
        self.history = History(state, run)
        self.live = LiveValues(parts.sensors, run)
        self.screening = Screening(local, {name: s.constant_s for name, s in sensors.items()})
        # Each sensor's own, so that what is wrong with one closes no minute of another.
        self._minutes = {name: Minutes() for name in sensors}
        self._batch = list[tuple[Minute, messages.Reading]]()
        self._senders, self._publisher = parts.senders, publisher
        self._guard, self._broken = guard, broken
        self.samples = 0

    def take(self, samples: Sequence[Sample], now: Stamp) -> list[Sample]:
        """Screened, shown and stored, sensor by sensor; what is left to be judged, in the order of
        time."""
        self.samples += len(samples)
        by_sensor: dict[str, list[Sample]] = {name: [] for name in self._minutes}
        for sample in sorted(samples, key=_mono):
            by_sensor[sample.sensor].append(sample)
        kept: list[Sample] = []
        for name in by_sensor.keys() - set(self._broken):
            with self._guard.working_for(name):
                kept += self._take_one(name, by_sensor[name], now)
        self.store.flush()
        self.history.flush()
        began = min((minute.began.mono for minute, _ in self._batch), default=now.mono)
        if now.mono - began >= 60.0 * BATCH_MINUTES - 5.0:
            self.send_minutes()
        return sorted(kept, key=_mono)

    def _take_one(self, name: str, samples: list[Sample], now: Stamp) -> list[Sample]:
        screened = self.screening.step(samples)
        self.live.add(screened)
        self._recent.add(screened)
        self.store.add(screened)
        minutes = self._minutes[name].step(screened, now)
        if minutes:
            self.history.add(minutes)
            self._batch += [(minute, _reading(minute)) for minute in minutes]
        return screened

    def send_minutes(self) -> None:
        """Put the minutes that wait; also to the senders of the bureau's own lines."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        for sender in self._senders:
            sender.add([minute for minute, _ in batch])
        data = wire.sensor_data([reading for _, reading in batch])
        key = f"{batch[0][0].began.wall:.3f}"
        self._publisher.put(lane="telemetry", kind="sensor", key=key, body=data)

    def show(self, now: Stamp) -> None:
        """The latest values, for whoever watches."""
        for name in self._minutes.keys() - set(self._broken):
            with self._guard.working_for(name):
                self.live.write_one(name, now)

    def close(self) -> None:
        """Nothing of what was taken stays in memory."""
        self.send_minutes()
        self.store.flush(force=True)
        self.history.flush(force=True)


def _mono(sample: Sample) -> float:
    return sample.at.mono


def _reading(minute: Minute) -> messages.Reading:
    return messages.Reading(
        sensor=minute.sensor,
        channel=minute.channel,
        unit=minute.unit,
        began=wire.moment(minute.began),
        ended=wire.moment(minute.ended),
        n=minute.n,
        valid=minute.valid,
        mean=minute.mean,
        min=minute.min,
        max=minute.max,
        flags=minute.flags,
        levels=minute.levels,
    )

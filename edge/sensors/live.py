# SPDX-License-Identifier: AGPL-3.0-or-later
"""The latest value of every channel: kept here by sensord, read by anybody from the run directory.

A value older than its sensor's limit is "stale": unknown, never normal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.runtime import write_atomic
from edge.sensors import reasons
from edge.sensors.raw import HEADER, line, read, recent_files
from edge.sensors.settings import SensorSettings
from edge.values import Flag, Sample, Stamp

FAR_PAST = -1e12


@dataclass(slots=True)
class _Watched:
    """One sensor as it is heard."""

    heard_mono: float = FAR_PAST
    valid_mono: float = FAR_PAST


class LiveValues:
    """Owned by sensord's main thread."""

    def __init__(self, settings: SensorSettings, run: Path) -> None:
        self._settings, self._folder = settings, run / "samples"
        sensors = settings.sensors
        self._folder.mkdir(parents=True, exist_ok=True)
        self._latest: dict[str, dict[str, Sample]] = {name: {} for name in sensors}
        self._watched = {name: _Watched() for name in sensors}

    def add(self, samples: Iterable[Sample]) -> None:
        """Keep the latest sample of each channel, and when the sensor was last heard and last
        valid."""
        for sample in samples:
            latest, watched = self._latest[sample.sensor], self._watched[sample.sensor]
            known = latest.get(sample.channel)
            if known is None or sample.at.mono >= known.at.mono:
                latest[sample.channel] = sample
            watched.heard_mono = sample.came.mono
            if sample.flag == "ok":
                # A value of some minutes ago does not say how it is now.
                watched.valid_mono = max(watched.valid_mono, sample.at.mono)

    def stale(self, now: Stamp) -> list[str]:
        """Sensors without a valid value for longer than their limit."""
        return [name for name in self._watched if self._is_stale(name, now)]

    def _limit_s(self, name: str) -> float:
        return self._settings.silent_after_s(self._settings.sensors[name])

    def _is_stale(self, name: str, now: Stamp) -> bool:
        return now.mono - self._watched[name].valid_mono > self._limit_s(name)

    def write(self, now: Stamp) -> None:
        """`<run>/samples/<sensor>.json`, for the page, the cameras and `edge sensors watch`."""
        for name in self._latest:
            self.write_one(name, now)

    def write_one(self, name: str, now: Stamp) -> None:
        """The file of one sensor."""
        body = json.dumps(self._status(name, self._latest[name], now), ensure_ascii=False)
        write_atomic(self._folder / f"{name}.json", body.encode(), durable=False)

    def _status(self, name: str, latest: Mapping[str, Sample], now: Stamp) -> dict[str, Any]:
        sensor = self._settings.sensors[name]
        return {
            "sensor": name,
            "name": sensor.name,
            "kind": sensor.kind,
            "wall": now.wall,
            "stale_after_s": self._limit_s(name),
            "stale": self._is_stale(name, now),
            "channels": {
                channel: {
                    "value": sample.value,
                    "unit": sample.unit,
                    "flag": sample.flag,
                    "why": reasons.words(sample.why) if sample.why else None,
                    "wall": round(sample.at.wall, 3),
                    "arrived_wall": round(sample.came.wall, 3),
                    "trust": sample.trust,
                }
                for channel, sample in latest.items()
            },
        }


def latest(run: Path, sensors: Iterable[str], now: Stamp) -> tuple[Sample, ...]:
    """The latest samples of these sensors as a camera's rules see them; old ones are "stale".

    `at.mono` is on this process's clock. A sensor that nobody has heard gives nothing.
    """
    return tuple(sample for name in sensors for sample in _latest_of(run, name, now))


def _latest_of(run: Path, sensor: str, now: Stamp) -> Iterable[Sample]:
    try:
        heard = json.loads((run / "samples" / f"{sensor}.json").read_bytes())
        limit_s = float(heard["stale_after_s"])
        rows = heard["channels"].items()
    except (OSError, ValueError, KeyError, AttributeError):
        return
    for channel, row in rows:
        age_s = now.wall - row["wall"]
        flag: Flag = "stale" if not -60.0 <= age_s <= limit_s else row["flag"]
        at = Stamp(now.mono - max(0.0, age_s), row["wall"], now.quality, now.error_ms)
        yield Sample(sensor, channel, row["value"], row["unit"], flag, at)


def window_csv(run: Path, sensors: Iterable[str], from_wall: float, to_wall: float) -> bytes | None:
    """Raw samples around an event as CSV, for a camera's evidence; None where there are none."""
    lines = [
        line(sample)
        for name in sensors
        for sample in read(recent_files(run, name), {name}, from_wall, to_wall)
    ]
    return (HEADER + "".join(sorted(lines))).encode() if lines else None

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What sensord says of itself: its status file, the bytes of its lines, its row in the log."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from edge.isolation import ItemGuard
from edge.pipeline.publisher import Publisher
from edge.pipeline.sensor_build import SensorParts
from edge.pipeline.sensor_intake import SensorIntake
from edge.pipeline.settings import Settings
from edge.runtime import write_atomic
from edge.sensors import metrology, raw, reasons
from edge.sensors.hours import LocalTime
from edge.sensors.settings import Sensor
from edge.values import Stamp

# Of the items of the site file that are not sound, those that are sensord's to report.
ITEMS = ("sensor", "noise", "fume", "dust", "sound")


class SensorStatus:
    """Reads only; owned by sensord's main thread."""

    def __init__(
        self,
        settings: Settings,
        parts: SensorParts,
        intake: SensorIntake,
        local: LocalTime,
        publisher: Publisher,
        guard: ItemGuard,
        began: Stamp,
    ) -> None:
        self._settings, self._parts, self._intake, self._local = settings, parts, intake, local
        self._publisher, self._guard, self._began = publisher, guard, began

    def show_lines(self) -> None:
        """`<run>/lines/heard.json`: the last bytes of every line and what they meant."""
        rows = [
            {"port": line.port.url, "heard": [row.as_json() for row in line.heard.rows]}
            for line in self._parts.lines
        ]
        body = json.dumps(rows, ensure_ascii=False).encode()
        write_atomic(self._settings.run / "lines" / "heard.json", body, durable=False)

    def rows(self, elapsed_s: float) -> list[dict[str, Any]]:
        """Samples a second and lines, for the log; counted since it was asked before."""
        count, self._intake.samples = self._intake.samples, 0
        lines = [
            {"line": line.port.url, "state": "open" if line.state == "open" else "gone",
             "good": line.counts.good, "bad": line.counts.bad,
             "unanswered": line.counts.unanswered, "dropped": line.counts.dropped}
            for line in self._parts.lines
        ]  # fmt: skip
        return [{"samples_s": count / elapsed_s, "written_mb": raw.bytes_written() / 1e6}, *lines]

    def whole(self, now: Stamp) -> dict[str, Any]:
        """`<run>/status/sensord.json`: sensors, lines, points, shops, faults, wear of the disk."""
        up_s = max(1.0, now.mono - self._began.mono)
        stale, today = set(self._intake.live.stale(now)), self._local.date(now.wall)
        return {
            "sensors": self._sensor_rows(stale, today),
            "lines": [line.status() for line in self._parts.lines],
            "senders": [sender.status() for sender in self._parts.senders],
            "points": [judge.status() for judge in self._parts.fast],
            "shops": [shop.status() for shop in self._parts.shops],
            "sound": [judge.status() for judge in self._parts.loudspeakers.values()],
            "cleaning": self._parts.ledgers.cleaning(
                [s.shop for s in self._parts.shops], now.wall
            ),
            "faults": self._publisher.faults.status(),
            "set_aside": [asdict(item) for item in self._settings.aside if item.kind in ITEMS],
            "counts": self._publisher.counts,
            "bytes_written_day": round(raw.bytes_written() / up_s * 86_400.0),
        }  # fmt: skip

    def _sensor_rows(self, stale: Collection[str], today: str) -> dict[str, Any]:
        rows = {}
        for name, sensor in self._parts.sensors.sensors.items():
            with self._guard.working_for(name):
                rows[name] = self._sensor_status(sensor, name in stale, today)
        return rows

    def _sensor_status(self, sensor: Sensor, stale: bool, today: str) -> dict[str, Any]:
        channel, why, since = self._intake.screening.suspects().get(sensor.id, ("", "", None))
        zh, en = reasons.words(why)
        suspect = {"channel": channel, "why": why, "zh": zh, "en": en,
                   "since_wall": since.wall if since else None}  # fmt: skip
        return {
            "name": sensor.name,
            "kind": sensor.kind,
            "port": sensor.port,
            "state": "suspect" if why else "unknown" if stale else "heard",
            "suspect": suspect if why else None,
            "clock_off_s": round(clock_off_s(self._parts, sensor.id), 1),
            "camera": sensor.camera,
            "certificate": sensor.instrument.certificate,
            "expires": sensor.instrument.expires,
            "metrology": metrology.assess(sensor.instrument, today, self._local.packs),
        }


def clock_off_s(parts: SensorParts, sensor: str) -> float:
    """By how much a sensor's own clock is steadily off; 0 where it is right or has none."""
    bindings = [b for line in parts.lines for b in line.bindings if b.sensor.id == sensor]
    return next((b.clock.off_s for b in bindings if b.clock.off_s is not None), 0.0)

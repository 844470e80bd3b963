# SPDX-License-Identifier: AGPL-3.0-or-later
"""What sensord's judges remember over a restart: open cases, run times of the day."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.isolation import ItemGuard
from edge.pipeline.sensor_build import SensorParts
from edge.runtime import write_atomic
from edge.sensors.screening import Screening
from edge.values import Stamp

log = logging.getLogger(__name__)


class SensorMemory:
    """`<state>/memory/sensord.json`."""

    def __init__(
        self, path: Path, parts: SensorParts, screening: Screening, guard: ItemGuard
    ) -> None:
        self._path, self._screening, self._guard = path, screening, guard
        # All that remember something, by the part of the memory.
        self._judges: dict[str, Mapping[str, Any]] = {
            "judges": {judge.point.id: judge for judge in parts.fast},
            "sound": parts.loudspeakers,
            "shops": {shop.shop.id: shop for shop in parts.shops},
        }

    def keep(self) -> None:
        """Durably; what a full disk refuses is kept the next time."""
        kept = {part: self._snapshots(judges) for part, judges in self._judges.items()}
        body = json.dumps({**kept, "nights": self._screening.snapshot()}).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, body)
        except OSError as error:
            log.warning("%s: %s", self._path, error)

    def _snapshots(self, judges: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for name, judge in judges.items():
            with self._guard.working_for(name):
                found[name] = judge.snapshot()
        return found

    def restore(self, now: Stamp) -> None:
        """At start; what cannot be read starts afresh."""
        try:
            memory = json.loads(self._path.read_bytes())
            self._screening.restore(memory.get("nights", ()))
            kept = [(dict(memory.get(part, {})), one) for part, one in self._judges.items()]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: %s; starting afresh", self._path, error)
            return
        for snapshots, judges in kept:
            for name in judges.keys() & snapshots.keys():
                with self._guard.working_for(name):
                    self._restore_one(name, judges[name], snapshots[name], now)

    def _restore_one(self, name: str, judge: Any, memory: Any, now: Stamp) -> None:
        try:
            judge.restore(memory, now)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("%s: %s: %s; starting afresh", self._path, name, error)

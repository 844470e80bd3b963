# SPDX-License-Identifier: AGPL-3.0-or-later
"""What sensord's judges remember over a restart: open cases, run times of the day."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edge.isolation import ItemGuard
from edge.jsonfile import decoded
from edge.pipeline.sensor_build import SensorParts
from edge.runtime import write_atomic
from edge.sensors.screening import ChannelNights, Screening
from edge.values import Stamp

log = logging.getLogger(__name__)


FORM = 1


class MemoryFile(msgspec.Struct, frozen=True, kw_only=True):
    """`<state>/memory/sensord.json`. Programs that knew one form only wrote no version; what was
    added since may be missing. judges, sound, shops: each by its id, in the form of its kind."""

    version: int = FORM
    judges: dict[str, Any] = {}
    sound: dict[str, Any] = {}
    shops: dict[str, Any] = {}
    nights: tuple[ChannelNights, ...] = ()


class SensorMemory:
    """One owner: sensord's main thread."""

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
        kept: dict[str, Any] = {p: self._snapshots(judges) for p, judges in self._judges.items()}
        body = msgspec.json.encode(MemoryFile(**kept, nights=self._screening.snapshot()))
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
            memory = decoded(self._path.read_bytes(), MemoryFile)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.warning("%s: %s; starting afresh", self._path, error)
            return
        if memory.version != FORM:
            form = f"of form {memory.version}, this program reads {FORM}"
            log.warning("%s: %s; starting afresh", self._path, form)
            return
        self._screening.restore(memory.nights)
        for part, judges in self._judges.items():
            snapshots = getattr(memory, part)
            for name in judges.keys() & snapshots.keys():
                with self._guard.working_for(name):
                    self._restore_one(name, judges[name], snapshots[name], now)

    def _restore_one(self, name: str, judge: Any, memory: Any, now: Stamp) -> None:
        try:
            judge.restore(memory, now)
        except ValueError as error:
            log.warning("%s: %s: %s; starting afresh", self._path, name, error)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What sensord adds to the ledgers of instruments and shops, and which shops are overdue.

Every check, result, cleaning and handling is recorded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edge import ledger
from edge.sensors.settings import Shop

log = logging.getLogger(__name__)

_Stamp = list[tuple[str, int, int]]


class Ledgers:
    """One box's; `edge ledger add cleaning` may write beside it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._read: _Stamp | None = None
        self._cleaned: dict[str, float] = {}

    def add(self, name: str, row: Mapping[str, Any]) -> None:
        """Append a row. Where the disk refuses, the row goes into the log instead, as an error."""
        try:
            ledger.append(self._state, name, [row], time.time())
        except OSError as error:
            log.error("ledger %s: %s; lost: %s", name, error, dict(row))

    def cleaning(self, shops: Iterable[Shop], now_wall: float) -> dict[str, Any]:
        """How many shops cleaned in time, and which are overdue (longest first, fifty at most)."""
        self._refresh()
        late = []
        in_time = 0
        for shop in shops:
            cleaned = self._cleaned.get(shop.id)
            days = None if cleaned is None else (now_wall - cleaned) / 86_400.0
            if days is not None and days <= shop.cleaning_days:
                in_time += 1
            else:
                late.append((days if days is not None else 1e9, shop.id))
        late.sort(reverse=True)
        return {
            "in_time": in_time,
            "overdue": len(late),
            "overdue_shops": [s for _, s in late[:50]],
        }

    def _refresh(self) -> None:
        """Read again where somebody has added a cleaning."""
        files = [(path, path.stat()) for path in ledger.files(self._state, "cleaning")]
        stamp = [(path.name, stat.st_size, stat.st_mtime_ns) for path, stat in files]
        if stamp == self._read:
            return
        self._read, self._cleaned = stamp, {}
        for row in ledger.read(self._state, "cleaning")[0]:
            shop, wall = str(row.get("shop")), row.get("wall")
            if isinstance(wall, int | float):
                self._cleaned[shop] = max(float(wall), self._cleaned.get(shop, 0.0))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Ledgers of instruments and shops as JSON lines: cleaning, usage, calibration, inspection.

Seed S0 of domain.md §1.2 (R18) wants a record of every check, result, cleaning and handling.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edge.sensors.settings import Shop

log = logging.getLogger(__name__)

NAMES = ("cleaning", "usage", "levels", "calibration", "inspection")


class Ledgers:
    """`<state>/ledgers/<name>.jsonl`, one writer; a row is durable when `add` returns."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "ledgers"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._cleaned = {
            str(row.get("shop")): float(row.get("wall", 0.0)) for row in self.rows("cleaning")
        }

    def add(self, name: str, row: Mapping[str, Any]) -> None:
        """Append a row. Where the disk refuses, the row goes into the log instead, as an error."""
        assert name in NAMES, name
        text = json.dumps(dict(row), ensure_ascii=False) + "\n"
        try:
            with (self._folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log.error("ledger %s: %s; lost: %s", name, error, text.strip())
            return
        if name == "cleaning":
            self._cleaned[str(row.get("shop"))] = float(row.get("wall", 0.0))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows, oldest first; a torn last line is left out."""
        try:
            lines = (self._folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [row for text in lines if (row := _row(text)) is not None]

    def cleaning(self, shops: Iterable[Shop], now_wall: float) -> dict[str, Any]:
        """How many shops cleaned in time, and which are overdue (longest first, fifty at most)."""
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


def _row(text: str) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None

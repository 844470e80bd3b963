# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where every wave and every box of it stands: rows beside the records of the same store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from city_platform.database import Database
from city_platform.files import Box
from city_platform.waves import BoxRow, Wave, WaveState, heard

SCHEMA = """
CREATE TABLE IF NOT EXISTS wave (
  name TEXT PRIMARY KEY, told TEXT, state TEXT, why TEXT, began REAL, heard REAL, went REAL);
CREATE TABLE IF NOT EXISTS wave_box (
  wave TEXT, tenant TEXT, device TEXT, stage TEXT, at REAL, orders BIGINT, why TEXT,
  PRIMARY KEY (wave, tenant, device));
CREATE TABLE IF NOT EXISTS box_label (
  tenant TEXT, device TEXT, grid TEXT, tags TEXT, PRIMARY KEY (tenant, device));
CREATE INDEX IF NOT EXISTS record_received ON record (kind, received);
"""
# Records are stored with the time of their arrival; receivers' clocks may differ by so much.
OVERLAP_S = 30.0


class NoWave(ValueError):
    """What a person named is not there, or cannot be; one line. word: the key of the page's
    sentence for it, where there is one."""

    def __init__(self, text: str, word: str = "") -> None:
        super().__init__(text)
        self.word = word


@dataclass(frozen=True, slots=True)
class WaveRow:
    """A wave and where it stands. went: since when failures count."""

    wave: Wave
    state: WaveState
    why: str
    began: float
    heard: float
    went: float


class WaveStore:
    """One connection. Call the methods that write inside `with database.transaction():`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def create(self, wave: Wave, at: float) -> None:
        """Raises NoWave where the name was used before, or another wave is running."""
        if any(row.wave.name == wave.name for row in self.waves()):
            raise NoWave(f"{wave.name}: there is a wave of this name already", "taken")
        self._alone(wave.name)
        told = msgspec.json.encode(wave).decode()
        self._db.run(
            "INSERT INTO wave VALUES (?, ?, 'running', '', ?, ?, ?)", (wave.name, told, at, at, at)
        )

    def _alone(self, name: str) -> None:
        """Two releases at once would be two trials on one box."""
        running = [row.wave.name for row in self.waves() if row.state == "running"]
        if set(running) - {name}:
            raise NoWave(f"{running[0]}: is running; stop it first", "busy")

    def waves(self) -> list[WaveRow]:
        """The newest first."""
        sql = "SELECT told, state, why, began, heard, went FROM wave ORDER BY began DESC"
        return [
            WaveRow(msgspec.json.decode(told, type=Wave), *rest)
            for told, *rest in self._db.rows(sql)
        ]

    def one(self, name: str) -> WaveRow:
        """Raises NoWave."""
        for row in self.waves():
            if row.wave.name == name:
                return row
        raise NoWave(f"{name}: no such wave")

    def set_state(self, name: str, state: WaveState, why: str = "") -> None:
        self.one(name)
        self._db.run("UPDATE wave SET state = ?, why = ? WHERE name = ?", (state, why, name))

    def _not_done(self, name: str) -> None:
        if self.one(name).state == "done":
            raise NoWave(f"{name}: is done", "state:done")

    def stop(self, name: str) -> None:
        """Nobody more is ordered. Raises NoWave, also for one that is done."""
        self._not_done(name)
        self.set_state(name, "stopped", "stopped by a person")

    def go(self, name: str, at: float) -> None:
        """It goes on; only failures from now on count. Raises NoWave, also for one that is done,
        and while another is running."""
        self._not_done(name)
        self._alone(name)
        self.set_state(name, "running")
        self._db.run("UPDATE wave SET went = ? WHERE name = ?", (at, name))

    def rows(self, wave: Wave) -> list[BoxRow]:
        """Every box that the platform knows, with where it stands in this wave."""
        sql = (
            "SELECT DISTINCT k.tenant, k.device, w.stage, w.at, w.orders, w.why, l.grid, l.tags"
            " FROM device_key k"
            " LEFT JOIN wave_box w ON w.tenant = k.tenant AND w.device = k.device AND w.wave = ?"
            " LEFT JOIN box_label l ON l.tenant = k.tenant AND l.device = k.device"
        )
        return [
            BoxRow(
                Box(tenant, device),
                stage or "waiting",
                at or 0.0,
                orders or 0,
                why or "",
                grid or "",
                frozenset((tags or "").split()),
            )
            for tenant, device, stage, at, orders, why, grid, tags in self._db.rows(
                sql, (wave.name,)
            )
        ]

    def tenants_and_tags(self) -> tuple[list[str], list[str]]:
        """What a wave may be for: tenants with boxes, and the words that boxes are labelled by."""
        tenants = self._db.rows("SELECT DISTINCT tenant FROM device_key ORDER BY tenant")
        tags = {tag for (text,) in self._db.rows("SELECT tags FROM box_label")
                for tag in (text or "").split()}  # fmt: skip
        return [tenant for (tenant,) in tenants], sorted(tags)

    def keep(self, wave: Wave, rows: Iterable[BoxRow]) -> None:
        """Store where each box of the wave stands, over what was stored before."""
        for row in rows:
            self._db.run(
                "INSERT INTO wave_box VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (wave, tenant, device) DO UPDATE SET stage = excluded.stage,"
                " at = excluded.at, orders = excluded.orders, why = excluded.why",
                (wave.name, *row.box, row.stage, row.at, row.orders, row.why),
            )

    def hear(self, row: WaveRow) -> int:
        """Apply what boxes reported since the last time; how many rows changed."""
        sql = (
            "SELECT tenant, device, received, payload FROM record"
            " WHERE kind = 'fault' AND received > ? ORDER BY received, seq"
        )
        found = self._db.rows(sql, (row.heard - OVERLAP_S,))
        boxes = {one.box: one for one in self.rows(row.wave)} if found else {}
        before = dict(boxes)
        for tenant, device, received, payload in found:
            box = Box(tenant, device)
            if received >= row.began and box in boxes:
                fault = _software(bytes(payload))
                if fault:
                    boxes[box] = heard(row.wave, boxes[box], fault, received)
        changed = [one for box, one in boxes.items() if one is not before[box]]
        self.keep(row.wave, changed)
        latest = max((received for _, _, received, _ in found), default=row.heard)
        self._db.run("UPDATE wave SET heard = ? WHERE name = ?", (latest, row.wave.name))
        return len(changed)

    def label(self, box: Box, grid: str, tags: Iterable[str]) -> None:
        """What a person says of a box: its unit grid, and words to choose it by."""
        text = " ".join(sorted(set(tags)))
        self._db.run(
            "INSERT INTO box_label VALUES (?, ?, ?, ?) ON CONFLICT (tenant, device)"
            " DO UPDATE SET grid = excluded.grid, tags = excluded.tags",
            (*box, grid, text),
        )


def _software(payload: bytes) -> dict[str, Any] | None:
    """The fault's content where it is about software."""
    if b'"software_' not in payload:
        return None
    data = msgspec.json.decode(payload).get("data")
    known = isinstance(data, dict) and str(data.get("kind", "")).startswith("software_")
    return data if known else None

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A state folder with violations in its outbox and reviewers' words beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge.config.category import Category
from edge.config.dated import Calendar
from edge.handling.casework import Casework, HandlingTerms, step_data
from edge.handling.deadlines import Office
from edge.handling.life import CaseLife, CaseStep
from edge.handling.looks import Looks
from edge.outbox import Outbox
from edge.uplink.wire import utc_text
from edge.values import Stamp

ZONE = ZoneInfo("Asia/Shanghai")
# Monday, 9 March 2026, 10:00 in Shanghai.
TEN = 1_773_021_600.0
CATEGORIES = {
    "street-vendor": Category(id="street-vendor", kind="occupation", zh="游商", en="vending",
                              classes=("vendor_stall",), deadline_h=4, auto_settle=True),
    "exposed-refuse": Category(id="exposed-refuse", kind="occupation", zh="堆物", en="piles",
                            classes=("garbage",), deadline_h=8, deadline_counts="working_hours"),
    "dust-level": Category(id="dust-level", kind="dust", zh="扬尘", en="dust"),
}  # fmt: skip
OFFICE = Office(("08:30-12:00", "14:00-17:30"), Calendar(), ZONE)


def moment(wall: float) -> dict[str, Any]:
    return {"utc": utc_text(wall), "mono": wall, "quality": "ntp", "error_ms": 5.0}


def violation(
    case: str, at: float, *, category: str = "street-vendor", camera: str = "east",
    phase: str = "new", ended: float | None = None, grid: str = "110101001001001",
    anchor: tuple[float, float] = (0.5, 0.7), outcome: str = "to_report", revision: int = 1,
    kind: str = "fixed_camera", lat: float | None = None, lon: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """`data` of a violation's record, as far as handling reads it."""
    return {
        "id": case, "revision": revision, "phase": phase, "category": category,
        "names": {"zh": "游商", "en": "vending"},
        "source": {"kind": kind, "id": camera, "name": camera},
        "began": moment(at - 200), "decided": moment(at),
        "ended": None if ended is None else moment(ended), "place": list(anchor),
        "where": {"lat": lat, "lon": lon, "grid": grid, "address": "鼓楼东街"},
        "zone": {"allowed": False}, "facts": {"outcome": outcome}, "occurrence": 1,
        "priority": "normal", "gate": "complete",
    }  # fmt: skip


@dataclass
class Box:
    """`sent`: the bodies of the records that the platform gets."""

    state: Path
    run: Path
    sent: list[dict[str, Any]] = field(default_factory=list)
    fail_after: int | None = None

    def __post_init__(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.outbox = Outbox(self.state / "outbox.db")

    def close(self) -> None:
        self.outbox.close()

    def found(self, case: str, at: float, **more: Any) -> None:
        body = violation(case, at, **more)
        row = f"{case}/r{body['revision']}"
        folder = self.state / "evidence" / case / f"r{body['revision']}"
        folder.mkdir(parents=True, exist_ok=True)
        key = f"{body['source']['id']}/{case}"
        manifest = {"key": key, "finding": {"box": [0.4, 0.5, 0.6, 0.7]}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        self.outbox.put(lane="violation", kind="violation", key=row, body=body, folder=folder)

    def reviewed(self, case: str, verdict: str, at: float, **more: str) -> None:
        folder = self.state / "reviews"
        folder.mkdir(exist_ok=True)
        row = {"violation": case, "verdict": verdict, "at": utc_text(at), **more}
        row.setdefault("by", "console:wang")
        with (folder / "console-2026-03.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def put(self, step: CaseStep, life: CaseLife | None) -> None:
        if self.fail_after is not None:
            self.fail_after -= 1
            if self.fail_after < 0:
                raise OSError("power")
        self.sent.append(step_data(step, life, Stamp(0.0, step.arrived)))

    def casework(self, *, looks: bool = False) -> Casework:
        terms = HandlingTerms(CATEGORIES, OFFICE, ZONE)
        asked = Looks(self.state, self.run, terms.classes) if looks else None
        return Casework(self.state, terms, self.put, asked)

    def work(self, now: float, *, looks: bool = False) -> int:
        return self.casework(looks=looks).work(now)

    def life(self, case: str) -> CaseLife:
        found = self.casework().life(case)
        assert found is not None
        return found

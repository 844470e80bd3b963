# SPDX-License-Identifier: AGPL-3.0-or-later
"""Two flights held against each other: what is new, still there, gone; who waits too long. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from edge.drone import earth
from edge.drone.settings import Ledger
from edge.drone.sites import RegisteredSite
from edge.vision.association import assign

# Ground was inspected by a flight if this share of the site was.
INSPECTED_SHARE = 0.05
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """`still`: finding id to the earlier finding. `gone`: earlier findings whose ground this flight
    inspected without finding them. `unseen`: earlier findings it did not fly over."""

    still: Mapping[str, Row]
    gone: tuple[Row, ...]
    unseen: tuple[Row, ...]


def difference(
    earlier: Sequence[Row], now: Sequence[Row], inspected: Callable[[Row], bool]
) -> Difference:
    """Findings as in flight.json. The same thing: its category and site, and a distance within the
    two radii of uncertainty joined; each is paired once, nearest first overall."""
    costs = np.full((len(earlier), len(now)), 1e9)
    for row, old in enumerate(earlier):
        for column, new in enumerate(now):
            costs[row, column] = _apart(old, new)
    rows, columns = assign(costs, 1.0) if costs.size else ((), ())
    pairs = {int(r): int(c) for r, c in zip(rows, columns, strict=True)}
    still = {str(now[c]["id"]): earlier[r] for r, c in pairs.items()}
    left = [old for number, old in enumerate(earlier) if number not in pairs]
    return Difference(
        still,
        tuple(old for old in left if inspected(old)),
        tuple(old for old in left if not inspected(old)),
    )


def _apart(old: Row, new: Row) -> float:
    """Distance over the allowed one; beyond 1 they are two things."""
    if old["category"] != new["category"] or old.get("site") != new.get("site"):
        return 1e9
    if "soil_share" in new.get("facts", {}):
        return 0.0  # bare soil is of the site, not of a spot in it
    allowed = math.hypot(float(old["ce90_m"]), float(new["ce90_m"]))
    away = earth.distance_m((old["lat"], old["lon"]), (new["lat"], new["lon"]))
    return away / max(allowed, 1e-6)


def last_inspections(flights: Sequence[Row], before_utc: float) -> dict[str, Row]:
    """site id to the latest flight before a time that inspected it; "" to the latest at all."""
    latest: dict[str, Row] = {}
    for flight in sorted(flights, key=lambda f: f["start_utc"]):
        if flight["start_utc"] >= before_utc:
            continue
        latest[""] = flight
        for site in flight["sites"]:
            if site["inspected_share"] >= INSPECTED_SHARE:
                latest[site["id"]] = flight
    return latest


def earlier_findings(latest: Mapping[str, Row]) -> list[Row]:
    """Findings to be looked for again: of each site those of its last inspection, and without a
    site those of the last flight. Gone ones are not looked for again."""
    rows: list[Row] = []
    for site, flight in latest.items():
        rows += [
            {**finding, "flight": flight["flight_id"]}
            for finding in flight["findings"]
            if (finding.get("site") or "") == site and finding.get("lat") is not None
        ]
    return rows


@dataclass(frozen=True, slots=True)
class Waiting:
    """A site that should have been flown again."""

    site: RegisteredSite
    last: date | None
    days: int | None


def overdue(
    sites: Sequence[RegisteredSite], flights: Sequence[Row], today: date, settings: Ledger
) -> list[Waiting]:
    """Valid sites and corridors not inspected within `overdue_days`, the longest wait first."""
    last: dict[str, date] = {}
    for flight in flights:
        day = settings.day(flight["start_utc"])
        for site in flight["sites"]:
            if site["inspected_share"] >= INSPECTED_SHARE:
                last[site["id"]] = max(last.get(site["id"], day), day)
    waiting = [
        Waiting(site, seen, (today - seen).days if seen else None)
        for site in sites
        if site.kind in ("site", "corridor") and site.valid_on(today)
        for seen in (last.get(site.id),)
    ]
    late = [row for row in waiting if row.days is None or row.days > settings.overdue_days]
    return sorted(late, key=lambda row: -(row.days if row.days is not None else 10**6))

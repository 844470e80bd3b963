# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the muck-truck file says of a truck seen here and now: its permit, hours, places and route
(两点一线). Pure.

Only a surely read plate can be found wrong; whatever is doubtful is for the reviewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.rules.fence import Station, station_of
from edge.rules.trucks import PlateMatch, Truck, TruckPermit
from edge.rules.zones import LocalMoment, when_fits
from edge.values import Json

PermitState = Literal[
    "valid", "off_route", "out_of_hours", "elsewhere", "expired", "not_yet", "no_permit"
]
# Of several permits the one that comes nearest to allowing what is seen is named.
NEAREST: tuple[PermitState, ...] = (
    "valid",
    "off_route",
    "out_of_hours",
    "elsewhere",
    "expired",
    "not_yet",
)
WORDS: dict[PermitState, tuple[str, str]] = {
    "valid": ("许可有效", "permit valid"),
    "off_route": ("偏离核准线路", "off the permitted route"),
    "out_of_hours": ("超出核准时间", "outside the permitted hours"),
    "elsewhere": ("非核准装卸点", "not a place of its permits"),
    "expired": ("许可过期", "permit expired"),
    "not_yet": ("许可未生效", "permit not in force yet"),
    "no_permit": ("无运输许可", "no transport permit"),
}


@dataclass(frozen=True, slots=True)
class CameraPosition:
    """Where the camera stands: `premises` is a loading or dumping place of the truck file."""

    premises: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True)
class Vetted:
    """The answer for one truck. `state` None: the truck is not known, so nothing is said of it."""

    match: PlateMatch
    state: PermitState | None = None
    permit: TruckPermit | None = None
    station: Station | None = None
    off_line_m: float | None = None

    @property
    def breach(self) -> bool:
        """A registered truck that does what no permit of it allows."""
        return self.state not in (None, "valid")

    @property
    def review(self) -> bool:
        return self.match.status != "registered"

    @property
    def why(self) -> tuple[str, str]:
        """In Chinese and English."""
        if self.state is not None:
            return WORDS[self.state]
        if self.match.status == "unregistered":
            return ("未登记车辆，请人工核实", "not in the truck file; please review")
        return ("车牌未识别，请人工核实", f"plate unknown ({self.match.why}); please review")

    def facts(self) -> dict[str, Json]:
        """As a finding carries it."""
        truck, permit = self.match.truck, self.permit
        zh, en = self.why
        return {
            "status": self.match.status,
            "plate": self.match.plate,
            "corrected": self.match.corrected,
            "company": truck.company if truck else None,
            "permit": permit.number if permit else None,
            "permit_state": self.state,
            "station": self.station,
            "off_line_m": None if self.off_line_m is None else round(self.off_line_m, 1),
            "review": self.review,
            "why_zh": zh,
            "why_en": en,
        }


def vet(match: PlateMatch, at: LocalMoment, spot: CameraPosition) -> Vetted:
    """A plate match against the permits of its truck, at this instant and place."""
    truck = match.truck
    if truck is None:
        return Vetted(match)
    if not truck.permits:
        return Vetted(match, "no_permit")
    answers = [_asked(match, permit, at, spot) for permit in truck.permits]
    return min(answers, key=lambda a: NEAREST.index(a.state) if a.state else len(NEAREST))


def _asked(match: PlateMatch, permit: TruckPermit, at: LocalMoment, spot: CameraPosition) -> Vetted:
    state = _in_time(permit, at)
    if state != "valid":
        return Vetted(match, state, permit)
    if spot.premises and permit.loading and spot.premises not in (permit.loading, permit.dumping):
        return Vetted(match, "elsewhere", permit)
    if permit.route is None or spot.lat is None or spot.lon is None:
        return Vetted(match, "valid", permit)
    station, away_m = station_of(spot.lat, spot.lon, permit.route)
    return Vetted(match, "off_route" if station == "off" else "valid", permit, station, away_m)


def _in_time(permit: TruckPermit, at: LocalMoment) -> PermitState:
    if when_fits(permit.when, at):
        return "valid"
    today = at.local.date().isoformat()
    if permit.when.to_date and permit.when.to_date < today:
        return "expired"
    if permit.when.from_date and permit.when.from_date > today:
        return "not_yet"
    return "out_of_hours"


def premises_of(trucks: tuple[Truck, ...]) -> set[str]:
    """All loading and dumping places that the permits name."""
    permits = [permit for truck in trucks for permit in truck.permits]
    return {place for p in permits for place in (p.loading, p.dumping) if place}

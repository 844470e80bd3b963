# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a flight's tracks mean: the categories judged with flight-suited parameters. Pure.

A camera stands and waits for three minutes; a flight passes in eight seconds. So dwell is replaced
by sightings from several places, and a finding stays what it always is: suspected, for a person
to look at. Which classes and zones a category asks for is data (categories.yaml); how a kind is
judged from the air is one function in KINDS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.config import Category
from edge.drone.earth import Local
from edge.drone.groundgrid import Cover
from edge.drone.groundtrack import GroundTrack, Seen
from edge.drone.settings import Judging
from edge.drone.sites import Area, Membership, RegisteredSite, assign
from edge.drone.soil import INDEX_TEXT
from edge.values import Json, ZoneDecision

# Zone kinds of categories.yaml and the kinds of the register that stand for them from the air.
_ZONES: Mapping[str, tuple[str, ...]] = {
    "watch": ("watch", "forbidden", "corridor", "site"),
    "forbidden": ("forbidden",),
    "site": ("site",),
    "lane": ("corridor",),
    "gate": ("site",),
    "frontage": (),
}
# Above this, parallax says the thing stands on a roof or is a tree top: no street offence.
# What lies higher above the ground by parallax is on a roof or a tree. A spill belongs to a truck
# so near, a dumping to what lies within reach of its bed.
RAISED_M = 4.0
SPILL_TRUCK_M = 40.0
DUMP_REACH_M = 12.0


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules may ask: the flight's tracks, the register, the grids' results."""

    tracks: Sequence[GroundTrack]
    areas: Sequence[Area]
    covers: Mapping[str, tuple[Cover, tuple[float, float] | None]]
    judging: Judging
    plane: Local

    def near(self, track: GroundTrack, labels: Sequence[str], reach_m: float) -> list[GroundTrack]:
        """Tracks of these classes that were within reach of it while it was seen."""
        east, north = track.place
        return [
            other
            for other in self.tracks
            if other is not track
            and other.label in labels
            and any(
                math.hypot(s.sighting.east - east, s.sighting.north - north) <= reach_m
                and track.first_s - 3.0 <= s.t_s <= track.last_s + 3.0
                for s in other.seen
            )
        ]


@dataclass(frozen=True, slots=True)
class FlightFinding:
    """One finding of a flight, before pictures: what, where, how sure, on what grounds.

    `shots` are the sightings to be shown: best first, then the earliest and the latest.
    """

    category: str
    east: float
    north: float
    ce90_m: float
    low_confidence: bool
    score: float
    first_s: float
    last_s: float
    shots: tuple[Seen, ...]
    site: RegisteredSite | None
    membership: Membership
    share: float
    zone: ZoneDecision
    facts: dict[str, Json] = field(default_factory=dict)


Verdict = dict[str, Json] | None
Rule = Callable[[Category, GroundTrack, Situation], Verdict]


def judge(categories: Sequence[Category], situation: Situation) -> list[FlightFinding]:
    """The charges of a flight, in order of first sight."""
    charges: list[FlightFinding] = []
    wanted = situation.judging.categories
    for category in categories:
        if wanted and category.id not in wanted:
            continue
        if category.kind == "cover":
            charges += _bare_sites(category, situation)
        elif category.kind in KINDS:
            charges += _of_category(category, situation)
    return sorted(charges, key=lambda charge: charge.first_s)


def _of_category(category: Category, situation: Situation) -> Iterator[FlightFinding]:
    rule, labels = KINDS[category.kind], _subjects(category)
    for track in situation.tracks:
        if track.label not in labels or track.score < category.least(track.label):
            continue
        facts = rule(category, track, situation) if _confirmed(track, situation.judging) else None
        if facts is not None:
            charge = _charge(category, track, situation, facts)
            if charge.zone.allowed is False:
                yield charge


def _subjects(category: Category) -> tuple[str, ...]:
    """Spillage is the material on the road, whatever truck it fell from."""
    return category.with_classes if category.kind == "spill" else category.classes


def _confirmed(track: GroundTrack, judging: Judging) -> bool:
    """Enough looks, from places far enough apart or for long enough, and not up on a roof."""
    if track.looks < judging.looks:
        return False
    if track.baseline_m < judging.baseline_m and track.last_s - track.first_s < judging.standing_s:
        return False
    raised = track.raised_m
    return raised is None or raised < RAISED_M


def _stands(track: GroundTrack, situation: Situation) -> bool:
    return track.speed_mps <= situation.judging.moving_mps


def _stall(category: Category, track: GroundTrack, situation: Situation) -> Verdict:
    """Stalls, goods: it stands; where the category asks for people, someone was beside it."""
    if not _stands(track, situation):
        return None
    company = situation.near(track, category.with_classes, situation.judging.reach_m)
    if category.with_classes and not company:
        return None
    return {"beside": sorted({other.label for other in company})}


def _grill(category: Category, track: GroundTrack, situation: Situation) -> Verdict:
    """A grill with smoke, fire or people beside it."""
    company = situation.near(track, category.with_classes, situation.judging.reach_m)
    if not company or not _stands(track, situation):
        return None
    return {"beside": sorted({other.label for other in company})}


def _plume(category: Category, track: GroundTrack, situation: Situation) -> Verdict:
    """Dust over a site: sighted repeatedly; how long it hung is reported, not demanded."""
    del category, situation
    return {"seen_s": round(track.last_s - track.first_s, 1)}


def _spill(category: Category, track: GroundTrack, situation: Situation) -> Verdict:
    """Material lying on a road; a truck nearby is reported, not demanded."""
    if not _stands(track, situation):
        return None
    trucks = situation.near(track, category.classes, SPILL_TRUCK_M)
    return {"truck_near": bool(trucks)}


def _load(category: Category, track: GroundTrack, situation: Situation) -> Verdict:
    """An open load: soil colours fill the bed, seen from above in most looks."""
    if category.set.get("trait") != "open_loaded":
        return None
    shares = sorted(seen.sighting.soil for seen in track.seen)
    middle = shares[len(shares) // 2]
    if middle < situation.judging.load_soil_share:
        return None
    return {"load_soil_share": round(middle, 2), "speed_mps": round(track.speed_mps, 1)}


def _dumping(category: Category, track: GroundTrack, situation: Situation) -> Verdict:
    """A truck that stands beside material on the ground, outside every approved place."""
    if not _stands(track, situation):
        return None
    material = situation.near(track, category.with_classes, DUMP_REACH_M)
    inside = [a for a in situation.areas if a.site.kind == "dump" and a.holds(*track.place)]
    return {"beside": sorted({m.label for m in material})} if material and not inside else None


KINDS: Mapping[str, Rule] = {
    "occupation": _stall,
    "grilling": _grill,
    "plume": _plume,
    "spill": _spill,
    "uncovered": _load,
    "dumping": _dumping,
}


def _charge(
    category: Category, track: GroundTrack, situation: Situation, facts: dict[str, Json]
) -> FlightFinding:
    east, north = track.place
    zone, area, membership, share = _zone(category, situation, east, north, track.ce90_m)
    raised = track.raised_m
    return FlightFinding(
        category=category.id,
        east=east,
        north=north,
        ce90_m=track.ce90_m,
        low_confidence=all(seen.sighting.low_confidence for seen in track.seen),
        score=track.score,
        first_s=track.first_s,
        last_s=track.last_s,
        shots=_shots(track),
        site=area.site if area else None,
        membership=membership,
        share=share,
        zone=zone,
        facts={
            **facts,
            "looks": track.looks,
            "baseline_m": round(track.baseline_m, 1),
            "raised_m": None if raised is None else round(raised, 1),
            "label": track.label,
        },
    )


def _shots(track: GroundTrack) -> tuple[Seen, ...]:
    """The best look (sure, near, not at the picture's edge), the first and the last, each once."""
    best = max(track.seen, key=_showing)
    chosen = [best, track.seen[0], track.seen[-1]]
    return tuple({seen.t_s: seen for seen in chosen}.values())


def _showing(seen: Seen) -> float:
    """How well a look shows the thing: half as well at the very edge, less from far away."""
    x1, y1, x2, y2 = seen.sighting.box
    inner = min(x1, y1, 1.0 - x2, 1.0 - y2)
    central = 0.5 + 0.5 * min(1.0, max(0.0, inner) / 0.15)
    return seen.sighting.score * central / math.sqrt(math.sqrt(max(1.0, seen.sighting.ground_m)))


def _zone(
    category: Category, situation: Situation, east: float, north: float, ce90_m: float
) -> tuple[ZoneDecision, Area | None, Membership, float]:
    """Whether this place is asked for, and of which site it is."""
    kinds = {kind for zone in category.zone_kinds for kind in _ZONES.get(zone, ())}
    permitted = [a for a in situation.areas if a.site.kind == "permitted" and _covers(a, category)]
    free, membership, share = assign(permitted, east, north, ce90_m)
    if free is not None and membership == "in_polygon":
        permit = free.site.permits[0] if free.site.permits else None
        why = ZoneDecision(True, "in a permitted area", (free.site.id,), permit)
        return why, free, membership, share
    asked = [a for a in situation.areas if a.site.kind in kinds and _covers(a, category)]
    area, membership, share = assign(asked, east, north, ce90_m)
    if area is not None:
        reason = "in the area" if membership == "in_polygon" else "beside the area, within error"
        return ZoneDecision(False, reason, (area.site.id,)), area, membership, share
    if not situation.areas and kinds:
        return ZoneDecision(False, "no register: judged everywhere"), None, "outside", 0.0
    return ZoneDecision(True, "outside every area of its kind"), None, "outside", 0.0


def _covers(area: Area, category: Category) -> bool:
    return not area.site.categories or category.id in area.site.categories


def _bare_sites(category: Category, situation: Situation) -> Iterator[FlightFinding]:
    """One charge for each site with too much bare soil, placed at its largest bare patch."""
    for area in situation.areas:
        cover, centre = situation.covers.get(area.site.id, (None, None))
        if cover is None or centre is None or area.site.kind != "site":
            continue
        judging = situation.judging
        if cover.inspected < judging.soil_inspected or cover.soil < judging.soil_share:
            continue
        facts: dict[str, Any] = {
            "soil_share": round(cover.soil, 3),
            "net_share": round(cover.net, 3),
            "growth_share": round(cover.growth, 3),
            "inspected_share": round(cover.inspected, 3),
            "bare_m2": round(cover.soil * cover.inspected * cover.area_m2),
            "index": INDEX_TEXT,
        }
        yield FlightFinding(
            category=category.id,
            east=centre[0],
            north=centre[1],
            ce90_m=5.0,
            low_confidence=False,
            score=min(1.0, cover.soil),
            first_s=0.0,
            last_s=0.0,
            shots=(),
            site=area.site,
            membership="in_polygon",
            share=1.0,
            zone=ZoneDecision(False, "share of the site's polygon", (area.site.id,)),
            facts=facts,
        )

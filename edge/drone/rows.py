# SPDX-License-Identifier: AGPL-3.0-or-later
"""The rows of a ledger: findings, sites, what cannot be placed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from edge.config import Category, config_sha256
from edge.drone.compare import Row as Earlier
from edge.drone.compare import last_inspections, overdue
from edge.drone.earth import Local
from edge.drone.flight import Flight
from edge.drone.groundgrid import Cover
from edge.drone.mosaic import Mosaic
from edge.drone.pairing import Note
from edge.drone.rule_settings import FlightFinding
from edge.drone.sites import Area, RegisteredSite
from edge.drone.summary import Stretch, Summary, UnplacedGroup
from edge.drone.words import BLIND, NOTES

Row = dict[str, Any]


def finding_row(
    flight: Flight, number: int, charge: FlightFinding, categories: Sequence[Category]
) -> Row:
    name = f"{flight.flight_id}-{number:03d}"
    start = flight.start_wall
    return charge_row(charge, flight.plane, categories, number=number, name=name, start_wall=start)


def charge_row(
    charge: FlightFinding,
    plane: Local,
    categories: Sequence[Category],
    *,
    number: int,
    name: str,
    start_wall: float,
) -> Row:
    """A charge as the ledger shows it; `start_wall` is UTC of the charge's second 0."""
    category = next(c for c in categories if c.id == charge.category)
    lat, lon = plane.degrees(charge.east, charge.north)
    site = charge.site
    best = charge.shots[0] if charge.shots else None
    return {
        "id": name,
        "number": number,
        "category": category.id,
        "codes": dict(category.codes),
        "names": {"zh": category.zh, "en": category.en},
        "status": "new",
        "lat": round(lat, 8),
        "lon": round(lon, 8),
        "ce90_m": round(charge.ce90_m, 2),
        "low_confidence": charge.low_confidence,
        "site": site.id if site else None,
        "site_name": site.name if site else None,
        "grid": site.grid if site else None,
        "membership": charge.membership,
        "site_share": round(charge.share, 2),
        "zone": asdict(charge.zone),
        "score": charge.score,
        "first_s": charge.first_s,
        "last_s": charge.last_s,
        "first_utc": start_wall + charge.first_s,
        "last_utc": start_wall + charge.last_s,
        "best_s": best.t_s if best else None,
        "box": list(best.sighting.box) if best else None,
        "shots": [{"t_s": s.t_s, "box": list(s.sighting.box)} for s in charge.shots],
        "facts": dict(charge.facts),
        "pictures": {},
        "previous": None,
    }


def gone_row(row: Mapping[str, Any]) -> Row:
    return {**row, "status": "gone", "pictures": {"old": row["pictures"]}}


def ledger_row(
    flight: Flight,
    summary: Summary,
    findings: list[Row],
    gone: list[Row],
    mosaic: Mosaic | None,
    model: tuple[str, str],
) -> Row:
    """The whole `flight.json`: the flight, what was inspected and blind, findings, model and
    configuration hashes. Sites and overdue ones are filled in later. Times in UTC s."""
    looks = max(1, summary.looks)
    counts = Counter(finding["status"] for finding in findings)
    blind = [blind_row(part) for part in summary.blind if part.end_s > part.start_s]
    area = float((mosaic.steep > 0).sum()) * mosaic.extent.metre_px**2 if mosaic else 0.0
    source = summary.sources.most_common(1)
    return {
        "version": 1,
        "flight_id": flight.flight_id,
        "name": flight.given.name or flight.given.video.stem,
        "aircraft": flight.settings.aircraft.name or flight.settings.aircraft.camera,
        "video": flight.given.video.name,
        "video_sha256": flight.video_sha256,
        "telemetry": flight.found.text,
        "start_utc": flight.start_wall,
        "end_utc": flight.start_wall + flight.duration_s,
        "duration_s": round(flight.duration_s, 2),
        "minutes": round(flight.duration_s / 60.0, 2),
        "distance_m": round(summary.distance_m, 1),
        "area_m2": round(area, 1),
        "highest_m": round(summary.highest_m, 1),
        "looks": summary.looks,
        "tiles": summary.tiles,
        "tiles_spared": round(1 - summary.tiles / max(1, summary.all_tiles), 3)
        if summary.all_tiles > summary.tiles
        else 0.0,
        "pose_source": source[0][0] if source else "none",
        "pose_quality": {key: round(n / looks, 3) for key, n in summary.qualities.items()},
        "clock": flight.clock,
        "lens": flight.lens(),
        "yaw_bias_deg": None if flight.setup.bias is None else flight.setup.bias.bias_deg,
        "model": model[0],
        "model_sha256": model[1],
        "config_sha256": config_sha256(flight.settings),
        "counts": {
            "findings": len(findings),
            "new": counts["new"],
            "still": counts["still"],
            "gone": len(gone),
            "unplaced": len(summary.unplaced),
        },
        "findings": findings,
        "gone": gone,
        "as_flown": None,
        "unplaced": [unplaced_row(group) for group in summary.unplaced],
        "blind": blind,
        "blind_s": round(sum(part["end_s"] - part["start_s"] for part in blind), 1),
        "notes": [note_row(note) for note in flight.notes],
        "track": summary.track.rows,
        "footprints": summary.footprints.rows,
        "overdue_days": flight.settings.ledger.overdue_days,
        "sites": [],
        "overdue": [],
    }


def blind_row(part: Stretch) -> Row:
    """A stretch that was not inspected, with its reason in both languages."""
    zh, en = BLIND.get(part.why, (part.why, part.why))
    return {**asdict(part), "words": {"zh": zh, "en": en}}


def note_row(note: Note) -> Row:
    """A note with its sentence in both languages."""
    zh, en = (text.format(text=note.text) for text in NOTES.get(note.key, ("{text}", "{text}")))
    return {**asdict(note), "words": {"zh": zh, "en": en}}


def unplaced_row(group: UnplacedGroup) -> Row:
    row = asdict(group)
    return {**row, "score": row["best"]["score"], "box": list(row["best"]["box"])}


def site_row(
    area: Area,
    covers: Mapping[str, tuple[Cover, tuple[float, float] | None]],
    findings: Sequence[Row],
    gone: Sequence[Row],
    history: Sequence[Earlier],
    flight: Flight,
) -> Row:
    """One inspected place: shares of cover (soil only for building sites), counts of findings,
    when it was flown last."""
    site = area.site
    cover = covers[site.id][0]
    mine = [finding for finding in findings if finding["site"] == site.id]
    kinds = Counter(finding["category"] for finding in mine)
    names = {finding["category"]: finding["names"] for finding in mine}
    last = last_inspections(history, flight.start_wall).get(site.id)
    of_site = site.kind == "site"
    return {
        "id": site.id,
        "name": site.name,
        "name_en": site.name_en,
        "kind": site.kind,
        "permits": list(site.permits),
        "inspected_share": round(cover.inspected, 3),
        "soil_share": round(cover.soil, 3) if of_site else None,
        "net_share": round(cover.net, 3) if of_site else None,
        "growth_share": round(cover.growth, 3) if of_site else None,
        "area_m2": round(cover.area_m2),
        "found": [{"category": k, "names": names[k], "count": n} for k, n in kinds.items()],
        "new": sum(finding["status"] == "new" for finding in mine),
        "still": sum(finding["status"] == "still" for finding in mine),
        "gone": sum(row["site"] == site.id for row in gone),
        "last_utc": last["start_utc"] if last else None,
        "geometry": geometry(site),
    }


def geometry(site: RegisteredSite) -> Row:
    """A site's GeoJSON geometry, rings closed."""
    if site.line:
        return {"type": "LineString", "coordinates": [list(point) for point in site.line]}
    rings = [[[list(p) for p in (*ring, ring[0])] for ring in rings] for rings in site.polygons]
    return {"type": "MultiPolygon", "coordinates": rings}


def overdue_rows(
    sites: Sequence[RegisteredSite], history: Sequence[Earlier], ledger: Row, flight: Flight
) -> list[Row]:
    """Sites not flown within `overdue_days`, this flight included; days is None where never."""
    settings = flight.settings.ledger
    return [
        {
            "site": late.site.id,
            "name": late.site.name,
            "last": late.last.isoformat() if late.last else None,
            "days": late.days,
        }
        for late in overdue(sites, [*history, ledger], settings.day(flight.start_wall), settings)
    ]

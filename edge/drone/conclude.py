"""From a flight's looks to its ledger: findings with pictures, sites, comparison, files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge.config import Category, config_sha256
from edge.drone import exports
from edge.drone.charges import Charge, Situation, judge
from edge.drone.compare import difference, earlier_findings, last_inspections, overdue
from edge.drone.flight import Flight
from edge.drone.georef import View
from edge.drone.ground import gsd_m, to_pixels
from edge.drone.groundgrid import Cover, SiteGrid
from edge.drone.groundtrack import GroundTracks
from edge.drone.journal import Journal
from edge.drone.look import Look
from edge.drone.mosaic import Mosaic
from edge.drone.page import page
from edge.drone.shots import save, save_patch
from edge.drone.sites import INSPECTED, Area, Site
from edge.drone.stills import stills
from edge.drone.summary import Summary
from edge.drone.survey import Survey
from edge.drone.svgmap import svg
from edge.runtime import write_atomic
from edge.values import Image

Row = dict[str, Any]
# A finding's ground lies this far from the picture's edge where its disappearance is shown.
MARGIN_SHARE = 0.08


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    sha256: str


@dataclass(slots=True)
class _Wish:
    """A picture to be taken from the video: when, and what to do with it."""

    t_s: float
    take: Callable[[Image, View | None], None]


def conclude(
    flight: Flight,
    journal: Journal,
    job: Survey,
    model: Model,
    *,
    categories: Sequence[Category],
    sites: Sequence[Site],
    history: Sequence[Mapping[str, Any]] = (),
    history_root: Path | None = None,
) -> Row:
    """Write flight.json, findings.geojson, findings.kml, ledger.csv and report.html; the ledger."""
    summary, tracks = (
        Summary(flight.plane),
        GroundTracks(flight.plane, merge_m=flight.settings.judging.merge_m),
    )
    for look in journal.looks():
        summary.add(look)
        tracks.step(look)
    covers = {name: (grid.cover(), grid.soil_centre()) for name, grid in job.grids.items()}
    situation = Situation(
        tracks.finish(), flight.areas, covers, flight.settings.judging, flight.plane
    )
    charges = judge(categories, situation)
    findings = [_finding(flight, n, charge, categories) for n, charge in enumerate(charges, 1)]
    old = earlier_findings(last_inspections(history, flight.start_wall))
    found = difference(old, findings, lambda row: _inspected(row, flight, job.grids, journal))
    for finding in findings:
        before = found.still.get(finding["id"])
        finding["status"] = "new" if before is None else "still"
        finding["previous"] = None if before is None else before["id"]
    gone = [_gone(row) for row in found.gone]
    _pictures(flight, journal, charges, findings, gone, history_root)
    ledger = _ledger(flight, summary, findings, gone, job.mosaic, model)
    ledger["sites"] = [_site(area, covers, findings, gone, history, flight) for area in flight.areas
                       if area.site.kind in INSPECTED]  # fmt: skip
    ledger["overdue"] = _overdue(sites, history, ledger, flight)
    _write(flight, ledger, job.mosaic)
    return ledger


def _finding(flight: Flight, number: int, charge: Charge, categories: Sequence[Category]) -> Row:
    category = next(c for c in categories if c.id == charge.category)
    lat, lon = flight.plane.degrees(charge.east, charge.north)
    site = charge.site
    best = charge.shots[0] if charge.shots else None
    return {
        "id": f"{flight.flight_id}-{number:03d}",
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
        "first_utc": flight.start_wall + charge.first_s,
        "last_utc": flight.start_wall + charge.last_s,
        "best_s": best.t_s if best else None,
        "box": list(best.sighting.box) if best else None,
        "shots": [{"t_s": s.t_s, "box": list(s.sighting.box)} for s in charge.shots],
        "facts": dict(charge.facts),
        "pictures": {},
        "previous": None,
    }


def _gone(row: Mapping[str, Any]) -> Row:
    return {**row, "status": "gone", "pictures": {"old": row["pictures"]}}


def _inspected(
    row: Mapping[str, Any], flight: Flight, grids: Mapping[str, SiteGrid], journal: Journal
) -> bool:
    """Whether this flight saw the ground of an earlier finding well enough to find it again."""
    east, north = flight.plane.metres(row["lat"], row["lon"])
    grid = grids.get(row.get("site") or "")
    if grid is not None and grid.seen_at(east, north):
        return True
    return _best_look(journal.looks(), flight, (east, north)) is not None


def _best_look(looks: Iterable[Look], flight: Flight, place: tuple[float, float]) -> Look | None:
    """The finest look at a place, well inside the picture; None where no look inspected it."""
    import numpy as np

    finest = flight.settings.look.object_m / 5.0
    best: tuple[float, Look] | None = None
    for look in looks:
        if look.view is None or look.why is not None:
            continue
        view = look.view
        u, v = to_pixels(view, np.array([place]), flight.plane)[0]
        inside = (
            MARGIN_SHARE * view.width < u < (1 - MARGIN_SHARE) * view.width
            and MARGIN_SHARE * view.height < v < (1 - MARGIN_SHARE) * view.height
        )
        gsd = gsd_m(view, float(u), float(v)) if inside else None
        if gsd is not None and gsd <= finest and (best is None or gsd < best[0]):
            best = (gsd, look)
    return best[1] if best else None


def _pictures(
    flight: Flight,
    journal: Journal,
    charges: Sequence[Charge],
    findings: Sequence[Row],
    gone: Sequence[Row],
    history_root: Path | None,
) -> None:
    """One pass through the video for all pictures that are wanted of it."""
    folder = flight.folder / "pictures"
    wishes: list[_Wish] = []
    for charge, finding in zip(charges, findings, strict=True):
        wishes += _wishes(flight, journal, charge, finding, folder)
    for row in gone:
        wishes += _after(flight, journal, row, folder, history_root)
    if not wishes:
        return
    views = {look.t_s: look.view for look in journal.looks()}
    by_time: dict[float, list[_Wish]] = {}
    for wish in wishes:
        by_time.setdefault(wish.t_s, []).append(wish)
    for t_s, image in stills(flight.given.video, by_time, fps=flight.settings.look.fps):
        for wish in by_time[t_s]:
            wish.take(image, views.get(t_s))


def _wishes(
    flight: Flight, journal: Journal, charge: Charge, finding: Row, folder: Path
) -> Iterable[_Wish]:
    place = (charge.east, charge.north)
    shots = [(s.t_s, s.sighting.box) for s in charge.shots]
    if not shots:  # bare soil: the finest look at its largest patch
        look = _best_look(journal.looks(), flight, place)
        shots = [(look.t_s, None)] if look else []  # type: ignore[list-item]
    for number, (t_s, box) in enumerate(shots):
        name = finding["id"] if number == 0 else f"{finding['id']}-{number}"

        def take(
            image: Image,
            view: View | None,
            *,
            name: str = name,
            box: Any = box,
            first: bool = number == 0,
        ) -> None:
            saved = save(folder, name, image, box, view=view, plane=flight.plane, place=place)
            if first:
                finding["pictures"].update(asdict(saved))
            else:
                finding["pictures"].setdefault("more", []).append(saved.overview)

        yield _Wish(t_s, take)


def _after(
    flight: Flight, journal: Journal, row: Row, folder: Path, history_root: Path | None
) -> Iterable[_Wish]:
    """The same ground now, and the earlier picture beside it."""
    old = row["pictures"].get("old") or {}
    if history_root is not None and old.get("patch"):
        before = next(history_root.glob(f"*/pictures/{Path(old['patch']).name}"), None)
        if before is not None:
            folder.mkdir(parents=True, exist_ok=True)
            name = f"before-{before.name}"
            write_atomic(folder / name, before.read_bytes(), durable=False)
            row["pictures"]["before"] = name
    place = flight.plane.metres(row["lat"], row["lon"])
    look = _best_look(journal.looks(), flight, place)
    if look is None:
        return

    def take(image: Image, view: View | None) -> None:
        if view is not None:
            name = f"after-{row['id']}"
            row["pictures"]["after"] = save_patch(folder, name, image, view, flight.plane, place)

    yield _Wish(look.t_s, take)


def _ledger(
    flight: Flight,
    summary: Summary,
    findings: list[Row],
    gone: list[Row],
    mosaic: Mosaic | None,
    model: Model,
) -> Row:
    looks = max(1, summary.looks)
    counts = Counter(finding["status"] for finding in findings)
    blind = [asdict(part) for part in summary.blind if part.end_s > part.start_s]
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
        "model": model.name,
        "model_sha256": model.sha256,
        "config_sha256": config_sha256(flight.settings),
        "counts": {
            "findings": len(findings),
            "new": counts["new"],
            "still": counts["still"],
            "gone": len(gone),
        },
        "findings": findings,
        "gone": gone,
        "unplaced": [_unplaced(group) for group in summary.unplaced],
        "blind": blind,
        "blind_s": round(sum(part["end_s"] - part["start_s"] for part in blind), 1),
        "notes": [asdict(note) for note in flight.notes],
        "track": summary.track.rows,
        "footprints": summary.footprints.rows,
        "overdue_days": flight.settings.ledger.overdue_days,
        "sites": [],
        "overdue": [],
    }


def track_ledger(flight: Flight, summary: Summary) -> Row:
    """The ledger of telemetry alone: minutes, track, map; every site not inspected."""
    ledger = _ledger(flight, summary, [], [], None, Model("–", ""))
    ledger["blind"] = [{"start_s": 0.0, "end_s": flight.duration_s, "why": "no pictures looked at"}]
    ledger["blind_s"] = round(flight.duration_s, 1)
    ledger["pose_quality"] = {
        key: round(n / max(1, summary.qualities.total()), 3) for key, n in summary.qualities.items()
    }
    _write(flight, ledger, None)
    return ledger


def _unplaced(group: Any) -> Row:
    row = asdict(group)
    return {**row, "score": row["best"]["score"], "box": list(row["best"]["box"])}


def _site(
    area: Area,
    covers: Mapping[str, tuple[Cover, tuple[float, float] | None]],
    findings: Sequence[Row],
    gone: Sequence[Row],
    history: Sequence[Mapping[str, Any]],
    flight: Flight,
) -> Row:
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


def geometry(site: Site) -> Row:
    """A site's GeoJSON geometry, rings closed."""
    if site.line:
        return {"type": "LineString", "coordinates": [list(point) for point in site.line]}
    rings = [[[list(p) for p in (*ring, ring[0])] for ring in rings] for rings in site.polygons]
    return {"type": "MultiPolygon", "coordinates": rings}


def _overdue(
    sites: Sequence[Site], history: Sequence[Mapping[str, Any]], ledger: Row, flight: Flight
) -> list[Row]:
    day = datetime.fromtimestamp(flight.start_wall, timezone.utc).date()
    days = flight.settings.ledger.overdue_days
    return [
        {
            "site": late.site.id,
            "name": late.site.name,
            "last": late.last.isoformat() if late.last else None,
            "days": late.days,
        }
        for late in overdue(sites, [*history, ledger], day, days=days)
    ]


def _write(flight: Flight, ledger: Row, mosaic: Mosaic | None) -> None:
    settings = flight.settings.ledger
    drawn = ""
    if flight.extent is not None:
        drawn = svg(ledger, flight.areas, flight.plane, flight.extent, mosaic)
    html = page(ledger, drawn, flight.folder / "pictures", settings, ZoneInfo(settings.timezone))
    files = {
        "flight.json": json.dumps(ledger, ensure_ascii=False, indent=1),
        "findings.geojson": exports.geojson(ledger),
        "findings.kml": exports.kml(ledger),
        "ledger.csv": exports.ledger_csv(ledger),
        "report.html": html,
    }
    for name, text in files.items():
        write_atomic(flight.folder / name, text.encode("utf-8"))


def read_history(root: Path, *, but: Path) -> list[Mapping[str, Any]]:
    """The ledgers of earlier flights below a folder; damaged ones are left out by the caller's
    notice (they are returned as they can be read)."""
    flights: list[Mapping[str, Any]] = []
    for path in sorted(root.glob("*/flight.json")):
        if path.parent.resolve() == but.resolve():
            continue
        try:
            flight = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(flight, dict) and flight.get("version") == 1:
            flights.append(flight)
    return flights

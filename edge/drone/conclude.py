# SPDX-License-Identifier: AGPL-3.0-or-later
"""From a flight's looks to its ledger: findings, comparison, pictures, files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from edge.config import Category
from edge.drone import exports
from edge.drone.album import FlightPictures
from edge.drone.asflown import AsFlown, unseen
from edge.drone.compare import difference, earlier_findings, last_inspections
from edge.drone.finest import finest
from edge.drone.flight import INSPECTED_PIXELS, Flight
from edge.drone.groundtrack import GroundTracks
from edge.drone.journal import Journal
from edge.drone.look import KeyFrame
from edge.drone.mosaic import Mosaic
from edge.drone.page import page
from edge.drone.pairing import Note
from edge.drone.revisits import revisited
from edge.drone.rows import (
    Row,
    blind_row,
    finding_row,
    gone_row,
    ledger_row,
    note_row,
    overdue_rows,
    site_row,
)
from edge.drone.rule_settings import Situation, judge
from edge.drone.sites import INSPECTED, Area, RegisteredSite
from edge.drone.summary import UNSEEN, Stretch, Summary
from edge.drone.survey import Survey
from edge.drone.svgmap import svg
from edge.handling.flights import RECHECKS, FlightRecheck, OpenPlace
from edge.jsonfile import decoded
from edge.runtime import write_atomic


def conclude(
    flight: Flight,
    journal: Journal,
    job: Survey,
    model: tuple[str, str],
    *,
    categories: Sequence[Category],
    sites: Sequence[RegisteredSite],
    history: Sequence[Mapping[str, Any]] = (),
    history_root: Path | None = None,
    open_places: Sequence[OpenPlace] = (),
) -> Row:
    """Write flight.json, findings.geojson, findings.kml, ledger.csv, report.html and map.svg.

    `model` is name and SHA-256, `history` the ledgers of earlier flights, `history_root` the
    folder of their folders (for before-pictures), `open_places` the cases of this box to be looked
    for wherever the flight shows their place. Returns the ledger.
    """
    summary, situation = _walked(flight, journal, job)
    flown = summary.flown.row(categories, situation.judging, job.grids)
    charges = judge(categories, situation)
    findings = [finding_row(flight, n, c, categories) for n, c in enumerate(charges, 1)]
    old = earlier_findings(last_inspections(history, flight.start_wall))
    best = _finest(flight, journal, findings, old)
    found = difference(old, findings, lambda row: _was_seen(row, best, job, flight))
    for finding in findings:
        before = found.still.get(finding["id"])
        finding["status"] = "new" if before is None else "still"
        finding["previous"] = None if before is None else before["id"]
    gone = [gone_row(row) for row in found.gone]
    ledger = ledger_row(flight, summary, findings, gone, job.mosaic, model)
    ledger["as_flown"] = flown
    ledger["notes"] += [note_row(note) for note in _unseen_notes(flown)]
    _time_bare_sites(findings, best, flight)
    album = FlightPictures(flight, {look.t_s: look.view for look in journal.looks()})
    for charge, finding in zip(charges, findings, strict=True):
        album.want_finding(charge, finding, best.get(finding["id"]))
    for row in gone:
        album.want_after(row, best.get(row["id"]), history_root)
    album.want_unplaced(ledger["unplaced"])
    album.take()
    inspected = [area for area in flight.areas if area.site.kind in INSPECTED]
    covers = situation.covers
    ledger["sites"] = [site_row(a, covers, findings, gone, history, flight) for a in inspected]
    if inspected and not any(row["inspected_share"] for row in ledger["sites"]):
        # Else a register of another town, or with swapped coordinates, looks like a clean flight.
        ledger["notes"].append(note_row(Note("no-site-seen", _nearest(inspected))))
    ledger["overdue"] = overdue_rows(sites, history, ledger, flight)
    rechecks = _rechecks(flight, journal, findings, open_places, flown, categories)
    ledger["rechecks"] = [msgspec.structs.asdict(one) for one in rechecks]
    write(flight, ledger, job.mosaic)
    if rechecks:
        write_atomic(flight.folder / RECHECKS, msgspec.json.encode(rechecks))
    return ledger


def _rechecks(
    flight: Flight,
    journal: Journal,
    findings: Sequence[Row],
    cases: Sequence[OpenPlace],
    flown: Mapping[str, Any],
    categories: Sequence[Category],
) -> list[FlightRecheck]:
    """What this flight says of open cases whose ground it shows."""
    places = {one.case: flight.plane.metres(one.lat, one.lon) for one in cases}
    coarsest = flight.settings.look.object_m / INSPECTED_PIXELS
    clear = finest(journal.looks(), places, flight.plane, coarsest_m=coarsest)
    shown = finest(journal.looks(), places, flight.plane, coarsest_m=math.inf)
    looked_for = {category.id for category in categories}
    poorly = {one.category: "this flight does not look for it" for one in cases}
    poorly = {name: why for name, why in poorly.items() if name not in looked_for}
    poorly |= {row["category"]: str(row["why"] or "hardly shown") for row in unseen(flown)}
    name, start = flight.flight_id, flight.start_wall
    return revisited(cases, findings, {**shown, **clear}, set(clear), poorly, name, start)


def _unseen_notes(flown: Mapping[str, Any]) -> list[Note]:
    """One sentence for each reason, in both languages: what could not have been seen."""
    rows = unseen(flown)
    reasons = dict.fromkeys(row["why"] or "uncovered" for row in rows)
    notes = []
    for why in reasons:
        mine = [row for row in rows if (row["why"] or "uncovered") == why]
        names = "、".join(f"{row['names']['zh']} {row['names']['en']}" for row in mine)
        notes.append(Note(f"unseen-{why}", names))
    return notes


def _nearest(areas: Sequence[Area]) -> str:
    """Name of the place nearest to the flight's origin, and how far off it is."""

    def away_m(area: Area) -> float:
        corners = [*area.line, *(p for rings in area.polygons for ring in rings for p in ring)]
        return min(math.hypot(*corner) for corner in corners)

    nearest = min(areas, key=away_m)
    return f"{nearest.site.name}, {away_m(nearest) / 1000:.1f} km"


def _walked(flight: Flight, journal: Journal, job: Survey) -> tuple[Summary, Situation]:
    """One walk through the looks: what the flight was, and what its rules may ask."""
    judging = flight.settings.judging
    summary = Summary(flight.plane, AsFlown(flight.settings.look.fps))
    tracks = GroundTracks(flight.plane, merge_m=judging.merge_m)
    for look in journal.looks():
        summary.add(look)
        tracks.step(look)
    summary.close(flight.duration_s)
    covers = {name: (grid.cover(), grid.soil_centre()) for name, grid in job.grids.items()}
    return summary, Situation(tracks.finish(), flight.areas, covers, judging, flight.plane)


def _finest(
    flight: Flight, journal: Journal, findings: Sequence[Row], old: Sequence[Mapping[str, Any]]
) -> dict[str, KeyFrame]:
    """The best look at the place of every finding, of this flight and of earlier ones."""
    places = {
        str(row["id"]): flight.plane.metres(row["lat"], row["lon"]) for row in (*findings, *old)
    }
    coarsest = flight.settings.look.object_m / INSPECTED_PIXELS
    return finest(journal.looks(), places, flight.plane, coarsest_m=coarsest)


def _time_bare_sites(findings: Sequence[Row], best: Mapping[str, KeyFrame], flight: Flight) -> None:
    """A finding of a whole site has the time of the look that shows it best."""
    for finding in findings:
        look = best.get(finding["id"])
        if finding["best_s"] is None and look is not None:
            finding["best_s"] = finding["first_s"] = finding["last_s"] = look.t_s
            finding["first_utc"] = finding["last_utc"] = flight.start_wall + look.t_s


def _was_seen(
    row: Mapping[str, Any], best: Mapping[str, KeyFrame], job: Survey, flight: Flight
) -> bool:
    """Whether this flight inspected the ground of an earlier finding."""
    grid = job.grids.get(row.get("site") or "")
    place = flight.plane.metres(row["lat"], row["lon"])
    return row["id"] in best or (grid is not None and grid.seen_at(*place))


def track_ledger(flight: Flight, summary: Summary) -> Row:
    """The ledger of telemetry alone: minutes, track, map; no site inspected."""
    ledger = ledger_row(flight, summary, [], [], None, ("–", ""))
    ledger["blind"] = [blind_row(Stretch(0.0, flight.duration_s, UNSEEN))]
    ledger["blind_s"] = round(flight.duration_s, 1)
    poses = max(1, summary.qualities.total())
    ledger["pose_quality"] = {key: round(n / poses, 3) for key, n in summary.qualities.items()}
    write(flight, ledger, None)
    return ledger


def write(flight: Flight, ledger: Row, mosaic: Mosaic | None) -> None:
    """All files of a ledger, each replaced whole."""
    settings = flight.settings.ledger
    flight.folder.mkdir(parents=True, exist_ok=True)
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
        **({"map.svg": drawn} if drawn else {}),
    }
    for name, text in files.items():
        write_atomic(flight.folder / name, text.encode("utf-8"))


class _PastSite(msgspec.Struct):
    id: str
    inspected_share: float


class _PastFinding(msgspec.Struct):
    """What comparing, drawing and exporting an earlier finding needs."""

    id: str
    number: int
    category: str
    ce90_m: float
    codes: dict[str, str]
    names: dict[str, str]
    pictures: dict[str, Any]
    facts: dict[str, Any]
    lat: float | None = None
    lon: float | None = None


class _SentFinding(_PastFinding, kw_only=True):
    first_utc: float


class _PastLedger(msgspec.Struct):
    version: Literal[1]
    flight_id: str
    start_utc: Annotated[float, msgspec.Meta(ge=0.0, le=4.2e9)]
    sites: list[_PastSite]
    findings: list[_PastFinding]


def read_history(root: Path, *, but: Path) -> tuple[list[Mapping[str, Any]], list[Path]]:
    """The ledgers of earlier flights below a folder, and the files that cannot be read."""
    flights: list[Mapping[str, Any]] = []
    damaged: list[Path] = []
    for path in sorted(root.glob("*/flight.json")):
        if path.parent.resolve() == but.resolve():
            continue
        found = read_ledger(path)
        if found is None:
            damaged.append(path)
        else:
            flights.append(found)
    return flights, damaged


def read_ledger(path: Path) -> Mapping[str, Any] | None:
    """An earlier ledger; None where it cannot be read or is none of ours."""
    try:
        return _as(_PastLedger, path.read_bytes())
    except OSError:
        return None


def read_sent(path: Path) -> tuple[list[Mapping[str, Any]], int]:
    """Findings that a flight sent while it was up, and how many lines cannot be read (the last one
    may be torn). Raises OSError."""
    rows = [_as(_SentFinding, line) for line in path.read_bytes().splitlines() if line.strip()]
    return [row for row in rows if row is not None], rows.count(None)


def _as(shape: type[msgspec.Struct], data: bytes) -> Mapping[str, Any] | None:
    """The whole object where it has at least this shape."""
    try:
        decoded(data, shape)
        return decoded(data, dict)
    except ValueError:
        return None

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Map: where the cases of thirty days are, without tiles of anybody's.

Streets come from `streets.geojson` beside the site file (RFC 7946, WGS-84) where there is one.
Links lead to maps of others, each in the datum that it draws in.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from edge.console.case_pages import index_of, wanted_of
from edge.console.cases import CaseIndex, CaseSummary
from edge.console.editing import camera_rows, parse
from edge.console.services import ToGcj02
from edge.console.stages import late
from edge.console.web import console_of, render

STREETS = "streets.geojson"
STREETS_BYTES = 4_000_000
POINTS_MOST = 40_000
WIDTH, HEIGHT, EDGE = 900, 560, 40
# A map of one place shows this much round it.
LEAST_DEG = 0.003
Spot = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MapSpot:
    """One place with its cases; lat, lon WGS-84; links: (word, address) of maps of others."""

    name: str
    source: str
    lat: float
    lon: float
    count: int
    unread: int
    overdue: int
    links: tuple[tuple[str, str], ...]


async def map_page(request: Request) -> Response:
    """Cameras with a position, and the cases found there."""
    console, index = console_of(request), index_of(request)
    cases = await run_in_threadpool(index.find, wanted_of(request, QueryParams({"days": "30"})))
    site = parse(console.site.read().text)
    spots = map_spots(camera_rows(site), site, cases, index, console.services.to_gcj02)
    streets = await run_in_threadpool(read_streets, console.site.folder / STREETS)
    return render(
        request,
        "map.html",
        spots=spots,
        streets=bool(streets),
        plot=map_svg(spots, streets) if spots else "",
    )


def map_spots(
    cameras: Iterable[Mapping[str, Any]],
    site: Mapping[str, Any],
    cases: Iterable[CaseSummary],
    index: CaseIndex,
    to_gcj02: ToGcj02,
) -> list[MapSpot]:
    """A spot for each source and place; most cases first."""
    places: dict[tuple[str, float, float], list[CaseSummary]] = {}
    names: dict[str, str] = {}
    for row in cameras:
        at = _position(row) or _position(site)
        names[str(row["id"])] = str(row["name"])
        if at is not None:
            places[str(row["id"]), round(at[0], 5), round(at[1], 5)] = []
    for head in cases:
        names.setdefault(head.source, head.source_name)
        if head.lat is not None and head.lon is not None:
            key = head.source, round(head.lat, 5), round(head.lon, 5)
            places.setdefault(key, []).append(head)
    now = time.time()
    found = [
        MapSpot(
            names.get(source, source),
            source,
            lat,
            lon,
            len(heads),
            sum(1 for h in heads if index.life(h.id).state == "suspected"),
            sum(1 for h in heads if late(index.life(h.id), now)),
            links_of(lat, lon, names.get(source, source), to_gcj02),
        )
        for (source, lat, lon), heads in places.items()
    ]
    return sorted(found, key=lambda spot: -spot.count)


def _position(row: Mapping[str, Any]) -> Spot | None:
    place = row.get("position")
    lat, lon = (place.get("lat"), place.get("lon")) if isinstance(place, Mapping) else (None, None)
    if not isinstance(lat, (int, float)) or not isinstance(lon, (int, float)):
        return None
    return (float(lat), float(lon)) if -90 <= lat <= 90 and -180 <= lon <= 180 else None


def links_of(lat: float, lon: float, name: str, to_gcj02: ToGcj02) -> tuple[tuple[str, str], ...]:
    """AMap draws GCJ-02; Tianditu draws CGCS2000, which is WGS-84 to a few centimetres."""
    g_lat, g_lon = to_gcj02(lat, lon)
    amap = f"https://uri.amap.com/marker?position={g_lon:.6f},{g_lat:.6f}&name={quote(name)}"
    tianditu = f"https://map.tianditu.gov.cn/?center={lon:.6f},{lat:.6f}&zoom=18"
    return ("amap", amap), ("tianditu", tianditu)


def read_streets(path: Path) -> list[list[Spot]]:
    """Lines of (lat, lon); [] for a file that is none, or larger than a map of a district."""
    try:
        if path.stat().st_size > STREETS_BYTES:
            return []
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return []
    lines, points = [], 0
    for line in _lines(data):
        points += len(line)
        if points > POINTS_MOST:
            break
        lines.append(line)
    return lines


def _lines(data: Any) -> Iterator[list[Spot]]:
    if not isinstance(data, dict):
        return
    features = data.get("features", [data])
    for row in features if isinstance(features, list) else ():
        shape = row.get("geometry", row) if isinstance(row, dict) else None
        if not isinstance(shape, dict):
            continue
        kind, corners = shape.get("type"), shape.get("coordinates")
        if kind == "LineString":
            yield _line(corners)
        elif kind in ("MultiLineString", "Polygon") and isinstance(corners, list):
            yield from (_line(part) for part in corners)


def _line(corners: Any) -> list[Spot]:
    found = []
    for corner in corners if isinstance(corners, list) else ():
        if isinstance(corner, list) and len(corner) > 1:
            lon, lat = corner[:2]
            if isinstance(lat, (int, float)) and isinstance(lon, (int, float)):
                found.append((float(lat), float(lon)))
    return found


def map_svg(spots: Sequence[MapSpot], streets: Sequence[Sequence[Spot]]) -> str:
    """North is up; a degree east is shorter by the cosine of the latitude."""
    lats, lons = [s.lat for s in spots], [s.lon for s in spots]
    lat, lon = (min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2
    squeeze = max(0.05, math.cos(math.radians(lat)))
    wide = max(max(lons) - min(lons), LEAST_DEG) * squeeze
    tall = max(max(lats) - min(lats), LEAST_DEG)
    scale = min((WIDTH - 2 * EDGE) / wide, (HEIGHT - 2 * EDGE) / tall)

    def at(here_lat: float, here_lon: float) -> tuple[float, float]:
        x = WIDTH / 2 + (here_lon - lon) * squeeze * scale
        return x, HEIGHT / 2 - (here_lat - lat) * scale

    parts = [
        f'<path class="street" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'
        for line in streets
        if len(places := [at(*corner) for corner in line]) > 1
    ]
    most = max((spot.count for spot in spots), default=0) or 1
    for number, spot in enumerate(spots, 1):
        x, y = at(spot.lat, spot.lon)
        size = 9 + 14 * math.sqrt(spot.count / most)
        kind = "late" if spot.overdue else "open" if spot.unread else "done"
        name = escape(f"{number} {spot.name}: {spot.count}")
        parts.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}"><title>{name}</title>'
            f'</circle><text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle">{number}</text>'
        )
    bar_m = 10 ** math.floor(math.log10(max(1.0, wide * 111_320 / 3)))
    length = bar_m / 111_320 * scale
    parts.append(
        f'<path class="axis" d="M12 {HEIGHT - 14}h{length:.1f}"/>'
        f'<text x="12" y="{HEIGHT - 20}">{bar_m:g} m</text>'
    )
    label = escape(" · ".join(f"{spot.name}: {spot.count}" for spot in spots[:20]))
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"'
    return f'<svg class="places" {box}>{"".join(parts)}</svg>'


PAGES = {"/map": map_page}

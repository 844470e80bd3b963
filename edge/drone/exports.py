# SPDX-License-Identifier: AGPL-3.0-or-later
"""The ledger as files other programs read: GeoJSON, KML and CSV. Pure: rows in, text out."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any
from xml.sax.saxutils import escape

from edge.drone.earth import Local
from edge.drone.settings import Datum
from edge.drone.shifted import gcj02

Flight = Mapping[str, Any]


def shown(lat: float, lon: float, datum: Datum) -> tuple[float, float]:
    """The numbers of a place in the datum of a map. CGCS2000 equals WGS-84 to centimetres."""
    return gcj02(lat, lon) if datum == "GCJ-02" else (lat, lon)


def placed(flight: Flight) -> list[Mapping[str, Any]]:
    return [finding for finding in flight["findings"] if finding["lat"] is not None]


def geojson(flight: Flight) -> str:
    """RFC 7946, WGS-84, longitude first: track, findings as points with their radius, sites."""
    track = [[lon, lat] for lon, lat, *_ in flight["track"]]
    features: list[dict[str, Any]] = []
    if len(track) > 1:
        features.append(_feature({"type": "LineString", "coordinates": track}, kind="track"))
    for site in flight["sites"]:
        facts = {key: value for key, value in site.items() if key != "geometry"}
        features.append(_feature(site["geometry"], **{**facts, "kind": "site", "site": site["id"]}))
    for finding in placed(flight):
        point = {"type": "Point", "coordinates": [finding["lon"], finding["lat"]]}
        facts = {key: finding[key] for key in finding if key not in ("facts", "pictures")}
        features.append(_feature(point, **{**facts, **finding["facts"], "kind": "finding"}))
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)


def _feature(geometry: Mapping[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


_COLOURS = ("ff3c3ce6", "ff00a5ff", "ffb46e1e", "ff8c1e8c", "ff28a028", "ff828200")


def kml(flight: Flight) -> str:
    """OGC KML 2.3: a style for each category, circles of uncertainty as polygons."""
    categories = sorted({finding["category"] for finding in placed(flight)})
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>',
    ]
    parts.append(f"<name>{escape(flight['name'])}</name>")
    for number, category in enumerate(categories):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(
            f'<Style id="{escape(category)}"><IconStyle><color>{colour}</color></IconStyle>'
            f"<LineStyle><color>{colour}</color><width>2</width></LineStyle>"
            f"<PolyStyle><color>40{colour[2:]}</color></PolyStyle></Style>"
        )
    if len(flight["track"]) > 1:
        line = " ".join(f"{lon},{lat}" for lon, lat, *_ in flight["track"])
        parts.append(
            "<Placemark><name>track</name><LineString><tessellate>1</tessellate>"
            f"<coordinates>{line}</coordinates></LineString></Placemark>"
        )
    parts += [_placemark(finding) for finding in placed(flight)]
    return "\n".join([*parts, "</Document></kml>\n"])


def _placemark(finding: Mapping[str, Any]) -> str:
    ring = " ".join(
        f"{lon:.7f},{lat:.7f}"
        for lat, lon in circle(finding["lat"], finding["lon"], finding["ce90_m"])
    )
    text = f"{finding['names']['zh']} {finding['names']['en']} ±{finding['ce90_m']:g} m"
    return (
        f'<Placemark id="{escape(finding["id"])}"><name>{finding["number"]} {escape(text)}</name>'
        f"<styleUrl>#{escape(finding['category'])}</styleUrl><MultiGeometry>"
        f"<Point><coordinates>{finding['lon']},{finding['lat']}</coordinates></Point>"
        f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon></MultiGeometry></Placemark>"
    )


def circle(
    lat: float, lon: float, radius_m: float, *, points: int = 36
) -> list[tuple[float, float]]:
    """Closed ring of lat, lon round a place."""
    plane = Local(lat, lon)
    turns = [2 * math.pi * (n % points) / points for n in range(points + 1)]
    return [plane.degrees(radius_m * math.sin(a), radius_m * math.cos(a)) for a in turns]


_COLUMNS = (
    ("编号 number", "number"),
    ("类别 category", "name"),
    ("代码 code", "code"),
    ("状态 status", "status"),
    ("工地 site", "site_name"),
    ("归属 membership", "membership"),
    ("纬度 lat (WGS-84)", "lat"),
    ("经度 lon (WGS-84)", "lon"),
    ("误差 ce90 m", "ce90_m"),
    ("低可信 low confidence", "low_confidence"),
    ("首次 first seen", "first"),
    ("末次 last seen", "last"),
    ("视频秒 video s", "best_s"),
    ("次数 looks", "looks"),
    ("置信度 score", "score"),
    ("编号 id", "id"),
)


def ledger_csv(flight: Flight) -> str:
    """One row for each finding; with a byte order mark, so that Excel reads the Chinese."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow([title for title, _ in _COLUMNS])
    rows: Sequence[Mapping[str, Any]] = [*flight["findings"], *flight["gone"]]
    for finding in rows:
        row = {
            **finding,
            "name": f"{finding['names']['zh']} {finding['names']['en']}",
            "code": next(iter(finding.get("codes", {}).values()), ""),
            "first": _clock(finding.get("first_utc")),
            "last": _clock(finding.get("last_utc")),
            "looks": finding.get("facts", {}).get("looks", ""),
        }
        writer.writerow([_cell(row.get(key)) for _, key in _COLUMNS])
    return "\ufeff" + buffer.getvalue()


def _clock(utc: float | None) -> str:
    if utc is None:
        return ""
    return datetime.fromtimestamp(utc, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value

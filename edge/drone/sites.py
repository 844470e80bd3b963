# SPDX-License-Identifier: AGPL-3.0-or-later
"""The register of inspected places: sites, road corridors, permits, from one GeoJSON file.

RFC 7946: longitude first, WGS-84. Construction sites and permitted or dump areas are polygons,
corridors are lines with a width. Geometry is asked in metres of a flight's own plane.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from edge.clock import calendar_day
from edge.config import ConfigError
from edge.drone import shifted
from edge.drone.earth import Local
from edge.drone.shifted import LatLon
from edge.geometry import from_line, inside

Kind = Literal["site", "corridor", "watch", "forbidden", "permitted", "dump"]
KINDS: tuple[Kind, ...] = ("site", "corridor", "watch", "forbidden", "permitted", "dump")
# Kinds that a flight inspects; the others only say what is allowed where.
INSPECTED: tuple[Kind, ...] = ("site", "corridor", "watch", "forbidden")
Ring = tuple[tuple[float, float], ...]
ToWgs84 = Callable[[float, float], LatLon]
Membership = Literal["in_polygon", "within_ce90", "outside"]
_KEYS = {
    *("id", "name", "name_en", "kind", "valid_from", "valid_to", "permits", "grid", "width_m"),
    *("ground_m", "categories", "note"),
}


@dataclass(frozen=True, slots=True)
class RegisteredSite:
    """One place of the register. Rings are (lon, lat), outer ring first in each polygon.

    `ground_m` is its ground against the take-off point, where no height grid is given.
    """

    id: str
    name: str
    kind: Kind
    polygons: tuple[tuple[Ring, ...], ...] = ()
    line: Ring = ()
    width_m: float = 0.0
    name_en: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    permits: tuple[str, ...] = ()
    grid: str | None = None
    ground_m: float = 0.0
    categories: tuple[str, ...] = ()

    def valid_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )

    @property
    def first(self) -> LatLon:
        """lat, lon of one of its points."""
        lon, lat = self.line[0] if self.line else self.polygons[0][0][0]
        return lat, lon


class Area:
    """A site in metres (east, north) of a flight's plane: asked for points and circles."""

    def __init__(self, site: RegisteredSite, plane: Local) -> None:
        self.site = site
        self.polygons = [[_metres(ring, plane) for ring in rings] for rings in site.polygons]
        self.line = _metres(site.line, plane)

    def holds(self, east: float, north: float) -> bool:
        if self.line:
            return from_line((east, north), self.line) <= self.site.width_m / 2.0
        return any(_in_rings((east, north), rings) for rings in self.polygons)

    def share_of_circle(self, east: float, north: float, radius_m: float) -> float:
        """Share of the circle's area that lies in the site, by 144 points spread evenly."""
        hits = sum(self.holds(east + x * radius_m, north + y * radius_m) for x, y in _DISC)
        return hits / len(_DISC)

    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in metres, the corridor's width included."""
        points = self.line or [p for rings in self.polygons for p in rings[0]]
        half = self.site.width_m / 2.0 if self.line else 0.0
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        return min(xs) - half, min(ys) - half, max(xs) + half, max(ys) + half


# Sunflower seeds: evenly spread over the unit disc.
_GOLDEN = math.pi * (3.0 - math.sqrt(5.0))
_DISC = [
    (
        math.sqrt((n + 0.5) / 144) * math.cos(n * _GOLDEN),
        math.sqrt((n + 0.5) / 144) * math.sin(n * _GOLDEN),
    )
    for n in range(144)
]


def _metres(ring: Ring, plane: Local) -> list[tuple[float, float]]:
    return [plane.metres(lat, lon) for lon, lat in ring]


def _in_rings(point: tuple[float, float], rings: Sequence[Sequence[tuple[float, float]]]) -> bool:
    return inside(point, rings[0]) and not any(inside(point, hole) for hole in rings[1:])


def assign(
    areas: Sequence[Area], east: float, north: float, ce90_m: float
) -> tuple[Area | None, Membership, float]:
    """The site a point belongs to: the one that holds most of its circle of uncertainty.

    At least half of the circle: in_polygon; some of it: within_ce90, for the reviewer to decide.
    """
    shares = [(area.share_of_circle(east, north, ce90_m), area) for area in areas]
    if not shares:
        return None, "outside", 0.0
    share, area = max(shares, key=lambda pair: pair[0])
    if share >= 0.5:
        return area, "in_polygon", share
    return (area, "within_ce90", share) if share > 0.0 else (None, "outside", 0.0)


def read_sites(path: Path) -> tuple[RegisteredSite, ...]:
    """The register. Raises ConfigError naming the feature and what is wrong with it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deep for a register") from None
    place_of = _datum(data, str(path))
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or not features:
        raise ConfigError(f"{path}: expected a GeoJSON FeatureCollection with features")
    sites = tuple(
        _site(feature, f"{path}: features[{n}]", place_of) for n, feature in enumerate(features)
    )
    names = [site.id for site in sites]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{path}: id {twice!r} stands twice")
    return sites


# What a `crs` member may say (GeoJSON of 2008, as GIS programs still write it): WGS-84 and what
# equals it to centimetres, and the shifted maps of China, which are shifted back.
_SAME = ("CRS84", "EPSG:4326", "EPSG:4490", "WGS84", "CGCS2000")
_SHIFTED = {"GCJ02": shifted.wgs84, "BD09": shifted.wgs84_from_bd09}


def _datum(data: Any, where: str) -> ToWgs84:
    """How a position of this object becomes WGS-84. Raises ConfigError for a system that cannot."""
    if not isinstance(data, dict) or "crs" not in data:
        return _as_it_is
    crs = data["crs"]
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    words = re.sub(r"[-_ ]", "", str(name).upper()).replace("::", ":")
    if words.removesuffix("LL") in _SHIFTED:
        return _SHIFTED[words.removesuffix("LL")]
    if any(words == same or words.endswith(":" + same) for same in _SAME):
        return _as_it_is
    raise ConfigError(
        f"{where}: crs = {name or crs!r}: its coordinates are not WGS-84; convert the file to "
        "EPSG:4326 (CGCS2000, EPSG:4490, is the same), longitude first, in your GIS"
    )


def _as_it_is(lat: float, lon: float) -> LatLon:
    return lat, lon


def _site(feature: Any, where: str, place_of: ToWgs84) -> RegisteredSite:
    if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
        raise ConfigError(f"{where}: expected a Feature with properties")
    given = feature["properties"]
    unknown = set(given) - _KEYS
    if unknown:
        raise ConfigError(f"{where}: unknown property {min(unknown)!r} (allowed: {sorted(_KEYS)})")
    name = str(given.get("id") or feature.get("id") or "")
    if not name:
        raise ConfigError(f"{where}: id missing")
    kind = given.get("kind", "site")
    if kind not in KINDS:
        raise ConfigError(f"{where}: kind = {_short(kind)}: allowed {', '.join(KINDS)}")
    for inner in (feature, feature.get("geometry")):
        if isinstance(inner, dict) and "crs" in inner:
            place_of = _datum(inner, where)
    polygons, line = _geometry(feature.get("geometry"), where, place_of)
    width = _positive(given.get("width_m", 30.0), f"{where}: width_m") if line else 0.0
    if bool(line) != (kind == "corridor"):
        raise ConfigError(f"{where}: a corridor is a LineString, every other kind a Polygon")
    return RegisteredSite(
        id=name,
        name=str(given.get("name") or name),
        kind=kind,
        polygons=polygons,
        line=line,
        width_m=width,
        name_en=_word(given.get("name_en"), f"{where}: name_en"),
        valid_from=_day(given.get("valid_from"), f"{where}: valid_from"),
        valid_to=_day(given.get("valid_to"), f"{where}: valid_to"),
        permits=_words(given.get("permits"), f"{where}: permits"),
        grid=_word(given.get("grid"), f"{where}: grid"),
        ground_m=_number(given.get("ground_m", 0.0), f"{where}: ground_m"),
        categories=_words(given.get("categories"), f"{where}: categories"),
    )


def _geometry(
    data: Any, where: str, place_of: ToWgs84
) -> tuple[tuple[tuple[Ring, ...], ...], Ring]:
    kind = data.get("type") if isinstance(data, dict) else None
    shapes = data.get("coordinates") if isinstance(data, dict) else None
    if kind == "Polygon":
        return (_rings(shapes, where, place_of),), ()
    if kind == "MultiPolygon" and isinstance(shapes, list):
        if not shapes:
            raise ConfigError(f"{where}: a MultiPolygon without polygons")
        return tuple(_rings(rings, where, place_of) for rings in shapes), ()
    if kind == "LineString":
        line = _ring(shapes, where, place_of)
        if len(line) < 2:
            raise ConfigError(f"{where}: a line needs two points")
        return (), line
    raise ConfigError(f"{where}: geometry {kind!r}: allowed Polygon, MultiPolygon, LineString")


def _rings(data: Any, where: str, place_of: ToWgs84) -> tuple[Ring, ...]:
    if not isinstance(data, list) or not data:
        raise ConfigError(f"{where}: a polygon without rings")
    rings = tuple(_ring(ring, where, place_of) for ring in data)
    if any(len(ring) < 4 or ring[0] != ring[-1] for ring in rings):
        raise ConfigError(f"{where}: a ring has four or more points, the last equal to the first")
    return tuple(ring[:-1] for ring in rings)


def _ring(data: Any, where: str, place_of: ToWgs84) -> Ring:
    try:
        points = tuple((float(point[0]), float(point[1])) for point in data)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        raise ConfigError(f"{where}: a position is [longitude, latitude]") from None
    for lon, lat in points:
        if not (abs(lon) <= 180.0 and abs(lat) <= 90.0):
            raise ConfigError(f"{where}: [{lon:g}, {lat:g}] is no [longitude, latitude]")
    return tuple((lon, lat) for lat, lon in (place_of(lat, lon) for lon, lat in points))


def _day(value: Any, where: str) -> date | None:
    if value is None:
        return None
    try:
        return calendar_day(str(value))
    except ValueError:
        raise ConfigError(f"{where} = {_short(value)}: expected a date as 2026-05-01") from None


def _number(value: Any, where: str) -> float:
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise ConfigError(f"{where} = {_short(value)}: expected a number")
    return number


def _positive(value: Any, where: str) -> float:
    number = _number(value, where)
    if number <= 0:
        raise ConfigError(f"{where} = {value!r}: must be above 0")
    return number


def _short(value: Any) -> str:
    """What a file holds there, as far as it fits into a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _word(value: Any, where: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{where} = {_short(value)}: expected a word")
    return value


def _words(value: Any, where: str) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ConfigError(f"{where} = {_short(value)}: expected a list of words")
    return tuple(words)

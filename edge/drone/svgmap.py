# SPDX-License-Identifier: AGPL-3.0-or-later
"""The ledger's map as one SVG: ground, sites, track, footprints, findings with their circles.

Metres east and north of the flight's plane, north up; no network, no map service.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import cv2
import numpy as np

from edge.drone.earth import Local
from edge.drone.mosaic import Extent, Mosaic
from edge.drone.sites import Area

COLOURS = {
    "street-vendor": "#d6336c",
    "shop-spill": "#c2255c",
    "outdoor-barbecue": "#e8590c",
    "construction-dust": "#9c6b1e",
    "road-spillage": "#f08c00",
    "dumping": "#862e9c",
    "exposed-refuse": "#5f3dc4",
    "uncovered-load": "#1971c2",
    "bare-soil": "#b3541e",
}
OTHER_COLOUR = "#c92a2a"
GONE_COLOUR = "#2b8a3e"
_AREA_COLOURS = {
    "site": "#1864ab",
    "corridor": "#5c940d",
    "watch": "#5f3dc4",
    "forbidden": "#c92a2a",
    "permitted": "#2b8a3e",
    "dump": "#868e96",
}
_STEPS_M = (5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5)
MARGIN_M = 12.0
NEAR_M = 60.0
# What lies under the drawing is paled by this share of white.
PALE = 0.38


def colour(category: str) -> str:
    return COLOURS.get(category, OTHER_COLOUR)


def svg(
    flight: Mapping[str, Any],
    areas: Sequence[Area],
    plane: Local,
    extent: Extent,
    mosaic: Mosaic | None,
) -> str:
    """The map. Its viewBox is metres, so every length is true."""
    frame = _frame(flight, areas, plane, mosaic)
    drawing = _Drawing(plane, frame if frame is not None else extent)
    rows = [row for row in (*flight["findings"], *flight["gone"]) if row["lat"] is not None]
    ground = mosaic is not None and bool(mosaic.steep.any())
    return "\n".join(
        [
            drawing.head(),
            _background(mosaic) if mosaic is not None and ground else "",
            *(drawing.footprint(outline) for outline in flight["footprints"]),
            *(drawing.area(area) for area in areas),
            drawing.track(flight["track"]),
            *(drawing.finding(row) for row in rows),
            drawing.scale_bar(),
            drawing.north(),
            "</svg>",
        ]
    )


def _frame(
    flight: Mapping[str, Any], areas: Sequence[Area], plane: Local, mosaic: Mosaic | None
) -> Extent | None:
    """What was flown and seen, with the sites beside it: the part worth showing."""
    places = [plane.metres(row[1], row[0]) for row in flight["track"]]
    places += [plane.metres(row["lat"], row["lon"]) for row in flight["findings"] if row["lat"]]
    if mosaic is not None and mosaic.steep.any():
        rows, columns = np.nonzero(mosaic.steep)
        grid = mosaic.extent
        for row, column in ((rows.min(), columns.min()), (rows.max(), columns.max())):
            places.append((grid.west + column * grid.metre_px, grid.north - row * grid.metre_px))
    if not places:
        return None
    west, south = np.min(places, axis=0)
    east, north = np.max(places, axis=0)
    for area in areas:
        w, s, e, n = area.bounds()
        if w < east + NEAR_M and e > west - NEAR_M and s < north + NEAR_M and n > south - NEAR_M:
            west, south, east, north = min(west, w), min(south, s), max(east, e), max(north, n)
    room = max(MARGIN_M, 0.03 * float(max(east - west, north - south)))
    return Extent(
        float(west) - room, float(south) - room, float(east) + room, float(north) + room, 1.0
    )


def _background(mosaic: Mosaic) -> str:
    picture = mosaic.picture.copy()
    picture[mosaic.steep == 0] = (238, 241, 238)
    white = np.full_like(picture, 255)
    pale = cv2.addWeighted(picture, 1.0 - PALE, white, PALE, 0)
    grid = mosaic.extent
    return (
        f'<image x="{grid.west:.1f}" y="{-grid.north:.1f}" width="{grid.east - grid.west:.1f}" '
        f'height="{grid.north - grid.south:.1f}" preserveAspectRatio="none" '
        f'href="{jpeg_uri(pale, 72)}"/>'
    )


def jpeg_uri(image: Any, quality: int) -> str:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "a BGR picture can always be a JPEG"
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


class _Drawing:
    """Pieces of SVG in metres; y grows downwards there, so north is negative. `pen` is the size
    of a pixel on a page 900 wide."""

    def __init__(self, plane: Local, frame: Extent) -> None:
        self._plane, self._frame = plane, frame
        self.width, self.height = frame.east - frame.west, frame.north - frame.south
        self.pen = max(self.width, self.height) / 900.0

    def head(self) -> str:
        """The opening of the SVG: the frame in metres east and north of the plane's origin, north
        up."""
        place = (
            f"{self._frame.west:.1f} {-self._frame.north:.1f} {self.width:.1f} {self.height:.1f}"
        )
        x, y, width, height = place.split()
        return (
            f'<svg class="map" viewBox="{place}" role="img" aria-label="地图 map" '
            'font-family="system-ui,sans-serif" '
            f'xmlns="http://www.w3.org/2000/svg"><rect x="{x}" y="{y}" width="{width}" '
            f'height="{height}" fill="#eef1ee"/>'
        )

    def footprint(self, outline: Sequence[Sequence[float]]) -> str:
        return (
            f'<polygon points="{_points(outline)}" fill="none" stroke="#495057" '
            f'stroke-opacity="0.3" stroke-width="{0.7 * self.pen:.2f}"/>'
        )

    def area(self, area: Area) -> str:
        """A registered place and, where the frame shows part of it, its name."""
        shade = _AREA_COLOURS.get(area.site.kind, OTHER_COLOUR)
        shape = self._corridor(area, shade) if area.line else self._polygons(area, shade)
        points = area.line or [p for rings in area.polygons for p in rings[0]]
        inside = [p for p in points if self._shows(*p)]
        if not inside:
            return shape
        x, y = max(inside, key=lambda p: p[1] - p[0])
        return shape + self.text(x, y + 4 * self.pen, area.site.name, shade, size=15)

    def _shows(self, x: float, y: float) -> bool:
        frame = self._frame
        return frame.west <= x <= frame.east and frame.south <= y <= frame.north

    @staticmethod
    def _corridor(area: Area, shade: str) -> str:
        return (
            f'<polyline points="{_points(area.line)}" fill="none" stroke="{shade}" '
            f'stroke-opacity="0.25" stroke-width="{area.site.width_m:.1f}" '
            'stroke-linecap="round" stroke-linejoin="round"/>'
        )

    def _polygons(self, area: Area, shade: str) -> str:
        return "".join(
            f'<polygon points="{_points(ring)}" fill="{shade}" fill-opacity="0.08" '
            f'stroke="{shade}" stroke-width="{2 * self.pen:.2f}"/>'
            for rings in area.polygons
            for ring in rings
        )

    def track(self, rows: Sequence[Sequence[float]]) -> str:
        """The aircraft's path from (second, lat, lon) rows, dashed, with its two ends marked."""
        places = [self._plane.metres(row[1], row[0]) for row in rows]
        if len(places) < 2:
            return ""
        pen = self.pen
        (x, y), (x2, y2) = places[0], places[-1]
        return (
            f'<polyline points="{_points(places)}" fill="none" stroke="#212529" '
            f'stroke-width="{2 * pen:.2f}" stroke-dasharray="{8 * pen:.1f} {4 * pen:.1f}"/>'
            f'<circle cx="{x:.1f}" cy="{-y:.1f}" r="{5 * pen:.2f}" fill="{GONE_COLOUR}"/>'
            f'<rect x="{x2 - 4 * pen:.1f}" y="{-y2 - 4 * pen:.1f}" width="{8 * pen:.1f}" '
            f'height="{8 * pen:.1f}" fill="#212529"/>'
        )

    def finding(self, row: Mapping[str, Any]) -> str:
        """Circle of uncertainty (dashed: low confidence, or gone), point, number, link."""
        x, y = self._plane.metres(row["lat"], row["lon"])
        pen, gone = self.pen, row["status"] == "gone"
        shade = GONE_COLOUR if gone else colour(row["category"])
        dash = f' stroke-dasharray="{4 * pen:.1f} {3 * pen:.1f}"'
        radius = max(float(row["ce90_m"]), 1.0)
        away = radius * 0.7 + 6 * pen
        return (
            f'<a href="#f{escape(str(row["id"]))}">'
            f'<circle cx="{x:.1f}" cy="{-y:.1f}" r="{radius:.1f}" fill="{shade}" '
            f'fill-opacity="0.18" stroke="{shade}" stroke-width="{1.6 * pen:.2f}"'
            f"{dash if gone or row['low_confidence'] else ''}/>"
            f'<circle cx="{x:.1f}" cy="{-y:.1f}" r="{2.6 * pen:.2f}" fill="{shade}"/>'
            f"{self._badge(x + away, y + away, '✓' if gone else str(row['number']), shade)}</a>"
        )

    def _badge(self, x: float, y: float, text: str, shade: str) -> str:
        r = 11 * self.pen
        return (
            f'<circle cx="{x:.1f}" cy="{-y:.1f}" r="{r:.1f}" fill="{shade}" stroke="#fff" '
            f'stroke-width="{1.5 * self.pen:.1f}"/>'
            f'<text x="{x:.1f}" y="{-y + 0.45 * r:.1f}" font-size="{1.25 * r:.1f}" '
            f'text-anchor="middle" fill="#fff" font-weight="700">{escape(text)}</text>'
        )

    def text(
        self, x: float, y: float, text: str, shade: str, *, size: float, anchor: str = "start"
    ) -> str:
        """Words at a place in metres east and north, haloed so that they read on anything."""
        return (
            f'<text x="{x:.1f}" y="{-y:.1f}" font-size="{size * self.pen:.1f}" fill="{shade}" '
            f'text-anchor="{anchor}" paint-order="stroke" stroke="#fff" '
            f'stroke-width="{3 * self.pen:.1f}">{escape(text)}</text>'
        )

    def scale_bar(self) -> str:
        """A bar of a round length, at most a quarter of the frame."""
        length = next((step for step in _STEPS_M if step <= self.width / 4), _STEPS_M[-1])
        pen = self.pen
        x, y = self._frame.west + 16 * pen, self._frame.south + 18 * pen
        bar = f"M{x:.1f} {-y - 6 * pen:.1f}V{-y:.1f}H{x + length:.1f}V{-y - 6 * pen:.1f}"
        words = self.text(
            x + length / 2, y + 9 * pen, f"{length} m", "#000", size=14, anchor="middle"
        )
        return f'<path d="{bar}" fill="none" stroke="#000" stroke-width="{2 * pen:.2f}"/>{words}'

    def north(self) -> str:
        """The north arrow in the upper right corner."""
        pen = self.pen
        x, y = self._frame.east - 24 * pen, self._frame.north - 44 * pen
        arrow = (
            f"M{x:.1f} {-y - 26 * pen:.1f}L{x - 8 * pen:.1f} {-y:.1f}"
            f"L{x:.1f} {-y - 6 * pen:.1f}L{x + 8 * pen:.1f} {-y:.1f}Z"
        )
        return f'<path d="{arrow}"/>' + self.text(
            x, y - 16 * pen, "N", "#000", size=15, anchor="middle"
        )


def _points(points: Iterable[Sequence[float]]) -> str:
    return " ".join(f"{point[0]:.1f},{-point[1]:.1f}" for point in points)

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
    "piled-goods": "#5f3dc4",
    "uncovered-load": "#1971c2",
    "bare-soil": "#b3541e",
}
OTHER_COLOUR = "#c92a2a"
_AREA_COLOURS = {
    "site": "#1864ab",
    "corridor": "#5c940d",
    "permitted": "#2b8a3e",
    "dump": "#868e96",
}


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
    width, height = extent.east - extent.west, extent.north - extent.south
    pen = max(width, height) / 900.0
    parts = [
        f'<svg class="map" viewBox="{extent.west:.1f} {-extent.north:.1f} {width:.1f} {height:.1f}" '
        'role="img" aria-label="map 地图" xmlns="http://www.w3.org/2000/svg">',
        f'<rect x="{extent.west:.1f}" y="{-extent.north:.1f}" width="{width:.1f}" height="{height:.1f}" fill="#eef1ee"/>',
    ]
    if mosaic is not None and mosaic.steep.any():
        parts.append(_background(mosaic, extent))
    parts += [_footprint(outline, pen) for outline in flight["footprints"]]
    parts += [_area(area, pen) for area in areas]
    parts.append(_track(flight, plane, pen))
    for finding in [*flight["findings"], *flight["gone"]]:
        if finding["lat"] is not None:
            parts.append(_finding(finding, plane, pen))
    parts += [_scale_bar(extent, pen), _north(extent, pen), "</svg>"]
    return "\n".join(parts)


def _background(mosaic: Mosaic, extent: Extent) -> str:
    picture = mosaic.picture.copy()
    picture[mosaic.steep == 0] = (238, 241, 238)
    # Paler, so that what is drawn upon it can be read.
    pale = np.asarray(cv2.addWeighted(picture, 0.62, np.full_like(picture, 255), 0.38, 0), np.uint8)
    return (
        f'<image x="{extent.west:.1f}" y="{-extent.north:.1f}" '
        f'width="{extent.east - extent.west:.1f}" height="{extent.north - extent.south:.1f}" '
        f'preserveAspectRatio="none" href="{jpeg_uri(pale, 72)}"/>'
    )


def jpeg_uri(image: Any, quality: int = 80) -> str:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "a BGR picture can always be a JPEG"
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _points(points: Iterable[Sequence[float]]) -> str:
    return " ".join(f"{x:.1f},{-y:.1f}" for x, y in points)


def _footprint(outline: Sequence[Sequence[float]], pen: float) -> str:
    return (
        f'<polygon points="{_points(outline)}" fill="none" stroke="#495057" '
        f'stroke-opacity="0.35" stroke-width="{0.7 * pen:.2f}"/>'
    )


def _area(area: Area, pen: float) -> str:
    shade = _AREA_COLOURS.get(area.site.kind, "#1864ab")
    if area.line:
        west, south, east, north = area.bounds()
        label_at = area.line[0]
        shape = (
            f'<polyline points="{_points(area.line)}" fill="none" stroke="{shade}" '
            f'stroke-opacity="0.25" stroke-width="{area.site.width_m:.1f}" stroke-linecap="round"/>'
        )
        del west, south, east, north
    else:
        label_at = max((p for rings in area.polygons for p in rings[0]), key=lambda p: p[1])
        shape = "".join(
            f'<polygon points="{_points(ring)}" fill="{shade}" fill-opacity="0.10" '
            f'stroke="{shade}" stroke-width="{2 * pen:.2f}"/>'
            for rings in area.polygons
            for ring in rings
        )
    name = escape(area.site.name)
    return shape + _text(label_at[0], label_at[1] + 4 * pen, name, pen, shade, size=15)


def _track(flight: Mapping[str, Any], plane: Local, pen: float) -> str:
    places = [plane.metres(lat, lon) for lon, lat, *_ in flight["track"]]
    if len(places) < 2:
        return ""
    line = f'<polyline points="{_points(places)}" fill="none" stroke="#212529" stroke-width="{2 * pen:.2f}" stroke-dasharray="{8 * pen:.1f} {4 * pen:.1f}"/>'
    (x, y), (x2, y2) = places[0], places[-1]
    start = f'<circle cx="{x:.1f}" cy="{-y:.1f}" r="{5 * pen:.2f}" fill="#2b8a3e"/>'
    end = f'<rect x="{x2 - 4 * pen:.1f}" y="{-y2 - 4 * pen:.1f}" width="{8 * pen:.1f}" height="{8 * pen:.1f}" fill="#212529"/>'
    return line + start + end


def _finding(finding: Mapping[str, Any], plane: Local, pen: float) -> str:
    x, y = plane.metres(finding["lat"], finding["lon"])
    gone = finding["status"] == "gone"
    shade = "#2b8a3e" if gone else colour(finding["category"])
    dash = (
        f' stroke-dasharray="{4 * pen:.1f} {3 * pen:.1f}"'
        if finding["low_confidence"] or gone
        else ""
    )
    radius = max(float(finding["ce90_m"]), 1.0)
    circle = (
        f'<circle cx="{x:.1f}" cy="{-y:.1f}" r="{radius:.1f}" fill="{shade}" fill-opacity="0.18" '
        f'stroke="{shade}" stroke-width="{1.6 * pen:.2f}"{dash}/>'
        f'<circle cx="{x:.1f}" cy="{-y:.1f}" r="{2.6 * pen:.2f}" fill="{shade}"/>'
    )
    number = "✓" if gone else str(finding["number"])
    return f'<a href="#f{escape(str(finding["id"]))}">{circle}{_badge(x + radius * 0.7, y + radius * 0.7, number, pen, shade)}</a>'


def _badge(x: float, y: float, text: str, pen: float, shade: str) -> str:
    r = 11 * pen
    return (
        f'<circle cx="{x:.1f}" cy="{-y:.1f}" r="{r:.1f}" fill="{shade}" stroke="#fff" stroke-width="{1.5 * pen:.1f}"/>'
        f'<text x="{x:.1f}" y="{-y + 0.36 * 1.25 * r:.1f}" font-size="{1.25 * r:.1f}" '
        f'text-anchor="middle" fill="#fff" font-weight="700">{escape(text)}</text>'
    )


def _text(
    x: float, y: float, text: str, pen: float, shade: str, *, size: float, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{-y:.1f}" font-size="{size * pen:.1f}" fill="{shade}" '
        f'text-anchor="{anchor}" paint-order="stroke" stroke="#fff" stroke-width="{3 * pen:.1f}">{text}</text>'
    )


def _scale_bar(extent: Extent, pen: float) -> str:
    span = extent.east - extent.west
    length = next(
        step for step in (5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 0) if step <= span / 4
    )
    x, y = extent.west + 16 * pen, extent.south + 18 * pen
    return (
        f'<path d="M{x:.1f} {-y - 6 * pen:.1f}V{-y:.1f}H{x + length:.1f}V{-y - 6 * pen:.1f}" '
        f'fill="none" stroke="#000" stroke-width="{2 * pen:.2f}"/>'
        + _text(x + length / 2, y + 9 * pen, f"{length} m", pen, "#000", size=14, anchor="middle")
    )


def _north(extent: Extent, pen: float) -> str:
    x, y = extent.east - 24 * pen, extent.north - 44 * pen
    arrow = f"M{x:.1f} {-y - 26 * pen:.1f}L{x - 8 * pen:.1f} {-y:.1f}L{x:.1f} {-y - 6 * pen:.1f}L{x + 8 * pen:.1f} {-y:.1f}Z"
    return f'<path d="{arrow}" fill="#000"/>' + _text(
        x, y - 16 * pen, "N", pen, "#000", size=15, anchor="middle"
    )

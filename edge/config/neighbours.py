# SPDX-License-Identifier: AGPL-3.0-or-later
"""What in a site file contradicts the rest of it: nothing that can be refused, all to be asked.

A camera may stand an hour from the others, and two may share one stream; far more often a number
was mistyped or a block copied, and evidence would name a wrong place. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from edge.config.site import Camera, Position, Site

# The largest distance within one street office (街道) that is still likely; districts of cities
# with over a thousand square kilometres are the exception that the words leave room for.
FAR_M = 20_000.0
# The mean length of a degree of latitude: 10,002 km from equator to pole, by ninety.
DEGREE_M = 111_130.0
# The first digits of a grid code name its county (县级) by GB/T 2260.
COUNTY_DIGITS = 6


def doubts(site: Site) -> list[str]:
    """One line for each contradiction: which camera, which key, what to look at; English, then
    Chinese in brackets."""
    return [*_places(site), *_same_streams(site.cameras), *_grids(site)]


def _places(site: Site) -> Iterator[str]:
    rows = [(f"camera {camera.id}", camera.position) for camera in site.cameras]
    for name, at in [("site", site.position), *rows]:
        if (at.lat is None) != (at.lon is None):
            yield f"{name}: position has only one of lat and lon: it stands on no map (经纬度不全)"
        elif at.lat == 0 and at.lon == 0:
            yield f"{name}: position is 0, 0, a place in the sea: not measured yet? (经纬度未填)"
        elif (far := _distance_m(site.position, at)) and far > FAR_M:
            yield (
                f"{name}: position stands {far / 1000:.0f} km from the site's: "
                "is a digit wrong? (与站点位置相距过远，请核对)"
            )


def _distance_m(a: Position, b: Position) -> float | None:
    """Metres on the flat map around both, good to a percent within a province."""
    if a.lat is None or a.lon is None or b.lat is None or b.lon is None:
        return None
    east = math.remainder(b.lon - a.lon, 360.0) * math.cos(math.radians((a.lat + b.lat) / 2))
    return math.hypot(b.lat - a.lat, east) * DEGREE_M


def _same_streams(cameras: tuple[Camera, ...]) -> Iterator[str]:
    first: dict[str, str] = {}
    for camera in cameras:
        if not camera.enabled:
            continue
        owner = first.setdefault(camera.source, camera.id)
        if owner != camera.id:
            yield (
                f"camera {camera.id}: source is the one of camera {owner}: one street under two "
                "names (与另一摄像机地址相同，请核对)"
            )


def _grids(site: Site) -> Iterator[str]:
    home = site.position.grid
    for camera in site.cameras:
        zones = [(f"camera {camera.id}: zone {zone.id}", zone.grid) for zone in camera.zones]
        for name, grid in [(f"camera {camera.id}", camera.position.grid), *zones]:
            if home and grid and grid[:COUNTY_DIGITS] != home[:COUNTY_DIGITS]:
                yield (
                    f"{name}: grid {grid} lies in another district than the site's {home} "
                    "(网格编码与站点不在同一区县)"
                )

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What in a site file contradicts the rest of it: nothing that can be refused, all to be asked.

A camera may stand an hour from the others, and two may share one stream; far more often a number
was mistyped or a block copied, and evidence would name a wrong place. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from edge.config.site import Camera, Position, Site

# The largest distance within one street office (街道) that is still likely; districts of cities
# with over a thousand square kilometres are the exception that the words leave room for.
FAR_M = 20_000.0
# The mean length of a degree of latitude: 10,002 km from equator to pole, by ninety.
DEGREE_M = 111_130.0
# The first digits of a grid code name its county (县级) by GB/T 2260.
COUNTY_DIGITS = 6

DoubtKind = Literal["half_place", "zero_place", "far_place", "same_stream", "other_grid"]

# In Chinese and English; {} is what contradicts.
WORDS: dict[DoubtKind, tuple[str, str]] = {
    "half_place": (
        "位置只填了纬度或经度，地图上显示不了",
        "position has only one of lat and lon: it stands on no map",
    ),
    "zero_place": (
        "经纬度是 0, 0（海上），还没有测量？",
        "position is 0, 0, a place in the sea: not measured yet?",
    ),
    "far_place": (
        "与站点位置相距 {} km，请核对经纬度",
        "position stands {} km from the site's: is a digit wrong?",
    ),
    "same_stream": (
        "与摄像机 {} 地址相同：同一画面用了两个名字",
        "source is the one of camera {}: one street under two names",
    ),
    "other_grid": (
        "网格编码 {} 与站点不在同一区县",
        "grid {} lies in another district than the site's",
    ),
}


class Doubt(NamedTuple):
    """subject: of the site file, as `camera north: zone gate`; about: what goes into the words."""

    subject: str
    kind: DoubtKind
    about: str = ""

    def words(self) -> tuple[str, str]:
        """The doubt without its subject, in Chinese and in English."""
        chinese, english = WORDS[self.kind]
        return chinese.format(self.about), english.format(self.about)


def doubts(site: Site) -> list[Doubt]:
    """Each contradiction once, in the order of the file."""
    return [*_places(site), *_same_streams(site.cameras), *_grids(site)]


def _places(site: Site) -> Iterator[Doubt]:
    rows = [(f"camera {camera.id}", camera.position) for camera in site.cameras]
    for name, at in [("site", site.position), *rows]:
        if (at.lat is None) != (at.lon is None):
            yield Doubt(name, "half_place")
        elif at.lat == 0 and at.lon == 0:
            yield Doubt(name, "zero_place")
        elif (far := _distance_m(site.position, at)) and far > FAR_M:
            yield Doubt(name, "far_place", f"{far / 1000:.0f}")


def _distance_m(a: Position, b: Position) -> float | None:
    """Metres on the flat map around both, good to a percent within a province."""
    if a.lat is None or a.lon is None or b.lat is None or b.lon is None:
        return None
    east = math.remainder(b.lon - a.lon, 360.0) * math.cos(math.radians((a.lat + b.lat) / 2))
    return math.hypot(b.lat - a.lat, east) * DEGREE_M


def _same_streams(cameras: tuple[Camera, ...]) -> Iterator[Doubt]:
    first: dict[str, str] = {}
    for camera in cameras:
        if camera.enabled and (owner := first.setdefault(camera.source, camera.id)) != camera.id:
            yield Doubt(f"camera {camera.id}", "same_stream", owner)


def _grids(site: Site) -> Iterator[Doubt]:
    home = site.position.grid
    for camera in site.cameras:
        zones = [(f"camera {camera.id}: zone {zone.id}", zone.grid) for zone in camera.zones]
        for name, grid in [(f"camera {camera.id}", camera.position.grid), *zones]:
            if home and grid and grid[:COUNTY_DIGITS] != home[:COUNTY_DIGITS]:
                yield Doubt(name, "other_grid", grid)

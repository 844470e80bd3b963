# SPDX-License-Identifier: AGPL-3.0-or-later
"""One looked-at picture of a flight and what was sighted in it; the lines of a flight's journal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge.drone.georef import GroundView
from edge.values import Box

# Why a look inspected nothing although its place is known: edge.drone.words has it in Chinese.
BLURRED = "picture blurred"
# As `why` of a picture that was set aside.
LEFT_OUT = "left out by a bug"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One detection with its place. east and north are metres of the flight's plane.

    `width_m` is the box's width on the ground; `soil` the share of soil colours in its inner half
    (trucks: an open load); `azimuth_deg` and `ground_m` lead from the aircraft to it.
    """

    label: str
    score: float
    box: Box
    lat: float
    lon: float
    east: float
    north: float
    ce90_m: float
    ground_m: float
    azimuth_deg: float
    low_confidence: bool
    width_m: float
    soil: float = 0.0


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A detection in a picture without a pose: it has a time and a picture, and no place."""

    label: str
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A key frame: `t_s` from the start of the video, `wall` UTC seconds.

    `view` is None where there is no pose, and `why` says what is missing. `carried` is the
    measured homography from the previous look's pixels to these, or None. `tiles` of `all_tiles`
    were looked at; `seen` are ids of the sites of which ground was inspected; `aircraft` is its
    own lat and lon where they are known. `sharp` is the picture's sharpness (0..1), `shutter_s` how
    long it was exposed, where that is recorded.
    """

    t_s: float
    wall: float
    view: GroundView | None
    why: str | None = None
    quality: str = "none"
    source: str = ""
    carried: tuple[float, ...] | None = None
    tiles: int = 0
    all_tiles: int = 0
    sightings: tuple[Sighting, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    seen: tuple[str, ...] = ()
    aircraft: tuple[float, float] | None = None
    speed_mps: float = 0.0
    sharp: float = 1.0
    shutter_s: float | None = None


def to_json(look: KeyFrame) -> dict[str, Any]:
    return asdict(look)


def from_json(row: dict[str, Any]) -> KeyFrame:
    """Raises KeyError or TypeError for a line that is no look."""
    return KeyFrame(
        **{
            **row,
            "view": None if row["view"] is None else GroundView(**row["view"]),
            "carried": None if row["carried"] is None else tuple(row["carried"]),
            "sightings": tuple(Sighting(**{**s, "box": tuple(s["box"])}) for s in row["sightings"]),
            "unplaced": tuple(Unplaced(**{**u, "box": tuple(u["box"])}) for u in row["unplaced"]),
            "seen": tuple(row["seen"]),
            "aircraft": None if row["aircraft"] is None else tuple(row["aircraft"]),
        }
    )

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recorded flight into a ledger: what is flown with what, the survey, the conclusion."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from edge.camera.folder import SIDECARS, SUFFIXES, head_of
from edge.camera.recording import FileFrames, read_file_frames
from edge.config import Category, ConfigError, config_sha256
from edge.drone import optics
from edge.drone.dem import Dem
from edge.drone.earth import Local
from edge.drone.eye import Setup, with_takeoff
from edge.drone.flightpath import FlightPath
from edge.drone.georef import GroundView, NoGround
from edge.drone.groundgrid import SiteGrid
from edge.drone.journal import ENDED, Journal
from edge.drone.mosaic import Extent, Mosaic, extent_of
from edge.drone.pairing import ClockHint, Note, align, start_wall
from edge.drone.read import Hints
from edge.drone.settings import Drone
from edge.drone.shifted import LatLon
from edge.drone.sites import INSPECTED, Area, RegisteredSite
from edge.drone.sources import FoundTelemetry, find
from edge.drone.survey import Detector, Survey
from edge.drone.yawfit import Landmark, YawBias, fit, from_aims
from edge.isolation import ItemGuard

# Things five pixels across can be told apart; coarser ground was flown over, not inspected.
INSPECTED_PIXELS = 5.0
LARGEST_REACH_M = 250.0
# EXIF stands within the first 64 KB of a JPEG (its segments are no larger).
PHOTO_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class ClickedLandmark:
    """A landmark a person clicked: video time, pixel, place."""

    t_s: float
    u: float
    v: float
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class Given:
    """What a person said about one flight beside the settings file."""

    video: Path
    out: Path
    telemetry: Path | None = None
    name: str | None = None
    offset_s: float | None = None
    clip: int | None = None
    yaw_bias_deg: float | None = None
    marks: tuple[ClickedLandmark, ...] = ()
    pitch_deg: float | None = None
    yaw_deg: float | None = None
    height_m: float | None = None
    takeoff_alt_m: float | None = None
    dem: Dem | None = None
    restart: bool = False


@dataclass(slots=True)
class Flight:
    """Everything known before the first picture is looked at."""

    given: Given
    settings: Drone
    found: FoundTelemetry
    path: FlightPath | None
    setup: Setup
    plane: Local
    areas: list[Area]
    extent: Extent | None
    duration_s: float
    start_wall: float
    offset_s: float
    clock: str
    flight_id: str
    video_sha256: str
    notes: list[Note] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.given.out

    def lens(self) -> str:
        if self.path is None or self.path.coverage is None:
            return "–"
        focal = self.setup.focal(self.path.poses[0])
        return "unknown" if focal is None else f"{focal.px:.0f} px ({focal.by})"


def prepare(given: Given, settings: Drone, sites: Sequence[RegisteredSite], today: date) -> Flight:
    """Open the video, find its telemetry, set clocks and places. Raises ConfigError for input
    that cannot be used, or that cannot be of one flight."""
    with read_file_frames(str(given.video), settings.look.fps) as frames:
        first = next(frames, None)
        if first is None:
            raise ConfigError(f"{given.video}: no picture could be decoded from it")
        duration, start, by = frames.duration_s, frames.start.wall, frames.start.by
    height, width = first.image.shape[:2]
    found = find(given.video, given.telemetry, hints_of(settings))
    header = start if by == "header" else None
    asked = ClockHint(given.video.name, given.offset_s, given.clip, given.pitch_deg is not None)
    pair = align(asked, found, duration, header)
    path, notes = pair.path, list(pair.notes)
    wall = start_wall(path, start)
    origin = _origin(path, sites)
    plane = Local(*origin)
    day = settings.ledger.day(wall) if path else today
    areas = [Area(site, plane) for site in sites if site.valid_on(day)]
    if not sites:
        notes.append(Note("no-sites"))
    setup = _setup(given, settings, width, height, path, notes)
    return Flight(
        given=given,
        settings=settings,
        found=found,
        path=path,
        setup=setup,
        plane=plane,
        areas=areas,
        extent=_extent(path, setup, plane, areas),
        duration_s=duration,
        start_wall=wall,
        offset_s=pair.offset_s,
        clock=pair.clock,
        flight_id=_flight_id(given.video, found),
        video_sha256=quick_sha256(given.video),
        notes=notes,
    )


def hints_of(settings: Drone) -> Hints:
    """What the settings say of a flight's telemetry."""
    aircraft = settings.aircraft
    return Hints(aircraft.utc_offset_h, aircraft.payload, aircraft.serial, settings.look.fps)


def _origin(path: FlightPath | None, sites: Sequence[RegisteredSite]) -> LatLon:
    """Where the flight's plane touches the Earth: the middle of its path."""
    if path is not None and path.places:
        first = Local(*path.places[0])
        east, north = np.median([first.metres(*place) for place in path.places], axis=0)
        return first.degrees(float(east), float(north))
    return sites[0].first if sites else (0.0, 0.0)


def _setup(
    given: Given,
    settings: Drone,
    width: int,
    height: int,
    path: FlightPath | None,
    notes: list[Note],
) -> Setup:
    lens = optics.camera(settings.aircraft.camera) if settings.aircraft.camera else None
    setup = Setup(
        width=width,
        height=height,
        hfov_deg=settings.aircraft.hfov_deg,
        lens=lens,
        pitch_deg=given.pitch_deg,
        yaw_deg=given.yaw_deg,
        height_m=given.height_m,
        takeoff_alt_m=given.takeoff_alt_m,
        dem=given.dem,
        profile=settings.aircraft.profile,
    )
    if path is None:
        return setup
    if setup.dem is None:
        notes.append(Note("map-only-flat"))
    try:
        setup = with_takeoff(setup, path.places[0])
    except NoGround as error:
        raise ConfigError(f"--dem: take-off {error}") from None
    return replace(setup, bias=_bias(given, setup, path))


def _bias(given: Given, setup: Setup, path: FlightPath) -> YawBias | None:
    """What a person said, else by landmarks, else by what a laser measured on the way."""
    if given.yaw_bias_deg is not None:
        return YawBias(given.yaw_bias_deg, 0.0, 1)
    if given.marks:
        bias = fit([_landmark(mark, setup, path) for mark in given.marks])
        if bias is None:
            raise ConfigError("--landmark: too near to straight below to give a direction")
        return bias
    aimed = [
        (pose, view)
        for pose in itertools.islice(path.poses, 0, None, max(1, len(path.poses) // 500))
        if pose.aim is not None and isinstance(view := setup.view(pose), GroundView)
    ]
    return from_aims(aimed)


def _landmark(mark: ClickedLandmark, setup: Setup, path: FlightPath) -> Landmark:
    view = setup.view(path.at(mark.t_s))
    if isinstance(view, str):
        raise ConfigError(f"--landmark at {mark.t_s:g} s: {view}")
    return Landmark(view, mark.u, mark.v, mark.lat, mark.lon)


def _extent(
    path: FlightPath | None, setup: Setup, plane: Local, areas: list[Area]
) -> Extent | None:
    if path is None:
        return None
    points = np.array([plane.metres(*place) for place in path.places])
    heights = [v.h_m for p in path.poses[:: max(1, len(path.poses) // 50)]
               if isinstance(v := setup.view(p), GroundView)]  # fmt: skip
    reach = min(LARGEST_REACH_M, 1.6 * max(heights)) if heights else 50.0
    return extent_of(points, reach, areas)


def quick_sha256(path: Path) -> str:
    """Of size, first and last megabyte: a 4K flight is 10 GB, and this only names it."""
    if path.is_dir():
        return _album_sha256(path)
    digest = hashlib.sha256(str(path.stat().st_size).encode())
    with path.open("rb") as file:
        digest.update(file.read(1 << 20))
        file.seek(max(0, path.stat().st_size - (1 << 20)))
        digest.update(file.read())
    return digest.hexdigest()


def _album_sha256(folder: Path) -> str:
    """Of name, size and beginning of each photograph: cameras count from 0001 anew with each card,
    so two flights may bear the same names; when each was taken stands at its beginning."""
    digest = hashlib.sha256()
    for item in sorted(folder.iterdir()):
        if item.name in SIDECARS or item.suffix.lower() in SUFFIXES:
            digest.update(os.fsencode(item.name) + b"\0%d\0" % item.stat().st_size)
            digest.update(head_of(item)[:PHOTO_BYTES])
    return digest.hexdigest()


def _flight_id(video: Path, found: FoundTelemetry) -> str:
    beside = quick_sha256(found.path) if found.path is not None else ""
    return "f-" + hashlib.sha256(f"{quick_sha256(video)}{beside}".encode()).hexdigest()[:16]


def survey(
    flight: Flight,
    detector: Detector,
    *,
    reached: Callable[[float, float], None] = lambda t_s, of_s: None,
) -> tuple[Journal, Survey]:
    """Look at the flight, going on where an earlier run stopped; `reached` gets seconds, and of how
    many."""
    settings = flight.settings
    journal = Journal(flight.folder / "work", _key(flight, detector))
    if flight.given.restart:
        journal.clear()
    gsd = settings.look.object_m / INSPECTED_PIXELS
    job = Survey(
        path=flight.path,
        setup=flight.setup,
        plane=flight.plane,
        areas=flight.areas,
        detector=detector,
        settings=settings.look,
        grids={
            area.site.id: SiteGrid(area, flight.plane, inspected_gsd_m=gsd)
            for area in flight.areas
            if area.site.kind in INSPECTED
        },
        mosaic=Mosaic(flight.extent, flight.plane) if flight.extent else None,
        guard=ItemGuard(flight.folder / "work" / ENDED, journal.key, lambda item, why: None),
    )
    frames = read_file_frames(
        str(flight.given.video), settings.look.fps, start_wall=flight.start_wall
    )
    try:
        with frames:
            job.run(frames, journal, reached=lambda t_s: reached(t_s, flight.duration_s))
    finally:
        job.close()
    flight.notes += _damage(frames)
    return journal, job


def _damage(frames: FileFrames) -> list[Note]:
    """What a recording that was read to its end turned out to lack."""
    notes = []
    if frames.ends_early:
        ends = f"{frames.time_s:.0f} s / {frames.duration_s:.0f} s"
        notes.append(Note("recording-cut", ends))
    if frames.bad:
        notes.append(Note("pictures-damaged", str(frames.bad)))
    return notes


def _key(flight: Flight, detector: Detector) -> str:
    """What was flown and how it is looked at: change one, and the flight is looked at anew."""
    parts: list[Any] = [
        flight.flight_id,
        detector.sha256,
        config_sha256(flight.settings.aircraft, flight.settings.look),
        [area.site for area in flight.areas],
        flight.setup.bias,
        flight.offset_s,
        (flight.given.pitch_deg, flight.given.yaw_deg, flight.given.height_m),
        flight.given.takeoff_alt_m,
        None if flight.given.dem is None else float(np.nansum(flight.given.dem.heights)),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def chosen(categories: dict[str, Category], settings: Drone) -> list[Category]:
    """The categories a flight judges. Raises ConfigError for a name that is not there."""
    unknown = [name for name in settings.judging.categories if name not in categories]
    if unknown:
        raise ConfigError(f"judging.categories: {unknown[0]!r} is not in categories.yaml")
    return list(categories.values())

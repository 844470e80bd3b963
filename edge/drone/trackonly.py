# SPDX-License-Identifier: AGPL-3.0-or-later
"""Telemetry without a video: a ledger with the track, and nothing that was not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.config import ConfigError
from edge.drone import conclude
from edge.drone.asflown import AsFlown
from edge.drone.earth import Local, distance_m
from edge.drone.eye import Setup
from edge.drone.flight import Flight, Given, hints_of, quick_sha256
from edge.drone.flightpath import FlightPath
from edge.drone.mosaic import extent_of
from edge.drone.pairing import Note, start_wall
from edge.drone.read import read
from edge.drone.settings import Drone
from edge.drone.sites import Area, RegisteredSite
from edge.drone.sources import SUFFIXES, FoundTelemetry
from edge.drone.summary import Summary

EVERY_S = 1.0


def is_telemetry(path: Path) -> bool:
    """Whether the VIDEO of the command line is a telemetry file."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def track_only(given: Given, settings: Drone, sites: Sequence[RegisteredSite]) -> dict[str, Any]:
    """The ledger of a flight of which only telemetry is there. Raises ConfigError without a fix."""
    telemetry = read(given.video, hints_of(settings))
    path = FlightPath(telemetry.poses)
    covered = path.coverage
    if covered is None:
        raise ConfigError(f"{given.video}: {telemetry.summary()}: nothing to show")
    path = path.moved(covered.start_s)
    plane = Local(*path.places[0])
    wall = start_wall(path, given.video.stat().st_mtime)
    day = settings.ledger.day(wall)
    areas = [Area(site, plane) for site in sites if site.valid_on(day)]
    points = np.array([plane.metres(*place) for place in path.places])
    sha = quick_sha256(given.video)
    flight = Flight(
        given=given,
        settings=settings,
        found=FoundTelemetry(telemetry, given.video, telemetry.summary()),
        path=path,
        setup=Setup(1, 1),
        plane=plane,
        areas=areas,
        extent=extent_of(points, 50.0, areas),
        duration_s=covered.end_s - covered.start_s,
        start_wall=wall,
        offset_s=0.0,
        clock="–",
        flight_id=f"f-{sha[:16]}",
        video_sha256=sha,
        notes=[Note("no-video"), Note("telemetry", telemetry.summary())],
    )
    return conclude.track_ledger(flight, _summary(flight, path))


def _summary(flight: Flight, path: FlightPath) -> Summary:
    summary = Summary(flight.plane, AsFlown(flight.settings.look.fps))
    before: tuple[float, float] | None = None
    for second in range(int(flight.duration_s / EVERY_S) + 1):
        pose = path.at(second * EVERY_S)
        if pose is None or pose.lat is None or pose.lon is None:
            continue
        here = (pose.lat, pose.lon)
        summary.distance_m += 0.0 if before is None else distance_m(before, here)
        summary.qualities[pose.quality] += 1
        summary.sources[pose.source] += 1
        summary.track.offer([round(pose.lon, 7), round(pose.lat, 7), pose.t_s, pose.rel_alt_m])
        before = here
    return summary

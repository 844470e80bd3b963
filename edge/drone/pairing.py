# SPDX-License-Identifier: AGPL-3.0-or-later
"""Video and telemetry on one clock, or the reason why they are not of one flight. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from edge.config import ConfigError
from edge.drone.flightpath import FlightPath, clock_offset
from edge.drone.sources import FoundTelemetry
from edge.drone.telemetry.pose import Telemetry

# Fewer seconds of poses than this share of the video make one ask whether they belong together.
SHORT_SHARE = 0.8
# Clocks of aircraft and of file headers are in zones; further apart they are of two flights.
PAIR_H = 26.0


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the reader, by its key in edge.drone.words."""

    key: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A path on media time; telemetry time at the video's start, and by what it is known."""

    path: FlightPath | None
    offset_s: float = 0.0
    clock: str = "–"
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockHint:
    """What a person said of the clocks: telemetry time at video start, which video of a log, and
    whether the camera's angle is fixed and known."""

    video: str
    offset_s: float | None = None
    clip: int | None = None
    angle_known: bool = False


def align(asked: ClockHint, found: FoundTelemetry, duration_s: float, header: float | None) -> Pair:
    """The path on media time and what is to be said. `header`: UTC of the video's first picture
    by its own header. Raises ConfigError where the two have no time in common."""
    telemetry = found.telemetry
    if telemetry is None:
        return Pair(None, notes=(Note("no-telemetry", found.text),))
    notes = [Note("telemetry", f"{found.text}: {telemetry.summary()}")]
    path = FlightPath(telemetry.poses)
    if path.coverage is None:
        return Pair(None, notes=(*notes, Note("no-fix")))
    if path.coverage.aimed == 0 and not asked.angle_known:
        notes.append(Note("no-angles"))
    offset, by = clock_offset(
        telemetry, start_utc=header, duration_s=duration_s, clip=_clip(asked, telemetry)
    )
    if asked.offset_s is not None:
        offset, by = asked.offset_s, "given"
    if by.endswith("(assumed)"):
        notes.append(Note("clock-assumed", by))
    path = path.moved(offset)
    notes += _overlap(asked, found, path, duration_s, header if asked.offset_s is None else None)
    return Pair(path, offset, f"{by}, offset {offset:+.1f} s", tuple(notes))


def _clip(asked: ClockHint, telemetry: Telemetry) -> int | None:
    if asked.clip is not None and not 1 <= asked.clip <= len(telemetry.clips):
        raise ConfigError(f"--clip = {asked.clip}: the log knows {len(telemetry.clips)} videos")
    return asked.clip


def _overlap(
    asked: ClockHint,
    found: FoundTelemetry,
    path: FlightPath,
    duration_s: float,
    header: float | None,
) -> list[Note]:
    """Raises ConfigError where video and telemetry have no time in common."""
    covered = path.coverage
    assert covered is not None
    names = f"{asked.video} and {found.text}"
    if covered.start_s >= duration_s > 0 or covered.end_s <= 0.0:
        raise ConfigError(
            f"{names} do not overlap: the video runs 0..{duration_s:.0f} s, the telemetry "
            f"{covered.start_s:.0f}..{covered.end_s:.0f} s of it; give the right pair or --offset"
        )
    utc = path.poses[0].utc
    if header is not None and utc is not None and abs(utc - header) > PAIR_H * 3600.0:
        apart = timedelta(seconds=round(abs(utc - header)))
        raise ConfigError(
            f"{names} do not overlap: their clocks are {apart} apart; give the right pair, "
            "or --offset if one clock was wrong"
        )
    both = min(covered.end_s, duration_s) - max(covered.start_s, 0.0)
    if duration_s > 0 and both < SHORT_SHARE * duration_s:
        return [Note("short-telemetry", f"{both:.0f} s / {duration_s:.0f} s")]
    return []


def start_wall(path: FlightPath | None, otherwise: float) -> float:
    """UTC of the video's first picture: by the telemetry if it knows, else by the file."""
    first = next((p for p in path.poses if p.utc is not None), None) if path else None
    return otherwise if first is None or first.utc is None else first.utc - first.t_s

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which telemetry belongs to a video: given, inside it, or lying beside it. Reads files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.config import ConfigError
from edge.drone.read import NO_HINTS, Hints, read
from edge.drone.telemetry.pose import Telemetry

SUFFIXES = (".srt", ".csv", ".gpx", ".tlog", ".jsonl", ".json", ".klv")
VIDEO_SUFFIXES = {".mp4", ".mov", ".mkv", ".ts", ".avi", ".m4v", ".mts"}


@dataclass(frozen=True, slots=True)
class FoundTelemetry:
    """The best telemetry for a video and where it is from; None and why where there is none."""

    telemetry: Telemetry | None
    path: Path | None
    text: str


def find(video: Path, given: Path | None, hints: Hints = NO_HINTS) -> FoundTelemetry:
    """By the ladder: what a person gave; else, of the video's own track (of photographs: what each
    tells) and the files beside it, the one that knows most: camera angles before positions before
    nothing.

    Raises ConfigError for a file a person gave that cannot be read; others are reported.
    """
    if given is not None:
        return FoundTelemetry(read(given, hints), given, f"{given.name} (given)")
    tried: list[tuple[tuple[float, int], Telemetry, Path]] = []
    refused: list[str] = []
    for path in [video, *beside(video)]:
        try:
            found = read(path, hints)
        except ConfigError as error:
            if path != video:
                refused.append(str(error))
            continue
        tried.append((rank(found), found, path))
    if not tried:
        why = "; ".join(refused) or "no telemetry track in it and no .SRT beside it"
        return FoundTelemetry(None, None, why)
    _, telemetry, path = max(tried, key=lambda row: row[0])
    own = "its photographs" if path.is_dir() else "its own track"
    where = own if path == video else path.name
    return FoundTelemetry(telemetry, path, where)


def beside(video: Path) -> list[Path]:
    """Files of the video's name with a telemetry suffix, in any case of letters."""
    if not video.parent.is_dir():
        return []
    stem = video.stem.lower()
    return sorted(
        path
        for path in video.parent.iterdir()
        if path.stem.lower() == stem and path.suffix.lower() in SUFFIXES and path != video
    )


def rank(telemetry: Telemetry) -> tuple[float, int]:
    """Share of poses with a fix and camera angles (in tenths), then how many fixes."""
    if not telemetry.poses:
        return 0.0, 0
    aimed = sum(pose.has_fix and pose.has_angles for pose in telemetry.poses)
    return round(aimed / len(telemetry.poses), 1), telemetry.fixes

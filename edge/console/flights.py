# SPDX-License-Identifier: AGPL-3.0-or-later
"""Drone flights as files below `<state>/flights`: recordings, jobs, ledgers. What the page reads.

recordings/   what was uploaded, or copied there by other means (SFTP, a USB stick)
<name>/       one flight: `job.json` of edge-flightd, then the ledger of `edge fly`
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge.jsonfile import decoded, read_object
from edge.patterns import short

RECORDINGS = "recordings"
JOB = "job.json"
FLIGHT_NAME = re.compile(r"[\w][\w-]{0,79}")
RECORDING_NAME = re.compile(r"[\w][\w .()+-]{0,119}")
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".ts", ".avi", ".m4v", ".mts"})
TELEMETRY_SUFFIXES = frozenset({".srt", ".csv", ".gpx", ".tlog", ".jsonl", ".json", ".klv"})
# Files of a ledger that may be fetched: name -> media type.
LEDGER_FILES = {
    "map.svg": "image/svg+xml",
    "report.html": "text/html; charset=utf-8",
    "findings.kml": "application/vnd.google-earth.kml+xml",
    "findings.geojson": "application/geo+json",
    "ledger.csv": "text/csv; charset=utf-8",
    "flight.json": "application/json",
}
PICTURE_NAME = re.compile(r"[\w][\w.-]{0,100}\.jpg")

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One flight as it was asked for and how it went; edge-flightd is its only writer.

    `text` is one line: what was found, or why it failed. `camera` is a row of the camera table.
    """

    name: str
    video: str
    asked_wall: float
    title: str = ""
    telemetry: str = ""
    camera: str = ""
    by: str = ""
    state: JobState = "waiting"
    text: str = ""
    began_wall: float | None = None
    ended_wall: float | None = None


def read_job(path: Path) -> Job | None:
    """None where there is none, or none that can be read."""
    try:
        return decoded(path.read_bytes(), Job)
    except (OSError, ValueError):
        return None


def is_flight_name(name: str) -> bool:
    """Whether a folder may be called so."""
    return FLIGHT_NAME.fullmatch(name) is not None and short(name)


def is_recording_name(name: str) -> bool:
    """Whether a recording may be called so: a plain word with the suffix of something we read."""
    plain = RECORDING_NAME.fullmatch(name) is not None and short(name)
    return plain and Path(name).suffix.lower() in SUFFIXES


def is_recording(folder: Path, name: str) -> bool:
    """Whether `name` is a plain name of a file in the folder; links lead nowhere."""
    if not is_recording_name(name):
        return False
    path = folder / name
    return path.is_file() and not path.is_symlink()


SUFFIXES = VIDEO_SUFFIXES | TELEMETRY_SUFFIXES


@dataclass(frozen=True, slots=True)
class Recording:
    """A file in the recordings folder; `telemetry`: files of the same name beside a video."""

    name: str
    size: int
    wall: float
    video: bool
    telemetry: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedFlight:
    """A flight as the page lists it. `ledger` is {} until there is one, `share` None if unknown."""

    name: str
    job: Job | None
    ledger: dict[str, Any]
    share: float | None = None
    left_s: float | None = None

    @property
    def state(self) -> str:
        return self.job.state if self.job else "done"

    @property
    def doubts(self) -> list[str]:
        """Why nothing found is no clean flight, as text keys; empty where all was inspected."""
        return list(self.ledger.get("doubts") or ())

    @property
    def wall(self) -> float:
        return self.job.asked_wall if self.job else float(self.ledger.get("start_utc") or 0.0)


class FlightFolder:
    """The flights of one box, read-only. A ledger is parsed once for each of its versions."""

    def __init__(self, state: Path, run: Path) -> None:
        self.folder, self._run = state / "flights", run / "flights"
        self.recordings_folder = self.folder / RECORDINGS
        self._heads: dict[str, tuple[int, dict[str, Any]]] = {}

    def recordings(self) -> list[Recording]:
        """Newest first; telemetry that belongs to a video of the same name stands with it."""
        try:
            names = sorted(path.name for path in self.recordings_folder.iterdir())
        except FileNotFoundError:
            return []
        names = [name for name in names if is_recording(self.recordings_folder, name)]
        beside: dict[str, list[str]] = {}
        for name in names:
            if Path(name).suffix.lower() in TELEMETRY_SUFFIXES:
                beside.setdefault(Path(name).stem.lower(), []).append(name)
        found = [self._recording(name, beside) for name in names]
        return sorted((r for r in found if r), key=lambda r: r.wall, reverse=True)

    def _recording(self, name: str, beside: dict[str, list[str]]) -> Recording | None:
        try:
            facts = (self.recordings_folder / name).stat()
        except FileNotFoundError:
            return None
        video = Path(name).suffix.lower() in VIDEO_SUFFIXES
        telemetry = tuple(beside.get(Path(name).stem.lower(), ())) if video else ()
        return Recording(name, facts.st_size, facts.st_mtime, video, telemetry)

    def flights(self) -> list[ListedFlight]:
        """All flights, newest first."""
        names = {path.parent.name for file in (JOB, "flight.json")
                 for path in self.folder.glob(f"*/{file}")}  # fmt: skip
        found = [self.flight(name) for name in names]
        return sorted((f for f in found if f), key=lambda f: (f.wall, f.name), reverse=True)

    def flight(self, name: str) -> ListedFlight | None:
        """One flight with the head of its ledger (no findings), and how far it is."""
        if not is_flight_name(name):
            return None
        job = read_job(self.folder / name / JOB)
        head = self._head(name)
        if job is None and not head:
            return None
        if job is None or job.state != "running":
            return ListedFlight(name, job, head)
        return ListedFlight(name, job, head, *self._progress(job))

    def _progress(self, job: Job) -> tuple[float | None, float | None]:
        """(share done, seconds left), each None while it cannot be told."""
        try:
            progress = json.loads((self._run / f"{job.name}.json").read_bytes())
            share = min(1.0, max(0.0, float(progress["done_s"]) / float(progress["of_s"])))
            began = float(progress["began_wall"])
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
            return None, None
        if share < 0.02:
            return share, None
        return share, max(0.0, (time.time() - began) * (1.0 - share) / share)

    def ledger(self, name: str) -> dict[str, Any]:
        """The whole ledger; {} where there is none of a version that the page knows."""
        found = read_object(self.folder / name / "flight.json")
        return found if found.get("version") == 1 else {}

    def _head(self, name: str) -> dict[str, Any]:
        try:
            stamp = (self.folder / name / "flight.json").stat().st_mtime_ns
        except OSError:
            return {}
        known = self._heads.get(name)
        if known is None or known[0] != stamp:
            ledger = self.ledger(name)
            head = {key: ledger[key] for key in HEAD if key in ledger}
            known = stamp, {**head, "doubts": doubts(ledger)} if head else head
            self._heads[name] = known
        return known[1]

    def file(self, name: str, file: str) -> tuple[Path, str] | None:
        """A file of a ledger and its media type; anything else does not exist."""
        if not is_flight_name(name):
            return None
        if file.startswith("pictures/") and PICTURE_NAME.fullmatch(file.removeprefix("pictures/")):
            path, media = self.folder / name / file, "image/jpeg"
        elif file in LEDGER_FILES:
            path, media = self.folder / name / file, LEDGER_FILES[file]
        else:
            return None
        return (path, media) if path.is_file() and not path.is_symlink() else None


# Less of a flight than this is no doubt: the seconds before take-off, a picture that broke.
BLIND_SHARE, SEEN_SHARE = 0.02, 0.5


def doubts(ledger: Mapping[str, Any]) -> list[str]:
    """Why a flight is not as clean as its list of findings, as text keys of the page."""
    flown = ledger.get("as_flown") or {}
    blind_s, whole_s = ledger.get("blind_s") or 0.0, ledger.get("duration_s") or 0.0
    reasons = {
        "doubt_none": not ledger.get("looks", 1),
        "doubt_unplaced": bool(ledger.get("unplaced")),
        "doubt_blind": blind_s > BLIND_SHARE * whole_s,
        "doubt_unseen": any(one["share"] < SEEN_SHARE for one in flown.get("categories", ())),
    }
    return [key for key, holds in reasons.items() if holds]


HEAD = ("name", "aircraft", "video", "telemetry", "start_utc", "minutes", "distance_m", "area_m2",
        "counts", "blind_s")  # fmt: skip

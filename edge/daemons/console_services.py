"""What the page asks of the camera, the seal and the rules, wired for consoled."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from edge.camera.opening import addresses
from edge.camera.snap import snap
from edge.camera.source import SourceError
from edge.clock import SystemClock
from edge.config import Camera, ConfigError, Site, convert
from edge.console.editing import parse
from edge.console.services import Services
from edge.daemons.settings import Settings
from edge.drone.optics import CAMERAS
from edge.evidence.album import jpeg
from edge.rules.judge import Judge
from edge.uplink.verify import folders, verify_folder
from edge.uplink.wire import utc_text
from edge.values import Finding, Scene, Stamp, Track

KINDS_OF_CAMERAS = ("occupation", "grilling", "plume", "spill", "dumping", "uncovered", "wash")


def services(settings: Settings) -> Services:
    """All of them, for one box."""
    return Services(
        snap=lambda source: _snap(source, settings.base),
        verify=_verify,
        try_zones=lambda text, camera, tracks: _try(settings, text, camera, tracks),
        review=lambda *words: _review(settings.state, *words),
        categories=_categories(settings),
        outbox=settings.state / "outbox.db",
        drone_cameras=tuple(camera.name for camera in CAMERAS),
    )


def _categories(settings: Settings) -> dict[str, dict[str, Any]]:
    return {
        name: {"zh": c.zh, "en": c.en, "codes": c.codes, "dwell_s": c.dwell_s}
        for name, c in settings.categories.items()
        if c.kind in KINDS_OF_CAMERAS
    }


def _snap(source: str, base: Path) -> bytes:
    """Raises ConfigError with one line that a technician can act on."""
    camera = convert({"id": "test", "source": source}, Camera, "source")
    found = addresses(camera, base)
    try:
        return jpeg(snap(found, SystemClock()).image)
    except SourceError as error:
        raise ConfigError(f"{found.source}: {error}") from None


def _verify(folder: Path) -> str | None:
    for part in folders(folder):
        verdict = verify_folder(part)
        if not verdict.ok:
            return f"{part.name}/{verdict.file}: {verdict.problem}"
    return None


def _review(state: Path, case_id: str, verdict: str, reason: str, who: str) -> None:
    """One line beside the platform's own reviews, in a file of the console's."""
    now = time.time()
    folder = state / "reviews"
    folder.mkdir(parents=True, exist_ok=True)
    row = {
        "violation": case_id,
        "verdict": verdict,
        "reason": reason,
        "at": utc_text(now),
        "by": f"console:{who}",
    }
    path = folder / f"console-{utc_text(now)[:7]}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _try(
    settings: Settings, text: str, camera_id: str, tracks: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The findings that these zones and rules give on recorded tracks. Raises ConfigError."""
    site = convert(parse(text), Site, "site.yaml")
    camera = next((c for c in site.cameras if c.id == camera_id), None)
    if camera is None:
        raise ConfigError(f"camera {camera_id!r} is not in the site file")
    judge = Judge(
        camera,
        categories=settings.categories,
        calendar=settings.calendar,
        timezone=ZoneInfo(site.timezone),
    )
    raised: list[Finding] = []
    first: dict[int, Stamp] = {}
    for row in tracks:
        raised += judge.step(_scene(camera_id, row, first)).findings
    return [
        {"category": f.category, "began": f.began.wall, "place": list(f.place)}
        for f in raised
        if f.phase == "new"
    ]


def _scene(camera: str, row: Mapping[str, Any], first: dict[int, Stamp]) -> Scene:
    at = Stamp(float(row["mono"]), float(row["wall"]), "ntp", 0.0)
    tracks = tuple(_track(told, at, first) for told in row["tracks"])
    return Scene(camera, at, tracks)


def _track(told: Mapping[str, Any], at: Stamp, first: dict[int, Stamp]) -> Track:
    number = int(told["id"])
    x1, y1, x2, y2 = told["box"]
    return Track(
        id=number,
        label=str(told["label"]),
        box=(x1, y1, x2, y2),
        score=float(told["score"]),
        first=first.setdefault(number, at),
        seen=at,
        coasted=bool(told.get("coasted")),
    )

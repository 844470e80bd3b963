# SPDX-License-Identifier: AGPL-3.0-or-later
"""Requests from the spool: a clip or a picture of a camera around some instant, into a folder.

Askers are other daemons (a noise violation wants pictures) and, through uplinkd, the platform.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.camera.groundplane import covering
from edge.evidence.album import jpeg
from edge.evidence.pictures import with_strip
from edge.ipc import write_answer
from edge.pipeline.camera_worker import CameraWorker
from edge.pipeline.recheck import PATIENCE_S, Clue, RecheckRequest
from edge.pipeline.settings import Settings
from edge.runtime import write_atomic
from edge.values import Box, Stamp

log = logging.getLogger(__name__)

LONGEST_S = 120.0


def answer(
    request: Mapping[str, Any], workers: Mapping[str, CameraWorker], settings: Settings, now: Stamp
) -> bool:
    """Do what is asked; false (a line in the log, and an answer) where it cannot be done.

    A recheck is answered by the camera's next picture.
    """
    kind, worker = request["kind"], workers.get(str(request.get("camera")))
    into = _inside(request.get("into"), settings.state)
    if into is None:
        log.warning("request %r: folder %r is not ours", kind, request.get("into"))
        return False
    try:
        if kind == "clue":
            return _clue(request, workers, settings, into, now)
        return _of_camera(request, worker, into, now)
    except OSError as error:
        log.warning("request %r for %s: %s", kind, request.get("camera"), error)
        return False


def _of_camera(
    request: Mapping[str, Any], worker: CameraWorker | None, into: Path, now: Stamp
) -> bool:
    """What one named camera can do. Raises OSError (disk)."""
    kind = request["kind"]
    if worker is None or kind not in ("clip", "snapshot", "recheck", "look"):
        log.warning("request %r for camera %r: not served", kind, request.get("camera"))
        write_answer(into, False, reason="no such camera here" if worker is None else "not known")
        return False
    into.mkdir(parents=True, exist_ok=True)
    if kind in ("recheck", "look"):
        return _recheck(request, worker, into, now)
    done = _clip(request, worker, into) if kind == "clip" else _snapshot(worker, into)
    return write_answer(into, done, **_echo(request)) and done


def _recheck(request: Mapping[str, Any], worker: CameraWorker, into: Path, now: Stamp) -> bool:
    """A `look` names one place: its box in fractions of the frame and what would be an offence."""
    box: Box | None = None
    classes: tuple[str, ...] = ()
    if request["kind"] == "look":
        try:
            x1, y1, x2, y2 = (float(side) for side in request["box"])
            box, classes = (x1, y1, x2, y2), tuple(str(name) for name in request["classes"])
        except (KeyError, TypeError, ValueError) as error:
            write_answer(into, False, reason=f"not a look: {error}")
            return False
    worker.rechecks.ask(RecheckRequest(into, now, box, classes))
    return True


def _clue(
    request: Mapping[str, Any],
    workers: Mapping[str, CameraWorker],
    settings: Settings,
    into: Path,
    now: Stamp,
) -> bool:
    """A tip with a place: the camera that sees it best, of those that give pictures, looks."""
    name = str(request["category"])
    category = settings.categories.get(name)
    lat, lon, radius_m = (float(request[key]) for key in ("lat", "lon", "radius_m"))
    cameras = [c for c in settings.site.cameras if c.id in workers]
    covers = covering(cameras, lat, lon, radius_m)
    seeing = [c for c in covers if _seeing(workers[c.camera], now)]
    if category is None or not category.classes:
        why = "no camera can see this category" if category else f"no category {name!r} here"
    elif not covers:
        why = "no camera of this box covers this place"
    else:
        why = "" if seeing else "the cameras of this place give no picture now"
    if why or category is None:
        write_answer(into, False, reason=why)
        return False
    best = seeing[0]
    clue = Clue(into.name, name, str(request["source"]), str(request["note"]), best.by)
    into.mkdir(parents=True, exist_ok=True)
    asked = RecheckRequest(into, now, best.area, tuple(category.classes), clue)
    workers[best.camera].rechecks.ask(asked)
    return True


def _seeing(worker: CameraWorker, now: Stamp) -> bool:
    """A recording gives pictures as long as it lasts, by clocks of its own."""
    if worker.last is None or worker.ended:
        return False
    return worker.recording or now.mono - worker.last.frame.at.mono <= PATIENCE_S


def due_wall(request: Mapping[str, Any]) -> float:
    """When the request can be served: a second after the end of the span it asks for."""
    try:
        after_s = min(LONGEST_S, float(request.get("after_s", 0.0)))
        return float(request["at_wall"]) + after_s + 1.0
    except (KeyError, TypeError, ValueError):
        return 0.0


def _echo(request: Mapping[str, Any]) -> dict[str, Any]:
    return {key: request.get(key) for key in ("kind", "camera", "for", "at_wall")}


def _inside(folder: object, root: Path) -> Path | None:
    """The folder, if it lies below root after links are followed."""
    if not isinstance(folder, str):
        return None
    path, base = Path(folder).resolve(), root.resolve()
    return path if path.is_relative_to(base) and path != base else None


def _clip(request: Mapping[str, Any], worker: CameraWorker, into: Path) -> bool:
    last = worker.last
    if last is None or worker.clips is None:
        return False
    now = last.frame.at
    middle = now.mono - (now.wall - float(request.get("at_wall", now.wall)))
    before_s = min(LONGEST_S, float(request.get("before_s", worker.camera.clip_before_s)))
    after_s = min(LONGEST_S, float(request.get("after_s", worker.camera.clip_after_s)))
    span = worker.clips.write_clip(into / "clip.mp4", middle - before_s, middle + after_s)
    return _snapshot(worker, into) or span is not None


def _snapshot(worker: CameraWorker, into: Path) -> bool:
    if worker.last is None:
        return False
    frame = worker.last.frame
    lines = worker.pipeline.album.caption(frame.at, "")
    write_atomic(into / "overview-1.jpg", jpeg(with_strip(frame.image, lines)))
    return True

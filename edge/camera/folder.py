# SPDX-License-Identifier: AGPL-3.0-or-later
"""A folder of images as a recording: which files in which order, and when each was taken."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.camera.exif import taken_at
from edge.camera.libav import FILE_PIXELS_MAX
from edge.config import ConfigError
from edge.values import Image

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
SIDECARS = ("times.json", "frames.csv")
# Enough of a file to hold its EXIF block (one JPEG segment, at most 64 KiB, near the start).
_HEAD_BYTES = 192 * 1024


@dataclass(frozen=True, slots=True)
class Still:
    """One image of a folder; time_s from the first one."""

    path: Path
    time_s: float


@dataclass(frozen=True, slots=True)
class Album:
    """The images in order. `start` is the first one's UTC seconds where known, else None;
    `timed` says where the times come from: times.json, frames.csv, exif or fps."""

    stills: tuple[Still, ...]
    start: float | None
    timed: str

    @property
    def duration_s(self) -> float:
        return self.stills[-1].time_s


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Sort key that puts frame_9 before frame_10."""
    return [
        (piece.isdigit(), int(piece) if piece.isdigit() else 0, piece)
        for piece in re.split(r"([0-9]+)", name.lower())
    ]


def open_album(folder: Path, fps: float) -> Album:
    """Order and times of a folder's images; `fps` where neither sidecar nor EXIF gives times.

    A sidecar is times.json, `{"start": UTC seconds or ISO 8601, "times_s": {name: seconds}}`, or
    frames.csv with the columns `name,time_s`. Raises ConfigError for a folder without images and
    for a sidecar that does not fit it.
    """
    paths = sorted(
        (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()),
        key=lambda p: natural(p.name),
    )
    if not paths:
        raise ConfigError(f"{folder}: no images in it ({', '.join(sorted(SUFFIXES))})")
    for name in SIDECARS:
        if (folder / name).is_file():
            return _from_sidecar(folder / name, paths)
    return _from_exif(paths) or Album(
        tuple(Still(path, index / fps) for index, path in enumerate(paths)), None, "fps"
    )


def _from_sidecar(sidecar: Path, paths: list[Path]) -> Album:
    start, times = _READERS[sidecar.name](sidecar)
    missing = [path.name for path in paths if path.name not in times]
    if missing:
        raise ConfigError(f"{sidecar}: no time for {missing[0]} ({len(missing)} images lack one)")
    stills = sorted((Still(path, times[path.name]) for path in paths), key=lambda s: s.time_s)
    zero = stills[0].time_s
    moved = tuple(Still(s.path, s.time_s - zero) for s in stills)
    return Album(moved, None if start is None else start + zero, sidecar.name)


def _read_json(sidecar: Path) -> tuple[float | None, dict[str, float]]:
    try:
        body = json.loads(sidecar.read_text(encoding="utf-8"))
        start = _instant(body.get("start"))
        times = {str(name): _finite(value) for name, value in body["times_s"].items()}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(f"{sidecar}: {error}; need {{'times_s': {{name: seconds}}}}") from None
    return start, times


def _read_csv(sidecar: Path) -> tuple[float | None, dict[str, float]]:
    try:
        rows = csv.DictReader(io.StringIO(sidecar.read_text(encoding="utf-8-sig")))
        return None, {row["name"]: _finite(row["time_s"]) for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{sidecar}: {error}; need the columns name,time_s") from None


_READERS = {"times.json": _read_json, "frames.csv": _read_csv}


def _finite(value: Any) -> float:
    seconds = float(value)
    if not np.isfinite(seconds):
        raise ValueError(f"{value!r} is not a number of seconds")
    return seconds


def _instant(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, str):
        moment = dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.timezone.utc)).timestamp()
    return _finite(value)


def _from_exif(paths: list[Path]) -> Album | None:
    """Times of all images by EXIF, or None where one has none (a mixture would lie)."""
    times: dict[Path, float] = {}
    for path in paths:
        with path.open("rb") as file:
            taken = taken_at(file.read(_HEAD_BYTES))
        if taken is None:
            return None
        times[path] = taken
    # Stable: images of the same second keep the order of their names.
    ordered = sorted(paths, key=times.__getitem__)
    start = times[ordered[0]]
    return Album(tuple(Still(p, times[p] - start) for p in ordered), start, "exif")


def read_still(path: Path) -> Image | None:
    """The image as BGR, upright; None (and one line) where it is damaged or too large."""
    try:
        data = path.read_bytes()
    except OSError as error:
        log.warning("%s: %s; left out", path.name, error.strerror)
        return None
    if not _is_whole(data):
        log.warning("%s: cut off or not an image; left out", path.name)
        return None
    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None or image.shape[0] * image.shape[1] > FILE_PIXELS_MAX:
        log.warning("%s: not a readable image or too large; left out", path.name)
        return None
    return np.asarray(image, dtype=np.uint8)


def _is_whole(data: bytes) -> bool:
    """A JPEG without its end marker would be decoded with a grey rest: a wrong picture."""
    return bool(data) and (data[:2] != b"\xff\xd8" or b"\xff\xd9" in data[-4096:])


def stills_between(album: Album, start_s: float, end_s: float) -> Iterator[Still]:
    return (still for still in album.stills if start_s <= still.time_s <= end_s)


def facts(album: Album) -> Mapping[str, Any]:
    return {"images": len(album.stills), "timed": album.timed}

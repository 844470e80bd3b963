# SPDX-License-Identifier: AGPL-3.0-or-later
"""A folder of images as a recording: which files in which order, and when each was taken."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import io
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.camera.exif import taken_at
from edge.camera.libav import FILE_PIXELS_MAX
from edge.clock import instant
from edge.config import ConfigError
from edge.values import Image

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
# Photographs that this box cannot decode: named, so that nobody takes them for looked at.
UNREAD = frozenset({".heic", ".heif", ".avif", ".jxl", ".dng", ".arw", ".cr2", ".cr3", ".nef"})
SIDECARS = ("times.json", "frames.csv")
# Enough of a file to hold its EXIF block (one JPEG segment, at most 64 KiB, near the start).
_HEAD_BYTES = 192 * 1024
# JPEG, PNG, BMP, WebP's RIFF, TIFF of either byte order.
_MAGICS = (b"\xff\xd8", b"\x89PNG", b"BM", b"RIFF", b"II*\0", b"MM\0*")
# A picture was taken after 2000, and not tomorrow.
_FIRST_WALL, _AHEAD_S = 946_684_800.0, 86_400.0
# No picture of so many pixels is larger, 16 bits in each of four channels, with a film behind it.
STILL_BYTES_MAX = 8 * FILE_PIXELS_MAX
# A picture that ends this near the end of its file was cut off there.
_TAIL_BYTES = 64


@dataclass(frozen=True, slots=True)
class Still:
    """One image of a folder; time_s from the first one."""

    path: Path
    time_s: float


@dataclass(frozen=True, slots=True)
class StillSequence:
    """The images in order. `start` is the first one's UTC seconds where known, else None;
    `timed` says where the times come from: times.json, frames.csv, exif or fps; `left_out` are
    the names of files that are no images of this recording."""

    stills: tuple[Still, ...]
    start: float | None
    timed: str
    left_out: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.stills[-1].time_s


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Sort key that puts frame_9 before frame_10."""
    return [
        (piece.isdecimal(), int(piece) if piece.isdecimal() else 0, piece)
        for piece in re.split(r"([0-9]+)", name.lower())
    ]


def open_album(folder: Path, fps: float) -> StillSequence:
    """Order and times of a folder's images; `fps` where neither sidecar nor EXIF gives times.

    Hidden files and files that are no images whatever their names say are left out by name.

    A sidecar is times.json, `{"start": UTC seconds or ISO 8601, "times_s": {name: seconds}}`, or
    frames.csv with the columns `name,time_s`. Raises ConfigError for a folder without images and
    for a sidecar that does not fit it.
    """
    found, unread = _listed(folder)
    heads = {path: head_of(path) for path in found}
    paths = [path for path in found if _is_image(path, heads[path])]
    foreign = (*(path.name for path in found if path not in paths), *unread)
    if not paths:
        first = f"; {unread[0]}: make JPEGs of such" if unread else ""
        raise ConfigError(f"{folder}: no images in it ({', '.join(sorted(SUFFIXES))}){first}")
    if foreign:
        log.warning("%s: not images that can be read, left out: %s", folder, _some(foreign))
    for name in SIDECARS:
        if (folder / name).is_file():
            return replace(_from_sidecar(folder / name, paths), left_out=foreign)
    timed = _from_exif(folder, {path: heads[path] for path in paths})
    if timed is not None:
        return replace(timed, left_out=foreign + timed.left_out)
    stills = tuple(Still(path, index / fps) for index, path in enumerate(paths))
    return StillSequence(stills, None, "fps", foreign)


def _listed(folder: Path) -> tuple[list[Path], list[str]]:
    """The files that are called images, in the order of their names, and the names of those that
    this box cannot decode. Raises ConfigError where the folder is there no more."""
    try:
        names = [path for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from None
    found = [path for path in names if path.suffix.lower() in SUFFIXES]
    unread = sorted(path.name for path in names if path.suffix.lower() in UNREAD)
    return sorted(found, key=lambda path: natural(path.name)), unread


def head_of(path: Path) -> bytes:
    """Enough of a file to hold what it tells of itself; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def _is_image(path: Path, head: bytes) -> bool:
    """By its first bytes, not by its name: phones call HEIC .jpg, a Mac lays `._x.jpg` beside each
    picture. An empty or unreadable file is told when it is to be read."""
    return not path.name.startswith(".") and (not head or head.startswith(_MAGICS))


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _from_sidecar(sidecar: Path, paths: list[Path]) -> StillSequence:
    start, times = _READERS[sidecar.name](sidecar)
    missing = [path.name for path in paths if path.name not in times]
    if missing:
        raise ConfigError(f"{sidecar}: no time for {missing[0]} ({len(missing)} images lack one)")
    stills = sorted((Still(path, times[path.name]) for path in paths), key=lambda s: s.time_s)
    zero = stills[0].time_s
    moved = tuple(Still(s.path, s.time_s - zero) for s in stills)
    return StillSequence(moved, None if start is None else start + zero, sidecar.name)


# What the readers of a sidecar raise where it says no times or cannot be read: a number of four
# hundred digits is no float, and brackets may be nested deeper than Python follows.
_NO_TIMES = (
    OSError,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    OverflowError,
    RecursionError,
)


def _read_json(sidecar: Path) -> tuple[float | None, dict[str, float]]:
    try:
        body = json.loads(sidecar.read_text(encoding="utf-8"))
        start = _instant(body.get("start"))
        times = {str(name): _finite(value) for name, value in body["times_s"].items()}
    except _NO_TIMES as error:
        raise ConfigError(f"{sidecar}: {error}; need {{'times_s': {{name: seconds}}}}") from None
    return start, times


def _read_csv(sidecar: Path) -> tuple[float | None, dict[str, float]]:
    try:
        rows = csv.DictReader(io.StringIO(sidecar.read_text(encoding="utf-8-sig")))
        return None, {row["name"]: _finite(row["time_s"]) for row in rows}
    except (*_NO_TIMES, csv.Error) as error:
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
        return instant(value, dt.timezone.utc).timestamp()
    return _finite(value)


def _from_exif(folder: Path, heads: Mapping[Path, bytes]) -> StillSequence | None:
    """Times of the images by EXIF where most of them tell one that can be; the others, whose place
    in time nobody knows, are left out by name. None where fewer do."""
    times = {path: taken_at(head) for path, head in heads.items()}
    latest = time.time() + _AHEAD_S
    known = {p: t for p, t in times.items() if t is not None and _FIRST_WALL <= t <= latest}
    if 2 * len(known) <= len(times):
        if any(taken is not None for taken in times.values()):
            log.warning("%s: %d of %d images tell when they were taken; their names order them",
                        folder, len(known), len(times))  # fmt: skip
        return None
    # Stable: images of the same second keep the order of their names.
    ordered = sorted(known, key=known.__getitem__)
    start = known[ordered[0]]
    undated = tuple(path.name for path in times if path not in known)
    if undated:
        log.warning("%s: taken at no time that can be, left out: %s", folder, _some(undated))
    return StillSequence(tuple(Still(p, known[p] - start) for p in ordered), start, "exif", undated)


def read_still(path: Path) -> Image | None:
    """The image as BGR, upright; None (and one line) where it is damaged or too large."""
    try:
        data = _bytes_of(path)
    except OSError as error:
        log.warning("%s: %s; left out", path.name, error.strerror)
        return None
    picture = _whole(data)
    if picture is None:
        log.warning("%s: cut off or not an image; left out", path.name)
        return None
    image = _decoded(picture)
    if image is None or image.shape[0] * image.shape[1] > FILE_PIXELS_MAX:
        log.warning("%s: not a readable image or too large; left out", path.name)
        return None
    return image


def _bytes_of(path: Path) -> bytes:
    """The whole file. Raises OSError, also for one that is larger than any picture."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > STILL_BYTES_MAX:
            raise OSError(errno.EFBIG, "larger than any picture")
        return file.read(size)


def _decoded(data: bytes) -> Image | None:
    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, dtype=np.uint8)


def _whole(data: bytes) -> bytes | None:
    """The picture without what follows it (a motion photo's film, a maker's padding), or None
    where it is cut off: a JPEG without its end would be decoded with a grey rest."""
    if data[:2] != b"\xff\xd8":
        return data or None
    end = _end_of_jpeg(data)
    if end is not None:
        return data[:end]
    return data if _all_there(data) else None


# A marker is 0xFF and a byte that is neither stuffing, filling nor a restart. Between segments it
# may be filled up in front; inside a scan it is searched for, and there each byte of a tail of 0xFF
# would be the begin of a filling that is followed to its end.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
_FILLED = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_BARE_MARKERS = frozenset((0x01, *range(0xD0, 0xD9)))


def _end_of_jpeg(data: bytes) -> int | None:
    """Where the first picture of a JPEG file ends (ITU-T T.81, B.1.1): behind its own end marker,
    not that of a thumbnail in its head."""
    at, in_scan = 2, False
    while True:
        found = _MARKER.search(data, at) if in_scan else _FILLED.match(data, at)
        if found is None:
            return None
        marker, at = found[1][0], found.end()
        if marker == 0xD9:
            return at
        if marker in _BARE_MARKERS:
            continue
        size = int.from_bytes(data[at : at + 2], "big")
        if size < 2 or at + size > len(data):
            return None
        at, in_scan = at + size, marker == 0xDA


def _all_there(data: bytes) -> bool:
    """Whether a JPEG without an end marker (some makers overwrite it) holds its whole picture: then
    its last bytes are somebody else's, and cutting them changes nothing."""
    whole, cut = _decoded(data), _decoded(data[:-_TAIL_BYTES] + b"\xff\xd9")
    return whole is not None and cut is not None and np.array_equal(whole, cut)


def stills_between(album: StillSequence, start_s: float, end_s: float) -> Iterator[Still]:
    return (still for still in album.stills if start_s <= still.time_s <= end_s)


def facts(album: StillSequence) -> Mapping[str, Any]:
    return {"images": len(album.stills), "timed": album.timed}

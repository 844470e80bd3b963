# SPDX-License-Identifier: AGPL-3.0-or-later
"""Small pictures of what a case is about, for lists: the offence itself, at most twelve kilobytes.

A program of its own, `python -m edge.evidence.thumbnail`: what stands in its input, one JSON array
of [case folder, file to make] a line, is made. The page that asks for it never loads OpenCV.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.jsonfile import read_object
from edge.outbox import MANIFEST
from edge.values import Image

WIDTH, HEIGHT = 320, 200
BYTES_MOST = 12_000
# Round the subject's box is shown so much of its size on each side: the offence, not the street.
MARGIN = 0.35
_QUALITIES = (82, 74, 66, 58, 50, 40, 30, 20, 12)
ROLES = ("close", "overview", "after", "samples")


def thumbnail(case: Path) -> bytes:
    """A JPEG of WIDTH x HEIGHT of the newest revision's subject; b"" without a readable picture."""
    manifest = _manifest(case)
    for role in ROLES:
        for file in _files(manifest, role):
            picture = _read(case / file.partition("-")[0] / file)
            if picture is not None:
                shot = _shot(manifest, role)
                return _encoded(_framed(_scene(picture, shot), _subject(manifest, shot, role)))
    return b""


def _manifest(case: Path) -> Mapping[str, Any]:
    numbers = sorted(int(p.name[1:]) for p in case.glob("r*") if p.name[1:].isdigit())
    return read_object(case / f"r{numbers[-1]}" / MANIFEST) if numbers else {}


def _files(manifest: Mapping[str, Any], role: str) -> list[str]:
    """Pictures of that role, the last first; never the masked copy."""
    rows = manifest.get("files") or []
    found = [str(f["path"]) for f in rows if f.get("role") == role and not f.get("masked")]
    return [name for name in reversed(found) if name.endswith((".jpg", ".png"))]


def _read(path: Path) -> Image | None:
    if path.is_symlink() or "/" in path.name:
        return None
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    try:
        found = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        return None
    return None if found is None else found.astype(np.uint8, copy=False)


def _shot(manifest: Mapping[str, Any], role: str) -> Mapping[str, Any]:
    """What is known of the last picture of that role: its scene and the subject in it."""
    shots = [shot for shot in manifest.get("shots") or [] if shot.get("role") == role]
    return shots[-1] if shots else {}


def _scene(picture: Image, shot: Mapping[str, Any]) -> Image:
    """What the camera saw, without the strip of words below."""
    try:
        x, width, height = (int(side) for side in shot["scene"])
    except (KeyError, TypeError, ValueError):
        return picture
    cut = picture[: max(0, height), max(0, x) : max(0, x + width)]
    return cut if cut.size else picture


def _subject(
    manifest: Mapping[str, Any], shot: Mapping[str, Any], role: str
) -> tuple[float, float, float, float] | None:
    """The subject's box as fractions of the scene; None for all of it, as of a close-up."""
    if role not in ("overview", "after"):
        return None
    try:
        x1, y1, x2, y2 = (float(side) for side in (shot or manifest["finding"])["box"])
    except (KeyError, TypeError, ValueError):
        return None
    return (x1, y1, x2, y2) if 0.0 <= x1 < x2 <= 1.0 and 0.0 <= y1 < y2 <= 1.0 else None


def _framed(picture: Image, box: tuple[float, float, float, float] | None) -> Image:
    """The part round the box in the shape of a thumbnail, no larger than the picture."""
    tall, wide = picture.shape[:2]
    x1, y1, x2, y2 = box or (0.0, 0.0, 1.0, 1.0)
    grow = MARGIN if box else 0.0
    width = max(1.0, (x2 - x1) * wide * (1 + 2 * grow))
    height = max(1.0, (y2 - y1) * tall * (1 + 2 * grow))
    width, height = max(width, height * WIDTH / HEIGHT), max(height, width * HEIGHT / WIDTH)
    share = min(1.0, wide / width, tall / height)
    width, height = max(8.0, width * share), max(8.0, height * share)
    left = min(max(0.0, (x1 + x2) / 2 * wide - width / 2), max(0.0, wide - width))
    top = min(max(0.0, (y1 + y2) / 2 * tall - height / 2), max(0.0, tall - height))
    return picture[int(top) : int(top + height), int(left) : int(left + width)]


def _encoded(picture: Image) -> bytes:
    """As good as twelve kilobytes allow."""
    shrink = picture.shape[1] > WIDTH
    way = cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
    small = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=way)
    data = b""
    for quality in _QUALITIES:
        _, out = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        data = out.tobytes()
        if len(data) <= BYTES_MOST:
            return data
    _, out = cv2.imencode(".jpg", cv2.GaussianBlur(small, (0, 0), 2.0),
                          [cv2.IMWRITE_JPEG_QUALITY, _QUALITIES[-1]])  # fmt: skip
    return out.tobytes()


def make(wanted: Iterable[tuple[Path, Path]]) -> None:
    """Each (case folder, file); an empty file: there is nothing to show. Raises OSError."""
    for case, into in wanted:
        # Not durable: what a power cut takes is made again.
        half = into.with_suffix(".tmp")
        half.write_bytes(thumbnail(case))
        half.replace(into)


def main() -> int:
    """See the module."""
    lines = (json.loads(line) for line in sys.stdin.buffer.read().splitlines())
    make((Path(case), Path(into)) for case, into in lines)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge snap: one picture from a camera, for aiming it and for drawing zones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge.config.paths import SITE_FILE

if TYPE_CHECKING:
    from edge.config import Camera

EPILOG = """examples:
  edge snap gate-north --site /etc/edge/site.yaml
  edge snap rtsp://user:password@192.168.1.64/Streaming/Channels/102 --out gate.jpg
  抓取一张画面 / one picture, written as JPEG; prints the file name and what was seen"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("camera", help="id of a camera in the site file, or a source (URL, file)")
    parser.add_argument("--site", default=SITE_FILE, help="site.yaml")
    parser.add_argument("--out", type=Path, help="file to write (default: CAMERA.jpg)")
    parser.add_argument("--record", action="store_true", help="from the record stream")


def run(args: argparse.Namespace) -> int:
    """0 with one picture written; 1 saying why the camera or the disk gave none.
    Raises ConfigError naming the file or option that is wrong."""
    import sys

    import cv2

    from edge.camera.opening import addresses
    from edge.camera.snap import snap
    from edge.camera.source import SourceError
    from edge.clock import SystemClock
    from edge.config import ConfigError
    from edge.runtime import write_atomic

    camera, base = _camera(args.camera, Path(args.site))
    found = addresses(_record(camera) if args.record else camera, base)
    print(f"edge snap: opening {found.source}", file=sys.stderr)
    try:
        frame = snap(found, SystemClock(), camera=camera.id)
    except SourceError as error:
        print(f"edge snap: {found.source}: {error}", file=sys.stderr)
        return 1
    _, data = cv2.imencode(".jpg", frame.image, (cv2.IMWRITE_JPEG_QUALITY, 92))
    path: Path = args.out or Path(f"{camera.id}.jpg")
    try:
        write_atomic(path, data.tobytes(), durable=False)
    except FileNotFoundError:
        raise ConfigError(f"--out {path}: no such folder") from None
    except OSError as error:
        print(f"edge snap: {path}: {error.strerror}", file=sys.stderr)
        return 1
    height, width = frame.image.shape[:2]
    print(f"{path} {width}x{height}")
    return 0


def _camera(name: str, site_path: Path) -> tuple[Camera, Path]:
    """The camera of that id in the site file, or a nameless one for a source given in full.

    A word without `/`, `:` or `.` is an id: the site file must then be there and know it.
    """
    from edge.config import Camera, ConfigError, Site, load

    if any(mark in name for mark in "/:.\\"):
        return Camera(id="snap", source=name), Path.cwd()
    cameras = {camera.id: camera for camera in load(site_path, Site).cameras}
    if name not in cameras:
        known = ", ".join(cameras) or "none"
        raise ConfigError(f"{site_path}: no camera {name!r}; there are: {known}")
    return cameras[name], site_path.parent


def _record(camera: Camera) -> Camera:
    """The same camera, looked at through its record stream."""
    import msgspec

    return msgspec.structs.replace(camera, source=camera.record or camera.source, record=None)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What edge-visiond finds out for the page: a picture of an address, cameras nearby."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge.camera.discovery import discover
from edge.camera.onvif import OnvifRefused, streams
from edge.camera.opening import addresses
from edge.camera.snap import snap
from edge.camera.source import SourceError
from edge.clock import SystemClock
from edge.config import Camera, ConfigError, convert
from edge.evidence.album import jpeg
from edge.ipc import Answer, Work


def camera_probes(base: Path) -> dict[str, Work]:
    """The works by the kind of request; `base` is where relative paths of a source start."""
    return {
        "test_picture": lambda request: try_picture(request, base),
        "camera_streams": ask_streams,
        "find_cameras": lambda _: Answer({"cameras": [asdict(camera) for camera in discover()]}),
    }


def ask_streams(request: Mapping[str, Any]) -> Answer:
    """The streams of a camera by ONVIF. Never raises for one that refuses: `cause` says why."""
    words = (str(request.get(key, "")) for key in ("host", "user", "password"))
    try:
        return Answer({"streams": [asdict(stream) for stream in streams(*words)]})
    except OnvifRefused as error:
        return Answer({"cause": error.cause, "error": str(error)})


def try_picture(request: Mapping[str, Any], base: Path) -> Answer:
    """One picture of a source that need not be in the configuration. Never raises for a bad one:
    `cause` is a word of docs/cameras.md, or "config" with the one line in `error`."""
    try:
        camera = convert({"id": "test", "source": request.get("source")}, Camera, "source")
        found = addresses(camera, base)
        image = snap(found, SystemClock()).image
    except ConfigError as error:
        return Answer({"cause": "config", "error": str(error)})
    except SourceError as error:
        return Answer({"cause": error.cause, "error": f"{found.source}: {error}"})
    height, width = image.shape[:2]
    return Answer({"width": width, "height": height, "source": str(found.source)}, jpeg(image))

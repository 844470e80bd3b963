# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cut-outs of taught places on disk, `<state>/looks/CAMERA/ZONE/LOOK/NAME.png`, and back as places.

Only the place with a narrow rim is kept, 96 x 96 pixels: no street, and nobody who walks by it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from edge.config import Camera, Category, ConfigError, Zone
from edge.rules.taught import WHOLE, Square, TaughtPlace, square
from edge.runtime import make_folder, write_atomic
from edge.values import Box, Image

log = logging.getLogger(__name__)

PICTURES_MOST = 60


def box_of(zone: Zone) -> Box:
    """The tightest box round the zone, fractions of the frame."""
    xs, ys = [x for x, _ in zone.polygon], [y for _, y in zone.polygon]
    return (min(xs), min(ys), max(xs), max(ys))


def looks_of(folder: Path) -> list[str]:
    """Names of the looks of one zone that have a picture."""
    return sorted(path.name for path in folder.glob("*") if any(path.glob("*.png")))


def read_looks(folder: Path) -> dict[str, list[Square]]:
    """Look to cut-outs of one zone, {} where nothing was taught. What is none is left out."""
    found: dict[str, list[Square]] = {}
    for look in sorted(p for p in folder.glob("*") if p.is_dir()):
        cuts = []
        for path in sorted(look.glob("*.png"))[:PICTURES_MOST]:
            cut = cv2.imread(str(path))
            if cut is None or cut.shape[:2] != (WHOLE, WHOLE):
                log.warning("%s: no cut-out of a place; left out", path)
                continue
            cuts.append(np.asarray(cut, np.uint8))
        if cuts:
            found[look.name] = cuts
    return found


def keep_look(folder: Path, look: str, image: Image, zone: Zone) -> Path:
    """Store the cut-out of one picture under its look; the same picture makes one file."""
    done, data = cv2.imencode(".png", square(image, box_of(zone)))
    assert done
    make_folder(folder / look)
    path = folder / look / f"{hashlib.sha256(data.tobytes()).hexdigest()[:16]}.png"
    write_atomic(path, data.tobytes())
    return path


def taught_places(
    camera: Camera, categories: Mapping[str, Category], root: Path
) -> dict[str, tuple[Box, TaughtPlace]]:
    """The taught zones of a camera, where it has a rule of kind `state`. Raises ConfigError for a
    rule whose zones nobody taught: it would watch nothing, in silence."""
    found: dict[str, tuple[Box, TaughtPlace]] = {}
    zones = {zone.id: zone for zone in camera.zones}
    for rule in camera.rules:
        if categories[rule.category].kind != "state":
            continue
        for name in rule.zones or tuple(zones):
            looks = read_looks(root / camera.id / name)
            try:
                found[name] = (box_of(zones[name]), TaughtPlace(looks))
            except ValueError as error:
                if rule.zones:
                    how = f"edge state teach --camera {camera.id} --zone {name} --look NAME"
                    raise ConfigError(
                        f"camera {camera.id}: {rule.category}: zone {name} is not taught: {error}; "
                        f"{how} PICTURE..."
                    ) from None
    return found

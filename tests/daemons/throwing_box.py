# SPDX-License-Identifier: AGPL-3.0-or-later
"""The box of tests.daemons.box with a bug in the work for one camera.

`python -m tests.daemons.throwing_box HOME`; HOME/throw says which camera, and at which seam.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.camera import playback
from edge.daemons import visiond
from edge.pipeline import camera_worker, evidence_writer
from tests.daemons import box


class Bug(Exception):
    """Nobody expects this one."""


def _throws(of: type[Any], name: str, is_it: Callable[..., bool]) -> None:
    """The method raises where its arguments are the camera's."""
    real = getattr(of, name)

    def thrown(self: Any, *args: Any, **named: Any) -> Any:
        if is_it(self):
            raise Bug(name)
        return real(self, *args, **named)

    setattr(of, name, thrown)


def arm(camera: str, seam: str) -> None:
    def owns(worker: Any) -> bool:
        return bool(worker.camera.id == camera)

    if seam == "build":
        real = visiond.build_worker

        def build(settings: Any, wanted: Any, *args: Any, **named: Any) -> Any:
            if wanted.id == camera:
                raise Bug(seam)
            return real(settings, wanted, *args, **named)

        visiond.build_worker = build
    elif seam == "read":
        _throws(playback.Playback, "_post", lambda reader: reader.camera == camera)
    elif seam == "evidence":
        _throws(evidence_writer.EvidenceWriter, "handle", lambda own: own._camera.id == camera)
    else:
        names = {"start": "start", "look": "look", "health": "watch_health", "status": "status"}
        _throws(camera_worker.CameraWorker, names[seam], owns)


def main(folder: str) -> int:
    camera, seam = (Path(folder) / "throw").read_text().split()
    arm(camera, seam)
    return box.main(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

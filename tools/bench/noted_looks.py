# SPDX-License-Identifier: AGPL-3.0-or-later
"""A command of edge, with each look of a camera noted: when its picture came, when it was looked
at, and what was followed then.

    tools/python -m tools.bench.noted_looks FILE visiond --site ... --device ...
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from edge.cli import main as edge_main
from edge.pipeline.analyzer import Analysis
from edge.pipeline.camera_worker import CameraWorker
from edge.values import Box


@dataclass(frozen=True, slots=True)
class NotedLook:
    """came_s, given_s: mono; boxes: of what was seen and followed."""

    camera: str
    came_s: float
    given_s: float
    boxes: tuple[Box, ...]


def read_looks(path: Path) -> list[NotedLook]:
    """What was noted; a last line cut off is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            camera, came_s, given_s, boxes = json.loads(line)
        except ValueError:
            continue
        found.append(NotedLook(camera, came_s, given_s, tuple(tuple(box) for box in boxes)))
    return found


def main(argv: list[str]) -> int:
    """Run the command; one line a look is written to the file."""
    # Several threads look, and none may write into another's line.
    lock, learn = threading.Lock(), CameraWorker._learn
    with Path(argv[0]).open("w", encoding="utf-8") as file:

        def noted(worker: CameraWorker, look: Analysis) -> None:
            boxes = [track.box for track in look.tracks if not track.coasted]
            row = [worker.camera.id, look.frame.at.mono, time.monotonic(), boxes]
            with lock:
                file.write(json.dumps(row) + "\n")
            learn(worker, look)

        CameraWorker._learn = noted  # type: ignore[assignment, method-assign]
        return edge_main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

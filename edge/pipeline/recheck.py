# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recheck: look again now, and say which open cases still stand, or what stands at one place.

The picture is one taken after the request, with the detector run on it whatever the motion gate
says. Without a place, each open case of the camera gets it as an `after` picture in a revision of
its own; with a place (a case that has left the camera's memory), nothing but that is answered. The
asker gets the picture as `after-1.jpg`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.geometry import iou
from edge.ipc import write_answer
from edge.values import Box, Stamp, Track

# Nobody waits longer for a picture of a camera that gives none.
PATIENCE_S = 60.0
SAME_PLACE_IOU = 0.25


@dataclass(frozen=True, slots=True)
class RecheckRequest:
    """One request: where the answer goes, when it was made, and the one place it is about."""

    into: Path
    at: Stamp
    box: Box | None = None
    classes: tuple[str, ...] = ()


class Rechecks:
    """What waits for one camera's next picture. Asked by the main thread, taken by a worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[RecheckRequest] = []

    def ask(self, asked: RecheckRequest) -> None:
        with self._lock:
            self._asked.append(asked)

    def take(self, picture: Stamp, *, recording: bool) -> tuple[RecheckRequest, ...]:
        """Those that this picture answers: it must be newer than the request."""
        with self._lock:
            due = [a for a in self._asked if recording or picture.mono > a.at.mono]
            self._asked = [a for a in self._asked if a not in due]
        return tuple(due)

    def give_up(self, now: Stamp) -> int:
        """Answers those that waited too long; how many."""
        with self._lock:
            late = [a for a in self._asked if now.mono - a.at.mono > PATIENCE_S]
            self._asked = [a for a in self._asked if a not in late]
        for asked in late:
            write_answer(asked.into, False, reason=f"no picture within {PATIENCE_S:.0f} s")
        return len(late)


def still_there(box: Box, classes: Sequence[str], tracks: Sequence[Track]) -> bool:
    """Whether something of these classes is seen (not predicted) at this place now."""
    return any(
        t.label in classes and not t.coasted and iou(t.box, box) >= SAME_PLACE_IOU for t in tracks
    )

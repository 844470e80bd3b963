# SPDX-License-Identifier: AGPL-3.0-or-later
"""A recheck asked for by the platform: look again now, and say which open cases still stand.

The picture is one taken after the request, with the detector run on it whatever the motion gate
says. Each open case of the camera gets it as an `after` picture in a revision of its own; the
asker gets it as `after-1.jpg` with the answer in words.
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
    """One request: where the answer goes, and when it was made."""

    into: Path
    at: Stamp


class Rechecks:
    """What waits for one camera's next picture. Asked by the main thread, taken by a worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[RecheckRequest] = []

    def ask(self, into: Path, at: Stamp) -> None:
        with self._lock:
            self._asked.append(RecheckRequest(into, at))

    def take(self, picture: Stamp, *, recording: bool) -> tuple[Path, ...]:
        """Those that this picture answers: it must be newer than the request."""
        with self._lock:
            due = [a for a in self._asked if recording or picture.mono > a.at.mono]
            self._asked = [a for a in self._asked if a not in due]
        return tuple(asked.into for asked in due)

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

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
from edge.values import Box, Finding, Json, Stamp, Track, ZoneDecision

# Nobody waits longer for a picture of a camera that gives none.
PATIENCE_S = 60.0
SAME_PLACE_IOU = 0.25
# What the zones say where no rule of the camera judges the ground.
NOT_JUDGED = ZoneDecision(False, "no zone of this camera was asked")


@dataclass(frozen=True, slots=True)
class Clue:
    """A tip: things of this category are said to stand where the request's box is. `box` of the
    request holds their feet, not them. name: unique to the tip; by: how the camera was chosen."""

    name: str
    category: str
    source: str
    note: str
    by: str


@dataclass(frozen=True, slots=True)
class RecheckRequest:
    """One request: where the answer goes, when it was made, and the one place it is about.

    zone: what the zones of the camera say of what stands there, once it was looked at."""

    into: Path
    at: Stamp
    box: Box | None = None
    classes: tuple[str, ...] = ()
    clue: Clue | None = None
    zone: ZoneDecision | None = None


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


def standing_on(area: Box, classes: Sequence[str], tracks: Sequence[Track]) -> Track | None:
    """The surest thing of these classes that is seen now with its foot in the area."""
    x1, y1, x2, y2 = area
    found = [
        t
        for t in tracks
        if t.label in classes and not t.coasted and x1 <= t.foot[0] <= x2 and y1 <= t.foot[1] <= y2
    ]
    return max(found, key=lambda t: t.score, default=None)


def clue_finding(
    asked: RecheckRequest, clue: Clue, seen: Track, now: Stamp, camera: str
) -> Finding:
    """The case that a tip came to: one look without a dwell time, so a lead for a person."""
    facts: dict[str, Json] = {
        "class": seen.label,
        "best_score": round(seen.score, 3),
        "held_s": round(max(0.0, now.mono - seen.first.mono), 1),
        "asked_by": clue.source,
        "note": clue.note,
        "camera_by": clue.by,
        "outcome": "to_report",
        "clock_quality": now.quality,
    }
    return Finding(
        key=f"{camera}/look/{clue.name}",
        camera=camera,
        category=clue.category,
        rule="look",
        phase="new",
        began=now,
        decided=now,
        ended=None,
        place=seen.foot,
        box=seen.box,
        subject=None,
        zone=asked.zone or NOT_JUDGED,
        facts=facts,
        occurrence=1,
        priority="lead",
    )

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is given up, and in which order, when the disk runs full. Pure but for reading the step.

edge-janitord decides the step once a minute and writes it to `<run>/status/janitord.json`;
edge-visiond and edge-sensord read it there with :func:`current_step`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

# Acknowledged evidence is evicted before the first step; an unacknowledged violation never is.
STEPS = ("normal", "shed_telemetry", "no_clips", "small_pictures", "metadata_only")
NO_CLIPS = STEPS.index("no_clips")
SMALL_PICTURES = STEPS.index("small_pictures")
METADATA_ONLY = STEPS.index("metadata_only")
# Each step begins where the room left falls below this share of the floor ...
SHARES = (1.0, 0.75, 0.5, 0.25)
# ... and ends where it is this much above it again, so that the steps do not flutter.
RELIEF = 1.2


@dataclass(frozen=True, slots=True)
class Room:
    """What is left, in bytes: `free` of the disk, `quota` of the evidence quota (may be < 0)."""

    free: int
    quota: int
    floor: int

    @property
    def left(self) -> int:
        """Whichever ends first; a quota that is used up counts like a disk at its floor."""
        return min(self.free, self.floor + self.quota)

    @property
    def short(self) -> int:
        """Bytes to evict until there is comfortable room again; 0 where there is."""
        if self.left >= self.floor:
            return 0
        return int(self.floor * RELIEF) - self.left


def next_step(room: Room, step: int) -> int:
    """The step for this much room, coming from `step`."""
    level = sum(room.left < share * room.floor for share in SHARES)
    if level >= step:
        return level
    eased = sum(room.left < share * room.floor * RELIEF for share in SHARES)
    return min(step, eased)


def current_step(run: Path) -> int:
    """The step in force, an index into STEPS; 0 where edge-janitord has not run since boot."""
    try:
        status = json.loads((run / "status" / "janitord.json").read_bytes())
        step = int(status["ladder"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return step if 0 <= step < len(STEPS) else 0

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whether the date may be believed by what cannot be taken back: a case that is overdue, a round of
looks, a report, evidence that is past its time.

A board whose clock is ahead until a time server has set it would make every open case overdue for
good. The newest stamp of a clock that was set is kept in the state folder and tells how far the
date is known.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import msgspec

from edge.clock import SET_CLOCKS
from edge.jsonfile import read_record
from edge.runtime import make_folder, no_room, write_atomic
from edge.values import Stamp

log = logging.getLogger(__name__)

# In one boot, a clock that nobody sets any more may have run off by this much.
RUN_OFF_S = 60.0


class KnownTime(msgspec.Struct, frozen=True, kw_only=True):
    """An instant at which the clock was set: UTC seconds, and the boot's own seconds."""

    wall: float
    mono: float
    boot: str


# Nothing is known: then any date is as good.
NEVER = KnownTime(wall=math.inf, mono=0.0, boot="")


def date_known(path: Path, at: Stamp, boot: str) -> bool:
    """Whether the date of `at` may be believed; keeps it in `path` where its clock was set.

    Also without a time server: while the same boot counts on from an instant at which there was
    one, for what that instant is later than, and on a box that never had one: nothing else is
    known there.
    """
    if at.quality in SET_CLOCKS:
        _keep(path, KnownTime(wall=at.wall, mono=at.mono, boot=boot))
        return True
    known = read_record(path, KnownTime, NEVER, "the date is taken as it is")
    if at.wall <= known.wall:
        return True
    counted = known.wall + at.mono - known.mono
    return known.boot == boot and abs(at.wall - counted) <= RUN_OFF_S


def _keep(path: Path, known: KnownTime) -> None:
    try:
        make_folder(path.parent)
        write_atomic(path, msgspec.json.encode(known))
    except OSError as error:
        if not no_room(error):
            raise
        log.warning("%s: %s; the date is kept at the next pass", path, error)

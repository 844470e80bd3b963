# SPDX-License-Identifier: AGPL-3.0-or-later
"""Stamps as JSON, moved onto the clocks of this boot, and read again by a better clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge.values import Json, Stamp

TRUST = {"unsynced": 0, "recording": 1, "holdover": 1, "ntp": 2, "gnss": 2}
STEP_S = 1.0


def stamp_json(at: Stamp) -> Json:
    return [at.mono, at.wall, at.quality, at.error_ms]


def stamp_from(data: Any, shift_s: float) -> Stamp:
    """`shift_s` is added to the monotonic seconds: see `shift_between`."""
    mono, wall, quality, error_ms = data
    return Stamp(float(mono) + shift_s, float(wall), quality, float(error_ms))


def shift_between(saved: Stamp, now: Stamp) -> tuple[float, float]:
    """(what to add to saved monotonic seconds, seconds nobody watched) after a restart.

    The wall clock tells how long the box was down, where both ends trusted it; else nothing is
    known of the pause and it counts as none.
    """
    trusted = TRUST[saved.quality] > 0 and TRUST[now.quality] > 0
    down_s = max(0.0, now.wall - saved.wall) if trusted else 0.0
    return now.mono - down_s - saved.mono, down_s


def at_mono(mono: float, now: Stamp) -> Stamp:
    """An instant of the recent past by today's clocks."""
    return replace(now, mono=mono, wall=now.wall - (now.mono - mono))


def reread(at: Stamp, now: Stamp) -> Stamp:
    """An earlier stamp by the clock of now, if that one is trusted more and has been stepped."""
    if TRUST[now.quality] <= TRUST[at.quality]:
        return at
    told = at_mono(at.mono, now)
    return told if abs(told.wall - at.wall) > STEP_S else at

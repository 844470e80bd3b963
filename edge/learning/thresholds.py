# SPDX-License-Identifier: AGPL-3.0-or-later
"""How verdicts move the least score of one category at one camera: a stated rule, within bounds.

The rule, looked at once a day for each camera and category:

1. Only cases decided since the last move and at most WINDOW_S old count; fewer than LEAST of
   them move nothing.
2. Poor: if even the upper end of the 90 % interval of confirmed precision lies under FLOOR, the
   offset rises by STEP.
3. Good: if the lower end of the interval lies over FLOOR + MARGIN and the offset is above 0, it
   falls by STEP: a limit that was raised comes back once it is no longer needed. Below the
   configured limit it goes only where `lowest` allows it and the lower end lies over GOOD.
4. Silence: without a verdict for IDLE_S an offset goes back towards 0 by STEP: a camera that
   nobody judges returns to what was configured.
5. The offset never leaves [lowest, highest], the limit never leaves [LIMIT_LEAST, LIMIT_MOST].

Pure: times are UTC seconds and arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from edge.learning.precision import FLOOR, GOOD, wilson
from edge.learning.verdicts import Judged

DAY_S = 86_400.0
STEP = 0.05
LEAST = 8  # verdicts since the last move
WINDOW_S = 60 * DAY_S
IDLE_S = 30 * DAY_S
EVERY_S = DAY_S
MARGIN = 0.05
Z90 = 1.644854
LIMIT_LEAST, LIMIT_MOST = 0.15, 0.90


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far an offset may go from the configured limit."""

    lowest: float = -0.05
    highest: float = 0.30


@dataclass(frozen=True, slots=True)
class Offset:
    """What is added to the configured least score, since when, and why."""

    camera: str
    category: str
    value: float = 0.0
    moved_s: float = 0.0
    looked_s: float = 0.0
    reason: str = "as configured"


def limit(configured: float, offset: float) -> float:
    """The least score in force."""
    moved = min(LIMIT_MOST, max(LIMIT_LEAST, configured + offset))
    return configured if offset == 0 else round(moved, 4)


def step(
    held: Offset, judged: Iterable[Judged], *, now_s: float, bounds: Bounds | None = None
) -> Offset:
    """The offset after one look. `judged` may hold other cameras' and categories' cases."""
    if held.looked_s > now_s:
        # The clock was wrong at that look: it holds up nothing until then.
        held = replace(held, looked_s=0.0, moved_s=min(held.moved_s, now_s))
    if now_s - held.looked_s < EVERY_S:
        return held
    mine = [
        one
        for one in judged
        if (one.camera, one.category) == (held.camera, held.category)
        and now_s - one.judged_s <= WINDOW_S
    ]
    looked = replace(held, looked_s=now_s)
    change, reason = _wanted(held, mine, now_s)
    bounds = bounds or Bounds()
    value = round(min(bounds.highest, max(bounds.lowest, held.value + change)), 4)
    if value == held.value:
        return looked
    return replace(looked, value=value, moved_s=now_s, reason=reason)


def _wanted(held: Offset, mine: Sequence[Judged], now_s: float) -> tuple[float, str]:
    """(change, why) before bounds."""
    fresh = [one for one in mine if one.decided_s >= held.moved_s]
    if len(fresh) < LEAST:
        newest_s = max((one.judged_s for one in mine), default=held.moved_s)
        if held.value != 0 and now_s - max(newest_s, held.moved_s) >= IDLE_S:
            return _towards_zero(held.value), f"no verdict for {IDLE_S / DAY_S:.0f} days"
        return 0.0, ""
    right = sum(one.verdict == "confirmed" for one in fresh)
    low, high = wilson(right, len(fresh), Z90)
    why = f"{right} of {len(fresh)} confirmed"
    if high < FLOOR:
        return STEP, why
    if held.value > 0 and low > FLOOR + MARGIN:
        return _towards_zero(held.value), why
    if held.value <= 0 and low > GOOD:
        return -STEP, why
    return 0.0, ""


def _towards_zero(value: float) -> float:
    return -min(STEP, value) if value > 0 else min(STEP, -value)

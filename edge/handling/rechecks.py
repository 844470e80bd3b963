# SPDX-License-Identifier: AGPL-3.0-or-later
"""Looking again at a case by itself: when, how often, and what several looks come to. Pure.

One look proves little: the vendor may have stepped aside, a bus may stand before the place. So a
recheck is a round of looks, spread out, at the hour of the day at which the offence was seen; a
round is `gone` only if every look that could see found nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from edge.handling.life import RUNNING, CaseLife, StepKind

LOOKS = 3
SPACING_S = 600.0
# A round that could not be looked at as planned is not made up for later on the same day.
LATE_S = 3600.0
# A case that is still there is looked at again on the next days, so often at most.
ROUNDS_MOST = 10

Seen = Literal["there", "not_there", "blind"]


def first_look_at(after: float, found_at: float, timezone: tzinfo) -> float:
    """The first instant after `after` at the local time of day of `found_at`, middle of the round.

    The round's first look comes one spacing before it.
    """
    seen, day = (datetime.fromtimestamp(at, timezone) for at in (found_at, after))
    middle = day.replace(hour=seen.hour, minute=seen.minute, second=seen.second, microsecond=0)
    while middle.timestamp() - SPACING_S < after:
        middle = (middle + timedelta(days=1)).replace(hour=seen.hour, minute=seen.minute)
    return middle.timestamp() - SPACING_S


def round_begins(life: CaseLife, timezone: tzinfo) -> float | None:
    """UTC seconds of the next round's first look; None where the case is not to be looked at.

    The first round comes at the due time or after it, a further one a day after the last. A case
    that is paused, closed, or was looked at often enough is left alone.
    """
    if life.state not in RUNNING or life.due is None or life.paused_at is not None:
        return None
    if life.rechecks >= ROUNDS_MOST:
        return None
    last = max((s.at for s in life.steps if s.kind in ROUND_STEPS), default=None)
    after = life.due if last is None else max(life.due, last + SPACING_S)
    return first_look_at(after, life.found_at, timezone)


ROUND_STEPS: tuple[StepKind, ...] = ("still_there", "gone", "cannot_see")


def result_of(looks: Sequence[Seen]) -> StepKind:
    """What a round comes to: one sighting is enough for `still_there`, two clear looks and no
    sighting for `gone`; anything else is `cannot_see`."""
    if "there" in looks:
        return "still_there"
    return "gone" if sum(look == "not_there" for look in looks) >= 2 else "cannot_see"

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where and when: how much of a box lies in which polygon, and what that means for a category now.

Time windows of the site are judged by the local clock and calendar. A stamp of an earlier boot, or
of a clock that was set since, is read by the clock of now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

from edge.config import When, Zone
from edge.config.dated import Calendar
from edge.values import Stamp, ZoneDecision

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class LocalMoment:
    """One instant as the rules ask about it: the local wall clock and its calendar."""

    local: datetime
    calendar: Calendar

    @property
    def minute(self) -> int:
        """A number that changes with every minute of the wall clock, date included."""
        local = self.local
        return (local.toordinal() * 24 + local.hour) * 60 + local.minute

    @staticmethod
    def of(at: Stamp, timezone: tzinfo, calendar: Calendar) -> LocalMoment:
        return LocalMoment(datetime.fromtimestamp(at.wall, timezone), calendar)


NEVER = When(from_date="9999-12-31")


def quiet_hours(text: str) -> When:
    """The window of a checked text such as "22:00-07:00,12:00-14:00"; never for none."""
    return When(hours=tuple(text.split(","))) if text else NEVER


def when_fits(when: When, at: LocalMoment) -> bool:
    """Whether all that the window names fits.

    Hours that run across midnight belong to the day they start on: "fri 20:00-02:00" still holds
    on Saturday at 01:00, and its season, dates and day kind are Friday's.
    """
    day = at.local.date()
    if not when.hours:
        return _day_fits(when, day, at.calendar)
    now = at.local.hour * 60 + at.local.minute
    for span in when.hours:
        start, end = (_minutes(text) for text in span.split("-"))
        if start < end:
            begun = day if start <= now < end else None
        else:
            begun = day if now >= start else day - timedelta(days=1) if now < end else None
        if begun and _day_fits(when, begun, at.calendar):
            return True
    return False


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _day_fits(when: When, day: date, calendar: Calendar) -> bool:
    if when.weekdays and WEEKDAYS[day.weekday()] not in when.weekdays:
        return False
    if when.days and not calendar.kinds(day) & set(when.days):
        return False
    if when.season and not _in_season(day, *when.season):
        return False
    text = day.isoformat()
    return (when.from_date or text) <= text <= (when.to_date or text)


def _in_season(day: date, first: str, last: str) -> bool:
    """Both ends count; a season may run across the new year. 02-29 ends a February either way."""
    today = f"{day.month:02d}-{day.day:02d}"
    if first <= last:
        return first <= today <= last
    return today >= first or today <= last


def hours_text(when: When) -> str:
    """The window as people read it: "18:00-23:00, fri sat, 07-01..09-30"."""
    parts = [
        " ".join(when.hours),
        " ".join(when.weekdays),
        " ".join(when.days),
        "..".join(when.season) if when.season else "",
        f"{when.from_date or ''}..{when.to_date or ''}" if when.from_date or when.to_date else "",
    ]
    return ", ".join(part for part in parts if part)


CELLS = 160
FINER_ROWS = 4
PERMITTED_SHARE = 0.5
WHOLE_FRAME = Zone(id="frame", polygon=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))


class ZoneMap:
    """Answers for many boxes at once which share of each lies in which zone.

    Every polygon is drawn once onto a grid of CELLS x CELLS, exactly along rows, and summed up, so
    that a box costs four look-ups however many corners a zone has.
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        self.zones = tuple(zones)
        sums = [_summed(_drawn(zone.polygon)) for zone in zones]
        side = CELLS + 1
        self._sums: NDArray[np.float32] = np.array(sums, np.float32).reshape(len(sums), side * side)

    def shares(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) boxes to (n, zones) shares of each box's area, 0..1."""
        edges = np.clip(boxes, 0.0, 1.0) * CELLS
        x1, y1, x2, y2 = edges[:, 0], edges[:, 1], edges[:, 2], edges[:, 3]
        x2, y2 = np.maximum(x2, x1 + 1e-3), np.maximum(y2, y1 + 1e-3)
        xs, ys = np.concatenate((x2, x1, x2, x1)), np.concatenate((y2, y2, y1, y1))
        n = len(boxes)
        at = self._sum_at(xs, ys).reshape(len(self.zones), 4, n)
        covered = at[:, 0] - at[:, 1] - at[:, 2] + at[:, 3]
        result: NDArray[np.float32] = np.clip(covered / ((x2 - x1) * (y2 - y1)), 0.0, 1.0).T
        return result

    def _sum_at(self, xs: NDArray[np.float32], ys: NDArray[np.float32]) -> NDArray[np.float32]:
        """The summed grids between their nodes: exact for cells of even cover."""
        column = np.minimum(xs.astype(np.int32), CELLS - 1)
        row = np.minimum(ys.astype(np.int32), CELLS - 1)
        fx, fy = xs - column, ys - row
        node = row * (CELLS + 1) + column
        sums, side = self._sums, CELLS + 1
        top = sums[:, node] * (1 - fx) + sums[:, node + 1] * fx
        low = sums[:, node + side] * (1 - fx) + sums[:, node + side + 1] * fx
        return np.asarray(top * (1 - fy) + low * fy, np.float32)


def _drawn(polygon: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Share of every cell inside the polygon, by signed crossings; (CELLS, CELLS), rows down."""
    rows = (np.arange(CELLS * FINER_ROWS) + 0.5) / FINER_ROWS
    right = np.arange(1, CELLS + 1, dtype=np.float64)
    cover = np.zeros((len(rows), CELLS))
    corners = [(x * CELLS, y * CELLS) for x, y in polygon]
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y1 == y2:
            continue
        met = (rows > min(y1, y2)) & (rows <= max(y1, y2))
        x = x1 + (rows[met] - y1) * (x2 - x1) / (y2 - y1)
        sign = 1.0 if y2 > y1 else -1.0
        cover[met] += sign * np.clip(right[None, :] - x[:, None], 0.0, 1.0)
    merged: NDArray[np.float64] = np.abs(cover).reshape(CELLS, FINER_ROWS, CELLS).mean(axis=1)
    return merged


def _summed(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros((CELLS + 1, CELLS + 1))
    sums[1:, 1:] = cells.cumsum(axis=0).cumsum(axis=1)
    return sums


@dataclass(frozen=True, slots=True)
class ZoneVerdict:
    """What the zones say of one place now. `judged` false: nobody asked about this ground."""

    judged: bool
    decision: ZoneDecision


OUTSIDE = ZoneVerdict(False, ZoneDecision(True, "outside every zone of this rule"))


class ZoneRule:
    """One rule's question to the zones: is this ground judged, and is it allowed here and now?

    Order: outside the rule's own hours nothing is judged; a forbidden zone wins over any permit;
    a permitted zone (or, for dumping, an approved dump) allows while its time window fits; zones
    of the `leaving` kinds are another category's ground.
    """

    def __init__(
        self,
        zones: Sequence[Zone],
        *,
        category: str,
        asked: Sequence[int],
        allowing: Sequence[str] = ("permitted",),
        leaving: Sequence[str] = (),
        contact: float = 0.4,
    ) -> None:
        self._zones, self._contact = zones, contact
        self._asked = tuple(asked)
        mine = [i for i, z in enumerate(zones) if not z.categories or category in z.categories]
        self._forbidding = tuple(i for i in mine if zones[i].kind == "forbidden")
        self._allowing = tuple(i for i in mine if zones[i].kind in allowing)
        self._leaving = tuple(i for i, z in enumerate(zones) if z.kind in leaving)
        self._minute = -1
        self._open: frozenset[int] = frozenset()

    @property
    def ids(self) -> tuple[str, ...]:
        """Of all zones, in the order of their numbers (:meth:`strongest`)."""
        return tuple(zone.id for zone in self._zones)

    def ask(self, shares: Sequence[float], at: LocalMoment) -> ZoneVerdict:
        """`shares`: of the contact band, one for each zone of the map."""
        self._refresh(at)
        asked = [i for i in self._asked if i in self._open and shares[i] >= self._contact]
        left = any(i in self._open and shares[i] >= PERMITTED_SHARE for i in self._leaving)
        if not asked or left:
            return OUTSIDE
        for i in self._forbidding:
            if i in self._open and shares[i] >= self._contact:
                return self._verdict(False, f"in the forbidden zone {self._zones[i].id}", [i])
        for i in self._allowing:
            if i in self._open and shares[i] >= PERMITTED_SHARE:
                return self._verdict(True, f"in the {self._zones[i].kind} zone", [i])
        return self._verdict(False, self._why(asked), asked)

    def strongest(self, shares: Sequence[float], at: LocalMoment) -> int | None:
        """1-based number of the asked zone that holds most of the box, or None."""
        self._refresh(at)
        asked = [i for i in self._asked if i in self._open and shares[i] >= self._contact]
        return max(asked, key=lambda i: shares[i]) + 1 if asked else None

    def on_kind(self, kind: str, shares: Sequence[float], at: LocalMoment) -> bool:
        """Whether the box stands on a zone of this kind that holds now."""
        self._refresh(at)
        return any(
            zone.kind == kind and i in self._open and shares[i] >= self._contact
            for i, zone in enumerate(self._zones)
        )

    def _refresh(self, at: LocalMoment) -> None:
        if at.minute != self._minute:
            self._minute = at.minute
            self._open = frozenset(i for i, z in enumerate(self._zones) if when_fits(z.when, at))

    def _why(self, asked: list[int]) -> str:
        if any(z.kind in ("permitted", "dump") for z in self._zones):
            return "in a watched zone, outside every permitted zone and time"
        return f"in the {self._zones[asked[0]].kind} zone"

    def _verdict(self, allowed: bool, reason: str, at: list[int]) -> ZoneVerdict:
        zones = [self._zones[i] for i in at]
        decision = ZoneDecision(
            allowed=allowed,
            reason=reason,
            zones=tuple(zone.id for zone in zones),
            permit=next((z.permit for z in zones if z.permit), None),
            hours=hours_text(zones[0].when) or None,
        )
        return ZoneVerdict(True, decision)

    def grid_of(self, decision: ZoneDecision) -> str | None:
        """The unit grid of the first zone that names one."""
        return next((z.grid for z in self._zones if z.id in decision.zones and z.grid), None)


# How far the quality of a clock is to be trusted.
TRUST = {"unsynced": 0, "recording": 1, "holdover": 1, "ntp": 2, "gnss": 2}
# A clock that moved by less was only corrected, not set.
STEP_S = 1.0


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
    stepped = at_mono(at.mono, now)
    return stepped if abs(stepped.wall - at.wall) > STEP_S else at

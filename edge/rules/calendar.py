# SPDX-License-Identifier: AGPL-3.0-or-later
"""When: whether a time window of the site fits an instant, by the local clock and calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from edge.config import When
from edge.config.catalogue import Calendar
from edge.values import Stamp

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

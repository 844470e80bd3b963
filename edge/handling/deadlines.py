# SPDX-License-Identifier: AGPL-3.0-or-later
"""When a case is due: so many hours, or so many hours in which the office works. Pure.

Municipal case handling counts its time limits from dispatch, in working hours for what is left to
an office day and by the clock for what cannot wait; which of the two a category uses stands in
categories.yaml (`deadline_counts`), the office hours in the site file (`office_hours`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from edge.config.dated import Calendar

# A time limit that is longer than this in working hours has a mistake in it.
DAYS_MOST = 400


@dataclass(frozen=True, slots=True)
class Office:
    """The hours of a working day, such as ("08:30-12:00", "14:00-17:30"), by the local clock."""

    hours: Sequence[str]
    calendar: Calendar
    timezone: tzinfo

    def spans(self, day: date) -> Iterator[tuple[float, float]]:
        """(from, to) in UTC seconds, none on a day that is not worked."""
        if "workday" not in self.calendar.kinds(day):
            return
        for span in self.hours:
            start, end = span.split("-")
            yield self._wall(day, start), self._wall(day, end)

    def _wall(self, day: date, text: str) -> float:
        hour, minute = int(text[:2]), int(text[3:])
        if hour == 24:
            day, hour = day + timedelta(days=1), 0
        return datetime.combine(day, time(hour, minute), self.timezone).timestamp()


def due_at(start: float, hours: float, office: Office | None) -> float:
    """UTC seconds at which `hours` from `start` are over; office: count its hours only.

    A limit that ends exactly with an office span is due at that end, not at the next opening.
    Raises ValueError where the office does not work that many hours in DAYS_MOST days.
    """
    if office is None:
        return start + hours * 3600.0
    left_s = hours * 3600.0
    day = datetime.fromtimestamp(start, office.timezone).date()
    for _ in range(DAYS_MOST):
        for opens, closes in office.spans(day):
            begin = max(opens, start)
            if begin >= closes:
                continue
            if left_s <= closes - begin:
                return begin + left_s
            left_s -= closes - begin
        day += timedelta(days=1)
    raise ValueError(f"{hours:g} working hours are not over within {DAYS_MOST} days")


def left_hours(now: float, due: float, office: Office | None) -> float:
    """Hours that remain from `now` to `due`, counted as `due_at` counts; 0 once it is past."""
    if due <= now:
        return 0.0
    if office is None:
        return (due - now) / 3600.0
    total_s = 0.0
    day = datetime.fromtimestamp(now, office.timezone).date()
    last = datetime.fromtimestamp(due, office.timezone).date()
    while day <= last:
        total_s += sum(
            max(0.0, min(closes, due) - max(opens, now)) for opens, closes in office.spans(day)
        )
        day += timedelta(days=1)
    return total_s / 3600.0

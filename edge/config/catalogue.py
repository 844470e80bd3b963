# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shipped data files and a city's overlays of them: categories and calendars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge import patterns
from edge.config.category import Categories, Category
from edge.config.load import ConfigError, convert, read_yaml
from edge.config.shipped import shipped
from edge.config.site import Part, Site

Date = Annotated[str, msgspec.Meta(pattern=patterns.DATE)]


def category_files(base: Path) -> list[Path]:
    """The shipped categories, then the city's own file beside the site file, which wins."""
    own = base / "categories.yaml"
    return [shipped("config/categories.yaml"), *([own] if own.is_file() else [])]


def load_categories(paths: Sequence[Path]) -> dict[str, Category]:
    """All categories by id, in the order of the files; a later file changes or adds to an earlier.

    An overlay names an id and only the keys it changes; `codes`, `recipe` and `set` are merged key
    by key. Raises ConfigError for anything a person got wrong.
    """
    rows: dict[str, dict[str, object]] = {}
    for path in paths:
        data = read_yaml(path)
        given = data.get("categories") if isinstance(data, dict) else None
        if not isinstance(given, list) or set(data) != {"categories"}:
            raise ConfigError(f"{path}: expected one key, categories, with a list")
        names = set()
        for i, row in enumerate(given):
            name = _id_of(path, i, row)
            if name in names:
                raise ConfigError(f"{path}: categories[{i}].id = {name!r} stands twice")
            names.add(name)
            rows[name] = _merged(rows.get(name, {}), row)
            convert({"categories": [rows[name]]}, Categories, f"{path}: {name}")
    return {name: convert(row, Category, name) for name, row in rows.items()}


def _id_of(path: Path, i: int, row: object) -> str:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise ConfigError(f"{path}: categories[{i}].id is missing; every entry needs one")
    return str(row["id"])


def _merged(old: dict[str, object], new: dict[str, object]) -> dict[str, object]:
    merged = {**old, **new}
    for key in ("codes", "recipe", "set"):
        was, now = old.get(key), new.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            merged[key] = {**was, **now}
    return merged


class Span(Part, frozen=True, kw_only=True):
    """Days in a row, both ends included, with the name people know them by."""

    name: str
    first: Date
    last: Date | None = None


class CalendarFile(Part, frozen=True, kw_only=True):
    """config/calendar/*.yaml. `workdays` are 调休: days of a weekend that are worked."""

    source: str
    region: str = "CN"
    status: Literal["official", "local", "to be confirmed"] = "official"
    holidays: tuple[Span, ...] = ()
    workdays: tuple[Span, ...] = ()
    exams: tuple[Span, ...] = ()


NO_DATES: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days that are not what their weekday says. `workdays` are 调休: weekends worked.

    `names` tells people which festival or exam a day is; a day may be both holiday and exam.
    """

    holidays: frozenset[date] = NO_DATES
    workdays: frozenset[date] = NO_DATES
    exams: frozenset[date] = NO_DATES
    names: dict[date, str] = field(default_factory=dict)

    def kinds(self, day: date) -> frozenset[str]:
        """Exactly one of workday, weekend, holiday; and exam where it is one."""
        if day in self.holidays:
            kind = "holiday"
        elif day in self.workdays or day.weekday() < 5:
            kind = "workday"
        else:
            kind = "weekend"
        return frozenset({kind, "exam"} if day in self.exams else {kind})


def calendar_files(base: Path, site: Site, where: str) -> list[Path]:
    """The shipped calendars, and those that the site names.
    Raises ConfigError naming the file or option that is wrong."""
    files = sorted(shipped("config/calendar").glob("*.yaml"))
    for name in site.calendar:
        path = base / name
        if not path.is_file():
            raise ConfigError(f"{where}: calendar {name!r}: no such file in {base}")
        files.append(path)
    return files


def load_calendar(paths: Sequence[Path]) -> Calendar:
    """The days named in these files. Raises ConfigError for a date that does not exist, a span
    that ends before it starts, or a day that is both a holiday and a workday."""
    kinds: dict[str, set[date]] = {"holidays": set(), "workdays": set(), "exams": set()}
    names: dict[date, str] = {}
    for path in paths:
        file = convert(read_yaml(path), CalendarFile, str(path))
        for kind, days in kinds.items():
            for i, span in enumerate(getattr(file, kind)):
                for day in _days(span, f"{path}: {kind}[{i}]"):
                    days.add(day)
                    names[day] = span.name
        both = kinds["holidays"] & kinds["workdays"]
        if both:
            raise ConfigError(f"{path}: {min(both)} is both a holiday and a workday")
    return Calendar(
        frozenset(kinds["holidays"]), frozenset(kinds["workdays"]), frozenset(kinds["exams"]), names
    )


def _days(span: Span, where: str) -> list[date]:
    first, last = _date(span.first, where), _date(span.last or span.first, where)
    if last < first:
        raise ConfigError(f"{where}: ends {last} before it starts {first}")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _date(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{where}: {text} is not a day of the calendar") from None

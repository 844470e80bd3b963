# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shipped data files and a city's overlays of them: categories and calendars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from edge.config.category import Categories, Category
from edge.config.load import ConfigError, convert, read_yaml
from edge.config.packs import NO_PACKS, Pack, Packs, Span, Yearly, check_spans, days_of
from edge.config.shipped import shipped
from edge.config.site import Part, Site


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


class CalendarFile(Part, frozen=True, kw_only=True):
    """A site's own calendar, laid over the packs. `workdays` are 调休: weekends worked."""

    source: str
    region: str = "CN"
    status: Literal["official", "local", "to be confirmed"] = "official"
    holidays: tuple[Span, ...] = ()
    workdays: tuple[Span, ...] = ()
    exams: tuple[Span, ...] = ()


NO_DATES: frozenset[date] = frozenset()
WEEKEND = 5


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What a day is and who says so. kinds: one of workday, weekend, holiday; exam besides.

    pack: the edition that says it, or `presumed (edition)`; presumed: no pack of the year is there.
    """

    kinds: frozenset[str]
    names: tuple[str, ...]
    pack: str
    presumed: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days that are not what their weekday says: the site's own, then those of the packs in force.

    `workdays` are 调休: weekends worked. `names` tells people which festival or exam a day is.
    """

    holidays: frozenset[date] = NO_DATES
    workdays: frozenset[date] = NO_DATES
    exams: frozenset[date] = NO_DATES
    names: dict[date, str] = field(default_factory=dict)
    packs: Packs = NO_PACKS
    _known: dict[date, DayFacts] = field(default_factory=dict, compare=False, repr=False)

    def kinds(self, day: date) -> frozenset[str]:
        """Exactly one of workday, weekend, holiday; and exam where it is one."""
        return self.facts(day).kinds

    def facts(self, day: date) -> DayFacts:
        """The day with the pack that says what it is."""
        if day not in self._known:
            self._known[day] = self._facts(day)
        return self._known[day]

    def _facts(self, day: date) -> DayFacts:
        year, exam = self.packs.at("calendar", day), self.packs.at("exams", day)
        usual = self.packs.at("recurring", day)
        free, worked, tests = self._year(year, usual, exam, day)
        kind = "weekend" if day.weekday() >= WEEKEND else "workday"
        kind = "workday" if worked or day in self.workdays else "holiday" if free else kind
        kind = "holiday" if day in self.holidays else kind
        sitting = bool(tests) or day in self.exams
        own = [self.names[day]] if day in self.names else []
        names = tuple(dict.fromkeys([*own, *(row.name for row in (*free, *worked, *tests))]))
        edition = (
            year.edition if year else f"presumed 推定 ({usual.edition if usual else 'weekday'})"
        )
        kinds = frozenset({kind, "exam"} if sitting else {kind})
        return DayFacts(kinds, names, edition, year is None or (exam is None and sitting))

    def _year(
        self, year: Pack | None, usual: Pack | None, exam: Pack | None, day: date
    ) -> tuple[list[Span | Yearly], list[Span], list[Span | Yearly]]:
        """(free, worked, exams) by the packs of the year, else by what comes every year."""
        spans, yearly = self.packs.spans, self.packs.yearly(usual.yearly if usual else (), day)
        presumed = [row for row in yearly if row.kind == "holiday"]
        lunar = spans(usual.holidays, day) if usual else []
        holidays: list[Span | Yearly] = [*(spans(year.holidays, day) if year else lunar)]
        free = holidays if year else [*presumed, *holidays]
        worked = spans(year.workdays, day) if year else []
        usually = [row for row in yearly if row.kind == "exam"]
        tests: list[Span | Yearly] = [*(spans(exam.exams, day) if exam else usually)]
        return free, worked, tests


def calendar_files(base: Path, site: Site, where: str) -> list[Path]:
    """The calendars that the site names.
    Raises ConfigError naming the file or option that is wrong."""
    files = []
    for name in site.calendar:
        path = base / name
        if not path.is_file():
            raise ConfigError(f"{where}: calendar {name!r}: no such file in {base}")
        files.append(path)
    return files


def load_calendar(paths: Sequence[Path], packs: Packs) -> Calendar:
    """The packs with the days that these files name laid over them. Raises ConfigError for a date
    that does not exist, a span that ends before it starts, or a day both holiday and workday."""
    kinds: dict[str, set[date]] = {"holidays": set(), "workdays": set(), "exams": set()}
    names: dict[date, str] = {}
    for path in paths:
        file = convert(read_yaml(path), CalendarFile, str(path))
        check_spans(file.holidays, file.workdays, file.exams, str(path))
        for kind, days in kinds.items():
            for i, span in enumerate(getattr(file, kind)):
                for day in days_of(span, f"{path}: {kind}[{i}]"):
                    days.add(day)
                    names[day] = span.name
        both = kinds["holidays"] & kinds["workdays"]
        if both:
            raise ConfigError(f"{path}: {min(both)} is both a holiday and a workday")
    free, worked, exams = (frozenset(kinds[name]) for name in ("holidays", "workdays", "exams"))
    return Calendar(free, worked, exams, names, packs)

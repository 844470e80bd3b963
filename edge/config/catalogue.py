# SPDX-License-Identifier: AGPL-3.0-or-later
"""The shipped data files and a city's overlays of them: categories, calendars and packs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from edge.config.category import Categories, Category
from edge.config.dated import Calendar, Packs
from edge.config.load import ConfigError, convert, read_yaml
from edge.config.packs import Pack, Span, check_spans, days_of, read_pack
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
            read = convert({"categories": [rows[name]]}, Categories, f"{path}: {name}")
            _check_scores(read.categories[0], f"{path}: {name}")
    return {name: convert(row, Category, name) for name, row in rows.items()}


def _id_of(path: Path, i: int, row: object) -> str:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise ConfigError(f"{path}: categories[{i}].id is missing; every entry needs one")
    return str(row["id"])


def _check_scores(category: Category, where: str) -> None:
    """A class with a score of its own is one of the category's, and counts from less."""
    for label, score in category.class_scores.items():
        if label not in category.classes:
            known = ", ".join(category.classes) or "it has none"
            raise ConfigError(f"{where}: class_scores: {label!r} is none of its classes ({known})")
        if score > category.min_score:
            raise ConfigError(
                f"{where}: class_scores: {label} = {score:g}: at most min_score, "
                f"{category.min_score:g}"
            )


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


def shipped_packs(region: str = "", more: Iterable[Pack] = ()) -> Packs:
    """The packs that came with the program, and `more` that came later. Raises ConfigError."""
    files = sorted(shipped("config/packs").glob("*.yaml"))
    return Packs((*(read_pack(path) for path in files), *more), region)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Dated packs: what law and bureaus fix for a time. Calendar, exam days, limits, codes.

Each pack is one file (config/packs) with its edition, its source and the days on which it is in
force. Several may lie side by side; what counts is the one in force on the day of the *event*, so
that a case of last year is judged by last year's limits. Nothing stands in for a pack that is
missing but the days that recur every year, and those are named *presumed*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge import patterns
from edge.config.load import ConfigError, convert, read_yaml
from edge.config.shipped import shipped
from edge.config.site import MonthDay, Part
from edge.patterns import whole

Date = Annotated[str, msgspec.Meta(pattern=patterns.DATE)]
# How far the text was before us: read in full, quoted by others, remembered, not at hand at all.
Standing = Literal["read", "quoted", "memory", "unread"]
PackKind = Literal["calendar", "recurring", "exams", "noise", "measuring", "fume", "codes"]
TwoDigits = Annotated[str, msgspec.Meta(pattern=whole(r"\d{2}"))]
Region = Annotated[str, msgspec.Meta(pattern=whole(r"CN|\d{2,6}"))]
# What every box needs on every day; noise standards are asked for by those points that use them.
NEEDED: tuple[tuple[PackKind, str], ...] = (
    ("calendar", ""),
    ("exams", ""),
    ("codes", ""),
    ("fume", ""),
    ("measuring", "noise"),
)
ENDING_DAYS = 60
EVERYWHERE = "CN"
STANDINGS: Mapping[Standing, str] = {
    "read": "read 已核对原文",
    "quoted": "quoted 据转引",
    "memory": "from memory 凭记忆，待核对",
    "unread": "unread 未得原文",
}


class Span(Part, frozen=True, kw_only=True):
    """Days in a row, both ends included, with the name people know them by. regions: beginnings of
    division codes; of spans with the same name the one for the smallest region that fits counts."""

    name: str
    first: Date
    last: Date | None = None
    regions: tuple[Region, ...] = (EVERYWHERE,)


class Yearly(Part, frozen=True, kw_only=True):
    """Days that come every year at the same date."""

    name: str
    kind: Literal["holiday", "exam"]
    first: MonthDay
    last: MonthDay
    regions: tuple[Region, ...] = (EVERYWHERE,)


class NoiseStandard(Part, frozen=True, kw_only=True):
    """Limits by zone class (day, night; dB(A)) and how they are judged.

    emission: HJ 706 corrects and rounds. occasional_db, frequent_db: how much a peak at night may
    exceed the limit. indoors_db: added to the limit indoors.
    """

    emission: bool = True
    clauses: dict[str, str] = {}
    window_s: Annotated[float, msgspec.Meta(gt=0)]
    occasional_db: float | None = None
    frequent_db: float | None = None
    indoors_db: float = 0.0
    classes: dict[str, tuple[float, float]]


class LegalNumber(Part, frozen=True, kw_only=True):
    """One number of a standard. code: `module:NAME` of a formula's constant that equals it."""

    id: str
    value: float
    unit: str = ""
    clause: str
    state: Standing | None = None
    code: str | None = None
    zh: str = ""
    en: str = ""


class FumeRow(Part, frozen=True, kw_only=True):
    """Limits of one region by the size of the kitchen, mg/m3."""

    region: Region
    basis: str
    clause: str = ""
    state: Standing | None = None
    small: float
    medium: float
    large: float


class CodeRow(Part, frozen=True, kw_only=True):
    """A category's class: `code`, or `main` and `extension` where the standard has none."""

    category: str
    zh: str = ""
    code: Annotated[str, msgspec.Meta(pattern=whole(r"\d{4}"))] | None = None
    main: TwoDigits | None = None
    extension: TwoDigits | None = None
    state: Standing | None = None


class Pack(Part, frozen=True, kw_only=True):
    """One file. of: which standard, for noise and measuring. signature: of one that came later."""

    pack: PackKind
    of: str = ""
    region: Region = EVERYWHERE
    edition: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    published: Date
    source: str
    state: Standing
    valid_from: Date
    valid_to: Date | None = None
    holidays: tuple[Span, ...] = ()
    workdays: tuple[Span, ...] = ()
    exams: tuple[Span, ...] = ()
    yearly: tuple[Yearly, ...] = ()
    standard: NoiseStandard | None = None
    numbers: tuple[LegalNumber, ...] = ()
    fume: tuple[FumeRow, ...] = ()
    codes: tuple[CodeRow, ...] = ()
    mains: dict[str, str] = {}
    main_of: dict[str, str] = {}
    signature: str | None = None

    def in_force(self, day: str) -> bool:
        """On this day, "YYYY-MM-DD"."""
        return self.valid_from <= day <= (self.valid_to or day)

    @property
    def title(self) -> str:
        """`calendar` or `noise GB 12348`."""
        return f"{self.pack} {self.of}".strip()

    def number(self, name: str) -> float:
        """The value of one of `numbers`. Raises KeyError."""
        return {row.id: row.value for row in self.numbers}[name]


@dataclass(frozen=True, slots=True)
class PackFault:
    """A pack that is missing, or in force for not much longer."""

    kind: Literal["pack_missing", "pack_ending"]
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Packs:
    """All packs of a box. region: the site's division code or its beginning, "" where unknown."""

    files: tuple[Pack, ...] = ()
    region: str = ""

    def at(self, kind: PackKind, day: date, of: str = "") -> Pack | None:
        """The pack in force on a day: of the smallest region that fits, the last published."""
        text = day.isoformat()
        found = [
            p
            for p in self.files
            if p.pack == kind and p.of == of and p.in_force(text) and self.here(p.region)
        ]
        return max(found, key=_rank, default=None)

    def here(self, region: str) -> bool:
        """Whether the site lies in a region."""
        return region == EVERYWHERE or (bool(self.region) and self.region.startswith(region))

    def spans(self, spans: Iterable[Span], day: date) -> list[Span]:
        """Those that a day lies in, each name by the smallest region that fits."""
        text = day.isoformat()
        return [s for s in self._own(spans) if s.first <= text <= (s.last or s.first)]

    def yearly(self, rows: Iterable[Yearly], day: date) -> list[Yearly]:
        """Those of every year that a day lies in."""
        text = day.isoformat()[5:]
        return [row for row in self._own(rows) if row.first <= text <= row.last]

    def _own(self, rows: Iterable[Any]) -> list[Any]:
        rows = list(rows)
        best: dict[str, int] = {}
        for row in rows:
            best[row.name] = max(best.get(row.name, -1), self._fit(row.regions))
        return [row for row in rows if self._fit(row.regions) == best[row.name] >= 0]

    def _fit(self, regions: Sequence[str]) -> int:
        """How narrow the narrowest region is that the site lies in; -1 for none."""
        found = [0 if r == EVERYWHERE else len(r) for r in regions if self.here(r)]
        return max(found, default=-1)

    def fume(self, day: date, grid: str | None) -> FumeRow | None:
        """The limits of a kitchen in this unit grid on a day."""
        pack = self.at("fume", day)
        code = grid or self.region
        rows = [r for r in (pack.fume if pack else ()) if r.region == EVERYWHERE]
        rows += [r for r in (pack.fume if pack else ()) if code and code.startswith(r.region)]
        return max(rows, key=_narrow, default=None)

    def faults(self, today: date, standards: Iterable[str] = ()) -> list[PackFault]:
        """What is missing today, and what ends within ENDING_DAYS with nothing after it."""
        needed = [*NEEDED, *(("noise", name) for name in sorted(set(standards)))]
        found = [self._fault(kind, of, today) for kind, of in needed]
        return [fault for fault in found if fault]

    def _fault(self, kind: PackKind, of: str, today: date) -> PackFault | None:
        now, title = self.at(kind, today, of), f"{kind} {of}".strip()
        if now is None:
            return PackFault("pack_missing", title, f"no pack in force on {today}")
        last = date.fromisoformat(now.valid_to) if now.valid_to else None
        while last is not None:
            following = self.at(kind, last + timedelta(days=1), of)
            if following is None:
                left = (last - today).days
                text = f"{now.edition} ends {last}, in {left} days, and none follows"
                return PackFault("pack_ending", title, text) if left <= ENDING_DAYS else None
            last = date.fromisoformat(following.valid_to) if following.valid_to else None
        return None


def _rank(pack: Pack) -> tuple[int, str, str]:
    return (0 if pack.region == EVERYWHERE else len(pack.region), pack.published, pack.edition)


def _narrow(row: FumeRow) -> int:
    return 0 if row.region == EVERYWHERE else len(row.region)


def read_pack(path: Path) -> Pack:
    """One file. Raises ConfigError for what does not fit, or days that do not exist."""
    return check_pack(convert(read_yaml(path), Pack, str(path)), str(path))


def check_pack(pack: Pack, where: str) -> Pack:
    """The pack, sound in itself. Raises ConfigError: a day that does not exist, a span that ends
    before it starts, a day both holiday and workday, a kind without its content."""
    first = _date(pack.valid_from, where)
    if pack.valid_to and _date(pack.valid_to, where) < first:
        raise ConfigError(f"{where}: valid_to {pack.valid_to} is before valid_from")
    held = {
        "calendar": pack.holidays,
        "recurring": pack.yearly,
        "exams": pack.exams,
        "noise": pack.standard and pack.of,
        "measuring": pack.numbers and pack.of,
        "fume": pack.fume,
        "codes": pack.codes,
    }
    if not held[pack.pack]:
        raise ConfigError(f"{where}: a pack of {pack.pack} holds nothing of it")
    check_spans(pack.holidays, pack.workdays, pack.exams, where)
    return pack


def check_spans(
    holidays: Sequence[Span], workdays: Sequence[Span], exams: Sequence[Span], where: str
) -> None:
    """Raises ConfigError for days that cannot be."""
    free = {day for n, s in enumerate(holidays) for day in days_of(s, f"{where}: holidays[{n}]")}
    worked = {day for n, s in enumerate(workdays) for day in days_of(s, f"{where}: workdays[{n}]")}
    for n, span in enumerate(exams):
        days_of(span, f"{where}: exams[{n}]")
    if free & worked:
        raise ConfigError(f"{where}: {min(free & worked)} is both a holiday and a workday")


def days_of(span: Span, where: str) -> list[date]:
    """Every day of a span. Raises ConfigError for one that does not exist or runs backwards."""
    first, last = _date(span.first, where), _date(span.last or span.first, where)
    if last < first:
        raise ConfigError(f"{where}: ends {last} before it starts {first}")
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _date(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{where}: {text} is not a day of the calendar") from None


def shipped_packs(region: str = "", more: Iterable[Pack] = ()) -> Packs:
    """The packs that came with the program, and `more` that came later. Raises ConfigError."""
    files = sorted(shipped("config/packs").glob("*.yaml"))
    return Packs((*(read_pack(path) for path in files), *more), region)


# For what has no packs of its own to ask.
NO_PACKS = Packs()

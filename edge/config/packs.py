# SPDX-License-Identifier: AGPL-3.0-or-later
"""Dated packs: what law and bureaus fix for a time. Calendar, exam days, limits, codes.

Each pack is one file (config/packs) with its edition, its source and the days on which it is in
force. Several may lie side by side; what counts is the one in force on the day of the *event*, so
that a case of last year is judged by last year's limits. Nothing stands in for a pack that is
missing but the days that recur every year, and those are named *presumed*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.clock import calendar_day
from edge.config.load import ConfigError, convert, read_yaml
from edge.config.site import Date, MonthDay, Part
from edge.patterns import whole

# How far the text was before us: read in full, quoted by others, remembered, not at hand at all.
Standing = Literal["read", "quoted", "memory", "unread"]
PackKind = Literal["calendar", "recurring", "exams", "noise", "measuring", "fume", "codes"]
TwoDigits = Annotated[str, msgspec.Meta(pattern=whole(r"\d{2}"), examples=["03"])]
Region = Annotated[str, msgspec.Meta(pattern=whole(r"CN|\d{2,6}"), examples=["CN", "370282"])]
EVERYWHERE = "CN"
# No festival lasts longer; each day of a span is kept, and "for ever" would be three million.
SPAN_DAYS_MOST = 366
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
    code: Annotated[str, msgspec.Meta(pattern=whole(r"\d{4}"), examples=["0301"])] | None = None
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

    @property
    def title(self) -> str:
        """`calendar` or `noise GB 12348`."""
        return f"{self.pack} {self.of}".strip()

    def number(self, name: str) -> float:
        """The value of one of `numbers`. Raises KeyError."""
        return {row.id: row.value for row in self.numbers}[name]


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
    """Every day of a span. Raises ConfigError for one that does not exist or runs backwards, and
    for a span of more than SPAN_DAYS_MOST."""
    first, last = _date(span.first, where), _date(span.last or span.first, where)
    if last < first:
        raise ConfigError(f"{where}: ends {last} before it starts {first}")
    days = (last - first).days + 1
    if days > SPAN_DAYS_MOST:
        raise ConfigError(
            f"{where}: {first} to {last} is {days} days, at most {SPAN_DAYS_MOST} are allowed"
        )
    return [first + timedelta(days=n) for n in range(days)]


def _date(text: str, where: str) -> date:
    try:
        return calendar_day(text)
    except ValueError:
        raise ConfigError(f"{where}: {text} is not a day of the calendar") from None

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the dated packs say of a day at this place: which is in force, what kind of day it is, and
the codes of a category. It is always asked by the day of the *event*."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Literal

import msgspec

from edge.clock import calendar_day
from edge.config.category import Category
from edge.config.packs import EVERYWHERE, CodeRow, FumeRow, Pack, PackKind, Span, Yearly

PACK_ZH: dict[PackKind, str] = {
    "calendar": "日历",
    "recurring": "固定日子",
    "exams": "考试日",
    "codes": "代码表",
    "noise": "噪声限值",
    "fume": "油烟限值",
    "measuring": "测量方法",
}
# What every box needs on every day; noise standards are asked for by those points that use them.
NEEDED: tuple[tuple[PackKind, str], ...] = (
    ("calendar", ""),
    ("exams", ""),
    ("codes", ""),
    ("fume", ""),
    ("measuring", "noise"),
)
ENDING_DAYS = 60
# The last extension number: what nobody has given a number of its own.
OTHER = "99"
NOTHING = "none in force 无有效版本"
# What else a case of a sensed kind was judged by.
MEASURED_BY: Mapping[str, tuple[tuple[PackKind, str], ...]] = {
    "noise": (("measuring", "noise"),),
    "loudspeaker": (),
    "fume": (("fume", ""),),
}


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
            if p.pack == kind and p.of == of and _in_force(p, text) and self.here(p.region)
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
            return PackFault(
                "pack_missing",
                title,
                f"no pack in force on {today} {today} 没有有效的{PACK_ZH[kind]}",
            )
        last = _last_day(now)
        while last is not None:
            following = self.at(kind, last + timedelta(days=1), of)
            if following is None:
                left = (last - today).days
                text = (
                    f"{now.edition} ends {last}, in {left} days, and none follows "
                    f"{PACK_ZH[kind]}到 {last} 为止，还有 {left} 天，没有下一期"
                )
                return PackFault("pack_ending", title, text) if left <= ENDING_DAYS else None
            last = _last_day(following)
        return None


def _last_day(pack: Pack) -> date | None:
    """None where it holds until further notice: some write that as 9999-12-31, which no day
    follows."""
    last = calendar_day(pack.valid_to) if pack.valid_to else date.max
    return None if last == date.max else last


def _in_force(pack: Pack, day: str) -> bool:
    """On this day, "YYYY-MM-DD"."""
    return pack.valid_from <= day <= (pack.valid_to or day)


def _rank(pack: Pack) -> tuple[int, str, str]:
    return (0 if pack.region == EVERYWHERE else len(pack.region), pack.published, pack.edition)


def _narrow(row: FumeRow) -> int:
    return 0 if row.region == EVERYWHERE else len(row.region)


# For what has no packs of its own to ask.
NO_PACKS = Packs()
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


@dataclass(frozen=True, slots=True)
class DatedFacts:
    """The packs and calendar of a site, asked by the time of an event (UTC seconds)."""

    packs: Packs
    calendar: Calendar
    timezone: tzinfo

    def day(self, wall: float) -> date:
        """The local day of an instant."""
        return datetime.fromtimestamp(wall, self.timezone).date()

    def codes(self, category: Category, wall: float) -> dict[str, str]:
        """National code or extension, and the city's own."""
        return codes_on(category, self.packs, self.day(wall))

    def named(self, category: Category, wall: float, standard: str = "") -> dict[str, str]:
        """Kind of pack -> the edition in force then; a presumed day says so."""
        day = self.day(wall)
        asked = [*MEASURED_BY.get(category.kind, ())]
        asked += [("noise", standard)] if standard else []
        found = {"calendar": self.calendar.facts(day).pack, **self._edition("codes", "", day)}
        for kind, of in asked:
            found |= self._edition(kind, of, day)
        if "exam" in self.calendar.kinds(day):
            exams = self.packs.at("exams", day)
            found["exams"] = exams.edition if exams else found["calendar"]
        return found

    def _edition(self, kind: PackKind, of: str, day: date) -> dict[str, str]:
        pack = self.packs.at(kind, day, of)
        return {kind: pack.edition if pack else NOTHING}


def codes_on(category: Category, packs: Packs, day: date) -> dict[str, str]:
    """`gb`: the national class; `ext`: its main class and an extension number where it has none;
    then whatever the category and the city's file say themselves."""
    pack = packs.at("codes", day)
    row = _row(category.id, pack)
    if row is not None and row.code:
        return {"gb": row.code, **category.codes}
    if category.codes:
        return dict(category.codes) if row is None else {**category.codes, "ext": _extension(row)}
    if row is not None:
        return {"ext": _extension(row)}
    main = pack.main_of.get(category.kind) if pack else None
    return {"ext": f"{main or '05'}{OTHER}"}


def _row(category: str, pack: Pack | None) -> CodeRow | None:
    return next((row for row in (pack.codes if pack else ()) if row.category == category), None)


def _extension(row: CodeRow) -> str:
    return f"{row.main}{row.extension or OTHER}"


def coded(categories: Mapping[str, Category], packs: Packs, day: date) -> dict[str, Category]:
    """The categories with their codes of a day, for lists and for flights of that day."""
    return {
        name: msgspec.structs.replace(category, codes=codes_on(category, packs, day))
        for name, category in categories.items()
    }


def uncoded(used: Iterable[Category], packs: Packs, day: date) -> list[str]:
    """One line of warning for each category that has neither a national code nor a city's own."""
    lines = []
    for category in used:
        codes = codes_on(category, packs, day)
        if set(codes) == {"ext"}:
            lines.append(
                f"{category.id}: no national code and none of the city; published as extension "
                f"{codes['ext']} (无国标代码，暂用扩展码); set codes.local in categories.yaml"
            )
    return lines

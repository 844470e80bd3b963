# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the packs say of one event: its category's codes, and which packs were in force then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

import msgspec

from edge.config.catalogue import Calendar
from edge.config.category import Category
from edge.config.packs import CodeRow, Pack, PackKind, Packs

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

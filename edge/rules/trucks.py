# SPDX-License-Identifier: AGPL-3.0-or-later
"""The muck-truck file of a city: registered plates and what each may do when. Pure.

A plate that cannot be read for sure stays unknown and goes to the reviewer; it is never guessed
into an offence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from edge.config import ConfigError, When, convert
from edge.config.site import Part
from edge.rules.fence import Route

PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
# Province, letter, then five (or six, new energy) of which I and O are never used: GA 36.
PLATE = re.compile(rf"^[{PROVINCES}][A-HJ-NP-Z][A-HJ-NP-Z0-9]{{4,5}}[A-HJ-NP-Z0-9挂学警]$")
UPPER_ROW = re.compile(rf"^[{PROVINCES}][A-HJ-NP-Z]$")
# What readers mix up on a dusty plate, each mapped to one of its look-alikes.
ALIKE = str.maketrans("ODQIZSB", "0001258")

# Below this a reading is noise, however well it fits a plate of the register.
LEAST_SCORE = 0.5

# Readers trained on both scripts give a province in the other one now and then.
SIMPLE = str.maketrans("滬遼魯蘇贛陝貴粵寧瓊雲", "沪辽鲁苏赣陕贵粤宁琼云")

Status = Literal["registered", "unregistered", "unknown"]


class TruckPermit(Part, frozen=True, kw_only=True):
    """One transport permit: when, from which site to which dump, by which route."""

    number: str
    project: str | None = None
    when: When = When()
    loading: str | None = None
    dumping: str | None = None
    route: Route | None = None


class Truck(Part, frozen=True, kw_only=True):
    """One registered truck. `rear_number` is the large number painted on its tail."""

    plate: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    company: str | None = None
    rear_number: str | None = None
    permits: tuple[TruckPermit, ...] = ()


class Register(Part, frozen=True, kw_only=True):
    """trucks.yaml: the offline list."""

    trucks: tuple[Truck, ...] = ()


def by_plates(trucks: Iterable[Truck]) -> tuple[Truck, ...]:
    """One truck for each plate, however it is written: what is listed twice has all its permits."""
    found: dict[str, Truck] = {}
    for truck in trucks:
        plate = normal(truck.plate)
        known = found.get(plate, truck)
        found[plate] = truck if known is truck else _together(known, truck)
    return tuple(found.values())


def _together(first: Truck, second: Truck) -> Truck:
    return msgspec.structs.replace(
        first,
        company=first.company or second.company,
        rear_number=first.rear_number or second.rear_number,
        permits=(*first.permits, *second.permits),
    )


@dataclass(frozen=True, slots=True)
class PlateMatch:
    """What a plate reading comes to. `corrected`: matched after look-alike characters."""

    status: Status
    plate: str | None
    truck: Truck | None = None
    corrected: bool = False
    why: str = ""


def normal(text: str) -> str:
    """A plate as written in one way: no spaces, dots, full-width or traditional forms, capitals."""
    folded = unicodedata.normalize("NFKC", text).upper().translate(SIMPLE)
    return "".join(c for c in folded if c.isalnum())


def match_plate(text: str, score: float, register: Register, *, sure: float = 0.8) -> PlateMatch:
    """A reading against the register.

    text: what the reader gave; score: how sure it is. "unregistered" is said only of a whole,
    surely read plate that is unlike every registered one by look-alikes too.
    """
    plate = normal(text)
    if score < LEAST_SCORE:
        return PlateMatch("unknown", None, why=f"read with {score:.2f}, below {LEAST_SCORE:.2f}")
    by_plate = {normal(truck.plate): truck for truck in register.trucks}
    if plate and plate in by_plate:
        return PlateMatch("registered", plate, by_plate[plate])
    near = [t for p, t in by_plate.items() if p.translate(ALIKE) == plate.translate(ALIKE)]
    if len(near) == 1 and plate:
        return PlateMatch("registered", normal(near[0].plate), near[0], corrected=True)
    if near:
        return PlateMatch("unknown", None, why=f"could be any of {len(near)} registered plates")
    if not PLATE.match(plate):
        return PlateMatch("unknown", None, why="not a whole plate")
    if score < sure:
        return PlateMatch("unknown", None, why=f"read with {score:.2f}, below {sure:.2f}")
    return PlateMatch("unregistered", plate, why="not in the register")


def match_rear(text: str, register: Register) -> PlateMatch:
    """The large number on a truck's tail, where it names one truck only: a number of the company's
    own, or the plate painted large, with or without its province."""
    number = normal(text)
    found = [t for t in register.trucks if len(number) >= 3 and number in _painted(t)]
    if len(found) == 1:
        return PlateMatch("registered", normal(found[0].plate), found[0])
    return PlateMatch("unknown", None, why="no truck" if not found else "several trucks")


def _painted(truck: Truck) -> set[str]:
    plate = normal(truck.plate)
    return {plate, plate[1:], normal(truck.rear_number or "")}


def joined(lines: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The lines of one picture from top to bottom, and those that are the two rows of one rear
    plate (GA 36: province and letter above, the rest below) put together as well."""
    pairs = pairwise(lines)
    both = [(a + b, min(p, q)) for (a, p), (b, q) in pairs if UPPER_ROW.match(normal(a))]
    return [*lines, *both]


def best_match(readings: Sequence[tuple[str, float]], register: Register) -> PlateMatch:
    """All lines read on one truck, (text, score), come to one answer.

    A registered plate wins over a rear number, that over a sure plate of nobody's; two different
    trucks named at once are unknown.
    """
    plates = [match_plate(text, score, register) for text, score in readings]
    rears = [match_rear(text, register) for text, score in readings if score >= LEAST_SCORE]
    for matches in (plates, rears):
        named = {m.plate: m for m in matches if m.status == "registered"}
        if len(named) > 1:
            return PlateMatch("unknown", None, why=f"reads as {' and '.join(map(str, named))}")
        if named:
            return next(iter(named.values()))
    unregistered = {m.plate: m for m in plates if m.status == "unregistered"}
    if len(unregistered) == 1:
        return next(iter(unregistered.values()))
    why = "nothing read" if not readings else "no line is a whole, sure plate"
    return PlateMatch("unknown", None, why=why)


CSV_COLUMNS = (
    "plate",
    "company",
    "rear_number",
    "permit",
    "project",
    "from_date",
    "to_date",
    "hours",
    "loading",
    "dumping",
)


def register_from_rows(rows: Sequence[Mapping[str, Any]], where: str) -> Register:
    """A register from CSV rows, one permit a row; rows of one plate are one truck.

    Raises ConfigError naming line and column.
    """
    trucks: dict[str, dict[str, Any]] = {}
    for n, row in enumerate(rows, 2):
        unknown = [str(name) for name in row if name not in CSV_COLUMNS]
        if unknown:
            raise ConfigError(
                f"{where}: column {unknown[0]!r} is unknown (allowed: {', '.join(CSV_COLUMNS)})"
            )
        if not row.get("plate"):
            raise ConfigError(f"{where}: line {n}: plate is empty")
        truck = trucks.setdefault(normal(row["plate"]), {"plate": row["plate"], "permits": []})
        for name in ("company", "rear_number"):
            if row.get(name):
                truck[name] = row[name]
        if row.get("permit"):
            truck["permits"].append(_permit(row))
            convert(truck, Truck, f"{where}: line {n}")
    return convert({"trucks": list(trucks.values())}, Register, where)


def _permit(row: Mapping[str, Any]) -> dict[str, Any]:
    when = {name: row[name] for name in ("from_date", "to_date") if row.get(name)}
    hours = {"hours": row["hours"].split()} if row.get("hours") else {}
    named = {name: row[name] for name in ("project", "loading", "dumping") if row.get(name)}
    return {"number": row["permit"], "when": {**when, **hours}, **named}

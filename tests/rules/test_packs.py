# SPDX-License-Identifier: AGPL-3.0-or-later
"""Dated packs: the one of the event's day counts, a missing one is told, numbers have one home."""

import ast
import importlib
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from edge.config import ConfigError
from edge.config.catalogue import load_calendar, load_categories, shipped_packs
from edge.config.dated import DatedFacts, Packs, codes_on, uncoded
from edge.config.legal import legal_rows
from edge.config.packs import STANDINGS, Span, check_pack, read_pack

ROOT = Path(__file__).resolve().parents[2]
PACKS = shipped_packs()
CALENDAR = load_calendar([], PACKS)
CATEGORIES = load_categories([ROOT / "config/categories.yaml"])
YEARS = [date(2025, 1, 1) + timedelta(days=n) for n in range(4 * 365 + 1)]


def test_every_day_of_four_years_is_told_by_the_pack_of_that_day():
    assert YEARS[-1] == date(2028, 12, 31)
    for day in YEARS:
        found = CALENDAR.facts(day)
        wanted = f"cn-{day.year}" if day.year < 2027 else "presumed 推定 (recurring-2025)"
        assert (found.pack, found.presumed) == (wanted, day.year >= 2027), day
        assert len(found.kinds - {"exam"}) == 1


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2025-01-26", "workday"), ("2025-02-04", "holiday"), ("2025-10-08", "holiday"),
        ("2026-02-14", "workday"), ("2026-02-16", "holiday"), ("2027-01-01", "holiday"),
        ("2027-02-05", "holiday"), ("2027-02-09", "workday"), ("2027-05-02", "holiday"),
        ("2027-05-03", "workday"), ("2028-10-03", "holiday"), ("2028-10-04", "workday"),
    ],
)  # fmt: skip
def test_days_of_notices_and_days_that_recur(day, kind):
    assert CALENDAR.kinds(date.fromisoformat(day)) == {kind}


@pytest.mark.parametrize(
    ("region", "day", "sits"),
    [
        ("", "2026-06-08", True), ("", "2026-06-09", False), ("370202", "2026-06-10", True),
        ("440305", "2026-06-09", True), ("440305", "2026-06-10", False),
        ("370202", "2027-06-10", True), ("", "2027-06-09", False), ("", "2028-06-07", True),
        ("150102", "2027-06-09", False),
    ],
)  # fmt: skip
def test_exam_days_differ_by_province_and_go_on_as_presumed(region, day, sits):
    calendar = load_calendar([], replace(PACKS, region=region))
    when = date.fromisoformat(day)
    assert ("exam" in calendar.kinds(when)) is sits
    assert calendar.facts(when).presumed is (when.year >= 2027)


def without(kind, of=""):
    return Packs(tuple(p for p in PACKS.files if (p.pack, p.of) != (kind, of)))


@pytest.mark.parametrize(
    ("kind", "of"),
    [("calendar", ""), ("exams", ""), ("codes", ""), ("fume", ""), ("measuring", "noise"),
     ("noise", "GB 3096")],
)  # fmt: skip
def test_a_pack_that_is_taken_away_is_a_fault(kind, of):
    today = date(2026, 5, 4)
    assert PACKS.faults(today, ["GB 3096"]) == []
    (fault,) = without(kind, of).faults(today, ["GB 3096"])
    assert (fault.kind, fault.title) == ("pack_missing", f"{kind} {of}".strip())


def test_the_fault_comes_sixty_days_before_the_end_and_not_where_one_follows():
    days = (date(2026, 10, 31), date(2026, 11, 1))
    assert [[f.title for f in PACKS.faults(d)] for d in days] == [[], ["calendar", "exams"]]
    assert PACKS.faults(date(2025, 12, 20), ["GB 12523"]) == []
    assert [f.kind for f in PACKS.faults(date(2027, 3, 1))] == ["pack_missing"] * 2


@pytest.mark.parametrize("follows", [False, True])
def test_a_pack_until_the_last_day_that_can_be_written_holds_until_further_notice(follows):
    """Alone, and as the one that follows another."""
    now = PACKS.at("codes", date(2026, 11, 29))
    packs = [msgspec.structs.replace(now, valid_to="9999-12-31", published="2026-11-01")]
    if follows:
        packs[0] = msgspec.structs.replace(packs[0], valid_from="2027-01-01")
        packs.append(msgspec.structs.replace(now, valid_to="2026-12-31"))
    others = [p for p in PACKS.files if p.pack != "codes"]
    faults = Packs((*others, *packs)).faults(date(2026, 11, 29))
    assert [f.title for f in faults] == [f.title for f in PACKS.faults(date(2026, 11, 29))]


@pytest.mark.parametrize("kind", ["holidays", "workdays", "exams"])
def test_no_festival_lasts_for_ever(kind):
    """Each of its days would be kept: three million of them."""
    year = PACKS.at("calendar", date(2026, 1, 1))

    def held(last):
        empty = {"holidays": (), "workdays": (), "exams": ()}
        spans = {**empty, kind: (Span(name="x", first="2026-01-01", last=last),)}
        pack = {"holidays": "calendar", "workdays": "calendar", "exams": "exams"}[kind]
        if kind == "workdays":
            spans["holidays"] = (Span(name="y", first="2025-01-01"),)
        return check_pack(msgspec.structs.replace(year, pack=pack, **spans), "p.yaml")

    held("2027-01-01")
    with pytest.raises(ConfigError, match=rf"p.yaml: {kind}\[0\]: 2026-01-01 to 9999-12-31 is 2"):
        held("9999-12-31")


def test_without_any_pack_a_day_says_that_it_is_only_presumed():
    found = load_calendar([], Packs()).facts(date(2026, 10, 1))
    assert (found.kinds, found.presumed) == ({"workday"}, True)


def test_the_standard_of_the_day_counts_and_is_named():
    facts = DatedFacts(PACKS, CALENDAR, ZoneInfo("Asia/Shanghai"))
    noise = CATEGORIES["construction-noise"]
    old, new = (1767196800.0 - 1.0, 1767196800.0)  # 2026-01-01 00:00 in Shanghai
    assert facts.named(noise, old, "GB 12523")["noise"] == "GB 12523-2011"
    named = facts.named(noise, new, "GB 12523")
    assert named["noise"].startswith("GB 12523-2025") and named["calendar"] == "cn-2026"
    late = facts.named(noise, 1803830400.0, "GB 12523")
    assert late["calendar"].startswith("presumed")
    assert facts.codes(noise, new) == {"gb": "0301"}
    gone = DatedFacts(without("codes"), CALENDAR, ZoneInfo("Asia/Shanghai"))
    assert gone.named(noise, new)["codes"].startswith("none in force")


def test_of_packs_side_by_side_the_last_published_of_the_smallest_region_counts():
    base = PACKS.at("calendar", date(2026, 1, 1))
    later = msgspec.structs.replace(base, edition="later", published="2026-03-01")
    city = msgspec.structs.replace(base, edition="city", region="3702")
    side = Packs((*PACKS.files, later, city))
    assert side.at("calendar", date(2026, 6, 1)).edition == "later"
    assert replace(side, region="370202").at("calendar", date(2026, 6, 1)).edition == "city"


def test_every_category_has_a_code_and_extensions_are_warned_of():
    day = date(2026, 11, 28)
    codes = {name: codes_on(c, PACKS, day) for name, c in CATEGORIES.items()}
    assert all(codes.values())
    rows = {row.category for row in PACKS.at("codes", day).codes}
    assert set(CATEGORIES) <= rows
    extended = [n for n, c in codes.items() if set(c) == {"ext"}]
    zh = {n: CATEGORIES[n].zh for n in extended}
    assert len({codes[n]["ext"] for n in extended}) == len(set(zh.values()))
    warned = uncoded(CATEGORIES.values(), PACKS, day)
    assert [line.split(":")[0] for line in warned] == extended
    own = msgspec.structs.replace(CATEGORIES["street-vendor"], id="something-new")
    assert codes_on(own, PACKS, day) == {"ext": "0599"}


@pytest.mark.parametrize("path", sorted((ROOT / "config/overlays").glob("*.yaml")), ids=str)
def test_overlays_name_a_code_wherever_the_nation_has_none_or_the_city_another(path):
    city = load_categories([ROOT / "config/categories.yaml", path])
    day = date(2026, 11, 28)
    named = [n for n in city if "local" in city[n].codes]
    same_code = {codes_on(city[n], PACKS, day).get("gb") for n in named} - {None}
    gaps = [
        n
        for n, c in city.items()
        if "local" not in c.codes and codes_on(c, PACKS, day).get("gb") in same_code
    ]
    assert gaps == [], f"{path.name}: no code of the city for {gaps}, though their class has one"


def test_each_number_has_a_clause_and_a_state_and_constants_of_formulas_equal_it():
    rows = list(legal_rows(PACKS))
    assert len(rows) > 80
    assert all(row["clause"] and row["state"] in STANDINGS for row in rows)
    assert len({(r["pack"], r["edition"], r["id"]) for r in rows}) == len(rows)
    in_code = [row for row in rows if row["code"]]
    assert in_code
    for row in in_code:
        module, name = row["code"].split(":")
        assert getattr(importlib.import_module(module), name) == row["value"], row


CITED = re.compile(r"GB(?:/T)? ?\d{4,}|HJ ?\d{3}|\bArt\. ?\d|DB\d{2}")


def test_no_legal_number_is_a_bare_constant():
    """A numeric constant beside a citation must be one that a pack names."""
    known = {tuple(row["code"].split(":")) for row in legal_rows(PACKS) if row["code"]}
    bare = []
    for path in sorted((ROOT / "edge").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            numeric = any(
                isinstance(n, ast.Constant) and isinstance(n.value, int | float)
                for n in ast.walk(getattr(node, "value", ast.Pass()))
            )
            beside = "\n".join(lines[max(0, node.lineno - 3) : node.end_lineno])
            comment = "\n".join(t for t in beside.splitlines() if "#" in t)
            if names and numeric and CITED.search(comment):
                bare += [(module, n) for n in names if (module, n) not in known]
    allowed = {
        # No limits: the codes of a protocol, how long a message of it is waited for, how fast a
        # meter of its class can fall, and how many digits of a grid code name its county.
        ("edge.sensors.fume", "HOURS_WAIT_S"),
        ("edge.sensors.kitchen", "SWITCH_MAX"),
        ("edge.sensors.weighting", "SPIKE_DB"),
        ("edge.config.neighbours", "COUNTY_DIGITS"),
    }
    assert set(bare) <= allowed, bare


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("valid_to: 2025-01-01", "before valid_from"),
        ("holidays: []", "holds nothing"),
        ("valid_from: 2026-02-30", "not a day"),
        ("workdays: [{name: x, first: 2026-01-01}]", "both a holiday"),
        ("state: believed", "state"),
    ],
)
def test_a_wrong_pack_is_refused_in_one_line(tmp_path, change, says):
    key = change.split(":")[0]
    text = (ROOT / "config/packs/calendar-2026.yaml").read_text()
    kept = re.sub(rf"(?ms)^{key}:.*?(?=^\w|\Z)", "", text)
    (tmp_path / "p.yaml").write_text(kept + change + "\n")
    with pytest.raises(ConfigError, match=says):
        read_pack(tmp_path / "p.yaml")

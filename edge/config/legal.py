# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every legal number as a row: from which pack and clause, and how far its text was before us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edge.config.dated import Packs
from edge.config.packs import NoiseStandard, Pack, Standing


def legal_rows(packs: Packs) -> Iterator[dict[str, Any]]:
    """Every legal number: pack, edition, id, value, unit, clause, state, code."""
    for pack in packs.files:
        head = {"pack": pack.title, "edition": pack.edition, "from": pack.valid_from}
        head["to"] = pack.valid_to or ""
        for row in _numbers(pack):
            yield {**head, **row}


def _numbers(pack: Pack) -> Iterator[dict[str, Any]]:
    for n in pack.numbers:
        yield _row(n.id, n.value, n.unit, n.clause, n.state or pack.state, n.code)
    for f in pack.fume:
        for size in ("small", "medium", "large"):
            clause = f"{f.basis} {f.clause}".strip()
            state = f.state or pack.state
            yield _row(f"{f.region} {size}", getattr(f, size), "mg/m3", clause, state)
    if pack.standard is not None:
        yield from _noise_numbers(pack, pack.standard)


def _noise_numbers(pack: Pack, rule: NoiseStandard) -> Iterator[dict[str, Any]]:
    def clause(name: str) -> str:
        return f"{pack.edition} {rule.clauses.get(name, '')}".strip()

    for name, (day_db, night_db) in rule.classes.items():
        yield _row(f"class {name} day", day_db, "dB(A)", clause("limit"), pack.state)
        yield _row(f"class {name} night", night_db, "dB(A)", clause("limit"), pack.state)
    yield _row("window_s", rule.window_s, "s", clause("measure"), pack.state)
    for key, named in (("occasional_db", "peak"), ("frequent_db", "frequent")):
        value = getattr(rule, key)
        if value is not None:
            yield _row(key, value, "dB", clause(named), pack.state)
    if rule.indoors_db:
        yield _row("indoors_db", rule.indoors_db, "dB", clause("limit"), pack.state)


def _row(
    name: str, value: float, unit: str, clause: str, state: Standing, code: str | None = None
) -> dict[str, Any]:
    row = {"id": name, "value": value, "unit": unit, "clause": clause, "state": state}
    return {**row, "code": code or ""}

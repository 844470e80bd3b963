# SPDX-License-Identifier: AGPL-3.0-or-later
"""Pieces of the ledger's page: a text in both languages, a row of a table, a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from edge.drone.words import FACTS

Row = Mapping[str, Any]


def t(zh: str, en: str) -> str:
    """A text in both languages; the page shows one of them."""
    return f'<span class="zh">{zh}</span><span class="en">{en}</span>'


def both(names: Row) -> str:
    return t(escape(names["zh"]), escape(names["en"]))


def row(cell: str, *values: str) -> str:
    return "<tr>" + "".join(f"<{cell}>{value}</{cell}>" for value in values) + "</tr>"


def mmss(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"


def shown_value(value: Any) -> str:
    """A fact as people read it."""
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None else str(value)


def facts_of(facts: Row) -> Iterable[tuple[str, str]]:
    """The facts that people read, in words."""
    for key, value in facts.items():
        if value is not None and value != [] and key in FACTS:
            text = f"{value:.0%}" if key.endswith("_share") else shown_value(value)
            yield t(*FACTS[key]), escape(text)

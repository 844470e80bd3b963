# SPDX-License-Identifier: AGPL-3.0-or-later
"""Truth files of a recording: their shape, checked, as values. Pure: the caller reads the file."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from edge.config.load import ConfigError, convert
from edge.rules.evaluation import TruthEvent, UnjudgedSpan

Finite = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One event as written; keys that are not known here are notes of whoever wrote it."""

    category: str
    start_s: Finite
    end_s: Finite
    place: tuple[Finite, Finite]
    radius: Annotated[float, msgspec.Meta(ge=0.0, le=10.0)]
    must: bool = True
    dwell_s: Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)] | None = None


class SpanRow(msgspec.Struct, frozen=True, kw_only=True):
    """Time that is not judged, s from the start; of one category, or of all."""

    start_s: Finite
    end_s: Finite
    category: str | None = None


class TruthRows(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `ignore` may also be written as [start, end] pairs."""

    events: tuple[EventRow, ...]
    recording: str = ""
    ignore: tuple[SpanRow, ...] = ()
    duration_s: Annotated[float, msgspec.Meta(gt=0.0)] | None = None


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """The same as values of the evaluation."""

    recording: str
    events: tuple[TruthEvent, ...]
    ignore: tuple[UnjudgedSpan, ...]
    duration_s: float | None


def truth_from(data: Any, where: str) -> Truth:
    """Check and convert. Raises ConfigError naming the event and what is wrong with it."""
    if isinstance(data, dict):
        data = {**data, "ignore": [_span_row(row) for row in data.get("ignore") or []]}
    rows = convert(data, TruthRows, where)
    for i, event in enumerate(rows.events):
        if event.end_s < event.start_s:
            raise ConfigError(
                f"{where}: events[{i}].end_s = {event.end_s:g} lies before start_s "
                f"= {event.start_s:g}"
            )
    events = tuple(
        TruthEvent(e.category, e.start_s, e.end_s, e.place, e.radius, e.must, e.dwell_s)
        for e in rows.events
    )
    return Truth(
        recording=rows.recording,
        events=events,
        ignore=tuple(_span(row, f"{where}: ignore[{i}]") for i, row in enumerate(rows.ignore)),
        duration_s=rows.duration_s,
    )


def _span_row(row: Any) -> Any:
    """A pair as an object, so that both ways of writing are checked alike."""
    if isinstance(row, list) and len(row) == 2:
        return {"start_s": row[0], "end_s": row[1]}
    return row


def _span(row: SpanRow, where: str) -> UnjudgedSpan:
    if row.end_s < row.start_s:
        raise ConfigError(f"{where}: ends at {row.end_s:g} before it starts at {row.start_s:g}")
    return UnjudgedSpan(row.start_s, row.end_s, row.category)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Day: one local day of every camera as a timeline of watched, blind and unrecorded time
and cases, with the faults that hold since then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.console import health as measured
from edge.console.case_pages import day_of, index_of
from edge.console.cases import CaseSummary, Wanted
from edge.console.clock import clock_of
from edge.console.editing import camera_rows, parse
from edge.console.health import WATCHED, WatchedSpan
from edge.console.health_pages import ledger_of
from edge.console.stages import progress_of
from edge.console.texts import Language, text
from edge.console.web import console_of, language_of, render
from edge.uplink.wire import utc_seconds, utc_text

DAY_S = 86_400.0
WIDTH, ROW, LEFT, TOP = 960, 30, 130, 22
# A camera with more cases than this on one day is shown in numbers on the list.
CASES_MOST = 200


@dataclass(frozen=True, slots=True)
class DayRow:
    """One camera's day: its spans, its cases and its blind minutes by reason, longest first."""

    camera: str
    name: str
    spans: tuple[WatchedSpan, ...]
    cases: tuple[CaseSummary, ...]
    blind: tuple[tuple[str, int], ...]


async def day(request: Request) -> Response:
    """The day of the address, today without one."""
    console, language, now = console_of(request), language_of(request), time.time()
    zone = clock_of(console).zone
    today = datetime.now(zone).date()
    chosen = min(day_of(request.query_params.get("date", "")) or today, today)
    begin = datetime.combine(chosen, datetime.min.time(), zone).timestamp()
    end = datetime.combine(chosen + timedelta(days=1), datetime.min.time(), zone).timestamp()
    index = index_of(request)
    wanted = Wanted(since=utc_text(begin), until=utc_text(end))
    cases = await run_in_threadpool(index.find, wanted)
    spans = await run_in_threadpool(ledger_of(request).spans, begin, min(end, now))
    known = camera_rows(parse(console.site.read().text))
    names = {str(row["id"]): str(row["name"]) for row in known}
    rows = day_rows(names, spans, cases, language)
    faults = [f for f in measured.faults(console.reading, language) if (f.wall or now) < end]
    return render(
        request,
        "day.html",
        day=chosen.isoformat(),
        before=(chosen - timedelta(days=1)).isoformat(),
        after=(chosen + timedelta(days=1)).isoformat() if chosen < today else "",
        rows=rows,
        plot=timeline(rows, begin, end, min(end, now)),
        progress={head.id: progress_of(index.life(head.id), now) for head in cases},
        faults=faults,
        clock=clock_of(console),
    )


def day_rows(
    names: Mapping[str, str],
    spans: Iterable[WatchedSpan],
    cases: Sequence[CaseSummary],
    language: Language,
) -> list[DayRow]:
    """A row for each camera of the site and for each source that has cases or spans that day."""
    of_camera: dict[str, list[WatchedSpan]] = {}
    for span in spans:
        of_camera.setdefault(span.camera, []).append(span)
    every = {**{h.source: h.source_name for h in cases}, **{c: c for c in of_camera}, **names}
    rows = []
    for camera, name in sorted(every.items(), key=lambda item: item[1]):
        own = sorted((h for h in cases if h.source == camera), key=lambda h: h.began)
        blind = _blind(of_camera.get(camera, ()), language)
        mine = tuple(of_camera.get(camera, ()))
        rows.append(DayRow(camera, name, mine, tuple(own[:CASES_MOST]), blind))
    return rows


def _blind(spans: Iterable[WatchedSpan], language: Language) -> tuple[tuple[str, int], ...]:
    words = {measured.OFF: text("blind_off", language)}
    sums: dict[str, float] = {}
    for span in spans:
        if span.reason != WATCHED:
            name = measured.reason_name(span.reason, language, words)
            sums[name] = sums.get(name, 0.0) + span.seconds
    rows = sorted(sums.items(), key=lambda item: -item[1])
    return tuple((name, max(1, round(seconds / 60))) for name, seconds in rows)


def timeline(rows: Sequence[DayRow], begin: float, end: float, until: float) -> str:
    """The day as SVG, a line a camera; what no span covers before `until` is unrecorded."""
    height = TOP + ROW * len(rows) + 6

    def x(wall: float) -> float:
        share = (min(max(wall, begin), end) - begin) / (end - begin)
        return LEFT + share * (WIDTH - LEFT - 22)

    parts: list[str] = []
    for hour in range(0, 25, 3):
        at = x(begin + hour * 3600.0)
        parts.append(f'<path class="axis" d="M{at:.1f} {TOP - 4}V{height - 4}"/>')
        parts.append(f'<text x="{at:.1f}" y="12" text-anchor="middle">{hour:02d}:00</text>')
    for number, row in enumerate(rows):
        top = TOP + ROW * number
        parts += _line(row, top, x, (begin, until))
    label = escape(" · ".join(f"{row.name}: {len(row.cases)}" for row in rows))
    box = f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}"'
    return f'<svg class="timeline" {box}>{"".join(parts)}</svg>'


def _line(row: DayRow, top: int, x: Any, known: tuple[float, float]) -> Iterable[str]:
    name = escape(row.name if len(row.name) < 14 else row.name[:13] + "…")
    yield f'<text x="{LEFT - 8}" y="{top + 19}" text-anchor="end">{name}</text>'
    begin, until = known
    wide = max(0.0, x(until) - x(begin))
    yield f'<rect class="dark" x="{x(begin):.1f}" y="{top + 8}" width="{wide:.1f}" height="14"/>'
    for span in row.spans:
        left, right = x(span.begin), x(span.begin + span.seconds)
        kind = "watched" if span.reason == WATCHED else "blind"
        size = f'width="{max(0.4, right - left):.1f}" height="14"'
        yield f'<rect class="{kind}" x="{left:.1f}" y="{top + 8}" {size}/>'
    for head in row.cases:
        at = x(utc_seconds(head.began))
        yield f'<path class="tick" d="M{at:.1f} {top + 2}V{top + 28}"/>'


PAGES = {"/day": day}

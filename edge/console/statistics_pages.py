# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Statistics: the work report of any days, by day, category, camera and grid, with plots,
CSV and the printable report. Every figure is counted by `edge.handling.report`."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from html import escape
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.console.case_pages import day_of, index_of
from edge.console.clock import clock_of
from edge.console.editing import parse
from edge.console.texts import text
from edge.console.web import console_of, language_of, render
from edge.handling.report import Period, Report, csv_of, make_report
from edge.handling.report_page import report_html
from edge.handling.statistics import Share

# The report carries its own style and runs nothing. It is no sandbox: from one, a link to a case
# would come without the session and end at the log-in.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
DAYS_MOST = 366
USUAL = 30
DIVIDED = ("category", "source", "grid")
WIDTH, HEIGHT, FOOT, LEFT = 720, 190, 22, 30


def period_of(request: Request) -> Period:
    """The local days of the address, both included; the last thirty without."""
    zone = clock_of(console_of(request)).zone
    today = datetime.now(zone).date()
    last = day_of(request.query_params.get("to", "")) or today
    first = day_of(request.query_params.get("from", "")) or last - timedelta(days=USUAL - 1)
    first, last = min(first, last), max(first, last)
    return Period(max(first, last - timedelta(days=DAYS_MOST - 1)), last, zone)


def report_of(request: Request) -> Report:
    """The cases of the period as they stand now; watched time stands on Health and Day."""
    return make_report(index_of(request).lives(), (), period_of(request), time.time())


async def statistics(request: Request) -> Response:
    """The page of a period's figures, with its bars and intervals."""
    report = await run_in_threadpool(report_of, request)
    language = language_of(request)
    days = {"from": report.period.first.isoformat(), "to": report.period.last.isoformat()}
    return render(
        request,
        "statistics.html",
        report=report,
        chosen=days,
        kept=urlencode(days),
        divided=DIVIDED,
        presets=_presets(report.period),
        plot=day_bars(report, text("found_cases", language), text("review_confirmed", language)),
        bar=interval_bar,
        query=lambda **more: urlencode({**days, **more}),
        named=lambda by, name: _named(report, by, name, language),
    )


def _presets(period: Period) -> list[tuple[str, str]]:
    """(word, address) of the usual periods, ending today."""
    today = datetime.now(period.timezone).date()
    spans = (("today_days", 0), ("last_7", 6), ("last_30", 29), ("last_365", 364))
    return [(w, urlencode({"from": today - timedelta(days=n), "to": today})) for w, n in spans]


def _named(report: Report, by: str, name: str, language: str) -> str:
    if by == "category":
        return str(report.names.get(name, {}).get(language) or name)
    if by == "source":
        return str(report.sources.get(name) or name)
    return name


def day_bars(report: Report, found: str, confirmed: str) -> str:
    """Bars of cases found a day with the confirmed ones in front; colours are the page's."""
    most = max((seen for seen, _ in report.days.values()), default=0) or 1
    step, tall = (WIDTH - LEFT) / max(len(report.days), 1), HEIGHT - FOOT - 10
    parts = []
    every = max(1, round(len(report.days) / 10))
    for n, (day, (seen, real)) in enumerate(report.days.items()):
        x, wide = LEFT + n * step + step * 0.1, step * 0.8
        title = f"<title>{day}: {escape(found)} {seen}, {escape(confirmed)} {real}</title>"
        for count, kind in ((seen, "found"), (real, "real")):
            high = tall * count / most
            parts.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{HEIGHT - FOOT - high:.1f}" '
                f'width="{wide:.1f}" height="{high:.1f}">{title}</rect>'
            )
        if n % every == 0:
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}">{day[5:]}</text>')
    base = HEIGHT - FOOT
    parts.append(f'<path class="axis" d="M{LEFT} {base}H{WIDTH}"/>')
    for count in {0, most}:
        y = base - tall * count / most
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{count}</text>')
    label = f'role="img" aria-label="{escape(found)}"'
    return f'<svg class="bars" viewBox="0 0 {WIDTH} {HEIGHT}" {label}>{"".join(parts)}</svg>'


def interval_bar(share: Share) -> str:
    """A share with its 95 % interval on a scale from 0 to 1; nothing where nothing was counted."""
    if share.value is None:
        return ""
    low, high = (100 * edge for edge in share.interval)
    at = 100 * share.value
    return (
        '<svg class="interval" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="axis" d="M0 5H100"/>'
        f'<rect x="{low:.1f}" y="3" width="{max(0.8, high - low):.1f}" height="4"/>'
        f'<rect class="real" x="{max(0.0, at - 0.8):.1f}" y="0" width="1.6" height="10"/></svg>'
    )


async def table(request: Request) -> Response:
    """The same figures for a spreadsheet."""
    report = await run_in_threadpool(report_of, request)
    name = f"statistics-{report.period.first}-{report.period.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(csv_of(report), media_type="text/csv; charset=utf-8", headers=headers)


async def printed(request: Request) -> Response:
    """The work report to print, as `edge report --html` makes it."""
    report = await run_in_threadpool(report_of, request)
    site = str(parse(console_of(request).site.read().text).get("name") or "")
    page = report_html(report, language_of(request), site, "/cases/")
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


PAGES = {"/statistics": statistics}
DATA = {"/statistics.csv": table, "/statistics/report": printed}

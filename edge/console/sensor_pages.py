# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Sensors: values, plots of a day, calibration, the bytes of the lines."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.console import plots, sensing
from edge.console.clock import clock_of
from edge.console.flight_pages import PICTURE_POLICY
from edge.console.sensing import Card, Sensing
from edge.console.texts import TEXTS, text
from edge.console.web import console_of, language_of, render

# Shops are many: so many sensors on one page.
PER_PAGE = 12


def _sensing(request: Request) -> Sensing:
    """One for the application: it remembers minutes for a while."""
    state = request.app.state
    if not hasattr(state, "sensing"):
        state.sensing = Sensing(console_of(request).reading)
    found: Sensing = state.sensing
    return found


async def sensors(request: Request) -> Response:
    """All instruments with their newest values, some to a page."""
    language = language_of(request)
    cards = await run_in_threadpool(_sensing(request).cards)
    status = console_of(request).reading.status("sensord")
    asked = request.query_params.get("page", "1")
    page = int(asked) if asked.isdigit() and 0 < len(asked) < 6 else 1
    page = max(1, min(page, -(-len(cards) // PER_PAGE)))
    return render(
        request,
        "sensors.html",
        cards=cards[(page - 1) * PER_PAGE : page * PER_PAGE],
        page=page,
        more=len(cards) > page * PER_PAGE,
        status=status,
        plotted=sensing.plotted,
        channel_name=lambda name: sensing.channel_name(name, language),
        word=lambda kind, key: (
            text(f"{kind}_{key}", language) if f"{kind}_{key}" in TEXTS else str(key)
        ),
    )


async def values(request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(_sensing(request).values))


def _known(request: Request) -> Card | None:
    return _sensing(request).card(request.path_params["sensor"])


async def plot(request: Request) -> Response:
    """A day of one channel as SVG; only channels that the sensor has."""
    card, channel = await run_in_threadpool(_known, request), request.path_params["channel"]
    if card is None or channel not in card.channels:
        return Response(status_code=404)
    zone, language = clock_of(console_of(request)).name, language_of(request)
    narrow = "narrow" in request.query_params
    drawn = await run_in_threadpool(
        lambda: _sensing(request).plot(card, channel, zone, language, narrow=narrow)
    )
    headers = {"Content-Security-Policy": PICTURE_POLICY}
    return Response(plots.svg(drawn), media_type="image/svg+xml", headers=headers)


async def minutes(request: Request) -> Response:
    """The last day of one instrument as a CSV file."""
    card = await run_in_threadpool(_known, request)
    if card is None:
        return Response(status_code=404)
    reading = console_of(request).reading
    body = await run_in_threadpool(sensing.csv_of, reading.state, reading.run, card.id)
    headers = {"Content-Disposition": f'attachment; filename="{card.id}-24h.csv"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


PAGES = {"/sensors": sensors}
DATA = {
    "/data/sensors": values,
    "/sensors/{sensor}/plot/{channel}.svg": plot,
    "/sensors/{sensor}/minutes.csv": minutes,
}

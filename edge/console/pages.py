# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pages. Each reads what there is and renders one template."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.console.editing import camera_rows, parse
from edge.console.web import ConsoleContext, language_of, render


def _console(request: Request) -> ConsoleContext:
    console: ConsoleContext = request.app.state.console
    return console


async def home(_: Request) -> Response:
    return RedirectResponse("/live", 303)


async def live(request: Request) -> Response:
    """What the cameras see now, with zones and what is being timed."""
    cameras = camera_rows(parse(_console(request).site.read().text))
    language = language_of(request)
    names = {key: row[language] for key, row in _console(request).services.categories.items()}
    zones = {str(row["id"]): row.get("zones") or [] for row in cameras}
    return render(request, "live.html", cameras=cameras, names=names, zones=zones)


ROUTES = {
    "/": home,
    "/live": live,
}

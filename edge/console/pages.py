"""The pages. Each reads what there is and renders one template."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.console.editing import camera_rows, parse
from edge.console.web import Console, render


def _console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


async def home(_: Request) -> Response:
    return RedirectResponse("/live", 303)


async def live(request: Request) -> Response:
    cameras = camera_rows(parse(_console(request).site.read().text))
    return render(request, "live.html", cameras=cameras)


async def health(request: Request) -> Response:
    reading = _console(request).reading
    return render(request, "health.html", statuses=reading.all_status(), faults=reading.faults())


ROUTES = {
    "/": home,
    "/live": live,
    "/health": health,
}

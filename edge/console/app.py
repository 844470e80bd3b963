# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page as an ASGI application: routes, gate and error pages put together."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge.console import (
    case_pages,
    data,
    entry,
    flight_pages,
    health_pages,
    pages,
    probe_pages,
    sensor_pages,
    setup,
    site_file,
    zoning,
)
from edge.console.gate import Gatekeeper
from edge.console.web import HEADERS, HERE, ConsoleContext, Forbidden, Stale, render

# What is fetched and what is sent, a table of each module: path -> handler.
SHOWN = (
    pages.ROUTES,
    data.ROUTES,
    case_pages.PAGES,
    case_pages.DATA,
    entry.PAGES,
    setup.PAGES,
    site_file.PAGES,
    probe_pages.PAGES,
    zoning.PAGES,
    flight_pages.PAGES,
    flight_pages.DATA,
    sensor_pages.PAGES,
    health_pages.PAGES,
    sensor_pages.DATA,
)
DONE = (
    case_pages.ACTIONS,
    entry.ACTIONS,
    setup.ACTIONS,
    site_file.ACTIONS,
    probe_pages.ACTIONS,
    zoning.ACTIONS,
    flight_pages.ACTIONS,
)


async def _stale(request: Request, _: Exception) -> Response:
    return render(request, "message.html", 403, message="stale_form")


async def _forbidden(request: Request, _: Exception) -> Response:
    return render(request, "message.html", 403, message="forbidden")


async def _not_found(request: Request, _: Exception) -> Response:
    return render(request, "message.html", 404, message="not_found")


async def _failed(request: Request, _: Exception) -> Response:
    """A bug. It is logged with its traceback by the server; the visitor gets one line."""
    answer = render(request, "message.html", 500, message="failed")
    answer.headers.update(HEADERS)
    return answer


def make_app(console: ConsoleContext) -> Starlette:
    """The application; `console.services` is what touches anything outside the page's folders."""
    routes: list[Route | Mount] = [
        *(
            Route(path, handler, methods=["GET"])
            for table in SHOWN
            for path, handler in table.items()
        ),
        *(
            Route(path, handler, methods=["POST"])
            for table in DONE
            for path, handler in table.items()
        ),
        *(Route(path, handler, methods=["PUT"]) for path, handler in flight_pages.UPLOADS.items()),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Gatekeeper)],
        exception_handlers={
            Stale: _stale,
            Forbidden: _forbidden,
            404: _not_found,
            Exception: _failed,
        },
    )
    app.state.console = console
    return app

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page as an ASGI application: routes, gate and error pages put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge.console import (
    account_pages,
    camera_pages,
    case_pages,
    data,
    day_pages,
    entry,
    flight_pages,
    health_pages,
    instrument_pages,
    label_pages,
    manual_pages,
    map_pages,
    notice_pages,
    pages,
    probe_pages,
    reviewing,
    sensor_pages,
    setup,
    site_file,
    statistics_pages,
    teach_pages,
    thumbs,
    zoning,
)
from edge.console.accounts import LoginSession
from edge.console.gate import Gatekeeper
from edge.console.roles import allowed
from edge.console.texts import text
from edge.console.web import (
    HEADERS,
    HERE,
    ConsoleContext,
    Forbidden,
    Stale,
    language_of,
    render,
)

Handler = Callable[[Request], Awaitable[Response]]

# What is fetched and what is sent, a table of each module: path -> handler.
SHOWN = (
    pages.ROUTES,
    data.ROUTES,
    case_pages.PAGES,
    case_pages.DATA,
    reviewing.PAGES,
    statistics_pages.PAGES,
    statistics_pages.DATA,
    day_pages.PAGES,
    map_pages.PAGES,
    label_pages.PAGES,
    label_pages.DATA,
    thumbs.DATA,
    entry.PAGES,
    account_pages.PAGES,
    setup.PAGES,
    camera_pages.PAGES,
    notice_pages.PAGES,
    notice_pages.DATA,
    site_file.PAGES,
    probe_pages.PAGES,
    instrument_pages.PAGES,
    zoning.PAGES,
    teach_pages.PAGES,
    teach_pages.DATA,
    flight_pages.PAGES,
    flight_pages.DATA,
    sensor_pages.PAGES,
    health_pages.PAGES,
    manual_pages.PAGES,
    sensor_pages.DATA,
)
DONE = (
    reviewing.ACTIONS,
    label_pages.ACTIONS,
    entry.ACTIONS,
    account_pages.ACTIONS,
    setup.ACTIONS,
    camera_pages.ACTIONS,
    notice_pages.ACTIONS,
    site_file.ACTIONS,
    probe_pages.ACTIONS,
    instrument_pages.ACTIONS,
    zoning.ACTIONS,
    teach_pages.ACTIONS,
    flight_pages.ACTIONS,
)


def _for_roles(method: str, path: str, handler: Handler) -> Handler:
    """The handler behind the table of roles. Who is not logged in was judged by the gate."""
    roles = allowed(method, path)

    async def guarded(request: Request) -> Response:
        session: LoginSession | None = getattr(request.state, "session", None)
        if session is not None and session.role not in roles:
            raise Forbidden
        return await handler(request)

    return guarded


async def _stale(request: Request, _: Exception) -> Response:
    if request.headers.get("x-csrf"):
        said = text("stale_form", language_of(request))
        return JSONResponse({"error": said, "said": said}, 403)
    return render(request, "message.html", 403, message="stale_form")


async def _forbidden(request: Request, _: Exception) -> Response:
    session: LoginSession | None = getattr(request.state, "session", None)
    language = language_of(request)
    role = text(session.role if session else "viewer", language)
    said = text("not_your_role", language, role=role)
    if request.headers.get("x-csrf"):
        return JSONResponse({"error": said, "said": said}, 403)
    return render(request, "message.html", 403, message="not_your_role", role=role)


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
            Route(path, _for_roles(method, path, handler), methods=[method])
            for method, tables in (("GET", SHOWN), ("POST", DONE), ("PUT", (flight_pages.UPLOADS,)))
            for table in tables
            for path, handler in table.items()
        ),
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

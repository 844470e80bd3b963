# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every page shares: who may come in, the form's word, headers, templates, language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from edge.console.accounts import Accounts, LoginSession
from edge.console.drafts import SiteFile
from edge.console.page_address import HERE_ONLY, PageReach
from edge.console.reading import BoxFolders
from edge.console.roles import allowed
from edge.console.services import Services
from edge.console.texts import Language, text

HERE = Path(__file__).parent
COOKIE = "edge-session"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class ConsoleContext:
    """Everything the pages need."""

    accounts: Accounts
    reading: BoxFolders
    site: SiteFile
    services: Services
    reach: PageReach = HERE_ONLY
    tls: bool = False
    metrics_open: bool = False
    flights_mb: int = 8_000
    floor_mb: int = 500


def language_of(request: Request) -> Language:
    """The cookie's word, else the browser's first choice, else Chinese."""
    asked = request.cookies.get("edge-language") or request.headers.get("accept-language", "zh")[:2]
    return "en" if asked == "en" else "zh"


def here_of(request: Request) -> str:
    """The page that the visitor looks at, with its filters: where a log-in or another language
    comes back to. After a form it is the page that held the form."""
    if request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return str(request.scope["path"]) + query
    try:
        before = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return "/live"
    same = before.netloc == request.headers.get("host", "")
    if not same or not before.path.startswith("/"):
        return "/live"
    return before.path + (f"?{before.query}" if before.query else "")


class Renderer:
    """Templates with the texts of the reader's language; everything is escaped."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def __call__(self, request: Request, name: str, code: int = 200, **values: Any) -> Response:
        language = language_of(request)
        session: LoginSession | None = getattr(request.state, "session", None)
        page = self._environment.get_template(name).render(
            t=lambda key, **more: text(key, language, **more),
            language=language,
            session=session,
            path=request.scope["path"],
            here=here_of(request),
            refused=code >= 400,
            installer=bool(session and session.role == "installer"),
            may=lambda method, route: bool(session and session.role in allowed(method, route)),
            **values,
        )
        return HTMLResponse(page, code)


render = Renderer()


async def form_of(request: Request) -> dict[str, str]:
    """The form's fields as text; {} with a wrong or missing CSRF word where one is logged in.
    Raises Stale where the form is no longer valid."""
    fields = {k: v for k, v in (await request.form()).items() if isinstance(v, str)}
    session: LoginSession | None = getattr(request.state, "session", None)
    if session is not None and not csrf_fits(request, session, fields):
        raise Stale
    return fields


def csrf_fits(request: Request, session: LoginSession, fields: dict[str, str]) -> bool:
    given = request.headers.get("x-csrf") or fields.get("csrf", "")
    return given == session.csrf


class Stale(Exception):
    """The form was made for another session."""


class Forbidden(Exception):
    """The role of who asks may not do that."""


def need_installer(request: Request) -> LoginSession:
    session: LoginSession | None = request.state.session
    if session is None or session.role != "installer":
        raise Forbidden
    return session


def console_of(request: Request) -> ConsoleContext:
    console: ConsoleContext = request.app.state.console
    return console


def client_of(request: Request) -> str:
    return request.client.host if request.client else "?"

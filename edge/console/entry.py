# SPDX-License-Identifier: AGPL-3.0-or-later
"""Coming in: the code of the box, log-in, a lost password, log-out, language."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.console.accounts import LoginSession
from edge.console.attempts import LoginRefused
from edge.console.editing import camera_rows, parse
from edge.console.web import (
    COOKIE,
    client_of,
    console_of,
    form_of,
    language_of,
    render,
)

YEAR_S = 31_536_000


async def first_page(request: Request) -> Response:
    if not console_of(request).accounts.fresh:
        return RedirectResponse("/login", 303)
    return render(request, "by_code.html", error=None)


async def recover_page(request: Request) -> Response:
    return render(request, "by_code.html", error=None)


async def login_page(request: Request) -> Response:
    to = _inside(request.query_params.get("to", ""))
    return render(request, "login.html", error="session_over" if to != "/" else None, to=to)


def _welcome(request: Request, session: LoginSession, to: str = "/") -> Response:
    """Back to where the session ended; else an installer without a camera adds one, and everybody
    else looks."""
    console = console_of(request)
    empty = not camera_rows(parse(console.site.read().text))
    first = "/setup" if empty and session.role == "installer" else "/live"
    answer = RedirectResponse(to if to != "/" else first, 303)
    secure = console.tls
    answer.set_cookie(COOKIE, session.token, httponly=True, samesite="strict", secure=secure)
    return answer


async def first(request: Request) -> Response:
    """The first account, by whoever holds the box's code."""
    console, form = console_of(request), await form_of_open(request)
    try:
        session = await run_in_threadpool(
            console.accounts.set_up,
            form.get("code", ""),
            form.get("name", ""),
            form.get("password", ""),
            client_of(request),
        )
    except LoginRefused as error:
        return await _turned_away(request, "by_code.html", form.get("name", ""), error)
    console.accounts.audit(session.name, "first account", client=client_of(request))
    return _welcome(request, session)


async def recover(request: Request) -> Response:
    """A new password by whoever holds a code that was made at the box."""
    console, form = console_of(request), await form_of_open(request)
    try:
        session = await run_in_threadpool(
            console.accounts.recover,
            form.get("code", ""),
            form.get("name", ""),
            form.get("password", ""),
            client_of(request),
        )
    except LoginRefused as error:
        return await _turned_away(request, "by_code.html", form.get("name", ""), error)
    console.accounts.audit(session.name, "recovered", client=client_of(request))
    return _welcome(request, session)


async def login(request: Request) -> Response:
    """A session for the right name and password; who guesses has to wait."""
    console, form = console_of(request), await form_of_open(request)
    try:
        session = await run_in_threadpool(
            console.accounts.log_in,
            form.get("name", ""),
            form.get("password", ""),
            client_of(request),
        )
    except LoginRefused as error:
        to = _inside(form.get("to", ""))
        return await _turned_away(request, "login.html", form.get("name", ""), error, to=to)
    console.accounts.audit(session.name, "logged in", client=client_of(request))
    return _welcome(request, session, _inside(form.get("to", "")))


async def _turned_away(
    request: Request, page: str, name: str, error: LoginRefused, **more: str
) -> Response:
    """A try that was judged is written down, with the address it came from; who may not even try
    writes nothing, or the log would be theirs to fill."""
    word, client = str(error), client_of(request)
    if word not in ("locked", "busy"):
        await run_in_threadpool(
            lambda: console_of(request).accounts.audit(name[:32], word, client=client)
        )
    return render(request, page, 503 if word == "busy" else 403, error=word, **more)


async def form_of_open(request: Request) -> dict[str, str]:
    """A form that comes before any session: SameSite=Strict is what protects it."""
    return {k: v for k, v in (await request.form()).items() if isinstance(v, str)}


async def logout(request: Request) -> Response:
    """Ends this session on the box, not only in the browser."""
    await form_of(request)
    console_of(request).accounts.log_out(request.state.session.token)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


async def language(request: Request) -> Response:
    answer = RedirectResponse(_back(request), 303)
    other = "zh" if language_of(request) == "en" else "en"
    answer.set_cookie("edge-language", other, max_age=YEAR_S, samesite="strict")
    return answer


def _back(request: Request) -> str:
    """Where the visitor came from, if it is a path of ours."""
    return _inside(request.query_params.get("to", "/"))


def _inside(path: str) -> str:
    """A path of ours to go back to; anything else is the first page."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and len(path) < 2000
    return (
        path
        if ours and not path.startswith(("/login", "/logout", "/language", "/recover"))
        else "/"
    )


PAGES = {"/first": first_page, "/login": login_page, "/recover": recover_page}
ACTIONS = {
    "/first": first,
    "/login": login,
    "/recover": recover,
    "/logout": logout,
    "/language": language,
}

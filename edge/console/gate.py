# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every request's way in: size, login, headers, in one place, so that a page cannot forget them."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.console.texts import text
from edge.console.web import COOKIE, HEADERS, ConsoleContext, here_of, language_of, render

BODY_MAX = 1_500_000
# Who is not in yet sends a name and a password; a hundred of these at once are still little.
OPEN_BODY_MAX = 16_384
# A form is small: who takes longer to send it holds a connection for its own sake.
BODY_S = 30.0
# Of a form that is too long so much more is read before it is refused.
DRAIN_S, DRAIN_BYTES = 5.0, 20_000_000
OPEN = frozenset({"/login", "/first", "/recover", "/healthz", "/language"})
# Bodies that a handler takes from the stream itself, counting and timing them.
STREAMED = ("/flights/recordings/",)


class TooLarge(Exception):
    """More bytes came than a form may have."""


class Gatekeeper:
    """The outermost part that is ours; `app` gets only what may come in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        guarded = _guarded(send)
        refused = _refused(request)
        if refused is not None:
            if refused.status_code == 413:
                await _drained(receive)
            await refused(scope, receive, guarded)
            return
        streamed = scope["path"].startswith(STREAMED)
        most = BODY_MAX if getattr(request.state, "session", None) else OPEN_BODY_MAX
        try:
            await self._app(scope, receive if streamed else _bounded(receive, most), guarded)
        except TooLarge:
            await _drained(receive)
            await _said(request, 413, "too_long")(scope, receive, guarded)
        except TimeoutError:
            late = _said(request, 408, "too_slow")
            late.headers["Connection"] = "close"
            await late(scope, receive, guarded)


def _said(request: Request, code: int, word: str) -> Response:
    """A page with one sentence; a script gets the sentence alone."""
    if request.headers.get("x-csrf"):
        return JSONResponse({"said": text(word, language_of(request))}, code)
    return render(request, "message.html", code, message=word)


async def _drained(receive: Receive) -> None:
    """Take in the rest of a body that is too long: a browser that is cut off while it still sends
    shows a page of its own and not ours. Not for ever, and not in memory."""
    until, taken = asyncio.get_running_loop().time() + DRAIN_S, 0
    while taken < DRAIN_BYTES:
        left_s = until - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(receive(), max(0.01, left_s))
        except asyncio.TimeoutError:
            return
        taken += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return


def _guarded(send: Send) -> Send:
    """`send` with the security headers on every answer."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return guarded


def _bounded(receive: Receive, most: int) -> Receive:
    """`receive` that ends a body that is too long (whatever its head said) or too slow."""
    taken, until = 0, asyncio.get_running_loop().time() + BODY_S
    whole = False

    async def bounded() -> Message:
        """The next piece of the body. Raises TimeoutError and TooLarge where it is late or too
        long."""
        nonlocal taken, whole
        if whole:
            return await receive()
        left_s = until - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(receive(), max(0.01, left_s))
        except asyncio.TimeoutError:
            raise TimeoutError from None
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > most:
            raise TooLarge
        return message

    return bounded


def _refused(request: Request) -> Response | None:
    """The answer to who may not come in; None for who may."""
    console: ConsoleContext = request.app.state.console
    # Not `request.url`: that is made of the Host header, which whoever asks may write.
    path: str = request.scope["path"]
    if wrong := _wrong_size(request, path):
        return wrong
    if path.startswith("/static/") or path == "/healthz":
        return None
    if path == "/metrics" and console.metrics_open:
        return None
    if console.accounts.fresh and path not in ("/first", "/language"):
        return RedirectResponse("/first", 303)
    request.state.session = console.accounts.session(request.cookies.get(COOKIE))
    if path in OPEN or request.state.session is not None:
        return None
    if request.method != "GET" and request.headers.get("x-csrf"):
        return Response("401", 401)
    return RedirectResponse(f"/login?{urlencode({'to': here_of(request)})}", 303)


def _wrong_size(request: Request, path: str) -> Response | None:
    """A Content-Length that is no number (RFC 9110, 8.6), says more than may come, or stands beside
    a Transfer-Encoding: two readers would then see two different requests (RFC 9112, 6.1)."""
    if "transfer-encoding" in request.headers and "content-length" in request.headers:
        return Response("400", 400, {"Connection": "close"})
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        return Response("400", 400)
    if int(length) > BODY_MAX and not path.startswith(STREAMED):
        return _said(request, 413, "too_long")
    return None

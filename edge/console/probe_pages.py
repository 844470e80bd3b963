# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup, questions to the daemons: the platform's door, cameras nearby."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.console.services import NoPicture, Silent
from edge.console.texts import TEXTS, Language, text
from edge.console.web import console_of, form_of, language_of, need_installer, render


async def link_page(request: Request) -> Response:
    """Where the installer tests the way to the platform, step by step."""
    return render(
        request,
        "probe.html",
        title="tab_link",
        about="link_about",
        button="link_test",
        waiting="link_waiting",
        ask="/setup/link/test",
        facts=console_of(request).services.broker,
    )


async def test_link(request: Request) -> Response:
    """Name, TCP, TLS, CONNECT with the box's own certificate, as edge-uplinkd does it."""
    await form_of(request)
    need_installer(request)
    language = language_of(request)
    try:
        rows = await run_in_threadpool(console_of(request).services.test_broker)
    except Silent:
        return daemon_silent(language)
    lines = [_advice(row, language) for row in rows]
    return JSONResponse({"lines": lines})


def _advice(row: Mapping[str, Any], language: Language) -> dict[str, str]:
    return {"level": row["level"], "found": row["found"], "do": row[f"do_{language}"]}


def daemon_silent(language: Language) -> Response:
    """The answer where the daemon that could find it out is down."""
    said = text("daemon_silent", language)
    return JSONResponse({"lines": [{"level": "wrong", "found": said}], "said": said}, 503)


async def find_cameras(request: Request) -> Response:
    """Cameras that answer a WS-Discovery probe, each with an address to try."""
    await form_of(request)
    need_installer(request)
    try:
        found = await run_in_threadpool(console_of(request).services.find_cameras)
    except Silent:
        return daemon_silent(language_of(request))
    return JSONResponse({"cameras": [dict(row) for row in found]})


async def camera_streams(request: Request) -> Response:
    """The streams of one camera, asked by ONVIF with its user and password."""
    form = await form_of(request)
    need_installer(request)
    language = language_of(request)
    words = [form.get(key, "").strip()[:256] for key in ("host", "user", "password")]
    try:
        found = await run_in_threadpool(console_of(request).services.camera_streams, *words)
    except Silent:
        return daemon_silent(language)
    except NoPicture as error:
        key = f"cause_{error.cause}"
        said = text(key, language) if key in TEXTS else error.line
        return JSONResponse({"said": said, "error": error.line}, 422)
    return JSONResponse({"streams": [dict(row) for row in found]})


PAGES = {"/setup/link": link_page}
ACTIONS = {
    "/setup/link/test": test_link,
    "/setup/find": find_cameras,
    "/setup/streams": camera_streams,
}

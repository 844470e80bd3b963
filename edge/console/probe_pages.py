# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup, questions to the daemons: the platform's door, instruments on ports, cameras nearby."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.config import ConfigError
from edge.console import editing
from edge.console.drafts import Conflict
from edge.console.locating import meaning
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
        judged=(),
    )


async def ports_page(request: Request) -> Response:
    """Where the installer looks for instruments on the serial ports."""
    return render(
        request,
        "probe.html",
        title="tab_ports",
        about="ports_about",
        button="ports_scan",
        waiting="ports_waiting",
        ask="/setup/ports/scan",
        facts={},
        judged=("", *editing.JUDGED),
    )


async def test_link(request: Request) -> Response:
    """Name, TCP, TLS, CONNECT with the box's own certificate, as edge-uplinkd does it."""
    await form_of(request)
    need_installer(request)
    language = language_of(request)
    try:
        rows = await run_in_threadpool(console_of(request).services.test_broker)
    except Silent:
        return _silent(language)
    lines = [_advice(row, language) for row in rows]
    return JSONResponse({"lines": lines})


def _advice(row: Mapping[str, Any], language: Language) -> dict[str, str]:
    return {"level": row["level"], "found": row["found"], "do": row[f"do_{language}"]}


def _silent(language: Language) -> Response:
    said = text("daemon_silent", language)
    return JSONResponse({"lines": [{"level": "wrong", "found": said}], "said": said}, 503)


async def scan_ports(request: Request) -> Response:
    """What answers on each serial port, with the lines that would put it into the site file."""
    await form_of(request)
    need_installer(request)
    language = language_of(request)
    try:
        ports = await run_in_threadpool(console_of(request).services.scan_ports)
    except Silent:
        return _silent(language)
    lines = [line for port in ports for line in _port_lines(port, language)]
    nothing = {"level": "remark", "found": text("ports_none", language)}
    return JSONResponse({"lines": lines or [nothing]})


def _port_lines(port: Mapping[str, Any], language: Language) -> list[dict[str, str]]:
    where = str(port["port"])
    if port.get("error"):
        return [{"level": "remark", "found": f"{where}: {port['error']}"}]
    if not port["found"]:
        return [{"level": "remark", "found": f"{where}: {text('port_quiet', language)}"}]
    return [
        {
            "level": "well",
            "found": f"{where}: {row['name']} · {row['values']}",
            "snippet": row["snippet"],
        }
        for row in port["found"]
    ]


async def add_sensor(request: Request) -> Response:
    """One instrument that a scan found, into the site file, with where it is judged."""
    console, form = console_of(request), await form_of(request)
    session, language = need_installer(request), language_of(request)
    saved = console.site.read()
    found = editing.parse(form.get("snippet", "")[:4000]).get("sensors")
    if not (isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict)):
        return JSONResponse({"said": text("sensor_no_entry", language)}, 422)
    name = form.get("name", "").strip()[:64]
    changed, made = editing.add_sensor(saved.text, found[0], name, form.get("judged_as", ""))
    try:
        await run_in_threadpool(console.site.save, changed, saved.version, session.name)
    except ConfigError as error:
        said = text(meaning(str(error)), language)
        return JSONResponse({"said": said, "error": str(error)}, 422)
    except Conflict:
        return JSONResponse({"said": text("again", language)}, 409)
    console.accounts.audit(session.name, "sensor added", sensor=made)
    return JSONResponse({"said": text("sensor_added", language, name=name or made)})


async def find_cameras(request: Request) -> Response:
    """Cameras that answer a WS-Discovery probe, each with an address to try."""
    await form_of(request)
    need_installer(request)
    try:
        found = await run_in_threadpool(console_of(request).services.find_cameras)
    except Silent:
        return _silent(language_of(request))
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
        return _silent(language)
    except NoPicture as error:
        key = f"cause_{error.cause}"
        said = text(key, language) if key in TEXTS else error.line
        return JSONResponse({"said": said, "error": error.line}, 422)
    return JSONResponse({"streams": [dict(row) for row in found]})


PAGES = {"/setup/link": link_page, "/setup/ports": ports_page}
ACTIONS = {
    "/setup/link/test": test_link,
    "/setup/ports/scan": scan_ports,
    "/setup/sensors": add_sensor,
    "/setup/find": find_cameras,
    "/setup/streams": camera_streams,
}

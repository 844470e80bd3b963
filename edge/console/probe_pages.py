# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup, questions to the daemons: the platform's door, instruments on ports, cameras nearby."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.console.services import Silent
from edge.console.texts import Language, text
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


async def find_cameras(request: Request) -> Response:
    """Cameras that answer a WS-Discovery probe, each with an address to try."""
    await form_of(request)
    need_installer(request)
    try:
        found = await run_in_threadpool(console_of(request).services.find_cameras)
    except Silent:
        return _silent(language_of(request))
    return JSONResponse({"cameras": [dict(row) for row in found]})


PAGES = {"/setup/link": link_page, "/setup/ports": ports_page}
ACTIONS = {
    "/setup/link/test": test_link,
    "/setup/ports/scan": scan_ports,
    "/setup/find": find_cameras,
}

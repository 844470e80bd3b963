# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Flights: recordings in, flights asked for, their progress and their ledgers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response

from edge.console.clock import clock_of
from edge.console.flights import FlightFolder, ListedFlight, is_flight_name, is_recording
from edge.console.texts import text
from edge.console.uploads import NotTaken, UploadFolder
from edge.console.web import (
    Stale,
    console_of,
    csrf_fits,
    form_of,
    language_of,
    need_installer,
    render,
)
from edge.ipc import Spool, SpoolFull

# A request that edge-flightd does not take within a day is no longer wanted.
ASKED_S = 86_400.0
FINDINGS_MOST = 500
SILENT_S = 60.0
# The report runs a script of its own (its language switch): in a box without an origin.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)
PICTURE_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"
DOWNLOADS = ("findings.kml", "ledger.csv", "findings.geojson")


def _folder(request: Request) -> FlightFolder:
    """One for the application: it remembers the heads of ledgers."""
    state = request.app.state
    if not hasattr(state, "flights"):
        reading = console_of(request).reading
        state.flights = FlightFolder(reading.state, reading.run)
    folder: FlightFolder = state.flights
    return folder


def _inbox(request: Request) -> UploadFolder:
    """One for the application: it remembers what is on its way."""
    state = request.app.state
    if not hasattr(state, "inbox"):
        console = console_of(request)
        folder = _folder(request).recordings_folder
        state.inbox = UploadFolder(folder, console.flights_mb, console.floor_mb)
    inbox: UploadFolder = state.inbox
    return inbox


async def flights(request: Request) -> Response:
    return await _listed(request)


async def _listed(request: Request, code: int = 200, error: str | None = None) -> Response:
    folder = _folder(request)
    recordings = await run_in_threadpool(folder.recordings)
    found = await run_in_threadpool(folder.flights)
    return render(
        request,
        "flights.html",
        code,
        flights=found,
        recordings=recordings,
        room=await run_in_threadpool(_inbox(request).room),
        cameras=console_of(request).services.drone_cameras,
        worker=console_of(request).reading.status("flightd").get("alive", False),
        error=error,
        clock=clock_of(console_of(request)),
    )


async def flight(request: Request) -> Response:
    """One flight: how far it is, or its ledger."""
    folder, name = _folder(request), request.path_params["name"]
    found = folder.flight(name)
    if found is None:
        return render(request, "message.html", 404, message="not_found")
    ledger = await run_in_threadpool(folder.ledger, name)
    files = [file for file in (*DOWNLOADS, "report.html", "map.svg") if folder.file(name, file)]
    return render(
        request,
        "flight.html",
        flight=found,
        ledger=ledger,
        findings=ledger.get("findings", [])[:FINDINGS_MOST],
        files=files,
        downloads=DOWNLOADS,
        clock=clock_of(console_of(request)),
    )


async def ledger_file(request: Request) -> Response:
    """A file of a flight's folder: reports are shown, tables and archives come as downloads."""
    found = _folder(request).file(request.path_params["name"], request.path_params["file"])
    if found is None:
        return Response(status_code=404)
    path, media = found
    headers = {"Content-Security-Policy": REPORT_POLICY}
    if path.suffix in (".svg", ".jpg"):
        headers = {"Content-Security-Policy": PICTURE_POLICY}
    elif path.name in DOWNLOADS:
        name = f"{request.path_params['name']}-{path.name}"
        headers = {"Content-Disposition": f'attachment; filename="{_ascii(name)}"'}
    return FileResponse(path, media_type=media, headers=headers)


def _ascii(name: str) -> str:
    return "".join(c if c.isascii() and c not in '"\\' else "_" for c in name)


async def progress(request: Request) -> Response:
    """How far everything is that is not finished: what the page asks for every two seconds."""
    found = await run_in_threadpool(_folder(request).flights)
    return JSONResponse({"flights": {f.name: _row(f) for f in found[:50]}})


def _row(flight: ListedFlight) -> dict[str, Any]:
    return {"state": flight.state, "share": flight.share, "left_s": flight.left_s}


async def upload(request: Request) -> Response:
    """The body is the file; nothing of it is held in memory but the megabyte under way.
    Raises Stale where the form is no longer valid."""
    if not csrf_fits(request, request.state.session, {}):
        raise Stale
    session, name = need_installer(request), request.path_params["name"]
    length = request.headers.get("content-length", "")
    try:
        size = int(length) if length.isdigit() else 0
        await _inbox(request).receive(name, size, _body(request))
    except NotTaken as error:
        said = text(error.key, language_of(request), **error.facts)
        return JSONResponse({"error": said}, error.code)
    except ClientDisconnect:
        return Response(status_code=400)
    console_of(request).accounts.audit(session.name, "recording", file=name, bytes=size)
    return JSONResponse({"name": name}, 201)


async def _body(request: Request) -> AsyncIterator[bytes]:
    """The bytes as they come; a sender that falls silent is let go."""
    stream = request.stream()
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), SILENT_S)
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            raise NotTaken("upload_cut", 408) from None
        yield chunk


async def remove(request: Request) -> Response:
    """Deletes an uploaded recording, by an installer; written to the audit log."""
    form = await form_of(request)
    session, name = need_installer(request), form.get("file", "")
    if not await run_in_threadpool(_inbox(request).remove, name):
        return await _listed(request, 404, "flight_no_recording")
    console_of(request).accounts.audit(session.name, "recording removed", file=name)
    return RedirectResponse("/flights", 303)


async def start(request: Request) -> Response:
    """Ask edge-flightd for a flight of a recording, by a name of its own."""
    form = await form_of(request)
    session, video = need_installer(request), form.get("video", "")
    telemetry, camera = form.get("telemetry", ""), form.get("camera", "")
    folder = _folder(request).recordings_folder
    if not all(is_recording(folder, one) for one in (video, *filter(None, [telemetry]))):
        return await _listed(request, 422, "flight_no_recording")
    title = form.get("title", "").strip()[:60] or video.rpartition(".")[0]
    name = flight_name(title, time.time())
    facts = {"title": title, "video": video, "telemetry": telemetry, "camera": camera}
    return await _ask(request, "fly", name, by=session.name, **facts)


def flight_name(title: str, wall: float) -> str:
    """A folder name nobody has yet: the time, and what of the title a file name may hold."""
    stamp = datetime.fromtimestamp(wall, timezone.utc).strftime("%Y%m%d-%H%M%S")
    words = "".join(c if c.isalnum() else "-" for c in title).strip("-")[:40]
    return f"{stamp}-{words}".rstrip("-")


async def again(request: Request) -> Response:
    """The same once more, as after a mended telemetry file; what was looked at is not lost."""
    await form_of(request)
    session, name = need_installer(request), request.path_params["name"]
    found = _folder(request).flight(name)
    if found is None or found.job is None:
        return render(request, "message.html", 404, message="not_found")
    job = found.job
    facts = {"title": job.title, "video": job.video, "telemetry": job.telemetry}
    return await _ask(request, "fly", name, by=session.name, camera=job.camera, **facts)


async def cancel(request: Request) -> Response:
    """Asks the daemon to give up a flight that waits or runs."""
    await form_of(request)
    session, name = need_installer(request), request.path_params["name"]
    if not is_flight_name(name):
        return render(request, "message.html", 404, message="not_found")
    return await _ask(request, "cancel", name, by=session.name)


async def _ask(request: Request, kind: str, name: str, **facts: str) -> Response:
    console = console_of(request)
    spool = Spool(console.reading.run, "flightd")
    try:
        await run_in_threadpool(lambda: spool.ask(kind, expires_s=ASKED_S, name=name, **facts))
    except SpoolFull:
        return await _listed(request, 503, "flight_spool_full")
    console.accounts.audit(facts["by"], f"flight {kind}", flight=name)
    return RedirectResponse(f"/flights?asked={name}", 303)


PAGES = {"/flights": flights, "/flights/{name}": flight}
DATA = {
    "/data/flights": progress,
    "/flights/{name}/file/{file:path}": ledger_file,
}
ACTIONS = {
    "/flights/start": start,
    "/flights/remove-recording": remove,
    "/flights/{name}/cancel": cancel,
    "/flights/{name}/again": again,
}
UPLOADS = {"/flights/recordings/{name}": upload}

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the pages' scripts and machines fetch: pictures, looks, evidence files, metrics."""

from __future__ import annotations

from functools import lru_cache

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from edge.console.editing import camera_rows, parse
from edge.console.metrics import render
from edge.console.web import ConsoleContext


def _console(request: Request) -> ConsoleContext:
    console: ConsoleContext = request.app.state.console
    return console


@lru_cache(maxsize=2)
def _cameras(site_text: str) -> tuple[str, ...]:
    """The ids of a site file, read once: a live view asks for them ten times a second."""
    return tuple(str(camera["id"]) for camera in camera_rows(parse(site_text)))


def _known(request: Request) -> str | None:
    """The camera of the path, if the site has it: nothing else becomes part of a file name."""
    wanted = str(request.path_params["camera"])
    return wanted if wanted in _cameras(_console(request).site.read().text) else None


async def picture(request: Request) -> Response:
    """The camera's newest preview as JPEG; 204 while there is none, 304 where the page has it."""
    camera = _known(request)
    if camera is None:
        return Response(status_code=404)
    found = await run_in_threadpool(_console(request).reading.picture, camera)
    if found is None:
        return Response(status_code=204)
    data, tag = found
    # The same picture is not sent twice: cameras look twice a second at most.
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(data, media_type="image/jpeg", headers={"ETag": tag})


async def looks(request: Request) -> Response:
    """What each camera saw last and the tag of its picture, all in one answer."""
    console = _console(request)
    cameras = _cameras(console.site.read().text)
    return JSONResponse({camera: console.reading.look(camera) for camera in cameras})


async def evidence(request: Request) -> Response:
    """One file of a case; 404 for any name that its manifest does not list."""
    reading, params = _console(request).reading, request.path_params
    found = await run_in_threadpool(reading.file, params["id"], params["name"])
    if found is None:
        return Response(status_code=404)
    path, media = found
    return FileResponse(path, media_type=media)


async def status(request: Request) -> Response:
    reading = _console(request).reading
    return JSONResponse({"daemons": reading.all_status(), "faults": reading.faults()})


async def metrics(request: Request) -> Response:
    body = render(_console(request).reading.all_status())
    return PlainTextResponse(body, media_type="text/plain; version=0.0.4")


async def healthz(_: Request) -> Response:
    return PlainTextResponse("ok")


ROUTES = {
    "/data/picture/{camera}": picture,
    "/data/looks": looks,
    "/data/status": status,
    "/evidence/{id}/{name}": evidence,
    "/metrics": metrics,
    "/healthz": healthz,
}

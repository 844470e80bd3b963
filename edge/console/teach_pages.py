# SPDX-License-Identifier: AGPL-3.0-or-later
"""Teaching a fixed place its looks by clicks: the page, its steps, the pictures taught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from edge.console import editing
from edge.console.services import Silent
from edge.console.texts import TEXTS, text
from edge.console.web import console_of, form_of, language_of, render

# What a click may ask, and the looks that the page has buttons for.
STEPS = ("show", "teach", "take_back", "use")
LOOKS = ("right", "wrong")


def _zone(request: Request) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """(camera, zone) of the site file, None where there is no such zone."""
    names = request.path_params
    site = editing.parse(console_of(request).site.read().text)
    for camera in editing.camera_rows(site):
        for zone in camera.get("zones") or []:
            if (camera["id"], zone.get("id")) == (names["camera"], names["zone"]):
                return camera, zone
    return None


async def teach_page(request: Request) -> Response:
    """The place on the newest picture, a button a look, what was taught, how surely it is told."""
    found = _zone(request)
    if found is None:
        return render(request, "message.html", 404, message="not_found")
    camera, zone = found
    return render(request, "teach.html", camera=camera, zone=zone, looks=LOOKS)


async def teach_step(request: Request) -> Response:
    """One click. What cannot be done is said in a sentence; nobody answering is 503."""
    form, language, names = await form_of(request), language_of(request), request.path_params
    do = form.get("do", "")
    if do not in STEPS:
        return JSONResponse({"said": text("not_found", language)}, 404)
    words = {key: form.get(key, "") for key in ("look", "name")}
    words |= {"camera": names["camera"], "zone": names["zone"], "do": do}
    console = console_of(request)
    try:
        answer = dict(await run_in_threadpool(console.services.teach, words))
    except Silent:
        return JSONResponse({"said": text("daemon_silent", language)}, 503)
    if error := answer.get("error"):
        key = str(error) if str(error) in TEXTS else "cause_busy"
        return JSONResponse({"said": text(key, language), "error": error}, 422)
    if do != "show":
        of = {key: words[key] for key in ("camera", "zone", "look")}
        console.accounts.audit(request.state.session.name, f"place: {do}", **of)
    return JSONResponse(answer)


async def taught_picture(request: Request) -> Response:
    """One cut-out as it was taught; its name says what is in it, so it never changes."""
    path = console_of(request).reading.taught_picture(**request.path_params)
    if path is None:
        return Response(status_code=404)
    return FileResponse(path, headers={"Cache-Control": "private, max-age=31536000, immutable"})


PAGES = {"/teach/{camera}/{zone}": teach_page}
DATA = {"/data/taught/{camera}/{zone}/{look}/{name}": taught_picture}
ACTIONS = {"/teach/{camera}/{zone}": teach_step}

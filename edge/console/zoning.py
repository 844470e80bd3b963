# SPDX-License-Identifier: AGPL-3.0-or-later
"""Zones: the editor's page, what it loads and saves, and the trial on recorded tracks."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edge.config import ConfigError
from edge.console import editing
from edge.console.doubting import watchable
from edge.console.drafts import Conflict
from edge.console.locating import meaning
from edge.console.texts import text as text_of
from edge.console.web import Stale, console_of, csrf_fits, language_of, need_installer, render

# What JSON that is no drawing meets on its way into the site file.
NO_DRAWING = (ValueError, TypeError, OverflowError)


async def zones(request: Request) -> Response:
    """The editor of one camera's zones and rules, over its newest picture."""
    console = console_of(request)
    saved = console.site.read()
    site = editing.parse(saved.text)
    cameras = editing.camera_rows(site)
    wanted = request.query_params.get("camera")
    chosen = next((c for c in cameras if c["id"] == wanted), cameras[0] if cameras else None)
    return render(
        request,
        "zones.html",
        cameras=cameras,
        camera=chosen,
        version=saved.version,
        categories=watchable(request, site, chosen or {}),
    )


async def zone_data(request: Request) -> Response:
    """Zones and rules of one camera as the editor wants them."""
    camera = request.path_params["camera"]
    saved = console_of(request).site.read()
    for row in editing.camera_rows(editing.parse(saved.text)):
        if row["id"] == camera:
            zones, rules = row.get("zones") or [], row.get("rules") or []
            return JSONResponse({"version": saved.version, "zones": zones, "rules": rules})
    return JSONResponse({}, 404)


async def _editor(request: Request) -> dict[str, Any]:
    """The zone editor's JSON, its word checked in the header."""
    if not csrf_fits(request, request.state.session, {}):
        raise Stale
    need_installer(request)
    try:
        body = await request.json()
        zones, rules = list(body["zones"]), list(body["rules"])
        sizes = [len(zone["polygon"]) for zone in zones]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError("not a drawing") from None
    if len(zones) > 100 or any(size > 200 for size in sizes) or len(rules) > 100:
        raise ConfigError("too many zones or corners (at most 100 zones of 200 corners)")
    return {"version": str(body.get("version", "")), "zones": zones, "rules": rules}


def _refused(request: Request, error: Exception) -> Response:
    """What to do in the reader's language, and the error itself."""
    said = text_of(meaning(str(error)), language_of(request))
    return JSONResponse({"error": str(error), "said": said}, 422)


async def save_zones(request: Request) -> Response:
    """Writes zones and rules as drawn; 409 with the difference where somebody saved meanwhile."""
    console, camera = console_of(request), request.path_params["camera"]
    try:
        body = await _editor(request)
        text = editing.set_zones(console.site.read().text, camera, body["zones"], body["rules"])
        saved = await run_in_threadpool(
            console.site.save, text, body["version"], request.state.session.name
        )
    except (ConfigError, *NO_DRAWING) as error:
        return _refused(request, error)
    except Conflict as error:
        return JSONResponse({"conflict": error.difference}, 409)
    console.accounts.audit(request.state.session.name, "zones", camera=camera)
    return JSONResponse({"version": saved.version})


async def try_zones(request: Request) -> Response:
    """What the drawing would have raised on the last hour's tracks."""
    console, camera = console_of(request), request.path_params["camera"]
    try:
        body = await _editor(request)
        text = editing.set_zones(console.site.read().text, camera, body["zones"], body["rules"])
        await run_in_threadpool(console.site.validate, text)
        found = await run_in_threadpool(console.services.try_zones, text, camera)
    except (ConfigError, *NO_DRAWING) as error:
        return _refused(request, error)
    return JSONResponse(dict(found))


PAGES = {"/zones": zones, "/data/zones/{camera}": zone_data}
ACTIONS = {"/data/zones/{camera}": save_zones, "/data/zones/{camera}/try": try_zones}

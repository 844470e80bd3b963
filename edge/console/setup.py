# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup, first tab: cameras. An address, what to look for, a name; a test picture before saving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from edge.config import ConfigError
from edge.console import editing
from edge.console.camera_pages import camera_states
from edge.console.doubting import doubt_lines
from edge.console.drafts import Conflict
from edge.console.locating import meaning
from edge.console.services import NoPicture
from edge.console.settings_form import with_password
from edge.console.texts import TEXTS, text
from edge.console.web import console_of, form_of, language_of, need_installer, render

NAME_MAX = 64


async def page(request: Request) -> Response:
    return render(request, "setup.html", **_values(request))


def _values(
    request: Request, given: Mapping[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    """What the page shows, also after a refused save; `given` are the form's fields."""
    console = console_of(request)
    return {
        "cameras": editing.camera_rows(editing.parse(console.site.read().text)),
        "categories": console.services.categories,
        "given": {
            "source": "",
            "name": "",
            "category": next(iter(console.services.categories), ""),
            **(given or {}),
        },
        "states": camera_states(request),
        "doubts": doubt_lines(request),
        "nameless": _nameless(console.site.read().text),
        "error": None,
        "meant": None,
        **more,
    }


def _nameless(whole: str) -> bool:
    """The site has no name or place of its own yet."""
    site = editing.parse(whole)
    return site.get("name") in (None, "", "site", "新点位") or not site.get("position")


async def add_camera(request: Request) -> Response:
    """Three fields: address, what to look for, name."""
    console, form = console_of(request), await form_of(request)
    need_installer(request)
    saved = console.site.read()
    name = editing.free_name(editing.parse(saved.text), form.get("name", ""))
    camera = editing.new_camera(
        name, form.get("source", ""), form.get("name", "")[:NAME_MAX], _category(request, form)
    )
    refused = await _saved(request, editing.add_camera(saved.text, camera), saved.version, form)
    if refused is not None:
        return refused
    console.accounts.audit(request.state.session.name, "camera added", camera=name)
    return RedirectResponse(f"/zones?camera={name}", 303)


def _category(request: Request, form: dict[str, str]) -> str | None:
    chosen = form.get("category", "")
    return chosen if chosen in console_of(request).services.categories else None


async def remove_camera(request: Request) -> Response:
    """Takes a camera out of the site file, by an installer; the older file is kept."""
    console, form = console_of(request), await form_of(request)
    need_installer(request)
    saved, name = console.site.read(), form.get("camera", "")
    text = editing.remove_camera(saved.text, name)
    refused = await _saved(request, text, saved.version, {})
    if refused is not None:
        return refused
    console.accounts.audit(request.state.session.name, "camera removed", camera=name)
    return RedirectResponse("/setup", 303)


async def _saved(
    request: Request, text: str, version: str, given: dict[str, str]
) -> Response | None:
    """Save; the page again with the reason where it is refused."""
    console = console_of(request)
    try:
        await run_in_threadpool(console.site.save, text, version, request.state.session.name)
    except ConfigError as error:
        values = _values(request, error=str(error), meant=meaning(str(error)), given=given)
        return render(request, "setup.html", 422, **values)
    except Conflict:
        return render(request, "setup.html", 409, **_values(request, meant="again", given=given))
    return None


def _source_of(request: Request, form: Mapping[str, str]) -> object:
    """The address as it is saved, for a form that hides its password."""
    site = editing.parse(console_of(request).site.read().text)
    wanted = form.get("camera", "")
    return next((row.get("source") for row in editing.cameras(site) if row.get("id") == wanted), "")


async def snap(request: Request) -> Response:
    """A test picture of an address that is not in the configuration yet."""
    console, form = console_of(request), await form_of(request)
    need_installer(request)
    source = with_password(form.get("source", "").strip(), _source_of(request, form))
    try:
        data = await run_in_threadpool(console.services.snap, source)
    except NoPicture as error:
        key = f"cause_{error.cause}"
        said = text(key, language_of(request)) if key in TEXTS else error.line
        return JSONResponse({"said": said, "error": error.line}, 422)
    return Response(data, media_type="image/jpeg")


PAGES = {"/setup": page}
ACTIONS = {
    "/setup/camera": add_camera,
    "/setup/camera/remove": remove_camera,
    "/setup/snap": snap,
}

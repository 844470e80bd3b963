# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup: one camera edited in place, its zones kept, and the name and place of the site."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.config import ConfigError
from edge.console import editing
from edge.console.drafts import Conflict
from edge.console.health import reason_name
from edge.console.locating import meaning
from edge.console.settings_form import (
    CAMERA_DEFAULTS,
    CAMERA_FIELDS,
    SITE_DEFAULTS,
    SITE_FIELDS,
    FormField,
    Row,
    changed,
    fingerprint,
    shown,
)
from edge.console.texts import Language, text
from edge.console.web import console_of, form_of, language_of, need_installer, render


@dataclass(frozen=True, slots=True)
class EditedRow:
    """What one form is about: its fields, where it stands, how the file takes it back."""

    page: str
    path: str
    fields: Sequence[FormField]
    defaults: object
    put: Callable[[str, Row], str]
    row: Row


def _camera(request: Request) -> EditedRow | None:
    name = str(request.path_params["camera"])
    site = editing.parse(console_of(request).site.read().text)
    found = next((row for row in editing.cameras(site) if row.get("id") == name), None)
    if found is None:
        return None

    def put(whole: str, row: Row) -> str:
        return editing.set_camera(whole, name, row)

    path = f"/setup/cameras/{name}"
    return EditedRow("camera.html", path, CAMERA_FIELDS, CAMERA_DEFAULTS, put, found)


def _place(request: Request) -> EditedRow:
    site = editing.parse(console_of(request).site.read().text)
    return EditedRow(
        "place.html", "/setup/place", SITE_FIELDS, SITE_DEFAULTS, editing.set_site, site
    )


def _page(request: Request, about: EditedRow | None, code: int = 200, **more: Any) -> Response:
    if about is None:
        return render(request, "message.html", 404, message="camera_missing")
    values = shown(about.row, about.fields, about.defaults)
    asked = request.query_params.get("changed", "").split(",")
    names = {field.name for field in about.fields}
    facts = {
        "row": about.row,
        "action": about.path,
        "fields": about.fields,
        "given": values,
        "now": values,
        "was": fingerprint(about.row),
        "changed": [name for name in asked if name in names],
        "error": None,
        "meant": None,
        "conflict": False,
    }
    return render(request, about.page, code, **{**facts, **more})


async def camera_page(request: Request) -> Response:
    return _page(request, _camera(request))


async def place_page(request: Request) -> Response:
    return _page(request, _place(request))


async def save_camera(request: Request) -> Response:
    """One camera as the form has it; its zones and rules stay. By an installer."""
    form = await form_of(request)
    return await _save(request, form, _camera, "camera")


async def save_place(request: Request) -> Response:
    """Name and place of the site. By an installer."""
    form = await form_of(request)
    return await _save(request, form, _place, "site")


async def _save(
    request: Request,
    form: Mapping[str, str],
    find: Callable[[Request], EditedRow | None],
    what: str,
) -> Response:
    console, session = console_of(request), need_installer(request)
    saved, about = console.site.read(), find(request)
    if about is None:
        return _page(request, None)
    given = {field.name: form.get(field.name, "") for field in about.fields}
    if form.get("was") != fingerprint(about.row):
        return _page(request, about, 409, given=given, conflict=True)
    row, names = changed(about.row, form, about.fields, about.defaults)
    try:
        if names:
            whole = about.put(saved.text, row)
            await run_in_threadpool(console.site.save, whole, saved.version, session.name)
    except ConfigError as error:
        said = str(error)
        return _page(request, about, 422, given=given, error=said, meant=meaning(said))
    except Conflict:
        return _page(request, about, 409, given=given, conflict=True)
    if names:
        place = str(about.row.get("id", ""))
        console.accounts.audit(session.name, f"{what} changed", camera=place, keys=" ".join(names))
    return RedirectResponse(f"{about.path}?changed={','.join(names)}", 303)


def camera_states(request: Request) -> dict[str, dict[str, str]]:
    """Of each camera that visiond runs: whether it watches, and how often it looks."""
    language = language_of(request)
    rows = console_of(request).reading.status("visiond").get("cameras", {})
    return {name: _state(row, language) for name, row in rows.items() if isinstance(row, dict)}


def _state(row: Mapping[str, Any], language: Language) -> dict[str, str]:
    words = {"off": text("blind_off", language), "watched": text("watched", language)}
    blind = row.get("blind")
    state = reason_name(str(blind), language, words) if blind else words["watched"]
    rate, wanted = row.get("fps"), row.get("fps_wanted")
    per = text("per_second", language)
    shown_rate = "" if rate is None or wanted is None else f"{rate:.1f} / {wanted:g} {per}"
    return {"state": state, "level": "bad" if blind else "good", "rate": shown_rate}


PAGES = {"/setup/cameras/{camera}": camera_page, "/setup/place": place_page}
ACTIONS = {"/setup/cameras/{camera}": save_camera, "/setup/place": save_place}

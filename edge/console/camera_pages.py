# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup: one camera edited in place, its zones kept, and the name and place of the site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from edge.console import editing
from edge.console.doubting import doubt_lines, trust_lines
from edge.console.health import reason_name
from edge.console.row_forms import EditedRow, row_page, save_row
from edge.console.settings_form import (
    CAMERA_DEFAULTS,
    CAMERA_FIELDS,
    SITE_DEFAULTS,
    SITE_FIELDS,
    Row,
)
from edge.console.texts import Language, text
from edge.console.web import console_of, language_of


def _camera(request: Request) -> EditedRow | None:
    name = str(request.path_params["camera"])
    site = editing.parse(console_of(request).site.read().text)
    found = next((row for row in editing.cameras(site) if row.get("id") == name), None)
    if found is None:
        return None

    def put(whole: str, row: Row) -> str:
        return editing.set_camera(whole, name, row)

    path = f"/setup/cameras/{name}"
    facts = {"doubts": [*doubt_lines(request, name), *trust_lines(request, site, found)]}
    fields, section = CAMERA_FIELDS, "cameras"
    return EditedRow("camera.html", section, path, fields, CAMERA_DEFAULTS, put, found, facts)


def _place(request: Request) -> EditedRow:
    site = editing.parse(console_of(request).site.read().text)
    facts, put = {"doubts": doubt_lines(request)}, editing.set_site
    path, fields = "/setup/place", SITE_FIELDS
    return EditedRow("place.html", "site", path, fields, SITE_DEFAULTS, put, site, facts)


async def camera_page(request: Request) -> Response:
    return row_page(request, _camera(request), gone="camera_missing")


async def place_page(request: Request) -> Response:
    return row_page(request, _place(request))


async def save_camera(request: Request) -> Response:
    """One camera as the form has it; its zones and rules stay. By an installer."""
    return await save_row(request, _camera, "camera", gone="camera_missing")


async def save_place(request: Request) -> Response:
    """Name and place of the site. By an installer."""
    return await save_row(request, _place, "site")


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

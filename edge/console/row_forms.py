# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup, one row of the site file edited in place by a form: a camera, an instrument, the site.

What was typed survives a refusal and somebody else's save; what a form does not show stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.config import ConfigError
from edge.console.drafts import Conflict
from edge.console.locating import meaning
from edge.console.settings_form import FormField, Row, changed, fingerprint, shown
from edge.console.web import console_of, form_of, need_installer, render


@dataclass(frozen=True, slots=True)
class EditedRow:
    """What one form is about: its fields, where it stands, how the file takes it back.

    section: where the manual explains its settings; facts: what its page shows besides.
    """

    page: str
    section: str
    path: str
    fields: Sequence[FormField]
    defaults: object
    put: Callable[[str, Row], str]
    row: Row
    facts: Mapping[str, Any] = field(default_factory=dict)


def row_page(
    request: Request, about: EditedRow | None, code: int = 200, *, gone: str = "", **more: Any
) -> Response:
    """The form; gone: the sentence to show where there is no such row."""
    if about is None:
        return render(request, "message.html", 404, message=gone)
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
        "labels": {},
        "doubts": [],
        "section": about.section,
        **about.facts,
    }
    return render(request, about.page, code, **{**facts, **more})


async def save_row(
    request: Request, find: Callable[[Request], EditedRow | None], what: str, *, gone: str = ""
) -> Response:
    """Saves what a form sent. By an installer; `what` is the word of the record."""
    form = await form_of(request)
    console, session = console_of(request), need_installer(request)
    saved, about = console.site.read(), find(request)
    if about is None:
        return row_page(request, None, gone=gone)
    given = {field.name: form.get(field.name, "") for field in about.fields}
    if form.get("was") != fingerprint(about.row):
        return row_page(request, about, 409, given=given, conflict=True)
    row, names = changed(about.row, form, about.fields, about.defaults)
    try:
        if names:
            whole = about.put(saved.text, row)
            await run_in_threadpool(console.site.save, whole, saved.version, session.name)
    except ConfigError as error:
        said = str(error)
        return row_page(request, about, 422, given=given, error=said, meant=meaning(said))
    except Conflict:
        return row_page(request, about, 409, given=given, conflict=True)
    if names:
        place = str(about.row.get("id", ""))
        console.accounts.audit(session.name, f"{what} changed", camera=place, keys=" ".join(names))
    return RedirectResponse(f"{about.path}?changed={','.join(names)}", 303)

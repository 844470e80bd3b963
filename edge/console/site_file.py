# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup, the configuration file: as text, with errors beside the line, what differs, what was."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.config import ConfigError
from edge.console.clock import clock_of
from edge.console.drafts import Conflict, difference
from edge.console.locating import line_of, meaning
from edge.console.web import console_of, form_of, need_installer, render


async def page(request: Request) -> Response:
    """`?show=site.yaml.1`: what going back to that file would change."""
    saved = console_of(request).site.read()
    shown = request.query_params.get("show", "")
    values = _values(request, saved.text, saved.version, shown=shown)
    if shown in values["kept"]:
        values["difference"] = difference(saved.text, console_of(request).site.older(shown))
    return render(request, "site_file.html", **values)


def _values(request: Request, text: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "text": text,
        "version": version,
        "kept": console_of(request).site.kept(),
        "authors": console_of(request).site.authors(),
        "clock": clock_of(console_of(request)),
        "error": None,
        "meant": None,
        "line": None,
        "difference": None,
        "shown": "",
        "conflict": False,
        "checked": False,
        **more,
    }


def refused(request: Request, text: str, version: str, error: ConfigError) -> Response:
    """The page again with the draft as it was typed, and the error beside its line."""
    said = str(error)
    values = _values(
        request, text, version, error=said, meant=meaning(said), line=line_of(text, said)
    )
    return render(request, "site_file.html", 422, **values)


async def save(request: Request) -> Response:
    """Check only, or check and save: which button was pressed."""
    console, form = console_of(request), await form_of(request)
    session = need_installer(request)
    text, version = form.get("text", "").replace("\r\n", "\n"), form.get("version", "")
    try:
        if form.get("do") == "check":
            await run_in_threadpool(console.site.validate, text)
            changes = difference(console.site.read().text, text)
            values = _values(request, text, version, difference=changes, checked=True)
            return render(request, "site_file.html", **values)
        await run_in_threadpool(console.site.save, text, version, session.name)
    except ConfigError as error:
        return refused(request, text, version, error)
    except Conflict as error:
        now = console.site.read().version
        values = _values(request, text, now, difference=error.difference, conflict=True)
        return render(request, "site_file.html", 409, **values)
    console.accounts.audit(session.name, "configuration")
    return RedirectResponse("/setup/file?saved=1", 303)


async def roll_back(request: Request) -> Response:
    """Puts a kept site file back in force, by an installer, unless somebody saved meanwhile."""
    console, form = console_of(request), await form_of(request)
    session = need_installer(request)
    name, version = form.get("file", ""), form.get("version", "")
    if name not in console.site.kept():
        return render(request, "message.html", 422, message="not_found")
    text = console.site.older(name)
    try:
        await run_in_threadpool(console.site.save, text, version, session.name)
    except ConfigError as error:
        return refused(request, text, version, error)
    except Conflict as error:
        now = console.site.read()
        values = _values(
            request, text, now.version, difference=error.difference, conflict=True, shown=name
        )
        return render(request, "site_file.html", 409, **values)
    console.accounts.audit(session.name, "rolled back", file=name)
    return RedirectResponse("/setup/file?saved=1", 303)


PAGES = {"/setup/file": page}
ACTIONS = {"/setup/site": save, "/setup/roll-back": roll_back}

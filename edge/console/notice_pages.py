# SPDX-License-Identifier: AGPL-3.0-or-later
"""Setup, notices: which chat is told of which cases and faults, and when it is left in peace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from edge.config import ConfigError
from edge.console.case_pages import index_of
from edge.console.cases import Wanted
from edge.console.services import Silent
from edge.console.texts import text
from edge.console.web import console_of, form_of, language_of, need_installer, render
from edge.notices.hooks import (
    HOOK_KINDS,
    HOOKS_MOST,
    Hook,
    hooks_file,
    read_hooks,
    write_hooks,
)


def _hooks(request: Request) -> tuple[Hook, ...]:
    """What is saved; none where the file is broken, which the next save mends."""
    try:
        return read_hooks(hooks_file(console_of(request).reading.state))
    except ConfigError:
        return ()


async def page(request: Request) -> Response:
    return _page(request)


def _page(
    request: Request, code: int = 200, error: str | None = None, **given: Mapping[str, str]
) -> Response:
    return render(
        request,
        "notices.html",
        code,
        hooks=_hooks(request),
        kinds=HOOK_KINDS,
        categories=console_of(request).services.categories,
        error=error,
        given=given.get("form"),
        saved="saved" in request.query_params,
    )


async def save(request: Request) -> Response:
    """A new chat, or another word for one; an address that is not typed again stays."""
    form = await form_of(request)
    session, hooks = need_installer(request), _hooks(request)
    old = next((hook for hook in hooks if hook.id == form.get("id")), None)
    if old is None and form.get("id"):
        return _page(request, 404, "hook_gone", form=form)
    if old is None and len(hooks) >= HOOKS_MOST:
        return _page(request, 422, "hooks_full", form=form)
    picked = [str(word) for word in (await request.form()).getlist("categories")]
    try:
        hook = _hook(form, picked, old, hooks)
    except msgspec.ValidationError as error:
        return _page(request, 422, _cause(str(error)), form=form)
    if hook.kind != "plain" and not hook.url.startswith("https://"):
        # The robots of the three chats have no other; only a server of the bureau's own may.
        return _page(request, 422, "hook_bad_url", form=form)
    others = [hook if one.id == hook.id else one for one in hooks]
    both = others if old else [*others, hook]
    path = hooks_file(console_of(request).reading.state)
    await run_in_threadpool(write_hooks, path, both)
    console_of(request).accounts.audit(session.name, "notice saved", name=hook.name)
    return RedirectResponse("/setup/notices?saved=1", 303)


def _hook(
    form: Mapping[str, str], categories: list[str], old: Hook | None, hooks: tuple[Hook, ...]
) -> Hook:
    """Raises msgspec.ValidationError."""
    free = (f"hook-{n}" for n in range(1, HOOKS_MOST + 2))
    begin, end = form.get("quiet_begin", "")[:5], form.get("quiet_end", "")[:5]
    row: dict[str, Any] = {
        "id": old.id if old else next(i for i in free if i not in {h.id for h in hooks}),
        "name": form.get("name", "").strip(),
        "kind": form.get("kind", ""),
        "url": form.get("url", "").strip() or (old.url if old else ""),
        "secret": form.get("secret", "").strip() or (old.secret if old else ""),
        "cases": form.get("cases") == "on",
        "categories": categories,
        "faults": form.get("faults") == "on",
        "quiet": f"{begin}-{end}" if begin and end else None,
        "enabled": form.get("enabled") == "on",
    }
    if form.get("forget") == "on":
        row["secret"] = ""
    return msgspec.convert(row, Hook)


def _cause(error: str) -> str:
    """A key of the texts; the error itself may repeat what was typed."""
    return next(
        (f"hook_bad_{key}" for key in ("url", "name", "quiet") if f"$.{key}" in error), "hook_bad"
    )


async def remove(request: Request) -> Response:
    """Takes a chat out."""
    form = await form_of(request)
    session, hooks = need_installer(request), _hooks(request)
    left = [hook for hook in hooks if hook.id != form.get("id")]
    await run_in_threadpool(write_hooks, hooks_file(console_of(request).reading.state), left)
    console_of(request).accounts.audit(session.name, "notice removed", id=form.get("id", ""))
    return RedirectResponse("/setup/notices", 303)


async def test(request: Request) -> Response:
    """One message to a chat now, sent by uplinkd as all others are."""
    form = await form_of(request)
    need_installer(request)
    language = language_of(request)
    try:
        problem = await run_in_threadpool(
            console_of(request).services.test_notice, form.get("id", "")
        )
    except Silent:
        return JSONResponse({"said": text("daemon_silent", language)}, 503)
    if problem:
        return JSONResponse({"said": text("notice_refused", language, why=problem)}, 422)
    return JSONResponse({"said": text("notice_sent", language)})


async def desk(request: Request) -> Response:
    """What waits for a reviewer: how many, and when the newest of them began."""
    waiting = await run_in_threadpool(index_of(request).find, Wanted(review="open"))
    newest = max((head.began for head in waiting), default="")
    return JSONResponse({"open": len(waiting), "newest": newest})


PAGES = {"/setup/notices": page}
DATA = {"/data/desk": desk}
ACTIONS = {
    "/setup/notices": save,
    "/setup/notices/remove": remove,
    "/setup/notices/test": test,
}

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who may come in and what they did: accounts, one's own password, the record, phones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.console.accounts import audit_rows
from edge.console.attempts import LoginRefused
from edge.console.clock import clock_of
from edge.console.page_address import qr_picture
from edge.console.roles import ROLES, Role
from edge.console.texts import TEXTS, Language, text
from edge.console.web import (
    client_of,
    console_of,
    form_of,
    language_of,
    need_installer,
    render,
)

RECORD_ROWS = 200
# Facts of a row of the record that are no detail of what was done.
_NO_DETAIL = ("wall", "who", "what", "client")


async def accounts_page(request: Request) -> Response:
    return _accounts(request)


def _accounts(request: Request, code: int = 200, error: str | None = None) -> Response:
    names = console_of(request).accounts.names()
    return render(request, "accounts.html", code, accounts=names, error=error, roles=ROLES)


def _role(form: Mapping[str, str]) -> Role:
    return next((role for role in ROLES if role == form.get("role")), "viewer")


async def add_account(request: Request) -> Response:
    """Another account, by an installer; written to the audit log."""
    console, form = console_of(request), await form_of(request)
    session, role, name = need_installer(request), _role(form), form.get("name", "")
    try:
        await run_in_threadpool(console.accounts.add, name, form.get("password", ""), role)
    except LoginRefused as error:
        return _accounts(request, 422, str(error))
    console.accounts.audit(session.name, "account added", name=name, role=role)
    return RedirectResponse("/setup/accounts", 303)


async def remove_account(request: Request) -> Response:
    """Ends an account and its sessions; the last installer cannot be removed."""
    console, form = console_of(request), await form_of(request)
    session = need_installer(request)
    try:
        console.accounts.remove(form.get("name", ""))
    except LoginRefused as error:
        return _accounts(request, 422, str(error))
    console.accounts.audit(session.name, "account removed", name=form.get("name", ""))
    return RedirectResponse("/setup/accounts", 303)


async def change_account(request: Request) -> Response:
    """Another role, or a new password where one is given, for an account of somebody."""
    console, form = console_of(request), await form_of(request)
    session, name, password = need_installer(request), form.get("name", ""), form.get("password")
    role, accounts = _role(form), console.accounts
    try:
        if password:
            await run_in_threadpool(accounts.set_password, name, password)
            accounts.audit(session.name, "password set", name=name)
        if accounts.names()[name] != role:
            accounts.set_role(name, role)
            accounts.audit(session.name, "role changed", name=name, role=role)
    except LoginRefused as error:
        return _accounts(request, 422, str(error))
    except KeyError:
        return _accounts(request, 404, "account_gone")
    return RedirectResponse("/setup/accounts", 303)


async def own_page(request: Request) -> Response:
    changed = "changed" in request.query_params
    return render(request, "account.html", error=None, changed=changed)


async def change_own_password(request: Request) -> Response:
    """One's own password, with the one before; whoever guesses has to wait."""
    console, form = console_of(request), await form_of(request)
    session, accounts, client = request.state.session, console.accounts, client_of(request)
    try:
        await run_in_threadpool(
            accounts.change_password,
            session,
            form.get("old", ""),
            form.get("password", ""),
            client,
        )
    except LoginRefused as error:
        word = str(error)
        if word not in ("locked", "busy"):
            accounts.audit(session.name, word, client=client)
        return render(request, "account.html", 422, error=word, changed=False)
    accounts.audit(session.name, "password changed", client=client)
    return RedirectResponse("/account?changed=1", 303)


async def audit_page(request: Request) -> Response:
    """The record of what was done, `?who=` and `?page=`."""
    console, who = console_of(request), request.query_params.get("who", "")
    rows = await run_in_threadpool(audit_rows, console.accounts.folder)
    names = sorted({str(row.get("who", "")) for row in rows})
    fitting = [row for row in rows if not who or row.get("who") == who]
    asked = request.query_params.get("page", "1")
    last = max(1, -(-len(fitting) // RECORD_ROWS))
    page = min(int(asked) if asked.isdigit() and 0 < len(asked) < 6 else 1, last) or 1
    clock, language = clock_of(console), language_of(request)
    shown = [
        {
            "when": clock(row.get("wall"), "%Y-%m-%d %H:%M:%S"),
            "who": str(row.get("who", "")),
            "what": _done(str(row.get("what", "")), language),
            "detail": _detail(row, language),
            "client": str(row.get("client", "")),
        }
        for row in fitting[(page - 1) * RECORD_ROWS : page * RECORD_ROWS]
    ]
    return render(request, "audit.html", rows=shown, names=names, who=who, page=page, last=last)


def _done(what: str, language: Language) -> str:
    key = f"did_{what}"
    return text(key, language) if key in TEXTS else text("did_other", language, what=what)


def _detail(row: Mapping[str, Any], language: Language) -> str:
    facts = [str(value) for key, value in row.items() if key not in _NO_DETAIL and value]
    return " · ".join(text(fact, language) if fact in ROLES else fact for fact in facts)


async def access_page(request: Request) -> Response:
    """The page's addresses as a QR code for other phones, and its certificate's fingerprint."""
    reach, language = console_of(request).reach, language_of(request)
    urls, certificate = await run_in_threadpool(reach.urls), reach.certificate
    return render(
        request,
        "access.html",
        urls=urls,
        qr=await run_in_threadpool(qr_picture, urls[0]) if certificate else None,
        spelled=certificate.spelled if certificate else "",
        words=certificate.words(language) if certificate else "",
    )


PAGES = {
    "/account": own_page,
    "/setup/accounts": accounts_page,
    "/setup/audit": audit_page,
    "/setup/access": access_page,
}
ACTIONS = {
    "/account/password": change_own_password,
    "/setup/account": add_account,
    "/setup/account/change": change_account,
    "/setup/account/remove": remove_account,
}

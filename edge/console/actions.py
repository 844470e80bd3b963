"""What the page changes. Each handler checks the form's word and the role, and is audited."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.console.web import (
    Console,
    form_of,
    render,
)


def _console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


async def review(request: Request) -> Response:
    """A reviewer's word: both roles may give one; the platform's, where there is one, wins."""
    console, form = _console(request), await form_of(request)
    case = console.reading.case(request.path_params["id"])
    verdict = form.get("verdict", "")
    if case is None or verdict not in ("confirmed", "rejected"):
        return render(request, "message.html", 404, message="not_found")
    who, reason = request.state.session.name, form.get("reason", "")[:500]
    console.services.review(case.id, verdict, reason, who)
    console.accounts.audit(who, verdict, case=case.id)
    return RedirectResponse(f"/cases/{case.id}", 303)


ROUTES = {
    "/cases/{id}/review": review,
}

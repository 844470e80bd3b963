# SPDX-License-Identifier: AGPL-3.0-or-later
"""A reviewer's word on a case: was it what the box said, what becomes of it; and the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.console.case_pages import (
    HANDLING,
    MISTAKES,
    OUTCOMES,
    done_ids,
    index_of,
    kept_filters,
    shown,
    wanted_of,
)
from edge.console.cases import CASE_ID
from edge.console.texts import text
from edge.console.web import console_of, form_of, render
from edge.handling.life import RUNNING

# One press judges so many equal cases at most.
BATCH_MOST = 24
ALSO = "also_"
KNOWN: Mapping[str, tuple[str, ...]] = {"confirmed": (*OUTCOMES, *HANDLING), "rejected": MISTAKES}


async def review(request: Request) -> Response:
    """A reviewer's word on the case, and on the equal ones that were ticked; then the next case.

    `verdict` is confirmed or rejected, or one of them with an outcome or a mistake behind a colon,
    as the buttons send it. The later word wins; both stay.
    """
    console, form = console_of(request), await form_of(request)
    found = await run_in_threadpool(console.reading.case, request.path_params["id"])
    verdict, _, more = form.get("verdict", "").partition(":")
    known = KNOWN.get(verdict)
    if found is None or known is None or (more and more not in known):
        return render(request, "message.html", 404, message="not_found")
    reason = form.get("reason", "").strip()[:500]
    if problem := _refused(request, found.id, verdict, more, reason):
        return await shown(request, 422 if problem.endswith("needed") else 409, problem)
    if verdict == "rejected" and not reason:
        reason = text(f"mistake_{more}", "zh")
    outcome, who = more if verdict == "confirmed" else "", request.state.session.name
    judged = [found.id, *await run_in_threadpool(_also, request, found.id, form)]
    for case_id in judged:
        await run_in_threadpool(console.services.review, case_id, verdict, outcome, reason, who)
        console.accounts.audit(who, verdict, case=case_id, outcome=outcome)
    return await _onward(request, judged, form.get("filters", ""))


def _refused(request: Request, case_id: str, verdict: str, more: str, reason: str) -> str:
    """The word for what is missing or out of turn; "" where the answer can be taken."""
    if verdict == "rejected" and not (reason or more):
        return "reason_needed"
    if more == "paused" and not reason:
        return "pause_reason_needed"
    if more in HANDLING and index_of(request).life(case_id).state not in RUNNING:
        return "not_running"
    return ""


def _also(request: Request, case_id: str, form: Mapping[str, str]) -> list[str]:
    """The ticked ones, as far as they are equal to this case and nobody has judged them."""
    ticked = {key.removeprefix(ALSO) for key in form if key.startswith(ALSO)}
    if not ticked:
        return []
    equal = [head.id for head in index_of(request).equal(case_id)]
    return [one for one in equal if one in ticked][:BATCH_MOST]


async def _onward(request: Request, judged: list[str], filters: str) -> Response:
    """To what is to be done next within the filters; the list where there is nothing."""
    kept = kept_filters(QueryParams(filters[:1000]))
    wanted = replace(wanted_of(request, QueryParams(kept)), review="todo")
    first = judged[0] if judged else ""
    ahead = await run_in_threadpool(index_of(request).after, first, wanted)
    words = urlencode({**kept, "done": ",".join(judged)} if judged else kept, safe=",")
    return RedirectResponse(f"/cases/{ahead}?{words}" if ahead else f"/cases?{words}", 303)


async def undo(request: Request) -> Response:
    """Take back this reviewer's words of the last minute, and show the case again."""
    console, form = console_of(request), await form_of(request)
    case_id, who = request.path_params["id"], request.state.session.name
    if await run_in_threadpool(console.reading.case, case_id) is None:
        return render(request, "message.html", 404, message="not_found")
    if not await run_in_threadpool(console.services.withdraw, case_id, who):
        return await shown(request, 409, "undo_late")
    console.accounts.audit(who, "taken back", case=case_id)
    for also in done_ids(form.get("also", "")):
        if CASE_ID.fullmatch(also) and also != case_id:
            await run_in_threadpool(console.services.withdraw, also, who)
            console.accounts.audit(who, "taken back", case=also)
    return RedirectResponse(f"/cases/{case_id}", 303)


async def next_case(request: Request) -> Response:
    """The way into the queue: what is overdue, else the oldest case that nobody has judged."""
    return await _onward(request, [], str(request.url.query))


PAGES = {"/review": next_case}
ACTIONS = {"/cases/{id}/review": review, "/cases/{id}/undo": undo}

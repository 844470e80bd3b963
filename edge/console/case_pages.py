# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pages Violations and one violation: list, evidence, verification, review, package."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, BinaryIO
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from edge.console import facts
from edge.console.cases import CASE_ID, CaseIndex, CaseSummary, Wanted
from edge.console.clock import clock_of
from edge.console.reading import PublishedCase
from edge.console.texts import TEXTS, text
from edge.console.web import console_of, form_of, language_of, render

PER_PAGE = 24
PAGES_MOST = 100_000
DAYS = ("1", "7", "30")
REVIEWS = ("open", "confirmed", "rejected")
FILTERS = ("category", "camera", "gate", "review", "days", "text")
COPY_BYTES = 1 << 18


def index_of(request: Request) -> CaseIndex:
    """One for the application: it remembers every head."""
    state = request.app.state
    if not hasattr(state, "cases"):
        state.cases = CaseIndex(console_of(request).reading.state)
    found: CaseIndex = state.cases
    return found


def wanted_of(query: QueryParams) -> Wanted:
    """The filters of an address; what is not one of their words is no filter."""
    days, review = query.get("days", ""), query.get("review", "")
    since = ""
    if days in DAYS:
        at = datetime.now(timezone.utc) - timedelta(days=int(days))
        since = at.strftime("%Y-%m-%dT%H:%M:%S")
    return Wanted(
        category=query.get("category", ""),
        camera=query.get("camera", ""),
        gate=query.get("gate", ""),
        review=review if review in REVIEWS else "",
        since=since,
        text=query.get("text", "").strip().lower()[:64],
    )


async def cases(request: Request) -> Response:
    """Newest first, narrowed by the address, a page at a time."""
    index, query = index_of(request), request.query_params
    every = await run_in_threadpool(index.heads)
    found = await run_in_threadpool(index.find, wanted_of(query))
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(_page(query), pages)
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    verdicts = index.reviews.latest()
    reading = console_of(request).reading
    return render(
        request,
        "cases.html",
        cases=shown,
        acknowledged={h.id: reading.acknowledged(h.id) for h in shown},
        verdicts=verdicts,
        total=len(found),
        unreadable=index.unreadable,
        page=page,
        pages=pages,
        chosen={key: query.get(key, "") for key in FILTERS},
        filters=_filters(request),
        done=_done(request),
        open=len(await run_in_threadpool(index.find, Wanted(review="open"))),
        categories=_categories(every),
        cameras=sorted({(h.source, h.source_name) for h in every}),
        clock=clock_of(console_of(request)),
    )


def _page(query: QueryParams) -> int:
    asked = query.get("page", "1")
    good = asked.isascii() and asked.isdigit() and len(asked) < 7
    return max(1, min(PAGES_MOST, int(asked))) if good else 1


def _categories(heads: tuple[CaseSummary, ...]) -> list[tuple[str, dict[str, str]]]:
    return sorted({head.category: head.names for head in heads}.items())


async def case(request: Request) -> Response:
    return await _shown(request)


async def _shown(request: Request, code: int = 200, error: str | None = None) -> Response:
    console, language = console_of(request), language_of(request)
    found = await run_in_threadpool(console.reading.case, request.path_params["id"])
    if found is None:
        return render(request, "message.html", 404, message="not_found")
    index = index_of(request)
    newer, older = await run_in_threadpool(index.beside, found.id)
    verification = await run_in_threadpool(_examined, request, found)
    return render(
        request,
        "case.html",
        code,
        case=found,
        data=found.data,
        verification=verification,
        sealed=bool(verification) and all(r["signed"] != "unsealed" for r in verification),
        broken=next((row for row in verification if row["problem"]), None),
        pictures=_pictures(found),
        clips=[f for f in found.files if f["path"].endswith(".mp4")],
        tables=[f for f in found.files if f["path"].endswith(".csv")],
        sentences=facts.sentences(found.data["facts"], language),
        place=facts.place_words(str(found.data["zone"].get("reason", "")), language),
        reviews=index.reviews.of(found.id),
        newer=newer,
        older=older,
        open=len(index.find(Wanted(review="open"))),
        filters=_filters(request),
        outcomes=OUTCOMES,
        mistakes=MISTAKES,
        done=_done(request),
        error=error,
        clock=clock_of(console),
        word=lambda kind, key: (
            text(f"{kind}_{key}", language) if f"{kind}_{key}" in TEXTS else str(key)
        ),
    )


def _filters(request: Request) -> str:
    """The list's filters, which go along from case to case."""
    query = request.query_params
    return urlencode({key: query[key] for key in FILTERS if query.get(key)})


def _done(request: Request) -> str:
    """The case just judged, whose word may be taken back."""
    told = request.query_params.get("done", "")
    return told if CASE_ID.fullmatch(told) else ""


def _pictures(found: PublishedCase) -> list[dict[str, Any]]:
    """In the order of time, the public copies last."""
    own = [f for f in found.files if f["path"].endswith((".jpg", ".png"))]
    return sorted(own, key=lambda f: (bool(f.get("masked")), float(f["at"]["mono"]), f["path"]))


def _examined(request: Request, found: PublishedCase) -> list[dict[str, Any]]:
    """A row for each revision: files, signature, chain, receipt."""
    services = console_of(request).services
    if services.examine is not None:
        return services.examine(found.folder)
    problem = services.verify(found.folder)
    row = {"revision": f"r{found.revision}", "problem": problem, "files": len(found.files)}
    return [{**row, "signed": "unsealed", "kid": "", "seq": None, "chain": True, "receipt": False}]


OUTCOMES = ("filed", "on_the_spot", "permitted", "duplicate", "not_pursued")
# What a thing was taken for, without writing: the common ones, each a key and a button.
MISTAKES = ("look_alike", "works", "nothing")


async def review(request: Request) -> Response:
    """A reviewer's word, then the next case: was it what the box said, and what becomes of it?

    `verdict` is confirmed or rejected, or one of them with an outcome or a mistake behind a colon,
    as the buttons send it. The later word wins; both stay.
    """
    console, form = console_of(request), await form_of(request)
    found = await run_in_threadpool(console.reading.case, request.path_params["id"])
    verdict, _, more = form.get("verdict", "").partition(":")
    known = {"confirmed": OUTCOMES, "rejected": MISTAKES}.get(verdict)
    if found is None or known is None or (more and more not in known):
        return render(request, "message.html", 404, message="not_found")
    outcome = more if verdict == "confirmed" else ""
    reason = form.get("reason", "").strip()[:500]
    if verdict == "rejected" and not reason:
        if not more:
            return await _shown(request, 422, "reason_needed")
        reason = text(f"mistake_{more}", "zh")
    who = request.state.session.name
    await run_in_threadpool(console.services.review, found.id, verdict, outcome, reason, who)
    console.accounts.audit(who, verdict, case=found.id, outcome=outcome)
    return await _onward(request, found.id, form.get("filters", ""))


async def _onward(request: Request, case_id: str, filters: str) -> Response:
    """To the next case that nobody has judged, within the filters; the list where there is none."""
    query = QueryParams(filters[:1000])
    kept = {key: query[key] for key in FILTERS if query.get(key)}
    wanted = replace(wanted_of(QueryParams(kept)), review="open")
    ahead = await run_in_threadpool(index_of(request).after, case_id, wanted)
    words = urlencode({**kept, "done": case_id} if case_id else kept)
    return RedirectResponse(f"/cases/{ahead}?{words}" if ahead else f"/cases?{words}", 303)


async def undo(request: Request) -> Response:
    """Take back this reviewer's word of the last minute, and show the case again."""
    console, _ = console_of(request), await form_of(request)
    case_id, who = request.path_params["id"], request.state.session.name
    if await run_in_threadpool(console.reading.case, case_id) is None:
        return render(request, "message.html", 404, message="not_found")
    if not await run_in_threadpool(console.services.withdraw, case_id, who):
        return await _shown(request, 409, "undo_late")
    console.accounts.audit(who, "taken back", case=case_id)
    return RedirectResponse(f"/cases/{case_id}", 303)


async def next_case(request: Request) -> Response:
    """The way into the queue: the oldest case that nobody has judged, within the filters."""
    return await _onward(request, "", str(request.url.query))


async def package(request: Request) -> Response:
    """Everything of one violation as a zip that `edge evidence verify` accepts once unpacked."""
    found = await run_in_threadpool(console_of(request).reading.case, request.path_params["id"])
    if found is None:
        return Response(status_code=404)
    file, size = await run_in_threadpool(zipped, found)
    headers = {
        "Content-Disposition": f'attachment; filename="{found.id}.zip"',
        "Content-Length": str(size),
    }
    return StreamingResponse(_chunks(file), media_type="application/zip", headers=headers)


def zipped(found: PublishedCase) -> tuple[BinaryIO, int]:
    """The package in a file without a name: clips are large, and the page's memory is small."""
    out = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(found.folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                with (
                    path.open("rb") as source,
                    archive.open(f"{found.id}/{path.relative_to(found.folder)}", "w") as target,
                ):
                    shutil.copyfileobj(source, target, COPY_BYTES)
    size = out.tell()
    out.seek(0)
    return out, size


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(COPY_BYTES):
            yield chunk


PAGES = {"/cases": cases, "/cases/{id}": case, "/review": next_case}
DATA = {"/package/{id}": package}
ACTIONS = {"/cases/{id}/review": review, "/cases/{id}/undo": undo}

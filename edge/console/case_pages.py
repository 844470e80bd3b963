# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pages Violations and one violation: list, evidence, verification, review, package."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from edge.console import facts
from edge.console.cases import CaseIndex, CaseSummary, Wanted
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
        broken=next((row for row in verification if row["problem"]), None),
        pictures=_pictures(found),
        clips=[f for f in found.files if f["path"].endswith(".mp4")],
        tables=[f for f in found.files if f["path"].endswith(".csv")],
        sentences=facts.sentences(found.data["facts"], language),
        place=facts.place_words(str(found.data["zone"].get("reason", "")), language),
        reviews=index.reviews.of(found.id),
        newer=newer,
        older=older,
        error=error,
        clock=clock_of(console),
        word=lambda kind, key: (
            text(f"{kind}_{key}", language) if f"{kind}_{key}" in TEXTS else str(key)
        ),
    )


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


async def review(request: Request) -> Response:
    """A reviewer's word: both roles may give one; the platform's, where there is one, wins."""
    console, form = console_of(request), await form_of(request)
    found = await run_in_threadpool(console.reading.case, request.path_params["id"])
    verdict, reason = form.get("verdict", ""), form.get("reason", "").strip()[:500]
    if found is None or verdict not in ("confirmed", "rejected"):
        return render(request, "message.html", 404, message="not_found")
    if verdict == "rejected" and not reason:
        return await _shown(request, 422, "reason_needed")
    who = request.state.session.name
    await run_in_threadpool(console.services.review, found.id, verdict, reason, who)
    console.accounts.audit(who, verdict, case=found.id)
    return RedirectResponse(f"/cases/{found.id}", 303)


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


PAGES = {"/cases": cases, "/cases/{id}": case}
DATA = {"/package/{id}": package}
ACTIONS = {"/cases/{id}/review": review}

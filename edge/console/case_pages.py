# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pages Violations and one violation: list, evidence, life, verification, package."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any, BinaryIO
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from edge import patterns
from edge.clock import calendar_day, instant
from edge.console import facts
from edge.console.casefile import STYLE, CaseFile, sheet_html, write_zip
from edge.console.cases import CASE_ID, CaseIndex, CaseSummary, Wanted
from edge.console.clock import clock_of
from edge.console.editing import parse
from edge.console.reading import FILE_PATH, PublishedCase
from edge.console.stages import late, progress_of
from edge.console.texts import TEXTS, Language, text
from edge.console.thumbs import thumbnails_of
from edge.console.web import console_of, language_of, render
from edge.handling.life import RUNNING, CaseLife

PER_PAGE = 24
PAGES_MOST = 100_000
DAYS = ("1", "7", "30")
OUTCOMES = ("filed", "on_the_spot", "permitted", "duplicate", "not_pursued")
# What is said of a case that somebody is working on.
HANDLING = ("settled", "paused", "resumed")
# What a thing was taken for, without writing: the common ones, each a key and a button.
MISTAKES = ("look_alike", "works", "nothing")
REVIEWS = ("open", "overdue", "running", "confirmed", "rejected", "settled", *OUTCOMES)
FILTERS = (
    "category", "camera", "gate", "review", "days", "from", "to", "place", "plate", "text",
)  # fmt: skip
DAY = re.compile(patterns.DATE)
COPY_BYTES = 1 << 18
EQUAL_SHOWN = 24
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# The sheet brings its own style and no other; it runs the one line that opens the print dialog.
SHEET_POLICY = (
    f"default-src 'none'; img-src 'self'; style-src 'sha256-{_STYLE_HASH}'; script-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def index_of(request: Request) -> CaseIndex:
    """One for the application: it remembers every head."""
    state = request.app.state
    if not hasattr(state, "cases"):
        state.cases = CaseIndex(console_of(request).reading.state)
    found: CaseIndex = state.cases
    return found


def wanted_of(request: Request, query: QueryParams) -> Wanted:
    """The filters of an address; what is not one of their words is no filter."""
    days, review = query.get("days", ""), query.get("review", "")
    since, until = _day_utc(request, query.get("from", "")), ""
    if query.get("to", ""):
        until = _day_utc(request, query.get("to", ""), after=1)
    if days in DAYS:
        at = datetime.now(timezone.utc) - timedelta(days=int(days))
        since = max(since, at.strftime("%Y-%m-%dT%H:%M:%S"))
    return Wanted(
        category=query.get("category", ""),
        camera=query.get("camera", ""),
        gate=query.get("gate", ""),
        review=review if review in REVIEWS else "",
        since=since,
        until=until,
        place=_small(query.get("place", "")),
        plate=_small(query.get("plate", "")),
        text=_small(query.get("text", "")),
    )


def _small(asked: str) -> str:
    return asked.strip().lower()[:64]


def _day_utc(request: Request, day: str, after: int = 0) -> str:
    """The local midnight of a day (or so many days after it) as UTC text; "" for no day."""
    if not DAY.fullmatch(day):
        return ""
    try:
        first = instant(day) + timedelta(days=after)
        local = first.replace(tzinfo=clock_of(console_of(request)).zone)
        return local.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError):
        return ""


async def cases(request: Request) -> Response:
    """What is overdue first, then the newest, narrowed by the address, a page at a time."""
    index, query = index_of(request), request.query_params
    every = await run_in_threadpool(index.heads)
    found = await run_in_threadpool(index.find, wanted_of(request, query))
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(_page(query), pages)
    first = (page - 1) * PER_PAGE
    rows = found[first : first + PER_PAGE]
    # Those of the next page are made while this one is read.
    ahead = [(h.id, h.revision) for h in found[first : first + 2 * PER_PAGE] if h.picture]
    await run_in_threadpool(thumbnails_of(request).want, ahead)
    unread, overdue = await run_in_threadpool(index.counts)
    reading, now = console_of(request).reading, time.time()
    return render(
        request,
        "cases.html",
        cases=rows,
        lives={head.id: index.life(head.id) for head in rows},
        progress={head.id: progress_of(index.life(head.id), now) for head in rows},
        acknowledged={h.id: reading.acknowledged(h.id) for h in rows},
        total=len(found),
        unreadable=index.unreadable,
        page=page,
        pages=pages,
        chosen={key: query.get(key, "") for key in FILTERS},
        filters=_filters(request),
        done=done_ids(query.get("done", "")),
        overdue=overdue,
        open=unread + overdue,
        categories=_categories(every),
        cameras=sorted({(h.source, h.source_name) for h in every}),
        reviews=REVIEWS,
        clock=clock_of(console_of(request)),
    )


def _page(query: QueryParams) -> int:
    asked = query.get("page", "1")
    good = asked.isascii() and asked.isdigit() and len(asked) < 7
    return max(1, min(PAGES_MOST, int(asked))) if good else 1


def _categories(heads: tuple[CaseSummary, ...]) -> list[tuple[str, dict[str, str]]]:
    return sorted({head.category: head.names for head in heads}.items())


async def case(request: Request) -> Response:
    return await shown(request)


async def shown(request: Request, code: int = 200, error: str | None = None) -> Response:
    """One case, whole; error: a word of the catalogue for what could not be done."""
    console, language, now = console_of(request), language_of(request), time.time()
    found = await run_in_threadpool(console.reading.case, request.path_params["id"])
    if found is None:
        return render(request, "message.html", 404, message="no_such_case")
    index = index_of(request)
    newer, older = await run_in_threadpool(index.beside, found.id)
    verification = await run_in_threadpool(_examined, request, found)
    life = await run_in_threadpool(index.whole, found)
    equal = await run_in_threadpool(index.equal, found.id)
    own, public = _pictures(found)
    return render(
        request,
        "case.html",
        code,
        case=found,
        data=found.data,
        life=life,
        running=life.state in RUNNING,
        progress=progress_of(life, now),
        late_by=_late_by(life, now, language),
        equal=equal[:EQUAL_SHOWN],
        verification=verification,
        sealed=bool(verification) and all(r["signed"] != "unsealed" for r in verification),
        broken=next((row for row in verification if row["problem"]), None),
        pictures=own,
        public=public,
        clips=[f for f in found.files if f["path"].endswith(".mp4")],
        tables=[f for f in found.files if f["path"].endswith(".csv")],
        sentences=facts.sentences(found.data["facts"], language),
        place=facts.place_words(str(found.data["zone"].get("reason", "")), language),
        newer=newer,
        older=older,
        open=sum(await run_in_threadpool(index.counts)),
        filters=_filters(request),
        outcomes=OUTCOMES,
        mistakes=MISTAKES,
        done=done_ids(request.query_params.get("done", "")),
        error=error,
        clock=clock_of(console),
        word=lambda kind, key: (
            text(f"{kind}_{key}", language) if f"{kind}_{key}" in TEXTS else str(key)
        ),
    )


def _late_by(life: CaseLife, now: float, language: Language) -> str:
    """How long ago a case should have been done, in words; "" where nothing is overdue."""
    if life.due is None or not late(life, now):
        return ""
    zh, en = facts.span(now - life.due)
    return zh if language == "zh" else en


def _filters(request: Request) -> str:
    """The list's filters, which go along from case to case."""
    return urlencode(kept_filters(request.query_params))


def kept_filters(query: QueryParams) -> dict[str, str]:
    """Those that are set, with a day only where it is one."""
    kept = {key: query[key] for key in FILTERS if query.get(key)}
    return {k: v for k, v in kept.items() if k not in ("from", "to") or DAY.fullmatch(v)}


def day_of(text: str) -> date | None:
    """The day that an address names; None where it names none."""
    try:
        found = calendar_day(text) if DAY.fullmatch(text) else None
    except ValueError:
        return None
    return found if found is not None and 1971 < found.year < 9000 else None


def done_ids(listed: str) -> list[str]:
    """The cases just judged, whose words may be taken back."""
    return [one for one in listed.split(",")[: EQUAL_SHOWN + 1] if CASE_ID.fullmatch(one)]


def _pictures(found: PublishedCase) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(the close-up and the scene of the same moment first, then the rest in the order of time;
    the public copies). A picture that is there twice is shown once."""
    kept: dict[tuple[str, bool], dict[str, Any]] = {}
    for file in found.files:
        if file["path"].endswith((".jpg", ".png")):
            kept.setdefault(
                (str(file.get("sha256") or file["path"]), bool(file.get("masked"))), file
            )
    rows = sorted(kept.values(), key=lambda f: (float(f["at"]["mono"]), f["path"]))
    own = [file for file in rows if not file.get("masked")]
    close = next((file for file in reversed(own) if file["role"] == "close"), None)
    if close is not None:
        scenes = [file for file in own if file["role"] == "overview"]
        beside = min(scenes, key=lambda f: abs(f["at"]["mono"] - close["at"]["mono"]), default=None)
        lead = [close, *([beside] if beside else ())]
        own = lead + [file for file in own if not any(file is one for one in lead)]
    return own, [file for file in rows if file.get("masked")]


def _examined(request: Request, found: PublishedCase) -> list[dict[str, Any]]:
    """A row for each revision: files, signature, chain, receipt."""
    services = console_of(request).services
    if services.examine is not None:
        return services.examine(found.folder)
    problem = services.verify(found.folder)
    row = {"revision": f"r{found.revision}", "problem": problem, "files": len(found.files)}
    return [{**row, "signed": "unsealed", "kid": "", "seq": None, "chain": True, "receipt": False}]


async def package(request: Request) -> Response:
    """Everything of one violation as a zip that `edge evidence verify` accepts once unpacked."""
    found = await run_in_threadpool(console_of(request).reading.case, request.path_params["id"])
    if found is None:
        return Response(status_code=404)
    return _sent(await run_in_threadpool(zipped, found), f"{found.id}.zip")


def _sent(file: BinaryIO, name: str) -> Response:
    """A file without a name of its own: clips are large, and the page's memory is small."""
    size = file.seek(0, 2)
    file.seek(0)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(size),
    }
    return StreamingResponse(_chunks(file), media_type="application/zip", headers=headers)


def zipped(found: PublishedCase) -> BinaryIO:
    """The package in a file without a name."""
    out = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(found.folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                with (
                    path.open("rb") as source,
                    archive.open(f"{found.id}/{path.relative_to(found.folder)}", "w") as target,
                ):
                    shutil.copyfileobj(source, target, COPY_BYTES)
    return out


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(COPY_BYTES):
            yield chunk


def case_file_of(request: Request, found: PublishedCase) -> CaseFile:
    """All that the file of a case says."""
    console, category = console_of(request), str(found.data.get("category", ""))
    return CaseFile(
        id=found.id,
        violation=found.data,
        files=found.files,
        life=index_of(request).whole(found),
        checks=_examined(request, found),
        law=console.services.law.get(category, ()),
        timezone=clock_of(console).name,
        site=str(parse(console.site.read().text).get("name") or ""),
    )


async def sheet(request: Request) -> Response:
    """The case file as one page to print: it opens the browser's own dialog."""
    found = await run_in_threadpool(console_of(request).reading.case, request.path_params["id"])
    if found is None:
        return render(request, "message.html", 404, message="no_such_case")
    case_file = await run_in_threadpool(case_file_of, request, found)
    prefix = f"/evidence/{found.id}/"
    page = sheet_html(case_file, language_of(request), prefix, "/static/print.js")
    headers = {"Content-Security-Policy": SHEET_POLICY}
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)


async def case_zip(request: Request) -> Response:
    """The same for an archive, with the evidence as it is."""
    found = await run_in_threadpool(console_of(request).reading.case, request.path_params["id"])
    if found is None:
        return Response(status_code=404)
    out = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was sent
    case_file = await run_in_threadpool(case_file_of, request, found)
    await run_in_threadpool(write_zip, case_file, found.folder, out)
    return _sent(out, f"{found.id}-case.zip")


async def look(request: Request) -> Response:
    """A picture of a recheck; 404 for whatever is none."""
    round_, number, name = (request.path_params[key] for key in ("round", "look", "name"))
    if not (ROUND.fullmatch(round_) and LOOK.fullmatch(number) and FILE_PATH.fullmatch(name)):
        return Response(status_code=404)
    path = console_of(request).reading.state / "rechecks" / round_ / number / name
    plain = path.suffix == ".jpg" and path.is_file() and not path.is_symlink()
    return FileResponse(path, media_type="image/jpeg") if plain else Response(status_code=404)


ROUND = re.compile(r"^v-[0-9a-z]{6,64}-[1-9]\d{0,3}$")
LOOK = re.compile(r"^look-[1-9]$")
PAGES = {"/cases": cases, "/cases/{id}": case}
DATA = {
    "/package/{id}": package,
    "/cases/{id}/sheet": sheet,
    "/cases/{id}/file.zip": case_zip,
    "/recheck/{round}/{look}/{name}": look,
}

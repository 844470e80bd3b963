"""The pages. Each reads what there is and renders one template."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.console.editing import camera_rows, parse
from edge.console.web import Console, render

PER_PAGE = 24
STEPS = ("new", "update", "end")


def _console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


async def home(_: Request) -> Response:
    return RedirectResponse("/live", 303)


async def live(request: Request) -> Response:
    cameras = camera_rows(parse(_console(request).site.read().text))
    return render(request, "live.html", cameras=cameras)


async def cases(request: Request) -> Response:
    """Newest first, by category, camera and gate, a page at a time."""
    found = _console(request).reading.cases()
    query = request.query_params
    wanted = {key: query.get(key, "") for key in ("category", "camera", "gate")}
    chosen = [
        case
        for case in found
        if wanted["category"] in ("", case.data["category"])
        and wanted["camera"] in ("", str(case.data["source"].get("id")))
        and wanted["gate"] in ("", case.data["gate"])
    ]
    page = max(1, int(query.get("page", "1")) if query.get("page", "1").isdigit() else 1)
    return render(
        request,
        "cases.html",
        cases=chosen[(page - 1) * PER_PAGE : page * PER_PAGE],
        total=len(chosen),
        page=page,
        more=len(chosen) > page * PER_PAGE,
        wanted=wanted,
        categories=sorted({c.data["category"] for c in found}),
        cameras=sorted({str(c.data["source"].get("id")) for c in found}),
        names={c.data["category"]: c.data["names"] for c in found},
    )


async def case(request: Request) -> Response:
    console = _console(request)
    found = console.reading.case(request.path_params["id"])
    if found is None:
        return render(request, "message.html", 404, message="not_found")
    return render(
        request,
        "case.html",
        case=found,
        data=found.data,
        broken=console.services.verify(found.folder),
        pictures=[f for f in found.files if f["path"].endswith((".jpg", ".png"))],
        clips=[f for f in found.files if f["path"].endswith(".mp4")],
        reviews=console.reading.reviews(found.id),
    )


async def health(request: Request) -> Response:
    reading = _console(request).reading
    return render(request, "health.html", statuses=reading.all_status(), faults=reading.faults())


ROUTES = {
    "/": home,
    "/live": live,
    "/cases": cases,
    "/cases/{id}": case,
    "/health": health,
}

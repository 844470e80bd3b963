"""What the page changes. Each handler checks the form's word and the role, and is audited."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from edge.config import ConfigError
from edge.console import editing
from edge.console.accounts import Refused, Role, Session
from edge.console.drafts import Conflict
from edge.console.pages import setup_values
from edge.console.web import (
    COOKIE,
    Console,
    Stale,
    client_of,
    csrf_fits,
    form_of,
    language_of,
    need_installer,
    render,
)

YEAR_S = 31_536_000


def _console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def _welcome(request: Request, session: Session) -> Response:
    answer = RedirectResponse("/live", 303)
    secure = _console(request).tls
    answer.set_cookie(COOKIE, session.token, httponly=True, samesite="strict", secure=secure)
    return answer


async def first(request: Request) -> Response:
    console, form = _console(request), await form_of(request)
    try:
        session = await run_in_threadpool(
            console.accounts.set_up,
            form.get("code", ""),
            form.get("name", ""),
            form.get("password", ""),
            client_of(request),
        )
    except Refused as error:
        return render(request, "first.html", 403, error=str(error))
    console.accounts.audit(session.name, "first account", client=client_of(request))
    return _welcome(request, session)


async def login(request: Request) -> Response:
    console, form = _console(request), await form_of_open(request)
    try:
        session = await run_in_threadpool(
            console.accounts.log_in,
            form.get("name", ""),
            form.get("password", ""),
            client_of(request),
        )
    except Refused as error:
        console.accounts.audit(form.get("name", "")[:32], str(error), client=client_of(request))
        return render(request, "login.html", 403, error=str(error))
    console.accounts.audit(session.name, "logged in", client=client_of(request))
    return _welcome(request, session)


async def form_of_open(request: Request) -> dict[str, str]:
    """A form that comes before any session: SameSite=Strict is what protects it."""
    return {k: v for k, v in (await request.form()).items() if isinstance(v, str)}


async def logout(request: Request) -> Response:
    await form_of(request)
    _console(request).accounts.log_out(request.state.session.token)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


async def language(request: Request) -> Response:
    answer = RedirectResponse(_back(request), 303)
    other = "zh" if language_of(request) == "en" else "en"
    answer.set_cookie("edge-language", other, max_age=YEAR_S, samesite="strict")
    return answer


def _back(request: Request) -> str:
    """Where the visitor came from, if it is a path of ours."""
    path = request.query_params.get("to", "/")
    return path if path.startswith("/") and not path.startswith("//") else "/"


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


async def save_site(request: Request) -> Response:
    console, form = _console(request), await form_of(request)
    session = need_installer(request)
    text, version = form.get("text", ""), form.get("version", "")
    return await _saved(request, console, session, text, version, "configuration")


async def _saved(
    request: Request, console: Console, session: Session, text: str, version: str, what: str
) -> Response:
    try:
        await run_in_threadpool(console.site.save, text, version)
    except ConfigError as error:
        values = setup_values(console, text, version, error=str(error))
        return render(request, "setup.html", 422, **values)
    except Conflict as error:
        now = console.site.read().version
        values = setup_values(console, text, now, difference=error.difference)
        return render(request, "setup.html", 409, **values)
    console.accounts.audit(session.name, what)
    return RedirectResponse("/setup?saved=1", 303)


async def add_camera(request: Request) -> Response:
    """Three fields: address, name, and what to look for."""
    console, form = _console(request), await form_of(request)
    session = need_installer(request)
    saved = console.site.read()
    name = editing.free_name(editing.parse(saved.text), form.get("name", ""))
    camera: dict[str, Any] = {"id": name, "source": form.get("source", "").strip()}
    if form.get("name", "").strip():
        camera["name"] = form["name"].strip()[:64]
    if form.get("category") in console.services.categories:
        camera["rules"] = [{"category": form["category"]}]
        camera["zones"] = []
    text = editing.add_camera(saved.text, camera)
    answer = await _saved(request, console, session, text, saved.version, f"camera {name}")
    if answer.status_code == 303:
        return RedirectResponse(f"/zones?camera={name}", 303)
    return answer


async def remove_camera(request: Request) -> Response:
    console, form = _console(request), await form_of(request)
    session = need_installer(request)
    saved = console.site.read()
    text = editing.remove_camera(saved.text, form.get("camera", ""))
    what = f"removed camera {form.get('camera', '')}"
    return await _saved(request, console, session, text, saved.version, what)


async def roll_back(request: Request) -> Response:
    console, form = _console(request), await form_of(request)
    session = need_installer(request)
    try:
        await run_in_threadpool(console.site.roll_back, form["file"], form.get("version", ""))
    except (KeyError, ConfigError, Conflict) as error:
        saved = console.site.read()
        values = setup_values(console, saved.text, saved.version, error=str(error))
        return render(request, "setup.html", 422, **values)
    console.accounts.audit(session.name, "rolled back", file=form["file"])
    return RedirectResponse("/setup?saved=1", 303)


async def snap(request: Request) -> Response:
    """A test picture of an address that is not in the configuration yet."""
    console, form = _console(request), await form_of(request)
    need_installer(request)
    try:
        data = await run_in_threadpool(console.services.snap, form.get("source", "").strip())
    except (ConfigError, OSError) as error:
        return JSONResponse({"error": str(error)}, 422)
    return Response(data, media_type="image/jpeg")


async def _editor(request: Request) -> dict[str, Any]:
    """The zone editor's JSON, its word checked in the header."""
    if not csrf_fits(request, request.state.session, {}):
        raise Stale
    need_installer(request)
    try:
        body = await request.json()
        zones, rules = list(body["zones"]), list(body["rules"])
        sizes = [len(zone["polygon"]) for zone in zones]
    except (ValueError, KeyError, TypeError):
        raise ConfigError("not a drawing") from None
    if len(zones) > 100 or any(size > 200 for size in sizes) or len(rules) > 100:
        raise ConfigError("too many zones or corners (at most 100 zones of 200 corners)")
    return {"version": str(body.get("version", "")), "zones": zones, "rules": rules}


async def save_zones(request: Request) -> Response:
    console, camera = _console(request), request.path_params["camera"]
    try:
        body = await _editor(request)
        text = editing.set_zones(console.site.read().text, camera, body["zones"], body["rules"])
        saved = await run_in_threadpool(console.site.save, text, body["version"])
    except (ConfigError, ValueError, TypeError) as error:
        return JSONResponse({"error": str(error)}, 422)
    except Conflict as error:
        return JSONResponse({"conflict": error.difference}, 409)
    console.accounts.audit(request.state.session.name, "zones", camera=camera)
    return JSONResponse({"version": saved.version})


async def try_zones(request: Request) -> Response:
    """What the drawing would have raised on the last hour's tracks."""
    console, camera = _console(request), request.path_params["camera"]
    try:
        body = await _editor(request)
        text = editing.set_zones(console.site.read().text, camera, body["zones"], body["rules"])
        await run_in_threadpool(console.site.validate, text)
        tracks = list(console.reading.tracks(camera))
        raised = await run_in_threadpool(console.services.try_zones, text, camera, tracks)
    except (ConfigError, ValueError, TypeError) as error:
        return JSONResponse({"error": str(error)}, 422)
    return JSONResponse({"raised": raised, "seconds": _span_s(tracks)})


def _span_s(tracks: list[dict[str, Any]]) -> float:
    return round(tracks[-1]["mono"] - tracks[0]["mono"], 1) if tracks else 0.0


async def add_account(request: Request) -> Response:
    console, form = _console(request), await form_of(request)
    session = need_installer(request)
    role: Role = "installer" if form.get("role") == "installer" else "viewer"
    try:
        await run_in_threadpool(
            console.accounts.add, form.get("name", ""), form.get("password", ""), role
        )
    except Refused as error:
        saved = console.site.read()
        values = setup_values(console, saved.text, saved.version, error=str(error))
        return render(request, "setup.html", 422, **values)
    console.accounts.audit(session.name, "account added", name=form["name"], role=role)
    return RedirectResponse("/setup", 303)


async def remove_account(request: Request) -> Response:
    console, form = _console(request), await form_of(request)
    session = need_installer(request)
    try:
        console.accounts.remove(form.get("name", ""))
    except Refused as error:
        saved = console.site.read()
        values = setup_values(console, saved.text, saved.version, error=str(error))
        return render(request, "setup.html", 422, **values)
    console.accounts.audit(session.name, "account removed", name=form.get("name", ""))
    return RedirectResponse("/setup", 303)


ROUTES = {
    "/first": first,
    "/login": login,
    "/logout": logout,
    "/language": language,
    "/cases/{id}/review": review,
    "/setup/site": save_site,
    "/setup/camera": add_camera,
    "/setup/camera/remove": remove_camera,
    "/setup/roll-back": roll_back,
    "/setup/snap": snap,
    "/setup/account": add_account,
    "/setup/account/remove": remove_account,
    "/data/zones/{camera}": save_zones,
    "/data/zones/{camera}/try": try_zones,
}

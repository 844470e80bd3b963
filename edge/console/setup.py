"""Setup: cameras, the configuration file, older versions of it."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from edge.config import ConfigError
from edge.console import editing
from edge.console.accounts import Session
from edge.console.drafts import Conflict
from edge.console.services import NoPicture
from edge.console.web import Console, console_of, form_of, need_installer, render


async def setup(request: Request) -> Response:
    console = console_of(request)
    saved = console.site.read()
    return render(request, "setup.html", **setup_values(console, saved.text, saved.version))


def setup_values(console: Console, text: str, version: str, **more: Any) -> dict[str, Any]:
    """What the setup page shows, also after a refused save."""
    return {
        "text": text,
        "version": version,
        "cameras": editing.camera_rows(editing.parse(text)),
        "kept": console.site.kept(),
        "accounts": console.accounts.names(),
        "error": None,
        "difference": None,
        **more,
    }


async def save_site(request: Request) -> Response:
    console, form = console_of(request), await form_of(request)
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
    console, form = console_of(request), await form_of(request)
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
    console, form = console_of(request), await form_of(request)
    session = need_installer(request)
    saved = console.site.read()
    text = editing.remove_camera(saved.text, form.get("camera", ""))
    what = f"removed camera {form.get('camera', '')}"
    return await _saved(request, console, session, text, saved.version, what)


async def roll_back(request: Request) -> Response:
    console, form = console_of(request), await form_of(request)
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
    console, form = console_of(request), await form_of(request)
    need_installer(request)
    try:
        data = await run_in_threadpool(console.services.snap, form.get("source", "").strip())
    except NoPicture as error:
        return JSONResponse({"error": error.line, "cause": error.cause}, 422)
    return Response(data, media_type="image/jpeg")


PAGES = {"/setup": setup}
ACTIONS = {
    "/setup/site": save_site,
    "/setup/camera": add_camera,
    "/setup/camera/remove": remove_camera,
    "/setup/roll-back": roll_back,
    "/setup/snap": snap,
}

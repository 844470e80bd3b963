# SPDX-License-Identifier: AGPL-3.0-or-later
"""The manual on the box: the documents for installers, officers and crews, and their pictures,
offline."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from edge.config.shipped import shipped
from edge.console.markdown import ManualPage, manual_page, slug
from edge.console.texts import Language
from edge.console.web import language_of, render

# Name -> its title in the list. What has no Chinese page is shown as it is: it has both languages.
MANUAL: dict[str, str] = {
    "quick-card": "manual_quick_card",
    "install": "manual_install",
    "placement": "manual_placement",
    "cameras": "manual_cameras",
    "sensors": "manual_sensors",
    "rules": "manual_rules",
    "operations": "manual_operations",
    "drone": "manual_drone",
    "settings": "manual_settings",
    "configuration": "manual_configuration",
}


_PICTURE = re.compile(r"pictures/([a-z0-9-]+\.webp)")
_SHOWN = re.compile(r'<img src="/manual/pictures/([^"]+)"')


def manual_file(name: str, language: Language) -> Path:
    """The document in that language, else in the one that there is. Raises FileNotFoundError for a
    name that is none of the manual's, and where the documents were not installed."""
    if name not in MANUAL:
        raise FileNotFoundError(name)
    places = [f"docs/zh/{name}.md", f"docs/{name}.md"]
    for place in places if language == "zh" else reversed(places):
        try:
            return shipped(place)
        except FileNotFoundError:
            continue
    raise FileNotFoundError(f"docs/{name}.md")


def linked(target: str, here: str) -> str | None:
    """Where a link of a document leads on the page: to another document of the manual, or within
    the same one; nothing outside, for the box may have no way there."""
    path, _, heading = target.partition("#")
    if "://" in path:
        return None
    if _PICTURE.fullmatch(path):
        return f"/manual/{path}" if _picture_file(path) else None
    name = Path(path).stem if path else here
    if path and (not path.endswith(".md") or name not in MANUAL):
        return None
    # The same document in the other language: the page shows that of its reader.
    if path.startswith("zh/") or (path.startswith("../") and "zh" in manual_file(name, "zh").parts):
        return None
    return f"/manual/{name}" + (f"#{slug(heading)}" if heading else "")


def _picture_file(path: str) -> Path | None:
    """None where it was not shipped: its words stand alone then."""
    try:
        return shipped(f"docs/zh/{path}") if _PICTURE.fullmatch(path) else None
    except FileNotFoundError:
        return None


@lru_cache(maxsize=4)
def read_manual(name: str, language: Language) -> ManualPage:
    """One document as HTML. Raises FileNotFoundError."""
    text = manual_file(name, language).read_text("utf-8")
    page = manual_page(text, lambda target: linked(target, name))
    return replace(page, body=_SHOWN.sub(_sized, page.body))


def _sized(shown: re.Match[str]) -> str:
    """With its size in pixels (RFC 6386, 9.1), so that nothing moves once the picture is there."""
    head = shipped(f"docs/zh/pictures/{shown[1]}").read_bytes()[26:30]
    width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (0, 2))
    return f'{shown[0]} width="{width}" height="{height}"'


async def manual(request: Request) -> Response:
    """One document, or the list of them."""
    name = str(request.path_params.get("name", ""))
    language = language_of(request)
    if not name:
        return render(request, "manual.html", names=MANUAL, page=None, chosen="")
    try:
        page = await run_in_threadpool(read_manual, name, language)
    except FileNotFoundError:
        return render(request, "message.html", 404, message="manual_missing")
    return render(request, "manual.html", names=MANUAL, page=page, chosen=name)


async def picture(request: Request) -> Response:
    """A picture of a document, as it was shipped."""
    file = _picture_file(f"pictures/{request.path_params['name']}")
    if file is None:
        return render(request, "message.html", 404, message="manual_missing")
    return FileResponse(file, media_type="image/webp")


PAGES = {"/manual": manual, "/manual/{name}": manual, "/manual/pictures/{name}": picture}

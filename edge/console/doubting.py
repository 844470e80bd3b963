# SPDX-License-Identifier: AGPL-3.0-or-later
"""What in the saved site file contradicts the rest of it, for the pages of the set-up; and
what in it relies on more than its model is proven for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from edge.config import ConfigError, Site, convert
from edge.config.neighbours import doubts
from edge.console import editing
from edge.console.texts import text
from edge.console.web import console_of, language_of


def doubt_lines(request: Request, camera: str = "") -> list[str]:
    """A line for each doubt in the reader's language, of one camera where it is named; none for a
    file that is not sound, which the page says anyway."""
    try:
        site = convert(editing.parse(console_of(request).site.read().text), Site, "site")
    except ConfigError:
        return []
    about = [
        d for d in doubts(site) if not camera or d.subject.split(": ")[0] == f"camera {camera}"
    ]
    names = {f"camera {row.id}": row.name or row.id for row in site.cameras}
    chinese = language_of(request) == "zh"
    lines = []
    for doubt in about:
        owner, _, zone = doubt.subject.partition(": zone ")
        subject = " · ".join(word for word in (names.get(owner, site.name), zone) if word)
        said = doubt.words()[0 if chinese else 1]
        lines.append(f"{subject}{'：' if chinese else ': '}{said}")
    return lines


def watchable(
    request: Request, site: Mapping[str, Any], camera: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What a camera can be set to watch; `trust` where its model is weak or unproven at it."""
    services = console_of(request).services
    trust = services.trust(str(camera.get("model") or site.get("model") or ""))
    return {
        name: {**row, "trust": trust.get(name, "")} for name, row in services.categories.items()
    }


def trust_lines(request: Request, site: Mapping[str, Any], camera: Mapping[str, Any]) -> list[str]:
    """A line for each rule of a camera's row that relies on what its model is not proven for; a
    file under the pen may hold anything in the place of rules."""
    rules, language = camera.get("rules"), language_of(request)
    named = (
        [one.get("category") for one in rules or () if isinstance(one, dict)]
        if isinstance(rules, list)
        else []
    )
    known = watchable(request, site, camera)
    used = [known[name] for name in named if isinstance(name, str) and name in known]
    between = "：" if language == "zh" else ": "
    return [
        f"{one[language]}{between}{text('trust_' + one['trust'], language)}"
        for one in used
        if one["trust"]
    ]

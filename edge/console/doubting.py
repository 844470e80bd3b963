# SPDX-License-Identifier: AGPL-3.0-or-later
"""What in the saved site file contradicts the rest of it, for the pages of the set-up."""

from __future__ import annotations

from starlette.requests import Request

from edge.config import ConfigError, Site, convert
from edge.config.neighbours import doubts
from edge.console import editing
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

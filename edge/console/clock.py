# SPDX-License-Identifier: AGPL-3.0-or-later
"""Times as the bureau's people read them: local, by the site's zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge.console.editing import parse
from edge.console.web import ConsoleContext
from edge.uplink.wire import utc_seconds

ZONE = "Asia/Shanghai"


class LocalClock:
    """Wall seconds, or the UTC text of a manifest, to "2026-05-01 16:00" of one zone."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.name = zone

    def __call__(self, wall: float | str | None, layout: str = "%Y-%m-%d %H:%M") -> str:
        if not wall:
            return "–"
        try:
            seconds = utc_seconds(wall) if isinstance(wall, str) else float(wall)
        except (ValueError, TypeError):
            return str(wall)[:30]
        return datetime.fromtimestamp(seconds, self.zone).strftime(layout)


def clock_of(console: ConsoleContext) -> LocalClock:
    """By the site file; by the default also while that file is being mended."""
    name = str(parse(console.site.read().text).get("timezone") or ZONE)
    try:
        return LocalClock(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return LocalClock(ZONE)

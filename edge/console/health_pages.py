# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page Health: what is wrong and what to do, then figures for who wants them."""

from __future__ import annotations

import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.console import health as measured
from edge.console.clock import clock_of
from edge.console.editing import camera_rows, parse
from edge.console.health import BlindLedger
from edge.console.texts import TEXTS, Language, text
from edge.console.web import console_of, language_of, render


def ledger_of(request: Request) -> BlindLedger:
    """One for the application: it remembers what it has read."""
    state = request.app.state
    if not hasattr(state, "blind"):
        state.blind = BlindLedger(console_of(request).reading.state)
    found: BlindLedger = state.blind
    return found


async def health(request: Request) -> Response:
    """What works, what does not and since when: daemons, cameras, measured minutes."""
    console, language = console_of(request), language_of(request)
    statuses = console.reading.all_status()
    clock, now = clock_of(console), time.time()
    blind = await run_in_threadpool(measured.today_and_week, ledger_of(request), clock, now)
    known = {str(row["id"]): row for row in camera_rows(parse(console.site.read().text))}
    cameras = statuses["visiond"].get("cameras", {})
    words = {"off": text("blind_off", language), "watched": text("watched", language)}
    return render(
        request,
        "health.html",
        faults=measured.faults(console.reading, language),
        silent=measured.silent(statuses),
        doubts=measured.doubts(statuses, measured.clock_trust()[0], now),
        statuses=statuses,
        cameras={name: _camera(row, now) for name, row in cameras.items()},
        streams={name: row["stream"] for name, row in cameras.items() if row.get("stream")},
        names={name: str(row.get("name") or name) for name, row in known.items()},
        blind=blind,
        trust=measured.clock_trust(),
        word=lambda group, key: _word(f"{group}_{key}", str(key), language),
        reason=lambda key: measured.reason_name(key, language, words),
        clock=clock,
        now=now,
    )


def _word(key: str, plain: str, language: Language) -> str:
    """What a daemon calls a thing, in words; as it stands where a newer daemon has a new one."""
    return text(key, language) if key in TEXTS else plain


def _camera(row: dict[str, Any], now: float) -> dict[str, Any]:
    """With the age of the last judged picture, where it is of today's clock."""
    last = row.get("last_wall")
    age_s = None if last is None or row.get("recording") else max(0.0, now - float(last))
    return {**row, "age_s": age_s}


PAGES = {"/health": health}

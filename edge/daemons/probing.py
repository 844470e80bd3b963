# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page wants to be found out, by the daemon that may: a picture, a port, the broker.

edge-consoled has no devices, no key of the box and no way to the platform's network. It leaves a
request in the daemon's spool and waits for `<run>/answers/<id>.json` (and `.jpg`).
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.runtime import write_atomic
from edge.spool import Spool, SpoolFull

log = logging.getLogger(__name__)

ID = re.compile(r"^[0-9a-f]{24}$")
POLL_S = 0.1
# An answer that nobody fetched: its asker has gone.
STALE_S = 300.0


@dataclass(frozen=True, slots=True)
class Found:
    """An answer: facts for JSON, and a picture where one was asked for."""

    facts: Mapping[str, Any]
    jpeg: bytes | None = None


Work = Callable[[Mapping[str, Any]], Found]


class Probes:
    """The works one daemon does for the page, one at a time, beside its own: see `take`."""

    def __init__(self, run: Path, works: Mapping[str, Work]) -> None:
        self._folder, self._works = run / "answers", works
        self._thread: threading.Thread | None = None

    def take(self, request: Mapping[str, Any]) -> bool:
        """Whether the request is one of ours; it is then answered by a thread, or as `busy`."""
        work, name = self._works.get(str(request.get("kind"))), str(request.get("id"))
        if work is None or not ID.match(name):
            return False
        if self._thread is not None and self._thread.is_alive():
            self._answer(name, Found({"error": "busy"}))
            return True
        self._thread = threading.Thread(
            target=lambda: self._answer(name, work(request)), name="probe", daemon=True
        )
        self._thread.start()
        return True

    def _answer(self, name: str, found: Found) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.iterdir():
            if time.time() - old.stat().st_mtime > STALE_S:
                old.unlink(missing_ok=True)
        if found.jpeg is not None:
            write_atomic(self._folder / f"{name}.jpg", found.jpeg, durable=False)
        body = json.dumps(dict(found.facts), ensure_ascii=False).encode()
        write_atomic(self._folder / f"{name}.json", body, durable=False)


class NoAnswer(Exception):
    """The daemon did not answer in time: it is down, or starting again."""


def ask(run: Path, daemon: str, kind: str, *, limit_s: float, **fields: Any) -> Found:
    """Ask a daemon and wait for its answer. Raises NoAnswer."""
    name = secrets.token_hex(12)
    try:
        Spool(run, daemon).ask(kind, expires_s=limit_s, id=name, **fields)
    except (SpoolFull, OSError) as error:
        raise NoAnswer(str(error)) from None
    told, picture = (run / "answers" / f"{name}.{end}" for end in ("json", "jpg"))
    until = time.monotonic() + limit_s
    while not told.exists():
        if time.monotonic() > until:
            raise NoAnswer(f"{daemon} has not answered within {limit_s:.0f} s")
        time.sleep(POLL_S)
    facts = json.loads(told.read_bytes())
    jpeg = picture.read_bytes() if picture.exists() else None
    for path in (told, picture):
        path.unlink(missing_ok=True)
    return Found(facts, jpeg)

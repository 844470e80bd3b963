# SPDX-License-Identifier: AGPL-3.0-or-later
"""Requests between daemons and their answers, as files: bounded, expiring, taken once.

A request is `<run>/spool/<daemon>/<time>-<random>.json`, made with `Spool.ask` by anyone and
removed by the daemon it is for with `Spool.take`. There are two ways to answer:

- `write_answer`: `answer.json` in the folder that the request names (`into`), beside the files that
  the work produced. Nobody waits for it.
- `Responder` and `ask`: the asker waits for `<run>/answers/<id>.json` (and `.jpg`). edge-consoled
  has no devices, no key of the box and no way to the platform's network, so what the page wants to
  try out (a picture, a port, the broker log-in) is done by the daemon that may.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.jsonfile import read_object
from edge.runtime import no_room, write_atomic

log = logging.getLogger(__name__)

ANSWER = "answer.json"
BOUND = 200
BYTES_MAX = 64 * 1024


class SpoolFull(Exception):
    """The daemon has not taken its requests for long; the asker counts and goes on."""


class Spool:
    """The requests waiting for one daemon. `run` is on tmpfs: they are gone after power off."""

    def __init__(self, run: Path, daemon: str, *, bound: int = BOUND) -> None:
        self.folder = run / "spool" / daemon
        self.folder.mkdir(parents=True, exist_ok=True)
        self._bound = bound
        self.expired = 0
        self.bad = 0

    def ask(self, kind: str, *, expires_s: float = 300.0, **fields: Any) -> str:
        """Leave a request; returns its name. Raises SpoolFull above the bound."""
        if sum(1 for _ in self.folder.glob("*.json")) >= self._bound:
            raise SpoolFull(f"{self.folder}: {self._bound} requests wait already")
        name = f"{time.monotonic_ns():020d}-{secrets.token_hex(4)}"
        body = {"kind": kind, "expires_mono": time.monotonic() + expires_s, **fields}
        data = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        write_atomic(self.folder / f"{name}.json", data, durable=False)
        return name

    def take(self) -> list[dict[str, Any]]:
        """All live requests, oldest first, each handed out once; expired ones are counted."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            request = self._read(path)
            path.unlink(missing_ok=True)
            if request is not None:
                found.append(request)
        return found

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            body = json.loads(path.read_bytes()[:BYTES_MAX])
            late = float(body["expires_mono"]) < time.monotonic()
            kind = str(body["kind"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.bad += 1
            log.warning("spool %s: not a request (%s); dropped", path.name, error)
            return None
        if late:
            self.expired += 1
            log.info("spool: %s asked for too long ago; dropped", kind)
            return None
        return {**body, "kind": kind}


def write_answer(into: Path, done: bool, **facts: Any) -> bool:
    """The last file of an answer: whoever waits sees it only when the others are there. False where
    the disk has no room for it: who waits gives up after its own time. Raises OSError for all
    else that is wrong with the disk."""
    body = {"done": done, **facts}
    # Texts of errors name files, whatever these are called.
    data = json.dumps(body, ensure_ascii=False).encode(errors="replace")
    try:
        into.mkdir(parents=True, exist_ok=True)
        write_atomic(into / ANSWER, data)
    except OSError as error:
        if not no_room(error):
            raise
        log.warning("%s: not answered: %s", into, error.strerror)
        return False
    return True


def read_answer(into: Path) -> dict[str, Any] | None:
    """What `write_answer` wrote; None while it has not, {} for an answer that is none."""
    return read_object(into / ANSWER) if (into / ANSWER).exists() else None


ID = re.compile(r"^[0-9a-f]{24}$")
POLL_S = 0.1
# An answer that nobody fetched: its asker has gone.
STALE_S = 300.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: facts for JSON, and a picture where one was asked for."""

    facts: Mapping[str, Any]
    jpeg: bytes | None = None


Work = Callable[[Mapping[str, Any]], Answer]
# Around the work for one request: its name, and what is done where that fails by a bug again.
WorkingFor = Callable[[str, Callable[[str], None]], AbstractContextManager[None]]


class Responder:
    """The works one daemon does for the page, one at a time, beside its own: see `take`."""

    def __init__(
        self,
        run: Path,
        works: Mapping[str, Work],
        working_for: WorkingFor = lambda name, aside: nullcontext(),
    ) -> None:
        self._working_for = working_for
        self._folder, self._works = run / "answers", works
        self._thread: threading.Thread | None = None

    def take(self, request: Mapping[str, Any]) -> bool:
        """Whether the request is one of ours; it is then answered by a thread, or as `busy`."""
        work, name = self._works.get(str(request.get("kind"))), str(request.get("id"))
        if work is None or not ID.fullmatch(name):
            return False
        if self._thread is not None and self._thread.is_alive():
            self._answer(name, Answer({"error": "busy"}))
            return True
        self._thread = threading.Thread(
            target=self._serve, args=(work, request, name), name="probe", daemon=True
        )
        self._thread.start()
        return True

    def _serve(self, work: Work, request: Mapping[str, Any], name: str) -> None:
        """A button that ends the daemon does so once; then it is answered that it is broken."""

        def broken(_: str) -> None:
            self._answer(name, Answer({"error": "bug"}))

        with self._working_for(f"request {request['kind']}", broken):
            self._answer(name, work(request))

    def _answer(self, name: str, found: Answer) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.iterdir():
            # Whoever asked takes his answer away while this looks.
            with suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > STALE_S:
                    old.unlink()
        if found.jpeg is not None:
            write_atomic(self._folder / f"{name}.jpg", found.jpeg, durable=False)
        body = json.dumps(dict(found.facts), ensure_ascii=False).encode(errors="replace")
        write_atomic(self._folder / f"{name}.json", body, durable=False)


class NoAnswer(Exception):
    """The daemon did not answer in time: it is down, or starting again."""


def ask(run: Path, daemon: str, kind: str, *, limit_s: float, **fields: Any) -> Answer:
    """Ask a daemon and wait for its answer. Raises NoAnswer."""
    name = secrets.token_hex(12)
    try:
        Spool(run, daemon).ask(kind, expires_s=limit_s, id=name, **fields)
    except (SpoolFull, OSError) as error:
        raise NoAnswer(str(error)) from None
    facts_file, picture = (run / "answers" / f"{name}.{end}" for end in ("json", "jpg"))
    until = time.monotonic() + limit_s
    while not facts_file.exists():
        if time.monotonic() > until:
            raise NoAnswer(f"{daemon} has not answered within {limit_s:.0f} s")
        time.sleep(POLL_S)
    facts = read_object(facts_file)
    jpeg = picture.read_bytes() if picture.exists() else None
    for path in (facts_file, picture):
        path.unlink(missing_ok=True)
    return Answer(facts, jpeg)

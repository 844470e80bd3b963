# SPDX-License-Identifier: AGPL-3.0-or-later
"""Requests between daemons as files: bounded, expiring, taken once. Nobody waits for an answer.

A request is `<run>/spool/<daemon>/<time>-<random>.json`, made with `ask` by anyone and removed by
the daemon it is for with `take`. What the work produced is found where the request says (`into`).
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from pathlib import Path
from typing import Any

from edge.runtime import write_atomic

log = logging.getLogger(__name__)

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
        data = json.dumps(body, ensure_ascii=False).encode()
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

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Which findings turned out to be misdetections: written by janitord, read by who counts them.

A case that a reviewer took for a misdetection must not make the next one a second offence, nor
stand among a grid's open cases. `<state>/handling/misdetected.json` names them by source and by
the key of their finding; a key that instruments use again has its number.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.handling.life import CaseLife
from edge.runtime import write_atomic

log = logging.getLogger(__name__)

Misdetected = Mapping[str, Mapping[str, int]]


def misdetected_of(lives: Iterable[CaseLife]) -> dict[str, dict[str, int]]:
    """source -> key of the finding -> how many of its cases are misdetections now."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for life in lives:
        key = life.head.get("key")
        if life.state == "misdetected" and key:
            found[life.source][str(key)] += 1
    return {source: dict(keys) for source, keys in found.items()}


def write_misdetected(state: Path, lives: Iterable[CaseLife]) -> None:
    """Bring the file up to date; nothing is written where it is. Raises OSError."""
    path = _path(state)
    data = json.dumps(misdetected_of(lives), ensure_ascii=False, sort_keys=True).encode()
    known = path.read_bytes() if path.exists() else b"{}"
    if known != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)


def _path(state: Path) -> Path:
    return state / "handling" / "misdetected.json"


class MisdetectedFile:
    """The file as its readers see it: read again when it was written again."""

    def __init__(self, state: Path) -> None:
        self._path = _path(state)
        self._seen: tuple[int, int] | None = None
        self._known: Misdetected = {}

    def of(self, source: str) -> Mapping[str, int]:
        """The keys of this source's misdetections with their numbers; a file that is damaged or
        gone leaves what was known."""
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_ino)
            if seen != self._seen:
                self._known = _checked(json.loads(self._path.read_bytes()))
                self._seen = seen
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s: %s; misdetections known before it stay", self._path, error)
        return self._known.get(source, {})


def _checked(data: Mapping[str, Mapping[str, int]]) -> Misdetected:
    return {str(source): {str(k): int(n) for k, n in keys.items()} for source, keys in data.items()}

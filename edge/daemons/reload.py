# SPDX-License-Identifier: AGPL-3.0-or-later
"""Has the site file become another valid one? Then a daemon ends, and systemd starts it anew."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from edge.config import ConfigError, Site, load

log = logging.getLogger(__name__)

SITE_EVERY_S = 2.0


class SiteChange:
    """True once the site file has become another valid one; an invalid one is reported once."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen, self._looked = path, self._mark(path), time.monotonic()

    @staticmethod
    def _mark(path: Path) -> tuple[int, int]:
        try:
            facts = path.stat()
        except OSError:
            return (0, 0)
        return (facts.st_mtime_ns, facts.st_size)

    def __call__(self) -> bool:
        if time.monotonic() - self._looked < SITE_EVERY_S:
            return False
        self._looked = time.monotonic()
        mark = self._mark(self._path)
        if mark in (self._seen, (0, 0)):
            return False
        self._seen = mark
        try:
            load(self._path, Site)
        except ConfigError as error:
            log.warning("%s; the configuration in force stays", error)
            return False
        return True

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Why a daemon ends, and systemd starts it anew: the site file has become another valid one, or an
item that was set aside is sound now."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from edge.config import ConfigError, Site, load
from edge.pipeline.settings import Settings
from edge.pipeline.soundness import load_sound

log = logging.getLogger(__name__)

SITE_EVERY_S = 2.0
MENDED_EVERY_S = 60.0


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


class Mended:
    """True once an item that was set aside is sound: a disk is mounted, a file has come."""

    def __init__(self, settings: Settings, site: str | Path, device: str | Path) -> None:
        self._settings, self._files = settings, (site, device)
        self._due_s = time.monotonic() + MENDED_EVERY_S

    def __call__(self) -> bool:
        if not self._settings.aside or time.monotonic() < self._due_s:
            return False
        self._due_s = time.monotonic() + MENDED_EVERY_S
        try:
            now = load_sound(*self._files).aside
        except ConfigError:
            return False
        if len(now) >= len(self._settings.aside):
            return False
        log.info("an item that was set aside is sound now: starting again with it")
        return True

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page's only write to configuration: a validated site file, put in place atomically.

The previous file is kept beside it (`site.yaml.1` … `.5`). Whoever saves says which version they
started from; where somebody else has saved meanwhile, they see the difference and nothing is lost.
"""

from __future__ import annotations

import difflib
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import journal
from edge.config import ConfigError
from edge.runtime import write_atomic

KEPT = 5
BYTES_MAX = 1_000_000


class Conflict(Exception):
    """Somebody else saved meanwhile; `difference` is a unified diff from theirs to this draft."""

    def __init__(self, difference: str) -> None:
        super().__init__("the site file has changed meanwhile")
        self.difference = difference


@dataclass(frozen=True, slots=True)
class SiteText:
    """The file as text and the version that a draft of it must name."""

    text: str
    version: str


@dataclass(frozen=True, slots=True)
class SavedVersion:
    """When a version was saved on this page (wall seconds), and by whom."""

    wall: float | None
    who: str


class SiteFile:
    """One site file. `check` raises ConfigError for a draft at a path; it is the daemons' own."""

    def __init__(
        self, path: Path, check: Callable[[Path], object], saves: Path | None = None
    ) -> None:
        self._path, self._check, self._saves = path, check, saves
        # The check takes seconds; compare and replace after it are one thread's at a time.
        self._saving = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where the site file lies, and what belongs to it."""
        return self._path.parent

    def read(self) -> SiteText:
        data = self._path.read_bytes() if self._path.exists() else b""
        return SiteText(data.decode("utf-8", "replace"), version_of(data))

    def validate(self, text: str) -> None:
        """Raises ConfigError with the file's real name in it. Nothing is left behind."""
        if len(text.encode()) > BYTES_MAX:
            raise ConfigError(f"{self._path.name}: larger than {BYTES_MAX} bytes")
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.draft")
        write_atomic(draft, text.encode())
        try:
            self._check(draft)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(draft), self._path.name)) from None
        finally:
            draft.unlink(missing_ok=True)

    def save(self, text: str, version: str, who: str = "") -> SiteText:
        """Validate, keep the previous file, replace, write down who saved and when. Raises
        ConfigError and Conflict."""
        self.validate(text)
        with self._saving:
            now = self.read()
            if now.version != version:
                raise Conflict(difference(now.text, text))
            if self._path.exists():
                self._rotate()
            write_atomic(self._path, text.encode())
            saved = self.read()
            self._write_down(saved.version, who)
            return saved

    def _write_down(self, version: str, who: str) -> None:
        if self._saves is not None:
            row = {"version": version, "wall": round(time.time(), 3), "who": who}
            journal.append(self._saves, [row])

    def authors(self) -> dict[str, SavedVersion]:
        """For each kept file, and "" for the one in force: when it was saved and by whom. What was
        not saved here (by an editor, by the platform) has neither."""
        rows = journal.read(self._saves)[0] if self._saves else []
        known = {str(row.get("version")): row for row in rows}
        files = {"": self._path, **{p.name: p for p in self._older() if p.exists()}}
        return {
            name: _author(known.get(version_of(path.read_bytes()), {}))
            for name, path in files.items()
            if path.exists()
        }

    def kept(self) -> list[str]:
        """Names of the kept older files, newest first."""
        return [p.name for p in self._older() if p.exists()]

    def older(self, name: str) -> str:
        """The text of a kept file. Raises KeyError for a name that is none of them."""
        found = {p.name: p for p in self._older() if p.exists()}
        return found[name].read_text("utf-8", "replace")

    def _older(self) -> list[Path]:
        return [self._path.with_name(f"{self._path.name}.{n}") for n in range(1, KEPT + 1)]

    def _rotate(self) -> None:
        older = self._older()
        for newer, old in zip(reversed(older[:-1]), reversed(older[1:]), strict=True):
            if newer.exists():
                newer.replace(old)
        write_atomic(older[0], self._path.read_bytes())


def _author(row: Mapping[str, Any]) -> SavedVersion:
    wall = row.get("wall")
    return SavedVersion(float(wall) if wall else None, str(row.get("who", "")))


def version_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def difference(old: str, new: str) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "on the box", "your draft", lineterm=""
    )
    return "\n".join(lines)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page reads: status files, previews, evidence, the outbox, the ledgers. Never writes.

Everything here may be half there, old or gone: a page shows what there is and says how old it is.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.console.cases import CASE_ID, revisions
from edge.jsonfile import read_object

DAEMONS = ("visiond", "sensord", "uplinkd", "janitord", "flightd")
FRESH_S = 15.0
FILE_PATH = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$")
MEDIA = {
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".json": "application/json",
    ".png": "image/png",
    ".csv": "text/csv; charset=utf-8",
}

TAUGHT = re.compile(r"[0-9a-f]{16}\.png")


@dataclass(frozen=True, slots=True)
class PublishedCase:
    """One violation, whole, as its newest revision states it."""

    id: str
    revision: int
    data: dict[str, Any]
    files: list[dict[str, Any]]
    folder: Path


class BoxFolders:
    """The box's folders, read-only."""

    def __init__(self, state: Path, run: Path) -> None:
        self.state, self.run = state, run
        self.evidence = state / "evidence"

    def status(self, daemon: str) -> dict[str, Any]:
        """A daemon's status with `age_s`; {} where it never wrote one."""
        found = read_object(self.run / "status" / f"{daemon}.json")
        if found:
            found["age_s"] = round(max(0.0, time.time() - float(found.get("wall", 0))), 1)
            found["alive"] = found["age_s"] < FRESH_S
        return found

    def all_status(self) -> dict[str, dict[str, Any]]:
        return {name: self.status(name) for name in DAEMONS}

    def faults(self) -> list[dict[str, Any]]:
        """Every fault that holds now, each with the daemon that reports it."""
        return [
            {**fault, "daemon": name}
            for name, status in self.all_status().items()
            for fault in status.get("faults", [])
        ]

    def look(self, camera: str) -> dict[str, Any]:
        """What the camera saw last, with `age_s`, and the tag of its picture where there is one;
        asking keeps the picture fresh."""
        folder = self.run / "preview"
        found = read_object(folder / f"{camera}.json")
        try:
            (folder / f"{camera}.want").touch()
            stamp = (folder / f"{camera}.jpg").stat()
        except OSError:
            return found
        age_s = round(max(0.0, time.time() - stamp.st_mtime), 1)
        return {**found, "age_s": age_s, "tag": _tag(stamp)}

    def picture(self, camera: str) -> tuple[bytes, str] | None:
        """The preview picture and its tag (RFC 9110, 8.8.3); asking for it keeps it fresh."""
        folder = self.run / "preview"
        try:
            (folder / f"{camera}.want").touch()
            with (folder / f"{camera}.jpg").open("rb") as file:
                return file.read(), _tag(os.fstat(file.fileno()))
        except OSError:
            return None

    def taught_picture(self, camera: str, zone: str, look: str, name: str) -> Path | None:
        """The cut-out of a place that somebody taught; None for any other name."""
        if not TAUGHT.fullmatch(name) or any(part.startswith(".") for part in (camera, zone, look)):
            return None
        path = self.state / "looks" / camera / zone / look / name
        return path if path.is_file() else None

    def case(self, case_id: str) -> PublishedCase | None:
        if not CASE_ID.fullmatch(case_id):
            return None
        return self._newest(self.evidence / case_id)

    def case_in(self, folder: Path) -> PublishedCase | None:
        """The violation that lies in a folder of any place."""
        return self._newest(folder) if CASE_ID.fullmatch(folder.name) else None

    def _newest(self, folder: Path) -> PublishedCase | None:
        numbers = revisions(folder)
        if not numbers:
            return None
        manifest = read_object(folder / f"r{numbers[-1]}" / "manifest.json")
        violation, files = manifest.get("violation"), manifest.get("files")
        if not isinstance(violation, dict) or not isinstance(files, list):
            return None
        return PublishedCase(folder.name, numbers[-1], violation, files, folder)

    def acknowledged(self, case_id: str) -> bool:
        """Whether the platform has signed for every revision of a case."""
        folder = self.evidence / case_id
        return all((folder / f"r{n}" / "receipt.json").exists() for n in revisions(folder))

    def file(self, case_id: str, name: str) -> tuple[Path, str] | None:
        """A listed evidence file and its media type; anything not listed does not exist."""
        case = self.case(case_id)
        if case is None or not FILE_PATH.fullmatch(name):
            return None
        if name not in {file["path"] for file in case.files}:
            return None
        path = case.folder / name.partition("-")[0] / name
        media = MEDIA.get(path.suffix)
        # A link could lead anywhere: evidence is plain files in the case's own folder.
        plain = path.is_file() and not path.is_symlink() and not path.parent.is_symlink()
        return (path, media) if media and plain else None


def _tag(stamp: os.stat_result) -> str:
    return f'"{stamp.st_mtime_ns:x}"'

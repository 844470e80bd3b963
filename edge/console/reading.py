"""What the page reads: status files, previews, evidence, the outbox, the ledgers. Never writes.

Everything here may be half there, old or gone: a page shows what there is and says how old it is.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DAEMONS = ("visiond", "sensord", "uplinkd", "janitord", "flightd")
FRESH_S = 15.0
CASE_ID = re.compile(r"^v-[0-9a-z]{6,64}$")
FILE_PATH = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$")
REVISION = re.compile(r"^r([1-9]\d{0,4})$")
MEDIA = {
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".json": "application/json",
    ".png": "image/png",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One violation as the list shows it."""

    id: str
    revision: int
    data: dict[str, Any]
    files: list[dict[str, Any]]
    folder: Path
    acknowledged: bool

    @property
    def began(self) -> str:
        return str(self.data["began"]["utc"])


class Reading:
    """The box's folders, read-only."""

    def __init__(self, state: Path, run: Path) -> None:
        self.state, self.run = state, run
        self.evidence = state / "evidence"
        self._cases: dict[Path, tuple[int, Case]] = {}

    def status(self, daemon: str) -> dict[str, Any]:
        """A daemon's status with `age_s`; {} where it never wrote one."""
        found = read_json(self.run / "status" / f"{daemon}.json")
        if found:
            found["age_s"] = round(max(0.0, time.time() - float(found.get("wall", 0))), 1)
            found["alive"] = found["age_s"] < FRESH_S
        return found

    def all_status(self) -> dict[str, dict[str, Any]]:
        return {name: self.status(name) for name in DAEMONS}

    def faults(self) -> list[dict[str, Any]]:
        return [
            {**fault, "daemon": name}
            for name, status in self.all_status().items()
            for fault in status.get("faults", [])
        ]

    def look(self, camera: str) -> dict[str, Any]:
        """What the camera saw last, with `age_s`."""
        path = self.run / "preview" / f"{camera}.json"
        found = read_json(path)
        if found:
            found["age_s"] = round(max(0.0, time.time() - path.stat().st_mtime), 1)
        return found

    def picture(self, camera: str) -> bytes | None:
        """The preview picture; asking for it keeps it fresh."""
        folder = self.run / "preview"
        try:
            (folder / f"{camera}.want").touch()
            return (folder / f"{camera}.jpg").read_bytes()
        except OSError:
            return None

    def cases(self) -> list[Case]:
        """Every violation, newest first. A manifest is parsed once for each of its versions."""
        found = []
        for folder in self.evidence.glob("v-*"):
            newest = self._newest(folder)
            if newest is not None:
                found.append(newest)
        return sorted(found, key=lambda c: (c.began, c.id), reverse=True)

    def case(self, case_id: str) -> Case | None:
        if not CASE_ID.match(case_id):
            return None
        return self._newest(self.evidence / case_id)

    def _newest(self, folder: Path) -> Case | None:
        revisions = [
            (int(match[1]), path)
            for path in folder.glob("r*")
            if (match := REVISION.match(path.name))
        ]
        if not revisions:
            return None
        number, path = max(revisions)
        known = self._cases.get(folder)
        acknowledged = all((p / "receipt.json").exists() for _, p in revisions)
        if known and known[0] == number and known[1].acknowledged == acknowledged:
            return known[1]
        manifest = read_json(path / "manifest.json")
        if not manifest:
            return None
        case = Case(
            folder.name, number, manifest["violation"], manifest["files"], folder, acknowledged
        )
        self._cases[folder] = (number, case)
        return case

    def reviews(self, case_id: str) -> list[dict[str, Any]]:
        """Verdicts of one violation, oldest first."""
        return [r for r in _reviews(self.state / "reviews") if r.get("violation") == case_id]

    def file(self, case_id: str, name: str) -> tuple[Path, str] | None:
        """A listed evidence file and its media type; anything not listed does not exist."""
        case = self.case(case_id)
        if case is None or not FILE_PATH.match(name):
            return None
        if name not in {file["path"] for file in case.files}:
            return None
        path = case.folder / name.partition("-")[0] / name
        media = MEDIA.get(path.suffix)
        return (path, media) if media and path.is_file() else None


def _reviews(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or {} where there is none (yet)."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}

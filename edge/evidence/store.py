# SPDX-License-Identifier: AGPL-3.0-or-later
"""The evidence folder: written once, whole or not at all, verifiable for ever.

`<root>/<violation id>/r<revision>/` holds the files that this revision added and a `manifest.json`
that lists all files of the violation so far. Names begin with their revision ("r1-close-1.jpg"), so
they are unique in the violation, and `located` finds each from any of its manifests.
Order of writing: files, manifest, fsync of each, fsync of the folder, rename, fsync of the parent;
only then may the outbox row be made. A folder whose name starts with "." was never finished.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge.jsonfile import decoded
from edge.runtime import make_folder, sync_folder
from edge.values import EvidenceFile, Role, Stamp

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that waits to be sealed into a revision: bytes, or a finished file to move in."""

    role: Role
    name: str
    at: Stamp
    data: bytes | None = None
    source: Path | None = None
    masked: bool = False


class Revision:
    """One revision being written. Use as a context manager: leaving by an exception discards it.

    Raises OSError when the disk refuses; nothing is visible then.
    """

    def __init__(self, root: Path, violation_id: str, revision: int) -> None:
        self.final = root / violation_id / f"r{revision}"
        self._partial = root / violation_id / f".r{revision}.{os.getpid()}.tmp"
        self._name = f"r{revision}"
        self._done = False

    def __enter__(self) -> Revision:
        make_folder(self._partial.parent)
        # Its parents again: a daemon that starts now removes folders that are empty.
        self._partial.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._done:
            shutil.rmtree(self._partial, ignore_errors=True)

    def add(self, draft: Draft) -> EvidenceFile:
        """Write one file durably; its hash is taken from the bytes that were written."""
        name = f"{self._name}-{draft.name}"
        digest, size = _write(self._partial / name, draft)
        return EvidenceFile(draft.role, name, digest, size, draft.at, draft.masked)

    def seal(self, manifest: dict[str, Any]) -> Path:
        """Write the manifest last, then make the folder visible. Returns its final path."""
        data = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
        _write_bytes(self._partial / MANIFEST, data)
        sync_folder(self._partial)
        self._partial.rename(self.final)
        sync_folder(self.final.parent)
        sync_folder(self.final.parent.parent)
        self._done = True
        return self.final


def _write(path: Path, draft: Draft) -> tuple[str, int]:
    if draft.data is not None:
        _write_bytes(path, draft.data)
        return hashlib.sha256(draft.data).hexdigest(), len(draft.data)
    assert draft.source is not None, "a draft has bytes or a source"
    return _copy(draft.source, path)


def _write_bytes(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _copy(source: Path, path: Path) -> tuple[str, int]:
    """Copy and hash in one pass: what is hashed is what was written."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as old, path.open("xb") as new:
        while chunk := old.read(1 << 20):
            digest.update(chunk)
            size += new.write(chunk)
        new.flush()
        os.fsync(new.fileno())
    return digest.hexdigest(), size


def file_json(file: EvidenceFile) -> dict[str, Any]:
    """One file as the manifest lists it; `file_from_json` is its inverse."""
    return asdict(file)


def file_from_json(data: dict[str, Any]) -> EvidenceFile:
    """A listed file back from a manifest. Raises ValueError for another shape."""
    return msgspec.convert(data, EvidenceFile)


def located(folder: Path, name: str) -> Path:
    """Where a file listed in `folder`'s manifest lies: here, or in the revision that added it."""
    return folder.parent / name.partition("-")[0] / name


def clean(root: Path) -> int:
    """At start: delete unfinished folders of dead writers. Returns how many there were."""
    count = 0
    for partial in root.glob("*/.r*.tmp"):
        if _alive(partial.name.split(".")[-2]):
            continue
        shutil.rmtree(partial, ignore_errors=True)
        count += 1
    for folder in root.glob("*"):
        # One with something in it stays; another daemon may have begun in it just now.
        with suppress(OSError):
            folder.rmdir()
    if count:
        log.info("evidence: %d unfinished revision(s) discarded", count)
    return count


def _alive(pid: str) -> bool:
    """Whether another daemon of that process id is writing its revision right now."""
    if not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        # After a restart the number may belong to anybody.
        return b"edge" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def revisions(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every sealed revision below root, oldest revision of a violation first.

    A manifest that cannot be read is reported and skipped: verify names it.
    """
    for path in sorted(root.glob("*/r*/" + MANIFEST), key=_order):
        try:
            yield path.parent, decoded(path.read_bytes(), dict[str, Any])
        except (OSError, ValueError) as error:
            log.warning("%s: %s; run `edge evidence verify`", path, error)


def _order(path: Path) -> tuple[str, int]:
    number = path.parent.name[1:]
    return path.parent.parent.name, int(number) if number.isdigit() else 0

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Violations as the list shows them: ten thousand in memory, each read again when it changed.

Only the few fields of the list are kept (a manifest is ten kilobytes, its head a few hundred
bytes); a case that is opened is read anew, whole.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge import journal

CASE_ID = re.compile(r"^v-[0-9a-z]{6,64}$")
REVISION = re.compile(r"^r([1-9]\d{0,4})$")
# A folder that changed so lately may change again within the same tick of the file system's clock.
SETTLED_NS = 2_000_000_000
LOOK_EVERY_S = 2.0


class _Moment(msgspec.Struct):
    utc: str


class _Source(msgspec.Struct):
    id: str
    name: str | None = None
    kind: str = "fixed_camera"


class _Told(msgspec.Struct):
    category: str
    names: dict[str, str]
    source: _Source
    began: _Moment
    gate: str
    codes: dict[str, str] = {}
    priority: str = "normal"


class _File(msgspec.Struct):
    role: str
    path: str
    masked: bool = False


class _Manifest(msgspec.Struct):
    violation: _Told
    files: list[_File]


_decoder = msgspec.json.Decoder(_Manifest)


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """One violation in the list; `picture` is the file to show for it, "" if there is none."""

    id: str
    revision: int
    category: str
    names: dict[str, str]
    source: str
    source_name: str
    began: str
    gate: str
    picture: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is narrowed to; "" is everything. `since`: UTC text, `text`: part of an id."""

    category: str = ""
    camera: str = ""
    gate: str = ""
    review: str = ""
    since: str = ""
    text: str = ""

    def fits(self, head: CaseSummary, verdict: str) -> bool:
        """Whether a case passes every filter that is set. verdict: the reviewer's, "" for none."""
        return (
            self.category in ("", head.category)
            and self.camera in ("", head.source)
            and self.gate in ("", head.gate)
            and (not self.review or self.review == (verdict or "open"))
            and head.began >= self.since
            and self.text in head.id
        )


class CaseIndex:
    """The heads of all violations below `<state>/evidence`. Any thread; one looks at a time."""

    def __init__(self, state: Path) -> None:
        self._root = state / "evidence"
        self.reviews = ReviewReader(state / "reviews")
        self._lock = threading.Lock()
        self._heads: dict[str, CaseSummary] = {}
        self._sorted: tuple[CaseSummary, ...] = ()
        self._looked = -LOOK_EVERY_S
        self._words: dict[str, dict[str, str]] = {}
        self.unreadable = 0

    def heads(self) -> tuple[CaseSummary, ...]:
        """Newest first; at most two seconds old."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_EVERY_S:
                self._look()
                self._looked = time.monotonic()
            return self._sorted

    def find(self, wanted: Wanted) -> list[CaseSummary]:
        verdicts = self.reviews.latest()
        return [h for h in self.heads() if wanted.fits(h, verdicts.get(h.id, ""))]

    def after(self, case_id: str, wanted: Wanted) -> str | None:
        """The next older case that fits, else the oldest one that does; "" is before the first."""
        fitting = [head for head in self.find(wanted) if head.id != case_id]
        here = next((h for h in self.heads() if h.id == case_id), None)
        older = [h for h in fitting if here is not None and _newest(h) < _newest(here)]
        return (older or fitting[-1:])[0].id if fitting else None

    def beside(self, case_id: str) -> tuple[str | None, str | None]:
        """The ids of the next newer and the next older case."""
        ids = [head.id for head in self.heads()]
        if case_id not in ids:
            return None, None
        at = ids.index(case_id)
        return (ids[at - 1] if at else None), (ids[at + 1] if at + 1 < len(ids) else None)

    def _look(self) -> None:
        """Stat every folder, read those that changed."""
        now_ns, found, unreadable = time.time_ns(), dict[str, CaseSummary](), 0
        changed = False
        for name, stamp in _folders(self._root):
            known = self._heads.get(name)
            if known is None or known.stamp != stamp:
                # 0: looked at again next time.
                settled = stamp if now_ns - stamp > SETTLED_NS else 0
                known = self._head(name, settled)
                changed = True
            if known is None:
                unreadable += 1
            else:
                found[name] = known
        self.unreadable = unreadable
        if changed or len(found) != len(self._heads):
            self._heads = found
            self._sorted = tuple(sorted(found.values(), key=_newest, reverse=True))

    def _head(self, name: str, stamp: int) -> CaseSummary | None:
        """None for a folder whose manifest cannot be read (yet)."""
        numbers = revisions(self._root / name)
        if not numbers:
            return None
        try:
            body = (self._root / name / f"r{numbers[-1]}" / "manifest.json").read_bytes()
            told = _decoder.decode(body)
        except (OSError, msgspec.DecodeError):
            return None
        case = told.violation
        names = self._words.setdefault(case.category, case.names)
        return CaseSummary(
            id=name,
            revision=numbers[-1],
            category=case.category,
            names=names if names == case.names else case.names,
            source=case.source.id,
            source_name=case.source.name or case.source.id,
            began=case.began.utc,
            gate=case.gate,
            picture=_picture(told.files),
            stamp=stamp,
        )


def _newest(head: CaseSummary) -> tuple[str, str]:
    return head.began, head.id


def _folders(root: Path) -> Iterable[tuple[str, int]]:
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if CASE_ID.fullmatch(entry.name):
                    try:
                        yield entry.name, entry.stat(follow_symlinks=False).st_mtime_ns
                    except FileNotFoundError:
                        continue
    except FileNotFoundError:
        return


def revisions(folder: Path) -> list[int]:
    """Numbers of the finished revisions of a case, smallest first."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := REVISION.fullmatch(name)))


def _picture(files: Iterable[_File]) -> str:
    """The last overview, else the samples' plot, else any picture; never the masked copy."""
    pictures = [f for f in files if f.path.endswith((".jpg", ".png")) and not f.masked]
    for role in ("overview", "samples", "close"):
        own = [f.path for f in pictures if f.role == role]
        if own:
            return own[-1]
    return pictures[-1].path if pictures else ""


class ReviewReader:
    """Verdicts in `<state>/reviews/*.jsonl`; a file is read again when it has grown."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[tuple[str, int, int], ...] = ()
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def of(self, case_id: str) -> list[dict[str, Any]]:
        """Verdicts of one violation, oldest first."""
        self._refresh()
        return self._rows.get(case_id, [])

    def latest(self) -> dict[str, str]:
        """violation -> its last verdict."""
        self._refresh()
        return {name: str(rows[-1].get("verdict", "")) for name, rows in self._rows.items()}

    def _refresh(self) -> None:
        files = sorted(self._folder.glob("*.jsonl"))
        stamp = tuple((f.name, (s := f.stat()).st_size, s.st_mtime_ns) for f in files)
        if stamp == self._stamp:
            return
        rows: dict[str, list[dict[str, Any]]] = {}
        every = [row for path in files for row in journal.read(path)[0]]
        gone = {_words(row) for row in every if row.get("withdrawn")}
        for row in (row for row in every if _words(row) not in gone):
            rows.setdefault(str(row.get("violation")), []).append(row)
        for found in rows.values():
            found.sort(key=lambda row: str(row.get("at", "")))
        self._rows, self._stamp = rows, stamp


def _words(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a withdrawal shares with the line that it takes back (edge.learning.verdicts)."""
    return str(row.get("violation")), str(row.get("at")), str(row.get("by", ""))

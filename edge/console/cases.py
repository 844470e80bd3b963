# SPDX-License-Identifier: AGPL-3.0-or-later
"""Violations as the list shows them: ten thousand in memory, each read again when it changed.

Only the few fields of the list are kept (a manifest is ten kilobytes, its head a few hundred
bytes); a case that is opened is read anew, whole.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from edge.console.stages import CaseStages, late, progress_of
from edge.handling.life import RUNNING, CaseLife
from edge.jsonfile import decoded

CASE_ID = re.compile(r"^v-[0-9a-z]{6,64}$")
REVISION = re.compile(r"^r([1-9]\d{0,4})$")
# A folder that changed so lately may change again within the same tick of the file system's clock.
SETTLED_NS = 2_000_000_000
LOOK_EVERY_S = 2.0
WHOLE_EVERY_S, OLD_NS = 60.0, 2 * 86_400 * 10**9


class _Moment(msgspec.Struct):
    utc: str


class _Source(msgspec.Struct):
    id: str
    name: str | None = None
    kind: str = "fixed_camera"


class _Where(msgspec.Struct, frozen=True):
    lat: float | None = None
    lon: float | None = None
    grid: str | None = None
    address: str | None = None


class _ZoneTold(msgspec.Struct, frozen=True):
    zones: tuple[str, ...] = ()
    grid: str | None = None


class _FactsTold(msgspec.Struct, frozen=True):
    """What of the facts a search looks through; whatever shape they have costs no case."""

    truck_file: Any = None


class _Told(msgspec.Struct):
    category: str
    names: dict[str, str]
    source: _Source
    began: _Moment
    gate: str
    place: Any = None
    where: _Where = _Where()
    zone: _ZoneTold = _ZoneTold()
    facts: _FactsTold = _FactsTold()


class _File(msgspec.Struct):
    role: str
    path: str
    masked: bool = False


class _Manifest(msgspec.Struct):
    violation: _Told
    files: list[_File]


# Things at one place: their foot points are no further apart than this share of the picture.
SAME_PLACE = 1 / 12


@dataclass(frozen=True, slots=True)
class CaseSummary:
    """One violation in the list; `picture` is the file to show for it, "" if there is none.

    `at` is the foot point as fractions of the frame, `zones` the zones it stands in.
    """

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
    address: str = ""
    plate: str = ""
    zones: tuple[str, ...] = ()
    at: tuple[float, ...] = ()
    lat: float | None = None
    lon: float | None = None

    @property
    def words(self) -> str:
        """What a search looks through. Not kept: of ten thousand it would be two megabytes."""
        said = (self.id, self.address, self.plate, self.source_name, self.source)
        return "\n".join((*said, *self.names.values(), *self.zones)).lower()

    def equals(self, other: CaseSummary) -> bool:
        """Whether both are the same thing at the same place, as far as the picture tells."""
        here = len(self.at) == len(other.at) == 2 and self.at != (0.0, 0.0)
        return (
            here
            and (self.source, self.category) == (other.source, other.category)
            and all(abs(a - b) < SAME_PLACE for a, b in zip(self.at, other.at, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list is narrowed to; "" is everything.

    `since` and `until`: UTC text, until not included; `review` a word of `progress_of`, or open,
    confirmed, rejected, settled; `place`, `plate` and `text`: part of what is said, in small
    letters.
    """

    category: str = ""
    camera: str = ""
    gate: str = ""
    review: str = ""
    since: str = ""
    until: str = ""
    place: str = ""
    plate: str = ""
    text: str = ""

    def fits(self, head: CaseSummary, life: CaseLife, now: float, reason: str = "") -> bool:
        """Whether a case passes every filter that is set; reason: what was written of it."""
        return (
            self.category in ("", head.category)
            and self.camera in ("", head.source)
            and self.gate in ("", head.gate)
            and (not self.review or _is(self.review, life, now))
            and head.began >= self.since
            and (not self.until or head.began < self.until)
            and self.place in head.address.lower()
            and self.plate in head.plate.lower()
            and (not self.text or self.text in head.words or self.text in reason.lower())
        )


def _is(review: str, life: CaseLife, now: float) -> bool:
    """Whether a case is where the filter says."""
    groups: dict[str, bool] = {
        "open": life.state == "suspected",
        "confirmed": life.confirmed_at is not None,
        "rejected": life.state == "misdetected",
        "running": life.state in RUNNING,
        "settled": life.closed,
        "todo": life.state == "suspected" or late(life, now),
    }
    return groups.get(review, review in (life.state, life.outcome, progress_of(life, now)))


class CaseIndex:
    """The heads of all violations below `<state>/evidence`. Any thread; one looks at a time."""

    def __init__(self, state: Path) -> None:
        self._root = state / "evidence"
        self.stages = CaseStages(state)
        self._lock = threading.Lock()
        self._heads: dict[str, CaseSummary] = {}
        self._sorted: tuple[CaseSummary, ...] = ()
        self._looked, self._whole = -LOOK_EVERY_S, -WHOLE_EVERY_S
        self._words: dict[str, dict[str, str]] = {}
        self.unreadable = 0

    def heads(self) -> tuple[CaseSummary, ...]:
        """Newest first; at most two seconds old."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_EVERY_S:
                self._look()
                self._looked = time.monotonic()
            self.stages.refresh()
            return self._sorted

    def life(self, case_id: str) -> CaseLife:
        """How far a case is, without its steps."""
        return self.stages.of(case_id)

    def lives(self) -> list[CaseLife]:
        """Every case that was ever found, for the statistics."""
        self.heads()
        return self.stages.known()

    def whole(self, found: PublishedHead) -> CaseLife:
        """One case with all its steps."""
        self.heads()
        with self._lock:
            return self.stages.whole(found.id, found.data)

    def find(self, wanted: Wanted) -> list[CaseSummary]:
        """What is overdue first, then the newest."""
        now, heads, stages = time.time(), self.heads(), self.stages
        every = wanted == Wanted()
        found = [
            h
            for h in heads
            if every or wanted.fits(h, stages.of(h.id), now, stages.reason_of(h.id))
        ]
        overdue = stages.overdue(now)
        return sorted(found, key=lambda h: h.id not in overdue) if overdue else found

    def counts(self) -> tuple[int, int]:
        """(cases that nobody has judged, cases that are overdue), of those with evidence."""
        self.heads()
        held, judged = self._heads, self.stages.judged()
        overdue = [case for case in self.stages.overdue(time.time()) if case in held]
        return len(held) - sum(1 for case in judged if case in held), len(overdue)

    def after(self, case_id: str, wanted: Wanted) -> str | None:
        """What is to be done next: the cases that are overdue, the longest first, then those that
        nobody has judged, from this one to older ones and round; "" is before the first."""
        now, of = time.time(), self.stages.of
        every = [head for head in self.find(wanted) if head.id != case_id]
        overdue = sorted((h for h in every if late(of(h.id), now)), key=lambda h: _due(of(h.id)))
        here = next((h for h in self.heads() if h.id == case_id), None)
        # An overdue case that was looked at comes again in the next round only.
        passed = _due(of(case_id)) if here is not None and of(case_id).due else (0.0, "")
        waits = [h for h in overdue if _due(of(h.id)) > passed]
        if waits and (here is None or of(case_id).due):
            return waits[0].id
        unread = [head for head in every if of(head.id).state == "suspected"]
        older = [h for h in unread if here is not None and _newest(h) < _newest(here)]
        return (older or unread[-1:])[0].id if unread else None

    def equal(self, case_id: str) -> list[CaseSummary]:
        """Cases that nobody has judged, of the same thing at the same place, newest first."""
        heads = self.heads()
        here = next((h for h in heads if h.id == case_id), None)
        if here is None or self.stages.of(case_id).state != "suspected":
            return []
        return [h for h in heads
                if h.id != case_id and h.equals(here)
                and self.stages.of(h.id).state == "suspected"]  # fmt: skip

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
        # A case of the day before yesterday seldom gets a revision: those are asked once a minute.
        whole = time.monotonic() - self._whole >= WHOLE_EVERY_S
        old_ns = 0 if whole else now_ns - OLD_NS
        self._whole = time.monotonic() if whole else self._whole
        for entry in _folders(self._root):
            name = sys.intern(entry.name)
            known = self._heads.get(name)
            if known is not None and 0 < known.stamp < old_ns:
                found[name] = known
                continue
            stamp = _stamp(entry)
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
        # Plain strings: pathlib keeps every name that it meets.
        folder = f"{self._root}/{name}"
        numbers = revisions(folder)
        if not numbers:
            return None
        try:
            with open(f"{folder}/r{numbers[-1]}/manifest.json", "rb") as file:  # noqa: PTH123
                manifest = decoded(file.read(), _Manifest)
        except (OSError, ValueError):
            return None
        case = manifest.violation
        names = self._words.setdefault(case.category, case.names)
        where, plate = case.where, _plate(case.facts.truck_file)
        address = " ".join(filter(None, (where.address, case.zone.grid or where.grid)))
        source_name = case.source.name or case.source.id
        return CaseSummary(
            id=name,
            revision=numbers[-1],
            category=case.category,
            names=names if names == case.names else case.names,
            source=sys.intern(case.source.id),
            source_name=sys.intern(source_name),
            began=case.began.utc,
            gate=sys.intern(case.gate),
            picture=sys.intern(_picture(manifest.files)),
            stamp=stamp,
            address=sys.intern(address),
            plate=plate,
            zones=tuple(map(sys.intern, case.zone.zones)),
            at=_foot(case.place),
            lat=where.lat,
            lon=where.lon,
        )


def _plate(truck: Any) -> str:
    plate = truck.get("plate") if isinstance(truck, dict) else None
    return plate if isinstance(plate, str) else ""


def _foot(place: Any) -> tuple[float, ...]:
    numbers = isinstance(place, list) and all(isinstance(side, (int, float)) for side in place)
    return tuple(float(side) for side in place) if numbers else ()


class PublishedHead(Protocol):
    """A violation as its newest manifest states it."""

    @property
    def id(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...


def _due(life: CaseLife) -> tuple[float, str]:
    return life.due or 0.0, life.case


def _newest(head: CaseSummary) -> tuple[str, str]:
    return head.began, head.id


def _folders(root: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            yield from (entry for entry in entries if CASE_ID.fullmatch(entry.name))
    except FileNotFoundError:
        return


def _stamp(entry: os.DirEntry[str]) -> int:
    """When a folder changed; 0 for one that is just being deleted."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:
        return 0


def revisions(folder: str | Path) -> list[int]:
    """Numbers of the finished revisions of a case, smallest first."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - pathlib keeps every name that it meets
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

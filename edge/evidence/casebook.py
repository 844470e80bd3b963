# SPDX-License-Identifier: AGPL-3.0-or-later
"""Open cases: which finding belongs to which violation, its revisions and its files so far.

There is no second truth: what stands in the sealed manifests is read back at start. What of a
finding goes into its folder (names of pictures, the dwell history) stands here too.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from edge.config import Category
from edge.config.dated import DatedFacts
from edge.evidence.album import AlbumPicture, rebased, shot_from
from edge.evidence.pictures import Shot, gate
from edge.evidence.store import (
    MANIFEST_VERSION,
    Draft,
    Revision,
    clean,
    file_from_json,
    file_json,
    revisions,
)
from edge.values import Box, EvidenceFile, Finding, Json, Place, Stamp, Violation

log = logging.getLogger(__name__)

# Of a finding: what its manifest names already, and what the next revision does not need.
ELSEWHERE = frozenset({"key", "camera", "phase", "subject", "moments"})

Encode = Callable[[Violation], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Origin:
    """What every violation of one camera (or sensor, or flight) has in common."""

    device: str
    source: dict[str, Any]
    where: Place
    model_sha256: str | None
    config_sha256: str
    native: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class OpenCase:
    """One violation while it is open."""

    id: str
    revision: int
    finding: Finding
    files: tuple[EvidenceFile, ...]
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """A revision that is durable: what to publish and where its files lie."""

    violation: Violation
    folder: Path
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BareRevision:
    """A revision that went out without files. It has no folder, so only its row tells of it."""

    id: str
    revision: int
    phase: str
    source: str


def violation_id(device: str, finding: Finding) -> str:
    """The same for the same case however often it is made again, so a repeat is no second case."""
    began_ms = round(finding.began.wall * 1000)
    text = f"{device}\n{finding.camera}\n{finding.key}\n{finding.rule}\n{began_ms}"
    return "v-" + hashlib.sha256(text.encode()).hexdigest()[:26]


class Casebook:
    """Writes revisions for one source. One owner: evidence writer, sensord or flight job."""

    def __init__(
        self,
        root: Path,
        origin: Origin,
        categories: dict[str, Category],
        encode: Encode,
        dated: DatedFacts | None = None,
    ) -> None:
        """dated: the packs that give codes by the day of the event and are named in its facts."""
        self._root, self._origin, self._dated = root, origin, dated
        self._categories, self._encode = categories, encode
        self._open: dict[str, OpenCase] = {}
        self._settled: set[str] = set()
        # Of an earlier run, id -> the last revision that went without files.
        self._bare: dict[str, int] = {}
        root.mkdir(parents=True, exist_ok=True)

    def open_keys(self) -> set[str]:
        return set(self._open)

    def settled(self, finding: Finding) -> bool:
        """Whether an earlier run already closed this very case: a recording seen again."""
        return self._id(finding) in self._settled

    def _id(self, finding: Finding) -> str:
        return violation_id(self._origin.device, finding)

    def goes_on(self, finding: Finding) -> bool:
        """Whether the finding's case is open, be it that all of it so far went without files."""
        return finding.key in self._open or self._id(finding) in self._bare

    def case(self, key: str) -> OpenCase | None:
        return self._open.get(key)

    def write(
        self,
        finding: Finding,
        drafts: Sequence[Draft],
        shots: Sequence[Shot],
        *,
        clip_due: bool = False,
        failed: tuple[str, ...] = (),
    ) -> StoredRevision:
        """Seal the next revision of the finding's case. Raises OSError; nothing is visible then.

        failed: checks that failed before the gate could ask ("disk": pictures could not be kept).
        """
        case = self._case_for(finding)
        with Revision(self._root, case.id, case.revision) as revision:
            files = case.files + tuple(revision.add(draft) for draft in drafts)
            case = replace(case, files=files, shots=(*case.shots, *shots))
            violation = self._violation(case, clip_due, failed)
            body = self._encode(violation)
            folder = revision.seal(self._manifest(case, body))
        self._remember(case)
        return StoredRevision(violation, folder, body)

    def bare(self, finding: Finding, failed: tuple[str, ...]) -> Violation:
        """The case without any file, for when the disk refuses: published, not stored."""
        case = self._case_for(finding)
        self._remember(case)
        return self._violation(case, True, failed)

    def _case_for(self, finding: Finding) -> OpenCase:
        known = self._open.get(finding.key) or OpenCase(self._id(finding), 0, finding, (), ())
        last = max(known.revision, self._bare.get(known.id, 0))
        return replace(known, revision=last + 1, finding=finding)

    def _remember(self, case: OpenCase) -> None:
        key = case.finding.key
        if case.finding.phase != "end":
            self._open[key] = case
            return
        self._settled.add(case.id)
        self._bare.pop(case.id, None)
        # A sensor's keys repeat: the key may be another case's by now.
        if key in self._open and self._open[key].id == case.id:
            del self._open[key]

    def _violation(self, case: OpenCase, clip_due: bool, failed: tuple[str, ...]) -> Violation:
        finding, category = case.finding, self._categories[case.finding.category]
        stay_s = float(finding.facts.get("dwell_limit_s", 0.0))
        missing = failed + gate(
            case.shots,
            case.files,
            category.recipe,
            stay_s=stay_s,
            clip_due=clip_due,
            native=self._origin.native,
        )
        parent = self._open.get(finding.parent) if finding.parent else None
        return Violation(
            id=case.id,
            revision=case.revision,
            phase=finding.phase,
            category=finding.category,
            codes=self._codes(finding, category),
            names={"zh": category.zh, "en": category.en},
            source=self._origin.source,
            rule={"id": finding.rule, "kind": category.kind},
            began=finding.began,
            decided=finding.decided,
            ended=finding.ended,
            place=finding.place,
            where=self._origin.where,
            zone=finding.zone,
            facts=self._facts(finding, category),
            evidence=case.files,
            gate="incomplete" if missing else "complete",
            gate_failed=missing,
            occurrence=finding.occurrence,
            model_sha256=self._origin.model_sha256,
            config_sha256=self._origin.config_sha256,
            parent=parent.id if parent else None,
            priority=finding.priority,
        )

    def _codes(self, finding: Finding, category: Category) -> dict[str, str]:
        if self._dated is None:
            return dict(category.codes)
        return self._dated.codes(category, finding.began.wall)

    def _facts(self, finding: Finding, category: Category) -> dict[str, Json]:
        """What was found, and the packs in force when it began."""
        if self._dated is None:
            return finding.facts
        standard = str(finding.facts.get("standard") or "")
        packs = self._dated.named(category, finding.began.wall, standard)
        return {**finding.facts, "packs": packs}

    def _manifest(self, case: OpenCase, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "manifest": MANIFEST_VERSION,
            "id": case.id,
            "revision": case.revision,
            "device": self._origin.device,
            "camera": case.finding.camera,
            "key": case.finding.key,
            "phase": case.finding.phase,
            "violation": body,
            "files": [file_json(f) for f in case.files],
            "shots": [asdict(s) for s in case.shots],
            "finding": _finding_json(case.finding),
        }

    def recover(
        self, now: Stamp, bare: Iterable[BareRevision] = ()
    ) -> list[tuple[Path, dict[str, Any]]]:
        """At start: discard unfinished folders, reopen this source's cases; `bare`: the revisions
        that have no folder.

        Returns every sealed revision of this source (folder, manifest), for the caller to put
        those again that have neither outbox row nor receipt. One of another shape is passed over.
        """
        clean(self._root)
        found = []
        latest: dict[str, OpenCase] = {}
        for folder, manifest in revisions(self._root):
            if manifest.get("camera") != self._origin.source.get("id"):
                continue
            try:
                case = _case_from(manifest, now)
            except (KeyError, TypeError, ValueError) as error:
                log.warning("%s: %s; run `edge evidence verify`", folder, error)
                continue
            latest[case.id] = case
            found.append((folder, manifest))
        # Of two open cases of one key the later one is the one that its judge means.
        for case in sorted(latest.values(), key=_began_wall):
            self._remember(case)
        for revision in bare:
            if revision.source == self._origin.source.get("id"):
                self._remember_bare(revision)
        return found

    def _remember_bare(self, bare: BareRevision) -> None:
        if bare.phase == "end":
            self._settled.add(bare.id)
            self._open = {key: case for key, case in self._open.items() if case.id != bare.id}
        if bare.id in self._settled:
            self._bare.pop(bare.id, None)
        else:
            self._bare[bare.id] = max(bare.revision, self._bare.get(bare.id, 0))


def _began_wall(case: OpenCase) -> float:
    return case.finding.began.wall


def _finding_json(finding: Finding) -> dict[str, Any]:
    """What the next revision needs after a restart, beside what the manifest names anyway."""
    row = asdict(replace(finding, subject=None))
    return {name: value for name, value in row.items() if name not in ELSEWHERE}


def _case_from(manifest: dict[str, Any], now: Stamp) -> OpenCase:
    shots = tuple(shot_from(row, now) for row in manifest["shots"])
    files = tuple(file_from_json(row) for row in manifest["files"])
    finding = finding_from(manifest["finding"], manifest, now)
    return OpenCase(manifest["id"], manifest["revision"], finding, files, shots)


def finding_from(row: dict[str, Any], manifest: dict[str, Any], now: Stamp) -> Finding:
    """A finding as stored, its instants on this boot's clock. Raises ValueError for another shape
    and KeyError for a manifest that does not name the finding."""
    named = {name: manifest[name] for name in ("key", "camera", "phase")}
    found = msgspec.convert({**row, **named, "subject": None}, Finding)
    ended = rebased(found.ended, now) if found.ended else None
    began, decided = rebased(found.began, now), rebased(found.decided, now)
    return replace(found, began=began, decided=decided, ended=ended)


def what_stands(finding: Finding) -> Box:
    """What is to be seen now: the matter that a truck left, or the subject itself."""
    heap = finding.facts.get("heap_box")
    if heap is None:
        return finding.box
    x1, y1, x2, y2 = heap
    return (x1, y1, x2, y2)


def named(pictures: Sequence[AlbumPicture]) -> list[Draft]:
    """overview-1.jpg, overview-2.jpg, ... in the order of time; names are unique per folder."""
    counts: dict[str, int] = {}
    drafts = []
    for picture in sorted(pictures, key=lambda p: p.shot.at.mono):
        role = picture.shot.role
        counts[role] = counts.get(role, 0) + 1
        name = f"{role}-{counts[role]}.jpg"
        drafts.append(Draft(role, name, picture.shot.at, source=picture.path))
    return drafts


def track_json(finding: Finding) -> bytes:
    """The subject's way as a file of the evidence: times as wall seconds, boxes as fractions."""
    subject = finding.subject
    shift = finding.decided.wall - finding.decided.mono
    body = {
        "key": finding.key,
        "began": finding.began.wall,
        "decided": finding.decided.wall,
        "box": list(finding.box),
        "label": subject.label if subject else None,
        "score": round(subject.score, 3) if subject else None,
        "path": [[round(t + shift, 3), round(x, 4), round(y, 4)] for t, x, y in subject.path]
        if subject
        else [],
        "facts": finding.facts,
    }
    return json.dumps(body, ensure_ascii=False, indent=1).encode()

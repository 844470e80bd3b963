# SPDX-License-Identifier: AGPL-3.0-or-later
"""The evidence writer of one camera: judgements in, sealed and published revisions out.

Live it runs in a thread of its own, so that a slow card never holds up judging; for a recording it
is called in step. It is the only owner of the camera's album, casebook and clip requests.
"""

from __future__ import annotations

import logging
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from edge.config import Camera, Category
from edge.evidence.album import JPEG_QUALITY, Album, RecentFrames, jpeg
from edge.evidence.casebook import Casebook, StoredRevision, named, track_json, what_stands
from edge.evidence.pictures import crop, public_copy, with_strip, with_ticks
from edge.evidence.store import Draft
from edge.geometry import iou
from edge.ipc import write_answer
from edge.outbox import ladder
from edge.pipeline.recheck import (
    SAME_PLACE_IOU,
    Clue,
    RecheckRequest,
    clue_finding,
    standing_on,
    still_there,
)
from edge.rules.judge import with_file
from edge.runtime import write_atomic
from edge.values import Box, Finding, Frame, Image, Json, Judgement, Stamp, Track, Violation

log = logging.getLogger(__name__)

# JPEG quality while the disk is nearly full: half the bytes, still legible.
SMALL = 60
# The rule kind whose findings are questions to the muck-truck file until it answers.

# What the facts of a case say of a clip that is not as the camera sent it.
MASKED_CLIP: dict[str, Json] = {"made": "encoded again", "masked": True}


class ClipCutter(Protocol):
    """Whatever can cut a clip: a packet ring, or the recording itself."""

    def write_clip(
        self, path: Path, start_mono: float, end_mono: float
    ) -> tuple[float, float] | None: ...


class ExamineCloseUp(Protocol):
    """Runs the detector once more on a close-up: {"label", "score"} of the best hit, or None."""

    def __call__(self, image: Image, classes: Sequence[str]) -> dict[str, Any] | None: ...


class TruckQuery(Protocol):
    """Asks the muck-truck file about a truck; None: nothing is to be published of it."""

    def answer(
        self, finding: Finding, image: Image, box: Box, *, asked: bool
    ) -> Finding | None: ...


@dataclass(frozen=True, slots=True)
class EvidenceOutputs:
    """Where finished work goes: a sealed revision, or a bare violation when the disk refused."""

    sealed: Callable[[StoredRevision], None]
    bare: Callable[[Violation], None]
    trouble: Callable[[str, str], None]
    healed: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _ClipDue:
    due_mono: float
    start_mono: float
    end_mono: float


class EvidenceWriter:
    """See the module. `clips` None: this camera gives none."""

    def __init__(
        self,
        camera: Camera,
        *,
        album: Album,
        book: Casebook,
        categories: Mapping[str, Category],
        outputs: EvidenceOutputs,
        clips: ClipCutter | None,
        examine: ExamineCloseUp | None = None,
        samples: Callable[[Finding], Draft | None] | None = None,
        step: Callable[[], int] | None = None,
        truck_lookup: TruckQuery | None = None,
    ) -> None:
        self._camera, self._album, self._book = camera, album, book
        self._categories, self._outputs = categories, outputs
        self._clips = clips
        self._masked = any(zone.kind == "mask" for zone in camera.zones)
        self._examine, self._samples = examine, samples
        self._step = step or (lambda: 0)
        self._truck_lookup = truck_lookup
        self._clip_due: dict[str, _ClipDue] = {}
        # Cases of tips: a second tip of the same thing is the same case.
        self._looked_at: deque[tuple[Finding, str]] = deque(maxlen=50)
        self._history = RecentFrames() if self._needs_history() else None

    def _needs_history(self) -> bool:
        wanted = {rule.category for rule in self._camera.rules}
        return any(self._categories[name].recipe.before_after for name in wanted)

    def handle(self, frame: Frame, judgement: Judgement, tracks: Sequence[Track] = ()) -> None:
        """Everything one look asks for; findings first, so that no picture delays them."""
        self._album.quality = SMALL if self._step() >= ladder.SMALL_PICTURES else JPEG_QUALITY
        if self._history:
            self._history.look(frame)
        for finding in judgement.findings:
            self._finding(frame, finding, tracks)
        self._candidates(frame, judgement)
        for key, wanted in list(self._clip_due.items()):
            if frame.at.mono >= wanted.due_mono:
                self._clip_revision(key, frame.at)

    def without_pictures(self, finding: Finding) -> None:
        """A finding that came too fast for the disk: published, marked incomplete."""
        if self._asked(finding):
            log.warning("%s: no time to read its plate; nothing is reported of it", finding.key)
            return
        self._outputs.bare(self._book.bare(finding, ("disk",)))

    def recheck(
        self, asked: RecheckRequest, frame: Frame, tracks: Sequence[Track], blind: str | None = None
    ) -> None:
        """Answers a recheck. Of one place: whether something stands there; else every open case
        gets the picture of now as one more revision. `blind`: why the camera sees nothing."""
        into = asked.into
        try:
            into.mkdir(parents=True, exist_ok=True)
            image = with_strip(frame.image, self._album.caption(frame.at, ""))
            write_atomic(into / "after-1.jpg", jpeg(image, self._album.quality))
            if asked.clue is not None:
                self._clue(asked, asked.clue, frame, tracks, blind)
                return
            if asked.box is not None:
                there = still_there(asked.box, asked.classes, tracks)
                write_answer(into, True, still_there=there, blind=blind, at=frame.at.wall)
                return
            cases = [self._rechecked(key, frame, tracks) for key in sorted(self._book.open_keys())]
            said = [
                f"{one['id']} {'stands' if one['still_there'] else 'not seen'}" for one in cases
            ]
            write_answer(into, True, cases=cases, reason="; ".join(said) or "no open case")
        except OSError as error:
            self._outputs.trouble("disk", f"recheck: {error}")
            write_answer(into, False, reason=f"disk: {error.strerror or error}")

    def _clue(
        self,
        asked: RecheckRequest,
        clue: Clue,
        frame: Frame,
        tracks: Sequence[Track],
        blind: str | None,
    ) -> None:
        """A tip is answered with a case, new or open already, or with a note why there is none."""
        assert asked.box is not None, "a tip has a place"
        seen = standing_on(asked.box, asked.classes, tracks)
        why = ""
        if blind is not None:
            why = f"the camera cannot see now: {blind}"
        elif seen is None:
            why = "nothing of this category is seen there"
        elif asked.zone is not None and asked.zone.allowed:
            why = f"allowed there now: {asked.zone.reason}"
        case = None if why or seen is None else self._case_of(asked, clue, seen, frame, tracks)
        data: dict[str, Json] = {"answer": "note", "camera": self._camera.id, "by": clue.by}
        if case is not None:
            data |= {"answer": "case", "violation": case}
            why = f"case {case}"
        write_answer(asked.into, True, reason=why or "no case: see the log", data=data)

    def _case_of(
        self, asked: RecheckRequest, clue: Clue, seen: Track, frame: Frame, tracks: Sequence[Track]
    ) -> str | None:
        """The id of the open case of this thing, which gets the picture of now, or of a new one."""
        for key in sorted(self._book.open_keys()):
            known = self._book.case(key)
            if known is None or known.finding.category != clue.category:
                continue
            if iou(what_stands(known.finding), seen.box) >= SAME_PLACE_IOU:
                return str(self._rechecked(key, frame, tracks)["id"])
        finding = clue_finding(asked, clue, seen, frame.at, self._camera.id)
        category = self._categories[clue.category]
        for earlier, case_id in self._looked_at:
            same = (
                earlier.category == clue.category and iou(earlier.box, seen.box) >= SAME_PLACE_IOU
            )
            if same and frame.at.mono - earlier.decided.mono <= category.reopen_s:
                return case_id
        finding = replace(finding, facts={**finding.facts, "deadline_h": category.deadline_h})
        self._finding(frame, finding, tracks)
        made = self._book.case(finding.key)
        if made is None:
            return None
        # One look tells no end: the case is closed here without one, and lives on as a case.
        facts = {**made.finding.facts, "ended_because": "one look"}
        self._finding(frame, replace(made.finding, phase="end", facts=facts), tracks)
        self._looked_at.append((made.finding, made.id))
        return made.id

    def _rechecked(self, key: str, frame: Frame, tracks: Sequence[Track]) -> dict[str, Any]:
        case = self._book.case(key)
        assert case is not None, "an open case"
        classes = self._categories[case.finding.category]
        there = still_there(
            what_stands(case.finding), (*classes.classes, *classes.with_classes), tracks
        )
        facts = {**case.finding.facts, "recheck": {"at": frame.at.wall, "still_there": there}}
        finding = replace(case.finding, phase="update", facts=facts)
        self._take(finding, "after", frame.at, frame.image, None)
        pictures = self._album.pictures(key)
        clip_due = self._clips is None or key not in self._clip_due
        sealed = self._book.write(
            finding, named(pictures), [p.shot for p in pictures], clip_due=clip_due
        )
        self._outputs.sealed(sealed)
        self._album.drop(key)
        row = {"id": case.id, "category": finding.category, "still_there": there}
        return {**row, "began": finding.began.wall}

    def finish(self, at: Stamp) -> None:
        """The recording is over, or the daemon stops: cut what clips can still be cut."""
        for key in list(self._clip_due):
            self._clip_revision(key, at)

    def _candidates(self, frame: Frame, judgement: Judgement) -> None:
        taken = False
        try:
            for candidate in judgement.candidates:
                recipe = self._categories[candidate.category].recipe
                taken |= self._album.look(frame, candidate, recipe)
            keys = {c.key for c in judgement.candidates} | self._book.open_keys()
            self._album.keep_only(keys)
        except OSError as error:
            self._outputs.trouble("disk", f"provisional pictures: {error}")
        else:
            if taken:
                self._outputs.healed("disk")

    def _finding(self, frame: Frame, found: Finding, tracks: Sequence[Track]) -> None:
        finding = self._answered(frame, found)
        if finding is None:
            return
        if self._book.settled(finding):
            log.debug("%s was already closed by an earlier run", finding.key)
            return
        if finding.phase != "new" and not self._book.goes_on(finding):
            log.warning("%s: %s of a case that is not open; left out", finding.key, finding.phase)
            return
        if self._step() >= ladder.METADATA_ONLY:
            self._outputs.bare(self._book.bare(finding, ("disk",)))
            return
        try:
            sealed = self._seal(frame, finding, tracks)
        except OSError as error:
            self._outputs.trouble("disk", f"evidence of {finding.key}: {error}")
            self._outputs.bare(self._book.bare(finding, ("disk",)))
        else:
            self._outputs.healed("disk")
            self._outputs.sealed(sealed)
            self._album.drop(finding.key)

    def _asked(self, finding: Finding) -> bool:
        return with_file(self._categories[finding.category])

    def _answered(self, frame: Frame, finding: Finding) -> Finding | None:
        """With what the muck-truck file says of the truck; None where nothing is published."""
        if self._truck_lookup is None or not self._categories[finding.category].recipe.plate:
            return finding
        asked = self._asked(finding)
        if finding.phase == "new":
            past = self._plate_moment(finding)
            image = frame.image if past is None else past
            return self._truck_lookup.answer(finding, image, finding.box, asked=asked)
        case = self._book.case(finding.key)
        if case is None:
            return None if asked else finding
        truck = case.finding.facts.get("truck_file")
        return replace(
            finding,
            facts={**finding.facts, "truck_file": truck} if truck else finding.facts,
            priority=case.finding.priority,
        )

    def _plate_moment(self, finding: Finding) -> Image | None:
        """The kept picture of the instant at which the rule saw the truck best."""
        at = next((mono for role, mono in finding.moments if role == "plate"), None)
        past = self._history.nearest(at) if self._history and at is not None else None
        return past[1] if past else None

    def _seal(self, frame: Frame, finding: Finding, tracks: Sequence[Track]) -> StoredRevision:
        recipe = self._categories[finding.category].recipe
        self._moments(frame, finding)
        drafts: list[Draft] = []
        if finding.phase == "new":
            finding = self._close_up(frame, finding)
            drafts += [self._public(frame, finding, tracks), *self._records(finding)]
            if recipe.clip and self._clips and self._step() < ladder.NO_CLIPS:
                self._ask_clip(finding)
        pictures = self._album.pictures(finding.key)
        drafts += named(pictures)
        due = self._clips is None
        with tempfile.TemporaryDirectory(prefix="edge-clip-") as folder:
            if finding.phase == "end" and finding.key in self._clip_due:
                due = True
                drafts += self._cut(finding.key, frame.at, Path(folder))
            shots = [p.shot for p in pictures]
            return self._book.write(finding, drafts, shots, clip_due=due)

    def _moments(self, frame: Frame, finding: Finding) -> None:
        """The picture of now, and those of instants that only the rule could name afterwards."""
        role = "after" if finding.phase == "end" else "overview"
        asked = dict.fromkeys(r for r, _ in finding.moments)
        for moment_role, mono in finding.moments:
            if moment_role == "clip":
                continue
            past = self._history.nearest(mono) if self._history else None
            at, image = past or (frame.at, frame.image)
            if self._has(finding.key, moment_role, at):
                continue
            box = finding.box if moment_role in ("close", "plate") else None
            self._take(finding, moment_role, at, image, box)
        if role not in asked:
            self._take(finding, role, frame.at, frame.image, what_stands(finding))

    def _has(self, key: str, role: Any, at: Stamp) -> bool:
        """Whether this instant was pictured already while the candidate was looked at."""
        shots = [p.shot for p in self._album.pictures(key)]
        return any(s.role == role and abs(s.at.mono - at.mono) < 0.05 for s in shots)

    def _take(self, finding: Finding, role: Any, at: Stamp, image: Image, box: Box | None) -> None:
        self._album.take(finding.key, role, at, image, box, finding.category)

    def _close_up(self, frame: Frame, finding: Finding) -> Finding:
        """A close-up in any case, and the detector's word on it."""
        category = self._categories[finding.category]
        if not category.recipe.close:
            return finding
        roles = {p.shot.role for p in self._album.pictures(finding.key)}
        if "close" not in roles:
            self._take(finding, "close", frame.at, frame.image, what_stands(finding))
        if category.recipe.plate and "plate" not in roles:
            self._take(finding, "plate", frame.at, frame.image, finding.box)
        if self._examine is None:
            return finding
        seen = self._examine(crop(frame.image, finding.box, margin=0.5), category.classes)
        return replace(finding, facts={**finding.facts, "close_check": seen})

    def _public(self, frame: Frame, finding: Finding, tracks: Sequence[Track]) -> Draft:
        box = what_stands(finding)
        image = with_ticks(public_copy(frame.image, tracks, box), box)
        lines = self._album.caption(frame.at, finding.category)
        data = jpeg(with_strip(image, lines), self._album.quality)
        return Draft("overview", "public-1.jpg", frame.at, data=data, masked=True)

    def _records(self, finding: Finding) -> list[Draft]:
        """The dwell history as JSON, and the sensor window where there is one."""
        drafts = [Draft("track", "track.json", finding.decided, data=track_json(finding))]
        extra = self._samples(finding) if self._samples else None
        return [*drafts, extra] if extra else drafts

    def _ask_clip(self, finding: Finding) -> None:
        moments = [mono for role, mono in finding.moments if role == "clip"]
        middle = moments[0] if moments else finding.decided.mono
        end = max(finding.decided.mono, middle) + self._camera.clip_after_s
        start = middle - self._camera.clip_before_s
        self._clip_due[finding.key] = _ClipDue(end + 1.0, start, end)

    def _clip_revision(self, key: str, at: Stamp) -> None:
        case = self._book.case(key)
        if case is None:
            self._clip_due.pop(key, None)
            return
        try:
            with tempfile.TemporaryDirectory(prefix="edge-clip-") as folder:
                drafts = self._cut(key, at, Path(folder))
                finding = replace(case.finding, phase="update")
                if drafts and self._masked:
                    finding = replace(finding, facts={**finding.facts, "clip": MASKED_CLIP})
                sealed = self._book.write(finding, drafts, (), clip_due=True)
        except OSError as error:
            self._clip_due.pop(key, None)
            self._outputs.trouble("disk", f"clip of {key}: {error}")
        else:
            self._outputs.sealed(sealed)

    def _cut(self, key: str, at: Stamp, folder: Path) -> list[Draft]:
        wanted = self._clip_due.pop(key)
        assert self._clips is not None, "a clip was asked for where there is no source"
        path = folder / "clip.mp4"
        span = self._clips.write_clip(path, wanted.start_mono, wanted.end_mono)
        if span is None:
            log.warning("%s: no clip: its pictures had left the ring", key)
            return []
        start = replace(at, mono=span[0], wall=at.wall - (at.mono - span[0]))
        return [Draft("clip", "clip.mp4", start, source=path, masked=self._masked)]

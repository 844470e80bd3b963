# SPDX-License-Identifier: AGPL-3.0-or-later
"""One camera's thinking: mask, gate, detector, tracker, judge. Owned by one thread at a time.

Where no pixel of what stands there, around it or elsewhere has changed, the detector is spared and
its tracks are carried (edge.vision.gate says for how long).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edge.config import Camera
from edge.evidence.pictures import blackened
from edge.geometry import iou_matrix
from edge.learning.opinion import Opinion, features_of
from edge.pipeline.recheck import RecheckRequest, standing_on
from edge.rules.judge import Judge
from edge.values import (
    Box,
    Detections,
    Finding,
    Frame,
    Image,
    Json,
    Judgement,
    Sample,
    Scene,
    Stamp,
    Track,
)
from edge.vision.arrival import Expected
from edge.vision.gate import CAME, FAINT_S, STOOD, GateDecision, MotionGate, refresh_s
from edge.vision.model import Model
from edge.vision.tracker import LATELY_S, Tracker, came, moving
from edge.vision.traits import TraitModel

# The second stage of the tracker keeps a known object alive on boxes this weak.
WEAK = 0.1
# What was seen once and not again is told once in so long at a place; boxes that overlap so much
# are one place.
TOLD_S, SAME_PLACE = 60.0, 0.3
# Without a gate nobody knows what stands still.
NO_GATE = GateDecision(True, "alive")


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one look at one frame came to. `detected` is false where the gate spared the model.

    stirs: something moves or changes, as far as pixels tell; moves: an object that is followed
    does; came: or one was seen for the first time; searching: something held was not seen.
    look_s: the longest that may pass until the next look, as the rules stand now. need_s: how far
    apart looks may be for the rules to tell the same; 0 while the gate spares the detector, for it
    needs every picture that is due.
    """

    frame: Frame
    tracks: tuple[Track, ...]
    judgement: Judgement
    detected: bool
    found: Detections | None = None
    # The rechecks that this look answers, and why nothing could be seen on it, if so.
    rechecks: tuple[RecheckRequest, ...] = ()
    blind: str | None = None
    stirs: bool = True
    moves: bool = True
    came: bool = True
    searching: bool = True
    look_s: float = FAINT_S
    need_s: float = 0.0


class Analyzer:
    """See the module. `samples` gives the latest readings of the sensors bound to the camera."""

    def __init__(
        self,
        camera: Camera,
        model: Model,
        judge: Judge,
        *,
        samples: Callable[[Stamp], tuple[Sample, ...]] | None = None,
        traits: TraitModel | None = None,
        adviser: Adviser | None = None,
    ) -> None:
        self.camera, self._adviser = camera, adviser
        self._model, self._judge = model, judge
        self._samples = samples or (lambda _: ())
        self._traits = traits
        self._tracker: Tracker | None = None
        self._gate = MotionGate() if camera.gate else None
        self._masks = tuple(zone.polygon for zone in camera.zones if zone.kind == "mask")
        self.faint, self.brief = judge.faint, judge.brief
        self._tracks: tuple[Track, ...] = ()
        self._moves = False
        # What may have come was told of lately: when, and where.
        self._told: list[tuple[float, Box]] = []
        self.looks = 0
        self.detections = 0

    def analyze(self, frame: Frame, *, always: bool = False) -> Analysis:
        """Judge one frame. Frames must come in the order of time. always: the gate spares nothing
        this time."""
        if self._masks:
            frame = replace(frame, image=blackened(frame.image, self._masks))
        self.looks += 1
        gate = self._asked(frame)
        detected = always or gate.open
        aspect = frame.image.shape[1] / frame.image.shape[0]
        found = self._detect(frame) if detected else None
        self._tracks = self._carried(frame) if found is None else self._track(frame, found, aspect)
        self._moves, has_come = self._news(gate, frame.at.mono)
        scene = Scene(
            camera=frame.camera,
            at=frame.at,
            tracks=self._tracks,
            aspect=aspect,
            image=frame.image,
            samples=self._samples(frame.at),
        )
        judgement = self._advised(self._judge.step(scene), frame.image)
        return Analysis(
            frame,
            self._tracks,
            judgement,
            detected,
            found,
            stirs=gate.stirs,
            moves=self._moves,
            came=has_come,
            searching=self._judge.searching,
            look_s=self._look_s,
            need_s=0.0 if gate.reason in ("forced", "quiet") else self._judge.need_s,
        )

    def _news(self, gate: GateDecision, now_s: float) -> tuple[bool, bool]:
        """Whether a track moves, and whether one came, or what may become one. A detector wavers
        where a light or a pole moves: what stood where it is now did neither. While something is
        known to move already and the picture stirs, nobody asks."""
        most = STOOD if gate.stirs else CAME
        if self._gate is None or (gate.stirs and self._moves):
            said: Sequence[Track] = self._tracks
        else:
            said = self._not_stood(now_s, most)
        has_come = came(said, now_s)
        if has_come:
            # It was no false alarm, so the next one at that place is none either.
            self._told = [one for one in self._told if now_s - one[0] > LATELY_S]
        doubted = not self._moves and self._may_have_come(now_s, most)
        return moving(said, now_s), has_come or doubted

    def _not_stood(self, now_s: float, most: float) -> list[Track]:
        """Of the tracks that are said to have come or moved, those that pixels do not deny."""
        assert self._gate is not None
        said = [one for one in self._tracks if moving([one], now_s) or came([one], now_s)]
        stood = self._gate.stood([one.box for one in said], most) if said else []
        return [one for one, still in zip(said, stood, strict=True) if not still]

    def _may_have_come(self, now_s: float, most: float) -> bool:
        """Whether the look saw, for the first time, what pixels say has come too. Seen once it is
        no track, and where looks are key pictures whatever moves is seen once at each place. Each
        place tells so once in TOLD_S."""
        if self._gate is None or self._tracker is None or not self._tracker.doubted:
            return False
        self._told = [one for one in self._told if now_s - one[0] < TOLD_S]
        boxes = self._tracker.doubted
        if self._told:
            known = iou_matrix(np.array(boxes), np.array([box for _, box in self._told])).max(
                axis=1
            )
            boxes = tuple(b for b, iou in zip(boxes, known, strict=True) if iou < SAME_PLACE)
        stood = self._gate.stood(boxes, most) if boxes else []
        new = [box for box, still in zip(boxes, stood, strict=True) if not still]
        self._told += [(now_s, box) for box in new]
        return bool(new)

    @property
    def _look_s(self) -> float:
        return refresh_s(faint=self.faint, clock=self._judge.busy)

    @property
    def _settled(self) -> bool:
        """Whether what the last look said would be said again of the same picture."""
        return (self._tracker is None or self._tracker.settled) and not self._judge.searching

    def _asked(self, frame: Frame) -> GateDecision:
        """What the gate says of the picture."""
        if self._gate is None:
            return NO_GATE
        return self._gate.look(
            frame.image,
            frame.at.mono,
            alive=not self._settled,
            standing=self._tracker.standing if self._tracker else (),
            forced_s=self._look_s,
            teaches=not self._moves,
        )

    def _carried(self, frame: Frame) -> tuple[Track, ...]:
        """The tracks where they were, with the traits that they had."""
        if self._tracker is None:
            return ()
        traits = {track.id: track.traits for track in self._tracks}
        return tuple(
            replace(track, traits=traits.get(track.id, ())) if traits.get(track.id) else track
            for track in self._tracker.carry(frame.at)
        )

    def _advised(self, judgement: Judgement, image: Image) -> Judgement:
        """With what the camera's own verdicts say of its findings."""
        if self._adviser is None or not judgement.findings:
            return judgement
        advised = tuple(self._adviser.advise(finding, image) for finding in judgement.findings)
        return replace(judgement, findings=advised)

    def _detect(self, frame: Frame) -> Detections:
        self.detections += 1
        if self._gate is not None:
            self._gate.detected()
        return self._model.detect(frame.image, min_score=WEAK, tile=self.camera.tile)

    def _track(self, frame: Frame, found: Detections, aspect: float) -> tuple[Track, ...]:
        if self._tracker is None:
            strong, own = self.camera.min_score, self._judge.starts
            self._tracker = Tracker(strong=strong, strong_of=own, weak=WEAK, aspect=aspect)
        tracks = self._tracker.update(found, frame.at, frame.image)
        return self._traits.judged(frame.image, tracks) if self._traits else tracks

    def expected(self, at: Stamp) -> Expected:
        """Where what is followed is at a look, as far as is known, and how it moves."""
        if self._tracker is None:
            return Expected.nothing(at.mono)
        return Expected(at.mono, *self._tracker.expected)

    def finish(self, at: Stamp) -> Judgement:
        return self._judge.finish(at)

    def with_zone(self, asked: RecheckRequest, at: Stamp) -> RecheckRequest:
        """A tip with what the zones say of what stands at its place."""
        if asked.clue is None or asked.box is None:
            return asked
        seen = standing_on(asked.box, asked.classes, self._tracks)
        if seen is None:
            return asked
        return replace(asked, zone=self._judge.zone_at(asked.clue.category, seen.box, at))

    def misdetected(self, keys: Iterable[str]) -> None:
        """Findings of this camera that reviewers took for misdetections, by key."""
        self._judge.misdetected(keys)

    def not_reminded(self, key: str) -> None:
        """The hook of a prompt failed; see the judge."""
        self._judge.not_reminded(key)

    def snapshot(self) -> Any:
        """The judge's memory as JSON, for a checkpoint."""
        return self._judge.snapshot()

    def restore(self, memory: Any, now: Stamp) -> None:
        self._judge.restore(memory, now)

    def interrupted(self, cases: Iterable[Finding]) -> list[Finding]:
        """The ends of open cases that the judge does not go on with after a restart."""
        return self._judge.interrupted(cases)

    def restore_opinions(self, cases: Iterable[Finding]) -> None:
        """What was said of open cases before a restart is said on."""
        if self._adviser is not None:
            self._adviser.restore(cases)

    def examine(self, image: Image, classes: Sequence[str]) -> dict[str, Any] | None:
        """The detector's word on a close-up: the best hit of these classes, or None."""
        found = self._model.detect(image, min_score=0.1)
        hits = [
            (float(score), found.names[label])
            for score, label in zip(found.scores, found.labels, strict=True)
            if found.names[label] in classes
        ]
        if not hits:
            return None
        score, name = max(hits)
        return {"label": name, "score": round(score, 3)}


class Adviser:
    """What one camera's opinions say of its findings. One owner: the thread that looks.

    A case that is doubted becomes a lead and stays one to its end; nothing is ever raised."""

    def __init__(self, opinions: Mapping[str, Opinion]) -> None:
        """opinions: by category; those that do not speak are left out."""
        self._opinions = {name: one for name, one in opinions.items() if one.speaks}
        self._said: dict[str, dict[str, Json]] = {}

    def restore(self, cases: Iterable[Finding]) -> None:
        """What was said of cases that a restart found open."""
        for case in cases:
            said = case.facts.get("second_opinion")
            if isinstance(said, dict) and "says" in said:
                self._said[case.key] = said

    def advise(self, finding: Finding, image: Image) -> Finding:
        """The finding with the fact `second_opinion` where there is one."""
        said = self._said.get(finding.key)
        if said is None:
            opinion = self._opinions.get(finding.category)
            if opinion is None or finding.phase != "new":
                return finding
            said = self._said[finding.key] = _said(opinion, finding, image)
        if finding.phase == "end":
            del self._said[finding.key]
        facts = {**finding.facts, "second_opinion": said}
        judged = replace(finding, facts=facts)
        return replace(judged, priority="lead") if said["says"] == "doubts" else judged


def _said(opinion: Opinion, finding: Finding, image: Image) -> dict[str, Json]:
    features = features_of(image, finding.box, finding.box)
    return {
        "says": "doubts" if opinion.doubts(features) else "agrees",
        "score": round(opinion.score(features), 3),
        "limit": round(opinion.limit, 3),
        "taught_with": [opinion.right, opinion.false],
        "kept": round(opinion.kept, 3),
        "removed": round(opinion.removed, 3),
        "sha256": opinion.sha256,
    }

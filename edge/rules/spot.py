# SPDX-License-Identifier: AGPL-3.0-or-later
"""One place where something stands: its clock, its looks, whose it is, which track is there.

A spot is mutable and has one owner, the rule. The patches say whether the place looks as it did
while the object stood there; `assign` and `new_spot` match tracks with places. `OldHeaps` knows
the places of matter that are spots no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edge.geometry import distance, iou, size_of, within
from edge.hold import Hold, Terms
from edge.rules.snapshots import (
    CountsRow,
    HeapRow,
    LawfulRow,
    SizeRow,
    SpotSnapshot,
    StampRow,
    State,
    ZoneRow,
)
from edge.rules.view import SceneView
from edge.rules.zones import OUTSIDE, ZoneVerdict, at_mono
from edge.values import Box, Image, Json, Point, Stamp, Track

SIDE = 12
# Grey levels: below this spread a patch is fog, glare or night and says nothing.
FLAT = 3.0
# Likeness of two patches, -1..1: from SAME up the place looks as it did, below CHANGED it does
# not; between them nothing is known.
SAME = 0.75
CHANGED = 0.4
OLD_S, OLD_MOST = 7200.0, 200

Patch = NDArray[np.float32]


def patch_of(image: Image, box: Box) -> Patch | None:
    """float32 (SIDE * SIDE,), mean 0 and length 1, so that brighter or darker light is the same.

    None where the box holds too few pixels or no structure.
    """
    height, width = image.shape[:2]
    x1, x2 = (int(np.clip(v, 0.0, 1.0) * width) for v in (box[0], box[2]))
    y1, y2 = (int(np.clip(v, 0.0, 1.0) * height) for v in (box[1], box[3]))
    if x2 - x1 < SIDE // 2 or y2 - y1 < SIDE // 2:
        return None
    # Every third pixel of a large crop is plenty for a 12 x 12 mean.
    stride = max(1, min(x2 - x1, y2 - y1) // (SIDE * 4))
    crop = np.ascontiguousarray(image[y1:y2:stride, x1:x2:stride])
    small = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = small.astype(np.float32).mean(axis=2) if small.ndim == 3 else small.astype(np.float32)
    grey -= grey.mean()
    if float(grey.std()) < FLAT:
        return None
    result: Patch = (grey / np.linalg.norm(grey)).ravel()
    return result


def alike(a: Patch, b: Patch) -> float:
    """Correlation of two patches, -1..1."""
    return float(np.dot(a, b))


def blended(old: Patch, new: Patch, share: float) -> Patch:
    """A slow average that stays of length 1: the light of the day changes, the object does not."""
    mixed = old + (new - old) * np.float32(share)
    norm = float(np.linalg.norm(mixed))
    result: Patch = (mixed / norm if norm > 0 else new).astype(np.float32)
    return result


REACH = 0.5
OVERLAP = 0.3
# Frame heights: a smaller thing jitters by more than half its own size.
LEAST_SIZE = 0.04
LOOK_EVERY = 0.2


@dataclass(slots=True)
class Spot:
    """Anchored where it was first seen standing; ids come and go."""

    key: str
    label: str
    anchor: Point
    home: Box
    size: float
    began: Stamp
    hold: Hold
    seen: Stamp
    box: Box
    track: Track | None = None
    reach: float = REACH
    state: State = "standing"
    verdict: ZoneVerdict = OUTSIDE
    # The zone that it stands for, where its rule keeps one place a zone.
    zone_id: str = ""
    decided: Stamp | None = None
    reported_mono: float = 0.0
    asked_mono: float = -1e9
    occurrence: int = 1
    outcome: str = "to_report"
    # Whether people went after a reminder: "left", "stayed", "failed" where its hook did, "" where
    # nobody was to be reminded.
    reminded: str = ""
    ids: int = 1
    gaps: int = 0
    score: float = 0.0
    minute: int = -1
    allowed: bool = False
    suppressed: bool = False
    tallies: dict[str, float] = field(default_factory=dict)
    look: tuple[float, ...] | None = None
    # For how long another object was seen here since ours was; None: none was.
    rival_s: float | None = None
    empty_s: float = 0.0
    patch: Patch | None = None

    def fits(self, track: Track, aspect: float) -> float:
        """How well a track stands here: 1 on the anchor, 0 at the rim, below 0 elsewhere."""
        away = distance(self.anchor, track.foot, aspect) / max(self.size, LEAST_SIZE)
        if away <= self.reach:
            return 1.0 - away / (2 * self.reach)
        overlap = iou(self.home, track.box)
        if overlap >= OVERLAP:
            return overlap / 2
        # A passer-by hides the lower part: what is left of it lies wholly within the old box.
        inside = within(track.box, self.home)
        return 0.1 if inside >= 0.9 and size_of(track.box, aspect) >= 0.4 * self.size else -1.0

    def tally(self, name: str, seconds: float) -> None:
        self.tallies[name] = self.tallies.get(name, 0.0) + seconds

    def tally_share(self, name: str, of: str = "seen") -> float:
        whole = self.tallies.get(of, 0.0)
        return min(1.0, self.tallies.get(name, 0.0) / whole) if whole > 0 else 0.0

    def remember_look(self, look: tuple[float, ...] | None) -> None:
        """Blend a new appearance (unit vector) into the remembered one, slowly."""
        if look is None:
            return
        if self.look is None or len(self.look) != len(look):
            self.look = look
            return
        mixed = [a + (b - a) * LOOK_EVERY for a, b in zip(self.look, look, strict=True)]
        norm = sum(v * v for v in mixed) ** 0.5 or 1.0
        self.look = tuple(v / norm for v in mixed)

    def snapshot(self) -> SpotSnapshot:
        """The place for the checkpoint; `restore` is its inverse."""
        patch = self.patch
        return SpotSnapshot(
            key=self.key,
            label=self.label,
            anchor=self.anchor,
            home=self.home,
            size=SizeRow(self.size, self.reach),
            began=StampRow.of(self.began),
            hold=self.hold.snapshot(),
            seen=StampRow.of(self.seen),
            box=self.box,
            state=self.state,
            decided=StampRow.of(self.decided) if self.decided else None,
            reported_mono=self.reported_mono,
            zone=ZoneRow.of(self.verdict.judged, self.verdict.decision),
            occurrence=self.occurrence,
            outcome=self.outcome,
            reminded=self.reminded,
            counts=CountsRow(self.ids, self.gaps, self.score),
            lawful=LawfulRow(self.allowed, self.suppressed),
            tallies=dict(self.tallies),
            look=self.look,
            patch=None if patch is None else tuple(round(float(v), 4) for v in patch),
            zone_id=self.zone_id,
        )

    @staticmethod
    def restore(kept: SpotSnapshot, terms: Terms, shift_s: float) -> Spot:
        """A place from its snapshot, monotonic times moved by `shift_s` to this boot's clock."""
        return Spot(
            key=kept.key,
            label=kept.label,
            anchor=kept.anchor,
            home=kept.home,
            size=kept.size.size,
            reach=kept.size.reach,
            began=kept.began.stamp(shift_s),
            hold=Hold.restore(terms, kept.hold, shift_s),
            seen=kept.seen.stamp(shift_s),
            box=kept.box,
            state=kept.state,
            verdict=ZoneVerdict(kept.zone.judged, kept.zone.decision),
            decided=kept.decided.stamp(shift_s) if kept.decided else None,
            reported_mono=kept.reported_mono + shift_s,
            occurrence=kept.occurrence,
            outcome=kept.outcome,
            reminded=kept.reminded,
            ids=kept.counts.ids,
            gaps=kept.counts.gaps,
            score=kept.counts.score,
            allowed=kept.lawful.allowed,
            suppressed=kept.lawful.suppressed,
            tallies=dict(kept.tallies),
            look=kept.look or None,
            patch=np.array(kept.patch, np.float32) if kept.patch else None,
            zone_id=kept.zone_id,
        )


def unlike(look: tuple[float, ...] | None, other: tuple[float, ...] | None) -> float:
    """Cosine distance of two looks, 0 where one is not known or of another kind."""
    if look is None or other is None or len(look) != len(other):
        return 0.0
    return 1.0 - sum(a * b for a, b in zip(look, other, strict=True))


DUPLICATE = 0.7
DUPLICATE_IOU = 0.5


def assign(
    view: SceneView, spots: Sequence[Spot], tracks: list[Track]
) -> tuple[dict[int, Track], list[Track]]:
    """(index of a place -> its track, tracks left over): best fit first; a track known at its
    place stays there."""
    placed: dict[int, Track] = {}
    rest = []
    by_id = {s.track.id: i for i, s in enumerate(spots) if s.track is not None}
    for track in tracks:
        i = by_id.get(track.id)
        if i is not None and i not in placed and spots[i].fits(track, view.aspect) >= 0.0:
            placed[i] = track
        else:
            rest.append(track)
    if len(placed) < len(spots) and rest:
        rest = _fit_best(view, spots, placed, rest)
    return placed, rest


def _fit_best(
    view: SceneView, spots: Sequence[Spot], placed: dict[int, Track], rest: list[Track]
) -> list[Track]:
    still = [track for track in rest if not view.moving(track)]
    pairs = [
        (fit, i, track)
        for i, spot in enumerate(spots)
        if i not in placed
        for track in still
        if track.box[0] < spot.home[2]
        and spot.home[0] < track.box[2]
        and (fit := spot.fits(track, view.aspect)) >= 0.0
    ]
    used: set[int] = set()
    for _, i, track in sorted(pairs, key=lambda pair: -pair[0]):
        if i not in placed and track.id not in used:
            placed[i] = track
            used.add(track.id)
    return [track for track in rest if track.id not in used]


def duplicate(spots: Sequence[Spot], track: Track, placed: Mapping[int, Track]) -> bool:
    """A second box on a thing that already has its place: an umbrella over its stall."""
    for i, other in placed.items():
        home = spots[i].home
        if within(track.box, other.box) >= DUPLICATE or within(home, track.box) >= DUPLICATE:
            return True
        if iou(track.box, other.box) >= DUPLICATE_IOU:
            return True
    return False


def new_spot(view: SceneView, name: str, terms: Terms, track: Track, verdict: ZoneVerdict) -> Spot:
    """A place for a track that stands, its clock running since the track came to a stand.

    name: what the key starts with, unique to camera and category.
    """
    course = view.motion.course(track)
    size = size_of(track.box, view.aspect)
    since = course.stood_since(0.5 * size, view.aspect) if course else view.mono
    began = at_mono(since, view.now)
    hold = Hold(terms, since)
    hold.step(view.mono, "seen")
    x, y = track.foot
    spot = Spot(
        key=f"{name}/{x * 1000:.0f}-{y * 1000:.0f}/{began.wall:.3f}",
        label=track.label,
        anchor=track.foot,
        home=track.box,
        size=size,
        began=began,
        hold=hold,
        seen=view.now,
        box=track.box,
        track=track,
        verdict=verdict,
        score=track.score,
        look=track.look,
    )
    spot.tally("seen", view.mono - since)
    return spot


class OldHeaps:
    """Where matter lay whose place was not seen empty: the detector lost it, or something hid it,
    and what is seen there again within two hours is not new. The newest 200."""

    def __init__(self) -> None:
        self._rows: list[HeapRow] = []

    @property
    def boxes(self) -> list[Box]:
        return [row.box for row in self._rows]

    def keep(self, mono: float, box: Box) -> None:
        """mono: when it was lost, monotonic s."""
        rows = [*self._rows, HeapRow(mono, box)]
        self._rows = [row for row in rows if mono - row.mono <= OLD_S][-OLD_MOST:]

    def snapshot(self) -> Json:
        return msgspec.to_builtins(self._rows)

    def restore(self, rows: Sequence[HeapRow], shift_s: float) -> None:
        """shift_s: added to their monotonic seconds, which were another boot's."""
        self._rows = [HeapRow(row.mono + shift_s, row.box) for row in rows]

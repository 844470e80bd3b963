# SPDX-License-Identifier: AGPL-3.0-or-later
"""One place where something stands: its clock, its looks, and whose it is. Mutable, one owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edge.geometry import distance, iou, size_of, within
from edge.hold import Hold, Terms
from edge.rules.ground import Patch
from edge.rules.stamps import stamp_from, stamp_json
from edge.rules.zones import OUTSIDE, ZoneVerdict
from edge.values import Box, Json, Point, Stamp, Track, ZoneDecision

# standing: its clock runs. reminded: told to go, not reported yet. open: a violation is out.
State = Literal["standing", "reminded", "open"]

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
    decided: Stamp | None = None
    told_mono: float = 0.0
    asked_mono: float = -1e9
    occurrence: int = 1
    outcome: str = "to_report"
    ids: int = 1
    gaps: int = 0
    score: float = 0.0
    minute: int = -1
    allowed: bool = False
    suppressed: bool = False
    tallies: dict[str, float] = field(default_factory=dict)
    look: tuple[float, ...] | None = None
    rival_since: float | None = None
    empty_s: float = 0.0
    patch: Patch | None = None
    patch_mono: float = -1e9

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

    def snapshot(self) -> Json:
        """The place as plain JSON for the checkpoint; `restore` is its inverse."""
        return {
            "key": self.key,
            "label": self.label,
            "anchor": self.anchor,
            "home": self.home,
            "size": [self.size, self.reach],
            "began": stamp_json(self.began),
            "hold": self.hold.snapshot(),
            "seen": stamp_json(self.seen),
            "box": self.box,
            "state": self.state,
            "decided": stamp_json(self.decided) if self.decided else None,
            "told": self.told_mono,
            "zone": _zone_json(self.verdict),
            "occurrence": self.occurrence,
            "outcome": self.outcome,
            "counts": [self.ids, self.gaps, self.score],
            "lawful": [self.allowed, self.suppressed],
            "tallies": self.tallies,
            "look": self.look,
            "patch": [round(float(v), 4) for v in self.patch] if self.patch is not None else None,
        }

    @staticmethod
    def restore(data: Json, terms: Terms, shift_s: float) -> Spot:
        """A place from its snapshot, monotonic times moved by `shift_s` to this boot's clock."""
        x, y = data["anchor"]
        ids, gaps, score = data["counts"]
        allowed, suppressed = data["lawful"]
        patch = data["patch"]
        return Spot(
            key=data["key"],
            label=data["label"],
            anchor=(x, y),
            home=_box(data["home"]),
            size=data["size"][0],
            reach=data["size"][1],
            began=stamp_from(data["began"], shift_s),
            hold=Hold.restore(terms, data["hold"], shift_s),
            seen=stamp_from(data["seen"], shift_s),
            box=_box(data["box"]),
            state=data["state"],
            verdict=_verdict(data["zone"]),
            decided=stamp_from(data["decided"], shift_s) if data["decided"] else None,
            told_mono=data["told"] + shift_s,
            occurrence=data["occurrence"],
            outcome=data["outcome"],
            ids=ids,
            gaps=gaps,
            score=score,
            allowed=allowed,
            suppressed=suppressed,
            tallies=dict(data["tallies"]),
            look=tuple(data["look"]) if data["look"] else None,
            patch=np.array(patch, np.float32) if patch else None,
        )


def _box(values: Sequence[float]) -> Box:
    x1, y1, x2, y2 = values
    return (x1, y1, x2, y2)


def _zone_json(verdict: ZoneVerdict) -> Json:
    zone = verdict.decision
    return [verdict.judged, zone.allowed, zone.reason, zone.zones, zone.permit, zone.hours]


def _verdict(data: Json) -> ZoneVerdict:
    judged, allowed, reason, zones, permit, hours = data
    return ZoneVerdict(judged, ZoneDecision(allowed, reason, tuple(zones), permit, hours))


def unlike(look: tuple[float, ...] | None, other: tuple[float, ...] | None) -> float:
    """Cosine distance of two looks, 0 where one is not known or of another kind."""
    if look is None or other is None or len(look) != len(other):
        return 0.0
    return 1.0 - sum(a * b for a, b in zip(look, other, strict=True))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the rules of one camera look at in one step; made once, read by all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.geometry import contact_band
from edge.rules.calendar import LocalMoment
from edge.rules.memory import Memory
from edge.rules.motion import TrackCourses
from edge.rules.zones import ZoneMap
from edge.values import Box, Candidate, Finding, Prompt, Scene, Stamp, Track


@dataclass(slots=True)
class SceneView:
    """One scene with what was worked out from it once."""

    scene: Scene
    moment: LocalMoment
    motion: TrackCourses
    zone_map: ZoneMap
    memory: Memory
    by_label: dict[str, list[Track]] = field(init=False)
    boxes: NDArray[np.float32] = field(init=False)
    _columns: NDArray[np.float32] = field(init=False)
    _moving: dict[int, bool] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.by_label = {}
        seen = [track.box for track in self.scene.tracks if not track.coasted]
        self.boxes = np.array(seen, np.float32).reshape(-1, 4)
        self._columns = np.ascontiguousarray(self.boxes.T)
        for track in self.scene.tracks:
            self.by_label.setdefault(track.label, []).append(track)

    @property
    def now(self) -> Stamp:
        return self.scene.at

    @property
    def mono(self) -> float:
        return self.scene.at.mono

    @property
    def aspect(self) -> float:
        return self.scene.aspect

    def of(self, labels: Iterable[str], min_score: float = 0.0) -> list[Track]:
        """Tracks of these classes that are truly seen in this frame."""
        return [
            track
            for label in labels
            for track in self.by_label.get(label, ())
            if track.score >= min_score and not track.coasted
        ]

    def moving(self, track: Track) -> bool:
        known = self._moving.get(track.id)
        if known is None:
            known = self._moving[track.id] = self.motion.moving(track, self.scene.aspect)
        return known

    def covered(self, box: Box) -> float:
        """Share of a box that seen tracks cover, counted twice where two overlap, at most 1."""
        boxes = self.boxes
        if not len(boxes):
            return 0.0
        x1, y1, x2, y2 = self._columns
        wide = np.minimum(x2, box[2]) - np.maximum(x1, box[0])
        high = np.minimum(y2, box[3]) - np.maximum(y1, box[1])
        met = (wide > 0) & (high > 0)
        if not met.any():
            return 0.0
        whole = max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)
        return min(1.0, float(np.dot(wide[met], high[met])) / whole)

    def shares(self, boxes: Sequence[Box], band: float) -> NDArray[np.float32]:
        """(n, zones): share of each box's contact band in each zone."""
        bands = np.array([contact_band(box, band) for box in boxes], np.float32).reshape(-1, 4)
        return self.zone_map.shares(bands)


@dataclass(slots=True)
class Verdicts:
    """What the rules of one step add to; the judge freezes it."""

    findings: list[Finding] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)

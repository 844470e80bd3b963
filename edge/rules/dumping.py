# SPDX-License-Identifier: AGPL-3.0-or-later
"""A truck tips its body, or matter newly lies where a vehicle stood, outside an approved dump.

A raised body is seen as a box that grows upwards while its foot and width stay.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from edge.geometry import apart, distance, foot, size_of
from edge.hold import Sight
from edge.rules.places import PlaceRule
from edge.rules.rule_settings import PLACE_SETTINGS, RuleSettings, Setting, Settings
from edge.rules.snapshots import HeapsSnapshot
from edge.rules.spot import OldHeaps, Spot
from edge.rules.view import SceneView, Verdicts
from edge.rules.zones import ZoneRule
from edge.values import Box, Json, Track

STOOD_REMEMBER_S = 120.0
WATCHED_S = 3.0
# A box that reaches this far down is cut by the picture: its foot, and how tall it is, are unknown.
CUT_AT = 0.99


class Dumping(PlaceRule):
    """Places are trucks that stand and heaps; which of the two a place is, its class tells."""

    BRIEF: ClassVar[bool] = True
    LOOK_S: ClassVar[float] = 0.2
    SETTINGS: ClassVar[Settings] = {
        **PLACE_SETTINGS,
        "band": Setting(0.3, "lowest share of the box that is asked for its zone", 0.02, 1.0),
        "raised": Setting(1.2, "height over its height when it stopped: body raised", 1.02, 5.0),
        "raised_class": Setting("", "or a detector class or truck trait that says so"),
        "reach": Setting(0.6, "heap beside the truck: so many truck sizes away", 0.0, 10.0),
        "stood_s": Setting(3.0, "the vehicle must have stood there for so long", 0.0, 600.0),
        "after_s": Setting(30.0, "matter found later is not put on the vehicle", 1.0, 600.0),
    }

    def __init__(self, settings: RuleSettings, zones: ZoneRule) -> None:
        super().__init__(settings, zones)
        self._stood: dict[int, tuple[float, float, Box]] = {}
        self._old = OldHeaps()
        self._start_mono: float | None = None

    def subjects(self, view: SceneView) -> list[Track]:
        return [*super().subjects(view), *self._heaps(view)]

    def _heaps(self, view: SceneView) -> list[Track]:
        return view.of(self.settings.category.with_classes, self.settings.min_score * 0.6)

    def step(self, view: SceneView, out: Verdicts) -> None:
        """Remember where vehicles stood, so that a heap found later can be put on one."""
        if self._start_mono is None:
            self._start_mono = view.mono
        for vehicle in super().subjects(view):
            if not view.moving(vehicle):
                self._note_standing(view, vehicle)
        super().step(view, out)
        old = [k for k, s in self._stood.items() if view.mono - s[1] > STOOD_REMEMBER_S]
        for key in old:
            del self._stood[key]

    def _note_standing(self, view: SceneView, vehicle: Track) -> None:
        """Since when, and until when, each vehicle has stood where it is."""
        course = view.motion.course(vehicle)
        if course is None:
            return
        since, _, box = self._stood.get(course.subject, (view.mono, view.mono, vehicle.box))
        away = distance(foot(box), vehicle.foot, view.aspect)
        if away > 0.5 * size_of(box, view.aspect):
            since, box = view.mono, vehicle.box
        self._stood[course.subject] = (since, view.mono, box)

    def _is_truck(self, spot: Spot) -> bool:
        return spot.label in self.settings.category.classes

    def shows(self, view: SceneView, spot: Spot, track: Track) -> Sight:
        """A standing truck is kept in mind; its clock starts when the body goes up."""
        if not self._is_truck(spot):
            return "seen"
        if self._raised(view, spot, track):
            if not spot.tallies.get("raised"):
                spot.tallies["raised"] = 1.0
                self._restart(view, spot)
            return "seen"
        if spot.state == "open":
            return "missed"
        if spot.hold.unseen_s > self.settings.category.gap_s:
            spot.tallies["raised"] = 0.0
        return "kept"

    def _raised(self, view: SceneView, spot: Spot, track: Track) -> bool:
        word = self.settings.word("raised_class")
        if word and any(name == word and score >= 0.5 for name, score in track.traits):
            return True
        if word and any(apart(t.box, track.box) == 0.0 for t in view.of((word,))):
            return True
        home, box = spot.home, track.box
        height, width = home[3] - home[1], home[2] - home[0]
        taller = (box[3] - box[1]) >= self.settings.number("raised") * height
        same_width = abs((box[2] - box[0]) - width) <= 0.2 * width
        same_foot = abs(box[3] - home[3]) <= 0.1 * height and box[3] < CUT_AT
        return taller and same_width and same_foot

    def proven(self, view: SceneView, spot: Spot) -> bool:
        if self._is_truck(spot):
            # A place's clock begins where the truck came to a stand: standing alone is no dumping.
            return bool(spot.tallies.get("raised")) and not self._already(view, spot, trucks=False)
        return self._is_new(view, spot) and not self._already(view, spot, trucks=True)

    def _already(self, view: SceneView, spot: Spot, *, trucks: bool) -> bool:
        """The same act is open already, reported by the truck or by the heap beside it."""
        reach = self.settings.number("reach")
        return any(
            other.state == "open"
            and self._is_truck(other) == trucks
            and apart(other.home, spot.home, view.aspect) <= reach * max(other.size, spot.size)
            for other in self._spots
            if other is not spot
        )

    def _is_new(self, view: SceneView, spot: Spot) -> bool:
        """New ground cover beside a vehicle that stood there when it came."""
        if spot.began.mono - (self._start_mono or 0.0) < WATCHED_S:
            return False
        if any(_near(box, spot, view.aspect) for box in self._old.boxes):
            return False
        return any(
            until - since >= self.settings.number("stood_s")
            and since - 1.0 <= spot.began.mono <= until + self.settings.number("after_s")
            and apart(box, spot.home, view.aspect)
            <= self.settings.number("reach") * size_of(box, view.aspect)
            for since, until, box in self._stood.values()
        )

    def _over(self, view: SceneView, spot: Spot, why: str, out: Verdicts) -> bool:
        if spot.state == "standing" and not self._is_truck(spot) and why != "seen empty":
            self._old.keep(view.mono, spot.home)
        return super()._over(view, spot, why, out)

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        return {"seen_by": "body raised" if self._is_truck(spot) else "matter newly on the ground"}

    def snapshot(self) -> Json:
        return {"spots": super().snapshot(), "old": self._old.snapshot()}

    def restore(self, data: Any, shift_s: float, down_s: float) -> None:
        kept = msgspec.convert(data, HeapsSnapshot)
        super().restore(kept.spots, shift_s, down_s)
        self._old.restore(kept.old, shift_s)


def _near(box: Box, spot: Spot, aspect: float) -> bool:
    return distance(foot(box), spot.anchor, aspect) < spot.size or apart(box, spot.home) == 0.0

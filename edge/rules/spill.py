# SPDX-License-Identifier: AGPL-3.0-or-later
"""A truck passes and matter newly lies on the lane after it.

The matter is a detection, or a lasting difference between the road before and after the truck, or
better both. What lay there before, what no truck went over, and what a standing truck unloaded
(that is dumping) is no spillage. One case for a truck, however many heaps it leaves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import msgspec

from edge.geometry import distance, iou
from edge.rules.lane import Patch
from edge.rules.passage import Passage, Passages, RoadWatch
from edge.rules.places import PlaceRule
from edge.rules.rule_settings import PLACE_SETTINGS, RuleSettings, Setting, Settings
from edge.rules.snapshots import HeapsSnapshot
from edge.rules.spot import OldHeaps, Spot
from edge.rules.view import SceneView, Verdicts
from edge.rules.zones import ZoneRule, at_mono
from edge.values import Candidate, Finding, Json, Phase, Track

MATTER = "matter"
# What only the comparison of pictures shows must lie for so long, where it was first seen.
LIES_S, LIES_IOU = 4.0, 0.5
STRIPE_LONG = 4.0
STRIPE_BROAD = 0.35
LEAST_CHANGE = 6.0
TRUCK_DUE_S = 1.0
# A truck from behind the camera fills the picture for seconds before it is known as one.
BEFORE_S = 5.0


class Spill(PlaceRule):
    """See the module. Anchored to the heap; the truck is a fact, and a picture of its own."""

    FROM_PICTURES: ClassVar[bool] = True
    BRIEF: ClassVar[bool] = True
    LOOK_S: ClassVar[float] = 0.2
    SETTINGS: ClassVar[Settings] = {
        **PLACE_SETTINGS,
        "band": Setting(1.0, "lowest share of the heap that is asked for its zone", 0.02, 1.0),
        "contact": Setting(0.3, "share of it that must lie in the lane", 0.01, 1.0),
        "sure": Setting(0.35, "score that the best look at the heap must reach", 0.0, 1.0),
        "truck_s": Setting(0.4, "the truck must be seen for so long", 0.0, 60.0),
        "displacement": Setting(0.5, "and move by so many of its own sizes", 0.0, 50.0),
        "after_s": Setting(20.0, "matter found later is not put on the truck", 1.0, 600.0),
        "stop_s": Setting(6.0, "a truck that stood for longer has unloaded", 0.0, 600.0),
        "shape": Setting("heap", "heap, stripes (mud of wheels) or any"),
        "compare": Setting(True, "compare the road before and after, where there are pictures"),
        "min_area": Setting(0.0005, "least new matter, as a share of the frame", 0.0, 1.0),
        "min_contrast": Setting(16.0, "least change, in grey levels of 255", 1.0, 255.0),
    }

    def __init__(self, settings: RuleSettings, zones: ZoneRule) -> None:
        super().__init__(settings, zones)
        self._trucks = Passages(
            f"{self._name}/truck", settings.category.classes, settings.min_score
        )
        self._road = RoadWatch(
            moved=settings.number("displacement"),
            keep_s=settings.number("after_s") + 2 * settings.dwell_s + 2.0,
        )
        self._old = OldHeaps()
        self._cause: dict[str, Passage] = {}
        self._start_mono: float | None = None

    @property
    def busy(self) -> bool:
        return bool(self._spots) or self._road.busy

    @property
    def searching(self) -> bool:
        return super().searching or self._road.busy

    def step(self, view: SceneView, out: Verdicts) -> None:
        """Follow trucks, keep the road before each, then judge the heaps like any place."""
        if self._start_mono is None:
            self._start_mono = view.mono
        present = self._trucks.step(view)
        if self.settings.flag("compare"):
            wanted = {self._cause[s.key].subject for s in self._spots if s.key in self._cause}
            self._road.step(view, self._trucks.all(), wanted)
        super().step(view, out)
        self._show(view, present, out)
        keys = {spot.key for spot in self._spots}
        self._cause = {key: truck for key, truck in self._cause.items() if key in keys}

    def subjects(self, view: SceneView) -> list[Track]:
        """Detected matter, and what the comparison of the road found where no detection lies."""
        heaps = view.of(self.settings.category.with_classes, self.settings.min_score * 0.6)
        if self.settings.word("shape") == "stripes":
            heaps = []
        new = [
            _stand_in(view, n, truck, patch)
            for n, (truck, patch) in enumerate(self._road.found)
            if self._fits_shape(patch, truck)
            and not any(iou(patch.box, heap.box) > 0.05 for heap in heaps)
        ]
        return heaps + new

    def _fits_shape(self, patch: Patch, truck: Passage) -> bool:
        broad = STRIPE_BROAD * (truck.best[1][2] - truck.best[1][0])
        thin = patch.elongation >= STRIPE_LONG and patch.breadth <= broad
        stripes = thin and patch.length >= truck.best[1][2] - truck.best[1][0]
        shape = self.settings.word("shape")
        if shape != "any" and stripes != (shape == "stripes"):
            return False
        least, contrast = self.settings.number("min_area"), self.settings.number("min_contrast")
        return patch.area >= least and patch.contrast >= contrast

    def stands(self, view: SceneView, track: Track) -> bool:
        return track.label == MATTER or super().stands(view, track)

    # Whose it is.

    def proven(self, view: SceneView, spot: Spot) -> bool:
        """New matter with a truck that drove there before it, on ground that changed. Matter
        nobody can be named for within `after_s` is settled as none's."""
        if spot.tallies.get("settled"):
            return False
        truck = self._truck_of(view, spot)
        if truck is None or self._was_there(view, spot):
            late = view.mono - spot.began.mono > self.settings.number("after_s")
            spot.tallies["settled"] = float(late)
            return False
        change = self._road.change_in(truck, spot.home)
        if change is not None and change < LEAST_CHANGE:
            return False
        if spot.label == MATTER and not _lies(spot):
            return False
        spot.key, spot.tallies["settled"], truck.reported = truck.key, 1.0, True
        over = truck.over(spot.home)
        if over and spot.began.mono > over[1]:
            spot.began = at_mono(over[1], view.now)
        spot.tallies["change"] = -1.0 if change is None else change
        self._cause[spot.key] = truck
        return True

    def _truck_of(self, view: SceneView, spot: Spot) -> Passage | None:
        """The latest truck that went over this ground before the matter was seen on it."""
        best, when = None, -1e9
        for truck in self._trucks.all():
            over = truck.over(spot.home)
            if over is None or truck.reported or not self._drove(view, truck):
                continue
            watched = over[0] - (self._start_mono or 0.0) >= 1.0
            new = over[0] - 0.5 <= spot.began.mono <= over[1] + self.settings.number("after_s")
            if watched and new and over[1] > when:
                best, when = truck, over[1]
        return best

    def _drove(self, view: SceneView, truck: Passage) -> bool:
        return (
            truck.seen_s >= self.settings.number("truck_s")
            and truck.moved(view.aspect) >= self.settings.number("displacement")
            and truck.stood_s < self.settings.number("stop_s")
        )

    def _was_there(self, view: SceneView, spot: Spot) -> bool:
        """Matter was known here before: not new, though the detector lost it for a while."""
        return any(
            iou(box, spot.home) > 0.1
            or distance(((box[0] + box[2]) / 2, box[3]), spot.anchor, view.aspect) < spot.size
            for box in self._old.boxes
        )

    def _over(self, view: SceneView, spot: Spot, why: str, out: Verdicts) -> bool:
        seen_empty = why == "seen empty"
        if spot.state == "standing" and not seen_empty and spot.label != MATTER:
            self._old.keep(view.mono, spot.home)
        return super()._over(view, spot, why, out)

    def _likeness(self, view: SceneView, spot: Spot) -> float | None:
        """Against the road before the truck, where it is known: swept clean, or still there."""
        truck = self._cause.get(spot.key)
        change = self._road.change_in(truck, spot.home) if truck else None
        if change is None:
            return super()._likeness(view, spot)
        return 1.0 if change >= LEAST_CHANGE else -1.0

    # What is reported.

    def _show(self, view: SceneView, present: list[Passage], out: Verdicts) -> None:
        """A truck in the lane is a candidate, so that its pictures exist when matter is found."""
        here = {truck.subject for truck in present}
        patience_s = self.settings.number("after_s")
        for truck in self._trucks.all():
            lately = view.mono - truck.seen.mono <= patience_s
            if truck.reported or not lately or not self._drove(view, truck):
                continue
            if truck.subject in here and not self._in_lane(view, truck):
                continue
            out.candidates.append(self._truck_candidate(truck, truck.subject in here))

    def _in_lane(self, view: SceneView, truck: Passage) -> bool:
        row = view.shares([truck.track.box], 0.25)[0].tolist()
        truck.tallies["lane"] = float(self._zones.ask(row, view.moment).judged)
        return bool(truck.tallies["lane"])

    def _truck_candidate(self, truck: Passage, here: bool) -> Candidate:
        box = truck.track.box if here else truck.best[1]
        return Candidate(
            key=truck.key,
            camera=self.settings.camera,
            category=self.settings.category.id,
            rule=self.settings.rule,
            box=box,
            place=((box[0] + box[2]) / 2, box[3]),
            began=truck.began,
            held_s=round(min(truck.seen_s, TRUCK_DUE_S), 2),
            due_s=TRUCK_DUE_S,
            seen=here,
        )

    def subject_of(self, spot: Spot) -> int | None:
        truck = self._cause.get(spot.key)
        return truck.subject if truck else None

    def _finding(self, view: SceneView, spot: Spot, phase: Phase, **more: Json) -> Finding:
        finding = super()._finding(view, spot, phase, **more)
        truck = self._cause.get(spot.key)
        if truck is None or phase != "new":
            return finding
        best, early, late = truck.moments()
        return replace(
            finding,
            box=truck.best[1],
            subject=truck.track,
            moments=(
                ("before", truck.began.mono - BEFORE_S),
                ("overview", early),
                ("overview", late),
                ("plate", best),
                ("after", view.mono),
                ("clip", best),
            ),
        )

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        """The heap, what found it, how much the road changed in grey levels, and the truck."""
        truck = self._cause.get(spot.key)
        change = spot.tallies.get("change", -1.0)
        return {
            "heap_box": [round(v, 4) for v in spot.home],
            "heap_by": "before/after pictures" if spot.label == MATTER else "detection",
            "change_levels": round(change, 1) if change >= 0.0 else None,
            "truck": truck.facts(view.aspect) if truck else None,
            "heaps": sum(1 for s in self._spots if s.hold.unseen_s == 0.0),
        }

    def snapshot(self) -> Json:
        return {"spots": super().snapshot(), "old": self._old.snapshot()}

    def restore(self, data: Any, shift_s: float, down_s: float) -> None:
        kept = msgspec.convert(data, HeapsSnapshot)
        super().restore(kept.spots, shift_s, down_s)
        self._old.restore(kept.old, shift_s)


def _lies(spot: Spot) -> bool:
    """Matter lies where it was first seen; what creeps on is traffic."""
    return spot.hold.held_s >= LIES_S and iou(spot.home, spot.box) >= LIES_IOU


def _stand_in(view: SceneView, n: int, truck: Passage, patch: Patch) -> Track:
    """New matter seen by comparison, as a track: its id is the truck's, its score its contrast."""
    return Track(
        id=-(truck.subject * 16 + n % 16),
        label=MATTER,
        box=patch.box,
        score=min(0.99, 0.4 + patch.contrast / 100.0),
        first=view.now,
        seen=view.now,
    )

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A truck leaves a site by its gate without having stood on the wheel wash.

Needs a `wash` zone beside the `gate` zone. Driving in is nothing: only a truck that came into view
inside the site, or was on the wash side of the gate before it, leaves. Trucks that washed are
counted too: the rate of use is what a bureau asks for.
"""

from __future__ import annotations

from typing import Any, ClassVar

from edge.geometry import distance, foot
from edge.rules.passage import Passage
from edge.rules.passing import PASSING_SETTINGS, PassingRule
from edge.rules.rule_settings import RuleSettings, Setting, Settings
from edge.rules.view import SceneView
from edge.rules.zones import ZoneRule
from edge.values import Json

HAND_OVER_S = 8.0
HAND_OVER_REACH = 0.25
LONGEST_LOOK_S = 2.0


class Wash(PassingRule):
    """`dwell_s` is the time a truck must have stood on the wash. See the module."""

    SETTINGS: ClassVar[Settings] = {
        **PASSING_SETTINGS,
        "displacement": Setting(0.3, "the truck must move by so many of its own sizes", 0.0, 50.0),
        "clear_s": Setting(1.5, "decided once it has been on the gate for so long", 0.0, 60.0),
    }

    def __init__(self, settings: RuleSettings, zones: ZoneRule) -> None:
        super().__init__(settings, zones)
        self.used = self.skipped = 0

    def observe(self, view: SceneView, truck: Passage) -> None:
        """Where the truck is on its way out: in the site, on the wash (seconds add up), at the
        gate."""
        tallies = truck.tallies
        since = tallies.get("looked_mono")
        passed = 0.0 if since is None else min(view.mono - since, LONGEST_LOOK_S)
        if since is None:
            self._inherit(view, truck)
        tallies["looked_mono"] = view.mono
        row = view.shares([truck.track.box], self.settings.number("band"))[0].tolist()
        if self._zones.on_kind("wash", row, view.moment):
            tallies["washed"] = tallies.get("washed", 0.0) + passed
            tallies["inside"], tallies["gate"] = 1.0, 0.0
        elif self._zones.on_kind("site", row, view.moment):
            tallies["inside"], tallies["gate"] = 1.0, 0.0
        elif tallies.get("inside") and self._zones.on_kind("gate", row, view.moment):
            tallies["gate"] = tallies.get("gate", 0.0) + passed

    def _inherit(self, view: SceneView, truck: Passage) -> None:
        """The washing time of a truck lost from view near here a moment ago."""
        for other in self._trucks.all():
            away = view.mono - other.seen.mono
            near = distance(foot(other.track.box), truck.track.foot, view.aspect)
            if other is truck or not 0.0 < away <= HAND_OVER_S or near > HAND_OVER_REACH:
                continue
            for name in ("washed", "inside", "gate"):
                truck.tallies[name] = other.tallies.get(name, 0.0)

    def proven(self, view: SceneView, truck: Passage) -> bool:
        """It left by the gate with too few seconds on the wash; each leaving truck counts once."""
        leaving = truck.tallies.get("inside", 0.0) > 0.0
        if not leaving or truck.tallies.get("gate", 0.0) < self.settings.number("clear_s"):
            return False
        skipped = truck.tallies.get("washed", 0.0) < self.settings.dwell_s * self.settings.share
        if truck.tallies.get("counted", 0.0) == 0.0:
            truck.tallies["counted"] = 1.0
            self.skipped, self.used = self.skipped + skipped, self.used + (not skipped)
        return skipped

    def facts(self, truck: Passage) -> dict[str, Json]:
        """Seconds on the wash against the limit, and the share of leaving trucks that used it."""
        total = self.used + self.skipped
        return {
            "washed_s": round(truck.tallies.get("washed", 0.0), 1),
            "wash_limit_s": self.settings.dwell_s,
            "wash_used_share": round(self.used / total, 3) if total else None,
            "trucks_left": total,
        }

    def snapshot(self) -> Json:
        return {"used": self.used, "skipped": self.skipped}

    def restore(self, data: Any, shift_s: float, down_s: float) -> None:
        self.used, self.skipped = int(data["used"]), int(data["skipped"])

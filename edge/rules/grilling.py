# SPDX-License-Identifier: AGPL-3.0-or-later
"""Outdoor barbecue: a grill in use, or smoke or fire that stays where people stand by.

Exhaust goes with a vehicle; steam rises over a food stall where neither grill nor flame is ever
seen, or comes and goes; a white wall does not flutter. Smoke alone must pass all three.

A grill by itself is a lead, not a case: what looks like one is a table or a box often enough. It
becomes a case with smoke or fire at it, or a fume reading beside it.

A stand is one case, however many grills, tables and trays stand together that look like grills:
grills near an open case join it and are counted in its facts. They become a case of their own only
if they remain after that case has ended.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from edge.geometry import apart, size_of
from edge.rules.places import PlaceRule
from edge.rules.reporting import corroboration
from edge.rules.rule_settings import PLACE_SETTINGS, Setting, Settings
from edge.rules.spot import Spot
from edge.rules.view import SceneView, standing_by
from edge.values import Box, Finding, Json, Phase, Track

VEHICLES = ("car", "truck", "bus", "motorcycle", "muck_truck", "excavator")
VAPOURS = ("smoke", "fire")
BASE_SHARE = 0.4
EXHAUST_SIZES = 0.3


class Grilling(PlaceRule):
    """See the module."""

    FAINT: ClassVar[bool] = True
    SETTINGS: ClassVar[Settings] = {
        **PLACE_SETTINGS,
        # Less than elsewhere: a grill is reported only in use, by smoke, fire or people beside it.
        "sure": Setting(0.4, "score that the best look at the grill must reach", 0.0, 1.0),
        "contact": Setting(0.3, "share of the source's foot that must lie in the zone", 0.01, 1.0),
        "reach": Setting(1.5, "belonging together: so many times the grill's size away", 0.0, 10.0),
        "used_share": Setting(0.1, "a grill is in use: people, smoke or fire that often", 0.0, 1.0),
        "people_share": Setting(0.5, "smoke without grill: people stand by that often", 0.0, 1.0),
        "flutter": Setting(1.15, "smoke without grill: largest over smallest size", 1.0, 10.0),
        "channels": Setting(("fume", "a34041-Rtd", "a34041-Avg"), "fume channels that count"),
        "fume_ug_m3": Setting(1000.0, "fume reading that supports it", 1.0, 1e6),
    }

    def subjects(self, view: SceneView) -> list[Track]:
        """Grills, and the foot of smoke and fire that no grill in view explains."""
        grills = super().subjects(view)
        vapours = view.of(VAPOURS, self.settings.min_score * 0.6)
        return grills + [t for v in vapours if (t := self._source(view, v, grills)) is not None]

    def _source(self, view: SceneView, vapour: Track, grills: list[Track]) -> Track | None:
        base = foot_of(vapour.box)
        reach, aspect = self.settings.number("reach"), view.aspect
        if any(apart(base, g.box, aspect) <= reach * size_of(g.box, aspect) for g in grills):
            return None
        for spot in self._spots:
            if apart(base, spot.home, aspect) <= 0.5 * reach * spot.size:
                return replace(vapour, box=spot.home)
        if self._exhaust(view, vapour, base):
            return None
        return replace(vapour, box=base)

    def _exhaust(self, view: SceneView, vapour: Track, base: Box) -> bool:
        near = EXHAUST_SIZES * size_of(vapour.box, view.aspect)
        return any(apart(base, v.box, view.aspect) <= near for v in view.of(VEHICLES))

    def observe(self, view: SceneView, spot: Spot, passed: float) -> None:
        """Add this look's time to what stands by the source: smoke, fire, people, a food stall."""
        reach = self.settings.number("reach") * spot.size
        near = [
            v
            for v in view.of(VAPOURS, self.settings.min_score * 0.6)
            if apart(foot_of(v.box), spot.home, view.aspect) <= reach
        ]
        for vapour in near:
            spot.tally(f"with_{vapour.label}", passed)
            _flutter(spot, size_of(vapour.box, view.aspect))
        people = standing_by(view, spot.home, reach)
        if people:
            spot.tally("attended", passed)
        if people or near:
            spot.tally("used", passed)
        if spot.track is not None and spot.track.label in self.settings.category.classes:
            spot.tally("with_grill", passed)
        if any(apart(s.box, spot.home, view.aspect) == 0.0 for s in view.of(("vendor_stall",))):
            spot.tally("at_stall", passed)

    def proven(self, view: SceneView, spot: Spot) -> bool:
        """A grill in use, or fire or smoke with people standing by; not steam of a food stall, not
        a grey wall (its size never flutters); nor a second grill of a stand already reported."""
        if any(s.state != "standing" for s in self._stand(view, spot)):
            return False
        if spot.tally_share("with_grill") >= 0.1:
            return spot.tally_share("used") >= self.settings.number("used_share")
        if spot.tally_share("attended") < self.settings.number("people_share"):
            return False
        if spot.tally_share("with_fire") >= 0.1:
            return True
        steam = spot.tally_share("at_stall") >= 0.5
        return not steam and _fluttered(spot) >= self.settings.number("flutter")

    def _stand(self, view: SceneView, spot: Spot) -> list[Spot]:
        """The other places of the same stand: less than `reach` of the larger one's size away."""
        times, aspect = self.settings.number("reach"), view.aspect
        return [
            other
            for other in self._spots
            if other is not spot
            and apart(other.home, spot.home, aspect) <= times * max(other.size, spot.size)
        ]

    def _backing(self, view: SceneView, spot: Spot) -> list[Json]:
        """What beside the grill's own looks says that it burns."""
        least = self.settings.number("used_share")
        backed: list[Json] = [v for v in VAPOURS if spot.tally_share(f"with_{v}") >= least]
        fume = self._fume(view)
        if isinstance(fume, dict) and fume["says"] == "supports":
            backed.append("fume")
        return backed

    def _fume(self, view: SceneView) -> Json:
        limit = self.settings.number("fume_ug_m3")
        return corroboration(view.scene.samples, self.settings.words("channels"), limit)

    def _finding(self, view: SceneView, spot: Spot, phase: Phase, **more: Json) -> Finding:
        finding = super()._finding(view, spot, phase, **more)
        return finding if finding.facts["backed_by"] else replace(finding, priority="lead")

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        """Shares of the time that each thing was there, how many sources stand together (smoke and
        grills), and what the fume sensor says of it."""
        shares = ("with_grill", "with_smoke", "with_fire", "attended", "at_stall")
        return {
            **{f"{name}_share": round(spot.tally_share(name), 3) for name in shares},
            "sources": 1 + len(self._stand(view, spot)),
            "smoke_flutter": round(_fluttered(spot), 2),
            "backed_by": self._backing(view, spot),
            "fume": self._fume(view),
        }


def foot_of(box: Box) -> Box:
    """Where smoke comes from: the lowest part of its box."""
    return (box[0], box[3] - BASE_SHARE * (box[3] - box[1]), box[2], box[3])


def _flutter(spot: Spot, size: float) -> None:
    """Remember the smallest and largest size of the smoke, smoothed over a few looks."""
    tallies = spot.tallies
    mean = tallies.get("smoke_size", size)
    mean += (size - mean) * 0.4
    tallies["smoke_size"] = mean
    tallies["smoke_least"] = min(tallies.get("smoke_least", mean), mean)
    tallies["smoke_most"] = max(tallies.get("smoke_most", mean), mean)


def _fluttered(spot: Spot) -> float:
    least = spot.tallies.get("smoke_least", 0.0)
    return spot.tallies.get("smoke_most", 0.0) / least if least > 0.0 else 0.0

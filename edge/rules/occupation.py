# SPDX-License-Identifier: AGPL-3.0-or-later
"""Something stands where it must not: stalls, goods before shops, piles, parked cars."""

from __future__ import annotations

from typing import ClassVar

from edge.rules.places import PLACE_SETTINGS, PlaceRule
from edge.rules.rule_settings import Setting, Settings
from edge.rules.spot import Spot
from edge.rules.view import SceneView, standing_by
from edge.values import Json


class Occupation(PlaceRule):
    """See the module.

    What nobody tends is no vending: with `attended_share` above 0 people must have stood by for
    that share of the time (an abandoned cart is a matter for another category).
    """

    SETTINGS: ClassVar[Settings] = {
        **PLACE_SETTINGS,
        "attended_share": Setting(0.0, "share of the time that people stand by", 0.0, 1.0),
        "reach": Setting(0.5, "standing by: so many times the object's size away", 0.0, 10.0),
    }

    def observe(self, view: SceneView, spot: Spot, passed: float) -> None:
        if standing_by(view, spot.box, self.charge.number("reach") * spot.size):
            spot.tally("attended", passed)

    def proven(self, view: SceneView, spot: Spot) -> bool:
        return spot.tally_share("attended") >= self.charge.number("attended_share")

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        return {"attended_share": round(spot.tally_share("attended"), 3)}

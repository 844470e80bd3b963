# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fixed place that looks otherwise than it should: an overflowing bin, laundry, a board.

An officer taught the place's looks (edge.rules.taught); the rule asks once a second which one it is
and keeps the clock of an offending one as of any other place. What cannot be told (dark, covered,
camera moved, unlike everything taught) is *hidden*: it neither begins nor ends a case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from edge.geometry import within
from edge.hold import Sight
from edge.rules.places import ASK_EVERY_S
from edge.rules.rule_settings import PLACE_SETTINGS, RuleSettings, Setting, Settings
from edge.rules.spot import Spot
from edge.rules.taught import PlaceAnswer, TaughtPlace, square
from edge.rules.view import SceneView, Verdicts
from edge.rules.zone_places import ZonePlaceRule
from edge.rules.zones import ZoneRule
from edge.values import Box, Json, Track

# What passes or stands in front of a place and is not what it is about.
PASSING = ("person", "car", "truck", "bus", "muck_truck", "bicycle", "motorcycle", "excavator")
NO_ANSWER = PlaceAnswer(None, "", 0.0, 0.0)


class TaughtState(ZonePlaceRule):
    """See the module. One stand-in track for each taught zone; its id names the zone."""

    NUMBER: ClassVar[str] = "taught"
    FROM_PICTURES: ClassVar[bool] = True
    SETTINGS: ClassVar[Settings] = {
        **PLACE_SETTINGS,
        "offending": Setting(("wrong",), "taught looks that are an offence"),
        "contact": Setting(0.01, "share of the place that must lie in the zone", 0.0, 1.0),
        "sure": Setting(0.0, "not used: a look is told or it is not", 0.0, 1.0),
    }

    def __init__(self, settings: RuleSettings, zones: ZoneRule) -> None:
        super().__init__(settings, zones)
        self._taught: dict[str, tuple[Box, TaughtPlace]] = {}
        self._answers: dict[int, PlaceAnswer] = {}
        self._asked_mono = -1e9

    def learn(self, taught: Mapping[str, tuple[Box, TaughtPlace]]) -> None:
        """Take the looks of the rule's zones: zone to its box and what was taught there."""
        names = self.settings.zones or tuple(taught)
        self._taught = {name: taught[name] for name in names if name in taught}

    @property
    def zone_ids(self) -> Sequence[str]:
        return tuple(self._taught)

    @property
    def busy(self) -> bool:
        """A running clock needs to know what stands in front."""
        return any(spot.state != "open" for spot in self._spots)

    def step(self, view: SceneView, out: Verdicts) -> None:
        """Ask each place what it looks like, at most once a second."""
        if view.scene.image is not None and view.mono - self._asked_mono >= ASK_EVERY_S - 0.02:
            self._asked_mono = view.mono
            for n, (box, place) in enumerate(self._taught.values(), 1):
                covered = in_front(view, box)
                self._answers[n] = place.tell(square(view.scene.image, box), covered=covered)
        super().step(view, out)

    def subjects(self, view: SceneView) -> list[Track]:
        """The taught places that show an offending look now, each as a track with a negative id."""
        offending = self.settings.words("offending")
        found = []
        for n, (box, _) in enumerate(self._taught.values(), 1):
            answer = self._answers.get(n, NO_ANSWER)
            if answer.look in offending:
                found.append(Track(-n, str(answer.look), box, 1.0, view.now, view.now))
        return found

    def _absence(self, view: SceneView, spot: Spot, passed: float) -> Sight:
        """Another look is an answer; none at all is not."""
        answer = self._answers.get(self.number_of(spot), NO_ANSWER)
        if answer.look is None:
            return "hidden"
        spot.empty_s += passed
        return "missed"

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        """Which look it is, how sure, and why nothing can be told just now, if so."""
        answer = self._answers.get(self.number_of(spot), NO_ANSWER)
        return {
            "look": answer.look,
            "look_margin": round(answer.margin, 3),
            "look_odd": round(answer.odd, 3),
            "cannot_tell": answer.why or None,
        }


def in_front(view: SceneView, box: Box) -> float:
    """Share of the place behind people and vehicles; a bin or a bag is what the rule is about."""
    return min(1.0, sum(within(box, track.box) for track in view.of(PASSING)))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The life of a case of a whole zone: one place for each zone, however its parts come and go.

A stand-in track of id -n stands for the n-th of `zone_ids`. That number is of this run only: zones
come and go before it, so over a restart a place is known by the id of its zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from edge.rules.places import PlaceRule
from edge.rules.spot import Spot
from edge.rules.view import SceneView
from edge.values import Track


class ZonePlaceRule(PlaceRule):
    """Base of the rule kinds with one place a zone. NUMBER: the tally that holds its number."""

    NUMBER: ClassVar[str]

    @property
    def zone_ids(self) -> Sequence[str]:
        """Ids of the zones in the order of their numbers, which begin at 1."""
        raise NotImplementedError

    def stands(self, view: SceneView, track: Track) -> bool:
        return True

    def number_of(self, spot: Spot) -> int:
        return int(spot.tallies[self.NUMBER])

    def _assign(self, view: SceneView, tracks: list[Track]) -> tuple[dict[int, Track], list[Track]]:
        by_number = {self.number_of(spot): i for i, spot in enumerate(self._spots)}
        placed = {by_number[-t.id]: t for t in tracks if -t.id in by_number}
        return placed, [t for t in tracks if -t.id not in by_number]

    def _start(self, view: SceneView, fresh: list[Track]) -> None:
        already = len(self._spots)
        super()._start(view, fresh)
        for spot in self._spots[already:]:
            assert spot.track is not None
            self._number(spot, -spot.track.id)

    def _number(self, spot: Spot, number: int) -> None:
        spot.tallies[self.NUMBER], spot.zone_id = float(number), self.zone_ids[number - 1]

    def restore(self, data: Any, shift_s: float, down_s: float) -> None:
        """Places of zones that the site still has, by the numbers that these have now."""
        super().restore(data, shift_s, down_s)
        numbers = [(spot, self._number_now(spot)) for spot in self._spots]
        self._spots = [spot for spot, number in numbers if number]
        for spot, number in numbers:
            if number:
                self._number(spot, number)

    def _number_now(self, spot: Spot) -> int:
        """0 where the zone is gone. Earlier programs kept a number alone: it holds where it names
        a zone in which the place lay, or no such zone is known."""
        ids = list(self.zone_ids)
        if spot.zone_id:
            return ids.index(spot.zone_id) + 1 if spot.zone_id in ids else 0
        number, lay_in = self.number_of(spot), spot.verdict.decision.zones
        known = [ids.index(name) + 1 for name in lay_in if name in ids]
        if number in known or (not known and 0 < number <= len(ids)):
            return number
        return next(iter(known), 0)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is wrong with a truck itself: an open load, muddy wheels. Said by a second classifier
(`Track.traits`) or by a detector class on the truck's box."""

from __future__ import annotations

from typing import ClassVar

from edge.geometry import within
from edge.rules.passage import Passage
from edge.rules.passing import PASSING_SETTINGS, PassingRule
from edge.rules.rule_settings import Setting, Settings
from edge.rules.view import SceneView
from edge.values import Json

LONGEST_LOOK_S = 2.0


class Uncovered(PassingRule):
    """For `dwell_s` of a moving truck, and for `seen_share` of the time it was judged."""

    SETTINGS: ClassVar[Settings] = {
        **PASSING_SETTINGS,
        "trait": Setting("", "what the truck classifier must say"),
        "trait_score": Setting(0.6, "and how surely", 0.0, 1.0),
    }

    def observe(self, view: SceneView, truck: Passage) -> None:
        """Add this look's time to what the truck classifier says, where it says anything."""
        judged_s = truck.tallies.get("looked_mono", truck.began.mono)
        passed = min(view.mono - judged_s, LONGEST_LOOK_S)
        truck.tallies["looked_mono"] = view.mono
        says = self._says(view, truck)
        if says is None:
            return
        truck.tallies["judged"] = truck.tallies.get("judged", 0.0) + passed
        if says >= self.settings.number("trait_score"):
            truck.tallies["guilty"] = truck.tallies.get("guilty", 0.0) + passed
        truck.tallies["surest"] = max(truck.tallies.get("surest", 0.0), says)

    def _says(self, view: SceneView, truck: Passage) -> float | None:
        """How surely it is so; None where nobody judged this look."""
        for name, score in truck.track.traits:
            if name == self.settings.word("trait"):
                return score
        parts = view.of(self.settings.category.with_classes, self.settings.min_score)
        on_it = [p.score for p in parts if within(p.box, truck.track.box) >= 0.7]
        if on_it:
            return max(on_it)
        return 0.0 if self.settings.category.with_classes else None

    def proven(self, view: SceneView, truck: Passage) -> bool:
        judged, guilty = truck.tallies.get("judged", 0.0), truck.tallies.get("guilty", 0.0)
        enough = guilty >= self.settings.dwell_s - 1e-6 and guilty > 0.0
        return enough and guilty >= self.settings.share * judged

    def facts(self, truck: Passage) -> dict[str, Json]:
        """The trait, its share of the judged time, and how sure the surest look was."""
        judged = truck.tallies.get("judged", 0.0)
        share = truck.tallies.get("guilty", 0.0) / judged if judged > 0 else 0.0
        return {
            "trait": self.settings.word("trait"),
            "trait_share": round(share, 3),
            "trait_best": round(truck.tallies.get("surest", 0.0), 3),
        }

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Dust over a building site: it persists, it stirs, and no vehicle or weather makes it.

Where there are pictures, a cloud is proven by the motion of its pixels, and by ground that does not
look as it usually does; boxes jitter, and prove nothing. Without pictures, it must grow or drift
from one third of its time to another, by the middle of many looks: one odd box is no growth.
One case for a site polygon, however many clouds the detector sees in it.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from edge.geometry import apart, around, centre, distance, foot, size_of, within
from edge.hold import Sight
from edge.rules.grilling import VEHICLES
from edge.rules.reporting import corroboration
from edge.rules.rule_settings import PLACE_SETTINGS, RuleSettings, Setting, Settings
from edge.rules.spot import Spot
from edge.rules.stirring import Ground, Stir
from edge.rules.view import SceneView, Verdicts
from edge.rules.zone_places import ZonePlaceRule
from edge.rules.zones import ZoneRule
from edge.values import Box, Json, Track

EXHAUST_TIMES = 1.5
# Fog comes and goes in a detector's eyes: so many of the last looks at dust make it weather.
FOG_LOOKS, FOG_SHARE = 40, 0.2
# Sizes and middles that are remembered of a cloud, thinned evenly when they are more.
MOST_LOOKS, LEAST_LOOKS = 120, 4


class Plume(ZonePlaceRule):
    """See the module."""

    NUMBER: ClassVar[str] = "site"
    FAINT: ClassVar[bool] = True
    # Its proof is the light of pixels, of which it takes every second look then, as it takes every
    # third of five a second (edge.rules.stirring.EVERY_S).
    LOOK_S: ClassVar[float] = 0.3
    SETTINGS: ClassVar[Settings] = {
        **PLACE_SETTINGS,
        "band": Setting(0.5, "lowest share of the cloud that is asked for its zone", 0.02, 1.0),
        # A cloud stands above the ground that the site's polygon outlines, its foot often hidden.
        "contact": Setting(0.1, "share of that part that must lie in the site", 0.01, 1.0),
        "sure": Setting(0.35, "score that the best look at the cloud must reach", 0.0, 1.0),
        "growth": Setting(1.12, "without pictures: its size in one third over another", 1.0, 10.0),
        "drift": Setting(0.08, "without pictures: way of its middle, in its sizes", 0.0, 10.0),
        "fog_share": Setting(0.6, "a cloud over so much of the frame is weather", 0.05, 1.0),
        "stir": Setting(2.0, "its pixels vary so many times as those of the rest", 1.0, 50.0),
        "stir_levels": Setting(0.4, "and by so many grey levels of 255", 0.0, 255.0),
        "unusual_levels": Setting(2.5, "so far from the ground's usual look", 0.0, 255.0),
        "stir_share": Setting(0.5, "in so much of the time", 0.0, 1.0),
        "channels": Setting(
            ("pm10", "tsp", "a34001-Rtd", "a34001-Avg", "a34002-Rtd", "a34002-Avg"),
            "dust channels that count",
        ),
        "dust_ug_m3": Setting(150.0, "reading that supports it", 1.0, 1e6),
    }

    def __init__(self, settings: RuleSettings, zones: ZoneRule) -> None:
        super().__init__(settings, zones)
        self._clouds: dict[int, list[Track]] = {}
        self._ground = Ground()
        self._looks: dict[str, list[tuple[float, float, float]]] = {}
        self._foggy: deque[bool] = deque(maxlen=FOG_LOOKS)

    def step(self, view: SceneView, out: Verdicts) -> None:
        """Take the ground in, then judge the clouds like any place."""
        if view.scene.image is not None:
            self._ground.look(view.scene.image, view.mono, view.boxes)
        super().step(view, out)

    @property
    def zone_ids(self) -> Sequence[str]:
        return self._zones.ids

    def subjects(self, view: SceneView) -> list[Track]:
        """One stand-in track for each asked zone with dust in it; its id names the zone."""
        seen = super().subjects(view)
        dust = [] if self._weather(seen) else [t for t in seen if self._is_dust(view, t)]
        self._clouds = {}
        if dust:
            shares = view.shares([t.box for t in dust], self.settings.number("band")).tolist()
            for track, row in zip(dust, shares, strict=True):
                site = self._zones.strongest(row, view.moment)
                if site is not None:
                    self._clouds.setdefault(site, []).append(track)
        return [_together(site, tracks) for site, tracks in self._clouds.items()]

    def _weather(self, seen: list[Track]) -> bool:
        """Clouds over most of the frame now, or in a good part of the looks before."""
        if seen:
            largest = max((t.box[2] - t.box[0]) * (t.box[3] - t.box[1]) for t in seen)
            self._foggy.append(largest > self.settings.number("fog_share"))
            if self._foggy[-1]:
                return True
        return bool(self._foggy) and sum(self._foggy) > FOG_SHARE * len(self._foggy)

    def _is_dust(self, view: SceneView, track: Track) -> bool:
        return not any(self._exhaust_of(view, track, v) for v in view.of(VEHICLES))

    def _exhaust_of(self, view: SceneView, dust: Track, vehicle: Track) -> bool:
        """Small beside its vehicle, touching it, and either idling with it or driving with it."""
        size, of = size_of(dust.box, view.aspect), size_of(vehicle.box, view.aspect)
        if size > EXHAUST_TIMES * of or apart(dust.box, vehicle.box, view.aspect) > 0.3 * of:
            return False
        driving = view.moving(dust) and view.moving(vehicle)
        return size < 0.8 * of or driving or within(dust.box, vehicle.box) > 0.5

    def _absence(self, view: SceneView, spot: Spot, passed: float) -> Sight:
        return "hidden" if view.covered(spot.box) >= 0.8 else "missed"

    def _presence(self, view: SceneView, spot: Spot, track: Track, passed: float) -> Sight:
        x, y = foot(track.box)
        spot.anchor = (
            spot.anchor[0] + (x - spot.anchor[0]) * 0.1,
            spot.anchor[1] + (y - spot.anchor[1]) * 0.1,
        )
        return super()._presence(view, spot, track, passed)

    def observe(self, view: SceneView, spot: Spot, passed: float) -> None:
        """Whether the largest cloud stirs; its size and middle, where there are no pictures."""
        clouds = self._clouds.get(self.number_of(spot), ())
        if not clouds:
            return
        box = max((c.box for c in clouds), key=lambda b: size_of(b, view.aspect))
        if view.scene.image is not None:
            self._tally(spot, self._stir(view, box), passed)
        looks = self._looks.setdefault(spot.key, [])
        looks.append((size_of(box, view.aspect), *centre(box)))
        if len(looks) > MOST_LOOKS:
            del looks[::2]

    def _stir(self, view: SceneView, box: Box) -> Stir | None:
        others = [t.box for t in view.scene.tracks if t.label not in self.settings.category.classes]
        return self._ground.stir(box, np.array(others, np.float32).reshape(-1, 4))

    def _tally(self, spot: Spot, stir: Stir | None, passed: float) -> None:
        if stir is None:
            return
        number = self.settings.number
        spot.tally("watched", passed)
        usual = stir.unusual is not None and stir.unusual < number("unusual_levels")
        if stir.times >= number("stir") and stir.within >= number("stir_levels") and not usual:
            spot.tally("stirred", passed)

    def proven(self, view: SceneView, spot: Spot) -> bool:
        """It stirs as dust does, or the sensor beside it says so."""
        says = self._sensor(view)
        if isinstance(says, dict) and says["says"] == "supports":
            return True
        if view.scene.image is not None:
            return spot.tally_share("stirred", of="watched") >= self.settings.number("stir_share")
        growth, drift = self._change(view, spot)
        return growth >= self.settings.number("growth") or drift >= self.settings.number("drift")

    def _change(self, view: SceneView, spot: Spot) -> tuple[float, float]:
        """(growth, drift in own sizes) from third to third of its looks, middle of each."""
        looks = np.array(self._looks.get(spot.key, ()), np.float64)
        if len(looks) < 2 * LEAST_LOOKS:
            return 0.0, 0.0
        thirds = [np.median(part, axis=0) for part in np.array_split(looks, 3)]
        sizes = [float(part[0]) for part in thirds]
        ways = [
            distance((a[1], a[2]), (b[1], b[2]), view.aspect)
            for a, b in itertools.combinations(thirds, 2)
        ]
        return max(sizes) / max(min(sizes), 1e-3), max(ways) / max(sizes[-1], 1e-3)

    def _over(self, view: SceneView, spot: Spot, why: str, out: Verdicts) -> bool:
        over = super()._over(view, spot, why, out)
        self._looks.pop(spot.key, None)
        return over

    def _sensor(self, view: SceneView) -> Json:
        limit = self.settings.number("dust_ug_m3")
        return corroboration(view.scene.samples, self.settings.words("channels"), limit)

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        """In how much of the time it stirred (null without pictures), how much it grew, how far it
        drifted in its own sizes, and what the dust sensor says of it."""
        growth, drift = self._change(view, spot)
        seen = spot.tallies.get("watched", 0.0) > 0.0
        return {
            "stirred_share": round(spot.tally_share("stirred", of="watched"), 2) if seen else None,
            "growth": round(growth, 2),
            "drift_sizes": round(drift, 2),
            "dust": self._sensor(view),
        }


def _together(site: int, tracks: list[Track]) -> Track:
    box: Box = tracks[0].box
    for track in tracks[1:]:
        box = around(box, track.box)
    best = max(tracks, key=lambda t: t.score)
    return replace(best, id=-site, box=box)

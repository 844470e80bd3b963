# SPDX-License-Identifier: AGPL-3.0-or-later
"""Dust over a building site: it persists, it grows or drifts, and no vehicle or weather makes it.

One case for a site polygon, however many clouds the detector sees in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from edge.geometry import apart, around, centre, distance, foot, size_of, within
from edge.hold import Sight
from edge.rules.corroboration import corroboration
from edge.rules.grilling import VEHICLES
from edge.rules.places import PLACE_SETTINGS, PlaceRule
from edge.rules.rule_settings import RuleSettings, Setting, Settings
from edge.rules.spot import Spot
from edge.rules.view import SceneView
from edge.rules.zones import ZoneRule
from edge.values import Box, Json, Track

SMOOTH = 0.3
EXHAUST_TIMES = 1.5


class Plume(PlaceRule):
    """See the module."""

    SETTINGS: ClassVar[Settings] = {
        **PLACE_SETTINGS,
        "band": Setting(0.5, "lowest share of the cloud that is asked for its zone", 0.02, 1.0),
        # A cloud stands above the ground that the site's polygon outlines, its foot often hidden.
        "contact": Setting(0.1, "share of that part that must lie in the site", 0.01, 1.0),
        "sure": Setting(0.35, "score that the best look at the cloud must reach", 0.0, 1.0),
        "growth": Setting(1.12, "largest over smallest size of the cloud", 1.0, 10.0),
        "drift": Setting(0.08, "way of its middle, in sizes of the cloud", 0.0, 10.0),
        "fog_share": Setting(0.6, "a cloud over so much of the frame is weather", 0.05, 1.0),
        "channels": Setting(
            ("pm10", "tsp", "a34001-Rtd", "a34001-Avg", "a34002-Rtd", "a34002-Avg"),
            "dust channels that count",
        ),
        "dust_ug_m3": Setting(150.0, "reading that supports it", 1.0, 1e6),
    }

    def __init__(self, charge: RuleSettings, zones: ZoneRule) -> None:
        super().__init__(charge, zones)
        self._clouds: dict[int, list[Track]] = {}

    def subjects(self, view: SceneView) -> list[Track]:
        """One stand-in track for each asked zone with dust in it; its id names the zone."""
        dust = [t for t in super().subjects(view) if self._is_dust(view, t)]
        self._clouds = {}
        if dust:
            shares = view.shares([t.box for t in dust], self.charge.number("band")).tolist()
            for track, row in zip(dust, shares, strict=True):
                site = self._zones.strongest(row, view.moment)
                if site is not None:
                    self._clouds.setdefault(site, []).append(track)
        return [_together(site, tracks) for site, tracks in self._clouds.items()]

    def _is_dust(self, view: SceneView, track: Track) -> bool:
        box = track.box
        if (box[2] - box[0]) * (box[3] - box[1]) > self.charge.number("fog_share"):
            return False
        return not any(self._exhaust_of(view, track, v) for v in view.of(VEHICLES))

    def _exhaust_of(self, view: SceneView, dust: Track, vehicle: Track) -> bool:
        """Small beside its vehicle, touching it, and either idling with it or driving with it."""
        size, of = size_of(dust.box, view.aspect), size_of(vehicle.box, view.aspect)
        if size > EXHAUST_TIMES * of or apart(dust.box, vehicle.box, view.aspect) > 0.3 * of:
            return False
        driving = view.moving(dust) and view.moving(vehicle)
        return size < 0.8 * of or driving or within(dust.box, vehicle.box) > 0.5

    def stands(self, view: SceneView, track: Track) -> bool:
        return True

    def _assign(self, view: SceneView, tracks: list[Track]) -> tuple[dict[int, Track], list[Track]]:
        by_site = {int(spot.tallies["site"]): i for i, spot in enumerate(self._spots)}
        placed = {by_site[-t.id]: t for t in tracks if -t.id in by_site}
        return placed, [t for t in tracks if -t.id not in by_site]

    def _start(self, view: SceneView, fresh: list[Track]) -> None:
        already = len(self._spots)
        super()._start(view, fresh)
        for spot in self._spots[already:]:
            assert spot.track is not None
            spot.tallies["site"] = float(-spot.track.id)

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
        """Follow size and middle of the largest cloud, smoothed against the detector's jitter."""
        clouds = self._clouds.get(int(spot.tallies["site"]), ())
        if not clouds:
            return
        box = max((c.box for c in clouds), key=lambda b: size_of(b, view.aspect))
        size, (x, y) = size_of(box, view.aspect), centre(box)
        tallies = spot.tallies
        for name, value in (("size", size), ("x", x), ("y", y)):
            old = tallies.get(name, value)
            tallies[name] = old + (value - old) * SMOOTH
            tallies.setdefault(f"{name}_0", value)
        tallies["least"] = min(tallies.get("least", size), tallies["size"])
        tallies["most"] = max(tallies.get("most", size), tallies["size"])
        start, here = (tallies["x_0"], tallies["y_0"]), (tallies["x"], tallies["y"])
        way = distance(start, here, view.aspect) / max(tallies["size"], 1e-3)
        tallies["drift"] = max(tallies.get("drift", 0.0), way)

    def proven(self, view: SceneView, spot: Spot) -> bool:
        """It has grown or drifted as dust does, or the sensor beside it says so."""
        growth, drift = self.charge.number("growth"), self.charge.number("drift")
        if _growth(spot) >= growth or spot.tallies.get("drift", 0.0) >= drift:
            return True
        says = self._sensor(view)
        return isinstance(says, dict) and says["says"] == "supports"

    def _sensor(self, view: SceneView) -> Json:
        limit = self.charge.number("dust_ug_m3")
        return corroboration(view.scene.samples, self.charge.words("channels"), limit)

    def facts(self, view: SceneView, spot: Spot) -> dict[str, Json]:
        """How much it grew, how far it drifted in its own sizes, and what the dust sensor says of
        it."""
        return {
            "growth": round(_growth(spot), 2),
            "drift_sizes": round(spot.tallies.get("drift", 0.0), 2),
            "dust": self._sensor(view),
        }


def _growth(spot: Spot) -> float:
    least = spot.tallies.get("least", 0.0)
    return spot.tallies.get("most", 0.0) / least if least > 0.0 else 0.0


def _together(site: int, tracks: list[Track]) -> Track:
    box: Box = tracks[0].box
    for track in tracks[1:]:
        box = around(box, track.box)
    best = max(tracks, key=lambda t: t.score)
    return replace(best, id=-site, box=box)

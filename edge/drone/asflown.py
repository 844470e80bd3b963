# SPDX-License-Identifier: AGPL-3.0-or-later
"""The flight as it was flown against what each category needs to be seen. Pure.

Before anything is judged: a category of which too little could have been seen is said, so that
nothing found does not read as nothing there. The limits are this product's own: half of the 16
pixels below which a detector finds half as many objects (edge.drone.groundtiles).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from edge.config import Category
from edge.drone.earth import Local
from edge.drone.georef import GroundView
from edge.drone.ground import footprint, gsd_m
from edge.drone.groundgrid import COLOUR_GSD_M, SiteGrid
from edge.drone.groundtiles import LEAST_PX
from edge.drone.look import BLURRED, KeyFrame
from edge.drone.rule_settings import KINDS
from edge.drone.settings import Judging
from edge.drone.words import UNSEEN
from edge.evidence.pictures import BLUR_RATIO, measure
from edge.values import Image

# The shorter side in metres of a thing of each class, as it lies or stands.
SIZES_M: Mapping[str, float] = {
    "person": 0.5,
    "vendor_stall": 1.2,
    "umbrella": 1.8,
    "grill": 0.6,
    "garbage": 0.6,
    "goods": 0.6,
    "spillage": 0.8,
    "fire": 0.4,
    "smoke": 1.5,
    "dust": 3.0,
    "car": 1.8,
    "truck": 2.3,
    "muck_truck": 2.5,
    "excavator": 2.5,
}
OTHER_M = 0.8
# Fewer of its own pixels than this across a thing are enlarged without anything to be seen in it.
SEEN_PX = LEAST_PX / 2.0
# A category of which less than this share was shown well enough is named.
ENOUGH_SHARE = 0.5
# Standard deviation of the Laplacian at this width below which a picture shows nothing: a street
# from the air has 30, in dense haze 3, out of focus by 16 px 1.2.
FEATURELESS, WIDTH_PX = 1.3, 640
# A thing smeared over more than this share of its width has no edge left.
SMEAR_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Conditions:
    """What one look was like: metres of ground a pixel in its middle, speed, sharpness (0..1, see
    edge.evidence.pictures), pixels over which the ground was smeared where the shutter is known,
    looks that a point of the ground gets at this speed and rate."""

    gsd_m: float
    speed_mps: float
    sharp: float
    smear_px: float | None
    looks_each: float


def conditions(look: KeyFrame, fps: float) -> Conditions | None:
    """None for a look without a place or too flat to inspect anything."""
    view = look.view
    if view is None or look.why not in (None, BLURRED):
        return None
    gsd = gsd_m(view, view.width / 2.0, view.height / 2.0)
    if gsd is None:
        return None
    smear = None if look.shutter_s is None else look.speed_mps * look.shutter_s / gsd
    return Conditions(gsd, look.speed_mps, look.sharp, smear, _looks_each(view, look, fps))


def sharp_of(image: Image) -> float:
    """Sharpness 0..1 of a picture (edge.evidence.pictures); 0 for one without any edge, in which
    only the steps of its own coding are sharp. image: uint8 (height, width, 3)."""
    height, width = image.shape[:2]
    size = (WIDTH_PX, max(1, round(height * WIDTH_PX / width)))
    small = image
    if width > WIDTH_PX:
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    edges = cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), cv2.CV_32F)
    return 0.0 if float(edges.std()) < FEATURELESS else measure(small).sharpness


def _looks_each(view: GroundView, look: KeyFrame, fps: float) -> float:
    """How often a point of the ground is looked at while its picture passes over it."""
    outline = footprint(view, Local(view.lat, view.lon))
    if len(outline) < 3 or look.speed_mps < 0.1:
        return float("inf")
    depth = float(min(outline[:, 0].max() - outline[:, 0].min(),
                      outline[:, 1].max() - outline[:, 1].min()))  # fmt: skip
    return depth / look.speed_mps * fps


@dataclass(slots=True)
class AsFlown:
    """Collects the looks of a flight; 40 bytes a look, at most `look.fps` of them a second."""

    fps: float
    looks: int = 0
    seen: list[Conditions] = field(default_factory=list)

    def add(self, look: KeyFrame) -> None:
        self.looks += 1
        found = conditions(look, self.fps)
        if found is not None:
            self.seen.append(found)

    def row(
        self, categories: Sequence[Category], judging: Judging, grids: Mapping[str, SiteGrid]
    ) -> dict[str, Any]:
        """The ledger's `as_flown`: how it was flown, and of each category what share of the looks
        (with a register: of the ground) showed enough, and why the rest did not."""
        return {
            "looks": self.looks,
            "placed": len(self.seen),
            "blurred": sum(one.sharp < BLUR_RATIO for one in self.seen),
            "speed_mps": _spread([one.speed_mps for one in self.seen], 1),
            "gsd_m": _spread([one.gsd_m for one in self.seen], 4),
            "sharpness": _spread([one.sharp for one in self.seen], 2),
            "categories": [
                self._category(category, judging, grids)
                for category in categories
                if _from_the_air(category)
                and (not judging.categories or category.id in judging.categories)
            ],
        }

    def _category(
        self, category: Category, judging: Judging, grids: Mapping[str, SiteGrid]
    ) -> dict[str, Any]:
        size = object_m(category)
        needs = COLOUR_GSD_M if category.kind == "cover" else size / SEEN_PX
        reasons = [_wanting(one, needs, size, judging.looks) for one in self.seen]
        reasons += ["unplaced"] * (self.looks - len(self.seen))
        shown = reasons.count(None) / max(1, len(reasons))
        lacks = [reason for reason in reasons if reason is not None]
        ground = _ground_share(needs, grids)
        share = shown if ground is None else min(shown, ground)
        by_looks = lacks and shown <= (1.0 if ground is None else ground)
        why = statistics.mode(lacks) if by_looks else None if share >= 1.0 else "uncovered"
        return {
            "category": category.id,
            "names": {"zh": category.zh, "en": category.en},
            "object_m": size,
            "needs_gsd_m": round(needs, 4),
            "share": round(share, 3),
            "why": why,
            "words": None if why is None else {"zh": UNSEEN[why][0], "en": UNSEEN[why][1]},
        }


def _from_the_air(category: Category) -> bool:
    """Whether a flight judges it at all: see edge.drone.rule_settings."""
    if category.kind == "uncovered":
        return category.set.get("trait") == "open_loaded"
    if category.kind == "spill":
        return bool(category.with_classes)
    return category.kind in (*KINDS, "cover")


def object_m(category: Category) -> float:
    """Shorter side of the smallest thing without which the category cannot be recognised."""
    kinds = [category.classes]
    if category.kind in ("occupation", "grilling", "spill", "dumping") and category.with_classes:
        kinds.append(category.with_classes)
    # Of alternatives the largest is enough; of things that must be there together the smallest.
    return min((max(SIZES_M.get(c, OTHER_M) for c in some) for some in kinds if some),
               default=OTHER_M)  # fmt: skip


def _wanting(one: Conditions, needs_m: float, size_m: float, looks: int) -> str | None:
    """Why a look cannot show a thing of this size, by the first reason that holds."""
    if one.gsd_m > needs_m:
        return "coarse"
    smeared = one.smear_px is not None and one.smear_px * one.gsd_m > SMEAR_SHARE * size_m
    if one.sharp < BLUR_RATIO or smeared:
        return "blurred"
    return "quick" if one.looks_each < looks else None


def _ground_share(needs_m: float, grids: Mapping[str, SiteGrid]) -> float | None:
    """Share of the register's ground that was seen at least so finely; None without a register."""
    cells = sum(len(grid.gsd) for grid in grids.values())
    if not cells:
        return None
    return float(sum((grid.gsd <= needs_m).sum() for grid in grids.values()) / cells)


def _spread(values: Sequence[float], digits: int) -> dict[str, float] | None:
    """Median and worst tenth; None where nothing was measured."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "median": round(statistics.median(ordered), digits),
        "p10": round(ordered[len(ordered) // 10], digits),
        "p90": round(ordered[(len(ordered) * 9) // 10], digits),
    }


def unseen(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The categories of an `as_flown` of which too little was shown."""
    return [one for one in row["categories"] if one["share"] < ENOUGH_SHARE]

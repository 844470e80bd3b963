# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cut-outs laid on the photographs of a training picture, in sizes a camera would see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.values import Image
from tools.training.cutouts import Cutout, paste
from tools.training.regions import Region
from tools.training.settings import Picture
from tools.training.shots import SEEN_FROM_ABOVE, Shot
from tools.training.transplants import ONLY_NAMED, transplants
from tools.training.wear import (
    clad,
    disguised,
    feathered,
    grained,
    half_hidden,
    harmonised,
    recoloured,
    softened,
    under_trees,
)

MOST_HIDDEN = 0.65  # of a box's area, by a cut-out pasted over it
# Under its umbrella a grill is, from above, any stall: the label would teach confusion.
HIDDEN_FROM_ABOVE = ("grill",)
# Long side of a cut-out over the height of the picture it lies on.
FROM_ABOVE, FROM_GROUND, CLOSE = (0.05, 0.4), (0.1, 0.85), (0.75, 1.6)
REAL = "real"  # kinds of cut-outs that were taken from photographs begin with it
# Umbrellas and lorries are painted in any colour; soil is not.
HUE = {
    **dict.fromkeys(("stall", "real_stall", "real_market", "real_cart"), 0.5),
    **dict.fromkeys(("truck", "real_truck"), 0.5),
    "real_orderly_bin": 0.5,
    "spillage": 0.02,
}
# The parasols of a garden or a terrace: many of one kind in rows, and no stall among them.
TERRACE_KINDS, TERRACE_SIDE, TERRACE_GAP = ("real_stall",), (2, 5), (1.15, 1.9)
# Two-wheelers parked side by side, bright boxes on their backs: from afar a stall, to a model that
# has only seen them alone. How many, and the step in their own widths, sideways and down.
ROW_KINDS, ROW_LENGTH, ROW_STEP, ROW_SLOPE = ("two_wheeler",), (3, 7), (0.25, 0.7), 0.15
# An overflowing bin that is cut out of its photograph loses what makes it one: the refuse about it.
# So an orderly one is pasted, and half of the time bags at its foot or over its rim: how many, and
# their height in its own.
ORDERLY, FULL, BAG_KIND = "real_orderly_bin", "overflowing_bin", "real_bag"
FULL_SHARE, BAGS, BAG_SIDE, OVER_RIM = 0.5, (2, 5), (0.2, 0.5), 0.4

Boxes = list[NDArray[np.float32]]
Labels = list[NDArray[np.int64]]
Sides = tuple[int, int, int, int]


@dataclass(slots=True)
class Ground:
    """What is pasted on: a region of the canvas, and the boxes (canvas px) and labels so far."""

    canvas: Image
    region: Region
    boxes: Boxes
    labels: Labels

    @property
    def part(self) -> Image:
        region = self.region
        return self.canvas[region.top : region.bottom, region.left : region.right]

    def lay(
        self, cutout: Cutout, scale: float, corner: tuple[int, int], rng: Generator
    ) -> list[tuple[str, Sides]]:
        """Paste it; what it mostly hides loses its box. What is seen of it: class, sides in px of
        the region. Nothing of it has a box yet."""
        found, covered = paste(self.part, cutout, scale, corner, rng)
        self._hide(covered)
        return found

    def keep(self, found: list[tuple[str, Sides]], names: tuple[str, ...]) -> None:
        """Give what was laid its boxes and labels."""
        if not found:
            return
        sides = np.array([box for _, box in found], np.float32) + self._offset
        self.boxes.append(sides)
        self.labels.append(np.array([names.index(name) for name, _ in found], np.int64))

    @property
    def _offset(self) -> NDArray[np.float32]:
        return np.array([self.region.left, self.region.top] * 2, np.float32)

    def _hide(self, covered: NDArray[np.bool_]) -> None:
        """Drop boxes of this region that a cut-out has mostly covered."""
        total = np.zeros((covered.shape[0] + 1, covered.shape[1] + 1), np.int32)
        total[1:, 1:] = covered.cumsum(0).cumsum(1)
        limit = np.array([covered.shape[1], covered.shape[0]] * 2)
        for number, group in enumerate(self.boxes):
            x1, y1, x2, y2 = np.clip(group - self._offset, 0, limit).astype(int).T
            hidden = total[y2, x2] - total[y1, x2] - total[y2, x1] + total[y1, x1]
            area = (group[:, 2:] - group[:, :2]).prod(1)
            keep = hidden <= MOST_HIDDEN * np.maximum(area, 1)
            self.boxes[number], self.labels[number] = group[keep], self.labels[number][keep]


class Paster:
    """Draws cut-outs by kind and lays them on a region; keeps boxes and labels right."""

    def __init__(
        self, cutouts: list[Cutout], shots: list[Shot], names: tuple[str, ...], picture: Picture
    ) -> None:
        self._names, self._picture, self._shots = names, picture, shots
        real = [one for one in transplants(shots, names) if _wished(one, picture)]
        cutouts = [*cutouts, *real]
        self._shelves = {above: _shelve(cutouts, above) for above in (False, True)}

    def paste(
        self,
        canvas: Image,
        region: Region,
        shot: Shot,
        boxes: Boxes,
        labels: Labels,
        rng: Generator,
    ) -> None:
        """One cut-out on the part of `canvas` that `shot` covers; boxes in canvas px are added,
        and those that it hides are dropped."""
        pools = self._shelves[shot.item.source in SEEN_FROM_ABOVE]
        if not pools:
            return
        ground = Ground(canvas, region, boxes, labels)
        if shot.item.source in SEEN_FROM_ABOVE and rng.random() < self._picture.terraces:
            self._terrace(pools, ground, rng)
            return
        if rng.random() < self._picture.decoys:
            self._decoy(pools, ground, rng)
            return
        # Asked only where it is wished: a run of before draws the same numbers as ever.
        if self._picture.rows and rng.random() < self._picture.rows:
            self._row(pools, ground, shot, rng)
            return
        self._thing(pools, ground, shot, rng)

    def _thing(
        self, pools: dict[str, list[Cutout]], ground: Ground, shot: Shot, rng: Generator
    ) -> None:
        """One labelled thing, now and then with something in front."""
        cutout = self._worn(self._draw(pools, rng), shot, rng)
        scale, corner = self._place(cutout, ground.region, rng)
        if cutout.above:
            cutout = cutout.turned(int(rng.integers(4)))
        found = ground.lay(cutout, scale, corner, rng)
        if found and cutout.kind == ORDERLY and rng.random() < FULL_SHARE:
            found = self._overfilled(pools.get(BAG_KIND, []), ground, found[0][1], shot, rng)
        ground.keep(found, self._names)
        if found and rng.random() < self._picture.hidden:
            hide = under_trees if cutout.above and rng.random() < 0.6 else half_hidden
            hide(ground.part, found[0][1], shot.image, rng)

    def _overfilled(
        self, pool: list[Cutout], ground: Ground, sides: Sides, shot: Shot, rng: Generator
    ) -> list[tuple[str, Sides]]:
        """Bags about an orderly bin: what is seen of both."""
        x1, y1, x2, y2 = sides
        found = [(FULL if pool else "bin", sides)]
        for _ in range(rng.integers(*BAGS, endpoint=True) if pool else 0):
            bag = self._worn(pool[rng.integers(len(pool))], shot, rng)
            side = (y2 - y1) * rng.uniform(*BAG_SIDE)
            scale = side / bag.rgba.shape[0]
            over = rng.random() < OVER_RIM
            foot = y1 + (y2 - y1) * (rng.uniform(0.05, 0.3) if over else rng.uniform(0.92, 1.1))
            left = rng.uniform(x1, x2) - bag.rgba.shape[1] * scale / 2
            found += ground.lay(bag, scale, (int(left), int(foot - side)), rng)
        return found

    def _row(
        self,
        pools: dict[str, list[Cutout]],
        ground: Ground,
        shot: Shot,
        rng: Generator,
    ) -> None:
        """Two-wheelers parked side by side, the farther ones first; each with its label."""
        pool = [cutout for kind in ROW_KINDS for cutout in pools.get(kind, [])]
        if not pool:
            return
        scale, (left, top) = self._place(pool[0], ground.region, rng)
        step, slope = rng.uniform(*ROW_STEP), rng.uniform(0.0, ROW_SLOPE)
        toward = rng.choice((-1.0, 1.0))
        side = max(pool[0].rgba.shape[:2]) * scale
        for number in range(rng.integers(*ROW_LENGTH, endpoint=True)):
            one = self._worn(pool[rng.integers(len(pool))], shot, rng)
            along = number * step * side
            corner = int(left + toward * along), int(top + slope * along)
            scale = side / max(one.rgba.shape[:2])
            ground.keep(ground.lay(one, scale, corner, rng), self._names)

    def _decoy(
        self,
        pools: dict[str, list[Cutout]],
        ground: Ground,
        rng: Generator,
    ) -> None:
        """The outline of a cut-out filled with another photograph, unlabelled."""
        one = self._draw(pools, rng)
        other = self._shots[rng.integers(len(self._shots))].image
        rgba = disguised(one.rgba, one.index > 0, other, rng)
        rgba[..., 3] = feathered(np.ascontiguousarray(rgba[..., 3]), rng)
        one = replace(one, rgba=rgba, index=(rgba[..., 3] > 0).astype(np.uint8))
        scale, corner = self._place(one, ground.region, rng)
        ground.lay(one, scale, corner, rng)

    def _terrace(
        self,
        pools: dict[str, list[Cutout]],
        ground: Ground,
        rng: Generator,
    ) -> None:
        """Equal parasols in rows, unlabelled; what they hide loses its box."""
        pool = [cutout for kind in TERRACE_KINDS for cutout in pools.get(kind, [])]
        if not pool:
            return
        one = pool[rng.integers(len(pool))]
        plain = recoloured(np.ascontiguousarray(one.rgba[..., :3]), rng, hue=0.5, saturation=1.0)
        one = replace(one, rgba=np.concatenate([plain, one.rgba[..., 3:]], 2))
        scale, (left, top) = self._place(one, ground.region, rng)
        step = max(one.rgba.shape[:2]) * scale * rng.uniform(*TERRACE_GAP)
        for row, column in np.ndindex(*rng.integers(*TERRACE_SIDE, 2, endpoint=True)):
            corner = int(left + column * step), int(top + row * step)
            ground.lay(one, scale, corner, rng)

    def _draw(self, pools: dict[str, list[Cutout]], rng: Generator) -> Cutout:
        wished = np.array([self._picture.cutout_kinds.get(kind, 0.5) for kind in pools])
        pool = pools[str(rng.choice(list(pools), p=wished / wished.sum()))]
        return pool[rng.integers(len(pool))]

    def _worn(self, cutout: Cutout, shot: Shot, rng: Generator) -> Cutout:
        """The same thing in another colour, with the grain of a photograph."""
        if rng.random() >= self._picture.wear:
            return cutout
        image = np.ascontiguousarray(cutout.rgba[..., :3])
        strong = rng.random() < 0.5
        image = recoloured(image, rng, hue=HUE.get(cutout.kind, 0.1) if strong else 0.03)
        if not cutout.kind.startswith(REAL) and rng.random() < 0.6:
            image = grained(image, shot.image, rng)
        other = self._shots[rng.integers(len(self._shots))].image if self._shots else shot.image
        if cutout.kind != "spillage" and rng.random() < self._picture.clad:
            image = clad(image, cutout.index > 0, other, rng)
        if rng.random() < self._picture.harmony:
            image = harmonised(image, cutout.index > 0, shot.image, rng)
        if rng.random() < self._picture.soft:
            image = softened(image, rng)
        alpha = np.ascontiguousarray(cutout.rgba[..., 3])
        if not cutout.kind.startswith(REAL):  # those are feathered already
            alpha = feathered(alpha, rng)
        return replace(cutout, rgba=np.dstack([image, alpha]))

    def _place(
        self, cutout: Cutout, region: Region, rng: Generator
    ) -> tuple[float, tuple[int, int]]:
        """Scale, and the top left corner in px of the region."""
        close = not cutout.above and rng.random() < self._picture.close
        low, most = FROM_ABOVE if cutout.above else CLOSE if close else FROM_GROUND
        high, wide = cutout.rgba.shape[:2]
        size = region.height * np.exp(rng.uniform(np.log(low), np.log(most)))
        scale = size / max(high, wide)
        # One wider than the region hangs over either side of it.
        leftmost, rightmost = sorted((-0.25 * wide * scale, region.width - 0.75 * wide * scale))
        left = rng.uniform(leftmost, rightmost)
        foot = region.height * (rng.uniform(0.8, 1.2) if close else rng.uniform(0.3, 1.1))
        return scale, (int(left), int(foot - high * scale))


def _wished(cutout: Cutout, picture: Picture) -> bool:
    return cutout.kind not in ONLY_NAMED or cutout.kind in picture.cutout_kinds


def _shelve(cutouts: list[Cutout], above: bool) -> dict[str, list[Cutout]]:
    """Those seen from above or from the ground, by kind."""
    shelves: dict[str, list[Cutout]] = {}
    for cutout in cutouts:
        if cutout.above == above and not (above and cutout.kind in HIDDEN_FROM_ABOVE):
            shelves.setdefault(cutout.kind, []).append(cutout)
    return shelves

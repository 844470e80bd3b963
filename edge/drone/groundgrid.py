# SPDX-License-Identifier: AGPL-3.0-or-later
"""A site as cells of ground: which were seen how well, and what colour they had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.drone import soil
from edge.drone.earth import Local
from edge.drone.georef import GroundView
from edge.drone.ground import FLAT_DEG, to_pixels
from edge.drone.sites import Area
from edge.values import Image

CELL_M = 1.0
MOST_CELLS = 60_000
# Ground colours can be told apart much coarser than things can be found.
COLOUR_GSD_M = 0.5
# Colours are sampled from a picture reduced to this width: one pixel is then a mean.
SAMPLE_WIDTH = 960


@dataclass(frozen=True, slots=True)
class Cover:
    """Shares of the inspected cells: bare soil, green net, growth; and of the site: inspected."""

    inspected: float
    soil: float
    net: float
    growth: float
    area_m2: float


class SiteGrid:
    """Cells of one area. One owner: the flight job. Memory is bounded by MOST_CELLS.

    Ground seen coarser than `inspected_gsd_m` was flown over, not inspected.
    """

    def __init__(self, area: Area, plane: Local, *, inspected_gsd_m: float) -> None:
        self._plane, self._inspected_m = plane, inspected_gsd_m
        west, south, east, north = area.bounds()
        span = max((east - west) * (north - south), 1.0)
        self.cell_m = max(CELL_M, (span / MOST_CELLS) ** 0.5)
        xs = np.arange(west + self.cell_m / 2, east, self.cell_m)
        ys = np.arange(south + self.cell_m / 2, north, self.cell_m)
        grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
        held = _held(area, grid)
        self.points: NDArray[np.float64] = grid[held]
        self.gsd: NDArray[np.float64] = np.full(len(self.points), np.inf)
        self.votes: NDArray[np.uint16] = np.zeros((len(self.points), 4), np.uint16)

    def look(self, view: GroundView, small: Image) -> int:
        """Count a picture, reduced by `reduced`; the number of cells it inspects."""
        pixels = to_pixels(view, self.points, self._plane)
        seen, gsd = self._seen(view, pixels)
        if not seen.any():
            return 0
        self.gsd[seen] = np.minimum(self.gsd[seen], gsd[seen])
        scale = small.shape[1] / view.width
        columns = np.clip((pixels[seen, 0] * scale).astype(int), 0, small.shape[1] - 1)
        rows = np.clip((pixels[seen, 1] * scale).astype(int), 0, small.shape[0] - 1)
        kinds = soil.classify(small[rows, columns])
        at = np.nonzero(seen)[0]
        room = self.votes[at, kinds] < 65_000
        self.votes[at[room], kinds[room]] += 1
        return int((gsd[seen] <= self._inspected_m).sum())

    def _seen(
        self, view: GroundView, pixels: NDArray[np.float64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        east, north = self._plane.metres(view.lat, view.lon)
        flat = np.hypot(self.points[:, 0] - east, self.points[:, 1] - north)
        slant = np.hypot(flat, view.h_m)
        steep = view.h_m / slant > np.sin(np.radians(FLAT_DEG))
        with np.errstate(invalid="ignore"):
            inside = (pixels[:, 0] >= 0) & (pixels[:, 0] < view.width)
            inside &= (pixels[:, 1] >= 0) & (pixels[:, 1] < view.height)
        gsd = slant / view.fx
        return inside & steep & (gsd <= COLOUR_GSD_M), gsd

    def seen_at(self, east: float, north: float) -> bool:
        """Whether the cell nearest to a point was inspected."""
        if not len(self.points):
            return False
        away = np.hypot(*(self.points - [east, north]).T)
        nearest = int(np.argmin(away))
        return bool(away[nearest] <= 2 * self.cell_m and self.gsd[nearest] <= self._inspected_m)

    def cover(self) -> Cover:
        """Shares of a site: inspected (of all cells, sharp enough), and soil, net and growth (of
        those seen, by majority of looks). Area in m²."""
        seen = np.isfinite(self.gsd)
        area = len(self.points) * self.cell_m**2
        if not seen.any():
            return Cover(0.0, 0.0, 0.0, 0.0, area)
        kinds = self.votes[seen].argmax(axis=1)
        of = float(len(kinds))
        return Cover(
            inspected=float((self.gsd <= self._inspected_m).mean()),
            soil=float((kinds == soil.SOIL).sum() / of),
            net=float((kinds == soil.NET).sum() / of),
            growth=float((kinds == soil.GROWTH).sum() / of),
            area_m2=area,
        )

    def soil_centre(self) -> tuple[float, float] | None:
        """Middle of the largest run of bare cells, in metres; None where there is none."""
        seen = np.isfinite(self.gsd)
        bare = seen & (self.votes.argmax(axis=1) == soil.SOIL)
        if not bare.any():
            return None
        points = self.points[bare]
        cells = np.round((points - points.min(axis=0)) / self.cell_m).astype(int)
        mask: Any = np.zeros(cells.max(axis=0)[::-1] + 1, np.uint8)
        mask[cells[:, 1], cells[:, 0]] = 1
        _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        largest = int(stats[1:, cv2.CC_STAT_AREA].argmax()) + 1
        mine = points[labels[cells[:, 1], cells[:, 0]] == largest]
        middle = mine[np.hypot(*(mine - mine.mean(axis=0)).T).argmin()]
        return float(middle[0]), float(middle[1])

    def state(self) -> dict[str, NDArray[Any]]:
        """What a checkpoint keeps."""
        return {"gsd": self.gsd, "votes": self.votes}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Raises ValueError where the site has changed since the checkpoint."""
        if state["gsd"].shape != self.gsd.shape:
            raise ValueError("the site's polygon has changed since the flight was begun")
        self.gsd, self.votes = state["gsd"].copy(), state["votes"].copy()


def _held(area: Area, grid: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.fromiter((area.holds(x, y) for x, y in grid), bool, len(grid))


def reduced(image: Image) -> Image:
    """The picture reduced to SAMPLE_WIDTH, each pixel a mean of those below it."""
    height, width = image.shape[:2]
    if width <= SAMPLE_WIDTH:
        return image
    size = (SAMPLE_WIDTH, max(1, round(height * SAMPLE_WIDTH / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

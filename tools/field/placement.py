# SPDX-License-Identifier: AGPL-3.0-or-later
"""How large a thing is at the model's input, by where the camera hangs: the table of placement.md.

    tools/python -m tools.field.placement --height 5 --tilt 25 --view 90

Pinhole camera over flat ground, level sideways; the thing stands on the ground straight ahead. A
person is as tall on the picture as from foot to head, all else as wide as across the view.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass

INPUT_WIDTH_PX = 640
# Below this the shipped model finds little (models/city-v1.md, recall by size).
LEAST_PX = 32
THINGS_M = {"person, upright": 1.7, "stall or tricycle": 1.8, "small grill": 0.8, "muck truck": 2.5}
# Measured by their height; all others by their width across the line of sight.
UPRIGHT = frozenset({"person, upright"})
REACH_MAX_M = 1000.0
DISTANCES_M = (5, 10, 15, 20, 30, 40, 60)


@dataclass(frozen=True, slots=True)
class Mount:
    """Height above ground, tilt below the horizon, horizontal angle of view (16:9)."""

    height_m: float
    tilt_deg: float
    view_deg: float

    @property
    def focal_px(self) -> float:
        return INPUT_WIDTH_PX / 2 / math.tan(math.radians(self.view_deg) / 2)

    def ground_m(self) -> tuple[float, float]:
        """Nearest and farthest ground in the picture's middle column; inf with the horizon."""
        half = math.degrees(math.atan(INPUT_WIDTH_PX * 9 / 16 / 2 / self.focal_px))
        far = self.tilt_deg - half
        near = self.height_m / math.tan(math.radians(min(89.9, self.tilt_deg + half)))
        return near, self.height_m / math.tan(math.radians(far)) if far > 0 else math.inf

    def size_px(self, metres: float, distance_m: float, *, upright: bool = False) -> float:
        """Pixels at the input of something at a ground distance straight ahead.

        Across the line of sight its width; upright the way on the picture from its foot to its
        head, which is nearer to a camera above it and seen from above.
        """
        if not upright:
            return self.focal_px * metres / self._depth_m(distance_m, 0.0)
        return self._row_px(distance_m, 0.0) - self._row_px(distance_m, metres)

    def _depth_m(self, distance_m: float, above_m: float) -> float:
        """Along the camera's axis, of a point so far away and so high above the ground."""
        tilt = math.radians(self.tilt_deg)
        return distance_m * math.cos(tilt) + (self.height_m - above_m) * math.sin(tilt)

    def _row_px(self, distance_m: float, above_m: float) -> float:
        """How far below the picture's middle the point is seen."""
        tilt = math.radians(self.tilt_deg)
        down_m = (self.height_m - above_m) * math.cos(tilt) - distance_m * math.sin(tilt)
        return self.focal_px * down_m / self._depth_m(distance_m, above_m)

    def reach_m(self, metres: float, *, upright: bool = False) -> float:
        """The longest ground distance at which it has LEAST_PX, 0 where it never has."""
        if not upright:
            tilt = math.radians(self.tilt_deg)
            depth_m = self.focal_px * metres / LEAST_PX
            return max(0.0, (depth_m - self.height_m * math.sin(tilt)) / math.cos(tilt))
        for tenth in range(round(REACH_MAX_M * 10), 0, -1):
            if self.size_px(metres, tenth / 10, upright=upright) >= LEAST_PX:
                return tenth / 10
        return 0.0


def table(mount: Mount) -> str:
    """Markdown: pixels at the model's input by thing and distance, and each one's reach."""
    near, far = mount.ground_m()
    lines = [
        f"{mount.height_m:g} m high, {mount.tilt_deg:g} deg down, {mount.view_deg:g} deg wide:"
        f" ground from {near:.1f} m to {'the horizon' if far == math.inf else f'{far:.0f} m'}",
        "| size at the input (px) | " + " | ".join(f"{d} m" for d in DISTANCES_M) + " | reach |",
        "|---|" + "---|" * (len(DISTANCES_M) + 1),
    ]
    for name, metres in THINGS_M.items():
        upright = name in UPRIGHT
        cells = [
            f"{mount.size_px(metres, d, upright=upright):.0f}" if d >= near else "-"
            for d in DISTANCES_M
        ]
        reach = f"{mount.reach_m(metres, upright=upright):.0f} m"
        lines.append(f"| {name}, {metres:g} m | " + " | ".join(cells) + f" | {reach} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """0 with a table; 2 for a mount that nobody could build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--height", type=float, default=5.0, metavar="M")
    parser.add_argument("--tilt", type=float, default=25.0, metavar="DEG")
    parser.add_argument("--view", type=float, default=90.0, metavar="DEG", help="horizontal")
    args = parser.parse_args(argv)
    if not (args.height > 0 and 0 <= args.tilt < 90 and 10 <= args.view <= 140):
        print("placement: height > 0, tilt 0..89, view 10..140", file=sys.stderr)
        return 2
    print(table(Mount(args.height, args.tilt, args.view)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

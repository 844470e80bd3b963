# SPDX-License-Identifier: AGPL-3.0-or-later
"""All pictures a ledger wants, taken in one walk through the video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.drone.flight import Flight
from edge.drone.georef import GroundView
from edge.drone.look import KeyFrame
from edge.drone.rule_settings import FlightFinding
from edge.drone.shots import save_overview, save_patch
from edge.drone.stills import stills
from edge.runtime import write_atomic
from edge.values import Box, Image

Row = dict[str, Any]
Take = Callable[[Image, GroundView | None], None]
# Pictures of things without a place: enough to see what was there.
MOST_UNPLACED = 30


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """A picture to be taken: when, and what to do with it."""

    t_s: float
    take: Take


class FlightPictures:
    """Collects wishes for one flight's pictures, then takes them. One owner: the conclusion."""

    def __init__(self, flight: Flight, views: Mapping[float, GroundView | None]) -> None:
        self._flight, self._views = flight, views
        self._folder = flight.folder / "pictures"
        self._wishes: list[PictureRequest] = []

    def want_finding(self, charge: FlightFinding, row: Row, look: KeyFrame | None) -> None:
        """The looks of a finding, and its ground, north up, from the look that shows it best."""
        shots: list[tuple[float, Box | None]] = [(s.t_s, s.sighting.box) for s in charge.shots]
        if not shots and look is not None:
            shots = [(look.t_s, None)]
        for number, (t_s, box) in enumerate(shots):
            self._wishes.append(PictureRequest(t_s, self._overview(row, number, box)))
        if look is not None:
            place = (charge.east, charge.north)
            self._wishes.append(
                PictureRequest(look.t_s, self._patch(row, "patch", row["id"], place))
            )

    def want_after(self, row: Row, look: KeyFrame | None, history_root: Path | None) -> None:
        """The ground of a finding that is gone, and the earlier picture beside it."""
        before = earlier_patch(row, history_root)
        if before is not None:
            name = f"before-{before.name}"
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self._folder / name, before.read_bytes(), durable=False)
            row["pictures"]["before"] = name
        if look is not None:
            place = self._flight.plane.metres(row["lat"], row["lon"])
            self._wishes.append(
                PictureRequest(look.t_s, self._patch(row, "after", f"after-{row['id']}", place))
            )

    def want_unplaced(self, rows: Sequence[Row]) -> None:
        """Ask for an overview of each finding without a place, as far as a report can hold them."""
        for number, row in enumerate(rows[:MOST_UNPLACED]):
            row["pictures"] = {}
            row["id"] = f"unplaced-{number}"
            box = (row["box"][0], row["box"][1], row["box"][2], row["box"][3])
            self._wishes.append(PictureRequest(row["best_s"], self._overview(row, 0, box)))

    def _overview(self, row: Row, number: int, box: Box | None) -> Take:
        def take(image: Image, view: GroundView | None) -> None:
            """Save the picture: the first is the row's own, later ones are listed as `more`."""
            del view
            name = row["id"] if number == 0 else f"{row['id']}-{number}"
            saved = save_overview(self._folder, name, image, box)
            if number == 0:
                row["pictures"].update(saved)
            else:
                row["pictures"].setdefault("more", []).append(saved["overview"])

        return take

    def _patch(self, row: Row, key: str, name: str, place: tuple[float, float]) -> Take:
        def take(image: Image, view: GroundView | None) -> None:
            if view is not None:
                plane = self._flight.plane
                row["pictures"][key] = save_patch(self._folder, name, image, view, plane, place)

        return take

    def take(self) -> None:
        """Open the video and fulfil every wish."""
        by_time: dict[float, list[PictureRequest]] = {}
        for wish in self._wishes:
            by_time.setdefault(wish.t_s, []).append(wish)
        for t_s, image in self._stills(by_time):
            for wish in by_time[t_s]:
                wish.take(image, self._views.get(t_s))

    def _stills(self, times: Iterable[float]) -> Iterable[tuple[float, Image]]:
        fps = self._flight.settings.look.fps
        return stills(self._flight.given.video, times, fps=fps)


def earlier_patch(row: Mapping[str, Any], history_root: Path | None) -> Path | None:
    """Where the earlier flight keeps the ground of its finding."""
    name = (row["pictures"].get("old") or {}).get("patch")
    if history_root is None or not name:
        return None
    return next(history_root.glob(f"*/pictures/{Path(name).name}"), None)

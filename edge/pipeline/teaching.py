# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the page asks of edge-visiond while an officer teaches a place: keep the picture of now
under a look, take one back, say how surely the looks are told apart, put them in force.

visiond is the only writer of `<state>/looks`: it has the whole picture, the page a small one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge import patterns
from edge.config import Camera, Category, Zone
from edge.ipc import Answer
from edge.pipeline.taught_looks import PICTURES_MOST, keep_look, read_looks
from edge.rules.taught import CLICKS_LEAST, held_out
from edge.values import Image

PICTURE = re.compile(r"[0-9a-f]{16}\.png")
Newest = Callable[[str], Image | None]


class Refused(Exception):
    """`key`: which of the page's sentences says why."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Teaching:
    """The work `teach`, for the Responder. `put_in_force` is true once somebody asked for it."""

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        categories: Mapping[str, Category],
        root: Path,
        newest: Newest,
    ) -> None:
        """root: `<state>/looks`; newest: a camera's picture of now, None where there is none."""
        self._cameras, self._categories = cameras, categories
        self._root, self._newest = root, newest
        self.put_in_force = False

    def answer(self, request: Mapping[str, Any]) -> Answer:
        """Do what is asked, then answer what is taught. Never raises for what cannot be done:
        `error` says why."""
        words = {key: str(request.get(key, "")) for key in ("camera", "zone", "do", "look", "name")}
        try:
            return Answer(self._done(**words))
        except Refused as refused:
            return Answer({"error": refused.key})

    def _done(self, camera: str, zone: str, do: str, look: str, name: str) -> dict[str, Any]:
        of, place = self._place(camera, zone)
        folder = self._root / of.id / place.id
        if do == "teach":
            self._teach(folder, of, place, look)
        elif do == "take_back":
            self._take_back(folder, of, place, look, name)
        row = taught_row(folder)
        if do == "use":
            if not row["ready"]:
                raise Refused("teach_too_few")
            self.put_in_force = True
        return {**row, "rules": self._rules(of, place)}

    def _place(self, name: str, zone_name: str) -> tuple[Camera, Zone]:
        camera = self._cameras.get(name)
        zones = camera.zones if camera else ()
        zone = next((one for one in zones if one.id == zone_name), None)
        if camera is None or zone is None:
            raise Refused("teach_no_zone")
        return camera, zone

    def _rules(self, camera: Camera, zone: Zone) -> list[str]:
        """The categories that judge this zone by its looks."""
        return [
            rule.category
            for rule in camera.rules
            if self._categories[rule.category].kind == "state" and zone.id in rule.zones
        ]

    def _teach(self, folder: Path, camera: Camera, zone: Zone, look: str) -> None:
        image = self._newest(camera.id)
        if image is None:
            raise Refused("teach_no_picture")
        if not re.match(patterns.NAME, look):
            raise Refused("teach_no_look")
        if len(list((folder / look).glob("*.png"))) >= PICTURES_MOST:
            raise Refused("teach_enough")
        keep_look(folder, look, image, zone)

    def _take_back(self, folder: Path, camera: Camera, zone: Zone, look: str, name: str) -> None:
        if not (re.match(patterns.NAME, look) and PICTURE.fullmatch(name)):
            raise Refused("teach_no_look")
        left = len(list((folder / look).glob("*.png"))) - 1
        if left < CLICKS_LEAST and self._rules(camera, zone):
            raise Refused("teach_in_use")
        (folder / look / name).unlink(missing_ok=True)


def taught_row(folder: Path) -> dict[str, Any]:
    """What is taught of a zone as plain data: `looks` (name to file names), `ready`, and of the
    pictures held out one by one how many were told right, wrong and not at all."""
    names = {p.name: sorted(f.name for f in p.glob("*.png")) for p in sorted(folder.glob("*/"))}
    looks = read_looks(folder)
    row: dict[str, Any] = {"looks": names, "ready": False, "least": CLICKS_LEAST}
    if len(looks) < 2 or min(len(cuts) for cuts in looks.values()) < CLICKS_LEAST:
        return row
    found = held_out(looks)
    counts = {"right": found.right, "wrong": found.wrong, "untold": found.untold}
    return {**row, "ready": True, **counts}

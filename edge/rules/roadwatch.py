# SPDX-License-Identifier: AGPL-3.0-or-later
"""The road before and after each truck of one camera: keeps the pictures that a spill needs.

Ground that a vehicle stands on, or stood on a moment ago, is not looked at: a box that the
detector loses for a second leaves the lorry where it was.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

import numpy as np
from numpy.typing import NDArray

from edge.rules.lane import Aftermath, Backdrop, Mask, Patch, Thumb, swept
from edge.rules.passage import Passage
from edge.rules.view import SceneView
from edge.values import Box

CLEAR_S = 1.0
LATELY_S = 1.0
# Nothing new in so many looks, half a second apart: there will be nothing. At most so many at once.
QUIET_LOOKS = 12
MOST = 4


class RoadWatch:
    """One owner: the spill rule. `found` are the differences of the latest picture."""

    def __init__(self, *, moved: float, keep_s: float) -> None:
        self._moved, self._keep_s = moved, keep_s
        self._backdrop = Backdrop()
        self._before: dict[int, tuple[Thumb, Mask] | None] = {}
        self._after: dict[int, Aftermath] = {}
        self._done: set[int] = set()
        self._lately: list[tuple[float, Box]] = []
        self.found: list[tuple[Passage, Patch]] = []

    @property
    def busy(self) -> bool:
        return bool(self._after or self._before)

    def step(self, view: SceneView, trucks: Iterable[Passage], wanted: Container[int]) -> None:
        """Take in the picture. `wanted`: subjects whose case is open, so that they are kept."""
        image = view.scene.image
        self._lately += [(view.mono, track.box) for track in view.scene.tracks]
        self._lately = [one for one in self._lately if view.mono - one[0] <= LATELY_S]
        if image is None or not self._backdrop.look(image, view.mono, self._boxes()):
            return
        trucks = list(trucks)
        for truck in trucks:
            self._note(view, truck)
        self._found(view, trucks, wanted)

    def _boxes(self) -> NDArray[np.float32]:
        return np.array([box for _, box in self._lately], np.float32).reshape(-1, 4)

    def _note(self, view: SceneView, truck: Passage) -> None:
        """The road as it was, when a truck comes; the ground it went over, once it has gone."""
        subject = truck.subject
        if subject in self._done:
            return
        if subject not in self._before:
            self._before[subject] = self._backdrop.before(truck.began.mono)
        if view.mono - truck.seen.mono < CLEAR_S:
            return
        self._done.add(subject)
        before = self._before.pop(subject)
        if before is not None and truck.moved(view.aspect) >= self._moved:
            self._after[subject] = Aftermath(before, swept([box for _, box in truck.between()]))

    def _found(self, view: SceneView, trucks: list[Passage], wanted: Container[int]) -> None:
        assert self._backdrop.fresh is not None
        self.found = []
        known = {truck.subject: truck for truck in trucks}
        for subject, aftermath in list(self._after.items()):
            truck = known.get(subject)
            late = truck is None or view.mono - truck.seen.mono > self._keep_s
            over = late or aftermath.quiet >= QUIET_LOOKS or len(self._after) > MOST
            if truck is None or (over and subject not in wanted):
                del self._after[subject]
                continue
            self.found += [(truck, patch) for patch in aftermath.look(self._backdrop.fresh)]
        self._done &= set(known)

    def change_in(self, truck: Passage, box: Box) -> float | None:
        """Mean change of the road in a box, before this truck to now, in grey levels; or None."""
        aftermath = self._after.get(truck.subject)
        return aftermath.change_in(box) if aftermath else None

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Applies the board's care to visiond: looks at the board, slows the roster, says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge.board import Board, BoardState
from edge.clock import Clock
from edge.daemons.care import BoardCare, Care
from edge.daemons.roster import Roster
from edge.values import Fault

LOOK_EVERY_S = 5.0


class Watched(Protocol):
    """What the warden needs of a camera."""

    open_cases: int

    def ease(self, why: str | None, *, asleep: bool) -> None: ...


class Warden:
    """Called by the main thread of visiond, which alone changes what is eased."""

    def __init__(
        self,
        board: Board,
        clock: Clock,
        roster: Roster,
        posts: Mapping[str, Watched],
        tell: Callable[[Fault], None],
    ) -> None:
        self._board, self._clock = board, clock
        self._roster, self._posts, self._tell = roster, posts, tell
        self._policy, self._care = BoardCare(), Care(0)
        self._kept: str | None = None
        self._due = -1e9
        self._state: BoardState | None = None

    def tick(self) -> None:
        """Look at the board every few seconds and do what its state asks for."""
        now = self._clock.now()
        if now.mono < self._due:
            return
        self._due = now.mono + LOOK_EVERY_S
        self._state = self._board.look()
        care = self._policy.step(self._state, now)
        for fault in care.faults:
            self._tell(fault)
        if care.step != self._care.step:
            self._apply(care)
        self._care = care

    def _apply(self, care: Care) -> None:
        self._kept = self._neediest() if care.one_stream else None
        self._roster.ease(care.rate, self._kept)
        # A camera below its promised rate may miss what is quick: that is no watched time.
        why = "overheated" if care.step else None
        for name, post in self._posts.items():
            post.ease(why, asleep=care.one_stream and name != self._kept)

    def _neediest(self) -> str | None:
        """The camera with most open cases, the first of the site file among equals."""
        names = list(self._posts)
        return max(names, key=lambda name: self._posts[name].open_cases, default=None)

    def status(self) -> dict[str, Any]:
        """For the status file."""
        state = self._state
        return {
            "temperature_c": state.temperature_c if state else None,
            "troubles": list(state.troubles) if state else [],
            "step": self._care.step,
            "rate": self._care.rate,
            "only": self._kept,
        }

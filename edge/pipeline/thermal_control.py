# SPDX-License-Identifier: AGPL-3.0-or-later
"""Slows visiond down when the board overheats, and reports it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from edge.board import Board, BoardState
from edge.clock import Clock
from edge.faults import FaultLog
from edge.pipeline.scheduler import Scheduler
from edge.pipeline.thermal import ThermalPolicy, ThermalState
from edge.values import Stamp

LOOK_EVERY_S = 5.0
# The one camera that is still watched gives a picture within so long, or another one is watched.
SILENT_S = 60.0


class Watched(Protocol):
    """What thermal control needs of a camera."""

    open_cases: int

    def counted(self) -> tuple[int, int]:
        """Pictures read and looked at since the start."""
        ...

    def ease(self, why: str | None, *, asleep: bool) -> None: ...


class ThermalControl:
    """Called by the main thread of visiond, which alone changes what is eased."""

    def __init__(
        self,
        board: Board,
        clock: Clock,
        scheduler: Scheduler,
        workers: Mapping[str, Watched],
        faults: FaultLog,
    ) -> None:
        self._board, self._clock = board, clock
        self._scheduler, self._workers, self._faults = scheduler, workers, faults
        standing = [fault.kind for fault in faults.standing() if fault.subject == "board"]
        self._policy, self._last = ThermalPolicy(standing), ThermalState(0)
        self._kept: str | None = None
        # What was counted of the kept one, and since when that stands still; those that gave no
        # picture while they were kept.
        self._counted, self._moved_mono = (-1, -1), 0.0
        self._silent: set[str] = set()
        self._due = -1e9
        self._state: BoardState | None = None

    def tick(self) -> None:
        """Analysis at the board every few seconds and do what its state asks for."""
        now = self._clock.now()
        if now.mono < self._due:
            return
        self._due = now.mono + LOOK_EVERY_S
        self._state = self._board.look()
        state = self._policy.step(self._state, now)
        for trouble in state.troubles:
            self._faults.holds(trouble.kind, "board", trouble.holds, trouble.text, **trouble.facts)
        if state.step != self._last.step:
            self._silent.clear()
            self._apply(state, now)
        elif state.one_stream and not self._watches(now):
            self._apply(state, now)
        self._last = state

    def _watches(self, now: Stamp) -> bool:
        """Whether the one camera that is left is there and gives pictures."""
        worker = self._workers.get(self._kept or "")
        if worker is None:
            return False
        counted = worker.counted()
        if counted != self._counted:
            self._counted, self._moved_mono = counted, now.mono
        if now.mono - self._moved_mono <= SILENT_S:
            return True
        self._silent.add(str(self._kept))
        return False

    def _apply(self, state: ThermalState, now: Stamp) -> None:
        self._kept = self._neediest() if state.one_stream else None
        self._counted, self._moved_mono = (-1, -1), now.mono
        self._scheduler.ease(state.rate, self._kept)
        # A camera below its promised rate may miss what is quick: that is no watched time.
        why = "overheated" if state.step else None
        for name, worker in self._workers.items():
            worker.ease(why, asleep=state.one_stream and name != self._kept)

    def _neediest(self) -> str | None:
        """The camera with most open cases, the first of the site file among equals; of those that
        gave no picture in their turn none before every other had one."""
        if self._silent >= set(self._workers):
            self._silent.clear()
        names = [name for name in self._workers if name not in self._silent]
        return max(names, key=lambda name: self._workers[name].open_cases, default=None)

    def status(self) -> dict[str, Any]:
        """For the status file."""
        state = self._state
        return {
            "temperature_c": state.temperature_c if state else None,
            "troubles": list(state.troubles) if state else [],
            "step": self._last.step,
            "rate": self._last.rate,
            "only": self._kept,
        }

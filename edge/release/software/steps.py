# SPDX-License-Identifier: AGPL-3.0-or-later
"""What follows what in an update: one table. Pure; who does the work is edge-updaterd.

The stage on the disk is always one whose work may be done again from its start: the work comes
first, the next stage after it. So a kill or a power cut anywhere costs a repetition, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

Stage = Literal[
    "idle", "asked", "checked", "staged", "tested", "switched", "trial", "held",
    "back", "stopped", "lowered", "returned", "kept", "refused",
]  # fmt: skip
Outcome = Literal["", "settled", "rolled_back", "refused", "stuck"]
Work = Literal[
    "check", "stage", "test", "switch", "start", "watch", "settle",
    "stop", "lower", "unswitch", "restart", "go_on", "clean",
]  # fmt: skip

# Starts of the updater during one trial: its own, and what a power cut or a kill costs. A board
# that does not stay up with a release cannot say so itself.
STARTS_MOST = 6


class SoftwareState(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in state.json, replaced as a whole; everybody may read it.

    number: the release being installed, or the last that was; slot: where it lies. before,
    before_slot, schema: what was in force, and its outbox, to go back to. seen: the highest number
    ever switched to, seen_sha256 its manifest's. starts: of the updater in this trial. cameras:
    those that were looked at before, and must be again.
    """

    stage: Stage = "idle"
    number: int = 0
    version: str = ""
    sha256: str = ""
    slot: str = ""
    before: int = 0
    before_slot: str = ""
    schema: int = 0
    seen: int = 0
    seen_sha256: str = ""
    starts: int = 0
    cameras: tuple[str, ...] = ()
    outcome: Outcome = ""
    why: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class UpdateStep:
    """The work of one stage, the stage that follows it, and the one where it fails."""

    work: Work
    then: Stage
    fails: Stage
    outcome: Outcome = ""


STEPS: Mapping[Stage, UpdateStep] = {
    "asked": UpdateStep("check", then="checked", fails="refused"),
    "checked": UpdateStep("stage", then="staged", fails="refused"),
    "staged": UpdateStep("test", then="tested", fails="refused"),
    "tested": UpdateStep("switch", then="switched", fails="back"),
    "switched": UpdateStep("start", then="trial", fails="back"),
    "trial": UpdateStep("watch", then="held", fails="back"),
    "held": UpdateStep("settle", then="idle", fails="held", outcome="settled"),
    "back": UpdateStep("stop", then="stopped", fails="stopped"),
    "stopped": UpdateStep("lower", then="lowered", fails="kept"),
    "lowered": UpdateStep("unswitch", then="returned", fails="lowered"),
    "returned": UpdateStep("restart", then="idle", fails="returned", outcome="rolled_back"),
    # An outbox that the release before cannot read: the new one goes on, and says so.
    "kept": UpdateStep("go_on", then="idle", fails="kept", outcome="stuck"),
    "refused": UpdateStep("clean", then="idle", fails="idle", outcome="refused"),
}
ON_TRIAL: frozenset[Stage] = frozenset({"switched", "trial"})


def asked(state: SoftwareState, number: int, sha256: str, at: float) -> SoftwareState:
    """A release was named; nothing of what is in force is touched yet."""
    return SoftwareState(
        stage="asked",
        number=number,
        sha256=sha256,
        before=state.before,
        seen=state.seen,
        seen_sha256=state.seen_sha256,
        at=at,
    )


def done(state: SoftwareState, at: float) -> SoftwareState:
    """The work of this stage is done and on the disk."""
    step = STEPS[state.stage]
    return msgspec.structs.replace(
        state, stage=step.then, outcome=step.outcome or state.outcome, at=at
    )


def failed(state: SoftwareState, why: str, at: float) -> SoftwareState:
    """The work of this stage cannot be done. The first reason stays: what follows comes of it."""
    step = STEPS[state.stage]
    outcome = step.outcome if step.fails == "idle" else state.outcome
    return msgspec.structs.replace(
        state, stage=step.fails, why=state.why or why[:500], outcome=outcome, at=at
    )


def started(state: SoftwareState, at: float) -> SoftwareState:
    """The updater starts, or starts again: in a trial that is counted, and too often is a no."""
    if state.stage not in ON_TRIAL:
        return state
    counted = msgspec.structs.replace(state, starts=state.starts + 1)
    if counted.starts <= STARTS_MOST:
        return counted
    return failed(counted, f"{counted.starts} starts without a passed trial", at)

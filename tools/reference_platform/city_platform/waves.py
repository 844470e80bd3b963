# SPDX-License-Identifier: AGPL-3.0-or-later
"""A software release for a fleet, in waves: whose turn it is, and when to stop. Pure.

A wave names one release for a tenant, a tag or everybody. It begins with a small share, by a hash
that is stable for the release and another one for the next, so that it is not always the same boxes
that go first; the next share begins when the one before has ended well. It halts by itself once too
many of those that ended did not hold, and goes on only by a person's word.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from city_platform.files import Box
from edge import patterns

# The first two together are a fiftieth of the fleet: a release that is bad everywhere stays there.
SHARES = (0.005, 0.02, 0.1, 0.3, 1.0)
FAILED_SHARE = 0.1
FAILED_LEAST = 3
SOAK_S = 1800.0
# After these a box that was ordered is asked again, and one on trial that says nothing has failed.
UNREACHED_S, SILENT_S = 900.0, 3600.0
ORDERS_MOST = 5
NOT_RISING = "shares must rise, each once"

BoxStage = Literal[
    "waiting", "ordered", "trial", "settled", "rolled_back", "refused", "silent", "unreached"
]
FAILED: frozenset[BoxStage] = frozenset({"rolled_back", "refused", "silent"})
ENDED: frozenset[BoxStage] = FAILED | {"settled", "unreached"}
UNDER_WAY: frozenset[BoxStage] = frozenset({"ordered", "trial"})
WaveState = Literal["running", "halted", "stopped", "done"]

Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class Wave(msgspec.Struct, frozen=True, kw_only=True):
    """What a person started.

    sha256: of the release's manifest. tenant, tag: whom it is for; "" is everybody. shares rise to
    the last one that is wanted. failed_share of those that ended, and at least failed_least, halt
    it. at_most: on their way at once; one_per_grid: never two of one unit grid.
    """

    name: Annotated[str, msgspec.Meta(pattern=patterns.NAME)]
    number: Annotated[int, msgspec.Meta(ge=1)]
    sha256: Annotated[str, msgspec.Meta(pattern=patterns.SHA256)]
    tenant: str = ""
    tag: str = ""
    shares: Annotated[tuple[Share, ...], msgspec.Meta(min_length=1, max_length=32)] = SHARES
    failed_share: Share = FAILED_SHARE
    failed_least: Annotated[int, msgspec.Meta(ge=1)] = FAILED_LEAST
    soak_s: Annotated[float, msgspec.Meta(ge=0)] = SOAK_S
    unreached_s: Annotated[float, msgspec.Meta(gt=0)] = UNREACHED_S
    silent_s: Annotated[float, msgspec.Meta(gt=0)] = SILENT_S
    at_most: Annotated[int, msgspec.Meta(ge=1)] = 200
    one_per_grid: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for shares that do not rise, and for seconds without an end."""
        if list(self.shares) != sorted(set(self.shares)):
            raise ValueError(f"{NOT_RISING}: {list(self.shares)}")
        for name in ("soak_s", "unreached_s", "silent_s"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"$.{name} must be finite")


@dataclass(frozen=True, slots=True)
class BoxRow:
    """One box in one wave. at: when it came to this stage; orders: commands sent to it."""

    box: Box
    stage: BoxStage = "waiting"
    at: float = 0.0
    orders: int = 0
    why: str = ""
    grid: str = ""
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WavePlan:
    """What is to be done now. due: boxes that get the command; fell: those whose time is over."""

    state: WaveState
    share: float
    due: tuple[BoxRow, ...] = ()
    fell: tuple[BoxRow, ...] = ()
    why: str = ""


def place(number: int, box: Box) -> float:
    """Where a box stands in the order of a release: uniform in 0 … 1, the same for ever."""
    digest = hashlib.sha256(f"{number}/{box.path}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def chosen(wave: Wave, rows: Iterable[BoxRow]) -> list[BoxRow]:
    """The boxes that a wave is for, in its order."""
    mine = [
        row
        for row in rows
        if wave.tenant in ("", row.box.tenant) and (not wave.tag or wave.tag in row.tags)
    ]
    return sorted(mine, key=lambda row: place(wave.number, row.box))


def plan(
    wave: Wave, state: WaveState, rows: Iterable[BoxRow], now: float, *, since: float = 0.0
) -> WavePlan:
    """What follows from where every box is. `state` halted or stopped orders nobody.
    since: older failures were seen by a person, who had it go on."""
    mine, fell = _timed(wave, chosen(wave, rows), now)
    share, part = _share(wave, mine, now)
    wrong = _too_many(wave, mine, since)
    if state != "running":
        return WavePlan(state, share, fell=fell)
    if wrong:
        return WavePlan("halted", share, fell=fell, why=wrong)
    if share == wave.shares[-1] and all(row.stage in ENDED for row in part):
        return WavePlan("done", share, fell=fell)
    return WavePlan("running", share, due=_due(wave, mine, part), fell=fell)


def _timed(wave: Wave, rows: list[BoxRow], now: float) -> tuple[list[BoxRow], tuple[BoxRow, ...]]:
    """Rows with what has become of those whose time is over, and those that changed by it."""
    after = [_one_timed(wave, row, now) for row in rows]
    return after, tuple(a for a, b in zip(after, rows, strict=True) if a is not b)


def _one_timed(wave: Wave, row: BoxRow, now: float) -> BoxRow:
    if row.stage == "trial" and now - row.at >= wave.silent_s:
        return _become(row, "silent", now, "no word since the switch")
    if row.stage == "ordered" and now - row.at >= wave.unreached_s:
        if row.orders < ORDERS_MOST:
            return _become(row, "waiting", now, row.why)
        return _become(row, "unreached", now, f"no word after {row.orders} commands")
    return row


def _become(row: BoxRow, stage: BoxStage, at: float, why: str) -> BoxRow:
    return BoxRow(row.box, stage, at, row.orders, why, row.grid, row.tags)


def _part(rows: list[BoxRow], share: float) -> list[BoxRow]:
    """At least one box, so that a small fleet begins with one and not with none."""
    return rows[: max(1, int(share * len(rows)))]


def _share(wave: Wave, rows: list[BoxRow], now: float) -> tuple[float, list[BoxRow]]:
    """The share whose turn it is: the first that has not ended and soaked."""
    for share in wave.shares:
        part = _part(rows, share)
        if any(row.stage not in ENDED for row in part) or now < _soaked_at(wave, share, part):
            return share, part
    return wave.shares[-1], part


def _soaked_at(wave: Wave, share: float, part: list[BoxRow]) -> float:
    """When the next share may begin, where all of this one have ended; nothing follows the last."""
    last = max((row.at for row in part), default=0.0)
    return 0.0 if share == wave.shares[-1] else last + wave.soak_s


@dataclass(frozen=True, slots=True)
class ShareProgress:
    """How far one share is. boxes: all of it, with those of the shares before; turn: whether it is
    the one that is ordered now; soaks_until: Unix time, where it has ended and the next waits."""

    share: float
    boxes: tuple[BoxRow, ...]
    turn: bool
    soaks_until: float | None


def progress(wave: Wave, rows: Iterable[BoxRow], now: float) -> list[ShareProgress]:
    """Every share of a wave, in its order."""
    mine = chosen(wave, rows)
    turn, _ = _share(wave, mine, now)
    found = []
    for share in wave.shares:
        part = _part(mine, share)
        until = _soaked_at(wave, share, part)
        soaks = share == turn and until > now and all(row.stage in ENDED for row in part)
        found.append(ShareProgress(share, tuple(part), share == turn, until if soaks else None))
    return found


def judged(rows: Iterable[BoxRow], since: float) -> tuple[list[BoxRow], list[BoxRow]]:
    """Those that did not hold, and all that held or did not: what halts a wave. since: Unix time
    from which on they count."""
    counted = [row for row in rows if row.at >= since]
    failed = [row for row in counted if row.stage in FAILED]
    return failed, failed + [row for row in counted if row.stage == "settled"]


def _too_many(wave: Wave, rows: list[BoxRow], since: float) -> str:
    """Why to halt; "" where there is no reason to. One failure is enough where nothing held."""
    failed, ended = judged(rows, since)
    few = len(failed) < wave.failed_least and len(failed) < len(ended)
    if not failed or few or len(failed) <= wave.failed_share * len(ended):
        return ""
    reasons = sorted({row.why for row in failed if row.why})
    return f"{len(failed)} of {len(ended)} did not hold: {'; '.join(reasons[:3])[:300]}"


def _due(wave: Wave, rows: list[BoxRow], part: list[BoxRow]) -> tuple[BoxRow, ...]:
    """Whoever waits in the share, in order, as far as places and grids are free."""
    busy = [row for row in rows if row.stage in UNDER_WAY]
    grids = {row.grid for row in busy if row.grid}
    free = wave.at_most - len(busy)
    found: list[BoxRow] = []
    for row in part:
        if len(found) >= free:
            break
        if row.stage != "waiting" or (wave.one_per_grid and row.grid and row.grid in grids):
            continue
        grids.add(row.grid)
        found.append(row)
    return tuple(found)


def counts(wave: Wave, rows: Iterable[BoxRow]) -> Mapping[str, int]:
    """Boxes of the wave by stage."""
    found: dict[str, int] = {}
    for row in chosen(wave, rows):
        found[row.stage] = found.get(row.stage, 0) + 1
    return found


def heard(wave: Wave, row: BoxRow, fault: Mapping[str, object], at: float) -> BoxRow:
    """A box's own word: a fault of its uplinkd about a release. Another release's is not ours."""
    facts = fault.get("facts")
    if not isinstance(facts, Mapping) or facts.get("release") != wave.number:
        return row
    kind, phase = fault.get("kind"), fault.get("phase")
    why = str(fault.get("text", ""))[:200]
    if kind == "software_on_trial":
        if phase == "start":
            return row if row.stage in ("settled", "rolled_back") else _become(row, "trial", at, "")
        return _become(row, "settled", at, "") if facts.get("outcome") == "settled" else row
    if phase == "start" and kind == "software_rolled_back":
        return _become(row, "rolled_back", at, why)
    if phase == "start" and kind == "software_refused":
        return _become(row, "refused", at, why)
    return row

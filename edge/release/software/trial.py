# SPDX-License-Identifier: AGPL-3.0-or-later
"""The judge of a release after the switch: do the daemons stay up, is every camera looked at, and
does the platform acknowledge what was sealed since? Pure policy; time is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# One restart may be a daemon that met its files half-way; a second in one trial is a fault of it.
RESTARTS_MOST = 1


@dataclass(frozen=True, slots=True)
class DaemonSeen:
    """What systemd says of a daemon: it runs, and how often it was started again by itself."""

    active: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class TrialSeen:
    """One look at the box. looked: cameras with at least one look in this run of visiond;
    acknowledged: records that the platform took from this run of uplinkd."""

    daemons: Mapping[str, DaemonSeen]
    looked: frozenset[str] = frozenset()
    acknowledged: int = 0


@dataclass(slots=True)
class TrialWatch:
    """One trial in one run of the updater. cameras: those that were looked at before. All must be
    well for `steady_s` without a break, before `within_s` are over."""

    cameras: frozenset[str]
    began: float
    within_s: float
    steady_s: float
    why: str = ""
    _well_since: float | None = None
    _restarts: dict[str, int] = field(default_factory=dict)

    def step(self, seen: TrialSeen, now: float) -> bool | None:
        """True: it holds. False: take it back, and `why` says why. None: wait."""
        crashed = self._crashed(seen)
        if crashed:
            self.why = crashed
            return False
        lacking = self._lacking(seen)
        if lacking:
            self._well_since = None
        elif self._well_since is None:
            self._well_since = now
        if self._well_since is not None and now - self._well_since >= self.steady_s:
            return True
        if now - self.began >= self.within_s:
            self.why = f"not within {self.within_s:.0f} s: {lacking or 'steady'}"
            return False
        return None

    def _crashed(self, seen: TrialSeen) -> str:
        for name, daemon in seen.daemons.items():
            first = self._restarts.setdefault(name, daemon.restarts)
            # A unit that was restarted by hand counts from nought again.
            self._restarts[name] = first = min(first, daemon.restarts)
            if daemon.restarts - first > RESTARTS_MOST:
                return f"{name} was started again {daemon.restarts - first} times"
        return ""

    def _lacking(self, seen: TrialSeen) -> str:
        """What is not so yet, in words; "" where all is."""
        down = sorted(name for name, daemon in seen.daemons.items() if not daemon.active)
        blind = sorted(self.cameras - seen.looked)
        parts = [
            f"{', '.join(down)} not running" if down else "",
            f"camera {', '.join(blind)} not looked at" if blind else "",
            "" if seen.acknowledged else "no record acknowledged by the platform",
        ]
        return "; ".join(part for part in parts if part)

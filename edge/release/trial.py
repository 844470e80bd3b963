# SPDX-License-Identifier: AGPL-3.0-or-later
"""The second judge of a release: visiond at work with it. Pure policy; time is an argument.

A board that does not come back cannot report, so starts are counted before the model is opened, as
boot loaders do: too many starts without a passed trial, and the release before is in force again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from edge.release.store import InferencePace, Keys, ReleaseState, ReleaseStore

# The first start, and one that a power cut or a changed site file took.
BOOTS_MOST = 2
# Streams connect and caches fill; nothing is judged before.
WARM_UP_S = 30.0
# So long must it be bad before it counts: a busy minute is no verdict.
BAD_FOR_S = 60.0
LOOKS_SHARE = 0.8
# A frame may be this many times as old when it is judged, but up to a second is no harm.
AGE_TIMES, AGE_MS = 2.0, 1000.0

Verdict = Literal["wait", "settle"]


def at_start(store: ReleaseStore, keys: Keys) -> ReleaseState:
    """Called before the model is opened: counts this start, or takes the release back."""
    state = store.read()
    if state.trial is not None and state.trial.boots >= BOOTS_MOST:
        state = store.roll_back(f"visiond did not stay up with it, {state.trial.boots} starts")
    for _ in range(2):
        wrong = store.sound(state.current, keys)
        if wrong is None:
            break
        state = store.roll_back(wrong)
    return store.booted()


class Watch:
    """One trial in one run of visiond. `passed` after `watch_s` of it without a bad minute."""

    def __init__(
        self, baseline: Mapping[str, InferencePace], now: float, *, watch_s: float
    ) -> None:
        self._baseline, self._began, self._watch_s = baseline, now, watch_s
        self._bad_since: float | None = None
        self.why = ""

    def step(
        self, paces: Mapping[str, InferencePace], now: float, *, eased: bool
    ) -> Verdict | None:
        """wait, settle, or None: take it back, and `why` says why.

        paces: of the last minute. eased: the board is too hot to be held to its pace.
        """
        lasted = now - self._began
        said = "" if eased or lasted < WARM_UP_S else self._fallen(paces)
        if not said:
            self._bad_since = None
        elif self._bad_since is None:
            self._bad_since = now
        elif now - self._bad_since >= BAD_FOR_S:
            self.why = said
            return None
        quiet = self._bad_since is None
        return "settle" if quiet and lasted >= self._watch_s else "wait"

    def _fallen(self, paces: Mapping[str, InferencePace]) -> str:
        """What fell against the baseline, over cameras whose streams run as they did."""
        alike = [n for n, was in self._baseline.items() if _as_before(paces.get(n), was)]
        before = sum(self._baseline[name].looks_s for name in alike)
        after = sum(paces[name].looks_s for name in alike)
        if before > 0 and after < LOOKS_SHARE * before:
            return f"{after:.1f} looks a second, {before:.1f} before"
        for name in alike:
            limit = max(AGE_MS, AGE_TIMES * self._baseline[name].age_ms)
            if paces[name].age_ms > limit:
                return f"{name}: pictures are judged {paces[name].age_ms:.0f} ms old"
        return ""


def _as_before(now: InferencePace | None, was: InferencePace) -> bool:
    """The camera sends: a stream that is down says nothing about a model. One that goes down is
    within the minute of `paces`, and so out again before it has been bad for BAD_FOR_S."""
    return now is not None and was.looks_s > 0 and now.read_s > 0

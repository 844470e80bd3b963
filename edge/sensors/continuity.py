# SPDX-License-Identifier: AGPL-3.0-or-later
"""Values of one channel against each other: what a weak check lets through fits no neighbour."""

from __future__ import annotations


class Continuity:
    """Believes a value that lies near the last one believed, or near the one before it.

    step, share: how far apart neighbours may lie, absolutely and as a share of the larger one. The
    first value is believed; a jump is believed once the value after it agrees.
    """

    def __init__(self, step: float, share: float) -> None:
        self._step, self._share = step, share
        self._believed: float | None = None
        self._doubted: float | None = None

    def fits(self, value: float) -> bool:
        """Whether `value` is to be believed; it is remembered either way."""
        known = [v for v in (self._believed, self._doubted) if v is not None]
        if not known or any(self._near(value, other) for other in known):
            self._believed, self._doubted = value, None
            return True
        self._doubted = value
        return False

    def _near(self, a: float, b: float) -> bool:
        return abs(a - b) <= self._step + self._share * max(abs(a), abs(b))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A clock for tests that need one to stand still."""

from __future__ import annotations

import threading

from edge.values import Stamp


class FakeClock:
    """A clock a test moves by hand; sleeping moves it too."""

    def __init__(self, mono: float = 0.0, wall: float = 1_767_225_600.0) -> None:
        self._mono, self._wall = mono, wall
        self._lock = threading.Lock()

    def now(self) -> Stamp:
        with self._lock:
            return Stamp(self._mono, self._wall, "ntp", 1.0)

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._mono += seconds
            self._wall += seconds

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A progress bar on a terminal for whatever takes longer than two seconds; silent elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO

FIRST_AFTER_S = 2.0
EVERY_S = 0.2
WIDTH = 28


class ProgressBar:
    """`update(share)` as often as wanted; draws at most five times a second, on stderr."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label, self._stream = label, stream or sys.stderr
        self._began, self._drawn = time.monotonic(), 0.0
        self._shown = False

    def update(self, share: float, text: str = "") -> None:
        """Draw the bar at `share` (0 to 1), not on a pipe, not in the first moments, not too
        often."""
        now = time.monotonic()
        quiet = not self._stream.isatty() or now - self._began < FIRST_AFTER_S
        if quiet or now - self._drawn < EVERY_S:
            return
        self._drawn, self._shown = now, True
        share = min(1.0, max(0.0, share))
        full = round(share * WIDTH)
        bar = "█" * full + "░" * (WIDTH - full)
        left = _left(now - self._began, share)
        print(f"\r{self._label} {bar} {share:4.0%} {left} {text}\x1b[K", end="", file=self._stream)
        self._stream.flush()

    def close(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=self._stream, flush=True)


def _left(elapsed_s: float, share: float) -> str:
    if share <= 0.01:
        return ""
    rest = elapsed_s * (1 - share) / share
    return f"{int(rest // 60)}:{int(rest % 60):02d} left"

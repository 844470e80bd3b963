# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rows that wait in memory for one write, since an SD card wears by the write."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from edge.runtime import Trouble

Row = TypeVar("Row")


class Batch(Generic[Row]):
    """`rows`, oldest first, at most `most`; `dropped` counts those that did not fit."""

    def __init__(self, what: str, log: logging.Logger, *, most: int, flush_s: float) -> None:
        self._what, self._most, self._flush_s = what, most, flush_s
        self._trouble = Trouble(log)
        self._flushed = time.monotonic()
        self.rows: list[Row] = []
        self.dropped = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Take rows to be written; beyond the most that fit, the oldest are dropped and counted."""
        self.rows += rows
        over = len(self.rows) - self._most
        if over > 0:
            self.dropped += over
            del self.rows[:over]

    def flush(self, write: Callable[[], None], *, force: bool = False) -> bool:
        """Call `write`, which empties `rows`, when it is due. False where the disk refused: the
        rows are kept then, and the trouble is reported once."""
        now = time.monotonic()
        if not force and now - self._flushed < self._flush_s:
            return True
        self._flushed = now
        try:
            write()
        except OSError as error:
            self._trouble.failed(self._what, str(error))
            return False
        self._trouble.healed(self._what)
        return True

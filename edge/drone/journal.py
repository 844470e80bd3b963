# SPDX-License-Identifier: AGPL-3.0-or-later
"""A flight's journal: every look as one line, with checkpoints, so that a broken run goes on.

Looks are appended; a checkpoint (site grids, mosaic, how many lines stand) is replaced whole
after them. What was written behind the last checkpoint is cut off at resume: a line and what it
did to the grids count together or not at all.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import journal
from edge.drone.look import KeyFrame, from_json, to_json
from edge.drone.npz import read_arrays
from edge.runtime import write_atomic

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]


# Beside the journal: which pictures have ended a run (edge.isolation).
ENDED = "ended.json"


class Journal:
    """The journal in one flight's folder. `key` names what was flown and how it is looked at: a
    journal of another key is begun anew."""

    def __init__(self, folder: Path, key: str) -> None:
        self._lines, self._mark = folder / "looks.jsonl", folder / "checkpoint.npz"
        self.key = key
        folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self.resumed = False
        self.arrays: Arrays = {}
        self._open()

    def _open(self) -> None:
        found = self._checkpoint()
        if found is not None:
            self.count, self.arrays = found
            self.resumed = self.count > 0
        self._cut()

    def _checkpoint(self) -> tuple[int, Arrays] | None:
        try:
            arrays = read_arrays(self._mark)
            if str(arrays.pop("key", "")) != self.key:
                return None
            return int(arrays.pop("count")), arrays
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s: %s; the flight is looked at from its start", self._mark, error)
            return None

    def _cut(self) -> None:
        """Keep exactly the lines the checkpoint knows."""
        self._lines.touch()
        with self._lines.open("r+b") as file:
            for _ in range(self.count):
                if not file.readline().endswith(b"\n"):
                    file.seek(0)
                    self.count, self.arrays, self.resumed = 0, {}, False
                    break
            file.truncate(file.tell())

    def clear(self) -> None:
        """Begin anew."""
        self.count, self.arrays, self.resumed = 0, {}, False
        self._mark.unlink(missing_ok=True)
        self._cut()

    def add(self, look: KeyFrame) -> None:
        journal.append(self._lines, [to_json(look)], durable=False)
        self.count += 1

    def checkpoint(self, arrays: Arrays) -> None:
        """Make everything up to now durable."""
        with self._lines.open("rb") as file:
            os.fsync(file.fileno())
        buffer = io.BytesIO()
        named: dict[str, Any] = {**arrays, "key": np.array(self.key), "count": np.array(self.count)}
        np.savez_compressed(buffer, **named)
        write_atomic(self._mark, buffer.getvalue())

    def looks(self) -> Iterator[KeyFrame]:
        """All looks so far, in order, read one by one: memory does not grow with the flight."""
        with self._lines.open(encoding="utf-8") as file:
            for line in file:
                yield from_json(json.loads(line))

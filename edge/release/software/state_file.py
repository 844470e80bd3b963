# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far an update is, on the disk."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge.config.paths import BoxFiles
from edge.jsonfile import read_record
from edge.release.software.steps import SoftwareState
from edge.runtime import write_atomic


class StateFile:
    """state.json, and the mark by which a boot finds that an update was under way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file, self._busy = folder / "state.json", folder / "busy"

    def read(self) -> SoftwareState:
        """A damaged file is said and counts as no update: what is in force stays."""
        return read_record(self._file, SoftwareState, SoftwareState(), "counts as idle")

    def write(self, state: SoftwareState) -> SoftwareState:
        """Durable before it counts; readable by all. Raises OSError."""
        if state.stage != "idle":
            write_atomic(self._busy, b"")
        write_atomic(self._file, msgspec.json.encode(state))
        self._file.chmod(0o644)
        if state.stage == "idle":
            self._busy.unlink(missing_ok=True)
        return state


def stage_of(where: BoxFiles) -> SoftwareState:
    """How far an update is, for whoever asks."""
    return StateFile(where.update).read()

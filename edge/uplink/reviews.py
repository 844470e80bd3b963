# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reviewers' verdicts as JSON lines, one file a month, for the learning part to read."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from edge.runtime import make_folder, sync_folder
from edge.uplink.messages import Review


class Reviews:
    """Sole writer of `<state>/reviews/`. A line is on disk before the broker's copy is let go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)

    def keep(self, review: Review) -> None:
        """Append one verdict; a torn last line of a power cut is closed off first."""
        path = self._folder / f"{review.at[:7]}.jsonl"
        fresh = not path.exists()
        line = msgspec.json.encode(review) + b"\n"
        with path.open("ab+") as file:
            if file.tell() and not _ends_well(path):
                file.write(b"\n")
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            sync_folder(self._folder)


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"

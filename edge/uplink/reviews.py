# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reviewers' verdicts as JSON lines, one file a month, for the learning part to read."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edge import journal
from edge.uplink.downward import Review


class ReviewLog:
    """Sole writer of `<state>/reviews/`. A line is on disk before the broker's copy is let go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, review: Review) -> None:
        """Append one verdict. Raises OSError."""
        line = msgspec.json.encode(review).decode()
        journal.append(self._folder / f"{review.at[:7]}.jsonl", [line])

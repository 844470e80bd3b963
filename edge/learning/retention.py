# SPDX-License-Identifier: AGPL-3.0-or-later
"""How long crops stay that the box keeps for a labeller. Their names tell when they were taken, so
no picture and no row is opened: after a power cut either may be empty."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

KEEP_DAYS = 30.0
_DAY_S = 86_400.0


def taken_s(path: Path) -> float | None:
    """UTC seconds; None for what is no crop, its row or an unfinished one of them."""
    milliseconds = path.name.lstrip(".").partition("-")[0]
    return int(milliseconds) / 1000.0 if milliseconds.isdecimal() else None


def held(folder: Path) -> tuple[list[float], int]:
    """(when each crop of one camera was taken, oldest first; bytes of all files)."""
    times, size = [], 0
    for path in folder.iterdir():
        # edge-janitord deletes here, too.
        with suppress(FileNotFoundError):
            size += path.stat().st_size
            at_s = taken_s(path)
            if at_s is not None and path.suffix == ".jpg":
                times.append(at_s)
    return sorted(times), size


def delete_old(folder: Path, *, now_s: float, keep_days: float = KEEP_DAYS) -> int:
    """Delete what was taken longer ago in one camera's folder; returns how many crops went."""
    oldest_s, gone = now_s - keep_days * _DAY_S, 0
    for path in list(folder.iterdir()):
        at_s = taken_s(path)
        if at_s is not None and at_s < oldest_s:
            path.unlink(missing_ok=True)
            gone += path.suffix == ".jpg"
    return gone

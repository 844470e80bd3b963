# SPDX-License-Identifier: AGPL-3.0-or-later
"""A file of real bytes kept for the day the disk is full.

On a full disk SQLite can neither insert nor delete nor checkpoint; whoever meets that first
removes the ballast, and edge-janitord puts it back once there is room again.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "ballast"
BLOCK = 1 << 20


def drop(folder: Path) -> bool:
    """Remove the ballast; false where it was gone already."""
    try:
        (folder / NAME).unlink()
    except FileNotFoundError:
        return False
    return True


def restore(folder: Path, megabytes: int) -> bool:
    """Lay the ballast down if it is missing. Raises OSError where there is no room for it."""
    path = folder / NAME
    if megabytes == 0 or path.exists():
        return False
    partial = folder / f".{NAME}.tmp"
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o660)
    try:
        os.posix_fallocate(handle, 0, megabytes * BLOCK)
        os.fsync(handle)
        partial.replace(path)
    except OSError:
        partial.unlink()
        raise
    finally:
        os.close(handle)
    return True

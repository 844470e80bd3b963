# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whether a release has room, asked before a byte of it travels and again before it is laid."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.config import ConfigError

# The disk is never filled by an update beyond this: evidence and outbox live on it too.
SPARE_BYTES = 300_000_000
# A wheel unpacked and compiled, against its archive; measured on those of the lock: 3.4.
UNPACKED_TIMES = 4.0
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class ReleaseNeed:
    """Bytes that a release takes: to travel, to be laid, and what goes before it is laid."""

    travels: int
    laid: int
    goes: int = 0


def check_room(program: Path, incoming: Path, number: int, need: ReleaseNeed) -> None:
    """program, incoming: where it is laid, and where what travels is kept until then; mostly one
    disk. Raises ConfigError where either has no room."""
    shared = program.stat().st_dev == incoming.stat().st_dev
    laid = max(0, need.laid - need.goes) + SPARE_BYTES
    wanted = [(program, need.travels + laid)] if shared else [(program, laid)]
    if not shared and need.travels:
        wanted.append((incoming, need.travels + SPARE_BYTES))
    for folder, asked in wanted:
        if (free := bytes_free(folder)) < asked:
            raise ConfigError(
                f"{folder}: {free // MB} MB free, release {number} needs {asked / MB:.0f}"
                " (keep.software_mb keeps them)"
            )


def bytes_free(folder: Path) -> int:
    stats = os.statvfs(folder)
    return stats.f_bavail * stats.f_frsize


def tree_bytes(*trees: Path) -> int:
    """What the files below take on the disk; a file that stands in several counts once."""
    return sum({(one.st_dev, one.st_ino): one.st_blocks * 512 for one in _files(*trees)}.values())


def own_bytes(tree: Path) -> int:
    """What comes free where a tree goes: files that stand nowhere else."""
    return sum(one.st_blocks * 512 for one in _files(tree) if one.st_nlink == 1)


def _files(*trees: Path) -> Iterator[os.stat_result]:
    for tree in trees:
        for folder, _, names in os.walk(tree):
            for name in names:
                yield (Path(folder) / name).lstat()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A real file system with little room, for what a full disk does: a tmpfs, mounted for one test."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """Mounted there with these options (`size=8m`) while the block runs; the test is skipped where
    this user may not mount."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here: run it as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Takes the last byte of the file system there; deleting the file that is returned gives all
    of it back."""
    path = folder / "fills-the-disk"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return path


def fill_names(folder: Path) -> None:
    """Takes the last inode, on a disk that was mounted with few of them (`nr_inodes=`)."""
    with suppress(OSError):
        for number in itertools.count():
            (folder / f"takes-an-inode-{number}").touch()

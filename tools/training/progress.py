# SPDX-License-Identifier: AGPL-3.0-or-later
"""One line on a terminal that says how far a long job is; silent where stderr is a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
EVERY_S = 0.2


def progress(things: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Pass things through, redrawing `what 12/300, 8 s left` at most five times a second."""
    if not sys.stderr.isatty():
        yield from things
        return
    began = drawn = time.monotonic()
    done = 0
    for done, thing in enumerate(things, 1):
        yield thing
        now = time.monotonic()
        if now - drawn >= EVERY_S:
            drawn = now
            left_s = (now - began) / done * (total - done)
            sys.stderr.write(f"\r{what} {done}/{total}, {left_s:.0f} s left \033[K")
    sys.stderr.write(f"\r{what} {done}/{total} done\033[K\n")

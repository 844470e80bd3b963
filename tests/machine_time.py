# SPDX-License-Identifier: AGPL-3.0-or-later
"""Claims about tenths of a second hold where a processor is free when one is needed.

Linux counts for how long a program was ready to run and none was free (Documentation/accounting/
psi.rst), and a host how long it took its processors away (proc(5), /proc/stat, "steal").
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec

import pytest

Args = ParamSpec("Args")

# Of the time of a test, for how much somebody waited for a processor: below the first the machine
# is to blame for nothing, above the second nothing can be said of tenths of a second.
LITTLE, MUCH = 0.05, 0.6


def waited_s() -> float:
    """Seconds since boot in which somebody waited for a processor; 0 where nobody tells."""
    total_s = 0.0
    with suppress(OSError, ValueError, IndexError):
        total_s += int(Path("/proc/pressure/cpu").read_text().split("total=")[1].split()[0]) / 1e6
    with suppress(OSError, ValueError, IndexError):
        stolen = int(Path("/proc/stat").read_text().split()[8])
        total_s += stolen / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)
    return total_s


class Waiting:
    """For how much of the time since it was made somebody waited for a processor: `share`."""

    def __init__(self) -> None:
        self._began_s, self._waited_s = time.monotonic(), waited_s()

    @property
    def share(self) -> float:
        passed_s = max(1e-3, time.monotonic() - self._began_s)
        return min(1.0, (waited_s() - self._waited_s) / passed_s)


def left_out(shares: list[float]) -> None:
    """Skip aloud where others had the processors for most of every try."""
    if min(shares) > MUCH:
        told = ", ".join(f"{share:.0%}" for share in shares)
        pytest.skip(f"others had the processors during {told} of its tries: claims of time failed")


def in_real_time(
    tries: int = 3, *, fills: bool = False
) -> Callable[[Callable[Args, None]], Callable[Args, None]]:
    """For a test of a claim about tenths of a second. Where it fails while others had the
    processors it is tried again, and left out aloud where they had them for most of every try; a
    test that itself `fills` the processors never is. On a machine that has time it fails at once.
    """

    def around(test: Callable[Args, None]) -> Callable[Args, None]:
        @functools.wraps(test)
        def tried(*words: Args.args, **named: Args.kwargs) -> None:
            shares: list[float] = []
            while True:
                waiting = Waiting()
                try:
                    return test(*words, **named)
                except (Exception, pytest.fail.Exception) as error:
                    shares.append(waiting.share)
                    if shares[-1] < LITTLE:
                        raise
                    if len(shares) == tries:
                        if not fills and isinstance(error, AssertionError | pytest.fail.Exception):
                            left_out(shares)
                        raise

        return tried

    return around

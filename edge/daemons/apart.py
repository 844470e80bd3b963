# SPDX-License-Identifier: AGPL-3.0-or-later
"""Work in a process apart, one at a time: the page stays small, and so does what it may use."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence

from edge.config import ConfigError

# Each such process weighs as much as the page itself; several would break its memory limit.
_ONE = threading.Lock()


def python_apart(
    words: Sequence[str], what: str, *, limit_s: float, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m ...` with `given` on stdin; `what` names the work in an error.

    Raises ConfigError where it takes longer than `limit_s`, waiting for its turn not counted.
    """
    with _ONE:
        try:
            return subprocess.run(
                [sys.executable, "-m", *words],
                input=given,
                capture_output=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(f"{what} took longer than {limit_s:.0f} s") from None

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runs of pytest from one process that has the libraries loaded already, each in a fork of it.

Three quarters of a short run are the start of Python and the loading of libraries. Nothing of the
product or of its tests is loaded here: each fork reads them anew, with the change that is tried.

python -m tools.faultlab.forked      one JSON [seconds, arguments] a line in, one JSON [exit status,
                                     first test that failed or null] out (124: the time was over)
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARIES = (
    *("av", "cv2", "cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.x509"),
    *("hypothesis", "hypothesis.stateful", "msgspec", "numpy", "paho.mqtt.client", "pytest"),
    *("serial", "sqlite3", "yaml", "zoneinfo"),
)
OVER = 124
LOOK_S = 0.02


class ForkedRuns:
    """The process apart, as its user sees it. Use as a context manager."""

    def __init__(self, tree: Path) -> None:
        # A change of the same size within the same second would be taken for the one before.
        quiet = {"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.faultlab.forked"],
            cwd=tree,
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> ForkedRuns:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, arguments: Sequence[str], seconds: float) -> tuple[int, str | None]:
        """(exit status of pytest with these arguments, OVER where it did not end in time; the first
        test that failed, None where none came to that)."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([seconds, list(arguments)]), file=self._process.stdin, flush=True)
        status, failed = json.loads(self._process.stdout.readline())
        return int(status), failed


class FirstFailure:
    """A pytest plugin: writes the id of the first test that fails into a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe: int | None = pipe

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self._pipe is not None:
            os.write(self._pipe, report.nodeid.encode())
            self._pipe = None


def _in_a_fork(arguments: Sequence[str], seconds: float) -> tuple[int, str | None]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _run(arguments, writing)
    os.close(writing)
    try:
        status = _ended(child, seconds)
        os.set_blocking(reading, False)
        with suppress(BlockingIOError):
            return status, os.read(reading, 65536).decode() or None
        return status, None
    finally:
        os.close(reading)


def _ended(child: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK_S)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return OVER


def _run(arguments: Sequence[str], pipe: int) -> None:
    """Never returns. What the tests start ends with their process group."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    import pytest

    loaded = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    status = int(pytest.main([*loaded, *arguments], plugins=[FirstFailure(pipe)]))
    os._exit(status)


def main() -> int:
    """Answer each line until the input ends."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for line in sys.stdin:
        seconds, arguments = json.loads(line)
        print(json.dumps(_in_a_fork(arguments, seconds)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

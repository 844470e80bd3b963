# SPDX-License-Identifier: AGPL-3.0-or-later
"""A pytest plugin: which lines of which files each test runs, written as JSON.

TOUCHED_FILES names the files, one a line, relative to the root; TOUCHED_OUT where to write. Lines
run by child processes are not seen.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Tracer:
    """Collects (file, line) of the wanted files; every other function runs untraced."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted
        self._names: dict[CodeType, str | None] = {}
        self.lines: dict[str, set[int]] = defaultdict(set)

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        if code not in self._names:
            path = code.co_filename.removeprefix(f"{ROOT}/")
            self._names[code] = path if path in self._wanted else None
        name = self._names[code]
        if name is None:
            return None
        lines = self.lines[name]
        lines.add(frame.f_lineno)

        def each(frame: FrameType, event: str, arg: object) -> Any:
            lines.add(frame.f_lineno)
            return each

        return each


class Touched:
    """One entry for each test: seconds, whether it passed, lines by file."""

    def __init__(self, wanted: set[str], out: Path) -> None:
        self._wanted, self._out = wanted, out
        self._tests: dict[str, dict[str, Any]] = {}
        self._failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Run one test under the tracer and keep which lines it ran."""
        tracer, began = Tracer(self._wanted), time.monotonic()
        threading.settrace(tracer)
        sys.settrace(tracer)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self._tests[item.nodeid] = {
                "seconds": time.monotonic() - began,
                "passed": item.nodeid not in self._failed,
                "lines": {name: sorted(lines) for name, lines in tracer.lines.items()},
            }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Comes before the protocol of the test has ended."""
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._out.write_text(json.dumps(self._tests))


def pytest_configure(config: pytest.Config) -> None:
    wanted = set(Path(os.environ["TOUCHED_FILES"]).read_text("utf-8").split())
    config.pluginmanager.register(Touched(wanted, Path(os.environ["TOUCHED_OUT"])))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A pytest plugin: which lines of which files each test runs, a JSON file for each test file.

TOUCHED_FILES names the files, one a line, relative to the root; TOUCHED_OUT the folder to write to.
A test file is written once its last test has run, so that a run that was ended keeps what it has.
Lines run by child processes are not seen.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def written_as(path: str, content: bytes) -> str:
    """The name of the file that holds what the tests of one file, of this content, ran."""
    return f"{path.replace('/', '--')}.{hashlib.sha256(content).hexdigest()[:12]}.json"


class Tracer:
    """Collects (file, line) of the wanted files; every other function runs untraced, and so does
    one whose every line has run."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted
        # Lines not run yet of each function of a wanted file; None for the functions of others.
        self._left: dict[CodeType, set[int] | None] = {}

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        try:
            left = self._left[code]
        except KeyError:
            left = self._left[code] = self._lines_of(code) if self._is_wanted(code) else None
        if not left:
            return None
        left.discard(frame.f_lineno)
        return self._each

    def _each(self, frame: FrameType, event: str, arg: object) -> Any:
        left = self._left[frame.f_code]
        if left:
            left.discard(frame.f_lineno)
        return self._each

    def _is_wanted(self, code: CodeType) -> bool:
        return code.co_filename.removeprefix(f"{ROOT}/") in self._wanted

    @staticmethod
    def _lines_of(code: CodeType) -> set[int]:
        # Before Python 3.11 the line of `def` has no instruction of its own; a call stands on it.
        return {code.co_firstlineno, *(line for _, _, line in code.co_lines() if line)}

    @property
    def lines(self) -> dict[str, set[int]]:
        """The lines that have run, by file."""
        found: dict[str, set[int]] = {}
        for code, left in self._left.items():
            if left is not None:
                name = code.co_filename.removeprefix(f"{ROOT}/")
                found.setdefault(name, set()).update(self._lines_of(code) - left)
        return found


class Touched:
    """One entry for each test: seconds, whether it passed, lines by file."""

    def __init__(self, wanted: set[str], out: Path) -> None:
        self._wanted, self._out = wanted, out
        self._tests: dict[str, dict[str, Any]] = {}
        self._failed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Iterator[None]:
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
            if nextitem is None or nextitem.path != item.path:
                self._write(item)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Comes before the protocol of the test has ended."""
        if not report.passed:
            self._failed.add(report.nodeid)

    def _write(self, last: pytest.Item) -> None:
        path = last.nodeid.partition("::")[0]
        place = self._out / written_as(path, last.path.read_bytes())
        temporary = place.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._tests))
        temporary.rename(place)
        self._tests = {}


def pytest_configure(config: pytest.Config) -> None:
    wanted = set(Path(os.environ["TOUCHED_FILES"]).read_text("utf-8").split())
    config.pluginmanager.register(Touched(wanted, Path(os.environ["TOUCHED_OUT"])))

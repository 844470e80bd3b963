# SPDX-License-Identifier: AGPL-3.0-or-later
"""What holds for every test: a machine that is busy with something else is no failure, and what a
test itself leaves open is closed after it."""

from __future__ import annotations

import os
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.order import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.order import pytest_terminal_summary as pytest_terminal_summary
from tests.stuck import pytest_runtest_protocol as pytest_runtest_protocol

HERE = Path(__file__).parent
BETWEEN = tuple(f"{HERE.parent}/{folder}/" for folder in ("edge/outbox", "tools/faultlab"))

settings.register_profile(
    "busy",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("busy")


class Watched(sqlite3.Connection):
    """What Python 3.13 says of a connection that nobody closed, on every Python, and who opened
    it: a ResourceWarning, which is an error here."""

    opened_by = ""
    closed = True

    def close(self) -> None:
        self.closed = True
        super().close()

    def __del__(self) -> None:
        if not self.closed:
            # Whichever thread collects it.
            with suppress(sqlite3.ProgrammingError):
                self.close()
            warnings.warn(f"unclosed database, opened by {self.opened_by}", ResourceWarning, 1)


_OPENED: list[Watched] = []
_real = sqlite3.connect


def _connect(*words: Any, **options: Any) -> sqlite3.Connection:
    db: Watched = _real(*words, factory=Watched, **options)
    db.closed = False
    frame = _opener(sys._getframe(1))
    db.opened_by = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if Path(frame.f_code.co_filename).is_relative_to(HERE):
        _OPENED.append(db)
    return db


def _opener(frame: FrameType) -> FrameType:
    """Who wanted the outbox, or the database itself; a rig opens what a test asks it for."""
    while frame.f_back is not None and frame.f_code.co_filename.startswith(BETWEEN):
        frame = frame.f_back
    return frame


sqlite3.connect = _connect  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def _left_open() -> Iterator[None]:
    """Tests leave databases open as a crash does. What the product leaves open stays an error."""
    before = len(_OPENED)
    yield
    for db in _OPENED[before:]:
        db.close()
    del _OPENED[before:]

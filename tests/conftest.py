# SPDX-License-Identifier: AGPL-3.0-or-later
"""What holds for every test: a machine that is busy with something else is no failure, and what a
test itself leaves open is closed after it."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

HERE = Path(__file__).parent

settings.register_profile(
    "busy",
    settings.get_profile("ci" if os.environ.get("CI") else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def _left_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests leave databases open as a crash does. What the product leaves open stays a warning,
    which is an error: Python 3.13 says of each SQLite connection that nobody closed it."""
    opened: list[sqlite3.Connection] = []
    real = sqlite3.connect

    def connect(*words: Any, **options: Any) -> sqlite3.Connection:
        db = real(*words, **options)
        if _by_a_test():
            opened.append(db)
        return db

    monkeypatch.setattr(sqlite3, "connect", connect)
    yield
    for db in opened:
        db.close()


def _by_a_test() -> bool:
    """Whether the outbox, or the database itself, was opened by a line of a test."""
    frame = sys._getframe(2)
    while frame.f_back is not None and "/edge/outbox/" in frame.f_code.co_filename:
        frame = frame.f_back
    return Path(frame.f_code.co_filename).is_relative_to(HERE)

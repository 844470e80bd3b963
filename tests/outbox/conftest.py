# SPDX-License-Identifier: AGPL-3.0-or-later
"""These tests leave databases open as a crash does; what is left is closed when each is over."""

import sqlite3

import pytest

from edge.outbox import schema


@pytest.fixture(autouse=True)
def _left_open(monkeypatch):
    opened = []

    def connect(*words, **options):
        opened.append(real(*words, **options))
        return opened[-1]

    real = sqlite3.connect
    monkeypatch.setattr(schema.sqlite3, "connect", connect)
    yield
    for db in opened:
        db.close()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The publisher before a full outbox: rows wait in memory, in their order, and only so many."""

from edge.clock import SystemClock
from edge.outbox import OutboxFull
from edge.pipeline import publisher
from edge.pipeline.publisher import Publisher


class Outbox:
    """Takes nothing while it is full."""

    def __init__(self):
        self.full, self.rows = True, []

    def open_faults(self):
        return []

    def put(self, **row):
        if self.full:
            raise OutboxFull("full")
        self.rows.append(row["key"])


def test_rows_that_waited_go_first_and_in_their_order():
    outbox = Outbox()
    door = Publisher(outbox, SystemClock())
    for key in "abc":
        door.put(key=key)
    outbox.full = False
    door.put(key="d")
    assert outbox.rows == ["a", "b", "c", "d"]
    assert door.counts["delayed"] == 3
    assert door.counts["dropped"] == 0


def test_memory_is_bounded_and_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr(publisher, "WAITING_MAX", 3)
    outbox = Outbox()
    door = Publisher(outbox, SystemClock())
    for key in "abcde":
        door.put(key=key)
    outbox.full = False
    door.retry()
    assert outbox.rows == ["c", "d", "e"]
    assert door.counts["dropped"] == 2

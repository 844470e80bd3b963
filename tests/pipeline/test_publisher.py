# SPDX-License-Identifier: AGPL-3.0-or-later
"""The publisher before a full outbox: rows wait in memory, in their order, and only so many."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge import outbox
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

    def forget_fault(self, kind, subject):
        raise AssertionError(f"{kind} of {subject} was never kept")

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


def bodies(path):
    with closing(sqlite3.connect(path)) as db:
        return [json.loads(body) for (body,) in db.execute("SELECT body FROM record ORDER BY id")]


def test_a_row_that_is_none_holds_up_no_other(tmp_path):
    path = tmp_path / "outbox.db"
    door = Publisher(outbox.Outbox(path, "visiond"), SystemClock())
    with pytest.raises(UnicodeEncodeError):
        door.put(lane="violation", kind="violation", key="a", body={"note": "\udcbd.jpg"})
    door.retry()
    door.put(lane="violation", kind="violation", key="b", body={"note": "well formed"})
    assert bodies(path) == [{"note": "well formed"}]


def test_a_fault_whose_facts_no_json_holds_is_told_without_them(tmp_path):
    path = tmp_path / "outbox.db"
    faults = Publisher(outbox.Outbox(path, "visiond"), SystemClock()).faults
    faults.start("not_sound", "gate", "no time for a.jpg", found=Path(os.fsdecode(b"\xbd.jpg")))
    faults.start("stream_stall", "yard", "the stream stopped")
    rows = [(b["kind"], b["subject"], b["text"], b["facts"]) for b in bodies(path)]
    assert rows == [
        ("not_sound", "gate", "", {}),
        ("stream_stall", "yard", "the stream stopped", {}),
    ]

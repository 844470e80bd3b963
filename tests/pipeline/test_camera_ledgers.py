# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rows of the ledgers on a disk that is full for a while."""

import pytest

from edge import ledger
from edge.faults import FaultLog
from edge.pipeline import camera_ledgers
from edge.pipeline.camera_ledgers import CameraLedgers
from tests.evidence.conftest import stamp
from tests.small_disk import fill, small_disk


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "size=1m") as folder:
        yield folder


def row(number):
    return {"camera": "north", "n": number, "why": "x" * 2000}


def read(disk):
    rows, torn = ledger.read(disk, "inspection")
    assert torn == 0
    return [row["n"] for row in rows]


def test_what_did_not_fit_is_entered_when_there_is_room(disk):
    faults = FaultLog(lambda: stamp(0.0), lambda fault, stands: None)
    book = CameraLedgers(disk, {}, faults)
    book.keep([row(0)], stamp(0.0))
    filling = fill(disk)
    for number in range(1, 5):
        book.keep([row(number)], stamp(float(number)))
    assert faults.find("disk", "ledger") is not None
    filling.unlink()
    book.keep([], stamp(15.0))
    assert read(disk) == [0, 1, 2, 3, 4]
    assert faults.find("disk", "ledger") is None
    book.keep([], stamp(70.0))
    book.keep([row(5)], stamp(71.0))
    assert read(disk) == [0, 1, 2, 3, 4, 5]


def test_what_waits_is_bounded(disk, monkeypatch):
    monkeypatch.setattr(camera_ledgers, "WAITING_MAX", 3)
    book = CameraLedgers(disk, {}, FaultLog(lambda: stamp(0.0), lambda fault, stands: None))
    filling = fill(disk)
    for number in range(10):
        book.keep([row(number)], stamp(float(number)))
    filling.unlink()
    book.keep([], stamp(100.0))
    assert read(disk)[-3:] == [7, 8, 9]

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A flight's findings as rows of the outbox, whatever ends the run that writes them."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge.commands import flylive
from edge.config.catalogue import load_categories
from edge.config.shipped import shipped
from edge.drone.dossier import FlightPublisher
from edge.outbox import RECEIPT, Outbox, OutboxFull

CATEGORIES = load_categories([shipped("config/categories.yaml")])


def finding(number: int, *, live: bool = False) -> dict[str, Any]:
    return {
        "id": f"f-1-{number:03d}", "category": "street-vendor", "status": "new",
        "lat": 24.5, "lon": 118.1, "ce90_m": 5.0, "membership": "outside", "low_confidence": False,
        "zone": {"allowed": False, "reason": "no zone", "zones": []},
        "box": [0.4, 0.4, 0.5, 0.5], "first_s": 1.0, "last_s": 4.0,
        "first_utc": 1_777_600_001.0 + number, "last_utc": 1_777_600_004.0 + number,
        "shots": [{"t_s": 1.0, "box": [0.4, 0.4, 0.5, 0.5]}], "facts": {"looks": 3},
        "pictures": {"overview": "overview.jpg"},
        "live": {"id": f"f-1-{number:03d}", "first_utc": 1_777_600_001.0 + number}
        if live
        else None,
    }  # fmt: skip


def ledger(*findings: dict[str, Any]) -> dict[str, Any]:
    return {
        "flight_id": "f-1", "name": "one", "aircraft": None, "pose_source": "srt",
        "model_sha256": "0" * 64, "config_sha256": "1" * 64, "findings": list(findings),
    }  # fmt: skip


@pytest.fixture()
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    cv2.imwrite(str(folder / "overview.jpg"), np.full((200, 300, 3), 90, np.uint8))
    return folder


@pytest.fixture()
def outbox(tmp_path: Path):
    box = Outbox(tmp_path / "outbox.db")
    yield box
    box.close()


class NoRoom:
    """An outbox on a full disk."""

    def __init__(self, held: Outbox) -> None:
        self.known = held.known

    def put(self, **row: Any) -> bool:
        raise OutboxFull("no space left")


def rows(outbox_path: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(outbox_path) as db:
        return db.execute(
            "SELECT key, (SELECT count(*) FROM record_file WHERE record = record.id)"
            " FROM record ORDER BY key"
        ).fetchall()


def test_what_was_sealed_before_the_run_ended_is_put_by_the_next_run(tmp_path, pictures, outbox):
    flown = ledger(finding(1), finding(2))
    evidence = tmp_path / "evidence"
    with pytest.raises(OutboxFull):
        FlightPublisher("box-1", evidence, NoRoom(outbox))(flown, pictures, CATEGORIES)
    sender = FlightPublisher("box-1", evidence, outbox)
    assert sender(flown, pictures, CATEGORIES) == 2
    keys = sorted(f"{path.parent.name}/{path.name}" for path in evidence.glob("*/r1"))
    # The picture and the manifest of each.
    assert rows(tmp_path / "outbox.db") == [(key, 2) for key in keys]
    assert sender(flown, pictures, CATEGORIES) == 0


def test_an_update_that_was_sealed_only_is_put_with_the_case_it_belongs_to(
    tmp_path, pictures, outbox
):
    evidence, flown = tmp_path / "evidence", ledger(finding(1, live=True))
    for sent in (ledger(finding(1)), flown):
        with pytest.raises(OutboxFull):
            FlightPublisher("box-1", evidence, NoRoom(outbox))(sent, pictures, CATEGORIES)
        if not list(evidence.glob("*/r2")):
            FlightPublisher("box-1", evidence, outbox)(sent, pictures, CATEGORIES)
    FlightPublisher("box-1", evidence, outbox)(flown, pictures, CATEGORIES)
    (name,) = [path.name for path in evidence.iterdir()]
    assert [key for key, _ in rows(tmp_path / "outbox.db")] == [f"{name}/r1", f"{name}/r2"]


def test_what_the_platform_has_is_not_put_again(tmp_path, pictures, outbox):
    evidence, flown = tmp_path / "evidence", ledger(finding(1))
    with pytest.raises(OutboxFull):
        FlightPublisher("box-1", evidence, NoRoom(outbox))(flown, pictures, CATEGORIES)
    (folder,) = evidence.glob("*/r1")
    (folder / RECEIPT).write_bytes(b"{}")
    assert FlightPublisher("box-1", evidence, outbox)(flown, pictures, CATEGORIES) == 0
    assert rows(tmp_path / "outbox.db") == []


def test_a_damaged_manifest_stops_no_other_finding(tmp_path, pictures, outbox, caplog):
    evidence = tmp_path / "evidence"
    FlightPublisher("box-1", evidence, outbox)(ledger(finding(1)), pictures, CATEGORIES)
    (folder,) = evidence.glob("*/r1")
    (folder / "manifest.json").write_bytes(b"\0" * 100)
    flown = ledger(finding(1), finding(2))
    assert FlightPublisher("box-1", evidence, outbox)(flown, pictures, CATEGORIES) == 1
    assert "edge evidence verify" in caplog.text


def test_a_full_outbox_ends_no_live_flight(tmp_path, pictures, outbox, monkeypatch, capsys):
    room = [False]

    class Box(NoRoom):
        def put(self, **row: Any) -> bool:
            return outbox.put(**row) if room[0] else super().put(**row)

    sender = FlightPublisher("box-1", tmp_path / "evidence", Box(outbox))
    monkeypatch.setattr(flylive, "_outbox", lambda args, opened: sender)
    flight = SimpleNamespace(source=lambda model, sha256: ledger())
    args = SimpleNamespace(json=True, out=tmp_path)
    with ExitStack() as opened:
        publish = flylive._publisher(args, opened, flight, CATEGORIES, ("paint", ""), "")
        publish(finding(1))
        publish(finding(2))
        assert rows(tmp_path / "outbox.db") == []
        assert "no space left; 2 findings wait" in capsys.readouterr().err
        room[0] = True
    assert len(rows(tmp_path / "outbox.db")) == 2

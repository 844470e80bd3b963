# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cases of a sensor over a restart of its daemon and over a disk that takes no evidence."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
import yaml

from edge.daemons.sensord import Sensord
from edge.evidence.casebook import Casebook
from edge.pipeline.soundness import load_sound
from edge.runtime import Notify, Stop
from tests.evidence.conftest import finding, stamp


@pytest.fixture
def daemon(tmp_path):
    """Sensord on the same box at each call: a noise meter on whose line nobody speaks."""
    line, port = os.openpty()
    site = {
        "sensors": [{"id": "meter", "kind": "modbus", "map": "noise-rs485",
                     "port": os.ttyname(port)}],
        "noise": [{"id": "west", "sensor": "meter"}],
    }  # fmt: skip
    folders = {"state": str(tmp_path / "state"), "run": str(tmp_path / "run")}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(site))
    (tmp_path / "device.yaml").write_text(yaml.safe_dump({"folders": folders}))
    settings = load_sound(tmp_path / "site.yaml", tmp_path / "device.yaml", sources=False)
    made = []

    def start():
        made.append(Sensord(settings, tmp_path, Notify({}), Stop()))
        made[-1]._cases.recover(stamp(0.0))
        return made[-1]

    yield start
    for one in made:
        one.close(keep=False)
    os.close(line)
    os.close(port)


def finds(daemon, phase, mono):
    found = finding(phase, mono, key="west/construction-noise/noise")
    found = replace(found, camera="west", category="construction-noise", rule="noise")
    daemon._cases.file(found, stamp(mono))


def put(state):
    with closing(sqlite3.connect(state / "outbox.db")) as db:
        rows = db.execute("SELECT body FROM record WHERE kind = 'violation' ORDER BY id").fetchall()
    return [(said["revision"], said["phase"]) for said in map(json.loads, (row for (row,) in rows))]


def test_a_case_whose_beginning_went_without_files_goes_on(daemon, tmp_path, monkeypatch):
    first = daemon()
    with monkeypatch.context() as full:
        full.setattr(Casebook, "write", refuses)
        finds(first, "new", 30.0)
    finds(daemon(), "update", 60.0)
    finds(daemon(), "end", 90.0)
    assert put(tmp_path / "state") == [(1, "new"), (2, "update"), (3, "end")]


def refuses(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")

# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge outbox: what a technician sees and does."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.cli import main
from edge.outbox import Dispatch, Outbox, State
from edge.outbox.dispatch import drop
from edge.outbox.schema import lower
from edge.outbox.sweep import Sweep
from tests.outbox.test_outbox import seal
from tools.faultlab.rig import Rig


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A box with two waiting violations and a dead letter."""
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    for name in ("v-1", "v-2", "v-3"):
        rig.put(outbox, name, {"r1-a.jpg": name.encode()})
    dispatch = Dispatch(rig.state / "outbox.db")
    with dispatch.commit():
        row = dispatch.claim("violation", 1, seal)[0]
        dispatch.bury(row.id, "5 refusals: 0x99")
    dispatch.close()
    outbox.close()
    return rig.device_file(1883)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["outbox", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_status(device: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "status", "--device", str(device), "--json")
    told = json.loads(out)
    assert code == 0
    assert told["records"] == {"violation": {"new": 2, "dead": 1}}
    assert told["files"] == {"picture": {"new": 6}}
    code, out, _ = run(capsys, "status", "--device", str(device))
    assert "new 2  dead 1" in out


def test_list_and_retry(device: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--device", str(device), "--json")
    _, out, _ = run(capsys, "list", "dead", *where)
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert (row["key"], row["note"]) == ("v-1/r1", "5 refusals: 0x99")
    code, out, _ = run(capsys, "retry", row["key"], *where)
    assert (code, json.loads(out)) == (0, {"retried": 1})
    code, out, _ = run(capsys, "retry", row["key"], *where)
    assert (code, json.loads(out)) == (1, {"retried": 0})
    _, out, _ = run(capsys, "list", *where)
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["new"] * 3


def set_aside(device: Path) -> str:
    """v-2 and a picture of v-3 lie aside; the hash of the picture."""
    path = device.parent / "state/outbox.db"
    dispatch = Dispatch(path)
    with dispatch.commit():
        row = next(r for r in dispatch.claim("violation", 9, seal) if r.key == "v-2/r1")
        assert dispatch.bury(row.id, "Bug: x", State.ASIDE)
        (picture,) = (
            sha256
            for sha256, name in connected(path, "SELECT sha256, path FROM file")
            if name.endswith("v-3/r1/r1-a.jpg")
        )
        assert dispatch.mark_file(picture, State.ASIDE, "Bug: y")
        assert [row[:2] for row in dispatch.aside(9)] == [
            ("violation", "v-2/r1"),
            ("file", str(device.parent / "state/evidence/v-3/r1/r1-a.jpg")),
        ]
    dispatch.close()
    return str(picture)


def connected(path: Path, words: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(words).fetchall()


def test_what_lies_aside_is_dropped_or_sent_again(
    device: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = set_aside(device)
    where, path = ("--device", str(device), "--json"), device.parent / "state/outbox.db"
    _, out, _ = run(capsys, "list", "aside", *where)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(r["key"], r["note"]) for r in rows] == [("v-2/r1", "Bug: x"), (picture, "Bug: y")]
    assert json.loads(run(capsys, "drop", "v-2/r1", *where)[1]) == {"dropped": 1}
    assert run(capsys, "drop", "v-2/r1", *where)[0] == 1
    # What is on its way, and what the platform has, is nobody's to drop.
    assert run(capsys, "drop", "v-3/r1", *where)[0] == 1
    assert json.loads(run(capsys, "retry", "all", *where)[1]) == {"retried": 2}, "v-1, the picture"
    (found,) = connected(path, "SELECT state, note FROM record WHERE key = 'v-2/r1'")
    assert found[0] == State.DROPPED and "dropped by an operator at" in found[1]
    with closing(Outbox(path)) as outbox:
        assert outbox.known("violation", "v-2/r1"), "nobody puts it again"
        assert outbox.status()["records"]["violation"]["dropped"] == 1
    assert json.loads(run(capsys, "retry", "v-2/r1", *where)[1]) == {"retried": 1}


def test_an_older_program_takes_what_lies_aside_for_dead(device: Path) -> None:
    set_aside(device)
    path = device.parent / "state/outbox.db"
    assert lower(path, 3) == 3
    (states,) = connected(path, "SELECT group_concat(state) FROM record WHERE key = 'v-2/r1'")
    assert states == ("8",)


def test_a_record_whose_file_was_dropped_is_released(device: Path) -> None:
    """The rest of it is with the platform; an operator has given up the one file."""
    picture, path = set_aside(device), device.parent / "state/outbox.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE record SET state = 3")
        db.execute("UPDATE file SET state = 3 WHERE sha256 <> ?", (picture,))
        assert drop(db, picture, "dropped") == 1
    sweep = Sweep(path)
    assert {record.key for record in sweep.released()} == {"v-1/r1", "v-2/r1", "v-3/r1"}
    sweep.forget(sweep.released())
    sweep.close()
    assert connected(path, "SELECT * FROM file") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["retry"], "retry what"),
        (["drop"], "drop what"),
        (["list", "lost"], "no such state"),
        (["status", "--device", "/none.yaml"], "/none.yaml"),
    ],
)
def test_wrong_input_is_one_line(
    device: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    where = [] if "--device" in words else ["--device", str(device)]
    code, out, err = run(capsys, *words, *where)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_no_outbox_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "status", "--device", str(Rig(tmp_path).device_file(1883)))
    assert code == 2
    assert "no outbox here" in err

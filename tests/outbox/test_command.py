# SPDX-License-Identifier: AGPL-3.0-or-later
"""edge outbox: what a technician sees and does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.outbox import Dispatch
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["retry"], "retry what"),
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

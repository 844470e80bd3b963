# SPDX-License-Identifier: AGPL-3.0-or-later
"""The muck-truck file in the running daemon: what it says travels with every truck's case."""

import json
import sqlite3
from contextlib import closing

import pytest

from edge.cli import main
from tests.daemons import truck_box
from tests.daemons.test_visiond import run_to_the_end

# Two cores may have much else to do.
LIMIT_S = 150.0


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """(body of revision 1, by category and plate) of a run over four passing trucks."""
    home = truck_box.make(tmp_path_factory.mktemp("home"))
    run_to_the_end(home, truck_box.start, LIMIT_S)
    with closing(sqlite3.connect(home / "state/outbox.db")) as db:
        return [json.loads(body) for (body,) in db.execute("SELECT body FROM record")]


def of(told, category, phase="new"):
    rows = [r for r in told if r.get("category") == category and r["phase"] == phase]
    return {r["facts"]["truck_file"]["plate"]: r for r in rows}


def test_a_registered_truck_without_a_valid_permit_is_a_case(told):
    truck = of(told, "unpermitted-haulage")["鲁B12345"]["facts"]["truck_file"]
    assert (truck["status"], truck["permit_state"]) == ("registered", "expired")
    assert (truck["company"], truck["permit"], truck["review"]) == ("甲", "渣2020-1", False)
    assert [line["text"] for line in truck["read"]] == ["鲁B", "12345"]


def test_a_stranger_is_a_lead_for_the_reviewer(told):
    row = of(told, "unpermitted-haulage")["鲁B99999"]
    assert row["priority"] == "lead"
    assert (row["facts"]["truck_file"]["status"], row["facts"]["truck_file"]["review"]) == (
        "unregistered",
        True,
    )


def test_a_permitted_truck_and_one_that_nobody_can_read_make_no_case(told):
    assert set(of(told, "unpermitted-haulage")) == {"鲁B12345", "鲁B99999"}


def test_a_spill_carries_the_answer_and_unknown_stays_unknown(told):
    (row,) = of(told, "road-spillage").values()
    truck = row["facts"]["truck_file"]
    assert (truck["status"], truck["plate"], truck["review"]) == ("unknown", None, True)
    assert "请人工核实" in truck["why_zh"]
    assert "plate" in {file["role"] for file in row["evidence"]}


def test_the_answer_stays_with_the_case_to_its_end(told):
    for category in ("unpermitted-haulage", "road-spillage"):
        first, last = of(told, category), of(told, category, "end")
        assert set(first) == set(last)
        for plate, row in last.items():
            assert row["facts"]["truck_file"] == first[plate]["facts"]["truck_file"]
            assert row["priority"] == first[plate]["priority"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"site.yaml": ("trucks: trucks.csv\n", "")}, "asks the muck-truck file"),
        ({"site.yaml": ("trucks.csv", "gone.csv")}, "'gone.csv': no such file"),
        ({"site.yaml": ("7号工地", "8号工地")}, "premises '8号工地' is no loading or dumping"),
        ({"trucks.csv": ("permit,", "permt,")}, "column 'permt' is unknown"),
        ({"trucks.csv": ("鲁B12345", "")}, "line 2: plate is empty"),
    ],
)
def test_edge_check_refuses_what_does_not_fit(change, says, tmp_path, capsys):
    texts = {
        "site.yaml": truck_box.SITE,
        "trucks.csv": truck_box.REGISTER,
        "square.yaml": truck_box.box.MANIFEST.replace("vendor_stall", "muck_truck, spillage"),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text.replace(*change.get(name, ("", ""))), "utf-8")
    assert main(["check", "--site", str(tmp_path / "site.yaml")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert len(error.strip().splitlines()) == 1

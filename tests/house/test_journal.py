# SPDX-License-Identifier: AGPL-3.0-or-later
"""JSON lines behind a torn one: every writer of the box keeps what it is given afterwards."""

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from edge import journal, ledger
from edge.console.accounts import Accounts
from edge.daemons.console_services import _review
from edge.sensors.history import History
from edge.sensors.ledgers import Ledgers
from edge.sensors.raw import Recent, SampleStore, read
from edge.uplink.downward import Review
from edge.uplink.reviews import ReviewLog
from edge.values import Sample
from tests.fake_clock import FakeClock

EDGE = Path(__file__).parents[2] / "edge"


def put_review(state: Path) -> None:
    told = {"iss": "desk", "n": 1, "at": "2026-05-01T00:00:00Z", "violation": "v-1", "nonce": "n"}
    fields = {name: told.get(name, "rejected") for name in Review.__struct_fields__}
    ReviewLog(state / "reviews").keep(Review(**fields))


WRITERS = {
    "console review": lambda state: _review(state, "v-2", "rejected", "", "an umbrella", "wang"),
    "platform review": put_review,
    "cleaning": lambda state: Ledgers(state).add("cleaning", {"wall": 2.0, "shop": "b"}),
    "levels": lambda state: Ledgers(state).add("levels", {"point": "gate"}),
    "handling": lambda state: ledger.append(state, "handling", [{"id": "v-2"}], 1_777_000_000.0),
    "audit": lambda state: Accounts(state / "console", session_s=60.0).audit("wang", "login"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_row_behind_a_torn_one_is_read(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path)
    (path,) = tmp_path.glob("*/*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    WRITERS[name](tmp_path)
    rows, torn = journal.read(path)
    assert len(rows) == 2 and torn == 1, path.read_text()


def test_samples_behind_a_torn_one_are_read(tmp_path: Path) -> None:
    at = FakeClock().now()
    store, recent = SampleStore(tmp_path), Recent(tmp_path)
    file = tmp_path / "samples" / f"{datetime.fromtimestamp(at.wall, timezone.utc):%Y%m%d-%H}.csv"
    for written in (0, 1):
        store.add([Sample("noise", "LAeq", 60.0 + written, "dB", "ok", at)])
        store.flush(force=True)
        recent.add([Sample("noise", "LAeq", 60.0 + written, "dB", "ok", at)])
        for path in (file, tmp_path / "samples" / "noise.csv"):
            path.write_bytes(path.read_bytes() + b"1767225600.0,noise,LAeq,6")
    for path in (file, tmp_path / "samples" / "noise.csv"):
        values = [sample.value for sample in read([path], set(), 0.0, 4e9)]
        assert values == [60.0, 61.0], path.read_text()
    assert file.read_text().count("wall,sensor") == 1
    assert History(tmp_path, tmp_path)


def test_nothing_but_the_journal_appends_to_a_file() -> None:
    by_hand = re.compile(r"""open\([^)]*["']a[b+]*["']""")
    found = [path.name for path in EDGE.rglob("*.py") if by_hand.search(path.read_text())]
    assert found == ["journal.py"]


def test_rows_are_as_they_were_given(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    journal.append(path, [])
    assert not path.exists()
    journal.append(path, [{"a": "\u2028渣"}, '{"b":1}'], durable=False)
    assert path.read_text("utf-8") == '{"a": "\u2028渣"}\n{"b":1}\n'
    assert journal.read(path) == ([{"a": "\u2028渣"}, {"b": 1}], 0)
    path.write_bytes(b'[1]\n\n{"a": \xff}\n' + json.dumps({"c": 3}).encode())
    assert journal.read(path) == ([{"c": 3}], 2)
    assert journal.read(tmp_path / "none.jsonl") == ([], 0)

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Bytes that are no JSON, in every way: each reader of a file or message says so in its own way."""

import msgspec
import pytest

from edge.config import ConfigError
from edge.console.flights import read_job
from edge.handling.flights import PLACE_M, flight_steps, read_open_places
from edge.handling.store import read_steps
from edge.jsonfile import decoded, decoded_lines, read_object, read_record, read_status
from edge.learning.store import read_judged, read_offsets
from edge.learning.thresholds import Offset
from edge.notices.hooks import read_hooks
from edge.release.software.state_file import StateFile
from edge.release.software.steps import SoftwareState
from edge.release.store import ReleaseState, ReleaseStore
from edge.uplink import messages
from edge.uplink.wire import Malformed, parse

# Torn, empty, not UTF-8 (outside and inside of a text), nested too deep, another type.
DAMAGED = [b"{", b"", b"\xff", b'{"state": "\xff"}', b'["\xff"]', b"[" * 100_000, b"7", b"null"]
READERS = {
    "flights/a/rechecks.json": lambda state: list(flight_steps(state, 0.0)) == [],
    "handling/open_places.json": lambda state: read_open_places(state, 1e9) == [],
    "handling/steps-2026-01.jsonl": lambda state: read_steps(state)[0] == [],
    "learning/judged.jsonl": lambda state: read_judged(state / "learning") == [],
    "learning/offsets.json": lambda state: read_offsets(state) == {},
    "status/visiond.json": lambda state: read_status(state, "visiond") == {},
    "state.json": lambda state: StateFile(state).read() == SoftwareState(),
    "model/state.json": lambda state: ReleaseStore(state, "model").read() == ReleaseState(),
    "job.json": lambda state: read_job(state / "job.json") is None,
}


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_whatever_is_wrong_with_the_bytes_is_one_error(data):
    for kind in (messages.Status, list[messages.Status], dict[str, messages.Status]):
        with pytest.raises(ValueError):
            decoded(data, kind)
    with pytest.raises(Malformed):
        parse(data)


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_ends_nobody(tmp_path, name, data):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    assert READERS[name](tmp_path)


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_hooks_are_a_persons_error(tmp_path, data):
    (tmp_path / "hooks.json").write_bytes(data)
    with pytest.raises(ConfigError, match="not the web hooks"):
        read_hooks(tmp_path / "hooks.json")


def test_what_is_there_is_read(tmp_path, caplog):
    path = tmp_path / "x.json"
    assert read_object(path) == {} == read_record(path, dict, {}, "then")
    assert not caplog.records, "no file is no damage"
    path.write_bytes(b'{"a": 1}')
    assert read_object(path) == {"a": 1} == read_record(path, dict, {}, "then")
    assert decoded_lines([b'{"a":1}', b" ", b'{"a', b"2"], dict) == ([{"a": 1}], 2)
    path.write_bytes(b"[]")
    assert read_object(path) == {} == read_record(path, dict, {}, "this follows")
    assert "this follows" in caplog.text


# As the program wrote them before these readers were one.
OLDER = {
    "handling/open_places.json": b'[{"case":"v-1","category":"dumping","lat":36.1,"lon":120.2,'
    b'"accuracy_m":4.5,"found_at":1764300000.0},{"case":"v-2","category":"dumping","lat":36.2,'
    b'"lon":120.3,"found_at":1764300000.0}]',
    "flights/a/rechecks.json": b'[{"case":"v-1","answer":"still_there","at":1764300000.0,'
    b'"flight":"f-1","second":3.5,"finding":"n1","why":""}]',
    "learning/offsets.json": b'[\n {\n  "camera": "c1",\n  "category": "street-vendor",\n'
    b'  "value": 0.05,\n  "moved_s": 1764300000.0,\n  "looked_s": 1764300000.5,\n'
    b'  "reason": "5 of 6 rejected"\n }\n]',
}


def test_files_of_the_program_before_are_read_and_written_the_same(tmp_path):
    for name, data in OLDER.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    places = read_open_places(tmp_path, 2e9)
    assert [(one.case, one.accuracy_m) for one in places] == [("v-1", 4.5), ("v-2", PLACE_M)]
    assert msgspec.json.encode(places) == OLDER["handling/open_places.json"]
    (step,) = flight_steps(tmp_path, 0.0)
    assert (step.case, step.kind, step.facts["finding"]) == ("v-1", "still_there", "n1")
    (offset,) = read_offsets(tmp_path).values()
    assert offset == Offset(
        "c1", "street-vendor", 0.05, 1764300000.0, 1764300000.5, "5 of 6 rejected"
    )

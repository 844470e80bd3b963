# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cases that the disk gave no room for, and cases over a restart."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Camera, Device, convert
from edge.daemons.janitord import Janitor
from edge.evidence import store
from edge.evidence.album import Album
from edge.evidence.casebook import Casebook
from edge.evidence.store import Revision, clean
from edge.outbox import Dispatch, Outbox, SealedRecord, ladder
from edge.pipeline.evidence_writer import EvidenceOutputs, EvidenceWriter
from edge.pipeline.publisher import Publisher
from edge.uplink.wire import violation_data
from edge.values import Judgement
from tests.evidence.conftest import finding, frame, stamp
from tests.evidence.test_evidence_writer import CAMERA


@pytest.fixture
def opened(tmp_path, categories, origin):
    """A casebook on the same folder, as a daemon opens it at each start."""
    return lambda: Casebook(tmp_path / "evidence", origin, categories, violation_data)


def test_what_goes_without_files_says_what_was_found_last(opened):
    book = opened()
    first = book.write(finding("new", 30.0), [], ()).violation
    later = book.bare(finding("update", 60.0), ("disk",))
    assert (later.phase, later.decided.mono, later.revision) == ("update", 60.0, 2)
    ended = book.bare(finding("end", 90.0), ("disk",))
    assert (ended.phase, ended.ended.mono, ended.revision) == ("end", 90.0, 3)
    assert book.open_keys() == set()
    # A sensor's next offence has the same key.
    tomorrow = book.write(finding("new", 86_430.0, began=86_400.0), [], ()).violation
    assert (tomorrow.revision, tomorrow.id == first.id) == (1, False)


@pytest.mark.parametrize("number", range(6))
def test_an_open_case_is_found_again_beside_ended_ones_of_its_key(opened, number):
    """Folders are read in the order of their names, which are hashes: hence several days."""
    book, day_s = opened(), 86_400.0
    first = number * 7919.0
    for began in (first, first + day_s, first + 2 * day_s):
        book.write(finding("new", began + 30.0, began=began), [], ())
        book.write(finding("end", began + 90.0, began=began), [], ())
    began = first + 3 * day_s
    book.write(finding("new", began + 30.0, began=began), [], ())
    again = opened()
    again.recover(stamp(began + 40.0))
    assert again.open_keys() == {"vending@1"}
    ended = again.write(finding("end", began + 90.0, began=began), [], ()).violation
    assert (ended.revision, ended.began.wall, again.open_keys()) == (2, stamp(began).wall, set())


def test_of_two_open_cases_of_one_key_the_later_one_goes_on(opened):
    ids = {}
    for began in (500.0, 0.0, 900.0, 200.0):
        new = finding("new", began + 30.0, began=began)
        ids[began] = opened().write(new, [], ()).violation.id
    again = opened()
    again.recover(stamp(1000.0))
    assert again.case("vending@1").id == ids[900.0]


class Daemon:
    """Evidence writer, casebook and outbox on the folder of a box, as after a start. `full`: the
    disk takes no evidence."""

    def __init__(self, root, opened):
        self.full, self.outbox = False, Outbox(root / "outbox.db", "visiond")
        publisher = Publisher(self.outbox, SystemClock())
        self.book = opened()
        self.again = [
            publisher.again(folder, manifest)
            for folder, manifest in self.book.recover(stamp(0.0), publisher.bare_revisions())
        ]
        outputs = EvidenceOutputs(
            sealed=publisher.sealed,
            bare=publisher.bare,
            trouble=lambda kind, text: None,
            healed=lambda kind: None,
        )
        self._writer = EvidenceWriter(
            convert(CAMERA, Camera, "test"),
            album=Album(root / "album", lambda at, category: [category]),
            book=self.book,
            categories=self.book._categories,
            outputs=outputs,
            clips=None,
            step=lambda: ladder.METADATA_ONLY if self.full else 0,
        )

    def finds(self, phase, mono, *, full=False):
        self.full = full
        self._writer.handle(frame(mono), Judgement((finding(phase, mono),), ()))


def put(root):
    """(revision, phase) of each row, in the order of putting; one case in all."""
    with closing(sqlite3.connect(root / "outbox.db")) as db:
        rows = db.execute("SELECT coalesce(body, payload) FROM record ORDER BY id").fetchall()
    said = [json.loads(row) for (row,) in rows]
    said = [row.get("data", row) for row in said]
    assert len({row["id"] for row in said}) == 1
    return [(row["revision"], row["phase"]) for row in said]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([("new", True)], [("update", False), ("end", False)]),
        ([("new", False), ("update", True)], [("end", False)]),
        ([("new", True), ("update", False), ("update", True)], [("end", True)]),
    ],
)
def test_a_restart_numbers_on_from_what_went_without_files(tmp_path, opened, before, after):
    wanted = []
    for part in (before, after):
        daemon = Daemon(tmp_path, opened)
        assert not any(daemon.again)
        for phase, full in part:
            wanted.append((len(wanted) + 1, phase))
            daemon.finds(phase, 30.0 * len(wanted), full=full)
    assert put(tmp_path) == wanted
    assert daemon.book.open_keys() == set()


def test_an_end_without_files_is_the_end_after_a_restart(tmp_path, opened):
    first = Daemon(tmp_path, opened)
    first.finds("new", 30.0)
    first.finds("end", 60.0, full=True)
    again = Daemon(tmp_path, opened)
    assert again.book.open_keys() == set()
    assert again.book.settled(finding("new", 30.0))


def test_the_platform_s_receipt_does_not_take_away_the_number(tmp_path, opened):
    """A row without a folder is the only memory of its revision: the janitor leaves it a week."""
    Daemon(tmp_path, opened).finds("new", 30.0, full=True)
    dispatch = Dispatch(tmp_path / "outbox.db")
    with dispatch.commit():
        (row,) = dispatch.claim("violation", 1, sealed)
        dispatch.acknowledge(row.record_id, row.sha256, b"{}")
    dispatch.close()
    now = time.time()
    Janitor(Device(), tmp_path, tmp_path / "run").work(now + 6 * 86_400.0)
    Daemon(tmp_path, opened).finds("end", 60.0)
    assert put(tmp_path) == [(1, "new"), (2, "end")]
    Janitor(Device(), tmp_path, tmp_path / "run").work(now + 8 * 86_400.0)
    assert put(tmp_path) == [(2, "end")]


def sealed(row, head):
    payload = json.dumps({"data": json.loads(row.body)}).encode()
    return SealedRecord(head.seq + 1, "box-1:1:1", payload, "0" * 64)


def test_rows_of_another_shape_are_no_revisions(tmp_path):
    outbox = Outbox(tmp_path / "outbox.db", "visiond")
    for number, body in enumerate(({}, {"data": [1]}, {"id": "v-1", "source": 5})):
        outbox.put(lane="violation", kind="violation", key=str(number), body=body)
    assert Publisher(outbox, SystemClock()).bare_revisions() == []


def test_a_folder_that_a_starting_daemon_removes_is_made_again(tmp_path, monkeypatch):
    """It is empty between the making of the case's folder and of the revision's in it."""

    def made_and_removed(folder):
        folder.mkdir(parents=True)
        clean(tmp_path)
        assert not folder.exists()

    monkeypatch.setattr(store, "make_folder", made_and_removed)
    with Revision(tmp_path, "v-1", 1) as revision:
        assert revision.seal({"id": "v-1"}).is_dir()


def test_a_folder_that_another_daemon_begins_in_is_left_to_it(tmp_path, monkeypatch):
    (tmp_path / "v-1" / "r1").mkdir(parents=True)
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(()))
    clean(tmp_path)
    assert (tmp_path / "v-1" / "r1").is_dir()

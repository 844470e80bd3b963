# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cases that the disk gave no room for, and cases over a restart."""

from pathlib import Path

import pytest

from edge.evidence import store
from edge.evidence.casebook import Casebook
from edge.evidence.store import Revision, clean
from edge.uplink.wire import violation_data
from tests.evidence.conftest import finding, stamp


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

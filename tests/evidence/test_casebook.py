# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cases that the disk gave no room for, and cases over a restart."""

import pytest

from edge.evidence.casebook import Casebook
from edge.uplink.wire import violation_data
from tests.evidence.conftest import finding


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

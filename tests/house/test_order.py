# SPDX-License-Identifier: AGPL-3.0-or-later
"""The list of the longest tests cannot grow old in silence."""

import subprocess
import sys

from tests.order import HERE, LONGEST, begun_too_late

TOOK_S = dict.fromkeys(LONGEST, 20.0)


def test_every_file_of_the_list_is_there_once():
    assert [name for name in LONGEST if not (HERE / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_a_file_that_takes_far_longer_than_those_of_the_list_is_named():
    assert begun_too_late({**TOOK_S, "a/test_new.py": 40.1, "a/test_short.py": 40.0}) == [
        "a/test_new.py"
    ]


def test_a_run_of_some_files_is_no_measure():
    took_s = {**TOOK_S, "a/test_new.py": 500.0}
    del took_s[LONGEST[3]]
    assert begun_too_late(took_s) == []


def test_a_run_says_what_the_list_lacks_and_begins_with_what_it_has(tmp_path):
    """In a small tree of tests, on two processes."""
    (tmp_path / "tests").mkdir()
    for name in ("order.py", "__init__.py"):
        (tmp_path / "tests" / name).write_bytes((HERE / name).read_bytes())
    (tmp_path / "tests/conftest.py").write_text(
        "from tests import order\n"
        "from tests.order import pytest_collection_modifyitems as pytest_collection_modifyitems\n"
        "from tests.order import pytest_terminal_summary as pytest_terminal_summary\n"
        # Whatever it took is far longer, so that a busy machine changes nothing.
        "order.LONGEST, order.FAR_LONGER = ('test_listed.py',), 0.0\n"
    )
    for name in ("a", "listed"):
        (tmp_path / f"tests/test_{name}.py").write_text(f"def test_{name}(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    argv = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider"]
    alone = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=170)
    assert alone.stdout.index("test_listed.py::") < alone.stdout.index("test_a.py::")
    argv += ["-n", "2", "--dist", "loadfile"]
    beside = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=170)
    for done in (alone, beside):
        assert "not in LONGEST of tests/order.py: test_a.py (" in done.stdout, done.stdout

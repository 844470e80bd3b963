# SPDX-License-Identifier: AGPL-3.0-or-later
"""The measure of the tests is honest: a test that fails anyway answers for no change, and a run
that hangs is ended."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.faultlab.forked import OVER, ForkedRuns
from tools.faultlab.mutants import mutants_of
from tools.faultlab.mutation import PACKAGES, Touch, lines_of, near

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import time

from edge.geometry import distance

def test_sound():
    assert distance((0.0, 0.0), (0.0, 1.0), 1.0) == 1.0

def test_failing_anyway():
    assert distance((0.0, 0.0), (0.0, 1.0), 1.0) == 2.0

def test_hanging():
    time.sleep(600)
"""


def test_only_tests_that_pass_answer_for_the_lines_they_run(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS.replace("600", "0"))
    (tmp_path / "files").write_text("edge/geometry.py")
    names = {"TOUCHED_FILES": str(tmp_path / "files"), "TOUCHED_OUT": str(tmp_path / "out")}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "tools.faultlab.touched", "-p"]
    argv += ["no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), str(tmp_path)]
    subprocess.run(argv, cwd=ROOT, env={**os.environ, **names}, capture_output=True, check=False)
    found = {
        name.rpartition("::")[2]: row
        for name, row in json.loads((tmp_path / "out").read_text()).items()
    }
    assert {name: row["passed"] for name, row in found.items()} == {
        "test_sound": True,
        "test_failing_anyway": False,
        "test_hanging": True,
    }
    assert found["test_sound"]["lines"]["edge/geometry.py"]
    assert found["test_hanging"]["lines"] == {}


def test_a_fork_says_what_pytest_says_and_ends_what_hangs(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    place = str(tmp_path / "test_some.py")
    with ForkedRuns(ROOT) as runs:

        def run(name, seconds=120.0):
            return runs.run(["-q", "-p", "no:cacheprovider", f"{place}::{name}"], seconds)

        assert run("test_sound") == 0
        assert run("test_failing_anyway") == 1
        assert run("test_hanging", 3.0) == OVER
        assert run("test_sound") == 0, "the next one is not hurt"


def seen(test, seconds, *lines):
    return Touch(test, seconds, frozenset(("edge/uplink/seal.py", line) for line in lines))


def test_the_quick_tests_of_a_line_are_run_up_to_a_time_and_all_others_where_none_runs_it():
    known = [
        *(seen("tests/uplink/slow", 80.0, 7), seen("tests/uplink/quick", 1.0, 7)),
        *(seen("tests/uplink/slower", 85.0, 7), seen("tests/rules/other", 0.5, 9)),
    ]
    wanted = frozenset({("edge/uplink/seal.py", 7)})
    assert [t.test for t in near(known, wanted, "edge/uplink")] == [
        *("tests/uplink/quick", "tests/uplink/slow"),
    ]
    nowhere = frozenset({("edge/uplink/seal.py", 1)})
    assert [t.test for t in near(known, nowhere, "edge/uplink")] == [
        *("tests/uplink/quick", "tests/uplink/slow"),
    ]
    page = seen("tests/contract/page", 0.1)
    assert near([*known, page], wanted, "edge/uplink", named=True)[0] == page
    assert page not in near([*known, page], wanted, "edge/uplink")
    alone = [seen("tests/uplink/long", 500.0, 7)]
    assert near(alone, wanted, "edge/uplink") == alone, "one at least"


def test_who_runs_a_function_could_notice_a_default_of_it():
    text = 'def f(\n    a=1,\n    b=2,\n):\n    """Words."""\n    if a:\n        return b\n'
    (first, *_) = mutants_of("edge/uplink/seal.py", text)
    assert first.line == 2
    lines = {line for _, line in lines_of(first, {"edge/uplink/seal.py": text})}
    assert lines >= {1, 6, 7}
    inner = next(one for one in mutants_of("edge/uplink/seal.py", text.replace("b\n", "3\n"))
                 if one.line == 7)  # fmt: skip
    assert {line for _, line in lines_of(inner, {inner.path: text})} == {7}


def test_the_tests_that_answer_for_a_package_are_there():
    assert [t for tests in PACKAGES.values() for t in tests if not (ROOT / t).exists()] == []

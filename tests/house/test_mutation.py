# SPDX-License-Identifier: AGPL-3.0-or-later
"""The measure of the tests is honest: a test that fails anyway answers for no change, and a run
that hangs is ended."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.faultlab.forked import OVER, ForkedRuns

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

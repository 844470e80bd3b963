# SPDX-License-Identifier: AGPL-3.0-or-later
"""The measure of the tests is honest: a test that fails anyway answers for no change, and a run
that hangs is ended."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.faultlab.answering import PACKAGES, Touch, digest, lines_of, near, touches
from tools.faultlab.forked import OVER, ForkedRuns
from tools.faultlab.mutants import mutants_of
from tools.faultlab.mutation import Bench
from tools.faultlab.touched import written_as

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


def traced(folder, text):
    path = folder / "test_some.py"
    path.write_text(text)
    (folder / "files").write_text("edge/geometry.py")
    names = {"TOUCHED_FILES": str(folder / "files"), "TOUCHED_OUT": str(folder)}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "tools.faultlab.touched", "-p"]
    argv += ["no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    argv += [str(path)]
    subprocess.run(argv, cwd=ROOT, env={**os.environ, **names}, capture_output=True, check=False)
    found = json.loads((folder / written_as("test_some.py", text.encode())).read_text())
    return {name.rpartition("::")[2]: row for name, row in found.items()}


def test_only_tests_that_pass_answer_for_the_lines_they_run(tmp_path):
    found = traced(tmp_path, TESTS.replace("600", "0"))
    assert {name: row["passed"] for name, row in found.items()} == {
        "test_sound": True,
        "test_failing_anyway": False,
        "test_hanging": True,
    }
    assert found["test_hanging"]["lines"] == {}
    text = (ROOT / "edge/geometry.py").read_text().splitlines()
    ran = [text[n - 1] for n in found["test_sound"]["lines"]["edge/geometry.py"]]
    assert ran[0].startswith("def distance(") and ran[-1].lstrip().startswith("return")


def test_lines_run_late_or_in_a_thread_are_seen(tmp_path):
    late = """
import threading
from edge.geometry import foot, size_of

def test_late():
    for n in range(50):
        foot((0.0, 0.0, 1.0, 1.0))
    thread = threading.Thread(target=size_of, args=((0.0, 0.0, 1.0, 1.0), 1.0))
    thread.start()
    thread.join()
"""
    lines = traced(tmp_path, late)["test_late"]["lines"]["edge/geometry.py"]
    text = (ROOT / "edge/geometry.py").read_text().splitlines()
    heads = {text[n - 1].partition("(")[0] for n in lines if text[n - 1].startswith("def ")}
    assert heads >= {"def foot", "def size_of"}


def little(folder, limit=3):
    """A tree of one function and its tests; one of them fails whenever it is tried anew."""
    for name in ("edge", "tests"):
        (folder / name).mkdir()
    # A package without this file would yield to the product's own, where that is on PYTHONPATH.
    (folder / "edge/__init__.py").touch()
    (folder / "edge/one.py").write_text(f"def late(s):\n    return s > {limit}\n")
    (folder / "tests/test_one.py").write_text(
        "import pytest, pathlib\nfrom edge.one import late\n"
        f"WHERE = pathlib.Path({str(folder / 'tried')!r})\n"
        "@pytest.mark.parametrize('s', [2, 3])\ndef test_early(s):\n    assert not late(s)\n"
        "def test_flaky():\n    late(1)\n    assert not WHERE.exists()\n"
    )


def test_a_test_that_fails_without_the_change_too_has_not_answered(tmp_path):
    little(tmp_path)
    # What runs the tests of a tree comes with it.
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    every = ("test_early[2]", "test_early[3]", "test_early[gone]", "test_flaky")
    touch = {name: Touch(f"tests/test_one.py::{name}", 0.1, frozenset()) for name in every}
    text = (tmp_path / "edge/one.py").read_text()
    turned, constant = mutants_of("edge/one.py", text)[::-1]
    assert (turned.kind, constant.kind) == ("constant", "comparison")
    with Bench(tmp_path) as bench:
        assert bench.noticed(constant, [touch["test_early[3]"]])
        assert not bench.noticed(turned, [touch["test_early[2]"]])
        assert bench.noticed(constant, [touch["test_early[gone]"]]), "by the tests of that name"
        assert not bench.noticed(turned, [touch["test_early[gone]"]])
        (tmp_path / "tried").touch()
        assert not bench.noticed(turned, [touch["test_flaky"], touch["test_early[2]"]])
        assert bench.noticed(constant, [touch["test_flaky"], touch["test_early[3]"]])
    assert (tmp_path / "edge/one.py").read_text() == text


def test_what_tests_ran_is_kept_until_they_or_the_code_change(tmp_path):
    tree, cache = tmp_path / "tree", tmp_path / "kept"
    tree.mkdir()
    little(tree)
    (tree / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["slow: x"]\n')
    (tree / "tools").symlink_to(ROOT / "tools")

    def ran():
        known = touches(tree, ["tests"], ["edge/one.py"], cache)
        times = [path.stat().st_mtime_ns for path in cache.rglob("*.json")]
        return (
            {touch.test.rpartition("::")[2] for touch in known},
            len(times),
            max(times, default=0),
        )

    first = ran()
    assert first[:2] == ({"test_early[2]", "test_early[3]", "test_flaky"}, 1)
    assert ran() == first
    whole = digest(tree, tests=True), digest(tree, tests=False)
    path = tree / "tests/test_one.py"
    path.write_text(path.read_text() + "def test_more():\n    pass\n")
    assert "test_more" in ran()[0] and ran()[1] == 2
    assert digest(tree, tests=True) != whole[0] and digest(tree, tests=False) == whole[1]
    (tree / "edge/one.py").write_text("def late(s):\n    return s > 4\n")
    assert digest(tree, tests=False) != whole[1]


def test_a_fork_says_what_pytest_says_and_ends_what_hangs(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    place = str(tmp_path / "test_some.py")
    with ForkedRuns(ROOT) as runs:

        def run(name, seconds=120.0):
            return runs.run(["-q", "-p", "no:cacheprovider", f"{place}::{name}"], seconds)

        assert run("test_sound") == (0, None)
        status, failed = run("test_failing_anyway")
        assert status == 1 and failed.endswith("test_some.py::test_failing_anyway")
        assert run("test_hanging", 3.0) == (OVER, None)
        assert run("test_sound") == (0, None), "the next one is not hurt"


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


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("x = zip(a, b, strict=True)", []),
        ("x = -1e9 if a < 1e-6 else b + 1e-4", ["(a >= 1e-06)", "b + 0.001"]),
        ("x = a > 100_000_000", ["(a <= 100000000)", "a > 1000000000"]),
        ("x = f(strict=a > 2)", []),
        ('log.warning("%d", 3)', []),
        ("x = 0.0", ["1"]),
    ],
)
def test_changes_that_cannot_show_are_not_made_by_rule(line, changed):
    found = [one.text for one in mutants_of("edge/one.py", f"def f(a, b):\n    {line}\n")]
    assert len(found) == len(changed)
    for words in changed:
        assert any(words in text for text in found), (words, found)


def test_the_tests_that_answer_for_a_package_are_there():
    assert [t for tests in PACKAGES.values() for t in tests if not (ROOT / t).exists()] == []

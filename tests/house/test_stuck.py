# SPDX-License-Identifier: AGPL-3.0-or-later
"""A test that never ends is a failure with its name, and the run ends with it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WAITS = "import threading\ndef test_waits():\n    threading.Event().wait()\n"
# A sum without an end looks at no signal.
NATIVE = "import itertools\ndef test_native():\n    sum(itertools.repeat(1))\n"
SHORT = "def test_short(): pass\n"


def words() -> list[str]:
    """How tools/test starts pytest."""
    said = re.search(r"pytest (-m .*) \"\$@\"", (ROOT / "tools/test").read_text())
    assert said is not None
    return said[1].replace('"not slow"', "not_slow").split()


def test_a_stuck_test_is_named_and_the_run_ends(tmp_path: Path) -> None:
    for name, text in (("waits", WAITS), ("native", NATIVE), ("a", SHORT), ("b", SHORT)):
        (tmp_path / f"test_{name}.py").write_text(text)
    (tmp_path / "conftest.py").write_text("from tests.stuck import pytest_runtest_protocol\n")
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\ntimeout = 1\npythonpath = {ROOT}\nfilterwarnings = error\n"
        "markers = not_slow: none here\n"
    )
    asked = ["not not_slow" if word == "not_slow" else word for word in words()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *asked],
        cwd=tmp_path, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED test_waits.py::test_waits - Failed: Timeout" in done.stdout
    assert re.search(r"FAILED test_native.py::test_native - worker '\w+' crashed", done.stdout)
    assert "test_native" in done.stderr and "Timeout (0:00:0" in done.stderr, "no stacks"

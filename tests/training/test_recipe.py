# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/recipe: what it sets out from is in the history, and its runs are read."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from tools.training.settings import read_run

ROOT = Path(__file__).parents[2]
RUNS = sorted((ROOT / "tools/training/runs").glob("*.yaml"))
RECIPE = (ROOT / "tools/recipe").read_text()
# Of release 7, as its manifest said.
SHA256 = "acd9c5163fad523e333c35f43826fa959fd4ce84268d779c46be37c5f0d81034"


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_every_run_is_read(path):
    assert read_run(path).name == path.stem


def test_what_it_sets_out_from_is_in_the_history():
    blob = re.search(r"cat-file blob ([0-9a-f]{40})", RECIPE)[1]
    words = ["git", "-C", str(ROOT), "cat-file", "blob", blob]
    done = subprocess.run(words, capture_output=True, timeout=60)
    if done.returncode:
        pytest.skip("a clone without its history: git fetch --unshallow")
    assert hashlib.sha256(done.stdout).hexdigest() == SHA256


def test_it_trains_from_what_it_fetched():
    (named,) = re.findall(r"tools/train tools/training/runs/(\S+)\.yaml", RECIPE)
    (run,) = [read_run(path) for path in RUNS if path.stem == named]
    assert run.start == "$DATA/release-7.onnx" and "release-7.onnx" in RECIPE

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
# Of release 5, as its manifest said.
SHA256 = "250f56c49da0f267eb1d5481ecc41e4e45db0ec914826d9c0f82243a47fc6973"


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


def test_it_trains_every_stage_in_order():
    named = re.findall(r"tools/train tools/training/runs/(\S+)\.yaml", RECIPE)
    assert named == ["streets", "streets-2"]
    (second,) = [read_run(path) for path in RUNS if path.stem == "streets-2"]
    assert set(second.start) == {"$RUNS/streets/start.pt", "$RUNS/streets/last.pt"}

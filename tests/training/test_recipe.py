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
# Of releases 7 and 8, as their manifests said.
SHA256 = {
    "7": "acd9c5163fad523e333c35f43826fa959fd4ce84268d779c46be37c5f0d81034",
    "8": "2fccc35b9556a38a9ecff09fe9dbd766c9989ba5d6bd591d7338b9cbee778774",
}


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_every_run_is_read(path):
    assert read_run(path).name == path.stem


@pytest.mark.parametrize("number", SHA256)
def test_what_it_sets_out_from_is_in_the_history(number):
    blob = re.search(rf"^release {number} ([0-9a-f]{{40}})$", RECIPE, re.MULTILINE)[1]
    words = ["git", "-C", str(ROOT), "cat-file", "blob", blob]
    done = subprocess.run(words, capture_output=True, timeout=60)
    if done.returncode:
        pytest.skip("a clone without its history: git fetch --unshallow")
    assert hashlib.sha256(done.stdout).hexdigest() == SHA256[number]


def test_each_run_sets_out_from_what_is_there_by_then():
    named = re.findall(r"^stage 0 run (\S+)$", RECIPE, re.MULTILINE)
    assert named
    runs = {path.stem: read_run(path) for path in RUNS}
    there = {f"$DATA/release-{number}.onnx" for number in SHA256}
    for name in named:
        run = runs[name]
        starts = (run.start,) if isinstance(run.start, str) else run.start
        assert {*starts, run.teacher} - {None} <= there
        there |= {f"$RUNS/{name}/{kept}.pt" for kept in ("start", "last")}
        for mix in run.data:
            assert f'"{mix.set.replace("$DATA", "$data")}' in RECIPE


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--shrot",), "--short"), (("no/such/folder",), "no such folder")],
    ids=("option", "folder"),
)
def test_what_it_cannot_do_is_said_in_one_line(words, said):
    done = subprocess.run(
        [str(ROOT / "tools/recipe"), *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.shared
def test_what_the_short_form_left_is_no_start_for_the_whole(tmp_path):
    if not (ROOT.parent / "shared/data/pack").is_dir():
        pytest.skip("needs ../shared")
    (tmp_path / ".short").touch()
    done = subprocess.run(
        [str(ROOT / "tools/recipe"), str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "empty folder" in done.stderr

# SPDX-License-Identifier: AGPL-3.0-or-later
"""tools/recipe: what it sets out from is in the history, and its runs are read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
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
    done = subprocess.run(words, capture_output=True, timeout=150)
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
        [str(ROOT / "tools/recipe"), *words], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 2
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.shared
def test_what_the_short_form_left_is_no_start_for_the_whole(tmp_path):
    if not (ROOT.parent / "shared/data/pack").is_dir():
        pytest.skip("needs ../shared")
    (tmp_path / ".short").touch()
    done = subprocess.run(
        [str(ROOT / "tools/recipe"), str(tmp_path)], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 2 and "empty folder" in done.stderr


STAGE = """#!{python} -SE
# Stands for every tool that the recipe calls: what it is given must be there by now.
import json, re, sys
from pathlib import Path
tool, words = Path(sys.argv[0]).name, sys.argv[1:]
if words[:1] == ["-m"]:
    tool, words = words[1].split(".")[-1], words[2:]
with open("{log}", "a") as log:
    log.write(json.dumps([tool, *words]) + "\\n")
paths = [w for w in words if w.startswith("{here}")]
outs = [words[n + 1] for n, w in enumerate(words[:-1]) if w == "--out"]
for path in set(paths) - set(outs):
    assert Path(path).exists(), f"{{tool}}: {{path}} is not there yet"
for out in map(Path, outs):
    (out.parent if out.suffix else out).mkdir(parents=True, exist_ok=True)
if tool == "dataset" and words[0] in ("import", "clips"):
    (out / "index.jsonl").touch()
elif tool == "train":
    made = out / Path(words[0]).stem
    made.mkdir(exist_ok=True)
    for line in Path(words[0]).read_text().splitlines():
        if re.match("start:|teacher:", line):
            for under, name in re.findall(r"[$](DATA|RUNS)/([^],]+)", line):
                held = out if under == "RUNS" else out.parent / "datasets"
                assert (held / name).exists(), line
    for kept in ("start.pt", "last.pt"):
        (made / kept).touch()
    print("about 31 min for 940 batches")
elif tool == "export":
    for ending in (".onnx", ".yaml"):
        (out / f"{{words[words.index('--name') + 1]}}{{ending}}").touch()
elif tool == "refit":
    out.touch()
elif tool == "int8":
    Path(words[0].replace(".onnx", "-int8.onnx")).touch()
"""


@pytest.fixture
def stands_in(tmp_path):
    """A tree in which every stage of the recipe is a stand-in that looks for what it needs."""
    tools, here = tmp_path / "tree/tools", tmp_path / "here"
    for folder in (tools, here, tmp_path / "shared/data/pack", tmp_path / "bin"):
        folder.mkdir(parents=True)
    (tools / "recipe").write_text(RECIPE)
    (tools / "training").symlink_to(ROOT / "tools/training")
    log = tmp_path / "stages.jsonl"
    text = STAGE.format(python=sys.executable, log=log, here=here)
    for name in ("dataset", "train", "scenes", "export", "int8", "evaluate", "python"):
        (tools / name).write_text(text)
    (tmp_path / "bin/git").write_text("#!/bin/sh\necho release\n")
    for script in (*tools.iterdir(), *(tmp_path / "bin").iterdir()):
        if script.is_file() and not script.is_symlink():
            script.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    def run(*words):
        return subprocess.run(
            ["sh", str(tools / "recipe"), *words, str(here)],
            capture_output=True, text=True, timeout=150, env={**os.environ, "PATH": path},
        )  # fmt: skip

    return run, lambda: [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("short", [True, False], ids=("short", "whole"))
def test_each_stage_finds_what_the_one_before_left(stands_in, short):
    run, called = stands_in
    done = run(*(["--short"] if short else []))
    assert done.returncode == 0, done.stderr
    stages = called()
    assert stages[-1][0] == "evaluate", "its figures stand beside those of the shipped file"
    assert "models/city-v1.onnx" in stages[-1]
    small = [stage for stage in stages if "--few" in stage or "--minutes" in stage]
    assert bool(small) is short
    assert ("the whole would take about" in done.stdout) is short


def test_a_recipe_that_was_ended_goes_on_where_it_was(stands_in):
    run, called = stands_in
    assert run("--short").returncode == 0
    first = len(called())
    assert run("--short").returncode == 0
    again = [stage[0:2] for stage in called()[first:]]
    assert ["dataset", "import"] not in again and ["dataset", "teach"] not in again


def test_a_run_that_learnt_nothing_is_told(stands_in, tmp_path):
    run, _ = stands_in
    train = tmp_path / "tree/tools/train"
    train.write_text(train.read_text().replace("about 31 min", "nothing"))
    done = run("--short")
    assert done.returncode == 1
    assert "no batch in half a minute" in done.stderr

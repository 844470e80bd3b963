# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every command of both READMEs is run: here as it stands, or whole by the test that is named."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from edge.config import read_yaml
from edge.daemons.supervisor import trial_home
from tests.daemons.box import write_clip
from tools.demonstration.processes import free_port

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
CLIP = (
    ".venv/bin/edge watch tests/clips/street/street.mp4 --site tests/clips/street/site.yaml"
    " --out out/street --json"
)
VERIFY = ".venv/bin/edge evidence verify out/street --unsealed"
OWN = (
    ".venv/bin/edge watch my.mp4 --site config/site.example.yaml --camera gulou-east"
    " --out out/my --json"
)
# What cannot be run inside a test, and what runs it.
ELSEWHERE = {
    "tools/test": "this very run: .ci/run calls it",
    "tools/demo": "tests/demonstration/test_demo.py",
}
HERE = {CLIP, VERIFY, OWN, ".venv/bin/edge run", ".venv/bin/edge doctor"}


def commands(page):
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return {line for line in lines if line}


@pytest.mark.parametrize("page", READMES, ids=lambda p: p.name)
def test_every_command_is_run_somewhere(page):
    assert commands(page) == HERE | set(ELSEWHERE)


def edge(*words, cwd, **more):
    argv = [sys.executable, "-m", "edge", *words]
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=350, **more)


def said(command, cwd, **more):
    """The command of the page, run by this interpreter in a folder of its own."""
    for name in ("config", "tests"):
        (cwd / name).symlink_to(ROOT / name)
    done = edge(*shlex.split(command)[1:], cwd=cwd, **more)
    assert done.returncode == 0, done.stderr
    return done


def test_a_video_of_ones_own(tmp_path):
    write_clip(tmp_path / "my.mp4", seconds=3.0, stands=(0, 3))
    done = said(OWN, tmp_path)
    assert [json.loads(line) for line in done.stdout.splitlines()] == []
    assert "pictures looked at, 0 suspected violation(s)" in done.stderr
    assert (tmp_path / "out/my").is_dir()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_clip_is_judged_and_verified(tmp_path):
    found = said(CLIP, tmp_path).stdout.splitlines()
    assert {json.loads(line)["status"] for line in found} == {"suspected"}
    done = edge(*shlex.split(VERIFY)[1:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_doctor_says_what_to_do(tmp_path):
    done = edge("doctor", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert done.stdout.count("->") >= len(wrong)
    assert bool(wrong) == (done.returncode == 1)


@pytest.fixture
def trial(tmp_path):
    """`edge run` in an empty folder; only the page's port is another, should ours be taken."""
    _, device = trial_home(tmp_path / "edge-home")
    told = read_yaml(device) | {"console": {"port": free_port()}}
    device.write_text(yaml.safe_dump(told), "utf-8")
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "run"], cwd=tmp_path, stdout=log, stderr=log
    )
    yield process, tmp_path
    process.send_signal(signal.SIGINT)
    try:
        process.wait(120)
    finally:
        process.kill()
        log.close()


def wait_for(ready, process, log, within_s=300.0):
    until = time.monotonic() + within_s
    while not ready():
        given_up = process.poll() is not None or time.monotonic() > until
        assert not given_up, log.read_text("utf-8", errors="replace")
        time.sleep(0.2)


@pytest.mark.timeout(400)
def test_run_starts_every_daemon_tells_the_address_and_restarts_the_dead(trial):
    process, folder = trial
    status, log = folder / "edge-home/run/status", folder / "log"
    daemons = {"visiond", "sensord", "uplinkd"}
    wait_for(lambda: {p.stem for p in status.glob("*.json")} >= daemons, process, log)
    wait_for(lambda: "https://" in log.read_text("utf-8", errors="replace"), process, log)
    children = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True
    ).stdout
    (victim,) = [int(row.split()[0]) for row in children.splitlines() if " sensord " in row]
    (status / "sensord.json").unlink()
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: (status / "sensord.json").exists(), process, log)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0

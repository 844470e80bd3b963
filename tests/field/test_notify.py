# SPDX-License-Identifier: AGPL-3.0-or-later
"""What systemd hears: ready once, pings while work moves, stopping; silence from a stuck loop."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from tests.field import daemon as runner
from tests.field.listener import Listener
from tests.field.units import ROOT

# Four of the pings that a working daemon sends, one a second.
SILENCE_S = 4.0
FREEZES_S = 120.0


@pytest.fixture
def start(tmp_path):
    """Starts one daemon; returns (child, listener, home, log). All end with the test."""
    made = []

    def start(name, prepare=lambda home: None):
        home, listener = runner.make(tmp_path / name), Listener()
        prepare(home)
        log = home / "log"
        argv = [sys.executable, "-m", "tests.field.daemon", name, str(home)]
        with log.open("wb") as out:
            child = subprocess.Popen(argv, stdout=out, stderr=out, cwd=ROOT, env=listener.env())
        made.append((child, listener))
        return child, listener, home, log

    yield start
    for child, listener in made:
        child.kill()
        child.wait()
        listener.close()


@pytest.mark.parametrize("name", ["visiond", "uplinkd"])
def test_ready_then_pings_then_stopping(start, name):
    child, listener, _, log = start(name)
    listener.wait_for("WATCHDOG=1", child, log, times=3)
    assert listener.count("READY=1") == 1 and listener.pid == child.pid
    child.send_signal(signal.SIGTERM)
    assert child.wait(120) == 0, log.read_text()
    assert listener.count("STOPPING=1") == 1
    assert listener.heard[-1][1] == "STOPPING=1"


@pytest.mark.parametrize("name", ["visiond", "uplinkd"])
def test_a_frozen_loop_is_silent(start, name):
    """visiond's main thread goes on: only the thinking hangs, and the pings end all the same."""
    child, listener, home, log = start(name)
    listener.wait_for("WATCHDOG=1", child, log, times=2)
    (home / "freeze").touch()
    # What stands still is detected anew every few seconds only.
    until = time.monotonic() + FREEZES_S
    while not (home / "frozen").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert (home / "frozen").exists(), log.read_text()
    time.sleep(2 * runner.STUCK_S)
    before = listener.count("WATCHDOG=1")
    time.sleep(SILENCE_S)
    assert listener.count("WATCHDOG=1") == before
    assert child.poll() is None and os.kill(child.pid, 0) is None


def hot(home):
    zone = home / "board/sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("86000\n")


def test_a_hot_board_is_told_in_the_status_and_to_the_platform(start):
    child, listener, home, log = start("visiond", hot)
    listener.wait_for("READY=1", child, log)
    until, told = time.monotonic() + 60.0, {}
    while told.get("step") != 2:
        assert child.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.2)
        path = home / "run/status/visiond.json"
        told = json.loads(path.read_text())["board"] if path.exists() else {}
    assert (told["temperature_c"], told["rate"], told["only"]) == (86.0, 0.5, "north")
    with closing(sqlite3.connect(home / "state/outbox.db")) as db:
        rows = [json.loads(body) for (body,) in db.execute("SELECT body FROM record")]
    assert {"overheated", "overheated_one_stream"} <= {row.get("kind") for row in rows}

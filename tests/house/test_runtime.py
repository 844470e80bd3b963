# SPDX-License-Identifier: AGPL-3.0-or-later
"""What every daemon leans on: atomic files, back-off, watchdog by progress, broken callers."""

import json
import logging
import resource
import signal
import socket
import subprocess
import sys

import pytest

from edge.config import ConfigError
from edge.runtime import (
    Backoff,
    Notify,
    Progress,
    Trouble,
    run,
    set_up_logging,
    write_atomic,
    write_status,
)


def test_back_off_is_jittered_and_capped():
    backoff = Backoff(first_s=1.0, cap_s=8.0)
    waits = [backoff.next_s() for _ in range(200)]
    assert max(waits) <= 8.0
    assert waits[0] <= 1.0
    assert len({round(w, 6) for w in waits}) > 150
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_trouble_warns_once_until_healed(caplog):
    trouble = Trouble(logging.getLogger("test"))
    with caplog.at_level(logging.DEBUG, "test"):
        assert trouble.failed("camera", "refused")
        assert not trouble.failed("camera", "refused")
        assert trouble.healed("camera")
        assert not trouble.healed("camera")
    assert [r.levelname for r in caplog.records] == ["WARNING", "DEBUG", "INFO"]


def test_write_atomic_replaces_whole_and_leaves_no_litter(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, b"one")
    write_atomic(path, b"two", durable=False)
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_what_could_not_be_written_leaves_no_litter(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, b"one")
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, kept[1]))
    try:
        with pytest.raises(OSError):
            write_atomic(path, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, before)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "folder", b"two", durable=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "folder"]
    assert path.read_bytes() == b"one"


def test_status_is_one_json_per_daemon(tmp_path):
    write_status(tmp_path, "visiond", {"cameras": {"北": 1}})
    assert json.loads((tmp_path / "status/visiond.json").read_text())["cameras"] == {"北": 1}


def test_the_watchdog_is_fed_only_while_every_loop_moves(tmp_path):
    now = [0.0]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60.0)
        notify = Notify({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"})
        progress = Progress(notify, monotonic=lambda: now[0])
        progress.register("camera north", 5.0)
        assert progress.feed()
        assert systemd.recv(100) == b"WATCHDOG=1"
        # However often it is asked: one ping a second.
        for now[0] in (0.5, 0.9, 1.1, 1.5, 2.0):
            assert progress.feed()
        assert systemd.recv(100) == b"WATCHDOG=1"
        systemd.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
        systemd.settimeout(60.0)
        now[0] = 6.0
        assert not progress.feed()
        assert progress.stuck() == ["camera north"]
        progress.mark("camera north")
        assert progress.feed()


def _bug(*_):
    raise ZeroDivisionError


def _wrong_file(*_):
    raise ConfigError("site.yaml: name = 3: must be text, not a whole number")


@pytest.mark.parametrize(("main", "code"), [(_bug, 1), (_wrong_file, 2), (lambda *_: 0, 0)])
def test_run_turns_bugs_and_wrong_files_into_exit_codes(main, code):
    assert run(main) == code


def test_a_bug_in_a_thread_ends_the_process(tmp_path):
    program = (
        "import threading, time\n"
        "from edge.runtime import run\n"
        "def main(stop, notify):\n"
        "    threading.Thread(target=lambda: 1 / 0, name='reader').start()\n"
        "    time.sleep(300)\n"
        "raise SystemExit(run(main))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 1
    assert "thread reader stopped by a bug" in done.stderr


def test_a_bug_in_asking_about_a_threads_bug_ends_the_process_too():
    """Else the daemon would go on without the thread, and systemd would see nothing."""
    program = (
        "import threading, time\n"
        "from edge.runtime import on_thread_bug, run\n"
        "def main(stop, notify):\n"
        "    on_thread_bug(lambda name, error: [].pop())\n"
        "    threading.Thread(target=lambda: 1 / 0, name='reader').start()\n"
        "    time.sleep(300)\n"
        "raise SystemExit(run(main))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 1
    assert "thread reader stopped by a bug" in done.stderr


def test_the_journal_gets_the_level_of_every_line(monkeypatch, capsys):
    """Without it everything has the level info, and `journalctl -p err` finds no error of ours."""
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        set_up_logging("INFO")
        logging.getLogger("edge.test").warning("a remark")
        try:
            raise ValueError("a bug")
        except ValueError:
            logging.getLogger("edge.test").exception("an error")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "<4>WARNING edge.test a remark"
    assert len(lines) > 3 and all(line.startswith("<3>") for line in lines[1:])


SIGNALLED = """
import os, random, signal, threading, time
from edge.runtime import Stop

def ask():
    time.sleep(random.random() * 0.002)
    os.kill(os.getpid(), signal.SIGTERM)

for _ in range(100):
    stop = Stop()
    stop.on_signals()
    threading.Thread(target=ask).start()
    while not stop.wait(0.0):
        pass
"""


def test_a_signal_stops_whatever_it_interrupts():
    """Also the wait itself: a handler that asked for the lock of the event hung two of five."""
    subprocess.run([sys.executable, "-c", SIGNALLED], check=True, timeout=60)

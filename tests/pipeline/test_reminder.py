# SPDX-License-Identifier: AGPL-3.0-or-later
"""Reminder hooks: what is allowed, and a real web server that gets one."""

import http.server
import json
import socket
import threading
import time
from pathlib import Path

import pytest

from edge.config import ConfigError
from edge.pipeline import reminder
from edge.pipeline.reminder import Reminders, split_hook
from edge.values import Prompt, Stamp
from tests.daemons.guards import guard_in

SYSTEMD = Path(__file__).parents[2] / "systemd"


@pytest.mark.parametrize(
    ("hook", "kind"),
    [
        ("http://10.0.0.5/speak", "http"),
        ("audio:/usr/share/edge/leave.wav", "audio"),
        ("gpio:gpiochip4/17", "gpio"),
        ("camera:/var/lib/edge/leave.wav", "camera"),
        ("camera:speak", "camera"),
    ],
)
def test_known_hooks(hook, kind):
    assert split_hook(hook, "north")[0] == kind


@pytest.mark.parametrize(
    "hook",
    [
        "rm -rf /",
        "audio:leave.wav",
        "audio:/etc/passwd",
        "camera:/etc/passwd",
        "camera:leave.wav",
        "camera:",
        "gpio:gpiochip4/x",
        "http://",
        "file:///x",
    ],
)
def test_other_hooks_are_refused(hook):
    with pytest.raises(ConfigError, match="remind"):
        split_hook(hook, "north")


def prompt(hook):
    return Prompt("k", "north", "street-vendor", Stamp(1, 2), hook, "请离开", "please leave")


def wait(reminders):
    until = time.monotonic() + 90
    while not (reminders.done or reminders.failed) and time.monotonic() < until:
        time.sleep(0.01)
    return reminders.done, reminders.failed


def test_a_web_hook_is_told():
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        reminders = Reminders()
        reminders.perform(prompt(f"http://127.0.0.1:{server.server_port}/speak"))
        assert wait(reminders) == (1, 0)
        thread.join()
    assert got[0]["zh"] == "请离开"


def test_a_dead_hook_is_counted_and_told_to_the_judge():
    heard = []
    reminders = Reminders({}, heard.append)
    asked = prompt("http://127.0.0.1:9/")
    reminders.perform(asked)
    assert wait(reminders) == (0, 1)
    assert heard == [asked]


def test_a_hook_that_answers_no_http_is_one_failed_reminder(tmp_path, monkeypatch):
    """A small loudspeaker says OK and hangs up."""
    ended, heard = [], []
    monkeypatch.setattr(threading, "excepthook", ended.append)

    def speak(server):
        link, _ = server.accept()
        with link:
            link.recv(65536)
            link.sendall(b"OK\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=speak, args=(server,))
        thread.start()
        reminders = Reminders({}, heard.append, guard_in(tmp_path).working_for)
        asked = prompt(f"http://127.0.0.1:{server.getsockname()[1]}/say")
        reminders.perform(asked)
        for one in threading.enumerate():
            if one.name == "reminder":
                one.join()
        thread.join()
    assert (ended, heard, reminders.failed) == ([], [asked], 1)


def test_a_bug_in_a_hook_ends_the_process_once_and_then_counts_as_failed(tmp_path, monkeypatch):
    ended, heard = [], []
    monkeypatch.setattr(threading, "excepthook", lambda args: ended.append(args.exc_value))
    monkeypatch.setitem(reminder.HOOKS, "http", lambda target, prompt: 1 / 0)
    for times in (1, 2):
        reminders = Reminders({}, heard.append, guard_in(tmp_path).working_for)
        reminders.perform(prompt("http://127.0.0.1:9/"))
        if times == 1:
            until = time.monotonic() + 90
            while not ended and time.monotonic() < until:
                time.sleep(0.01)
    assert wait(reminders) == (0, 1)
    assert [type(error) for error in ended] == [ZeroDivisionError] and len(heard) == 1


def test_a_relay_that_is_not_there_is_one_failed_reminder(caplog):
    """libgpiod's own bindings are asked: no chip of that name, told in words, nothing else ends."""
    reminders = Reminders()
    reminders.perform(prompt("gpio:gpiochip77/3"))
    assert wait(reminders) == (0, 1)
    assert "gpiochip77" in caplog.text


def test_the_shipped_drop_in_opens_what_a_reminder_needs():
    unit = (SYSTEMD / "edge-visiond.service").read_text("utf-8")
    opened = (SYSTEMD / "edge-visiond-reminder.conf").read_text("utf-8")
    assert "DevicePolicy=closed" in unit
    for device in ("char-alsa", "char-gpiochip"):
        assert device not in unit
        assert f"DeviceAllow={device} rw" in opened

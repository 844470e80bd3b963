# SPDX-License-Identifier: AGPL-3.0-or-later
"""The whole way on a box: a request, a child that installs, a new start, a trial.

The daemon is the real one, on a recording in a loop, with small models; the test is its systemd.
"""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from edge.cli import main
from edge.daemons.model_updates import Pacemeter, baseline
from edge.ipc import Spool
from edge.release.store import InferencePace, ReleaseStore
from edge.vision.manifest import file_sha256
from tests.daemons.box import write_clip
from tests.release.press import NAME, OTHER, home, pack

LIMIT_S = 150.0


class Systemd:
    """Starts visiond again whenever it ends, as Restart=always does."""

    def __init__(self, place):
        self.place, self.starts = place, 0
        self.child = self._start()

    def _start(self):
        self.starts += 1
        argv = [sys.executable, "-m", "edge.cli", "visiond"]
        argv += [
            "--site",
            str(self.place / "site.yaml"),
            "--device",
            str(self.place / "device.yaml"),
        ]
        with (self.place / "log").open("ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log)

    def until(self, holds):
        """Wait for a state of the status file; its content."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            if self.child.poll() is not None:
                self.child = self._start()
            try:
                told = json.loads((self.place / "run/status/visiond.json").read_bytes())
                if told["pid"] == self.child.pid and holds(told):
                    return told
            except (FileNotFoundError, KeyError):
                pass
            time.sleep(0.1)
        raise AssertionError((self.place / "log").read_text()[-4000:])

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(90)


@pytest.fixture
def running(tmp_path):
    place = home(tmp_path / "box")
    write_clip(place / "street.mp4", seconds=20.0, stands=(4, 15))
    systemd = Systemd(place)
    yield place, systemd
    systemd.stop()


def deliver(place, package, *, release):
    incoming = place / "state/models/incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    shutil.copy(package, incoming)
    sha256 = file_sha256(package)
    Spool(place / "run", "visiond").ask(
        "update_model", into=str(place), name=NAME, release=release, sha256=sha256
    )


def faults(told):
    return {fault["kind"]: fault["text"] for fault in told["faults"]}


def release(place):
    return ReleaseStore(place / "state/models", NAME).read()


@pytest.mark.timeout(600)
def test_asked_by_the_platform_installed_watched_and_settled_then_one_is_refused(running):
    place, systemd = running
    old = systemd.until(lambda t: t["models"])["models"][NAME]["sha256"]
    deliver(place, pack(place / "press", 2, height=192), release=2)
    told = systemd.until(lambda t: t["models"][NAME]["sha256"] != old)
    assert "model_on_trial" in faults(told) or told["updates"]["on_trial"] == []
    told = systemd.until(lambda t: t["updates"]["on_trial"] == [])
    assert faults(told) == {} and systemd.starts == 2
    assert (release(place).current, release(place).last) == (2, "applied")
    deliver(place, pack(place / "other", 3, key=OTHER), release=3)
    told = systemd.until(lambda t: "model_refused" in faults(t))
    assert "not made by the pinned release key" in faults(told)["model_refused"]
    assert release(place).current == 2 and systemd.starts == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_release_that_does_not_stay_up_is_taken_back_and_told(running):
    place, systemd = running
    old = systemd.until(lambda t: t["models"])["models"][NAME]["sha256"]
    text = (place / "device.yaml").read_text().replace("watch_s: 3", "watch_s: 600")
    (place / "device.yaml").write_text(text)
    deliver(place, pack(place / "press", 2, height=192), release=2)
    for _ in range(2):
        systemd.until(lambda t: t["updates"]["on_trial"] == [NAME])
        systemd.child.kill()
        systemd.child.wait()
    told = systemd.until(lambda t: t["models"][NAME]["sha256"] == old)
    assert "release 2: visiond did not stay up" in faults(told)["model_rolled_back"]
    assert release(place).current == 0


def test_the_command_line_on_a_box_that_stands_still(tmp_path, capsys):
    place = home(tmp_path)
    (place / "site.yaml").write_text("name: t\nmodel: lamp\ncameras: []\n", "utf-8")
    package, words = pack(place / "press", 2), []
    for option in ("site", "device"):
        words += [f"--{option}", str(place / f"{option}.yaml")]
    assert main(["model", "install", str(package), *words]) == 0
    assert main(["model", "status", *words]) == 0
    assert "lamp: release 2, on trial" in capsys.readouterr().out
    assert main(["model", "rollback", NAME, *words]) == 0
    assert main(["model", "rollback", NAME, *words]) == 2
    assert "came with the program is in force" in capsys.readouterr().err
    (place / "release.pub.pem").unlink()
    assert main(["model", "install", str(package), *words]) == 2
    assert "updates.release_key" in capsys.readouterr().err


class Post:
    recording = False

    def __init__(self):
        self.count = (0, 0)

    def counted(self):
        return self.count

    def age_p95_ms(self):
        return 70.0


def test_the_pace_is_of_the_last_minute():
    meter, post = Pacemeter(), Post()
    assert meter.paces({"a": post}) == {}
    for second in range(200):
        post.count = (25 * second, 5 * second if second < 100 else 500)
        meter.step({"a": post}, float(second))
        if second == 99:
            assert meter.paces({"a": post}) == {
                "a": InferencePace(read_s=25.0, looks_s=5.0, age_ms=70.0)
            }
    assert meter.paces({"a": post})["a"].looks_s == 0.0


@pytest.mark.parametrize("told", [{}, {"updates": None}, {"updates": {"pace": {"a": {"x": 1}}}}])
def test_a_status_without_a_pace(told):
    assert baseline(told) == {}

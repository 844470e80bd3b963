# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page asks a daemon and gets its answer: bounded, one at a time, gone when it was read."""

import json
import os
import threading
import time

import pytest

from edge.console.services import NoPicture, Silent
from edge.daemons import console_services
from edge.diagnosis.camera_probes import camera_probes
from edge.ipc import STALE_S, Answer, NoAnswer, Responder, Spool, ask
from tests.daemons.guards import guard_in
from tools.fakes.camera import FakeCamera, available, clip

CLIP = "tests/clips/street/street.mp4"


class Daemon(threading.Thread):
    """A daemon's main loop: takes what the spool has, four times a second or so."""

    def __init__(self, run, name, works):
        super().__init__(daemon=True)
        self.spool, self.probes = Spool(run, name), Responder(run, works)
        self.ended, self.left = threading.Event(), []

    def run(self):
        while not self.ended.wait(0.02):
            self.left += [r for r in self.spool.take() if not self.probes.take(r)]


@pytest.fixture
def daemon(tmp_path):
    made = []

    def start(name, works):
        made.append(Daemon(tmp_path, name, works))
        made[-1].start()
        return made[-1]

    yield start
    for one in made:
        one.ended.set()
        one.join()


def test_question_and_answer_leave_nothing_behind(daemon, tmp_path):
    daemon("visiond", {"twice": lambda r: Answer({"n": 2 * r["n"]}, b"jpeg")})
    assert ask(tmp_path, "visiond", "twice", limit_s=120, n=4) == Answer({"n": 8}, b"jpeg")
    assert list((tmp_path / "answers").iterdir()) == []


def test_a_second_question_while_one_is_worked_on_is_told_so(daemon, tmp_path):
    hold, begun = threading.Event(), threading.Event()

    def slow(_):
        begun.set()
        hold.wait(120)
        return Answer({"done": True})

    daemon("visiond", {"slow": slow})
    first = threading.Thread(target=lambda: ask(tmp_path, "visiond", "slow", limit_s=150))
    first.start()
    assert begun.wait(120)
    assert ask(tmp_path, "visiond", "slow", limit_s=120).facts == {"error": "busy"}
    hold.set()
    first.join()


def test_a_button_that_ends_the_daemon_does_so_once(tmp_path, monkeypatch):
    """The first time the thread's bug ends the process; the next run answers that it is broken."""
    ended = []
    monkeypatch.setattr(threading, "excepthook", lambda args: ended.append(args.exc_value))
    request = {"kind": "x", "id": "0" * 24}
    for _ in range(2):
        probes = Responder(tmp_path, {"x": lambda _: 1 / 0}, guard_in(tmp_path).working_for)
        assert probes.take(request)
        probes._thread.join(90)
    assert [type(error) for error in ended] == [ZeroDivisionError]
    assert json.loads((tmp_path / "answers" / f"{request['id']}.json").read_bytes()) == {
        "error": "bug"
    }


def test_nobody_there(tmp_path, monkeypatch):
    with pytest.raises(NoAnswer):
        ask(tmp_path, "visiond", "twice", limit_s=0.3)
    monkeypatch.setattr(console_services, "PROBE_S", {"broker": 0.2})
    with pytest.raises(Silent):
        console_services._asked(tmp_path, "uplinkd", "broker", "advice")


@pytest.mark.parametrize("name", ["../../etc/x", "", "0" * 23, "G" * 24, None])
def test_an_answer_goes_nowhere_else(tmp_path, name):
    probes = Responder(tmp_path, {"x": lambda _: Answer({})})
    assert not probes.take({"kind": "x", "id": name})
    assert not probes.take({"kind": "other", "id": "0" * 24})


def test_answers_that_nobody_fetched_go(daemon, tmp_path):
    old = tmp_path / "answers" / ("0" * 24 + ".json")
    old.parent.mkdir()
    old.write_text("{}")
    os.utime(old, (time.time() - STALE_S - 5,) * 2)
    daemon("visiond", {"x": lambda _: Answer({})})
    ask(tmp_path, "visiond", "x", limit_s=120)
    assert not old.exists()


# What a person may write -> the cause that the page has words for; None: a picture.
SOURCES = [
    (CLIP, None),
    ("rtsp://127.0.0.1:1/x", "refused"),
    ("usb:63", "unreachable"),
    ("none.mp4", "config"),
    ("exec:rm", "config"),
    ("", "config"),
    ("rtsp://user:secret@127.0.0.1:1/x", "refused"),
]


@pytest.mark.parametrize(("source", "cause"), SOURCES)
def test_a_test_picture_or_its_cause(daemon, tmp_path, request, source, cause):
    daemon("visiond", camera_probes(request.config.rootpath))
    if cause is None:
        assert console_services._snap(source, tmp_path).startswith(b"\xff\xd8")
        return
    with pytest.raises(NoPicture) as caught:
        console_services._snap(source, tmp_path)
    assert caught.value.cause == cause
    assert "secret" not in caught.value.line


@pytest.mark.decoder
def test_a_test_picture_of_a_real_rtsp_camera(daemon, tmp_path):
    missing = available()
    if missing is not None:
        pytest.skip(f"no RTSP server: {missing}")
    daemon("visiond", camera_probes(tmp_path))
    with FakeCamera() as camera:
        url = camera.stream("/page", clip("h264", 320, 180))
        assert console_services._snap(url, tmp_path).startswith(b"\xff\xd8")
        with pytest.raises(NoPicture) as caught:
            console_services._snap(url + "-none", tmp_path)
    assert caught.value.cause == "not_found"


def test_an_answer_that_is_fetched_while_the_old_ones_are_looked_through(tmp_path, monkeypatch):
    """Between the listing of the answers and the look at each its asker has taken it away."""
    answers = tmp_path / "answers"
    probes = Responder(tmp_path, {"x": lambda _: Answer({"n": 1})})

    def serve(name):
        assert probes.take({"kind": "x", "id": name})
        probes._thread.join(90)

    serve("a" * 24)
    now = time.time

    def fetched_meanwhile():
        for path in answers.glob("a*"):
            path.unlink()
        return now()

    ended = []
    monkeypatch.setattr(threading, "excepthook", ended.append)
    monkeypatch.setattr(time, "time", fetched_meanwhile)
    serve("b" * 24)
    monkeypatch.undo()
    assert ended == []
    assert [path.name for path in answers.iterdir()] == ["b" * 24 + ".json"]

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Cameras with manners: log-ins, OPTIONS, boundaries. What is said must lead to the cause."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edge.camera import rtsp_question
from edge.camera.live import LiveSource
from edge.camera.source import SourceError
from edge.camera.url import parse_source
from edge.clock import SystemClock
from tools.fakes.camera import Clip, clip, mark_of
from tools.fakes.mjpeg_camera import MANNERS, MjpegCamera
from tools.fakes.rtsp_camera import Manners, RtspCamera

CLOCK = SystemClock()
WORD = "p@ss:w/rd?1"


@pytest.fixture(scope="module")
def content() -> Clip:
    return clip("h264", 240, 136)


def opened(url: str) -> LiveSource:
    return LiveSource(parse_source(url), CLOCK)


def with_login(camera: RtspCamera, word: str = "12345") -> str:
    return camera.url.replace("rtsp://", f"rtsp://admin:{word}@")


@pytest.mark.parametrize("auth", ["basic", "md5", "both"])
@pytest.mark.parametrize("word", ["12345", WORD, "12345/6", "a#b"])
def test_logins_that_can_be_made(content: Clip, auth: str, word: str) -> None:
    with RtspCamera(content, Manners(auth=auth, password=word)) as camera:
        source = opened(with_login(camera, word))
        next(source.pictures())
        source.close()


def test_a_digest_that_cannot_be_made_is_named(content: Clip) -> None:
    told = pytest.raises(SourceError, match="SHA-256 digest")
    with RtspCamera(content, Manners(auth="sha256")) as camera, told as caught:
        opened(with_login(camera))
    assert caught.value.cause == "login"


def test_a_wrong_password_is_called_so(content: Clip) -> None:
    told = pytest.raises(SourceError, match="wrong user or password")
    with RtspCamera(content, Manners(auth="md5")) as camera, told:
        opened(with_login(camera, "54321"))


def test_a_camera_that_does_not_know_options_is_no_wrong_path(content: Clip) -> None:
    with RtspCamera(content, Manners(options="404")) as camera:
        try:
            source = opened(camera.url)
        except SourceError as error:
            assert "OPTIONS" in str(error)
        else:
            next(source.pictures())
            source.close()


@pytest.fixture(params=MANNERS)
def mjpeg(request: pytest.FixtureRequest) -> Iterator[MjpegCamera]:
    with MjpegCamera(fps=15, manner=request.param) as camera:
        yield camera


def test_motion_jpeg_with_the_manners_of_cameras(mjpeg: MjpegCamera) -> None:
    source = opened(mjpeg.url)
    pictures = source.pictures()
    numbers = [mark_of(next(pictures).bgr()) for _ in range(8)]
    source.close()
    assert numbers == list(range(numbers[0], numbers[0] + 8))


class Ahead:
    """The clock, and how far it is put on."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


def test_an_answer_that_comes_letter_by_letter_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, found = Ahead(), list[bool]()
    monkeypatch.setattr(rtsp_question, "ANSWER_S", 60.0)
    monkeypatch.setattr(rtsp_question, "time", clock)

    def dribble() -> None:
        with server, server.accept()[0] as wire, contextlib.suppress(OSError):
            wire.recv(4096)
            wire.sendall(b"RTSP/1.0 200 OK\r\nServer: ")
            # An hour passes then, and the next letter comes.
            clock.ahead_s = 3600.0
            while True:
                wire.sendall(b"a")
                time.sleep(0.02)

    server = socket.create_server(("127.0.0.1", 0))
    url = f"rtsp://127.0.0.1:{server.getsockname()[1]}/s"
    asked = threading.Thread(
        target=lambda: found.append(rtsp_question.only_options_missing(parse_source(url))),
        daemon=True,
    )
    threading.Thread(target=dribble, daemon=True).start()
    asked.start()
    asked.join(60.0)
    assert found == [False]

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Pipelines of other programs: command lines that cannot be bent, children that are reaped."""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edge import config
from edge.camera import child
from edge.camera.child import ChildSource
from edge.camera.opening import addresses, connector
from edge.camera.pipelines import PIPELINES, Pipeline, Pixels, Spec, lookup, parse_spec
from edge.camera.source import SourceError
from edge.camera.url import Address
from edge.clock import SystemClock
from edge.config import ConfigError

URL = "rtsp://u:p%20w@10.0.0.7/live?a=1&b=2"


@pytest.mark.parametrize("name", PIPELINES)
def test_each_row_builds_a_command_line_of_plain_words(name: str) -> None:
    row = PIPELINES[name]
    arg = URL if row.takes == "url" else "0"
    spec = parse_spec(f"{arg} 1280x720 5fps", row)
    argv = row.argv(spec)
    assert all(isinstance(word, str) and word for word in argv)
    if row.takes == "url":
        whole = [word for word in argv if "10.0.0.7" in word]
        assert len(whole) == 1
        assert whole[0].removeprefix("location=").startswith("rtsp://u:p%20w@10.0.0.7:554/live")
    assert row.zh
    assert row.en
    assert not {"sh", "-c", "|", ">"} & set(argv)


@pytest.mark.parametrize(
    ("name", "arg", "word"),
    [
        ("ffmpeg", None, "missing"),
        ("ffmpeg", "", "missing"),
        ("ffmpeg", "0", "No such file"),
        ("ffmpeg", "-i", "No such file"),
        ("ffmpeg", "http://a/b", "rtsp://"),
        ("ffmpeg", f"{URL} -f", "neither"),
        ("ffmpeg", f"{URL} 1281x720", "even"),
        ("ffmpeg", f"{URL} 9998x720", "even"),
        ("ffmpeg", f"{URL} 0fps", "1 to 60"),
        ("rpicam", "x", "number"),
        ("rpicam", "--output", "number"),
    ],
)
def test_arguments_that_do_not_fit_are_one_line(name: str, arg: str | None, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        parse_spec(arg, PIPELINES[name])


def test_an_unknown_pipeline_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no such pipeline; use ffmpeg"):
        lookup("nvidia")


def pictures_of(
    code: str, pixels: Pixels = "bgr24", *, width: int = 16, height: int = 8
) -> ChildSource:
    """A pipeline that is a few lines of Python."""

    def argv(_: Spec) -> list[str]:
        return [sys.executable, "-c", textwrap.dedent(code)]

    row = Pipeline(argv, pixels, "index", "试验", "test")
    spec = Spec(Address("pipeline", "0", "0"), 0, width, height, 5)
    return ChildSource("test", row, spec, SystemClock())


def test_pictures_come_whole_and_in_order() -> None:
    source = pictures_of(
        """
        import sys, time
        for n in range(4):
            data = bytes([n * 10]) * (16 * 8 * 3)
            sys.stdout.buffer.write(data[:100]); sys.stdout.buffer.flush(); time.sleep(0.02)
            sys.stdout.buffer.write(data[100:]); sys.stdout.buffer.flush()
        time.sleep(60)
        """
    )
    got = []
    for picture in source.pictures():
        got.append(picture.bgr())
        if len(got) == 4:
            break
    assert [int(image[0, 0, 0]) for image in got] == [0, 10, 20, 30]
    assert got[0].shape == (8, 16, 3)
    began, pid = time.monotonic(), source._child.pid
    source.close()
    assert time.monotonic() - began < 50.0, "it would sleep for 60 s"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("pixels", ["nv12", "i420"])
def test_planar_pictures_get_their_colours(pixels: Pixels) -> None:
    # Y=128 U=90 V=240 is a strong red.
    chroma = "bytes([90, 240]) * 32" if pixels == "nv12" else "bytes([90]) * 32 + bytes([240]) * 32"
    source = pictures_of(
        f"""
        import sys, time
        sys.stdout.buffer.write(bytes([128]) * 128 + {chroma}); sys.stdout.buffer.flush()
        time.sleep(60)
        """,
        pixels,
    )
    image = next(source.pictures()).bgr()
    source.close()
    blue, green, red = np.mean(image, axis=(0, 1))
    assert red > 230
    assert green < 80
    assert blue < 80


def test_the_last_words_of_a_dead_child_are_told_without_credentials(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = pictures_of(
        """
        import sys
        print("rtsp://u:geheim@h/x: 401 Unauthorized", file=sys.stderr)
        sys.exit(3)
        """
    )
    with pytest.raises(SourceError, match=r"test ended \(3\): rtsp://\*\*\*@h/x: 401") as caught:
        next(source.pictures())
    source.close()
    assert caught.value.cause == "ended"
    assert "401 Unauthorized" in caplog.text
    assert "geheim" not in caplog.text


def test_a_silent_child_is_a_stall_and_a_stubborn_one_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child, "FIRST_S", 1.0)
    monkeypatch.setattr(child, "END_S", 0.5)
    source = pictures_of(
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
        """
    )
    with pytest.raises(SourceError, match="no picture for 1 s"):
        next(source.pictures())
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 50.0, "it would sleep for 60 s"
    assert source._child.returncode is not None


def test_a_program_that_is_not_there_is_one_line() -> None:
    row = Pipeline(lambda _: ["no-such-program"], "bgr24", "index", "", "")
    spec = Spec(Address("pipeline", "0", "0"), 0, 16, 8, 5)
    with pytest.raises(SourceError, match="no-such-program: No such file"):
        ChildSource("test", row, spec, SystemClock())


def test_a_camera_of_the_site_file_opens_as_pipeline() -> None:
    camera = config.Camera(id="a", source="pipeline:ffmpeg", pipeline_arg=URL)
    found = addresses(camera)
    assert found.spec is not None
    assert "p%20w" not in repr(found)
    assert callable(connector(found, SystemClock(), None))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"source": "pipeline:nope"}, ["cameras[a].source", "no such pipeline"]),
        ({"source": "pipeline:ffmpeg"}, ["cameras[a].pipeline_arg", "missing"]),
        ({"source": "rtsp://h/x", "record": "usb:0"}, ["cameras[a].record", "network"]),
        ({"source": "ftp://h/x"}, ["cameras[a].source", "not allowed"]),
    ],
)
def test_errors_name_the_camera_and_the_key(fields: dict[str, str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        addresses(config.Camera(id="a", **fields))
    assert all(word in str(caught.value) for word in words)


def test_what_the_child_has_started_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "END_S", 5.0)
    source = pictures_of(
        """
        import os, signal, sys, time
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print(os.getpid(), file=sys.stderr, flush=True)
            time.sleep(120)
        time.sleep(120)
        """
    )
    until = time.monotonic() + 60.0
    while not source._said and time.monotonic() < until:
        time.sleep(0.01)
    source.close()
    assert not source._listener.is_alive()
    stat = Path(f"/proc/{source._said[0]}/stat")
    while runs(stat):
        assert time.monotonic() < until
        time.sleep(0.01)


def runs(stat: Path) -> bool:
    """Whether a process does: one that has ended may wait for whoever adopts it."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_outlives_its_child_with_its_pipe_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(child, "END_S", 0.5)
    go, ended = tmp_path / "go", tmp_path / "ended"
    source = pictures_of(
        f"""
        import os, pathlib, sys, time
        if os.fork() == 0:
            os.setsid()
            print("away", file=sys.stderr, flush=True)
            while not pathlib.Path({str(go)!r}).exists():
                time.sleep(0.01)
            try:
                print("still here", file=sys.stderr, flush=True)
            except OSError:
                pass
            pathlib.Path({str(ended)!r}).touch()
            os._exit(0)
        time.sleep(60)
        """
    )
    until = time.monotonic() + 60.0
    while not source._said and time.monotonic() < until:
        time.sleep(0.01)
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    source.close()
    go.touch()
    source._listener.join(60.0)
    assert not source._listener.is_alive()
    assert raised == []


def test_a_line_without_an_end_is_cut_and_shows_no_log_in() -> None:
    # The log-in ends behind the place where the line is cut.
    source = pictures_of(
        """
        import sys
        sys.stderr.write("rtsp://u:geheim" + "x" * 200_000 + "@h/x\\nlast\\n")
        sys.exit(3)
        """
    )
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match="ended"):
            next(source.pictures())
        source.close()
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert list(source._said) == ["rtsp://***@", "last"]

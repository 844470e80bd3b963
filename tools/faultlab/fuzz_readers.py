# SPDX-License-Identifier: AGPL-3.0-or-later
"""The process that reads what fuzzing has made, with the product's own readers.

    python -m tools.faultlab.fuzz_readers KIND FOLDER

Takes names of files in FOLDER from standard input and answers each with one line of JSON: what came
of it, or the traceback of an exception that nobody has promised.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import re
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.camera.clips import FileClips
from edge.camera.exif import taken_at
from edge.camera.folder import head_of, open_album, read_still
from edge.camera.live import LiveSource
from edge.camera.recording import read_file_frames
from edge.camera.ring import PacketRing
from edge.camera.source import SourceError
from edge.camera.url import parse_source
from edge.clock import SystemClock
from edge.config import ConfigError
from edge.drone.read import read as read_telemetry
from edge.vision.model import load_model
from tools.fakes import onnx_files
from tools.fakes.listening import LoopbackServer
from tools.faultlab.fuzz_seeds import CUT

PICTURES_MOST = 60
ANSWER_S = 0.5


def read_recording(path: Path) -> str:
    """A recording in the place of a camera: its pictures, two clips, and poses beside it."""
    said = []
    try:
        with read_file_frames(str(path), 5.0) as frames:
            pictures = list(itertools.islice(frames, PICTURES_MOST))
            said.append(f"{len(pictures)} pictures, {frames.start.by}, {frames.bad > 0}")
        clips = FileClips(path)
        for start_s, end_s in ((0.0, 1.0), (1.0, 2.0)):
            said.append(str(clips.write_clip(path.with_suffix(".clip"), start_s, end_s) is None))
    except ConfigError as error:
        said.append(str(error).partition(": ")[2])
    try:
        said.append(f"{len(read_telemetry(path).poses)} poses")
    except ConfigError as error:
        said.append(str(error).partition(": ")[2])
    return "; ".join(said)


def read_photograph(path: Path) -> str:
    """A folder with one photograph: order and times, the picture, where the aircraft was."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        (folder / "a.jpg").symlink_to(path)
        try:
            album = open_album(folder, 1.0)
            image = read_still(folder / "a.jpg")
            shape = "no picture" if image is None else f"{image.ndim}"
            said = f"{album.timed}, {taken_at(head_of(path)) is not None}, {shape}"
        except ConfigError:
            said = "no images"
        try:
            return f"{said}; {len(read_telemetry(folder).poses)} poses"
        except ConfigError as error:
            return f"{said}; {str(error).partition(': ')[2]}"


def with_manifest(path: Path, folder: Path) -> Path:
    """The manifest of a copy of this weight file in `folder`."""
    return onnx_files.write(
        folder, path.read_bytes(), ("person", "car"), input={"height": 64, "width": 64}
    )


def read_network(path: Path) -> str:
    """A weight file with a manifest that fits it: opened, proved, and shown a picture."""
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        manifest = with_manifest(path, Path(name))
        try:
            model = load_model(manifest, provider="cpu", workers=1)
            return f"{len(model.detect(np.full((90, 160, 3), 114, np.uint8)))} boxes"
        except ConfigError as error:
            return str(error).partition(": ")[2]


class _Camera(LoopbackServer):
    """Gives its answers one after the other, whatever it is asked, and hangs up."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        """Give the prepared answers to one client, then the stream."""
        *spoken, streamed = self._answers
        with client, contextlib.suppress(OSError):
            client.settimeout(ANSWER_S)
            for answer in spoken:
                asked = client.recv(8192)
                number = re.search(rb"CSeq: *(\d+)", asked)
                if not asked:
                    return
                client.sendall(answer.replace(b"CSeq: @", b"CSeq: " + (number or [b"", b"0"])[1]))
            client.sendall(streamed)
            client.shutdown(socket.SHUT_WR)
            while client.recv(8192):
                pass


def read_camera(path: Path) -> str:
    """A live camera on the loopback: opened, its pictures converted, a clip of its packets."""
    clock, ring = SystemClock(), PacketRing(seconds=20.0, bytes_max=8_000_000)
    pictures = 0
    with _Camera(path.read_bytes().split(CUT)) as camera:
        address = parse_source(f"rtsp://admin:12345@127.0.0.1:{camera.port}/s")
        began = clock.now().mono
        try:
            source = LiveSource(address, clock, keep=ring.add)
        except SourceError as error:
            return f"not opened: {error}"
        try:
            for picture in itertools.islice(source.pictures(), PICTURES_MOST):
                pictures += picture.bgr().ndim == 3
        except SourceError as error:
            said = str(error)
        else:
            said = "enough"
        finally:
            source.close()
    clip = ring.write_clip(path.with_suffix(".clip"), began, clock.now().mono)
    return f"{pictures} pictures; {said}; {clip is not None}"


READERS: dict[str, Callable[[Path], str]] = {
    "sdp": read_camera,
    "mp4": read_recording,
    "ts": read_recording,
    "jpeg": read_photograph,
    "onnx": read_network,
}


def answer(kind: str, path: Path) -> dict[str, str]:
    """{"came": what came of it} or {"bug": traceback}."""
    try:
        return {"came": READERS[kind](path)}
    except Exception:  # noqa: BLE001  the one thing that is looked for
        return {"bug": traceback.format_exc()}


def main(kind: str, folder: str) -> None:
    """Read each file that standard input names and answer one line of JSON for it."""
    logging.disable(logging.CRITICAL)
    # Libraries print what they like where they like: answers have a way of their own.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            answers.write(json.dumps(answer(kind, Path(folder, line.strip()))) + "\n")
            answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

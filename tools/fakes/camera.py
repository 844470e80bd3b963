# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fake network camera for tests: a real RTSP server of the distribution, and faults on demand.

    with FakeCamera() as camera:
        url = camera.stream("/a", clip("h264", 640, 360))
        camera.set("/a", mode="silent")

The server is GStreamer's, run by the system's Python (see camera_server.py).
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

# What the server needs of Debian or Ubuntu: apt-get install --no-install-recommends ...
PACKAGES = (
    "python3-gi",
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
)
SYSTEM_PYTHON = "/usr/bin/python3"
ANSWER_S = 20.0

_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
_RAW = {"h264": "h264", "hevc": "hevc"}


@dataclass(frozen=True)
class Clip:
    """Encoded access units in Annex B, to be repeated for ever; the first is a key picture.

    shown: at which place each unit is shown, where that is not the order of decoding.
    """

    codec: str
    width: int
    height: int
    fps: int
    units: tuple[bytes, ...]
    shown: tuple[int, ...] = ()


def available() -> str | None:
    """None where the server can run, else what is missing, for the skip or failure of a test."""
    if not Path(SYSTEM_PYTHON).exists():
        return f"{SYSTEM_PYTHON} is missing"
    check = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "import sys; sys.exit(0 if all(map(Gst.ElementFactory.find,"
        " ('appsrc', 'rtph264pay', 'rtph265pay'))) else 1)"
    )
    answer = subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, timeout=ANSWER_S)
    return None if answer.returncode == 0 else f"apt-get install {' '.join(PACKAGES)}"


def drawing(width: int, height: int, index: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """A textured street with a bright block that moves: every picture differs from the last."""
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 200, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    image = small.repeat(8, 0).repeat(8, 1)[:height, :width].copy()
    left = index * 8 % max(1, width - 32)
    image[height // 3 : height // 3 + 32, left : left + 32] = 255
    return image


MARK_BITS = 12


def marked(image: np.ndarray[Any, Any], number: int) -> np.ndarray[Any, Any]:
    """The picture with its number in black and white along its upper edge."""
    side = image.shape[1] // MARK_BITS
    for bit in range(MARK_BITS):
        image[:side, bit * side : (bit + 1) * side] = 255 if number >> bit & 1 else 0
    return image


def mark_of(image: np.ndarray[Any, Any]) -> int:
    """The number that `marked` wrote."""
    side = image.shape[1] // MARK_BITS
    edge = side // 4
    cells = [image[edge : side - edge, b * side + edge : (b + 1) * side - edge] for b in range(12)]
    return sum(int(cell.mean() > 127) << bit for bit, cell in enumerate(cells))


def encode(
    codec: str,
    pictures: list[np.ndarray[Any, Any]],
    *,
    fps: int = 25,
    gop: int = 25,
    bframes: int = 0,
) -> list[bytes]:
    """Access units of the pictures, Annex B, parameter sets in band."""
    return [unit for unit, _ in encode_in_order(codec, pictures, fps, gop, bframes)]


def encode_in_order(
    codec: str, pictures: list[np.ndarray[Any, Any]], fps: int, gop: int, bframes: int
) -> list[tuple[bytes, int]]:
    """Access units in the order of decoding, each with the number of the picture it shows."""
    height, width = pictures[0].shape[:2]
    options = {"preset": "ultrafast", "threads": "1"}
    if codec == "hevc":
        options["x265-params"] = f"log-level=none:keyint={gop}:bframes={bframes}:pools=none"
    else:
        options |= {"g": str(gop), "bf": str(bframes), "tune": "fastdecode"}
    units: list[tuple[bytes, int]] = []
    with av.open(io.BytesIO(), "w", format=_RAW[codec]) as out:
        stream = out.add_stream(_ENCODERS[codec], rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            units += [(bytes(p), round(p.pts * p.time_base * fps)) for p in stream.encode(frame)]
        units += [(bytes(p), round(p.pts * p.time_base * fps)) for p in stream.encode(None)]
    return units


def clip(
    codec: str,
    width: int,
    height: int,
    *,
    seconds: float = 2.0,
    fps: int = 25,
    key_s: float = 1.0,
    bframes: int = 0,
) -> Clip:
    """A short moving drawing, encoded, with a key picture every `key_s` seconds. Each picture
    bears its number (`mark_of`)."""
    drawn = [drawing(width, height, index) for index in range(int(seconds * fps))]
    pictures = [marked(picture, index) for index, picture in enumerate(drawn)]
    units = encode_in_order(codec, pictures, fps, round(key_s * fps), bframes)
    return Clip(
        codec, width, height, fps, tuple(unit for unit, _ in units), tuple(n for _, n in units)
    )


class FakeCamera:
    """The server process; one stream for each path."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fake-camera-"))
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(Path(__file__).with_name("camera_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._answer())
        self._clips = 0

    def __enter__(self) -> FakeCamera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def stream(self, path: str, content: Clip) -> str:
        """Serve a clip; returns its URL."""
        self._order(
            path=path,
            codec=content.codec,
            units=self._write(content),
            fps=content.fps,
            mode="play",
        )
        return f"rtsp://127.0.0.1:{self.port}{path}"

    def set(self, path: str, *, mode: str | None = None, content: Clip | None = None) -> None:
        """Change what a running stream does: mode play, silent or freeze, or another clip."""
        order = {"path": path}
        if mode is not None:
            order["mode"] = mode
        if content is not None:
            order["units"] = self._write(content)
        self._order(**order)

    def kick(self) -> None:
        """Cut every client, as a camera that restarts does."""
        self._order(kick=True)

    def close(self) -> None:
        """End the server, kill it where it will not, and remove its folder."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, content: Clip) -> str:
        self._clips += 1
        path = self._folder / f"{self._clips}.units"
        path.write_bytes(b"".join(len(u).to_bytes(4, "big") + u for u in content.units))
        return str(path)

    def _order(self, **order: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        if self._answer() != "ok":
            raise RuntimeError(f"fake camera: {order} not obeyed")

    def _answer(self) -> str:
        """One line of the server, or RuntimeError when it does not come."""
        assert self._process.stdout is not None
        line: list[str] = []
        read: Callable[[], str] = self._process.stdout.readline
        reader = threading.Thread(target=lambda: line.append(read()), daemon=True)
        reader.start()
        reader.join(ANSWER_S)
        if not line or not line[0]:
            raise RuntimeError(f"the fake camera does not run: {available() or 'no answer'}")
        return line[0].strip()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A camera that answers HTTP sends the box nowhere else."""

from __future__ import annotations

import contextlib
import http.server
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av.error
import pytest

from edge.camera import allocation, libav
from edge.camera.libav import open_input
from edge.camera.source import SourceError
from edge.camera.url import parse_source
from tests.machine_time import in_real_time

PARTS = "multipart/x-mixed-replace; boundary=x"
PART = b"--x\r\nContent-Type: image/jpeg\r\n%s\r\n\xff\xd8\xff\xe0"
HUGE = b"Content-Length: 2000000000\r\n"
# Path -> its type, how it begins, what comes again and again, and how long after the last time.
FLOWS = {
    "/crumbs": ("video/mp4", b"", b"\0", 0.1),
    "/endless": (PARTS, b"", b"A" * 65_536, 0.0),
    "/endless.mp4": ("video/mp4", b"", b"\0\0\0\x08free" * 8_192, 0.0),
    "/picture": (PARTS, PART % b"", b"A" * 65_536, 0.0),
    "/picture-of-its-word": (PARTS, PART % HUGE, b"A" * 65_536, 0.0),
}
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{}\n#EXT-X-ENDLIST\n"


class Camera:
    """Answers as it likes; `asked` is what came."""

    def __init__(self) -> None:
        camera = self
        self.asked: list[str] = []
        self.over = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.asked.append(self.path)
                if self.path.startswith("/redirect"):
                    code = int(self.path.rsplit("-", 1)[1])
                    self.send_response(code)
                    self.send_header("Location", f"http://127.0.0.1:{camera.port}/secret.ts")
                    self.end_headers()
                    return
                self.send_response(200)
                if self.path in FLOWS:
                    self.flow(*FLOWS[self.path])
                    return
                kind = "application/vnd.apple.mpegurl" if "list" in self.path else "text/plain"
                self.send_header("Content-Type", kind)
                self.end_headers()
                local = f"http://127.0.0.1:{camera.port}/secret.ts"
                where = "file:///etc/hostname" if "file" in self.path else local
                self.wfile.write(PLAYLIST.format(where).encode() if "list" in self.path else b"x")

            def flow(self, kind: str, head: bytes, piece: bytes, pause_s: float) -> None:
                self.send_header("Content-Type", kind)
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(head)
                    while not camera.over.wait(pause_s):
                        self.wfile.write(piece)

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def camera() -> Iterator[Camera]:
    made = Camera()
    yield made
    made.close()


@pytest.mark.parametrize(
    "path", ["/redirect-301", "/redirect-302", "/redirect-303", "/redirect-307", "/redirect-308",
             "/playlist", "/playlist-file", "/playlist.mjpg"],
)  # fmt: skip
def test_nothing_but_the_camera_is_asked(camera: Camera, path: str) -> None:
    source = parse_source(f"http://127.0.0.1:{camera.port}{path}", where="source")
    with pytest.raises(SourceError):
        open_input(source)
    assert set(camera.asked) == {path}


def test_a_playlist_is_one_where_the_address_says_so(camera: Camera) -> None:
    """And even then it opens no file of the box."""
    source = parse_source(f"http://127.0.0.1:{camera.port}/playlist.m3u8?a=1", where="source")
    with pytest.raises(SourceError):
        open_input(source)
    assert "/secret.ts" in camera.asked
    camera.asked.clear()
    source = parse_source(f"http://127.0.0.1:{camera.port}/playlist-file.m3u8", where="source")
    with pytest.raises(SourceError):
        open_input(source)
    assert "/secret.ts" not in camera.asked


@pytest.mark.parametrize("path", sorted(FLOWS))
@in_real_time()
def test_a_camera_that_never_comes_to_the_point_is_given_up(
    camera: Camera, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither time nor memory is its to take, whatever it says of the size of its pictures."""
    monkeypatch.setattr(libav, "OPEN_S", 1.0)
    monkeypatch.setattr(libav, "STALL_S", 1.0)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began_s = time.monotonic()
    with pytest.raises((SourceError, av.error.FFmpegError)):
        given = open_input(parse_source(f"http://127.0.0.1:{camera.port}{path}", where="source"))
        for packet in given.container.demux(given.stream):
            assert packet.size <= allocation.LARGEST
            packet.decode()
    assert time.monotonic() - began_s < 6.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 400_000


def test_the_largest_recording_is_read_beside_cameras(tmp_path: Path) -> None:
    """In a process of its own, for the bound holds as long as the process lives."""
    program = f"""
import av
from edge.camera import allocation
from edge.camera.recording import read_file_frames
from edge.camera.url import parse_source
from tests.machine_time import in_real_time
from edge.clock import SystemClock
from tests.machine_time import in_real_time
path = {str(tmp_path / "large.mp4")!r}
with av.open(path, "w") as out:
    stream = out.add_stream("mjpeg", rate=1)
    stream.width, stream.height, stream.pix_fmt = 7680, 5120, "yuvj420p"
    for picture in (av.VideoFrame(7680, 5120, "yuvj420p"), None):
        out.mux(stream.encode(picture))
assert allocation.bound()
frames = read_file_frames(
    parse_source(path), 1.0, camera="c", realtime=False, clock=SystemClock()
)
print([frame.image.shape for frame in frames])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=170
    )
    assert done.stdout.strip() == "[(5120, 7680, 3)]", done.stderr

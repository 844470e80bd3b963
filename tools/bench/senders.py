# SPDX-License-Identifier: AGPL-3.0-or-later
"""Any number of live cameras that all send one encoded clip, in a process of their own.

Nothing is encoded here: packets are made once and copied with new numbers and times, so that fifty
cameras cost a few hundredths of a core each at most, and their CPU time is told apart from that of
what is measured. Each camera begins elsewhere in its group of pictures. A sender that was itself
late is no camera: how late it was is told, so that nobody takes its pauses for the product's.

    with Senders(clip) as cameras:
        urls = [cameras.url(n) for n in range(50)]
        cameras.pace()

RTSP over TCP for H.264 and H.265 (tools.fakes.rtsp_camera), HTTP for Motion JPEG. Run by itself
with a clip's file (`write_clip`): prints its port; answers each line on stdin with a Pace as JSON.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

from tools.bench.arena import ROOT
from tools.bench.streams import cpu_s
from tools.fakes.camera import Clip
from tools.fakes.rtsp_camera import RtspCamera, Viewer, rtp_payloads

# Later than this a picture does not come at a camera's pace; a share of LATE_MOST is the machine's.
LATE_S, LATE_MOST, WORST_S = 0.1, 0.01, 0.5
# What a socket takes before a sender waits, and how long it waits before it lets the viewer go.
SEND_BYTES, SEND_S = 4_000_000, 2
# Senders are other machines: they come first where this one is short of time.
NICE = -10
BOUNDARY = "frontier"
# Camera n begins this share of a group of pictures after camera n - 1 (the golden section).
APART = 0.618
ANSWER_S = 20.0


@dataclass(slots=True)
class Pace:
    """How well the cameras kept their pace since the last question. began: camera -> when (mono)
    the first picture of its first round was sent, of those that play now."""

    sent: int = 0
    late: int = 0
    worst_s: float = 0.0
    gone: int = 0
    cpu_s: float = 0.0
    began: dict[str, float] = field(default_factory=dict)

    @property
    def starved(self) -> str:
        """Why the figures of this time are not the product's alone; "" where they are."""
        share = self.late / self.sent if self.sent else 1.0
        if not self.sent:
            return "nothing was sent"
        if share > LATE_MOST or self.worst_s > WORST_S:
            return f"senders were late: {share:.1%} of the pictures, {self.worst_s:.2f} s at most"
        return f"{self.gone} viewers did not read" if self.gone else ""


class _Unit:
    """One picture on the wire: every packet of it, and where number and time stand in them."""

    def __init__(self, codec: str, data: bytes) -> None:
        self.places: list[int] = []
        made = bytearray()
        for piece, last in rtp_payloads(codec, data):
            made += b"$\0" + struct.pack(">H", 12 + len(piece))
            self.places.append(len(made) + 2)
            made += struct.pack(">BBHII", 0x80, 96 | last << 7, 0, 0, 0x1234) + piece
        self.made = bytes(made)

    def numbered(self, sequence: int, stamp: int) -> bytes:
        """The bytes of this picture with these numbers."""
        data = bytearray(self.made)
        for index, place in enumerate(self.places):
            struct.pack_into(">HI", data, place, (sequence + index) & 0xFFFF, stamp)
        return bytes(data)


class _Playing:
    """One viewer and where it is in the clip."""

    def __init__(self, viewer: Viewer, name: str, began_s: float) -> None:
        self.viewer, self.name, self.began_s = viewer, name, began_s
        self.number = self.sequence = 0


class SendingCameras(RtspCamera):
    """All cameras of one clip, on one port: /0, /1, ... One thread sends to all."""

    def __init__(self, content: Clip) -> None:
        jpeg = content.codec == "mjpeg"
        self._units = [] if jpeg else [_Unit(content.codec, unit) for unit in content.units]
        self._jpegs = [_part(unit) for unit in content.units] if jpeg else []
        self._due: list[tuple[float, int, _Playing]] = []
        self._wakes, self._count = threading.Condition(), 0
        self._pace = Pace()
        self._playing: list[_Playing] = []
        super().__init__(content)
        threading.Thread(target=self._send_for_ever, daemon=True).start()

    def serve(self, client: socket.socket) -> None:
        """One viewer, until it leaves."""
        # SO_SNDBUFFORCE where that is allowed; else as much as the system grants.
        for option in (32, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, option, SEND_BYTES)
                break
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_S, 0))
        if self._jpegs:
            self._serve_http(client)
        else:
            super().serve(client)

    def _serve_http(self, client: socket.socket) -> None:
        viewer = Viewer(self, client)
        with client, contextlib.suppress(OSError):
            viewer.asked = client.recv(4096).decode("latin1").split(" ")[1]
            kind = f"multipart/x-mixed-replace;boundary={BOUNDARY}"
            viewer.send(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
            self.play(viewer)

    def play(self, viewer: Viewer) -> None:
        """Until the viewer leaves; the one thread sends meanwhile."""
        name = (re.findall(r"/(\d+)", viewer.asked) or ["0"])[-1]
        group_s = len(self.content.units) / self.content.fps
        apart_s = (int(name) * APART % 1.0) * min(group_s, 4.0)
        with self._wakes:
            self._count += 1
            one = _Playing(viewer, name, time.monotonic() + apart_s)
            heapq.heappush(self._due, (one.began_s, self._count, one))
            self._playing.append(one)
            self._wakes.notify()
        viewer.closing.wait()
        with self._wakes:
            self._playing.remove(one)

    def pace(self) -> Pace:
        """Since it was asked last."""
        with self._wakes:
            told, self._pace = self._pace, Pace()
            told.began = {one.name: one.began_s for one in self._playing}
        told.cpu_s = time.process_time()
        return told

    def _send_for_ever(self) -> None:
        while not self.closing.is_set():
            with self._wakes:
                if not self._due:
                    self._wakes.wait(0.5)
                    continue
                wait_s = self._due[0][0] - time.monotonic()
                if wait_s > 0.0:
                    self._wakes.wait(wait_s)
                    continue
                due_s, count, one = heapq.heappop(self._due)
            if self._sent(one, time.monotonic() - due_s):
                one.number += 1
                with self._wakes:
                    next_s = one.began_s + one.number / self.content.fps
                    heapq.heappush(self._due, (next_s, count, one))

    def _sent(self, one: _Playing, late_s: float) -> bool:
        """Send one picture to one viewer; false where it is gone."""
        pace = self._pace
        pace.sent += 1
        pace.late += late_s > LATE_S
        pace.worst_s = max(pace.worst_s, late_s)
        try:
            one.viewer.send(self._bytes(one))
        except BlockingIOError:
            pace.gone += 1
        except OSError:
            pass
        else:
            return not one.viewer.closing.is_set()
        one.viewer.closing.set()
        return False

    def _bytes(self, one: _Playing) -> bytes:
        count = len(self.content.units)
        index = one.number % count
        if self._jpegs:
            return self._jpegs[index]
        unit = self._units[index]
        shown = one.number - index + self._shown[index]
        stamp = self.manners.stamp(one.number, shown / self.content.fps, 0.0)
        one.sequence += len(unit.places)
        return unit.numbered(one.sequence - len(unit.places), stamp)


def _part(jpeg: bytes) -> bytes:
    """One picture of a multipart stream."""
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


def write_clip(clip: Clip, path: Path) -> Path:
    """The clip in a file, whole or not at all."""
    facts = asdict(clip) | {"units": [len(unit) for unit in clip.units]}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(json.dumps(facts).encode() + b"\n" + b"".join(clip.units))
    part.rename(path)
    return path


def read_clip(path: Path) -> Clip:
    """What `write_clip` wrote."""
    head, _, data = path.read_bytes().partition(b"\n")
    facts, units, at = json.loads(head), [], 0
    for size in facts["units"]:
        units.append(data[at : at + size])
        at += size
    return Clip(**facts | {"units": tuple(units), "shown": tuple(facts["shown"])})


class Senders:
    """The process; see the module."""

    def __init__(self, clip: Clip) -> None:
        self._kind = "http" if clip.codec == "mjpeg" else "rtsp"
        self._folder = tempfile.TemporaryDirectory(prefix="edge-senders-")
        file = write_clip(clip, Path(self._folder.name) / "clip")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.senders", str(file)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._port = int(self._line())

    def url(self, number: int) -> str:
        """The address of camera `number`."""
        return f"{self._kind}://127.0.0.1:{self._port}/{number}"

    def pace(self) -> Pace:
        """How well they kept their pace since the last question."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Pace(**json.loads(self._line()))

    @property
    def cpu_s(self) -> float:
        """CPU time of all cameras so far."""
        return cpu_s(self._process.pid)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the senders ended")
        return line

    def __enter__(self) -> Senders:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


def main(argv: list[str]) -> int:
    """Send the clip of a file until stdin ends."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    with SendingCameras(read_clip(Path(argv[0]))) as cameras:
        print(cameras.port, flush=True)
        for _ in sys.stdin:
            print(json.dumps(asdict(cameras.pace())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A fake camera that sends Motion JPEG over HTTP, with the manners of real ones to order."""

from __future__ import annotations

import contextlib
import socket
import time

import cv2

from tools.fakes.camera import drawing, marked
from tools.fakes.listening import LoopbackServer

BOUNDARY = "frontier"
# name: what the stream does differently.
#   good          as RFC 2046 has it
#   no-first      the first picture comes without a boundary before it
#   no-length     parts have no Content-Length
#   dashes        the header names the boundary with its leading dashes
#   quoted        the header names the boundary in quotation marks
MANNERS = ("good", "no-first", "no-length", "dashes", "quoted")
_NAMED = {"dashes": f"--{BOUNDARY}", "quoted": f'"{BOUNDARY}"'}


class MjpegCamera(LoopbackServer):
    """Listens on 127.0.0.1 at a free port until closed. Pictures bear their numbers."""

    def __init__(self, *, fps: float = 10.0, manner: str = "good", count: int = 400) -> None:
        if manner not in MANNERS:
            raise ValueError(f"{manner}: not one of {MANNERS}")
        self._fps, self._manner = fps, manner
        pictures = (marked(drawing(240, 136, n), n) for n in range(count))
        self._jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}/video"

    def serve(self, client: socket.socket) -> None:
        """Answer one client with pictures at the camera's rate until it leaves or the camera
        closes."""
        named = _NAMED.get(self._manner, BOUNDARY)
        head = (
            f"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary={named}\r\n\r\n"
        )
        with client, contextlib.suppress(OSError):
            client.recv(4096)
            client.sendall(head.encode())
            began = time.monotonic()
            for number in range(1 << 30):
                if self.closing.wait(max(0.0, began + number / self._fps - time.monotonic())):
                    return
                client.sendall(self._part(number))

    def _part(self, number: int) -> bytes:
        data = self._jpegs[number % len(self._jpegs)]
        length = "" if self._manner == "no-length" else f"Content-Length: {len(data)}\r\n"
        front = b"" if self._manner == "no-first" and number == 0 else f"--{BOUNDARY}\r\n".encode()
        return front + f"Content-Type: image/jpeg\r\n{length}\r\n".encode() + data + b"\r\n"

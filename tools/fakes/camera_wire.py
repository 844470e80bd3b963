# SPDX-License-Identifier: AGPL-3.0-or-later
"""A wire to a camera that can be made bad: a TCP relay on this machine with faults to order."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType

# What may be asked of a wire:
#   pass     everything goes through
#   refuse   nobody listens: connections are refused, standing ones are cut
#   mute     connections are accepted and stay, but nothing comes back from the camera
#   drip     one byte of what comes back each second
#   setup    as pass, but mute once the camera has answered SETUP (a hung recorder does this)
#   cut      standing connections are cut once, then as pass
FAULTS = ("pass", "refuse", "mute", "drip", "setup", "cut")
_SETUP_ANSWERED = b"\r\nSession: "


class Wire:
    """Relays 127.0.0.1:`port` to the camera's port; `set` changes how, also for open connections.

    `connections` counts what was accepted.
    """

    def __init__(self, camera_port: int) -> None:
        self._camera_port = camera_port
        self._mode = "pass"
        self._closing = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.connections = 0
        self._listener: socket.socket | None = self._listen(0)
        self.port: int = self._listener.getsockname()[1] if self._listener else 0

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def url(self, path: str) -> str:
        return f"rtsp://127.0.0.1:{self.port}{path}"

    def set(self, mode: str) -> None:
        """Put a fault on the wire, or `none`. Raises ValueError for an unknown one."""
        if mode not in FAULTS:
            raise ValueError(f"{mode}: not one of {FAULTS}")
        self._mode = mode
        if mode in ("refuse", "cut"):
            self._cut()
        if mode == "refuse":
            self._hang_up()
        elif self._listener is None:
            self._listener = self._listen(self.port)

    def close(self) -> None:
        self._closing = True
        self._hang_up()
        self._cut()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(16)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _hang_up(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _cut(self) -> None:
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                camera = socket.create_connection(("127.0.0.1", self._camera_port), 5)
            except OSError:
                return
            self.connections += 1
            with self._lock:
                self._open |= {client, camera}
            for source, sink, back in ((client, camera, False), (camera, client, True)):
                threading.Thread(target=self._relay, args=(source, sink, back), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, back: bool) -> None:
        answered = b""
        with source, contextlib.suppress(OSError):
            while data := source.recv(1 if back and self._mode == "drip" else 65_536):
                answered = (answered + data)[-2048:] if back else b""
                if back and self._held(answered):
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)

    def _held(self, answered: bytes) -> bool:
        """Waits as the fault demands; true where the wire was closed meanwhile."""
        if self._mode == "drip":
            time.sleep(1.0)
        while self._mode == "mute" or (self._mode == "setup" and _SETUP_ANSWERED in answered):
            if self._closing:
                return True
            time.sleep(0.05)
        return False

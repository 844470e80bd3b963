# SPDX-License-Identifier: AGPL-3.0-or-later
"""systemd's side of sd_notify: a socket that remembers what came, when, and from which process."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

LIMIT_S = 90.0


class Listener:
    """One daemon's $NOTIFY_SOCKET. `heard` are (monotonic seconds, line)."""

    def __init__(self, folder: Path | None = None) -> None:
        # A socket's path may have 107 bytes; those of pytest are longer.
        self._folder = folder or Path(tempfile.mkdtemp(prefix="n"))
        self.path = self._folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        self.heard: list[tuple[float, str]] = []
        self.pid = 0

    def env(self, watchdog_s: float = 60.0) -> dict[str, str]:
        told = {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": f"{watchdog_s * 1e6:.0f}"}
        return {**os.environ, **told}

    def pump(self) -> None:
        """Take what lies in the socket."""
        while True:
            try:
                data, extra, _, _ = self._socket.recvmsg(4096, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return
            for level, kind, body in extra:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    self.pid = struct.unpack("3i", body[:12])[0]
            now = time.monotonic()
            self.heard += [(now, line) for line in data.decode().splitlines()]

    def count(self, line: str) -> int:
        self.pump()
        return sum(heard == line for _, heard in self.heard)

    def wait_for(
        self, line: str, child: subprocess.Popen[bytes], log: Path, *, times: int = 1
    ) -> None:
        """Wait until `line` came so often; fails with the log where it does not."""
        until = time.monotonic() + LIMIT_S
        while self.count(line) < times:
            ended = child.poll() is not None and self.count(line) < times
            assert not ended and time.monotonic() < until, f"no {line}: {log.read_text()[-2000:]}"
            time.sleep(0.05)

    def close(self) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A TCP proxy that misbehaves on request: thin, slow, sliced, silent, cut.

    tools/python -m tools.faultlab.proxy --to 127.0.0.1:1883 --kbit-s 64 --delay-s 0.5

In tests it runs in the process and is changed while connections are open.
"""

from __future__ import annotations

import argparse
import contextlib
import queue
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

# Small socket buffers on a thin line: the bytes wait in the sender, as on a modem, and not in the
# kernel here.
BUFFER = 8 * 1024
# On a faster line so small a window would itself be the limit.
THIN_KBIT_S = 1000.0
BLOCK = 1024
# What a modem buffers in each direction.
LINE_BLOCKS = 16


@dataclass(slots=True)
class Faults:
    """What is done to the bytes from now on, in both directions."""

    kbit_s: float | None = None
    delay_s: float = 0.0
    sliced: float = 0.0
    silent: bool = False
    refuse: bool = False


class Proxy:
    """Listens on its own port of the loopback; `faults` may be changed at any time."""

    def __init__(
        self, target: tuple[str, int], port: int = 0, faults: Faults | None = None
    ) -> None:
        self.faults = faults or Faults()
        self.bytes_up = 0
        self.accepted = 0
        self._target = target
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closing = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self._listener.getsockname()[1]
        _start(self._accept)

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.faults.refuse:
                client.close()
                continue
            self.accepted += 1
            self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        thin = self.faults.kbit_s is not None and self.faults.kbit_s <= THIN_KBIT_S
        for sock in (client, server):
            if thin:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(None)
        self._pairs.append((client, server))
        _start(lambda: self._carry(client, server, up=True))
        _start(lambda: self._carry(server, client, up=False))

    def _carry(self, source: socket.socket, sink: socket.socket, *, up: bool) -> None:
        """Read here, write in a second thread: a delay holds bytes back without thinning them."""
        line: queue.Queue[tuple[float, bytes]] = queue.Queue(LINE_BLOCKS)
        writer = _start(lambda: self._write(line, sink))
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK):
                line.put((time.monotonic(), data))
                if up:
                    self.bytes_up += len(data)
        line.put((0.0, b""))
        writer.join(5)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _write(self, line: queue.Queue[tuple[float, bytes]], sink: socket.socket) -> None:
        broken, free = False, [0.0]
        while (item := line.get())[1]:
            if broken:
                continue
            try:
                self._forward(*item, sink, free)
            except OSError:
                broken = True

    def _forward(self, at: float, data: bytes, sink: socket.socket, free: list[float]) -> None:
        """`free[0]`: when the line is free again; kept as an instant, so that no sleep adds up."""
        while self.faults.silent and not self._closing:
            time.sleep(0.05)
        time.sleep(max(0.0, at + self.faults.delay_s - time.monotonic()))
        if self.faults.kbit_s:
            took_s = len(data) * 8 / (self.faults.kbit_s * 1000)
            free[0] = max(free[0], time.monotonic() - took_s) + took_s
            time.sleep(max(0.0, free[0] - time.monotonic()))
        if random.random() < self.faults.sliced:
            middle = random.randrange(len(data))
            sink.sendall(data[:middle])
            time.sleep(0.01)
            data = data[middle:]
        sink.sendall(data)

    def cut(self) -> None:
        """Reset every connection that is open now."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    # Linger 0: RST instead of FIN.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


def _start(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def main() -> int:
    """A thin or bad line by hand, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="proxy", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--kbit-s", type=float)
    parser.add_argument("--delay-s", type=float, default=0.0)
    parser.add_argument("--sliced", type=float, default=0.0, help="share of blocks cut in two")
    args = parser.parse_args()
    host, _, port = args.to.rpartition(":")
    faults = Faults(kbit_s=args.kbit_s, delay_s=args.delay_s, sliced=args.sliced)
    proxy = Proxy((host, int(port)), args.port, faults)
    print(f"127.0.0.1:{proxy.port} -> {args.to}; Ctrl-C stops", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    proxy.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

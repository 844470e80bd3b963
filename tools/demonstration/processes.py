# SPDX-License-Identifier: AGPL-3.0-or-later
"""The programs of the demonstration: broker, receiver and daemons, started and stopped."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BROKER = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
"""


PORTS = range(10_000, 65_536)
# Long before it has asked for so many more, a server has bound what it was told. A file each.
RESERVED_MOST = 64
_reservations: deque[int] = deque()


class Missing(Exception):
    """A program of the distribution that is not there; one line saying what to do."""


def free_port() -> int:
    """A port for a server that cannot tell which one it took; it stays free until that binds it.

    The kernel gives it to nobody who connects or binds to port 0, and no other process that asks
    here gets it before this one has asked for many more. Raises OSError where all are taken."""
    ports = _not_given_away()
    for port in random.sample(ports, len(ports)):
        if _reserved(port) and _bindable(port):
            return port
    raise OSError("no free port")


def _not_given_away() -> Sequence[int]:
    """Those outside the kernel's own range (ip_local_port_range in ip(7)), where it leaves any."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return [port for port in PORTS if not low <= port <= high] or PORTS


def _reserved(port: int) -> bool:
    """Whether this process has it now, by a name that ends with the process (abstract, unix(7))."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0city-edge-port-{port}")
    except OSError:
        name.close()
        return False
    _reservations.append(name.detach())
    if len(_reservations) > RESERVED_MOST:
        os.close(_reservations.popleft())
    return True


def _bindable(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("", port))
        except OSError:
            return False
        return True


def mosquitto_program() -> str:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        raise Missing("mosquitto is missing. Please run: sudo apt-get install mosquitto")
    return found


@contextmanager
def running(argv: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child whose output goes to `log`; stopped in order, killed where it will not."""
    with log.open("ab") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """Mosquitto on a port of its own; yields the port once it answers."""
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(BROKER.format(port=port))
    argv = [mosquitto_program(), "-c", str(config)]
    with running(argv, folder / "mosquitto.log") as process:
        wait_for(lambda: _answers(port), 10.0, f"mosquitto ({folder / 'mosquitto.log'})", process)
        yield port


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.5)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def wait_for(
    ready: Callable[[], bool], limit_s: float, what: str, process: subprocess.Popen[bytes]
) -> None:
    """Poll until ready. Raises TimeoutError naming what did not come, or what ended instead."""
    until = time.monotonic() + limit_s
    while not ready():
        if process.poll() is not None:
            raise TimeoutError(f"{what} ended with exit code {process.returncode}")
        if time.monotonic() > until:
            raise TimeoutError(f"{what} was not ready after {limit_s:.0f} s")
        time.sleep(0.1)


def edge(*words: str) -> list[str]:
    return [sys.executable, "-m", "edge", *words]

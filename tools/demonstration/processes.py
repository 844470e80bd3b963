# SPDX-License-Identifier: AGPL-3.0-or-later
"""The programs of the demonstration: broker, receiver and daemons, started and stopped."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BROKER = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_queued_messages 0
"""


class Missing(Exception):
    """A program of the distribution that is not there; one line saying what to do."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


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

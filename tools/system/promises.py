# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runs in a box whose power is cut: puts records and says on a serial line what was promised.

`begun NAME` before Outbox.put, `put NAME` once it returned; each line has left the machine before
this goes on, so that what the host has read was so when the power went. Every tenth time `active`
with the units that run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import time
from pathlib import Path

from edge.outbox import Outbox
from edge.uplink import wire
from edge.values import Fault, Stamp

PAUSE_S = 0.2


def main() -> int:
    """Words: the serial device or a file, and seconds between records. Until the power goes."""
    line = open_line(sys.argv[1])
    pause_s = float(sys.argv[2]) if len(sys.argv) > 2 else PAUSE_S
    outbox = Outbox(Path("/var/lib/edge/outbox.db"))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    number = 0
    while True:
        number += 1
        name = f"{boot}-{number:05d}"
        say(line, f"begun {name}")
        at = Stamp(time.monotonic(), time.time(), "unsynced", 0.0)
        fault = Fault("camera_down", name, "start", at, "the power is cut here", {})
        outbox.put(
            lane="fault", kind="fault", key=wire.fault_key(fault), body=wire.fault_data(fault)
        )
        say(line, f"put {name}")
        if number % 10 == 0:
            say(line, f"active {_active()}")
        time.sleep(pause_s)


def _active() -> str:
    """Our units that run."""
    words = [
        "systemctl",
        "list-units",
        "--plain",
        "--no-legend",
        "--state=active",
        "edge-*.service",
    ]
    said = subprocess.run(words, capture_output=True, text=True).stdout
    return " ".join(row.split()[0] for row in said.splitlines() if row.strip())


def open_line(path: str) -> int:
    """A serial device, or a file."""
    return os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_APPEND)


def say(line: int, text: str) -> None:
    """One line that has left the machine when this returns."""
    os.write(line, f"{text}\n".encode())
    if os.isatty(line):
        termios.tcdrain(line)
    else:
        os.fsync(line)


if __name__ == "__main__":
    sys.exit(main())

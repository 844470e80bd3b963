# SPDX-License-Identifier: AGPL-3.0-or-later
"""A noise meter and a fume monitor on pseudo-terminals of a box that is tested; see senses.

The terminals get the group and mode that udev gives to a serial adapter (70-edge-serial.rules).
"""

from __future__ import annotations

import shutil
import signal
import sys
import threading
from pathlib import Path

from tools.demonstration.senses import instruments


def main() -> int:
    """Until a signal."""
    ports, stop = Path(sys.argv[1]), threading.Event()
    shutil.rmtree(ports, ignore_errors=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with instruments(ports):
        for port in ports.iterdir():
            shutil.chown(port.resolve(), group="dialout")
            port.resolve().chmod(0o660)
        print("ready", flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: AGPL-3.0-or-later
"""A noise meter and a fume monitor on pseudo-terminals of a box that is tested; see senses.

The terminals get the group and mode that udev gives to a serial adapter (70-edge-serial.rules).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from edge.runtime import Stop
from tools.demonstration.senses import instruments


def main() -> int:
    """Until a signal."""
    ports, stop = Path(sys.argv[1]), Stop()
    shutil.rmtree(ports, ignore_errors=True)
    stop.on_signals()
    with instruments(ports):
        for port in ports.iterdir():
            shutil.chown(port.resolve(), group="dialout")
            port.resolve().chmod(0o660)
        print("ready", flush=True)
        while not stop.wait(60.0):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())

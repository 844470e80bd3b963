# SPDX-License-Identifier: AGPL-3.0-or-later
"""Runs in the box under a kernel of its own: what the units' limits of cgroup v2 really forbid.

Each daemon's unit with something greedy in its place: one that takes more memory than MemoryMax=,
and one that sends to an address outside. `limit DAEMON WHAT` on the serial line, WHAT as the kernel
answered. MemoryHigh= is left out: it slows what is greedy for minutes before it is ended.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tools.system.probe import in_place
from tools.system.promises import open_line, say

UNITS, TRIED = Path("/usr/lib/systemd/system"), Path("/run/systemd/system")
PYTHON = "/opt/city-edge/bin/python"
# What must come of it: systemd's own word for how it ended.
RIGHT = {
    **{f"{daemon} memory": "oom-kill"
       for daemon in ("consoled", "janitord", "sensord", "updaterd", "uplinkd")},
    "consoled outside": "exit-code", "consoled private": "success",
    "visiond outside": "exit-code", "visiond private": "success",
    "uplinkd outside": "success", "uplinkd private": "success",
}  # fmt: skip
MEGABYTES = {"M": 1, "G": 1024}
# Larger than this would be the machine's own end and not the unit's.
LARGEST_MB = 700
# Documentation addresses (RFC 5737): nobody answers, and no network of ours is private there.
SEND = "import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'x', ('{}', 9))"
OUTSIDE, PRIVATE = "192.0.2.1", "10.0.2.2"


def main() -> int:
    """Word: the serial device. Where nothing is denied both addresses must be reached."""
    line = open_line(sys.argv[1])
    for path in sorted(UNITS.glob("edge-*d.service")):
        daemon, unit = path.stem.removeprefix("edge-"), path.read_text("utf-8")
        found = re.search(r"^MemoryMax=(\d+)([MG])$", unit, re.M)
        most_mb = int(found[1]) * MEGABYTES[found[2]] if found else 0
        if 0 < most_mb <= LARGEST_MB:
            greedy = f"x = b'1' * ({most_mb} * 2 * 2**20)"
            say(line, f"limit {daemon} memory {_result(daemon, unit, greedy)}")
        if "AF_INET" in unit and "PrivateNetwork=yes" not in unit:
            for name, address in (("outside", OUTSIDE), ("private", PRIVATE)):
                say(line, f"limit {daemon} {name} {_result(daemon, unit, SEND.format(address))}")
    say(line, "limit all tried")
    return 0


def _result(daemon: str, unit: str, program: str) -> str:
    """`success`, `exit-code`, `oom-kill` of systemd for this program in the unit's place."""
    name = f"edge-limit-{daemon}.service"
    text = re.sub(r"^MemoryHigh=.*\n", "", unit, flags=re.M)
    command = f'{PYTHON} -c "{program}"'
    TRIED.mkdir(exist_ok=True)
    (TRIED / name).write_text(in_place(text, command, Path("/dev/null")), "utf-8")
    for words in (["daemon-reload"], ["start", name]):
        subprocess.run(["systemctl", *words], capture_output=True)
    asked = ["systemctl", "show", "--property=Result", "--value", name]
    said = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    subprocess.run(["systemctl", "reset-failed", name], capture_output=True)
    return said


if __name__ == "__main__":
    sys.exit(main())

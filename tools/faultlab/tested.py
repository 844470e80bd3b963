# SPDX-License-Identifier: AGPL-3.0-or-later
"""Faults that the tests cover in full: each a row of tools/faults, counted by running its tests.

A number before a name is that of the fault in the table that tools/faults prints.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tools.faultlab.oracle import Oracle, Result
from tools.faultlab.rig import Rig

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = "tests/uplink/test_protocol_faults.py"
# Row -> what pytest is given.
TESTS: dict[str, tuple[str, ...]] = {
    "7 refused by the broker": (PROTOCOL, "-k", "refused or nobody"),
    "8 small packets, receive max": (PROTOCOL, "-k", "receive_maximum or small_packets or breaks"),
    "9 wrong and missing PUBACKs": (PROTOCOL, "-k", "puback"),
    "20 stuck loops, watchdog": ("tests/field/test_notify.py",),
    "21 camera faults": ("tests/camera", "-m", "not slow"),
    "22 serial faults": ("tests/sensors", "-m", "not slow"),
    "23 storm on return": ("tests/reference_platform/test_fleet.py",),
    "24 forged, foreign, replayed": ("tests/uplink/test_down.py", "tests/uplink/test_tls.py"),
    "24 configuration rolled back": ("tests/uplink/test_desired.py",),
    "25 a changed byte is named": ("tests/uplink/test_verify.py",),
    "25 outbox against its model": ("tests/outbox", "-m", "slow or not slow"),
}


def scenario(name: str) -> Callable[[Rig, Oracle, int], Result]:
    return lambda _rig, _oracle, _runs: run_tests(name)


def run_tests(name: str) -> Result:
    """The pytest files behind a fault, as a row of the table: passed and failed."""
    began = time.monotonic()
    argv = [sys.executable, "-m", "pytest", "-q", "--no-header", *TESTS[name]]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = counted(done.stdout)
    bad = counts["failed"] + counts["error"] + (done.returncode not in (0, 1))
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    note = f"tests in {time.monotonic() - began:.0f} s{skipped}"
    return Result(name, counts["passed"] + bad, 0, bad, 0, 0, 0.0, note)


def counted(text: str) -> dict[str, int]:
    """pytest's last line: how many passed, failed, were skipped or in error."""
    found = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
    for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", text):
        found[word] = int(number)
    return found

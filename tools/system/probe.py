# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a process may do where this runs, as JSON: name of a directive -> whether the thing that it
forbids was done. Run by tools/system/sandboxes.py in place of a daemon, and once outside."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
# unshare(2), personality(2).
CLONE_NEWUSER, ADDR_NO_RANDOMIZE = 0x10000000, 0x0040000


def home() -> bool:
    return any(Path("/home").iterdir())


def others() -> bool:
    """Process 1 belongs to somebody else."""
    return Path("/proc/1").exists()


def machine() -> bool:
    return Path("/proc/meminfo").exists()


def namespace() -> bool:
    return int(LIBC.unshare(CLONE_NEWUSER)) == 0


def group_bit() -> bool:
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.chmod(0o2700)
        return bool(path.stat().st_mode & 0o2000)


def personality() -> bool:
    return int(LIBC.personality(ADDR_NO_RANDOMIZE)) != -1


def executable_memory() -> bool:
    rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    mmap.mmap(-1, mmap.PAGESIZE, prot=rights).close()
    return True


def other_family() -> bool:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
    return True


def affinity() -> bool:
    """Of @resources, which every unit takes out again. An error, and not the end of the process."""
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    return True


TRIED: dict[str, Callable[[], bool]] = {
    "ProtectHome": home,
    "ProtectProc": others,
    "ProcSubset": machine,
    "RestrictNamespaces": namespace,
    "RestrictSUIDSGID": group_bit,
    "LockPersonality": personality,
    "MemoryDenyWriteExecute": executable_memory,
    "RestrictAddressFamilies": other_family,
    "SystemCallErrorNumber": affinity,
}


# What makes a daemon of a unit.
_LIFE = ("Type=", "ExecStart=", "Restart", "WatchdogSec=", "Timeout", "PartOf=", "WantedBy=")


def in_place(unit: str, command: str, output: Path) -> str:
    """A daemon's unit with another command in its place, which runs once and writes there."""
    kept = [line for line in unit.splitlines() if not line.startswith(_LIFE)]
    at = kept.index("[Service]") + 1
    kept[at:at] = ["Type=oneshot", f"ExecStart={command}", f"StandardOutput=file:{output}"]
    return "\n".join(kept) + "\n"


def done(trial: Callable[[], bool]) -> bool:
    """In a process of its own, so that one trial changes nothing for the next."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if trial() else 1)
        except OSError:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    print(json.dumps({name: done(trial) for name, trial in TRIED.items()}))

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The unit files as data: what each says, and what runs a daemon roughly as it says."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
DAEMONS = ("visiond", "sensord", "uplinkd", "consoled", "flightd", "janitord")


def service(daemon: str) -> dict[str, list[str]]:
    """The [Service] part of a daemon's unit: key -> values in order."""
    found, section = defaultdict(list), ""
    for line in (SYSTEMD / f"edge-{daemon}.service").read_text("utf-8").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found[key].append(value)
    return dict(found)


# What `sandbox` does for a directive. Everything else is listed in docs/install.md as never run.
EXERCISED = {
    "Type": "READY and STOPPING come on a socket of ours",
    "WatchdogSec": "pings are counted, and a stuck loop ends them",
    "ExecStart": "the same command with files of the test",
    "ProtectSystem": "the whole tree is bound read-only",
    "ReadWritePaths": "state and run are bound for writing",
    "PrivateTmp": "an empty /tmp",
    "PrivateDevices": "a /dev with null, zero, random and terminals only",
    "PrivateNetwork": "a network of its own, loopback only",
    "PrivateUsers": "a user namespace",
    "CapabilityBoundingSet": "all capabilities dropped",
    "AmbientCapabilities": "all capabilities dropped",
    "NoNewPrivileges": "set by the sandbox",
    "UMask": "set by the launcher",
    "Environment": "set by the sandbox",
    "MemoryDenyWriteExecute": "PR_SET_MDWE, where the kernel knows it (6.3)",
}
# What tools/systemtest sees at work in a booted box (sandboxes.py, probe.py, trials.py).
BOOTED = {
    **dict.fromkeys(
        (
            *("ProtectHome", "ProtectProc", "ProcSubset", "RestrictNamespaces"),
            *("RestrictSUIDSGID", "LockPersonality", "RestrictAddressFamilies"),
        ),
        "what it forbids is tried in the unit's own sandbox, and once outside",
    ),
    "SystemCallErrorNumber": "a call that is filtered out fails, and does not end the process",
    "User": "of the running daemon",
    "Group": "of the running daemon",
    "SupplementaryGroups": "of the running daemon",
    "PrivateMounts": "files of the running daemon's own",
    "InaccessiblePaths": "looked at from inside its namespace",
    "ReadOnlyPaths": "written to from inside its namespace",
    "SystemCallFilter": "one call that each unit takes out; the others by the filter being there",
    "SuccessExitStatus": "uninstalled in the middle of a run, nothing is left as failed",
    "Restart": "after kill -9, the watchdog and an order of the platform",
    "RestartSec": "the same",
}
LAUNCH = """
import ctypes, os, sys
os.umask(0o007)
if sys.argv[1] == "mdwe":
    ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
os.execv(sys.argv[2], sys.argv[2:])
"""


def sandbox(daemon: str, home: Path, argv: list[str]) -> list[str]:
    """`argv` as bubblewrap runs it with what the daemon's unit asks for; `home` stays writable."""
    told = service(daemon)
    words = ["bwrap", "--die-with-parent", "--new-session"]
    if told.get("ProtectSystem") == ["strict"]:
        words += ["--ro-bind", "/", "/"]
    if told.get("PrivateTmp") == ["yes"]:
        # The checkout itself may lie below /tmp; on a box it lies in /opt.
        words += ["--tmpfs", "/tmp", "--ro-bind", str(ROOT), str(ROOT)]
    words += ["--dev", "/dev"] if told.get("PrivateDevices") == ["yes"] else []
    words += ["--unshare-net"] if told.get("PrivateNetwork") == ["yes"] else []
    words += ["--unshare-user"] if told.get("PrivateUsers") == ["yes"] else []
    # Files of the test are given back where /tmp was emptied; the folders only are writable.
    words += ["--ro-bind", str(home), str(home)]
    for folder in ("state", "run"):
        (home / folder).mkdir(exist_ok=True)
        words += ["--bind", str(home / folder), str(home / folder)]
    for pair in told.get("Environment", []):
        words += ["--setenv", *pair.split("=", 1)]
    words += ["--cap-drop", "ALL", "--chdir", str(ROOT)]
    mdwe = "mdwe" if told.get("MemoryDenyWriteExecute") == ["yes"] else "plain"
    return [*words, "--", argv[0], "-c", LAUNCH, mdwe, *argv]

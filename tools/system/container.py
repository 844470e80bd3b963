# SPDX-License-Identifier: AGPL-3.0-or-later
"""A root booted with systemd-nspawn: systemd as process 1, its users, units and journal.

The container has the host's network (loopback and apt's mirror). It has no cgroup v2 of its own
where the host has not: MemoryMax=, IPAddressDeny= and their like are tried with --power.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tools.system.roots import System, archives, nspawn

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOME = "/home/installer"
BOOT_S = 180.0
# One command; installing is the longest.
COMMAND_S = 1200.0


# Two containers in one control group clean up each other's units ("Failed to spawn executor").
_OWN_GROUP = (
    *("sh", "-c"),
    "for top in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do "
    'mkdir "$top/city-edge-$$" && echo $$ >"$top/city-edge-$$/cgroup.procs"; '
    'done 2>/dev/null; exec "$@"',
    "sh",
)


class Failed(AssertionError):
    """Something that the test asks for is not so; the text says what was seen."""


def until(found: Callable[[], object], what: str, limit_s: float) -> None:
    """Wait for a state of the world, however loaded this machine is. Raises Failed."""
    end = time.monotonic() + limit_s
    while not found():
        if time.monotonic() > end:
            raise Failed(f"not within {limit_s:.0f} s: {what}")
        time.sleep(0.5)


class Container:
    """One box. `boot`, then commands as root (`run`) or as the person who installs (`person`)."""

    def __init__(self, root: Path, system: System, log: Path, binds: dict[Path, str]) -> None:
        self.root, self._system, self._log, self._binds = root, system, log, binds
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self) -> None:
        """Start and wait until systemd says that it is up. Raises Failed."""
        words = [*nspawn(self.root, archives(self._system)), "--boot", "--console=pipe"]
        # For PrivateNetwork=: a network of its own is made with this.
        words += [f"--machine=city-edge-{os.getpid()}", "--capability=CAP_NET_ADMIN"]
        words += [f"--bind-ro={here}:{there}" for here, there in self._binds.items()]
        with self._log.open("ab") as log:
            self._nspawn = subprocess.Popen(
                [*_OWN_GROUP, *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until(self._found, f"process 1 of the container, see {self._log}", BOOT_S)
        until(self._up, f"systemd is up, see {self._log}", BOOT_S)

    @property
    def inside(self) -> Path:
        """The files as processes in the container see them, /run included."""
        return Path(f"/proc/{self._init}/root")

    @property
    def python(self) -> str:
        return self._system.python

    def _found(self) -> bool:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            said = self._log.read_text("utf-8", "replace").splitlines()[-5:]
            raise Failed("systemd-nspawn ended: " + " / ".join(said))
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    self._init = int(child)
                    return True
        return False

    def _up(self) -> bool:
        state = self.ask("systemctl is-system-running", limit_s=60).strip()
        return state in ("running", "degraded")

    def _enter(self) -> list[str]:
        words = ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C"]
        return [*words, "env", "-i", f"PATH={PATH}", "LANG=C.UTF-8", "HOME=/root"]

    def _done(self, argv: list[str], limit_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._enter(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit_s,
        )

    def ask(self, text: str, *, limit_s: float = COMMAND_S) -> str:
        """What a line of shell prints as root, whether it fails or not."""
        return self._done(["sh", "-c", text], limit_s).stdout

    def run(self, text: str, *, limit_s: float = COMMAND_S) -> str:
        """The same; raises Failed where it fails."""
        return _checked(text, self._done(["sh", "-ec", text], limit_s))

    def person(self, text: str, *, within: str = "city-edge", limit_s: float = COMMAND_S) -> str:
        """A line that the document tells the person at the box to type. Raises Failed."""
        line = f"cd {shlex.quote(f'{HOME}/{within}')} && {text}"
        words = ["runuser", "-u", "installer", "--", "env", f"HOME={HOME}", "bash", "-c", line]
        return _checked(text, self._done(words, limit_s))

    def start(self, text: str, log: Path) -> subprocess.Popen[bytes]:
        """Something that goes on beside, as root; ends with the container at the latest."""
        with log.open("ab") as out:
            return subprocess.Popen(
                [*self._enter(), "sh", "-c", f"exec {text}"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def power_off(self) -> None:
        """As the switch does it in order."""
        assert self._nspawn is not None
        self._done(["systemctl", "poweroff"], 60)
        try:
            self._nspawn.wait(120)
        except subprocess.TimeoutExpired:
            self.cut()

    def cut(self) -> None:
        """Everything dies at once; what the kernel has not written is the host's and stays."""
        if self._nspawn is None:
            return
        for pid in (self._init, self._nspawn.pid):
            with contextlib.suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._nspawn.wait(60)
        _leave_group(self._nspawn.pid)
        self._nspawn, self._init = None, 0


def _leave_group(pid: int) -> None:
    """The container's own control groups go, innermost first."""
    for top in ("systemd", "unified"):
        own = Path(f"/sys/fs/cgroup/{top}/city-edge-{pid}")
        for folder in (*sorted(own.rglob("*/"), reverse=True), own):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _checked(text: str, done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode:
        said = "\n    ".join(done.stdout.splitlines()[-15:])
        raise Failed(f"{text!r} ended with {done.returncode}:\n    {said}")
    return done.stdout

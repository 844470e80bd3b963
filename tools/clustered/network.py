# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines in network namespaces of our own around one switch; this process stands at the switch.

Nothing reaches the network of this computer: the switch has no way out.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

NET = "10.77.0"
SWITCH = f"{NET}.1"
_CLONE_NEWNET = 0x40000000


class NoNetwork(RuntimeError):
    """Namespaces or links cannot be made here; one line."""


def ip(*words: str) -> None:
    """One command of iproute2. Raises NoNetwork."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise NoNetwork(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Network:
    """A switch and the machines at it, by name; made whole, and gone with `close`."""

    def __init__(self, names: Sequence[str]) -> None:
        self._tag = f"ce{os.getpid()}"
        self.addresses = {name: f"{NET}.{11 + n}" for n, name in enumerate(names)}
        self._spaces: list[str] = []
        with ExitStack() as undone:
            undone.callback(self.close)
            self._make()
            undone.pop_all()

    def _make(self) -> None:
        hub = self._space("switch")
        ip("-n", hub, "link", "set", "lo", "up")
        ip("-n", hub, "link", "add", "br0", "type", "bridge")
        ip("-n", hub, "link", "set", "br0", "up")
        ip("-n", hub, "addr", "add", f"{SWITCH}/24", "dev", "br0")
        for name, address in self.addresses.items():
            own = self._space(name)
            ip("-n", hub, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", own)
            ip("-n", hub, "link", "set", name, "master", "br0", "up")
            ip("-n", own, "link", "set", "lo", "up")
            ip("-n", own, "addr", "add", f"{address}/24", "dev", "eth0")
            ip("-n", own, "link", "set", "eth0", "up")

    def _space(self, name: str) -> str:
        space = f"{self._tag}-{name}"
        ip("netns", "add", space)
        self._spaces.append(space)
        return space

    def path(self, name: str) -> Path:
        """The namespace of a machine, or of the switch."""
        return Path(f"/run/netns/{self._tag}-{name}")

    def enter(self) -> None:
        """This thread, and every child it starts from now on, stands at the switch."""
        libc = ctypes.CDLL(None, use_errno=True)
        with self.path("switch").open("rb") as file:
            if libc.setns(file.fileno(), _CLONE_NEWNET):
                raise NoNetwork(f"setns: {os.strerror(ctypes.get_errno())}")

    def unplug(self, name: str) -> None:
        """The machine lives and nobody reaches it."""
        ip("-n", f"{self._tag}-switch", "link", "set", name, "down")

    def plug(self, name: str) -> None:
        ip("-n", f"{self._tag}-switch", "link", "set", name, "up")

    def part(self, name: str, peers: Sequence[str]) -> None:
        """The machine and its peers no longer hear each other; everybody else hears them all."""
        for peer in peers:
            ip("-n", f"{self._tag}-{name}", "route", "add", "blackhole", self.addresses[peer])

    def join(self, name: str, peers: Sequence[str]) -> None:
        for peer in peers:
            ip("-n", f"{self._tag}-{name}", "route", "del", "blackhole", self.addresses[peer])

    def hosts(self) -> str:
        """A hosts file that names every machine."""
        lines = [f"{address} {name}" for name, address in self.addresses.items()]
        return "\n".join(["127.0.0.1 localhost", *lines, ""])

    def close(self) -> None:
        for space in self._spaces:
            with suppress(NoNetwork):
                ip("netns", "del", space)


class Machine:
    """One program of a Debian root, alone in its namespaces, as if on a machine of its own.

    The root is read-only and shared; what the program writes lies in folders that are bound into
    it and outlive it. `kill` is the power going: everything in it dies at once.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        space: Path,
        log: Path,
        *,
        binds: Mapping[Path, str],
        user: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self._log = name, log
        self._words = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--as-pid2"]
        self._words += ["-D", str(root), "--read-only", f"--network-namespace-path={space}"]
        self._words += [f"--machine=ce-{os.getpid()}-{name}", f"--hostname={name}", "--pipe"]
        self._words += [f"--bind={here}:{there}" for here, there in binds.items()]
        self._words += [f"--user={user}", "--rlimit=NOFILE=65536"]
        self._words += [f"--setenv={key}={value}" for key, value in (env or {}).items()]
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, argv: Sequence[str]) -> None:
        """Run in the background; its output goes to the log."""
        self._child = self._spawn(argv)

    def run(self, argv: Sequence[str], limit_s: float = 180.0) -> None:
        """Run to its end. Raises NoNetwork with the last lines of the log where it fails."""
        child = self._spawn(argv)
        try:
            code = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            child.kill()
            code = -1
        if code:
            said = " / ".join(self.said().splitlines()[-4:])
            raise NoNetwork(f"{self.name}: {argv[0]} ended with {code}: {said}")

    def _spawn(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        # nspawn's own socket of notification is not what these programs expect there.
        words = [*self._words, "env", "-u", "NOTIFY_SOCKET", *argv]
        with self._log.open("ab") as out:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    def said(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        """SIGKILL of its process 1, with which the kernel ends all others of it."""
        if self._child is None:
            return
        for pid in self._inner():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            self._child.wait(20.0)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None

    def _inner(self) -> list[int]:
        assert self._child is not None
        path = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children")
        end = time.monotonic() + 5.0
        while self.runs and time.monotonic() < end:
            if found := path.read_text().split():
                return [int(pid) for pid in found]
            time.sleep(0.05)
        return []

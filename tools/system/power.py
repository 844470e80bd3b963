# SPDX-License-Identifier: AGPL-3.0-or-later
"""Real power cuts: the installed box under a kernel of its own that is killed at work.

The kernel is Debian's User-Mode Linux: a whole Linux with ext4, cgroup v2 and systemd as a process
of this machine, so that it is fast enough where no hardware virtualisation is at hand. Killing it
takes everything that it had not written to its disk: what programs, page cache and journal held
in memory. The disk itself, a file of the host, loses nothing that was written to it; what a
disk's own cache loses is tried by tools/faultlab/powercut.py. Every fifth time the disk is opened
synchronously, so that writes come in another order.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tools.system import box, limits, roots
from tools.system.box import Box
from tools.system.city import DEVICE, HOST, City
from tools.system.container import HOME, Container, Failed, until
from tools.system.roots import System, say

PROGRAMS = (
    "linux.uml=user-mode-linux",
    "slirp-fullbolt=slirp",
    "mke2fs=e2fsprogs",
    "debugfs=e2fsprogs",
)
MODULES = Path("/usr/lib/uml/modules")
DISK = "8G"
MEMORY = "2G"
EVIDENCE = "/var/lib/edge/evidence"
BOOT_S = 600.0
DRAIN_S = 900.0
# Of each boot, before the power goes: so many records promised, and one of them at the platform.
LEAST = 15
# A boot with all daemons takes three times as long here as one of sensord and uplinkd.
CAMERA_EVERY = 4
OFTEN_OFF = ("edge-visiond.service", "edge-consoled.service", "edge-flightd.service")
COMMAND_LINE = (
    *("root=/dev/ubda", "rw", "panic=-1", "con=null", "con0=null,fd:1", "ssl=null"),
    *("systemd.mask=e2scrub_reap.service", "systemd.mask=getty.target"),
    *("systemd.mask=apt-daily.timer", "systemd.mask=apt-daily-upgrade.timer"),
)
# slirp gives its guest this address and reaches the host's loopback at the gateway's.
NETWORK = "[Match]\nName=eth*\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\n"
UNIT = """\
[Unit]
After=edge-uplinkd.service
[Service]
{who}
Environment=PYTHONPATH={home}/city-edge
ExecStart=/opt/city-edge/current/bin/python -m {what}
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
"""
# Once, at the first start.
ONCE = "Type=oneshot\nTimeoutStartSec=infinity\nExecStartPost=touch /var/lib/limits-tried"
WRITER = "User=edge-sense\nGroup=edge\nSupplementaryGroups=dialout\nUMask=0007"


@dataclass(frozen=True, slots=True)
class Account:
    """What was promised and what came. `sensed`: revisions of sensord sealed on the box."""

    cuts: int
    promised: int
    missing: tuple[str, ...]
    invented: tuple[str, ...]
    sensed: int
    sensed_missing: tuple[str, ...]
    slowest_return_s: float

    def line(self) -> str:
        """The run as one line of JSON."""
        return json.dumps(
            {
                "cuts": self.cuts,
                "promised": self.promised,
                "missing": len(self.missing),
                "invented": len(self.invented),
                "sensed": self.sensed,
                "sensed_missing": len(self.sensed_missing),
                "slowest_return_s": round(self.slowest_return_s, 1),
            }
        )


class Machine:
    """One disk, started and killed."""

    def __init__(self, folder: Path, disk: Path) -> None:
        self._folder, self.disk = folder, disk
        self.told = folder / "promises"
        self._kernel: subprocess.Popen[bytes] | None = None
        self._earlier = ""

    def start(self, *, camera: bool = True, synchronous: bool = False) -> None:
        """The power comes back. Without `camera` visiond, the page and flights stay off."""
        disk = f"ubda{'s' if synchronous else ''}={self.disk}"
        words = ["linux.uml", f"mem={MEMORY}", disk, *COMMAND_LINE]
        words += [] if camera else [f"systemd.mask={unit}" for unit in OFTEN_OFF]
        words += [f"eth0=slirp,,{shutil.which('slirp-fullbolt')}", f"uml_dir={self._folder}/uml"]
        with self.told.open("ab") as told, (self._folder / "console").open("ab") as log:
            self._kernel = subprocess.Popen(
                [*words, f"ssl0=null,fd:{told.fileno()}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=(told.fileno(),), start_new_session=True,
            )  # fmt: skip

    @property
    def ended(self) -> bool:
        """The kernel has ended by itself, as when it panics at boot."""
        return self._kernel is not None and self._kernel.poll() is not None

    def kill(self) -> None:
        """The power goes; what the box said stays said."""
        if self._kernel is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._kernel.pid, signal.SIGKILL)
            self._kernel.wait()
            self._kernel = None
        if self.told.exists():
            self._earlier += self.told.read_text("ascii", "replace") + "\n"
            self.told.unlink()

    def said(self, word: str) -> list[str]:
        """Names that the box said with this word, all boots together, whole lines only."""
        told = self._earlier + self._now()
        found = re.findall(rf"^{word} ([0-9a-f]{{8}}-[0-9]{{5}})\r?\n", told, re.M)
        return list(dict.fromkeys(found))

    def said_now(self) -> set[str]:
        """What was put since this start."""
        return set(re.findall(r"^put ([0-9a-f]{8}-[0-9]{5})\r?\n", self._now(), re.M))

    def active_now(self) -> set[str]:
        """Units that the box has called active since this start."""
        return {name for row in re.findall(r"^active (.*)\r?\n", self._now(), re.M)
                for name in row.split()}  # fmt: skip

    def limits_now(self) -> dict[str, str]:
        """What limits.py said since this start: daemon and what -> how it ended."""
        rows = re.findall(r"^limit (\S+ \S+)(?: (\S+))?\r?\n", self._now(), re.M)
        return dict(rows)

    def _now(self) -> str:
        return self.told.read_text("ascii", "replace") if self.told.exists() else ""


def cuts(system: System, number: int, keep: bool = False) -> Account:
    """Cut the power so often; what was promised against what came. Raises Failed."""
    folder = Path(tempfile.mkdtemp(prefix="systemtest-power-", dir="/var/tmp"))
    try:
        with City(folder / "city") as city:
            machine = Machine(folder, _disk(system, folder, city))
            try:
                return _account(machine, city, number, _cut(machine, city, number))
            finally:
                machine.kill()
    finally:
        if keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _cut(machine: Machine, city: City, number: int) -> float:
    """The slowest start to the first record that is at the platform again."""
    slowest, rng = 0.0, random.Random(7)
    for cut in range(number):
        began = time.monotonic()
        camera = cut % CAMERA_EVERY == 0
        machine.start(camera=camera, synchronous=cut % 5 == 4)
        until(lambda: _delivers(machine, city), f"boot {cut + 1} delivers", BOOT_S)
        slowest = max(slowest, time.monotonic() - began)
        until(lambda: len(machine.said_now()) >= LEAST, f"boot {cut + 1} puts records", BOOT_S)
        if camera:
            until(lambda: {*box.UNITS} <= machine.active_now(), "every daemon runs", BOOT_S)
        if cut == 0:
            until(lambda: "all tried" in machine.limits_now(), "the limits are tried", BOOT_S)
            _hold(machine.limits_now())
        time.sleep(rng.uniform(0.0, 5.0))
        machine.kill()
        promised, here = machine.said("put"), _arrived(city)
        print(
            f"cut {cut + 1}: {len(promised)} promised, {len(here & set(promised))} there,"
            f" back after {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return slowest


def _hold(found: dict[str, str]) -> None:
    """Raises Failed where a unit let through what its limit forbids, or forbids what it leaves."""
    wrong = [f"{what}: {found.get(what, 'not tried')}, not {right}"
             for what, right in limits.RIGHT.items() if found.get(what) != right]  # fmt: skip
    if wrong:
        raise Failed("limits: " + "; ".join(wrong))
    print(f"limits of {len(limits.RIGHT)} units and kinds hold", flush=True)


def _delivers(machine: Machine, city: City) -> bool:
    """Raises Failed where the machine is gone: nobody has cut its power."""
    if machine.ended:
        raise Failed("the kernel ended by itself: see console (--keep)")
    return bool(machine.said_now() & _arrived(city))


def _arrived(city: City) -> set[str]:
    return {str(data["subject"]) for data in city.records("fault")}


def _account(machine: Machine, city: City, number: int, slowest_s: float) -> Account:
    """After a last start everything that was promised comes."""
    machine.start()
    promised = set(machine.said("put"))
    with contextlib.suppress(Failed):
        until(lambda: promised <= _arrived(city), "all is there", DRAIN_S)
    until(lambda: len(machine.said_now()) >= LEAST, "the last boot works", BOOT_S)
    machine.kill()
    here = _arrived(city)
    ours = {name for name in here if re.fullmatch(r"[0-9a-f]{8}-[0-9]{5}", name)}
    sealed, released = _sealed(machine)
    stored = {f"{row['id']}/r{row['revision']}" for row in city.records("violation")}
    return Account(
        number,
        len(promised),
        tuple(sorted(promised - here)),
        tuple(sorted(ours - set(machine.said("begun")))),
        len(sealed),
        tuple(sorted(released - stored)),
        slowest_s,
    )


def _sealed(machine: Machine) -> tuple[set[str], set[str]]:
    """Revisions on the disk, and those of them that the box holds for released."""
    # The journal of the file system is read back first, as a boot does.
    subprocess.run(["e2fsck", "-fy", str(machine.disk)], capture_output=True)
    cases = [name for name in _names(machine.disk, EVIDENCE) if name.startswith("v-")]
    sealed, released = set(), set()
    for case in cases:
        inside = _names(machine.disk, f"{EVIDENCE}/{case}")
        for revision in (name for name in inside if re.fullmatch(r"r[0-9]+", name)):
            files = _names(machine.disk, f"{EVIDENCE}/{case}/{revision}")
            if "manifest.json" in files:
                sealed.add(f"{case}/{revision}")
            if "receipt.json" in files:
                released.add(f"{case}/{revision}")
    return sealed, released


def _names(disk: Path, folder: str) -> list[str]:
    said = subprocess.run(
        ["debugfs", "-R", f"ls -p {folder}", str(disk)], capture_output=True, text=True
    ).stdout
    return [row.split("/")[5] for row in said.splitlines() if row.count("/") >= 6]


def _disk(system: System, folder: Path, city: City) -> Path:
    """Installed in a container, for that takes a minute there, then made a disk that boots."""
    root = roots.unpack(roots.box(system), folder / "root")
    box.lay_source(root)
    box.lay_hosts(root)
    container = Container(
        root, system, folder / "install.log", {roots.wheels(system.python): box.WHEELS}
    )
    try:
        container.boot()
        one = Box(container, city)
        for step in (one.fetch, one.install, one.provision, one.configure):
            step()
        container.power_off()
    finally:
        container.cut()
    _prepare(root)
    disk = folder / "disk.img"
    roots.run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(disk), DISK], "mke2fs")
    shutil.rmtree(root)
    return disk


def _prepare(root: Path) -> None:
    """Its network, its instruments, and who promises."""
    shutil.copytree(MODULES, root / "usr/lib/modules", dirs_exist_ok=True)
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {DEVICE}\n10.0.2.2 {HOST}\n")
    (root / "etc/systemd/network/20.network").write_text(NETWORK)
    # The board's hardware watchdog; there is none here.
    (root / "etc/systemd/system.conf.d").mkdir(exist_ok=True)
    (root / "etc/systemd/system.conf.d/99.conf").write_text("[Manager]\nRuntimeWatchdogSec=off\n")
    units = root / "etc/systemd/system"
    what = {"who": "User=root", "home": HOME, "what": "tools.system.instruments /run/ports"}
    (units / "test-instruments.service").write_text(UNIT.format(**what))
    what |= {"who": WRITER, "what": "tools.system.promises /dev/ttyS0"}
    (units / "test-promises.service").write_text(UNIT.format(**what))
    what |= {"who": "User=root", "what": "tools.system.limits /dev/ttyS0"}
    text = UNIT.format(**what).replace("Restart=always", ONCE).replace("RestartSec=2\n", "")
    text = text.replace("[Service]", "ConditionPathExists=!/var/lib/limits-tried\n[Service]")
    (units / "test-limits.service").write_text(text)
    wants = units / "multi-user.target.wants"
    for name in ("test-instruments", "test-promises", "test-limits"):
        (wants / f"{name}.service").symlink_to(units / f"{name}.service")
    (wants / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")

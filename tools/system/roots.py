# SPDX-License-Identifier: AGPL-3.0-or-later
"""Debian roots and wheels in a cache folder outside the tree: made once, unpacked for each run.

Everything comes from where this machine's own apt and pip get theirs. A root is a tar file; a run
unpacks it, so that no run sees what another one left.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("CITY_EDGE_CACHE", "/var/cache/city-edge"))
# What the README promises to need, and nothing else.
BARE = ("python3", "git")
# What every image for a board has besides, Raspberry Pi OS Lite among them.
BOX = ("systemd", "systemd-sysv", "dbus", "udev", "sudo", "iproute2", "procps", "openssl", "kmod")
# A platform of several machines: brokers, what stands before them, and the database.
CLUSTER = ("rabbitmq-server", "haproxy", "postgresql")
STORE = ("radosgw", "ceph-mon", "ceph-osd")
# Beyond the lock: what pip builds the project's own package with.
BUILDERS = ("setuptools", "wheel")


class NoRoot(Exception):
    """A root or wheels could not be had; one line with the reason."""


@dataclass(frozen=True, slots=True)
class System:
    """A release of a distribution and the Python it has."""

    number: int
    suite: str
    python: str
    maker: str = "Debian"

    @property
    def name(self) -> str:
        return f"{self.maker.lower()}-{self.number}-{architecture()}"

    @property
    def called(self) -> str:
        return f"{self.maker} {self.number}"


SYSTEMS = {12: System(12, "bookworm", "3.11"), 13: System(13, "trixie", "3.13")}
# Bare ones only, for their Pythons.
UBUNTU = {22: System(22, "jammy", "3.10", "Ubuntu"), 24: System(24, "noble", "3.12", "Ubuntu")}


def architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def say(text: str) -> None:
    print(f"tools/systemtest: {text}", file=sys.stderr, flush=True)


def mirror() -> str:
    """The Debian mirror that apt uses here. Raises NoRoot where apt names none."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT) $(CREATED_BY)"],
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        uri, _, rest = line.partition(" ")
        if rest == "main Packages" and re.search(r"/debian/?$", uri):
            return uri
    raise NoRoot("apt has no Debian archive here (component main); on Debian it has")


def run(argv: Sequence[str], what: str, limit_s: float = 1800.0, **options: object) -> None:
    """Run to the end. Raises NoRoot with the last lines where it fails."""
    done = subprocess.run(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit_s,
        **options,  # type: ignore[call-overload]
    )
    if done.returncode:
        lines = "\n".join(done.stdout.splitlines()[-15:])
        raise NoRoot(f"{what} failed ({done.returncode}):\n{lines}")


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One at a time makes what is cached under this name."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def bare(system: System) -> Path:
    """A tar of the smallest root with python3 and git."""
    path = CACHE / f"{system.name}-bare.tar"
    with locked(path.name):
        if not path.exists():
            say(f"debootstrap of {system.suite} (once; a minute or two)")
            work = _fresh(CACHE / f".{system.name}-bare")
            words = ["debootstrap", "--variant=minbase", f"--include={','.join(BARE)}"]
            run([*words, *_origin(system, work)], "debootstrap")
            pack(work, path)
    return path


def _origin(system: System, work: Path) -> list[str]:
    """What debootstrap is told of suite, folder and archive. Ubuntu's archive is looked for beside
    Debian's on the same mirror; Debian has no key of it, so the mirror is believed."""
    if system.maker == "Debian":
        return [system.suite, str(work), mirror()]
    archive = re.sub(r"/debian/?$", "/ubuntu", mirror())
    say(f"{archive} is believed without a signature: Debian has no key of Ubuntu")
    words = ["--no-check-gpg", "--components=main,universe", system.suite, str(work), archive]
    # Every later suite has the same script; an older debootstrap knows no name of a newer one.
    return [*words, "/usr/share/debootstrap/scripts/gutsy"]


def box(system: System) -> Path:
    """A tar of a root that boots, as the image for a board is: an init, sudo, a person's account.

    python3-venv is not in it, nor anything that tools/install has to bring.
    """
    path = CACHE / f"{system.name}-box.tar"
    with locked(path.name):
        if not path.exists():
            say(f"a {system.suite} that boots (once; a minute)")
            work = _fresh(CACHE / f".{system.name}-box")
            unpack(bare(system), work)
            add_packages(work, BOX)
            shell(
                work,
                "useradd -m -s /bin/bash installer && "
                "echo 'installer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/installer && "
                "rm -f /etc/machine-id && touch /etc/machine-id && rm -f /etc/fstab",
            )
            pack(work, path)
    return path


def clustered(system: System) -> Path:
    """A root with the programs of a platform of several machines."""
    return _only_read(system, "cluster", CLUSTER)


def stored(system: System) -> Path:
    """A root with an S3-compatible store."""
    return _only_read(system, "store", STORE)


def _only_read(system: System, name: str, packages: Sequence[str]) -> Path:
    """A root that is never written to, so that one folder serves all runs."""
    path = CACHE / f"{system.name}-{name}"
    with locked(path.name):
        if not path.exists():
            say(f"a {system.suite} with {', '.join(packages)} (once; a few minutes)")
            work = _fresh(CACHE / f".{system.name}-{name}")
            unpack(bare(system), work)
            # Nothing may start while it is installed: this is no machine.
            policy = work / "usr/sbin/policy-rc.d"
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
            add_packages(work, packages)
            work.rename(path)
    return path


APT = "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
# So long another run may fetch packages into the same folder.
ARCHIVES_WAIT_S = 600.0


def add_packages(root: Path, packages: Sequence[str]) -> None:
    """Install into a root that is not booted. Roots of one system share the folder of what apt has
    fetched, and apt does not wait for the lock on it. Raises NoRoot."""
    until = time.monotonic() + ARCHIVES_WAIT_S
    while True:
        try:
            shell(root, f"export LC_ALL=C; apt-get update -qq && {APT} {' '.join(packages)}")
        except NoRoot as error:
            if "Could not get lock" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(2.0)
        else:
            return


def archives(system: System) -> Path:
    """Where apt of such a root keeps the packages it fetched."""
    folder = CACHE / f"{system.name}-apt"
    (folder / "partial").mkdir(parents=True, exist_ok=True)
    return folder


def shell(root: Path, text: str, limit_s: float = 1800.0) -> None:
    """Run a line in a root that is not booted. Raises NoRoot."""
    every = (*SYSTEMS.values(), *UBUNTU.values())
    system = next(one for one in every if one.python in _pythons(root))
    run([*nspawn(root, archives(system)), "sh", "-ec", text], text[:60], limit_s)


def _pythons(root: Path) -> set[str]:
    return {path.name.removeprefix("python") for path in (root / "usr/lib").glob("python3.*")}


def nspawn(root: Path, apt: Path) -> list[str]:
    """What every container of ours is started with: the host's names and network, apt's cache."""
    words = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "-D", str(root)]
    return [*words, "--resolv-conf=copy-host", f"--bind={apt}:/var/cache/apt/archives"]


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def pack(work: Path, path: Path) -> None:
    """A root becomes the tar of this name, whole or not at all; the folder goes."""
    partial = path.with_name(f".{path.name}.part")
    run(["tar", "--numeric-owner", "-C", str(work), "-cf", str(partial), "."], "tar")
    partial.rename(path)
    shutil.rmtree(work)


def unpack(tar: Path, folder: Path) -> Path:
    """A new root below `folder`. Raises NoRoot."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["tar", "--numeric-owner", "-C", str(folder), "-xpf", str(tar)], "tar")
    return folder


def wheels(python: str, machine: str = "") -> Path:
    """A folder with the wheels of the lock for a CPython (3.11), for this kind of machine.

    As `pip download` of docs/install.md makes it on a box's own kind; here for another Python
    too, so the markers of the lock are read by us.
    """
    machine = machine or platform.machine()
    lock = ROOT / "requirements.lock"
    folder = CACHE / f"wheels-{python}-{machine}"
    stamp, told = folder / ".lock", sha256(lock.read_bytes()).hexdigest()
    with locked(folder.name):
        if not stamp.exists() or stamp.read_text() != told:
            say(f"wheels for Python {python}, {machine} (once for each lock; some 230 MB)")
            words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            words += ["--disable-pip-version-check", "--dest", str(folder)]
            words += made_for(python, machine)
            run([*words, *wanted(python, machine), *BUILDERS], "pip download")
            _prune(folder, wanted(python, machine))
            stamp.write_text(told)
    return folder


def made_for(python: str, machine: str) -> list[str]:
    """What pip is told so that it takes wheels for another Python or machine, and no others."""
    words = ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    for tag in ("2_35", "2_34", "2_31", "2_28", "2_27", "2_26", "2_24", "2_17"):
        words += ["--platform", f"manylinux_{tag}_{machine}"]
    return [*words, "--platform", f"manylinux2014_{machine}"]


def _prune(folder: Path, lines: list[str]) -> None:
    """Wheels of another lock go; what did not change was not fetched again."""
    named = {canonicalize_name(name) for name in BUILDERS}
    pinned = {
        (canonicalize_name(name), version)
        for name, _, version in (x.partition("==") for x in lines)
    }
    for path in folder.glob("*.whl"):
        name, version, *_ = parse_wheel_filename(path.name)
        if name not in named and (name, str(version)) not in pinned:
            path.unlink()


def wanted(python: str, machine: str) -> list[str]:
    """name==version of what the lock puts on such a machine."""
    there = {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "platform_machine": machine,
    }
    lines = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    asked = (Requirement(line) for line in lines if line and line[0] not in " #")
    return [
        f"{one.name}{one.specifier}"
        for one in asked
        if one.marker is None or one.marker.evaluate(there)
    ]

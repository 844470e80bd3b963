# SPDX-License-Identifier: AGPL-3.0-or-later
"""Debian for 64-bit ARM under user emulation: the lock installs, and the box judges as on x86-64.

A program of another machine is started through binfmt_misc (qemu-aarch64); the entry is made here
and taken away again. Slow: some twenty times. So what is only unpacked is unpacked by this
machine: Debian's packages, whose own scripts are not run, and the wheels of the lock, by its pip
told which machine and Python they are for. The rest is run there: venv, pip's check of what is
installed, the building of our packages, the box, the tests. What waits for a clock is left out.
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.system import roots
from tools.system.box import CLIP, lay_clone
from tools.system.container import Failed
from tools.system.roots import ROOT, SYSTEMS, System, say

PROGRAMS = ("qemu-aarch64-static=qemu-user-static", "debootstrap=debootstrap")
MACHINE = "aarch64"
MISC = Path("/proc/sys/fs/binfmt_misc")
# Header of a 64-bit little-endian ELF for AArch64 (ELF specification, e_machine 183), its mask; F:
# the interpreter is opened now, so that it works in roots that have none.
ENTRY = (
    r":qemu-aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"
    r"\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
    r":/usr/bin/qemu-aarch64-static:F"
)
INCLUDED = "python3,python3-venv,ca-certificates"
# Through a file: a shell's pipe hides that its first program failed.
UNPACK = """
dpkg-deb --fsys-tarfile "$1" >"$2/.contents"
tar --numeric-owner --keep-directory-symlink -C "$2" -xpf "$2/.contents"
rm "$2/.contents"
"""
# From the tenth second to the 58th: stalls, a barbecue, and soil behind a truck.
FIRST_S, STEP_S, PICTURES = 10.0, 2.5, 20
PLACE, VENV = "/srv/city-edge", "/opt/v"
TESTS = (
    *("tests/contract", "tests/rules", "tests/outbox", "tests/house", "tests/evidence"),
    *("tests/learning", "tests/uplink/test_seal.py", "tests/uplink/test_keys.py"),
)
# Those that the time of one afternoon allows: some twenty times as long as on the machine itself.
QUICK = ("tests/outbox", "tests/learning", "tests/uplink/test_seal.py", "tests/uplink/test_keys.py")
WITHOUT = "not slow and not broker and not browser and not decoder"
HOURS_S = 4 * 3600.0
_TAKE = f"""
import json, sys, av, cv2
times = {{}}
with av.open(sys.argv[1]) as clip:
    for number, frame in enumerate(clip.decode(video=0)):
        if len(times) < {PICTURES} and frame.time >= {FIRST_S} + len(times) * {STEP_S}:
            name = f"{{number:03d}}.png"
            cv2.imwrite(f"{{sys.argv[2]}}/{{name}}", frame.to_ndarray(format="bgr24"))
            times[name] = round(frame.time, 3)
first = min(times.values())
times = {{name: at - first for name, at in times.items()}}
told = {{"start": "2026-05-01T08:00:00+08:00", "times_s": times}}
json.dump(told, open(f"{{sys.argv[2]}}/times.json", "w"))
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one Debian for ARM."""

    debian: int
    packages: int
    # Revisions of cases, by category.
    cases: dict[str, int]
    same_as_x86: bool
    tests: str
    passed: int
    took_s: float


@contextmanager
def emulation() -> Iterator[None]:
    """Programs for AArch64 run on this machine while the block lasts."""
    if platform.machine() == MACHINE or any(MISC.glob("qemu-aarch64*")):
        yield
        return
    if not (MISC / "register").exists():
        roots.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(MISC)], "binfmt_misc")
    (MISC / "register").write_text(ENTRY)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (MISC / "qemu-aarch64").write_text("-1")


def architecture_tar(system: System) -> Path:
    """A tar of the ARM root, made once."""
    path = roots.CACHE / f"debian-{system.number}-arm64-unpacked.tar"
    with roots.locked(path.name):
        if not path.exists():
            say(f"debootstrap of {system.suite} for arm64 (once; a few minutes)")
            work = roots.CACHE / f".{path.name}.work"
            shutil.rmtree(work, ignore_errors=True)
            words = ["debootstrap", "--arch=arm64", "--foreign", "--variant=minbase"]
            words += [f"--include={INCLUDED}", system.suite, str(work), roots.mirror()]
            roots.run(words, "debootstrap")
            _unpack_packages(work)
            roots.pack(work, path)
    return path


def _unpack_packages(root: Path) -> None:
    """What the second stage would do, without the packages' own scripts: emulated, these take half
    an hour, and all that is asked of them here is who root is."""
    archives = sorted((root / "var/cache/apt/archives").glob("*.deb"))
    for archive in archives:
        roots.run(["sh", "-ec", UNPACK, "sh", str(archive), str(root)], archive.name)
        archive.unlink()
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / "etc" / name)
    shutil.rmtree(root / "debootstrap")
    # Where it may not mount, its first stage leaves a link to the host's.
    (root / "proc").unlink()
    (root / "proc").mkdir()


def tried(system: System, *, quick: bool) -> Outcome:
    """Install, watch, test; `quick`: fewer tests. Raises Failed."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="systemtest-arm-", dir="/var/tmp"))
    try:
        with emulation():
            root = roots.unpack(architecture_tar(system), folder / "root")
            lay_clone(root, PLACE)
            _install(system, root)
            shown = root / "srv/pictures"
            shown.mkdir()
            subprocess.run(
                [sys.executable, "-c", _TAKE, str(CLIP / "street.mp4"), str(shown)], check=True
            )
            site = f"{PLACE}/tests/clips/street/site.yaml"
            watch = f"edge watch /srv/pictures --site {site} --json --out /srv/out"
            there = _cases(_in(root, f"{watch} 2>/srv/watch.log || (cat /srv/watch.log; false)"))
            here = _cases(_here(shown, folder / "out"))
            say(f"{len(here)} revisions of cases on x86-64, {len(there)} on {MACHINE}")
            tests = " ".join(QUICK if quick else TESTS)
            said = _in(
                root,
                f"cd {PLACE} && python -m pytest -q -p no:cacheprovider "
                f"--timeout 3600 -m '{WITHOUT}' {tests}",
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    last = re.findall(r"^.*\d+ passed.*$", said, re.MULTILINE)[-1].strip("= ")
    return Outcome(
        system.number,
        len(roots.wanted(system.python, MACHINE)),
        dict(Counter(row[0] for row in here)),
        there == here,
        last,
        int(re.findall(r"(\d+) passed", last)[0]),
        time.monotonic() - began,
    )


def _install(system: System, root: Path) -> None:
    """The lock and our own packages in an environment of that machine's Python."""
    say(f"{system.called} arm64: installing")
    _in(root, f"python3 -m venv {VENV}")
    packages = root / VENV.lstrip("/") / "lib" / f"python{system.python}" / "site-packages"
    wheels = sorted(roots.wheels(system.python, MACHINE).glob("*.whl"))
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    words += ["--no-deps", "--no-index", "--no-compile", "--upgrade", "--target", str(packages)]
    words += roots.made_for(system.python, MACHINE)
    roots.run([*words, *map(str, wheels)], "pip install")
    pip = "python -m pip --disable-pip-version-check"
    for package in ("", "/tools/reference_platform"):
        own = f"--no-index --no-deps --no-build-isolation -e {PLACE}{package}"
        _in(root, f"{pip} install --quiet {own}")
    _in(root, f"{pip} check")


def _here(shown: Path, out: Path) -> str:
    words = [sys.executable, "-m", "edge", "watch", str(shown), "--json", "--out", str(out)]
    words += ["--site", str(CLIP / "site.yaml")]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _cases(said: str) -> list[tuple[Any, ...]]:
    """What was judged and when, without names that are drawn by lot."""
    rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    keys = ("category", "revision", "phase", "began_s", "decided_s")
    return sorted(tuple(row[key] for key in keys) for row in rows)


def _in(root: Path, line: str) -> str:
    words = roots.nspawn(root, roots.archives(SYSTEMS[12]))
    words += ["-E", f"PATH={VENV}/bin:/usr/bin:/bin:/usr/sbin", "-E", "LANG=C.UTF-8"]
    done = subprocess.run(
        [*words, "sh", "-ec", line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=HOURS_S,
    )
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-40:])
        raise Failed(f"arm64: {line[:80]!r} ended with {done.returncode}:\n{last}")
    return done.stdout

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Debian for 64-bit ARM under user emulation: the lock installs, and the box judges as on x86-64.

A program of another machine is started through binfmt_misc (qemu-aarch64); the entry is made here
and taken away again. Slow: some twenty times. What waits for a clock is left out.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.system import roots
from tools.system.box import CLIP, lay_clone
from tools.system.container import Failed
from tools.system.roots import ROOT, System, say

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
# From the 25th second: stalls, a barbecue, and soil behind a truck.
FIRST, PICTURES = 16, 20
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
        if {FIRST} <= number < {FIRST + PICTURES}:
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
    cases: int
    same_as_x86: bool
    tests: str
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
    """A tar of the ARM root, made once; the second stage takes ten minutes and more."""
    path = roots.CACHE / f"debian-{system.number}-arm64-python.tar"
    with roots.locked(path.name):
        if not path.exists():
            say(f"debootstrap of {system.suite} for arm64 (once; a quarter of an hour)")
            work = roots.CACHE / f".{path.name}.work"
            shutil.rmtree(work, ignore_errors=True)
            words = ["debootstrap", "--arch=arm64", "--foreign", "--variant=minbase"]
            words += [f"--include={INCLUDED}", system.suite, str(work), roots.mirror()]
            roots.run(words, "debootstrap")
            second = ["chroot", str(work), "/debootstrap/debootstrap", "--second-stage"]
            try:
                roots.run(second, "debootstrap --second-stage", HOURS_S)
            finally:
                # It leaves the kernel's own files mounted, which are nobody's to pack or remove.
                subprocess.run(["umount", "--recursive", "--quiet", str(work / "proc")])
            roots.pack(work, path)
    return path


def tried(system: System, *, quick: bool) -> Outcome:
    """Install, watch, test; `quick`: fewer tests. Raises Failed."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="systemtest-arm-", dir="/var/tmp"))
    try:
        with emulation():
            root = roots.unpack(architecture_tar(system), folder / "root")
            lay_clone(root, PLACE)
            wheels = roots.wheels(system.python, MACHINE)
            shutil.copytree(wheels, root / "srv/wheels")
            _in(root, f"python3 -m venv {VENV}")
            pip = f"{VENV}/bin/python -m pip install --quiet --no-index --find-links /srv/wheels"
            _in(root, f"{pip} -r {PLACE}/requirements.lock setuptools wheel")
            for package in ("", "/tools/reference_platform"):
                _in(root, f"{pip} --no-deps --no-build-isolation -e {PLACE}{package}")
            shown = root / "srv/pictures"
            shown.mkdir()
            subprocess.run(
                [sys.executable, "-c", _TAKE, str(CLIP / "street.mp4"), str(shown)], check=True
            )
            site = f"{PLACE}/tests/clips/street/site.yaml"
            watch = f"{VENV}/bin/edge watch /srv/pictures --site {site} --json --out /srv/out"
            there = _cases(_in(root, watch))
            here = _cases(_here(shown, folder / "out"))
            tests = " ".join(QUICK if quick else TESTS)
            said = _in(
                root,
                f"cd {PLACE} && {VENV}/bin/python -m pytest -q -p no:cacheprovider "
                f"--timeout 3600 -m '{WITHOUT}' {tests}",
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    count = len(roots.wanted(system.python, MACHINE))
    return Outcome(
        system.number,
        count,
        len(here),
        there == here,
        said.strip().splitlines()[-1],
        time.monotonic() - began,
    )


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
    done = subprocess.run(
        ["chroot", str(root), "env", "-i", f"PATH={VENV}/bin:/usr/bin:/bin:/usr/sbin",
         "LANG=C.UTF-8", "HOME=/tmp", "sh", "-ec", line],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=HOURS_S,
    )  # fmt: skip
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-40:])
        raise Failed(f"arm64: {line[:80]!r} ended with {done.returncode}:\n{last}")
    return done.stdout

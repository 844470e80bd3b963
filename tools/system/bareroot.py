# SPDX-License-Identifier: AGPL-3.0-or-later
"""README's two commands from an empty folder on a Debian with git and python3 and nothing else.

Not booted: neither command needs an init. Packages of the distribution come from apt's mirror,
those of Python from a folder, as pip's own settings tell it (PIP_FIND_LINKS).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.system import roots
from tools.system.box import lay_clone
from tools.system.container import Failed
from tools.system.roots import System

PLACE = "/srv/city-edge"
LIMIT_S = 3600.0
# Until pip has begun, and then no longer.
CUT_OFF = """
tools/setup & pid=$!
until [ -e .venv/.unfinished ] && [ -x .venv/bin/pip ]; do kill -0 $pid || exit 1; sleep 0.1; done
sleep 2
kill -9 $pid
"""
# Where one Python differs from another, without the tests that wait for a clock.
QUICK = (
    *("tests/contract", "tests/outbox", "tests/house", "tests/evidence", "tests/drone"),
    *("tests/field/test_provision.py", "tests/uplink/test_tls.py", "tests/rules"),
)


def both_commands(system: System, *, quick: bool) -> None:
    """On Debian 12 tools/demo comes first, elsewhere tools/test, and then the other one. On 12 also
    once more after an attempt that was cut off. Raises Failed."""
    folder = Path(tempfile.mkdtemp(prefix="systemtest-", dir="/var/tmp"))
    try:
        root = roots.unpack(roots.bare(system), folder / "root")
        lay_clone(root, PLACE)
        tests = " ".join(("tools/test", *(QUICK if quick else ())))
        first, second = ("tools/demo", tests) if system.number == 12 else (tests, "tools/demo")
        if system.number == 12:
            _cut_off(system, root)
        _command(system, root, first)
        if not quick:
            _command(system, root, second)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cut_off(system: System, root: Path) -> None:
    """An attempt that ends in the middle of installing leaves what the next one cannot use."""
    _run(system, root, CUT_OFF)
    if not (root / PLACE.lstrip("/") / ".venv/.unfinished").exists():
        raise Failed("the attempt was not cut off in its middle: nothing half made to begin with")
    print(f"ok   {system.called} bare: an attempt was cut off", flush=True)


def _command(system: System, root: Path, line: str) -> None:
    began = time.monotonic()
    said = _run(system, root, line)
    last = [row for row in said.splitlines() if row.strip()][-1]
    took = time.monotonic() - began
    print(f"ok   {system.called} bare: {line} ({took:.0f} s): {last[:160]}", flush=True)


def _run(system: System, root: Path, line: str) -> str:
    wheels = roots.wheels(system.python)
    words = [*roots.nspawn(root, roots.archives(system)), f"--bind-ro={wheels}:/srv/wheels"]
    # bubblewrap of the tests makes a network of its own.
    words += ["--capability=CAP_NET_ADMIN", f"--chdir={PLACE}"]
    words += ["-E", "PIP_NO_INDEX=1", "-E", "PIP_FIND_LINKS=/srv/wheels"]
    # Ubuntu has Chromium as a snap only: there its tests are skipped, as on a developer's machine.
    words += ["-E", "CI=true"] if system.maker == "Debian" else []
    code, said = _said([*words, "sh", "-c", line])
    if code:
        kept = roots.ROOT / "out" / "systemtest" / f"bare-{system.name}.log"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(said, "utf-8")
        sys.stdout.write(said[-12_000:])
        raise Failed(f"{system.called}, bare: {line} {code}; see {kept}")
    # What systemd-nspawn says of its own folder at the end of every container here.
    return "\n".join(row for row in said.splitlines() if "/run/systemd/nspawn" not in row)


def _said(words: list[str]) -> tuple[str, str]:
    """How it ended, empty where well, and all that it said, also until its time was over."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"").decode("utf-8", "replace")
        return f"did not end within {LIMIT_S:.0f} s", said
    code = f"ended with {done.returncode}" if done.returncode else ""
    return code, done.stdout.decode("utf-8", "replace")

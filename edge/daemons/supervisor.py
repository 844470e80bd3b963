# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every daemon in one terminal, for a trial. On a box systemd does this, and better.

Each daemon is a child process; its log lines come out with its name in front. One that dies is
started again with back-off, as systemd would, also where it says "wrong configuration" (exit 2):
the page outlives it, to have it mended there. Where the page itself, or every daemon, says so, the
trial ends. Ctrl-C stops all of them in order.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.runtime import Backoff, Stop

STOP_S = 15.0
STABLE_S = 30.0
CONFIG_EXIT = 2
PAGE = "consoled"

# On a box a timer calls edge-janitord; here it stays.
EXTRA = {"janitord": ("--every", "60")}

DEVICE = """\
# What this box is. Every key is explained by: edge check --schema
device: edge-1
tenant: city
broker:
  host: 127.0.0.1
  port: 1883
  tls: off        # a trial on this machine; a real platform has tls: on
trust:
  release: platform
  down: tls
folders:
  state: state
  run: run
"""

SITE = """\
# What this box watches. Add a camera on the page that the console prints, or here.
name: 新点位
name_en: new site
cameras: []
"""


def trial_home(folder: Path) -> tuple[Path, Path]:
    """(site, device) files of a trial folder, written where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = ((folder / "site.yaml", SITE), (folder / "device.yaml", DEVICE))
    for path, text in pairs:
        if not path.exists():
            path.write_text(text, encoding="utf-8")
    return pairs[0][0], pairs[1][0]


@dataclass(slots=True)
class Child:
    """One daemon: its command line, and when it may be started again."""

    name: str
    argv: Sequence[str]
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    again_at: float = 0.0
    wrong: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, cap_s=20.0))

    def start(self) -> None:
        """Starts the process; its lines are echoed under its name."""
        self.process = subprocess.Popen(
            self.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self.started = time.monotonic()
        threading.Thread(target=self._echo, args=(self.process,), daemon=True).start()

    def _echo(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            print(f"{self.name:8} {line}", end="", file=sys.stderr, flush=True)  # noqa: T201

    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else 0


def run_all(names: Sequence[str], site: Path, device: Path, stop: Stop) -> int:
    """Run the named daemons until stop, or until the page or all of them find their configuration
    wrong; the exit code of the trial."""
    files = ["--site", str(site), "--device", str(device)]
    children = [
        Child(n, [sys.executable, "-m", "edge", n, *files, *EXTRA.get(n, ())]) for n in names
    ]
    for child in children:
        child.start()
    try:
        while not stop.wait(0.2):
            for child in children:
                _tend(child)
            if hopeless(children):
                return CONFIG_EXIT
        return 0
    finally:
        _stop_all(children)


def hopeless(children: Sequence[Child]) -> bool:
    """Nobody is left to mend the configuration with."""
    wrong = {child.name for child in children if child.wrong}
    return PAGE in wrong or len(wrong) == len(children)


def _tend(child: Child) -> None:
    """Start a dead child again when its time has come; note where its configuration is wrong."""
    code, now = child.exit_code(), time.monotonic()
    if code is None:
        if now - child.started > STABLE_S:
            child.backoff.reset()
            child.wrong = False
        return
    if child.process is not None:
        child.process, child.wrong = None, code == CONFIG_EXIT
        child.again_at = now + child.backoff.next_s()
    elif now >= child.again_at:
        child.start()


def _stop_all(children: Sequence[Child]) -> None:
    alive = [c.process for c in children if c.process and c.process.poll() is None]
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + STOP_S
    for process in alive:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()

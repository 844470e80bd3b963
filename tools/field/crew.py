# SPDX-License-Identifier: AGPL-3.0-or-later
"""The programs of a soak as systemd runs them: watched, started again two seconds after death."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

RESTART_S = 2.0
STOP_S = 30.0


@dataclass(slots=True)
class Worker:
    """One program. `down_until` is when it may start (again); `ends` are exit codes nobody asked
    for, `kills` those that the soak caused."""

    name: str
    argv: list[str]
    log: Path
    child: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    down_until: float = 0.0
    kills: int = 0
    ends: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int | None:
        return self.child.pid if self.child is not None and self.child.poll() is None else None

    def tend(self, now: float) -> None:
        """Notice a death, and start where it is time to."""
        if self.child is not None and self.child.poll() is not None:
            self.ends.append(int(self.child.returncode))
            self.child, self.down_until = None, now + RESTART_S
        if self.child is None and now >= self.down_until:
            with self.log.open("ab") as out:
                self.child = subprocess.Popen(self.argv, stdout=out, stderr=subprocess.STDOUT)
            self.started = now

    def kill(self, now: float, down_s: float = RESTART_S) -> None:
        """kill -9, and stay away for so long."""
        if self.child is None:
            return
        self.child.kill()
        self.child.wait()
        self.child, self.down_until = None, now + down_s
        self.kills += 1

    def stop(self) -> int | None:
        """In order; the exit code, or None where it had to be killed or was not there."""
        child, self.child = self.child, None
        if child is None:
            return None
        child.terminate()
        try:
            return child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return None

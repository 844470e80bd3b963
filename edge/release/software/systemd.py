# SPDX-License-Identifier: AGPL-3.0-or-later
"""The init of an installed box, as an update needs it."""

from __future__ import annotations

import subprocess
from typing import Protocol

from edge.config import ConfigError
from edge.release.software.trial import DaemonSeen

DAEMONS = ("visiond", "sensord", "uplinkd", "consoled", "flightd")
SYSTEMCTL_S = 900.0


class Host(Protocol):
    """systemd as updaterd needs it; what fails raises ConfigError."""

    def systemctl(self, *words: str) -> None: ...

    def daemons(self) -> dict[str, tuple[DaemonSeen, int]]: ...


class Systemd:
    """The init of an installed box."""

    def systemctl(self, *words: str) -> None:
        """Raises ConfigError with what systemctl said; SystemExit where there is no init to ask any
        more, or it ends everything: that is no fault of a release, and the step is done again."""
        done = subprocess.run(
            ["systemctl", *words], capture_output=True, text=True, timeout=SYSTEMCTL_S
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().replace("\n", "; ")
            text = f"systemctl {' '.join(words)}: {said[:400]}"
            if _ending():
                raise SystemExit(f"edge updaterd: {text}; done again at the next start")
            raise ConfigError(text)

    def daemons(self) -> dict[str, tuple[DaemonSeen, int]]:
        """Of each daemon what systemd says, and its process id."""
        return {name: self._daemon(name) for name in DAEMONS}

    def _daemon(self, name: str) -> tuple[DaemonSeen, int]:
        words = ["show", "--property=ActiveState,NRestarts,MainPID", f"edge-{name}.service"]
        done = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=60)
        shown = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
        seen = DaemonSeen(shown.get("ActiveState") == "active", _whole(shown.get("NRestarts")))
        return seen, _whole(shown.get("MainPID"))


def _ending() -> bool:
    """Whether the machine is being switched off, or its init is gone already."""
    words = ["systemctl", "is-system-running"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.stdout.strip() in ("", "offline", "unknown", "stopping")


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0

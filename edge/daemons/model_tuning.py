# SPDX-License-Identifier: AGPL-3.0-or-later
"""visiond's part in tuning: a model that was measured on this board once is measured again, by a
child beside the work, when another release of it, or another runtime, is in force.

A box that was never measured is left alone: `edge model tune` is somebody's word (docs/install.md).
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from pathlib import Path

from edge.config import ConfigError
from edge.pipeline.settings import Settings, manifest_path, model_names
from edge.vision.choice import Opening, opening_for, tuned_before

log = logging.getLogger(__name__)

TUNER_NICE = 10
SAID_BYTES = 8192  # the end of what the child printed, as far as it is kept


class ModelTuning:
    """Owned by visiond's main thread. `words` are the configuration's arguments for the child."""

    def __init__(self, settings: Settings, words: list[str]) -> None:
        self._settings, self._words = settings, words
        self._child: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._manifests = _manifests(settings)
        self._used = self._openings()
        self._due = any(
            tuned_before(settings.models, name, path) for name, path in self._manifests.items()
        )

    def _openings(self) -> list[Opening]:
        folder, compute = self._settings.models, self._settings.device.compute
        return [opening_for(folder, path, compute) for path in self._manifests.values()]

    def tick(self, *, trial: bool) -> bool:
        """True where visiond must start again, with another form. trial: a release is being
        installed or watched, whose pace must not be disturbed."""
        if self._due and not trial:
            self._due = False
            self._start()
        if self._child is None:
            return False
        ended = self._child.poll() is not None
        self._listen(self._child)
        return ended and self._ended()

    def _listen(self, child: subprocess.Popen[bytes]) -> None:
        """What it has printed by now: a full pipe would stop it."""
        assert child.stdout is not None
        while piece := child.stdout.read(SAID_BYTES):
            self._said = (self._said + piece)[-SAID_BYTES:]

    def _ended(self) -> bool:
        """Logs what it said and how it ended. True where another form is chosen."""
        assert self._child is not None and self._child.stdout is not None
        self._child.stdout.close()
        code, self._child = self._child.returncode, None
        level = logging.WARNING if code else logging.INFO
        for line in self._said.decode(errors="replace").splitlines():
            log.log(level, "edge model tune: %s", line)
        changed = code == 0 and self._openings() != self._used
        result = "another form" if changed else "as is"
        log.log(level, "edge model tune ended with %d: %s", code, result)
        return changed

    def _start(self) -> None:
        log.info("a model or its runtime is another than was measured: measuring anew")
        argv = [sys.executable, "-m", "edge.cli", "model", "tune", "--if-needed", *self._words]
        self._said = b""
        self._child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdout.fileno(), False)
        # It stands behind everybody who watches a street; the unit's filter of system calls may
        # not allow it to be reported.
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self._child.pid, TUNER_NICE)

    def stopping(self) -> None:
        """The child ends with visiond; what it had not written is measured at the next start."""
        if self._child is not None:
            self._child.terminate()


def _manifests(settings: Settings) -> dict[str, Path]:
    """By the names of the models in use; those that are not there are reported by the cameras."""
    found = {}
    for name in model_names(settings):
        with contextlib.suppress(ConfigError):
            found[name] = manifest_path(settings, name)
    return found

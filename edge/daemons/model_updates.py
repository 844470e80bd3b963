# SPDX-License-Identifier: AGPL-3.0-or-later
"""visiond's part in an update of a model or of a pack: a child installs, a release is watched.

The child (`edge model install`) unpacks and tests, so that a bad package can at worst take the
child with it; visiond starts again with what is then in force, and watches itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from edge.config import ConfigError
from edge.pipeline.publisher import Publisher
from edge.pipeline.settings import Settings, model_names
from edge.release.signing import release_ring
from edge.release.store import InferencePace, Keys, ReleaseState, ReleaseStore
from edge.release.trial import Watch, at_start

log = logging.getLogger(__name__)

# A slow link needs an hour for a package; a self-test that long is stuck.
CHILD_MOST_S = 4200.0
INSTALLER_NICE = 10
# The last line says how it came out. What a child of the child still holds open is not waited for.
LINES_KEPT, LISTEN_MOST_S = 20, 2.0
PACE_EVERY_S, PACE_LOOKS = 15.0, 5


@dataclass(frozen=True, slots=True)
class Installation:
    """A child that installs what the platform named: `edge COMMAND install --KEY=...`."""

    command: str
    keys: tuple[str, ...]
    names: str
    fault: str


INSTALLS = {
    "update_model": Installation("model", ("name", "release", "sha256"), "name", "model_refused"),
    "update_pack": Installation("pack", ("sha256",), "sha256", "pack_refused"),
}


class Measured(Protocol):
    """What is counted of a camera."""

    recording: bool

    def counted(self) -> tuple[int, int]: ...

    def age_p95_ms(self) -> float: ...


class Pacemeter:
    """The pace of each live camera over the last minute. Time is an argument."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, dict[str, tuple[int, int]]]] = deque(maxlen=PACE_LOOKS)

    def step(self, workers: Mapping[str, Measured], now: float) -> None:
        """Note the counts of each live camera, at most once in PACE_EVERY_S."""
        if self._marks and now - self._marks[-1][0] < PACE_EVERY_S:
            return
        counts = {
            name: worker.counted() for name, worker in workers.items() if not worker.recording
        }
        self._marks.append((now, counts))

    def paces(self, workers: Mapping[str, Measured]) -> dict[str, InferencePace]:
        """{} in the first quarter of a minute."""
        if len(self._marks) < 2:
            return {}
        (began, first), (ended, last) = self._marks[0], self._marks[-1]
        return {
            name: InferencePace(
                read_s=round((read - first[name][0]) / (ended - began), 3),
                looks_s=round((looks - first[name][1]) / (ended - began), 3),
                age_ms=round(workers[name].age_p95_ms(), 1),
            )
            for name, (read, looks) in last.items()
            if name in first
        }


def stores(settings: Settings) -> list[ReleaseStore]:
    """The store of each model that the site's cameras use and that ever had a release."""
    folder = settings.models
    return [
        ReleaseStore(folder, name) for name in model_names(settings) if (folder / name).is_dir()
    ]


def pinned(settings: Settings) -> Keys:
    """The release keys; none where none is configured: then no installed release is sound."""
    try:
        return release_ring(settings.device.updates.release_key, settings.base)
    except ConfigError as error:
        log.error("%s", error)
        return ()


def start_releases(settings: Settings) -> dict[str, ReleaseState]:
    """Before any model is opened: counts starts on trial, takes back what did not hold."""
    found = stores(settings)
    keys = pinned(settings) if found else ()
    return {store.name: at_start(store, keys) for store in found}


class ModelUpdates:
    """Owned by visiond's main thread. `words` are the configuration's arguments for the child."""

    def __init__(
        self,
        settings: Settings,
        states: Mapping[str, ReleaseState],
        publisher: Publisher,
        words: list[str],
    ) -> None:
        self._settings, self._publisher, self._words = settings, publisher, words
        self._stores = {store.name: store for store in stores(settings)}
        self._child: subprocess.Popen[str] | None = None
        self._said, self._listener = deque[str](maxlen=LINES_KEPT), threading.Thread()
        self._asked, self._deadline = "", 0.0
        self._how = INSTALLS["update_model"]
        self._meter = Pacemeter()
        self._watches: dict[str, Watch] = {}
        for name, state in states.items():
            self._begin(name, state)

    def _begin(self, name: str, state: ReleaseState) -> None:
        """Report how this start came out and watch what is on trial."""
        faults = self._publisher.faults
        if state.last == "rolled_back":
            faults.start("model_rolled_back", name, state.why, in_force=state.current)
        if state.trial is None:
            faults.end("model_on_trial", name)
            return
        watch_s = self._settings.device.updates.watch_s
        self._watches[name] = Watch(state.trial.baseline, time.monotonic(), watch_s=watch_s)
        text = f"release {state.current} is watched for {watch_s:.0f} s"
        faults.start("model_on_trial", name, text, before=state.previous)

    def ask(self, request: Mapping[str, Any]) -> bool:
        """Start an installation that came as a request; false where it cannot be."""
        if self._child is not None:
            log.warning("%s is still being installed; not served", self._asked)
            return False
        how = INSTALLS[str(request["kind"])]
        self._asked, self._how = str(request.get(how.names)), how
        argv = [sys.executable, "-m", "edge.cli", how.command, "install", "--json", *self._words]
        argv += [f"--{key}={request.get(key)}" for key in how.keys]
        self._child = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        # A full pipe would stop the child.
        self._said = deque(maxlen=LINES_KEPT)
        self._listener = threading.Thread(
            target=self._said.extend, args=(self._child.stdout,), name="installer", daemon=True
        )
        self._listener.start()
        # The installer stands behind everybody who watches a street; the unit's filter of system
        # calls may not allow it to be reported.
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, self._child.pid, INSTALLER_NICE)
        self._deadline = time.monotonic() + CHILD_MOST_S
        log.info("installing %s %s %s", how.command, self._asked, request.get("release", ""))
        return True

    @property
    def busy(self) -> bool:
        """A release is being installed or watched: the board is not to be disturbed."""
        return self._child is not None or bool(self._watches)

    def tick(self, workers: Mapping[str, Measured], *, eased: bool) -> bool:
        """True where visiond must start again, with the release that was taken back in force."""
        now = time.monotonic()
        self._meter.step(workers, now)
        self._reap(now)
        back = [n for n in list(self._watches) if self._judge(n, workers, now, eased=eased)]
        return bool(back)

    def _judge(
        self, name: str, workers: Mapping[str, Measured], now: float, *, eased: bool
    ) -> bool:
        watch, store = self._watches[name], self._stores[name]
        verdict = watch.step(self._meter.paces(workers), now, eased=eased)
        if verdict == "wait":
            return False
        del self._watches[name]
        self._publisher.faults.end("model_on_trial", name)
        if verdict == "settle":
            state = store.settle()
            self._publisher.faults.end("model_rolled_back", name)
            log.info("model %s: release %d is in force for good", name, state.current)
            return False
        store.roll_back(watch.why)
        return True

    def _reap(self, now: float) -> None:
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            if now > self._deadline:
                child.kill()
            return
        self._listener.join(LISTEN_MOST_S)
        if child.stdout is not None and not self._listener.is_alive():
            child.stdout.close()
        said = [line.strip() for line in list(self._said) if line.strip()]
        self._child = None
        if child.returncode == 0:
            self._publisher.faults.end(self._how.fault, self._asked)
            log.info("%s: %s", self._how.command, said[-1] if said else "done")
        else:
            why = said[-1] if said else f"the installer ended with {child.returncode}"
            self._publisher.faults.start(self._how.fault, self._asked, why[:500])

    def status(self, workers: Mapping[str, Measured]) -> dict[str, Any]:
        """For the status file; `pace` is what the next release is held to."""
        return {
            "installing": self._asked if self._child is not None else None,
            "on_trial": sorted(self._watches),
            "pace": msgspec.to_builtins(self._meter.paces(workers)),
        }

    def stopping(self) -> None:
        """An orderly stop is no failed start of a release on trial."""
        for name in self._watches:
            self._stores[name].booted(-1)
        if self._child is not None:
            self._child.terminate()


def baseline(status: Mapping[str, Any]) -> dict[str, InferencePace]:
    """The pace that visiond's status file states; {} where it states none."""
    try:
        pace = status["updates"]["pace"]
        return msgspec.convert(json.loads(json.dumps(pace)), dict[str, InferencePace])
    except (KeyError, TypeError, ValueError, msgspec.ValidationError):
        return {}

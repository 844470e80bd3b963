# SPDX-License-Identifier: AGPL-3.0-or-later
"""updaterd: does the steps of a software update, one after the other, as root, without a network.

Runs only while there is something to do: edge-updaterd.path starts it when uplinkd has fetched a
release, and at a boot in the middle of one. It trusts nothing but the release key: what uplinkd
laid down is copied to where only root writes, and checked there. It runs from the release that held
last, so that a bad one can be taken back however bad it is.
"""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from edge.config import ConfigError, Device, load
from edge.config.paths import BoxFiles, box_files
from edge.isolation import ItemGuard
from edge.jsonfile import read_status
from edge.release.signing import release_ring
from edge.release.software import steps
from edge.release.software.incoming import bring, read_bounded
from edge.release.software.manifest import (
    MANIFEST_BYTES_MAX,
    RELEASE_BYTES_MAX,
    SoftwareInForce,
    SoftwareRelease,
    check_fits,
    read_release,
)
from edge.release.software.slots import Slots, this_machine, this_python
from edge.release.software.state_file import StateFile
from edge.release.software.steps import SoftwareState, Work
from edge.release.software.systemd import DAEMONS, Host, Systemd
from edge.release.software.trial import TrialSeen, TrialWatch
from edge.release.software.units import ENABLED, UNITS, Units
from edge.release.software.wheels import remove_tree
from edge.runtime import Notify, Stop, make_folder

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
# Work that failed although it must not (a full disk, an init that does not answer) is tried again.
AGAIN_S = 10.0
WHY_BYTES = 2000


class Updaterd:
    """One run. passed(name) is called before the work of a stage (`begin:STAGE`), after it
    (`done:STAGE`) and once the next stage is on the disk (`kept:STAGE`); tests end it there."""

    def __init__(
        self,
        device: Device,
        where: BoxFiles,
        host: Host,
        *,
        units: Path = UNITS,
        enabled: Path = ENABLED,
        passed: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        interpreter: Path | None = None,
    ) -> None:
        self._device, self._where, self._host = device, where, host
        self._passed, self._sleep = passed, sleep
        self._clock, self._interpreter = clock, interpreter
        self._folder = where.update
        self._incoming, self._stage = self._folder / "incoming", self._folder / "stage"
        self._slots, self._file = Slots(where.program), StateFile(self._folder)
        self._units = Units(self._slots, units, enabled)
        self._guard = ItemGuard(self._folder / "ended.json", "", lambda item, why: None)
        self._works: Mapping[Work, Callable[[SoftwareState], SoftwareState]] = {
            "check": self._check,
            "stage": self._lay,
            "test": self._test,
            "switch": self._switch,
            "start": self._start,
            "watch": self._watch,
            "settle": self._settle,
            "stop": self._stop,
            "lower": self._lower,
            "unswitch": self._unswitch,
            "restart": self._start,
            "go_on": self._go_on,
            "clean": self._clean,
        }

    def run(self, stop: Stop) -> SoftwareState:
        """Until nothing is to do any more, or stopped; the state it ends in."""
        make_folder(self._folder)
        state = self._file.read()
        counted = steps.started(state, time.time())
        if counted != state:
            state = self._file.write(counted)
        while not stop:
            if state.stage == "idle":
                wanted = self._requested(state)
                if wanted is None:
                    break
                state = self._file.write(wanted)
                (self._incoming / "ready.json").unlink(missing_ok=True)
            state = self._step(state)
        return state

    def _requested(self, state: SoftwareState) -> SoftwareState | None:
        """What uplinkd has brought: only names, nothing of it is believed."""
        path = self._incoming / "ready.json"
        try:
            found = json.loads(read_bounded(path, 4096))
            number, sha256 = int(found["number"]), str(found["sha256"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("%s: %s; dropped", path, error)
            path.unlink(missing_ok=True)
            return None
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            log.error("%s: no SHA-256; dropped", path)
            path.unlink(missing_ok=True)
            return None
        return steps.asked(state, number, sha256, time.time())

    def _step(self, state: SoftwareState) -> SoftwareState:
        step = steps.STEPS[state.stage]
        self._passed(f"begin:{state.stage}")
        after, bug = state, list[str]()
        with self._guard.working_for(f"release {state.number}", bug.append):
            after = self._worked(state, step.work)
        if bug:
            after = self._not_done(state, step.work, f"a bug: {bug[0]}")
        self._passed(f"done:{state.stage}")
        self._file.write(after)
        self._passed(f"kept:{state.stage}")
        log.info("update to release %d: %s -> %s", state.number, state.stage, after.stage)
        return after

    def _worked(self, state: SoftwareState, work: Work) -> SoftwareState:
        try:
            return steps.done(self._works[work](state), time.time())
        except (ConfigError, OSError, subprocess.TimeoutExpired) as error:
            return self._not_done(state, work, str(error))

    def _not_done(self, state: SoftwareState, work: Work, why: str) -> SoftwareState:
        # What the work itself kept (a number that must never be used again) stays kept.
        after = steps.failed(self._file.read(), why, time.time())
        log.error("update to release %d: %s: %s", state.number, work, why)
        if after.stage == state.stage:
            self._sleep(AGAIN_S)
        return after

    # ---- before the switch

    def _check(self, state: SoftwareState) -> SoftwareState:
        remove_tree(self._stage)
        self._stage.mkdir(mode=0o700)
        self._bring(state.sha256, MANIFEST_BYTES_MAX)
        release = self._release(state)
        check_fits(release, state.sha256, self._in_force(state), self._named(state))
        if release.number != state.number:
            raise ConfigError(f"asked was release {state.number}, it is {release.number}")
        here = self._slots.release(self._slots.in_force())
        return msgspec.structs.replace(
            state,
            version=release.version,
            slot=self._slots.spare(),
            before=here.number if here else 0,
            before_slot=self._slots.in_force(),
            schema=self._in_force(state).outbox,
            cameras=tuple(sorted(self._looked())),
        )

    def _named(self, state: SoftwareState) -> str:
        return f"release {state.number}"

    def _release(self, state: SoftwareState) -> SoftwareRelease:
        """From where only root writes; its signature each time it is read."""
        updates = self._device.updates
        keys = release_ring(updates.software_key, self._where.base, "updates.software_key")
        return read_release((self._stage / state.sha256).read_bytes(), keys, self._named(state))

    def _in_force(self, state: SoftwareState) -> SoftwareInForce:
        from edge.outbox.schema import MIGRATIONS
        from edge.rules import snapshots

        here = self._slots.release(self._slots.in_force())
        return SoftwareInForce(
            number=here.number if here else 0,
            seen=state.seen,
            sha256=state.seen_sha256,
            python=this_python(),
            machine=this_machine(),
            outbox=here.outbox if here else len(MIGRATIONS),
            snapshot=here.snapshot if here else snapshots.FORM,
        )

    def _bring(self, sha256: str, most: int) -> None:
        bring(self._incoming / sha256, self._stage / sha256, most)

    def _lay(self, state: SoftwareState) -> SoftwareState:
        self._stage.mkdir(mode=0o700, exist_ok=True)
        self._bring(state.sha256, MANIFEST_BYTES_MAX)
        release = self._release(state)
        self._slots.check_room(release, self._incoming)
        sizes, laid = release.objects, list[Path]()

        def fetched(sha256: str) -> Path:
            """A copy that nobody else can change, gone once the next one is asked for: all of them
            beside what was fetched and what is laid would be a third time the disk."""
            while laid:
                laid.pop().unlink(missing_ok=True)
            self._bring(sha256, min(sizes[sha256], RELEASE_BYTES_MAX))
            laid.append(self._stage / sha256)
            return laid[0]

        text = (self._stage / state.sha256).read_bytes()
        self._unpin()
        self._slots.lay(release, text, fetched, state.slot, interpreter=self._interpreter)
        remove_tree(self._stage)
        return state

    def _unpin(self) -> None:
        """Before a slot goes: nothing that a boot starts leads into it. An earlier version laid
        links where `systemctl enable` needs files. Raises ConfigError, OSError."""
        names = self._units.unpin()
        if names:
            log.warning("%s: enabled from a slot that goes; enabled anew", ", ".join(names))
            self._host.systemctl("daemon-reload")

    def _test(self, state: SoftwareState) -> SoftwareState:
        """In a unit of its own, as nobody in particular, with nothing to write and no network."""
        try:
            self._host.systemctl("start", f"edge-update-selftest@{state.slot}.service")
        except ConfigError as error:
            raise ConfigError(f"self-test: {self._said() or error}") from None
        return state

    def _said(self) -> str:
        """The self-test's own words; it is not proven yet, so no more than a few of them."""
        with suppress(OSError):
            said = read_bounded(self._where.run / "selftest" / "why.txt", WHY_BYTES)
            return said.decode("utf-8", "replace").strip()
        return ""

    # ---- the switch and the trial

    def _switch(self, state: SoftwareState) -> SoftwareState:
        """The number is kept first: one that was taken back is never mistaken for a new one."""
        counted = msgspec.structs.replace(state, seen=state.number, seen_sha256=state.sha256)
        self._file.write(counted)
        self._passed("counted")
        self._slots.switch(state.slot)
        return counted

    def _start(self, state: SoftwareState) -> SoftwareState:
        """Every daemon anew, from the release that is in force now."""
        self._units.lay()
        self._host.systemctl("daemon-reload")
        self._host.systemctl("restart", "edge-update-accounts.service")
        self._passed("linked")
        self._host.systemctl("restart", "edge.target", *self._services())
        return state

    def _services(self) -> list[str]:
        return [f"edge-{name}.service" for name in DAEMONS]

    def _watch(self, state: SoftwareState) -> SoftwareState:
        updates = self._device.updates
        cameras = frozenset(state.cameras)
        watch = TrialWatch(cameras, self._clock(), updates.prove_s, updates.steady_s)
        while True:
            verdict = watch.step(self._seen(), self._clock())
            if verdict:
                return state
            if verdict is False:
                raise ConfigError(watch.why)
            self._passed("watching")
            self._sleep(LOOK_EVERY_S)

    def _seen(self) -> TrialSeen:
        daemons = self._host.daemons()
        pids = {name: pid for name, (_, pid) in daemons.items()}
        return TrialSeen(
            daemons={name: seen for name, (seen, _) in daemons.items()},
            looked=self._looked(pids["visiond"]),
            acknowledged=self._acknowledged(pids["uplinkd"]),
        )

    def _looked(self, pid: int | None = None) -> frozenset[str]:
        """Cameras that visiond has looked at in its present run. pid: it must be that process."""
        found = self._status("visiond", pid).get("cameras")
        rows = found if isinstance(found, dict) else {}
        return frozenset(
            str(name) for name, row in rows.items() if isinstance(row, dict) and row.get("looks")
        )

    def _acknowledged(self, pid: int) -> int:
        found = self._status("uplinkd", pid).get("records")
        count = found.get("acknowledged", 0) if isinstance(found, dict) else 0
        return count if isinstance(count, int) else 0

    def _status(self, daemon: str, pid: int | None) -> dict[str, Any]:
        found = read_status(self._where.run, daemon)
        return found if pid is None or found.get("pid") == pid else {}

    def _settle(self, state: SoftwareState) -> SoftwareState:
        """From here on this release makes the updates, and its predecessor is what is spare."""
        self._slots.confirm(state.slot)
        self._units.lay()
        self._host.systemctl("daemon-reload")
        self._empty()
        return msgspec.structs.replace(state, before=state.number, why="")

    # ---- the way back

    def _stop(self, state: SoftwareState) -> SoftwareState:
        self._host.systemctl("stop", "edge.target", *self._services())
        return state

    def _lower(self, state: SoftwareState) -> SoftwareState:
        """The new release itself takes the outbox back: no other knows what it added."""
        tried = self._slots.release(state.slot)
        if tried is not None and tried.outbox != state.schema:
            self._host.systemctl("start", f"edge-update-lower@{state.schema}.service")
        return state

    def _unswitch(self, state: SoftwareState) -> SoftwareState:
        self._slots.switch(state.before_slot)
        self._empty()
        return state

    def _go_on(self, state: SoftwareState) -> SoftwareState:
        self._slots.confirm(state.slot)
        self._units.lay()
        self._host.systemctl("daemon-reload")
        self._host.systemctl("restart", "edge.target", *self._services())
        self._empty()
        return msgspec.structs.replace(state, before=state.number)

    def _clean(self, state: SoftwareState) -> SoftwareState:
        """A refused release leaves nothing: its slot goes where it was begun."""
        if state.slot:
            self._unpin()
            self._slots.discard(state.slot)
        self._empty()
        return state

    def _empty(self) -> None:
        """What was brought is laid or refused. uplinkd may bring the next meanwhile, and brings
        again what went with this."""
        remove_tree(self._stage)
        for path in self._incoming.glob("*"):
            if path.name not in ("ready.json", "wanted.json"):
                with suppress(OSError):
                    path.unlink()


def main(
    stop: Stop, notify: Notify, *, site_path: str | Path | None, device_path: str | Path | None
) -> int:
    """Until nothing is to do. Raises ConfigError for a device file that does not hold together."""
    device = load(Path(device_path), Device) if device_path else Device()
    where = box_files(device, site_path, device_path)
    notify.ready("updating")
    Updaterd(device, where, Systemd()).run(stop)
    return 0

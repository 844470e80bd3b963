# SPDX-License-Identifier: AGPL-3.0-or-later
"""uplinkd's part in a software update: fetches what the box lacks, and reports how it went.

A thread of its own fetches, so that a thin line never holds up a record. It needs no right but to
write one folder; edge-updaterd, which has no network, takes it from there.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.config import ConfigError, Device
from edge.config.paths import BoxFiles
from edge.faults import FaultLog
from edge.isolation import ItemGuard
from edge.jsonfile import read_object
from edge.release.signing import release_ring
from edge.release.software.fetch import Postponed, fetch_object, quiet
from edge.release.software.manifest import MANIFEST_BYTES_MAX, read_release
from edge.release.software.slots import Slots
from edge.release.software.state_file import stage_of
from edge.release.software.steps import SoftwareState
from edge.runtime import write_atomic
from edge.uplink.commands import UpdateSoftware
from edge.uplink.pacing import DayBudget, TokenBucket
from edge.values import Json

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
# After a mirror that does not answer, and in quiet hours.
POSTPONED_S = 60.0
PACE_EVERY_S = 0.2
# A clock that was wrong for a while has spent another day's bytes.
DAYS_KEPT = 8
SUBJECT = "software"
# Stages in which nothing was switched to yet.
NOT_HELD = {
    "rolled_back": "software_rolled_back",
    "stuck": "software_rolled_back",
    "refused": "software_refused",
}
FETCHED = frozenset({"asked", "checked", "staged", "tested"})


@dataclass(frozen=True, slots=True)
class WantedRelease:
    """Which release the platform's signed command named."""

    number: int
    sha256: str


class AnotherWanted(Exception):
    """The platform has named another release meanwhile: that one counts."""


class SoftwareFetch:
    """Owned by uplinkd's main thread; `work` is the thread's. `why` tells what it waits for,
    `refused` the release that was given up before it was brought, and why."""

    def __init__(self, device: Device, where: BoxFiles, guard: ItemGuard) -> None:
        self._device, self._where, self._guard = device, where, guard
        self._incoming = where.update / "incoming"
        self._wanted, self._day_file = self._incoming / "wanted.json", self._incoming / ".day.json"
        updates = device.updates
        rate = updates.download_kbit_s
        self._bucket = TokenBucket(rate * 125.0 if rate else None)
        limit = updates.download_mb_day
        self._days: dict[int, int] = {}
        self._budget = DayBudget(limit * 1_000_000 if limit else None, kept=self._kept)
        self._stop, self._naming = threading.Event(), threading.Lock()
        self.why = ""
        self.refused: tuple[int, str] | None = None
        self.bytes = 0

    def want(self, asked: UpdateSoftware) -> None:
        """Durable before the command counts as done; the newest counts. Raises OSError."""
        body = {"number": asked.number, "sha256": asked.sha256}
        with self._naming:
            write_atomic(self._wanted, json.dumps(body).encode())

    def start(self) -> None:
        if self._incoming.is_dir():
            self._restore_budget()
            threading.Thread(target=self._work, name="software", daemon=True).start()

    def close(self) -> None:
        self._stop.set()

    def _work(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            wanted = self._read()
            if wanted is None or (self._incoming / "ready.json").exists():
                continue
            name = f"software release {wanted.number}"
            with self._guard.working_for(name, partial(self._let_go, wanted)):
                self._bring_once(wanted)

    def _bring_once(self, wanted: WantedRelease) -> None:
        try:
            self.bring(wanted)
            self.why = ""
        except AnotherWanted:
            log.info("software: release %d is not wanted any more", wanted.number)
        except Postponed as error:
            self._say(str(error))
            self._stop.wait(POSTPONED_S)
        except (ConfigError, OSError) as error:
            self._say(f"release {wanted.number}: {error}")
            if isinstance(error, ConfigError):
                self.refused = (wanted.number, str(error))
                self._end(wanted)
            self._stop.wait(POSTPONED_S)

    def _let_go(self, wanted: WantedRelease, why: str) -> None:
        """Not wanted any more, until the platform names it again."""
        self._end(wanted)
        self._say(f"release {wanted.number}: a bug: {why}")
        self._guard.report(f"software release {wanted.number}", why)

    def _end(self, wanted: WantedRelease) -> None:
        """Done with this one. One that was named meanwhile stays."""
        with self._naming:
            if self._read() == wanted:
                self._wanted.unlink(missing_ok=True)

    def _still(self, wanted: WantedRelease) -> None:
        """Raises AnotherWanted."""
        if self._read() not in (None, wanted):
            raise AnotherWanted

    def _say(self, why: str) -> None:
        if why != self.why:
            log.warning("software: %s", why)
        self.why = why

    def _read(self) -> WantedRelease | None:
        try:
            kept = json.loads(self._wanted.read_bytes())
            return WantedRelease(int(kept["number"]), str(kept["sha256"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def bring(self, wanted: WantedRelease) -> None:
        """Everything of a release that the box lacks; then it is edge-updaterd's. Raises Postponed,
        AnotherWanted, ConfigError for a release that is none, OSError."""
        updates = self._device.updates
        keys = release_ring(updates.software_key, self._where.base, "updates.software_key")
        slots = Slots(self._where.program)
        slots.in_force()
        path = self._object(wanted.sha256, MANIFEST_BYTES_MAX, sized=False)
        release = read_release(path.read_bytes(), keys, f"release {wanted.number}")
        slots.check_room(release, self._incoming)
        for sha256, size in slots.lacking(release).items():
            self._still(wanted)
            self._object(sha256, size)
        body = {"number": wanted.number, "sha256": wanted.sha256}
        with self._naming:
            self._still(wanted)
            write_atomic(self._incoming / "ready.json", json.dumps(body).encode())
        self._end(wanted)

    def _object(self, sha256: str, size: int, *, sized: bool = True) -> Path:
        there = self._incoming / sha256
        if there.exists():
            return there
        url = self._device.updates.url
        if url is None:
            raise Postponed(
                f"{sha256[:12]}… is not in {self._incoming}, and updates.url is not set"
            )
        return fetch_object(url, sha256, size, self._incoming, allow=self._allow, sized=sized)

    def _allow(self, n: int) -> None:
        """Returns once `n` bytes may be taken. Raises Postponed."""
        now = time.localtime()
        if quiet(self._device.updates.quiet_hours, now.tm_hour * 60 + now.tm_min):
            raise Postponed("quiet hours (updates.quiet_hours)")
        if not self._budget.allows("software", time.time()):
            raise Postponed("the bytes of the day are spent (updates.download_mb_day)")
        while not self._bucket.take(n, time.monotonic()):
            if self._stop.wait(PACE_EVERY_S):
                raise Postponed("uplinkd stops")
        self._budget.spend(n, time.time())
        self.bytes += n
        self._keep_budget()

    def _kept(self, day: int) -> int:
        return self._days.get(day, 0)

    def _keep_budget(self) -> None:
        """So that a restart does not give the day's bytes a second time; a cut may, once."""
        if self._budget.limit is None:
            return
        for day, spent in self._budget.unsaved.items():
            self._days[day] = self._kept(day) + spent
        self._budget.saved()
        for day in sorted(self._days, key=lambda day: abs(day - self._budget.day))[DAYS_KEPT:]:
            del self._days[day]
        body = {"days": {str(day): spent for day, spent in self._days.items()}}
        write_atomic(self._day_file, json.dumps(body).encode(), durable=False)

    def _restore_budget(self) -> None:
        found = read_object(self._day_file)
        try:
            # As it was written before: the last day only.
            days = found.get("days") or {found["day"]: found["spent"]}
            self._days |= {int(day): int(spent) for day, spent in days.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return


class SoftwareNews:
    """What edge-updaterd wrote down becomes faults that the platform hears of: one on trial, one
    taken back, one refused. Each is a record that the platform acknowledges; the first of them is
    what a new release proves itself by."""

    def __init__(self, where: BoxFiles, faults: FaultLog) -> None:
        self._where, self._faults = where, faults
        self._reported: SoftwareState | None = None
        self._refused: tuple[int, str] | None = None
        self._first = True
        self.state = SoftwareState()

    def look(self, refused: tuple[int, str] | None = None) -> None:
        """Called every few seconds; nothing where nothing changed. refused: a release that never
        came to edge-updaterd, and why."""
        if refused is not None and refused != self._refused:
            self._refused = refused
            number, why = refused
            self._start("software_refused", f"release {number}: {why}", release=number)
        self.state = stage_of(self._where)
        if self.state == self._reported:
            return
        self._reported = self.state
        self._report(self.state)

    def _start(self, kind: str, text: str, **facts: Json) -> None:
        """One that stands for an earlier release ends first, or this one would never be heard."""
        standing = self._faults.find(kind, SUBJECT)
        if standing is not None and standing.facts.get("release") != facts["release"]:
            self._faults.end(kind, SUBJECT, "another release was named since")
        self._faults.start(kind, SUBJECT, text, **facts)

    def _report(self, state: SoftwareState) -> None:
        faults = self._faults
        facts: dict[str, Json] = {"release": state.number, "version": state.version}
        if state.stage in ("switched", "trial", "held"):
            if self._first:
                # Each run says it anew: the record that this very process has to get acknowledged.
                faults.end("software_on_trial", SUBJECT, "started again", **facts)
            self._first = False
            text = f"release {state.number} ({state.version}) has to prove itself"
            self._start("software_on_trial", text, before=state.before, **facts)
            return
        if state.stage in FETCHED:
            return
        faults.end("software_on_trial", SUBJECT, state.outcome, outcome=state.outcome, **facts)
        if state.outcome == "settled":
            faults.end("software_rolled_back", SUBJECT, "", **facts)
            faults.end("software_refused", SUBJECT, "", **facts)
        elif kind := NOT_HELD.get(state.outcome):
            self._start(
                kind, f"release {state.number}: {state.why}", in_force=state.before, **facts
            )

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The configuration that the platform wants: checked, laid down, watched, and taken back by itself.

`<state>/config/applied.json` holds the revision in force and, while one is being tried, what to
wait for; `<state>/config/previous.yaml` is the site file to go back to. Both are on disk before
the site file changes, so that a power cut in the middle ends in one of the two, never in neither.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge.config import ConfigError, read_yaml
from edge.config.yamltext import dump
from edge.jsonfile import read_record
from edge.runtime import make_folder, write_atomic
from edge.uplink.downward import Desired
from edge.uplink.messages import Reported
from edge.uplink.remote_config_policy import dangers
from edge.values import TEXT_MAX

log = logging.getLogger(__name__)

# The daemons leave when the site file changes and are back in seconds; after this one of them is
# not coming back with it, and the old one must be in force again within the minute.
HEALTHY_WITHIN_S = 45.0
# A daemon that crashes on its new configuration is up for a moment before it does.
STEADY_S = 6.0
FRESH_S = 15.0
LOOK_EVERY_S = 1.0
WATCHED = ("visiond", "sensord")
ERRORS_MAX = 20


class ConfigTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration being tried: the daemons that were alive, with their process ids."""

    rev: int
    before: dict[str, int]


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in applied.json. `seen` is the highest revision ever looked at."""

    seen: int = 0
    reported: Reported = Reported(rev=0, status="applied")
    trial: ConfigTrial | None = None
    # One that came while another was being tried; the newest counts.
    waiting: Desired | None = None


class DesiredSite:
    """Sole writer of the site file from afar. Time is the monotonic `now` of each call.

    check(path) -> sha256 raises ConfigError as `edge check` does; report(bytes) publishes.
    """

    def __init__(
        self,
        site: Path,
        folder: Path,
        run: Path,
        *,
        check: Callable[[Path], str],
        report: Callable[[bytes], None],
        now: float,
    ) -> None:
        self._site, self._run, self._check, self._report = site, run, check, report
        self._candidate = site.with_name(f".{site.name}.desired")
        self._previous = folder / "previous.yaml"
        self._file = folder / "applied.json"
        make_folder(folder)
        self._applied = read_record(self._file, Applied, Applied(), "starting from revision 0")
        self._deadline = now + HEALTHY_WITHIN_S
        self._look_at = 0.0
        self._steady: tuple[dict[str, int], float] | None = None

    @property
    def rev(self) -> int:
        return self._applied.reported.rev

    def report(self) -> None:
        """Publish the reported state; on every connection."""
        self._report(msgspec.json.encode(self._applied.reported))

    def obey(self, wanted: Desired, now: float) -> None:
        """Try a configuration. Nothing is touched unless it passes every check.

        One that comes while another is being tried has its turn afterwards. Whatever this
        returns from is on disk; what it raised in the middle of may be given to it again.
        """
        back = wanted.follows is not None and wanted.follows == self._applied.seen
        rises = wanted.rev > self._applied.seen or back
        if self._applied.trial is not None and rises:
            self._put_off(wanted)
            return
        if self._answered(wanted.rev) and not back:
            self.report()
            return
        if not rises:
            self._reject(wanted.rev, [f"rev {wanted.rev} is not above {self._applied.seen}"])
            return
        try:
            sha256 = self._prepare(wanted)
        except (ConfigError, OSError) as error:
            self._candidate.unlink(missing_ok=True)
            self._reject(wanted.rev, str(error).replace(str(self._candidate), "site").split("; "))
            return
        self._try(wanted.rev, sha256, now)

    def failed(self, wanted: Desired, why: str) -> None:
        """The work for this configuration failed by a bug; one that is tried is watched on."""
        trial = self._applied.trial
        if trial is None or trial.rev != wanted.rev:
            self._reject(wanted.rev, [f"a bug: {why}"])

    def abandon(self, why: str) -> None:
        """Watching the one that is tried failed by a bug: the one before comes back."""
        if self._applied.trial is not None:
            self._roll_back(self._applied.trial)
        elif self._applied.waiting is not None:
            self._reject(self._applied.waiting.rev, [f"a bug: {why}"])

    def _answered(self, rev: int) -> bool:
        """Whether just this one is being tried or was refused: it came twice after a crash."""
        trial, errors = self._applied.trial, self._applied.reported.errors
        return (trial is not None and trial.rev == rev) or errors[:1] == (f"rev {rev}",)

    def _put_off(self, wanted: Desired) -> None:
        waiting = self._applied.waiting
        if waiting is None or wanted.rev > waiting.rev:
            self._keep(msgspec.structs.replace(self._applied, waiting=wanted))

    def _prepare(self, wanted: Desired) -> str:
        """The candidate, written beside the site file and checked there; returns its hash."""
        found = dangers(wanted.site, self._present())
        if found:
            raise ConfigError("; ".join(found))
        write_atomic(self._candidate, dump(wanted.site).encode())
        if read_yaml(self._candidate) != wanted.site:
            raise ConfigError("site: cannot be written as YAML without change")
        return self._check(self._candidate)

    def _present(self) -> Any:
        """The site file as it is; one that cannot be read (half written, of another encoding) is
        none: a sound one from afar may be the only way to mend it."""
        try:
            return read_yaml(self._site) if self._site.exists() else {}
        except ConfigError as error:
            log.warning("%s; taken as empty", error)
            return {}

    def _reject(self, rev: int, errors: list[str]) -> None:
        log.warning("configuration rev %d rejected: %s", rev, errors[0])
        reported = Reported(
            rev=self._applied.reported.rev,
            status="rejected",
            # Longer ones could be written down, and not be read at the next start.
            errors=(f"rev {rev}", *(error[:TEXT_MAX] for error in errors[:ERRORS_MAX])),
            sha256=self._applied.reported.sha256,
        )
        seen = max(self._applied.seen, rev)
        waiting = self._applied.waiting
        if waiting is not None and waiting.rev <= seen:
            waiting = None
        changed = {"seen": seen, "reported": reported, "waiting": waiting}
        self._keep(msgspec.structs.replace(self._applied, **changed))

    def _try(self, rev: int, sha256: str, now: float) -> None:
        old = self._site.read_bytes() if self._site.exists() else b""
        write_atomic(self._previous, old)
        reported = Reported(rev=rev, status="applying", sha256=sha256)
        self._keep(
            Applied(seen=rev, reported=reported, trial=ConfigTrial(rev=rev, before=self._alive()))
        )
        write_atomic(self._site, self._candidate.read_bytes())
        self._candidate.unlink(missing_ok=True)
        self._deadline, self._steady = now + HEALTHY_WITHIN_S, None
        log.info("configuration rev %d laid down; watching the daemons", rev)

    def step(self, now: float) -> None:
        """Called all the time: is everybody back, and does another wait?"""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        trial, waiting = self._applied.trial, self._applied.waiting
        if trial is None:
            if waiting is not None:
                self.obey(waiting, now)
        elif self._well(trial, now):
            self._settle("applied", ())
        elif now >= self._deadline:
            self._roll_back(trial)

    def _well(self, trial: ConfigTrial, now: float) -> bool:
        """Every daemon of before is up as a new process, and the same one for a while."""
        alive = {name: pid for name, pid in self._alive().items() if name in trial.before}
        renewed = all(alive.get(name) not in (None, pid) for name, pid in trial.before.items())
        if not renewed:
            self._steady = None
            return False
        if self._steady is None or self._steady[0] != alive:
            self._steady = (alive, now)
        return not alive or now - self._steady[1] >= STEADY_S

    def _roll_back(self, trial: ConfigTrial) -> None:
        alive = self._alive()
        missing = [n for n, pid in trial.before.items() if alive.get(n) in (None, pid)]
        log.error("configuration rev %d: %s not back; rolled back", trial.rev, missing)
        write_atomic(self._site, self._previous.read_bytes())
        who = ", ".join(missing or trial.before)
        self._settle("rolled_back", (f"rev {trial.rev}: {who} did not come back with it",))

    def _settle(self, status: str, errors: tuple[str, ...]) -> None:
        old = self._applied.reported
        reported = Reported(rev=old.rev, status=status, errors=errors, sha256=old.sha256)  # type: ignore[arg-type]
        self._keep(msgspec.structs.replace(self._applied, reported=reported, trial=None))

    def _keep(self, applied: Applied) -> None:
        write_atomic(self._file, msgspec.json.encode(applied))
        self._applied = applied
        self.report()

    def _alive(self) -> dict[str, int]:
        """The daemons whose status file is fresh, with their process ids."""
        found = {}
        for name in WATCHED:
            status = _status(self._run / "status" / f"{name}.json")
            if status is not None:
                found[name] = status
        return found


def _status(path: Path) -> int | None:
    """Process id in a status file that was written just now, by the file system's own clock."""
    try:
        written, status = path.stat().st_mtime, json.loads(path.read_bytes())
        here: Any = status["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return int(here) if _age_s(path, written) < FRESH_S else None


def _age_s(path: Path, written: float) -> float:
    """Against a file touched now in the same place: immune to a stepping wall clock elsewhere."""
    probe = path.with_name(".now")
    probe.touch()
    return probe.stat().st_mtime - written

# SPDX-License-Identifier: AGPL-3.0-or-later
"""Commands from the platform: a short list, each with its own arguments; handed over as requests.

Nothing is run here but journalctl with arguments of ours. The counter was stored before, so that a
command is carried out at most once, whatever happens in between.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge import patterns
from edge.config.site import Name, Part
from edge.ipc import ANSWER, Spool, SpoolFull, read_answer, write_answer
from edge.isolation import ItemGuard
from edge.jsonfile import decoded
from edge.runtime import make_folder, write_atomic
from edge.uplink.downward import Command
from edge.uplink.messages import CommandResult
from edge.values import EvidenceFile, Role, Stamp

log = logging.getLogger(__name__)

REQUEST = "request.json"
REPORTED = "told.json"
LOGS = "logs.txt"
ANSWER_WITHIN_S = 240.0
LOOK_EVERY_S = 1.0
LOG_LINES = 20_000
ROLES: dict[str, Role] = {".mp4": "clip", ".jpg": "overview"}

Span = Annotated[float, msgspec.Meta(ge=0, le=60)]


class Snapshot(Part, frozen=True, kw_only=True):
    """A picture of a camera, now."""

    camera: Name


class Clip(Part, frozen=True, kw_only=True):
    """`at_wall`: UTC seconds of the middle."""

    camera: Name
    at_wall: float
    before_s: Span = 10.0
    after_s: Span = 10.0


class Recheck(Part, frozen=True, kw_only=True):
    """Look again now, and say which open cases of the camera still stand."""

    camera: Name


class LookAtPlace(Part, frozen=True, kw_only=True):
    """A tip with a place: look there now for things of this category. WGS-84.

    radius_m: how sure the place is. source and note say whose tip it was; they go into the case.
    The answer's `data` says `answer`: `case` (with `violation`) or `note`, and which camera looked.
    """

    category: Name
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    radius_m: Annotated[float, msgspec.Meta(ge=1, le=500)] = 15.0
    source: Literal["patrol", "hotline", "desk"] = "desk"
    note: Annotated[str, msgspec.Meta(max_length=500)] = ""


class Restart(Part, frozen=True, kw_only=True):
    """End one daemon, which systemd starts again."""

    daemon: Literal["visiond", "sensord", "uplinkd", "consoled"]


class SendLogs(Part, frozen=True, kw_only=True):
    """The log of the last minutes."""

    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 60


class UpdateModel(Part, frozen=True, kw_only=True):
    """Only names what is to be fetched; whoever installs it checks signature and release."""

    name: Name
    release: Annotated[int, msgspec.Meta(ge=1)]
    sha256: Annotated[str, msgspec.Meta(pattern=patterns.SHA256)]


class UpdateSoftware(Part, frozen=True, kw_only=True):
    """Only names what is to be fetched: the manifest by its hash. edge-updaterd checks signature,
    number and whether the box could come back."""

    number: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
    sha256: Annotated[str, msgspec.Meta(pattern=patterns.SHA256)]


class UpdatePack(Part, frozen=True, kw_only=True):
    """Only names the file that is to be fetched; whoever installs it checks its signature."""

    sha256: Annotated[str, msgspec.Meta(pattern=patterns.SHA256)]


@dataclass(frozen=True, slots=True)
class Order:
    """How one command is served. `daemon` takes the request; None: this one does it itself.
    request: its kind there, where it is not the command's name."""

    arguments: type[Part]
    daemon: str | None
    answers: bool = True
    request: str = ""


ORDERS: dict[str, Order] = {
    "snapshot": Order(Snapshot, "visiond"),
    "clip": Order(Clip, "visiond"),
    "recheck": Order(Recheck, "visiond"),
    "look": Order(LookAtPlace, "visiond", request="clue"),
    "restart": Order(Restart, None, answers=False),
    "send_logs": Order(SendLogs, None),
    "update_model": Order(UpdateModel, "visiond", answers=False),
    "update_software": Order(UpdateSoftware, None, answers=False),
    "update_pack": Order(UpdatePack, "visiond", answers=False),
}


@dataclass(slots=True)
class _Pending:
    command: Command
    folder: Path
    deadline: float
    journal: subprocess.Popen[bytes] | None = None


class Commands:
    """report(result, folder, files) makes the durable row; `restart` ends this very process;
    `update` keeps which software release is wanted."""

    def __init__(
        self,
        run: Path,
        folder: Path,
        *,
        report: Callable[[CommandResult, Path | None, list[EvidenceFile]], None],
        restart: Callable[[], None],
        update: Callable[[UpdateSoftware], None],
        guard: ItemGuard,
    ) -> None:
        self._run, self._folder, self._report, self._restart = run, folder, report, restart
        self._update, self._guard = update, guard
        self._pending: list[_Pending] = []
        self._look_at = 0.0

    def recover(self, now: float) -> None:
        """At start: what was asked before the restart may still be answered."""
        for path in sorted(self._folder.glob(f"*/{REQUEST}")):
            if (path.parent / REPORTED).exists():
                continue
            try:
                command = decoded(path.read_bytes(), Command)
            except (OSError, ValueError) as error:
                self._lost(path.parent, error)
                continue
            self._pending.append(_Pending(command, path.parent, now + ANSWER_WITHIN_S))

    def _lost(self, folder: Path, error: Exception) -> None:
        """A request that cannot be read any more; its folder is named after the command."""
        log.warning("%s: %s; the command is lost", folder / REQUEST, error)
        reason = f"the request was lost on the disk: {error}"
        result = CommandResult(cmd_id=folder.name, state="failed", reason=reason[:500])
        self._report(result, None, [])
        write_atomic(folder / REPORTED, b"{}")

    def obey(self, command: Command, now: float) -> None:
        """Carry out a command that was checked and whose counter is stored, once: a command id that
        has a folder is refused. now: seconds of wall time."""
        order = ORDERS[command.command]
        folder = self._folder / command.cmd_id
        try:
            asked = msgspec.convert(command.arguments, order.arguments)
        except msgspec.ValidationError as error:
            self._say(command, "rejected", f"arguments: {error}")
            return
        if folder.exists():
            self._say(command, "rejected", "this cmd_id was used before")
            return
        make_folder(folder)
        write_atomic(folder / REQUEST, msgspec.json.encode(command))
        self._say(command, "accepted", "")
        self._serve(command, order, asked, folder, now)

    def _serve(self, command: Command, order: Order, asked: Part, folder: Path, now: float) -> None:
        pending = _Pending(command, folder, now + ANSWER_WITHIN_S)
        if isinstance(asked, Restart):
            self._restart_daemon(pending, asked.daemon)
            return
        if isinstance(asked, UpdateSoftware):
            try:
                self._update(asked)
            except OSError as error:
                self._finish(pending, "failed", f"no software is taken here: {error}")
                return
        if isinstance(asked, SendLogs):
            pending.journal = _journal(asked, folder)
            if pending.journal is None:
                self._finish(pending, "failed", "this system has no journal")
                return
        elif order.daemon is not None and not self._ask(command, order, asked, folder):
            self._finish(pending, "failed", f"{order.daemon} takes no requests")
            return
        if order.answers:
            self._pending.append(pending)
        else:
            self._finish(pending, "done", "handed over")

    def _ask(self, command: Command, order: Order, asked: Part, folder: Path) -> bool:
        fields: dict[str, Any] = msgspec.to_builtins(asked)
        kind = order.request or command.command
        try:
            Spool(self._run, str(order.daemon)).ask(kind, into=str(folder), **fields)
        except SpoolFull as error:
            log.warning("%s", error)
            return False
        return True

    def _restart_daemon(self, pending: _Pending, daemon: str) -> None:
        """The answer is stored before this process itself ends."""
        if daemon == "uplinkd":
            self._finish(pending, "done", "")
            self._restart()
            return
        try:
            Spool(self._run, daemon).ask("restart")
        except (SpoolFull, OSError) as error:
            log.warning("%s", error)
            self._finish(pending, "failed", f"{daemon} takes no requests")
        else:
            self._finish(pending, "done", "handed over")

    def step(self, now: float, at: Stamp) -> None:
        """Called all the time: what was answered goes up with its files."""
        if not self._pending or now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        for pending in list(self._pending):
            name = f"command {pending.command.cmd_id}"
            with self._guard.working_for(name, partial(self._give_up, pending)):
                self._follow(pending, now, at)

    def _follow(self, pending: _Pending, now: float, at: Stamp) -> None:
        if pending.journal is not None and pending.journal.poll() is not None:
            _pack_logs(pending.folder, pending.journal.returncode)
        answer = read_answer(pending.folder)
        if answer is not None:
            self._answered(pending, answer, at)
        elif now > pending.deadline:
            self._finish(pending, "failed", f"no answer within {ANSWER_WITHIN_S:.0f} s")

    def _give_up(self, pending: _Pending, why: str) -> None:
        """Not looked at again, here or after a restart, before that is reported."""
        self._pending.remove(pending)
        write_atomic(pending.folder / REPORTED, b"{}")
        self.failed(pending.command, why)

    def failed(self, command: Command, why: str) -> None:
        """The work for this command failed by a bug."""
        folder = self._folder / command.cmd_id
        if folder.exists():
            write_atomic(folder / REPORTED, b"{}")
        self._say(command, "failed", f"a bug: {why}")

    def _answered(self, pending: _Pending, answer: Mapping[str, Any], at: Stamp) -> None:
        files = [
            evidence_file(path, at)
            for path in sorted(pending.folder.iterdir())
            if path.name not in (ANSWER, REQUEST) and not path.name.startswith(".")
        ]
        state: Literal["done", "failed"] = "done" if answer.get("done") else "failed"
        found = answer.get("data")
        data = found if isinstance(found, dict) else {}
        self._finish(pending, state, str(answer.get("reason", "")), files, data)

    def _finish(
        self,
        pending: _Pending,
        state: Literal["done", "failed"],
        reason: str,
        files: list[EvidenceFile] | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        if pending in self._pending:
            self._pending.remove(pending)
        self._say(pending.command, state, reason, pending.folder, files or [], data or {})
        write_atomic(pending.folder / REPORTED, b"{}")

    def _say(
        self,
        command: Command,
        state: Literal["accepted", "rejected", "done", "failed"],
        reason: str,
        folder: Path | None = None,
        files: list[EvidenceFile] | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        log.info("command %s %s: %s %s", command.command, command.cmd_id, state, reason)
        listed = [{"path": f.path, "sha256": f.sha256, "size": f.size} for f in files or ()]
        data = {**(data or {}), **({"files": listed} if listed else {})}
        result = CommandResult(cmd_id=command.cmd_id, state=state, reason=reason[:500], data=data)
        self._report(result, folder, files or [])


def evidence_file(path: Path, at: Stamp) -> EvidenceFile:
    data = path.read_bytes()
    role = ROLES.get(path.suffix, "samples")
    return EvidenceFile(role, path.name, hashlib.sha256(data).hexdigest(), len(data), at)


def _journal(asked: SendLogs, folder: Path) -> subprocess.Popen[bytes] | None:
    argv = ["journalctl", "--no-pager", "--output=short-iso", "--unit=edge-*"]
    argv += [f"--since=-{asked.minutes}min", f"--lines={LOG_LINES}"]
    try:
        with (folder / f".{LOGS}").open("wb") as out:
            return subprocess.Popen(argv, stdout=out, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return None


def _pack_logs(folder: Path, code: int) -> None:
    data = (folder / f".{LOGS}").read_bytes()
    write_atomic(folder / f"{LOGS}.gz", gzip.compress(data, mtime=0))
    reason = f"journalctl ended with {code}: is there a journal?" if code else ""
    write_answer(folder, code == 0, reason=reason)

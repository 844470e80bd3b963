# SPDX-License-Identifier: AGPL-3.0-or-later
"""janitord: the one that deletes. One pass: receipts, released rows, old evidence, the ladder.

Never touches a folder without a receipt, and writes the receipt before the row goes.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edge.clock import SystemClock
from edge.config import Device, load
from edge.config.dated import PackFault
from edge.config.paths import box_files
from edge.daemons.handling import handle, pack_faults, terms_of
from edge.faults import FaultLog
from edge.handling.casework import HandlingTerms
from edge.handling.known_time import date_known
from edge.isolation import ItemGuard
from edge.learning.retention import delete_old
from edge.outbox import RECEIPT, Outbox, OutboxFull, ballast, ladder
from edge.outbox.schema import boot_id, disk_full
from edge.outbox.sweep import Released, Sweep
from edge.runtime import Notify, Stop, write_atomic, write_status
from edge.uplink.wire import fault_row, standing_faults

log = logging.getLogger(__name__)

MB = 1_000_000
DAY_S = 86_400.0
TELEMETRY_ROWS = 50_000
TELEMETRY_ROWS_SHED = 1_000
# Below this nothing can be written at all: the ballast goes at once.
LAST_BYTES = 4 * MB
REQUESTS_KEEP_S = DAY_S
# A case that goes on has another revision long before.
BARE_KEEP_S = 7 * DAY_S
GONE = ".gone-"
PACK_FAULTS = ("pack_missing", "pack_ending")


@dataclass(frozen=True, slots=True)
class EvidenceFolder:
    """One folder of evidence. `released` is when its last part was, None while any waits."""

    folder: Path
    size: int
    released: float | None


def cases(root: Path) -> Iterator[EvidenceFolder]:
    """Every violation's (or request's) folder with its size and whether it may ever go."""
    if not root.is_dir():
        return
    for entry in os.scandir(root):
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            try:
                yield _case(Path(entry.path))
            except FileNotFoundError:
                log.debug("%s: being worked on, next time", entry.name)


def _case(folder: Path) -> EvidenceFolder:
    parts = [folder] if (folder / "request.json").exists() else _revisions(folder)
    size = sum(e.stat().st_size for part in [folder, *parts] for e in os.scandir(part))
    times = [_mtime(part / RECEIPT) for part in parts]
    whole = bool(times) and all(at is not None for at in times)
    return EvidenceFolder(
        folder, size, max(at for at in times if at is not None) if whole else None
    )


def _revisions(folder: Path) -> list[Path]:
    """All of its sub-folders, unfinished ones too: those are being written and keep the case."""
    return [Path(e.path) for e in os.scandir(folder) if e.is_dir(follow_symlinks=False)]


def _disk(folder: Path) -> int:
    return folder.stat().st_dev


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _bring_back(gone: Path, folder: Path) -> None:
    """Undo a move; the writer may have made the folder anew in the meantime."""
    folder.mkdir(exist_ok=True)
    for part in gone.iterdir():
        part.rename(folder / part.name)
    gone.rmdir()


class Janitor:
    """One pass over one box. `now` is UTC seconds."""

    def __init__(
        self,
        device: Device,
        state: Path,
        run: Path,
        terms: HandlingTerms | str = "",
        packs: Callable[[float], Sequence[PackFault]] = lambda _: (),
        program: Path | None = None,
    ) -> None:
        """terms: how cases are handled here, or what is wrong with that; packs: what is missing
        now; program: the two slots of the software, for the next release of which room is kept."""
        self._terms, self._pack_faults = terms, packs
        self._packs: Sequence[PackFault] = ()
        self._aside, self._cases = dict[str, str](), dict[str, Any]()
        self._guard = ItemGuard(
            state / "memory" / "janitord-ended.json", "", self._aside.__setitem__
        )
        self._keep, self._state, self._run = device.keep, state, run
        self._slots = program if device.updates.software_key is not None else None
        self._evidence, self._requests = state / "evidence", state / "requests"
        self._outbox_path = state / "outbox.db"
        self.done = {"rows": 0, "folders": 0, "evicted": 0, "shed": 0, "bytes": 0, "steps": 0}

    def work(self, now: float, *, date_known: bool = True) -> int:
        """Returns the ladder's step after it. Nothing is past its time while the date is not
        known (edge.handling.known_time)."""
        before = ladder.current_step(self._run)
        self._state.mkdir(parents=True, exist_ok=True)
        if self._free() < LAST_BYTES:
            self._drop_ballast()
        self._finish_deleting()
        # A bug in any must not keep the janitor from deleting for ever.
        with self._guard.working_for("packs"):
            self._packs = self._pack_faults(now)
        with self._guard.working_for("learning"):
            self._learn(now)
        if date_known:
            with self._guard.working_for("harvest"):
                self._delete_crops(now)
        with self._guard.working_for("cases"):
            self._handle(now, date_known=date_known)
        # By no age where the date is not known: then nothing is older than this.
        self._release_rows(now if date_known else 0.0)
        found = [*cases(self._evidence)]
        if date_known:
            found = self._past_retention(found, now)
        room = self._make_room(found)
        step = ladder.next_step(room, before)
        self._shed(step)
        self._lay_ballast(room)
        self._report(room, before, step)
        return step

    def _learn(self, now: float) -> None:
        """Take in reviewers' verdicts while the evidence they speak of is still there."""
        if not (self._state / "reviews").is_dir():
            return
        from edge.learning.store import learn  # OpenCV is loaded only where there are verdicts

        try:
            learned = learn(self._state, now_s=now)
        except OSError as error:
            log.warning("learning: %s; the verdicts wait for the next pass", error)
            return
        if learned.new or learned.moved:
            log.info(
                "learning: %d new verdict(s), moved: %s", learned.new, ", ".join(learned.moved)
            )

    def _delete_crops(self, now: float) -> None:
        """Pictures kept for a labeller, also of cameras that are gone from the site."""
        folders = [path for path in (self._state / "harvest").glob("*") if path.is_dir()]
        gone = sum(delete_old(folder, now_s=now) for folder in folders)
        if gone:
            log.info("harvest: %d crop(s) past their time deleted", gone)

    def _handle(self, now: float, *, date_known: bool) -> None:
        """Steps in the lives of the cases, while the outbox still holds their violations."""
        if isinstance(self._terms, str):
            return
        state, run, working_for = self._state, self._run, self._guard.working_for
        self._cases = handle(
            state, run, self._outbox_path, self._terms, now, working_for, date_known=date_known
        )
        self.done["steps"] += self._cases.get("new", 0)

    def _free(self) -> int:
        return shutil.disk_usage(self._state).free

    def _drop_ballast(self) -> None:
        if ballast.drop(self._state):
            log.warning("disk full: ballast removed")

    def _finish_deleting(self) -> None:
        for root in (self._evidence, self._requests):
            for folder in root.glob(f"{GONE}*"):
                shutil.rmtree(folder, ignore_errors=True)

    def _release_rows(self, now: float) -> None:
        """Receipt into the folder, durably, then the row: the folder never stands without both."""
        if not self._outbox_path.exists():
            return
        sweep = Sweep(self._outbox_path)
        try:
            before = now - BARE_KEEP_S
            while records := [
                r for r in sweep.released(bare_before=before) if self._has_receipt(r)
            ]:
                sweep.forget(records)
                self.done["rows"] += len(records)
            sweep.checkpoint()
        except (OSError, sqlite3.OperationalError) as error:
            if isinstance(error, sqlite3.OperationalError) and not disk_full(error):
                raise
            log.warning("released rows stay for now: %s", error)
            self._drop_ballast()
        finally:
            sweep.close()

    def _has_receipt(self, record: Released) -> bool:
        with self._guard.working_for(record.key):
            self._receipt(record.folder, record.receipt)
            return True
        return False

    def _receipt(self, folder: str | None, receipt: bytes | None) -> None:
        if folder is None or not Path(folder).is_dir() or (Path(folder) / RECEIPT).exists():
            return
        write_atomic(Path(folder) / RECEIPT, receipt or b"{}")

    def _past_retention(self, found: list[EvidenceFolder], now: float) -> list[EvidenceFolder]:
        keep_s = self._keep.released_days * DAY_S
        old = [c for c in found if c.released is not None and now - c.released > keep_s]
        done = [
            c
            for c in cases(self._requests)
            if c.released is not None and now - c.released > REQUESTS_KEEP_S
        ]
        for case in [*old, *done]:
            self._delete(case)
            self.done["folders"] += 1
        gone = {case.folder for case in old}
        return [case for case in found if case.folder not in gone]

    def _make_room(self, found: list[EvidenceFolder]) -> ladder.Room:
        """Evict acknowledged evidence, oldest first, until there is room, for the next release of
        the software too; nothing else ever, and the ladder sheds nothing for a release."""
        reserve, used = self._reserve(), sum(case.size for case in found)
        room = self._room(used)
        free = sorted((c for c in found if c.released is not None), key=lambda c: c.released or 0)
        for case in free:
            if replace(room, free=room.free - reserve).short <= 0:
                break
            self._delete(case)
            self.done["evicted"] += 1
            used -= case.size
            room = self._room(used)
        return room

    def _reserve(self) -> int:
        """Bytes kept free for the next release, where its slots lie on the disk of the evidence."""
        try:
            shared = self._slots and (self._slots / "current").stat().st_dev == _disk(self._state)
        except OSError:
            return 0
        return self._keep.software_mb * MB if shared else 0

    def _room(self, used: int) -> ladder.Room:
        quota = self._keep.evidence_mb * MB - used
        return ladder.Room(self._free(), quota, self._keep.floor_mb * MB)

    def _delete(self, case: EvidenceFolder) -> None:
        """Out of sight in one step, so that half a folder is never taken for evidence.

        A revision begun since we looked shows in the moved folder, and brings it back.
        """
        with self._guard.working_for(case.folder.name):
            self._delete_whole(case)

    def _delete_whole(self, case: EvidenceFolder) -> None:
        gone = case.folder.with_name(f"{GONE}{case.folder.name}")
        case.folder.rename(gone)
        if _case(gone).released is None:
            _bring_back(gone, case.folder)
            return
        shutil.rmtree(gone, ignore_errors=True)
        self.done["bytes"] += case.size

    def _shed(self, step: int) -> None:
        if not self._outbox_path.exists():
            return
        full = step >= ladder.STEPS.index("shed_telemetry")
        sweep = Sweep(self._outbox_path)
        try:
            keep = TELEMETRY_ROWS_SHED if full else TELEMETRY_ROWS
            self.done["shed"] += sweep.shed(keep, "disk" if full else "quota")
        except sqlite3.OperationalError as error:
            if not disk_full(error):
                raise
            self._drop_ballast()
        finally:
            sweep.close()

    def _lay_ballast(self, room: ladder.Room) -> None:
        if room.free < room.floor + self._keep.ballast_mb * ballast.BLOCK:
            return
        try:
            ballast.restore(self._state, self._keep.ballast_mb)
        except OSError as error:
            log.warning("no room for the ballast: %s", error)

    def _report(self, room: ladder.Room, before: int, step: int) -> None:
        if step != before:
            log.warning("disk: %s (free %d MB)", ladder.STEPS[step], room.free // MB)
        status = {
            "ladder": step,
            "ladder_name": ladder.STEPS[step],
            "free_mb": room.free // MB,
            "quota_left_mb": room.quota // MB,
            "faults": self._faults(step) if self._speaks(step) else [],
            "cases": self._cases,
            **self.done,
        }
        write_status(self._run, "janitord", status)

    def _speaks(self, step: int) -> bool:
        """Whether there is a fault to report, or may be one to end."""
        return bool(step or self._packs) or self._outbox_path.exists()

    def _hold_packs(self, faults: FaultLog) -> None:
        """A fault for each pack that is missing or ends soon; those that came end theirs."""
        open_now = {(pack.kind, pack.title) for pack in self._packs}
        for fault in faults.standing():
            if fault.kind in PACK_FAULTS and (fault.kind, fault.subject) not in open_now:
                faults.end(fault.kind, fault.subject)
        for pack in self._packs:
            faults.start(pack.kind, pack.title, pack.text)

    def _hold_aside(self, faults: FaultLog) -> None:
        for fault in faults.standing("item_set_aside"):
            if fault.subject not in self._aside:
                faults.end("item_set_aside", fault.subject)
        for item, why in self._aside.items():
            faults.start("item_set_aside", item, why)

    def _faults(self, step: int) -> list[dict[str, Any]]:
        """One fault for each step of the ladder up to this one, first those that are over."""
        outbox, clock = Outbox(self._outbox_path, "janitord"), SystemClock()
        standing = standing_faults(outbox.open_faults(), clock.now(), outbox.forget_fault)
        faults = FaultLog(clock.now, lambda *fault: outbox.put(**fault_row(*fault)), standing)
        wrong = self._terms if isinstance(self._terms, str) else ""
        try:
            faults.holds("not_sound", "cases", bool(wrong), wrong)
            self._hold_aside(faults)
            self._hold_packs(faults)
            for index in range(len(ladder.STEPS) - 1, step, -1):
                faults.end("disk_ladder", ladder.STEPS[index], step=index)
            for index in range(1, step + 1):
                name = ladder.STEPS[index]
                faults.start("disk_ladder", name, f"disk ladder step {index}: {name}", step=index)
        except OutboxFull as error:
            log.error("%s; the status file tells the step", error)
        finally:
            outbox.close()
        return faults.status()


def main(
    stop: Stop,
    notify: Notify,
    *,
    site_path: str | Path | None,
    device_path: str | Path | None,
    every_s: float | None = None,
) -> int:
    """One pass, or one every `every_s` seconds until stopped. Raises ConfigError."""
    device = load(Path(device_path), Device) if device_path else Device()
    box = box_files(device, site_path, device_path)
    terms = terms_of(box)
    notify.ready("tidying")
    while not stop:
        at = SystemClock().now()
        known = date_known(box.state / "memory" / "known-time.json", at, boot_id())
        if not known:
            log.warning(
                "the clock is not set, and later than it ever was: deadlines, looks, reports and"
                " what is past its time wait for a time server"
            )
        packs = partial(pack_faults, box)
        janitor = Janitor(device, box.state, box.run, terms, packs, box.program)
        janitor.work(at.wall, date_known=known)
        if any(janitor.done.values()):
            log.info("stats %s", " ".join(f"{k}={v}" for k, v in janitor.done.items()))
        if every_s is None or stop.wait(every_s):
            break
    return 0

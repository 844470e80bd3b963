# SPDX-License-Identifier: AGPL-3.0-or-later
"""Scenarios of tools/faults in which the disk fails: cuts, I/O errors, full, read-only, torn."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from edge.config import Device, load
from edge.daemons.janitord import Janitor
from edge.outbox import OutboxFull, ballast, ladder
from edge.outbox.sweep import Sweep
from tools.faultlab.cut_check import Held
from tools.faultlab.oracle import Oracle, Result
from tools.faultlab.powercut import KILLS, Recording, delivers, judge
from tools.faultlab.rig import Rig, Skipped, eventually

# Some of the disks are also delivered from by the real daemon, which takes seconds each.
DELIVERED = 250
FORGED = ("forged", "unverifiable", "chain behind", "key lost", "counter behind")
EIO_SHARE = 0.03


def power_cuts(rig: Rig, _: Oracle, runs: int) -> Result:
    """The power goes at any operation of a working box; unsynced data is lost, torn or zeros."""
    return _cut("power cut", rig, runs, eio=0.0)


def sync_errors(rig: Rig, _: Oracle, runs: int) -> Result:
    """3 of 100 syncs fail with EIO and their bytes are gone; daemons leave, return, power goes."""
    return _cut("EIO of fsync, then power cut", rig, runs, eio=EIO_SHARE)


def _cut(test: str, rig: Rig, runs: int, *, eio: float) -> Result:
    small = runs < DELIVERED
    with contextlib.closing(Recording(rig)) as recording:
        promised = recording.work(8 if small else 60, kills=1 if small else len(KILLS), eio=eio)
        held = Held.of(rig.platform)
        verdict, operations = judge(recording, held, runs)
        took = delivers(rig, recording, held, runs // DELIVERED)
    found = dict(verdict.found)
    forged = sum(found.pop(kind, 0) for kind in FORGED)
    released = found.pop("false release", 0)
    note = f"{operations} operations, {len(took)} disks delivered from"
    note += f", {recording.exits} exits" if eio else ""
    note += f"; {verdict.examples}" if verdict.examples else ""
    worst = round(max(took, default=0.0), 1)
    return Result(test, runs, promised, sum(found.values()), forged, released, worst, note)


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A file system of its own, of this size. Raises Skipped where this user may not mount."""
    folder.mkdir(parents=True)
    argv = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(argv, capture_output=True, check=False).returncode:
        raise Skipped("needs root to mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


DISK_MB = 64
KEEP = "keep: {evidence_mb: 1000, floor_mb: 16, ballast_mb: 8, released_days: 0}\n"
JANITOR_EVERY = 8


def disk_full(outer: Rig, _: Oracle, runs: int) -> Result:
    """`runs` times the disk is offered while the platform is away, then it comes back."""
    rig = Rig(outer.folder / "small")
    rig.folder.mkdir()
    with small_disk(rig.state, DISK_MB):
        try:
            return _disk_full(rig, Oracle(rig, rig.outbox()), runs)
        finally:
            rig.close()


def _disk_full(rig: Rig, oracle: Oracle, runs: int) -> Result:
    broker = rig.broker()
    away = rig.receiver(broker.port)
    away.stop()
    path = rig.device_file(broker.port)
    path.write_text(path.read_text() + KEEP)
    rig.uplinkd_with(path)
    janitor = Tidy(rig, load(path, Device))
    refused = _overload(rig, oracle, janitor, offers=runs * DISK_MB * 1_000_000)
    worst = max(janitor.steps)
    rig.receiver(broker.port, name="receiver-2")
    began = time.monotonic()
    eventually(lambda: bool(janitor.work()) or oracle.waiting() == 0, within_s=300)
    oracle.recovered(time.monotonic() - began)
    laid = rig.state / ballast.NAME
    eventually(lambda: janitor.work() == 0 and laid.exists(), within_s=120)
    oracle.settle()
    note = f"ladder to {ladder.STEPS[worst]} and back, {refused} puts refused, ballast back"
    assert worst > 0 and ladder_in_order(rig.platform), note
    return oracle.result("disk full", runs, note)


class Tidy:
    """Janitor passes as edge-janitord makes them; `steps` of the ladder, one after each pass."""

    def __init__(self, rig: Rig, device: Device) -> None:
        self._rig, self._device = rig, device
        self.steps = [0]

    def work(self) -> int:
        janitor = Janitor(self._device, self._rig.state, self._rig.folder / "run")
        self.steps.append(janitor.work(time.time()))
        return self.steps[-1]


def ladder_in_order(platform: Path) -> bool:
    """Whether the platform was told of each step up and down, none left out or twice."""
    with closing(sqlite3.connect(platform / "platform.db")) as db:
        rows = db.execute("SELECT payload FROM record WHERE kind = 'fault' ORDER BY seq").fetchall()
    level = 0
    for data in (json.loads(row[0])["data"] for row in rows):
        if data["kind"] == "disk_ladder":
            step, up = data["facts"]["step"], data["phase"] == "start"
            if step != (level + 1 if up else level):
                return False
            level = step if up else step - 1
    return level == 0


def _overload(rig: Rig, oracle: Oracle, janitor: Tidy, *, offers: int) -> int:
    """Violations that obey the ladder as visiond does, until so many bytes were offered."""
    offered, refused, number = 0, 0, 0
    while offered < offers:
        step = ladder.current_step(rig.folder / "run")
        pictures = 0 if step >= ladder.METADATA_ONLY else 2
        clip = 1_500_000 if step < ladder.NO_CLIPS else 0
        offered += 1_560_000
        try:
            oracle.put(pictures=pictures, clip=clip)
        except (OSError, OutboxFull):
            refused += 1
            shutil.rmtree(rig.state / "evidence" / f"v-{len(oracle.promised):05d}")
        number += 1
        if number % JANITOR_EVERY == 0:
            janitor.work()
    return refused


PAGE = 4096


def _flip_pages(path: Path, rng: random.Random) -> None:
    with path.open("r+b") as file:
        for page in rng.sample(range(1, path.stat().st_size // PAGE), 5):
            file.seek(page * PAGE)
            file.write(rng.randbytes(PAGE))


def _zero_header(path: Path, _: random.Random) -> None:
    with path.open("r+b") as file:
        file.write(bytes(100))


def _cut_off(path: Path, _: random.Random) -> None:
    os.truncate(path, path.stat().st_size - 3 * PAGE - 100)


DAMAGE = (_flip_pages, _zero_header, _cut_off)


def _set_aside_are(rig: Rig, n: int) -> bool:
    return len(set_aside(rig)) == n


def damaged_outbox(rig: Rig, oracle: Oracle, runs: int) -> Result:
    """The database is damaged between two runs of the daemon; it salvages and goes on."""
    broker = rig.broker()
    rig.receiver(broker.port)
    rng, path, starts = random.Random(5), rig.state / "outbox.db", []
    for run in range(runs):
        daemon = rig.uplinkd(broker.port)
        for _ in range(10):
            oracle.put(pictures=1)
        eventually(lambda: oracle.waiting() == 0, within_s=120)
        daemon.stop()
        for _ in range(20):
            oracle.put(pictures=1)
        with contextlib.closing(Sweep(path)) as sweep:
            sweep.checkpoint()
        oracle.outbox.close()
        DAMAGE[run % len(DAMAGE)](path, rng)
        began = time.monotonic()
        rig.uplinkd(broker.port)
        eventually(partial(_set_aside_are, rig, run + 1), within_s=120)
        oracle.outbox = rig.outbox()
        eventually(lambda: oracle.waiting() == 0, within_s=120)
        starts.append(time.monotonic() - began)
        oracle.recovered(starts[-1])
    oracle.settle()
    return oracle.result("outbox damaged", runs, f"{len(set_aside(rig))} bad files kept aside")


def set_aside(rig: Rig) -> list[Path]:
    return list(rig.state.glob("outbox.db.bad-*[0-9]"))

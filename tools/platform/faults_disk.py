"""Scenarios of tools/faults in which the disk fails: cuts, I/O errors, full, read-only, torn."""

from __future__ import annotations

import contextlib

from tools.platform.cut_check import Held
from tools.platform.oracle import Oracle, Result
from tools.platform.powercut import KILLS, Recording, delivers, judge
from tools.platform.rig import Rig

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

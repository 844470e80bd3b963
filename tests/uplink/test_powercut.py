# SPDX-License-Identifier: AGPL-3.0-or-later
"""A box whose power is cut at any moment, and the disks that result: the short form."""

from __future__ import annotations

import contextlib
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tools.faultlab import faults, faults_disk, powercut
from tools.faultlab.cut_check import Held
from tools.faultlab.disk_image import SECTOR, Disk, Line
from tools.faultlab.oracle import Oracle
from tools.faultlab.rig import Rig

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: gcc")


def written(ino: int, data: bytes, at: int = 0) -> Line:
    return Line("W", "", data, ino, at)


def synced(ino: int) -> Line:
    return Line("S", "", b"", ino, 0)


def disk(folder: Path, *lines: Line) -> Disk:
    made = Disk(folder)
    for line in lines:
        made.play(line)
    return made


def test_a_name_counts_only_once_its_folder_was_synced(tmp_path: Path) -> None:
    top = tmp_path.stat().st_ino
    lines = [Line("C", f"{tmp_path}/a", b"", 7, 0), written(7, b"x"), synced(7)]
    rng = random.Random(0)
    assert disk(tmp_path, *lines).image("none", rng) == {}
    assert disk(tmp_path, *lines, synced(top)).image("none", rng) == {"a": b"x"}
    moved = Line("R", f"{tmp_path}/a", f"{tmp_path}/b".encode(), 0, 0)
    assert disk(tmp_path, *lines, synced(top), moved).image("none", rng) == {"a": b"x"}
    assert disk(tmp_path, *lines, synced(top), moved).image("names", rng) == {"b": b"x"}


def test_bytes_that_were_not_synced_are_whole_gone_zeros_or_torn(tmp_path: Path) -> None:
    top = tmp_path.stat().st_ino
    lines = [Line("C", f"{tmp_path}/a", b"", 7, 0), synced(top), written(7, b"x" * 4 * SECTOR)]
    made = disk(tmp_path, *lines)
    seen = {made.image("any", random.Random(seed))["a"] for seed in range(200)}
    assert {b"", bytes(4 * SECTOR), b"x" * 4 * SECTOR} <= seen
    torn = seen - {b"", bytes(4 * SECTOR), b"x" * 4 * SECTOR}
    sectors = {data[at : at + SECTOR] for data in torn for at in range(0, len(data), SECTOR)}
    assert torn and sectors == {bytes(SECTOR), b"x" * SECTOR}, "a sector is one of the two"


def test_a_failed_sync_loses_its_bytes_for_good(tmp_path: Path) -> None:
    top = tmp_path.stat().st_ino
    failed = replace(synced(7), op="F")
    lines = [Line("C", f"{tmp_path}/a", b"", 7, 0), synced(top), written(7, b"old"), synced(7)]
    made = disk(tmp_path, *lines, written(7, b"new"), failed, synced(7))
    assert made.image("any", random.Random(0)) == {"a": b"old"}


@needs_compiler
@pytest.mark.broker
def test_forty_cuts_lose_nothing_and_a_disk_that_lies_is_found_out(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(powercut.Recording(rig)) as recording:
        assert recording.work(8, kills=1) == 8
        held = Held.of(rig.platform)
        verdict, operations = powercut.judge(recording, held, 40)
        assert verdict.found.total() == 0, verdict.examples
        assert operations > 500
        real = powercut.read_log
        monkeypatch.setattr(
            powercut, "read_log", lambda path: (line for line in real(path) if line.op != "S")
        )
        verdict, _ = powercut.judge(recording, held, 12)
        assert verdict.found.total() > 12, "without syncs this check must fail"


@needs_compiler
@pytest.mark.broker
@pytest.mark.slow
def test_daemons_leave_on_a_failed_sync_and_nothing_is_lost(rig: Rig) -> None:
    result = faults_disk.sync_errors(rig, Oracle(rig, rig.outbox()), 30)
    print(faults.line(result))
    assert result.ok and "0 exits" not in result.note

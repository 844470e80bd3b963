# SPDX-License-Identifier: AGPL-3.0-or-later
"""The janitor: what it deletes, what it never deletes, and the ladder on a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.config import Device
from edge.config.device import Keep
from edge.config.paths import box_files
from edge.daemons.handling import terms_of
from edge.daemons.janitord import Janitor
from edge.handling.casework import HandlingTerms
from edge.outbox import (
    RECEIPT,
    ChainPosition,
    Dispatch,
    Outbox,
    OutboxRow,
    SealedRecord,
    State,
    ladder,
)
from edge.outbox.ladder import Room, next_step
from tools.faultlab.rig import Rig

MB = 1_000_000
NOW = time.time()


def seal(row: OutboxRow, head: ChainPosition) -> SealedRecord:
    n = head.seq + 1
    return SealedRecord(n, f"box-1:1:{n}", b"payload of " + row.key.encode(), f"{n:064d}")


def release(state: Path, *, files: bool = True) -> None:
    """All that waits is acknowledged by a platform."""
    dispatch = Dispatch(state / "outbox.db")
    with dispatch.commit():
        for row in dispatch.claim("violation", 100, seal):
            dispatch.acknowledge(row.record_id or "", row.sha256 or "", b'{"receipt":1}')
        while files and (file := dispatch.claim_file(["picture", "clip"])):
            dispatch.mark_file(file.sha256, State.PLATFORM_ACK)
    dispatch.close()


def janitor(folder: Path, **keep: int) -> Janitor:
    told = Keep(**{"ballast_mb": 0, "floor_mb": 1, **keep})
    return Janitor(Device(keep=told), folder / "state", folder / "run")


def test_a_released_row_goes_after_its_receipt_stands_in_the_folder(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    rig.put(outbox, "v-1", {"r1-a.jpg": b"picture"})
    work = janitor(tmp_path, released_days=7)
    work.work(NOW)
    assert outbox.known("violation", "v-1/r1")
    release(rig.state)
    work.work(NOW)
    folder = rig.state / "evidence" / "v-1" / "r1"
    assert (folder / RECEIPT).read_bytes() == b'{"receipt":1}'
    assert not outbox.known("violation", "v-1/r1")
    assert outbox.status()["files"] == {}


def test_a_record_whose_files_are_not_confirmed_stays(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    rig.put(outbox, "v-1", {"r1-a.jpg": b"picture"})
    release(rig.state, files=False)
    janitor(tmp_path).work(NOW)
    assert outbox.known("violation", "v-1/r1")
    assert not (rig.state / "evidence" / "v-1" / "r1" / RECEIPT).exists()


def age(rig: Rig, name: str, days: float) -> None:
    path = rig.state / "evidence" / name / "r1" / RECEIPT
    os.utime(path, (NOW - days * 86_400, NOW - days * 86_400))


def test_evidence_goes_after_its_time_and_never_without_a_receipt(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    rig.put(outbox, "v-old", {"r1-a.jpg": b"one"})
    rig.put(outbox, "v-new", {"r1-a.jpg": b"two"})
    release(rig.state)
    rig.put(outbox, "v-waits", {"r1-a.jpg": b"three"})
    work = janitor(tmp_path, released_days=7)
    work.work(NOW)
    age(rig, "v-old", 8)
    age(rig, "v-new", 6)
    work.work(NOW)
    assert sorted(p.name for p in (rig.state / "evidence").iterdir()) == ["v-new", "v-waits"]


def test_a_revision_begun_meanwhile_keeps_the_whole_case(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.put(rig.outbox(), "v-1", {"r1-a.jpg": b"one"})
    release(rig.state)
    work = janitor(tmp_path, released_days=0)
    work.work(0.0)
    (rig.state / "evidence" / "v-1" / ".r2.77.tmp").mkdir()
    age(rig, "v-1", 30)
    work.work(NOW)
    assert (rig.state / "evidence" / "v-1" / "r1" / "r1-a.jpg").exists()


def test_over_quota_the_oldest_released_case_goes_first(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    for name in ("v-1", "v-2", "v-3"):
        rig.put(outbox, name, {"r1-a.jpg": os.urandom(MB)})
    release(rig.state)
    rig.put(outbox, "v-4", {"r1-a.jpg": os.urandom(MB)})
    work = janitor(tmp_path, released_days=3000, evidence_mb=1000)
    work.work(NOW)
    for days, name in enumerate(("v-3", "v-2", "v-1")):
        age(rig, name, days)
    janitor(tmp_path, released_days=3000, evidence_mb=3, floor_mb=1).work(NOW)
    left = sorted(p.name for p in (rig.state / "evidence").iterdir())
    assert left == ["v-3", "v-4"], "v-1 and v-2 were released longest ago"


@pytest.mark.parametrize(
    ("free", "quota", "step", "expected"),
    [
        (1000, 1000, 0, 0),
        (99, 1000, 0, 1),
        (74, 1000, 0, 2),
        (49, 1000, 0, 3),
        (24, 1000, 0, 4),
        (0, 1000, 0, 4),
        (110, 1000, 1, 1),
        (121, 1000, 1, 0),
        (80, 1000, 2, 2),
        (91, 1000, 2, 1),
        (1000, -30, 0, 2),
        (1000, -100, 0, 4),
    ],
)
def test_ladder_steps(free: int, quota: int, step: int, expected: int) -> None:
    assert next_step(Room(free, quota, 100), step) == expected


def test_the_ladder_is_told_step_by_step_and_read_by_others(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    outbox = rig.outbox()
    rig.put(outbox, "v-1", {"r1-a.jpg": os.urandom(2 * MB)})
    assert janitor(tmp_path, evidence_mb=1, floor_mb=3).work(NOW) == ladder.NO_CLIPS
    assert ladder.current_step(tmp_path / "run") == ladder.NO_CLIPS
    assert (rig.state / "evidence" / "v-1" / "r1" / "r1-a.jpg").exists(), "never unacknowledged"
    dispatch = Dispatch(rig.state / "outbox.db")
    with dispatch.commit():
        told = [row.payload for row in dispatch.claim("fault", 10, seal)]
    assert [b"shed_telemetry" in t or b"no_clips" in t for t in map(bytes, told)] == [True, True]


def test_telemetry_drops_the_oldest_and_counts_it(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "state" / "outbox.db")
    for n in range(30):
        outbox.put(lane="telemetry", kind="sensor", key=str(n), body={"n": n})
    from edge.outbox.sweep import Sweep

    sweep = Sweep(tmp_path / "state" / "outbox.db")
    assert sweep.shed(10, "quota") == 20
    assert outbox.status()["counts"] == {"dropped:telemetry:quota": 20}
    assert not outbox.known("sensor", "19")
    assert outbox.known("sensor", "20")


def at(site):
    return box_files(Device(), site, None)


def test_a_bug_in_the_cases_ends_the_pass_once_and_deletes_all_the_same(tmp_path, monkeypatch):
    """The second time the cases are set aside, as a fault, and the janitor does its work."""
    site = tmp_path / "site.yaml"
    site.write_text("name: s\n")
    terms = terms_of(at(site))
    Outbox(tmp_path / "outbox.db").close()

    def bug(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr("edge.daemons.janitord.handle", bug)
    with pytest.raises(RuntimeError, match="a bug"):
        Janitor(Device(), tmp_path, tmp_path / "run", terms).work(time.time())
    Janitor(Device(), tmp_path, tmp_path / "run", terms).work(time.time())
    status = json.loads((tmp_path / "run/status/janitord.json").read_text())
    assert [fault["kind"] for fault in status["faults"]] == ["item_set_aside"]


def test_a_wrong_site_file_is_a_fault_of_the_cases_and_ends_with_it(tmp_path):
    site = tmp_path / "site.yaml"
    site.write_text("name: [1]\n")
    Outbox(tmp_path / "outbox.db").close()
    kinds = []
    for text in ("name: [1]\n", "name: s\n"):
        site.write_text(text)
        Janitor(Device(), tmp_path, tmp_path / "run", terms_of(at(site))).work(time.time())
        status = json.loads((tmp_path / "run/status/janitord.json").read_text())
        kinds.append([(f["kind"], f["subject"]) for f in status["faults"]])
    assert kinds == [[("not_sound", "cases")], []]
    assert terms_of(at(tmp_path / "none.yaml")) == ""


def test_one_wrong_camera_stops_the_follow_up_of_no_case(tmp_path):
    site = tmp_path / "site.yaml"
    camera = "  - {id: north, source: rtsp://127.0.0.1/1, fps: fast}\n"
    site.write_text(f"name: s\noffice_hours: ['09:00-17:00']\ncameras:\n{camera}")
    terms = terms_of(at(site))
    assert isinstance(terms, HandlingTerms)
    assert terms.office.hours == ("09:00-17:00",)


def test_office_hours_that_never_come_are_said_before_any_case_waits_for_them(tmp_path):
    (tmp_path / "site.yaml").write_text("name: s\noffice_hours: []\n")
    (tmp_path / "categories.yaml").write_text(
        "categories:\n  - {id: street-vendor, deadline_counts: working_hours}\n"
    )
    told = terms_of(at(tmp_path / "site.yaml"))
    assert isinstance(told, str)
    assert "category street-vendor" in told and "office_hours" in told


def test_the_janitor_loads_no_decoder_and_no_judge():
    """It starts every minute on a small box."""
    words = "import sys, edge.daemons.janitord; print('cv2' in sys.modules, 'av' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

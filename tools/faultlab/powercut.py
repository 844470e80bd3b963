# SPDX-License-Identifier: AGPL-3.0-or-later
"""Power cuts by the thousand: one recorded run of a working box, cut at any of its operations.

The box is real: captures, edge-uplinkd at a real broker with the real platform, janitor passes,
configurations, commands and verdicts from the platform, kills in between. Only the cut is worked
out, from the record (disk_image.py), and the product's own start-up judges each disk that results.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.progress import ProgressBar
from tools.faultlab import shim
from tools.faultlab.cut_check import Held, Told, Verdict, check
from tools.faultlab.cut_work import EXIT_DISK, MARKS
from tools.faultlab.desk import Desk
from tools.faultlab.disk_image import HOWS, Disk, How, Line, lay, read_log
from tools.faultlab.rig import Process, Rig, eventually

OUTSIDE = ("run", "platform")
# Daemons die here between the captures: before and after what must be durable.
KILLS = (("after sealing", 2), ("after publish", 9), ("before release", 3), ("after chunk", 2))


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut: after so many operations, and what of the unsynced survives it."""

    after: int
    how: How
    seed: int


class Recording:
    """A box in `rig` that works under the shim until everything it captured was delivered."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.log = rig.folder / "operations.log"
        # In memory where possible: the shim swallows syncs, but judging a disk makes real ones.
        memory = Path("/dev/shm")  # noqa: S108  a folder of its own below it
        base = memory if os.access(memory, os.W_OK) else rig.folder
        self._root = Path(tempfile.mkdtemp(prefix="edge-cut-", dir=base))
        self._library = shim.build(rig.folder)
        self._env: dict[str, str] = {}
        self.exits = 0

    @property
    def root(self) -> Path:
        return self._root

    def close(self) -> None:
        shutil.rmtree(self._root)

    def work(self, violations: int, *, kills: int = len(KILLS), eio: float = 0.0) -> int:
        """Capture, deliver, be killed and come back; `eio`: the share of syncs that fail.

        Returns how many records were promised.
        """
        broker = self._rig.broker()
        self._rig.receiver(broker.port)
        self.write_device(broker.port, self._rig.platform)
        self._env = shim.environment(self._library, self._root, log=self.log)
        self._start("install").child.wait(timeout=60)
        self._env = shim.environment(self._library, self._root, log=self.log, eio=eio)
        desk = Desk(self._rig, broker.port)
        share = max(1, violations // (kills + 1))
        for number, (step, count) in enumerate([*KILLS[:kills], ("", 0)]):
            uplinkd = self._start("uplinkd", step, str(count))
            desk.everything(number + 1)
            self._write(number * share, (number + 1) * share)
            self._end(uplinkd, killed=bool(step))
        desk.close()
        return self._drain()

    def write_device(self, port: int, platform: Path) -> None:
        text = self._rig.device_file(port).read_text()
        text = text.replace("platform/platform", f"{platform}/platform")
        keep = "keep: {ballast_mb: 0, floor_mb: 1, released_days: 0}\n"
        (self._root / "device.yaml").write_text(text + keep)

    def _start(self, what: str, *words: str) -> Process:
        argv = [sys.executable, "-m", "tools.faultlab.cut_work", what, str(self._root), *words]
        return self._rig.own(Process(argv, self._rig.folder / "box.log", self._env))

    def _write(self, first: int, end: int) -> None:
        """A writer that leaves when the disk refuses is started again, as by systemd."""
        while first < end:
            writer = self._start("writer", str(first), str(end))
            if (code := writer.child.wait(timeout=120)) == 0:
                return
            assert code == EXIT_DISK, (self._rig.folder / "box.log").read_text()[-2000:]
            self.exits += 1
            first = self._begun() + 1

    def notes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._root / MARKS).read_text().splitlines()]

    def _begun(self) -> int:
        return int(max(told["begun"] for told in self.notes() if "begun" in told))

    def _end(self, uplinkd: Process, *, killed: bool) -> None:
        """Killed at its step, gone because of the disk, or asked to stop."""
        end = time.monotonic() + (20.0 if killed else 1.0)
        while uplinkd.child.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        self.exits += uplinkd.child.poll() == 1
        uplinkd.stop()

    def _drain(self) -> int:
        """Until the platform has all that was promised."""
        promised = {told["promised"] for told in self.notes() if "promised" in told}
        uplinkd = self._start("uplinkd")

        def done() -> bool:
            nonlocal uplinkd
            if uplinkd.child.poll() is not None:
                self.exits += 1
                uplinkd = self._start("uplinkd")
            return promised <= Held.of(self._rig.platform).violations

        eventually(done, within_s=120)
        uplinkd.stop()
        return len(promised)


def choose(lines: int, count: int, seed: int) -> list[Cut]:
    """So many moments, spread over the record, each with one way of losing."""
    rng = random.Random(seed)
    moments = sorted(rng.randrange(1, lines + 1) for _ in range(count))
    return [
        Cut(at, HOWS[number % len(HOWS)], rng.getrandbits(32)) for number, at in enumerate(moments)
    ]


def images(
    lines: list[Line], root: Path, cuts: list[Cut]
) -> Iterator[tuple[Cut, Told, dict[str, bytes]]]:
    """Each cut's disk, with what the world had been told by then."""
    disk, told, played = Disk(root, leave_out=OUTSIDE), Told(), 0
    marks = f"{root}/{MARKS}"
    inode: int | None = None
    for cut in cuts:
        for line in lines[played : cut.after]:
            if line.op == "C" and line.a == marks:
                inode = line.ino
            if line.op == "W" and line.ino == inode:
                told.note(json.loads(line.b))
            disk.play(line)
        played = cut.after
        yield cut, told, disk.image(cut.how, random.Random(cut.seed))


def judge(recording: Recording, held: Held, count: int, *, seed: int = 1) -> tuple[Verdict, int]:
    """Lay each disk where the box was and start on it; returns what was found, and operations."""
    root, lines, verdict = recording.root, list(read_log(recording.log)), Verdict()
    cuts = choose(len(lines), count, seed)
    device = (root / "device.yaml").read_bytes()
    bar = ProgressBar("power cuts")
    for number, (cut, told, image) in enumerate(images(lines, root, cuts)):
        lay_anew({**image, "device.yaml": device}, root)
        before = verdict.found.total()
        check(root, told, held, verdict)
        if verdict.found.total() > before:
            verdict.examples.setdefault("first cut", str(cut))
        bar.update((number + 1) / count)
    bar.close()
    return verdict, len(lines)


def lay_anew(image: dict[str, bytes], root: Path) -> None:
    """This disk and nothing else below the folder."""
    for path in root.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    lay(image, root)


def delivers(rig: Rig, recording: Recording, held: Held, count: int) -> list[float]:
    """Start the real daemon on some of the disks; seconds until the platform had everything.

    Raises AssertionError naming the cut where something promised never arrives.
    """
    lines, took = list(read_log(recording.log)), []
    cuts = choose(len(lines), count, seed=2)
    for number, (cut, told, image) in enumerate(images(lines, recording.root, cuts)):
        rig.platform = rig.folder / f"platform-{number}"
        rig.platform.mkdir()
        shutil.copy(rig.folder / "platform" / "platform.pem", rig.platform)
        lay_anew(image, recording.root)
        began = time.monotonic()
        _deliver(rig, recording, held, told, f"{cut}")
        took.append(time.monotonic() - began)
    rig.platform = rig.folder / "platform"
    return took


def _deliver(rig: Rig, recording: Recording, held: Held, told: Told, cut: str) -> None:
    broker = rig.broker()
    receiver = rig.receiver(broker.port, name=f"receiver-{rig.platform.name[9:]}")
    recording.write_device(broker.port, rig.platform)
    argv = [sys.executable, "-m", "edge", "uplinkd", "--site", str(recording.root / "site.yaml")]
    argv += ["--device", str(recording.root / "device.yaml")]
    uplinkd = rig.own(Process(argv, rig.folder / "uplinkd.log"))
    path = recording.root / "state" / "outbox.db"
    eventually(lambda: path.exists() and not waiting(path), within_s=120)
    here = Held.of(rig.platform)
    missing = [n for n in told.promised if n not in here.violations | held.violations]
    sent = {record: note["sha256"] for record, note in told.sent.items()}
    other = [record for record in sent if here.records.get(record, sent[record]) != sent[record]]
    assert not missing and not other, f"{cut}: missing {missing}, forged {other}"
    for child in (uplinkd, receiver, broker):
        child.stop()


def waiting(path: Path) -> int:
    """Rows and files of an outbox that the platform has not acknowledged; 1 before it is ready."""
    with closing(sqlite3.connect(path, timeout=10)) as db:
        try:
            rows = db.execute(
                "SELECT (SELECT count(*) FROM record WHERE state <> 3)"
                " + (SELECT count(*) FROM file WHERE state <> 3)"
            ).fetchone()
        except sqlite3.OperationalError:
            return 1
    return int(rows[0])

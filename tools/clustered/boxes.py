# SPDX-License-Identifier: AGPL-3.0-or-later
"""Boxes of a cluster trial: the outbox on disk, the pump and the link of uplinkd, many a process.

Left out of a real box: cameras, its other daemons, and the process of its own. Every record is put
as visiond puts it, and written down only when the put has returned.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import msgspec

from edge.clock import SystemClock
from edge.config import Device, load
from edge.config.paths import box_files
from edge.outbox import Outbox
from edge.uplink import report, wire
from edge.uplink.build import address, build_parts, open_stock
from edge.uplink.pacing import TokenBucket
from edge.uplink.pump import Pump
from edge.uplink.wire import fault_row
from tools.faultlab.rig import make_violation, write

TURN_S = 0.1
LOOK_S = 1.0
TENANT = "city"
DEVICE = """\
device: {name}
tenant: {tenant}
broker: {{host: {host}, port: {port}, tls: off}}
trust: {{platform_key: {key}}}
folders: {{state: state, run: run}}
"""


@dataclass(frozen=True, slots=True)
class Work:
    """One process's boxes. Times are CLOCK_MONOTONIC, which all processes of a machine share.

    records, files: of each box; a file comes with a record. They are put in equal parts, one as
    soon as each of the `steps` has begun, spread over `spread_s`. progress: the file that says how
    many have; one more than there are means that nothing is broken any more: after `wait_s` a box
    then gives up, with what is left. end: so it does in any case.
    """

    first: int
    count: int
    folder: str
    host: str
    port: int
    key: str
    records: int
    files: int
    start: float
    progress: str
    steps: int
    spread_s: float
    wait_s: float
    end: float
    picture_bytes: int = 60_000

    def begun(self) -> int:
        """How many steps have begun; 0 before the first."""
        path = Path(self.progress)
        return int(path.read_text()) if path.exists() else 0

    def part(self, step: int) -> Iterator[bool]:
        """The records of one step, counted from 1; whether each comes with a file. None after the
        last step."""
        first, last = (self.records * min(n, self.steps) // self.steps for n in (step - 1, step))
        for n in range(first, last):
            yield n * self.files // self.records != (n + 1) * self.files // self.records


@dataclass(slots=True)
class Account:
    """What a process promised and saw. promised: violation -> file -> SHA-256; waiting: (time,
    records and files of all its boxes that the platform has not acknowledged)."""

    promised: dict[str, dict[str, str]] = field(default_factory=dict)
    waiting: list[tuple[float, int]] = field(default_factory=list)
    connects: list[float] = field(default_factory=list)
    left: int = 0
    dead: int = 0
    faults: dict[str, int] = field(default_factory=dict)


class ClusterBox:
    """One box: what uplinkd has around its outbox, and who puts into it."""

    def __init__(self, name: str, work: Work, account: Account) -> None:
        self._name, self._work, self._account = name, work, account
        folder = Path(work.folder) / name
        folder.mkdir(parents=True)
        path = folder / "device.yaml"
        told = {"name": name, "tenant": TENANT, "key": work.key}
        path.write_text(DEVICE.format(host=work.host, port=work.port, **told))
        self._device = load(path, Device)
        self._where = box_files(self._device, None, path)
        self._where.state.mkdir()
        self._clock = SystemClock()
        self._stock = open_stock(self._device, self._where, self._clock)
        self._parts = build_parts(
            self._device,
            self._stock,
            obey={},
            bucket=TokenBucket(None),
            pace=lambda _pace: None,
        )
        self._pump = Pump(
            self._parts,
            address(self._device, self._stock.credentials),
            birth=lambda: report.birth(
                self._device, self._stock.keys, self._where.run, 0, self._clock.now()
            ),
            clock=self._clock.now,
            puback_deadline_s=self._device.broker.ack_deadline_s,
            first_wait_s=max(0.0, work.start - time.monotonic()),
        )
        self._outbox = Outbox(self._where.outbox, "visiond")
        self._due: list[tuple[float, bool]] = []
        self._online = False

    def begin(self, step: int, now: float) -> None:
        """The part of a step that begins is put within the next seconds."""
        for with_file in self._work.part(step):
            self._due.append((now + random.uniform(0.0, self._work.spread_s), with_file))
        self._due.sort()

    def step(self, now: float, *, calm: bool) -> None:
        """Put the records that are due, turn the uplink once, and note what it did."""
        while self._due and (calm or self._due[0][0] <= now):
            self._put(with_file=self._due.pop(0)[1])
        self._pump.step(0.0)
        if self._pump.online and not self._online:
            self._account.connects.append(now)
        self._online = self._pump.online
        while self._stock.raised:
            fault, stands = self._stock.raised.pop(0)
            faults = self._account.faults
            faults[fault.kind] = faults.get(fault.kind, 0) + 1
            self._stock.outbox.put(**fault_row(fault, stands))

    def _put(self, *, with_file: bool) -> None:
        name = f"{self._name}-v{len(self._account.promised):06d}"
        data = random.randbytes(self._work.picture_bytes) if with_file else b""
        folder = self._where.evidence / name / "r1" if with_file else None
        if folder is not None:
            folder.mkdir(parents=True)
        listed = [write(folder, "r1-1.jpg", data)] if folder is not None else []
        body = wire.violation_data(make_violation(name, tuple(listed)))
        if folder is not None:
            told = {"id": name, "revision": 1, "files": body["evidence"], "violation": body}
            (folder / "manifest.json").write_bytes(msgspec.json.encode(told))
        self._outbox.put(
            lane="violation",
            kind="violation",
            key=wire.violation_key(name, 1),
            body=body,
            folder=folder,
            files=listed,
        )
        hashes = {"r1-1.jpg": hashlib.sha256(data).hexdigest()} if with_file else {}
        self._account.promised[name] = hashes

    @property
    def online(self) -> bool:
        return self._pump.online

    def waiting(self) -> tuple[int, int]:
        """Rows and files that the platform has not acknowledged; those that were given up."""
        status = self._outbox.status()
        groups = [*status["records"].values(), *status["files"].values()]
        found = [(state, n) for states in groups for state, n in states.items()]
        dead = sum(n for state, n in found if state == "dead")
        return sum(n for state, n in found if state not in ("platform_ack", "dead")), dead

    def close(self) -> None:
        self._pump.close()
        self._outbox.close()
        self._stock.dispatch.close()
        self._stock.outbox.close()


def run(work: Work) -> Account:
    """Until everything was put and acknowledged, or until the work's end."""
    account = Account()
    numbers = range(work.first, work.first + work.count)
    boxes = [ClusterBox(f"box-{n:04d}", work, account) for n in numbers]
    second, begun, end = 0.0, 0, work.end
    for _ in count():
        began, calm = time.monotonic(), begun > work.steps
        for box in boxes:
            box.step(time.monotonic(), calm=calm)
        if began >= second:
            second = began + LOOK_S
            waits = sum(box.waiting()[0] for box in boxes)
            account.waiting.append((began, waits))
            if calm and not waits and all(box.online for box in boxes):
                break
            while begun < work.begun():
                begun += 1
                for box in boxes:
                    box.begin(begun, began)
            if begun > work.steps and not calm:
                end = min(end, began + work.wait_s)
        if began > end:
            break
        time.sleep(max(0.0, TURN_S - (time.monotonic() - began)))
    account.left = sum(box.waiting()[0] for box in boxes)
    account.dead = sum(box.waiting()[1] for box in boxes)
    for box in boxes:
        box.close()
    return account


def main() -> int:
    work = Work(**json.loads(sys.argv[1]))
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(run(work)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: AGPL-3.0-or-later
"""The invariant of every fault test, checked from outside: nothing lost, nothing invented.

An obligation is a record whose put returned. Once the faults stop: every obligation is at the
platform exactly once with its bytes, every file with its hash, nothing else is there, nothing was
released that the platform does not hold, and a fresh probe arrives within a minute. The method is
that of Vector, a collector of logs: obligations, then a quiet end.
"""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

import msgspec

from edge.outbox import Outbox
from tools.faultlab.rig import Rig, eventually

PROBE_WITHIN_S = 60.0
DRAIN_WITHIN_S = 180.0
# A backlog takes its time on a busy machine: so much more for each record or file that waits.
DRAIN_EACH_S = 0.1


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    test: str
    runs: int
    obligations: int
    missing: int
    spurious: int
    false_releases: int
    worst_recovery_s: float
    note: str = ""

    @property
    def ok(self) -> bool:
        good = self.missing == self.spurious == self.false_releases == 0
        return good and self.worst_recovery_s < PROBE_WITHIN_S


@dataclass(slots=True)
class Oracle:
    """Puts records and remembers what was promised."""

    rig: Rig
    outbox: Outbox
    promised: dict[str, dict[str, str]] = field(default_factory=dict)
    worst_s: float = 0.0
    _rng: random.Random = field(default_factory=lambda: random.Random(7))

    def put(self, *, pictures: int = 0, clip: int = 0) -> str:
        """One violation with so many pictures and a clip of so many bytes."""
        name = f"v-{len(self.promised):05d}"
        files = {f"r1-{n}.jpg": self._rng.randbytes(30_000 + n) for n in range(pictures)}
        if clip:
            files["r1-clip.mp4"] = os.urandom(clip)
        self.rig.put(self.outbox, name, files)
        hashes = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
        self.promised[name] = hashes
        return name

    def waiting(self) -> int:
        """Promises whose row is not yet acknowledged, with all its files."""
        status = self.outbox.status()
        groups = [*status["records"].values(), *status["files"].values()]
        return sum(n for states in groups for state, n in states.items() if state != "platform_ack")

    def settle(self) -> None:
        """Faults are over: everything must drain, and a fresh probe must pass within a minute."""
        within_s = DRAIN_WITHIN_S + self.waiting() * DRAIN_EACH_S
        eventually(lambda: self.waiting() == 0, within_s=within_s)
        began = time.monotonic()
        self.put()
        eventually(lambda: self.waiting() == 0, within_s=PROBE_WITHIN_S)
        self.recovered(time.monotonic() - began)

    def recovered(self, seconds: float) -> None:
        self.worst_s = max(self.worst_s, seconds)

    def result(self, test: str, runs: int, note: str = "") -> Result:
        """Compare what the platform stored with what was promised; torn files count as missing."""
        stored = self._stored()
        missing = [name for name in self.promised if stored[name] != 1]
        missing += [f"{n}/{p}" for n, files in self.promised.items() for p in self._torn(n, files)]
        spurious = [name for name in stored if name not in self.promised]
        return Result(
            test=test,
            runs=runs,
            obligations=len(self.promised),
            missing=len(missing),
            spurious=len(spurious),
            false_releases=self._false_releases(),
            worst_recovery_s=round(self.worst_s, 1),
            note=note or ", ".join(missing[:3] + spurious[:3]),
        )

    def _stored(self) -> Counter[str]:
        """How many different records the platform holds of each violation."""
        with closing(sqlite3.connect(self.rig.platform / "platform.db")) as db:
            rows = db.execute("SELECT payload FROM record WHERE kind = 'violation'").fetchall()
        return Counter(msgspec.json.decode(row[0])["data"]["id"] for row in rows)

    def _torn(self, name: str, files: dict[str, str]) -> list[str]:
        """Files that are not at the platform with the hash they were promised with."""
        folder = self.rig.platform / "evidence" / "city" / "box-1" / name / "r1"
        return [path for path, sha256 in files.items() if _sha256(folder / path) != sha256]

    def _false_releases(self) -> int:
        """Released rows whose bytes the platform does not hold."""
        with closing(sqlite3.connect(self.rig.state / "outbox.db", timeout=10)) as db:
            rows = db.execute(
                "SELECT sha256 FROM record WHERE state = 3 AND kind IN ('violation', 'fault')"
            ).fetchall()
        with closing(sqlite3.connect(self.rig.platform / "platform.db")) as db:
            held = {row[0] for row in db.execute("SELECT sha256 FROM record")}
        return sum(row[0] not in held for row in rows)


def _sha256(path: os.PathLike[str]) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  any path-like
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return "absent"
